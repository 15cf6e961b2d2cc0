//! A stream as the hub and the couriers see it: how its queue is carried, from its own thread or from another.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::hub::{Selection, Subscriber};
use crate::reader::life::{Happening, State};

use super::link::{Carried, Link};
use super::visitor::Visitor;
use super::wire::Shape;

/// A stream as the hub and the couriers see it.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub visitor: Arc<Visitor>,
    /// What is delivered through. Nobody but its own thread, who carries, and the hub, when it drops the sender, takes
    /// this lock: so the hub finds it free whenever its thread waits.
    pub link: Mutex<Link>,
    /// Of which sources its stream is.
    pub selection: Selection,
    /// What its lines look like.
    pub shape: Shape,
    /// Where it is; `None` on a Unix socket. Asked while it is there.
    pub address: Option<SocketAddr>,
    /// When its stream began.
    pub since: Instant,
    /// What the link had last, for those who don't take its lock.
    done: AtomicU64,
    progress: AtomicU64,
    reached: AtomicU64,
}

/// Where a stream that is live has come to.
const LIVE: u64 = u64::MAX;

impl Peer {
    /// A stream that is not subscribed yet.
    pub fn new(visitor: Arc<Visitor>, link: Link, selection: Selection) -> Peer {
        Peer {
            selection,
            shape: link.wire.shape(),
            address: visitor.socket.peer_address(),
            since: Instant::now(),
            visitor,
            link: Mutex::new(link),
            done: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            reached: AtomicU64::new(LIVE),
        }
    }

    /// How far it is in all that is published of its sources, while it reads the files.
    pub fn reached(&self) -> Option<u64> {
        let reached = self.reached.load(Ordering::Relaxed);
        (reached != LIVE).then_some(reached)
    }

    /// It has come so far, or is live. Returns how far it was before.
    pub fn reaches(&self, reached: Option<u64>) -> Option<u64> {
        let before = self
            .reached
            .swap(reached.unwrap_or(LIVE), Ordering::Relaxed);
        (before != LIVE).then_some(before)
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

    /// Delivers from its own thread. Where the socket is full, that then waits for it, and nobody else tries.
    pub fn carry_here(&self) -> io::Result<Carried> {
        let mut link = self.link.lock();
        link.happens(Happening::Tried);
        let carried = link.carry(true);
        if matches!(carried, Ok(Carried::Blocked)) {
            link.happens(Happening::Filled);
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
    fn carry(&self, patient: bool) -> bool {
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

    fn broke(&self) {
        self.visitor.end();
    }

    fn dropped(&self) {
        // At the end what is queued is still sent. Where its own thread has the link, that looks (see `Stream`).
        if !self.visitor.is_ended() {
            if let Some(mut link) = self.link.try_lock() {
                link.falls_back_if_cut();
            }
        }
        self.visitor.wake();
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
pub(crate) mod tests;
