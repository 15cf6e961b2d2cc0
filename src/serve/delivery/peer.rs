//! A stream as the hub and the couriers see it: how its queue is carried, from its own thread or from another.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::hub::Subscriber;
use crate::reader::life::State;

use super::link::{Carried, Link};
use super::visitor::Visitor;

/// A stream as the hub and the couriers see it.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub visitor: Arc<Visitor>,
    /// What is delivered through. Nobody but its own thread, who carries, and the hub, when it drops the sender, takes
    /// this lock: so the hub finds it free whenever its thread waits.
    pub link: Mutex<Link>,
    /// What the link had last, for those who don't take its lock.
    done: AtomicU64,
    progress: AtomicU64,
}

impl Peer {
    /// A stream that is not subscribed yet.
    pub fn new(visitor: Arc<Visitor>, link: Link) -> Peer {
        Peer {
            visitor,
            link: Mutex::new(link),
            done: AtomicU64::new(0),
            progress: AtomicU64::new(0),
        }
    }

    /// Bytes that were written to it.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Whether its stream is over when the peer shuts its sending side: once it is live, and has its history.
    pub fn is_over_when_half(&self) -> bool {
        let state = self.link.lock().state();
        !self.visitor.may_half_close() && matches!(state, State::Live | State::Full)
    }

    /// Delivers from another thread than its own; whether it is to be tried again soon, which only the `patient` do.
    fn carry_there(&self, patient: bool) -> bool {
        let Some(mut link) = self.link.try_lock() else {
            self.visitor.wake();
            return false;
        };
        // Before it is live, and while it waits for room, its own thread will look into the queue.
        if link.state() != State::Live {
            return false;
        }
        let carried = link.carry(false);
        self.note(&link);
        let again = patient && matches!(carried, Ok(Carried::Blocked)) && link.moves();
        drop(link);
        if !again && !matches!(carried, Ok(Carried::Drained)) {
            self.visitor.wake();
        }
        again
    }

    /// Delivers from its own thread. Where the socket is full, that then waits for it, and nobody else tries.
    pub fn carry_here(&self) -> io::Result<Carried> {
        let mut link = self.link.lock();
        link.tries();
        let carried = link.carry(true);
        if matches!(carried, Ok(Carried::Blocked)) {
            link.is_filled();
        }
        self.note(&link);
        carried
    }

    fn note(&self, link: &Link) {
        self.done.store(link.done(), Ordering::Release);
        self.progress.store(link.progress(), Ordering::Relaxed);
    }
}

impl Subscriber for Peer {
    fn carry(&self) {
        self.carry_there(false);
    }

    fn carry_patiently(&self) -> bool {
        self.carry_there(true)
    }

    fn broke(&self) {
        self.visitor.end();
    }

    fn dropped(&self, key: u64) {
        // At the end what is queued is still sent. Where its own thread has the link, that looks (see `Stream`).
        if !self.visitor.is_ended()
            && let Some(mut link) = self.link.try_lock()
        {
            link.is_cut(key);
        }
        self.visitor.wake();
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
