//! One accepted connection as others see it: how to wake its thread, end it, and deliver to it.

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread::Thread;

use parking_lot::Mutex;

use crate::hub::Subscriber;

use super::link::{Carried, Link};
use crate::serve::access::Pass;
use crate::serve::transport::socket::Socket;
use crate::serve::transport::words::FirstWords;

/// What is known of a connection outside its thread.
#[derive(Debug)]
pub struct Visitor {
    /// Counts up over the daemon's life.
    pub number: u64,
    /// Its socket.
    pub socket: Arc<Socket>,
    thread: std::sync::OnceLock<Thread>,
    /// The peer has said something since this was last taken.
    said: AtomicBool,
    /// Its thread waits in poll(2), where an unpark does not reach it.
    waits: AtomicBool,
    /// It is to end: the daemon stops, or its token was withdrawn.
    ended: AtomicBool,
    /// Its token was withdrawn.
    withdrawn: AtomicBool,
    /// The peer has shut its sending side, and is served all the same.
    deaf: AtomicBool,
    /// A peer that shuts its sending side has not left (`tcp:`).
    half_close: bool,
    /// What a peer of `tcp:` says first.
    words: Mutex<FirstWords>,
    /// What it was let in with, to be asked again when the token file changes.
    pass: std::sync::OnceLock<Pass>,
}

impl Visitor {
    /// A connection whose thread does not run yet.
    pub fn new(number: u64, socket: Arc<Socket>, half_close: bool) -> Visitor {
        Visitor {
            number,
            socket,
            thread: std::sync::OnceLock::new(),
            said: AtomicBool::new(true),
            waits: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            withdrawn: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            half_close,
            words: Mutex::default(),
            pass: std::sync::OnceLock::new(),
        }
    }

    /// It was let in with this.
    pub fn let_in_with(&self, pass: Pass) {
        let _ = self.pass.set(pass);
    }

    /// What it was let in with, once it was.
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.get()
    }

    /// Its thread is the current one.
    pub fn runs_here(&self) {
        let _ = self.thread.set(std::thread::current());
    }

    /// Wakes its thread from a park.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The peer has said something.
    pub fn hears(&self) {
        self.said.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the peer has said something since this was last asked.
    pub fn take_said(&self) -> bool {
        self.said.swap(false, Ordering::AcqRel)
    }

    /// The same, without taking it.
    pub fn has_said(&self) -> bool {
        self.said.load(Ordering::Acquire)
    }

    /// The peer has shut its sending side.
    pub fn goes_deaf(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// Whether the peer has shut its sending side, and is served all the same.
    pub fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// Whether a peer that shuts its sending side is served all the same.
    pub fn may_half_close(&self) -> bool {
        self.half_close
    }

    /// Whether the peer, which says `more`, takes a `tcp:` listener for one of HTTP: a web page may have sent it, and
    /// would get lines that it could not ask for otherwise.
    pub fn asks_for_http(&self, more: &[u8]) -> bool {
        self.half_close && self.words.lock().are_http(more)
    }

    /// It is to end.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Its token was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::SeqCst)
    }

    /// Ends it, politely: its thread is told, wherever it waits.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // Race: its thread is about to wait in poll. Either it sees `ended` before, or `waits` is seen here, and the
        // shutdown ends the wait.
        if self.waits.load(Ordering::SeqCst) {
            self.socket.shutdown(Shutdown::Read);
        }
        self.wake();
    }

    /// Ends it since its token was withdrawn.
    pub fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::SeqCst);
        self.end();
    }

    /// Its thread waits for its peer, which has not said anything yet that would end the wait.
    pub fn is_kept_waiting(&self) -> bool {
        self.waits.load(Ordering::SeqCst) && !self.socket.has_unread()
    }

    /// Runs `wait` (a poll of the socket), unless it is to end already.
    pub fn wait<T>(&self, wait: impl FnOnce() -> T) -> Option<T> {
        self.waits.store(true, Ordering::SeqCst);
        let waited = if self.is_ended() { None } else { Some(wait()) };
        self.waits.store(false, Ordering::SeqCst);
        waited
    }
}

/// A stream as the hub and the couriers see it.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub visitor: Arc<Visitor>,
    /// What is delivered through.
    pub link: Mutex<Link>,
    /// Its sender was dropped.
    lost: AtomicBool,
    done: AtomicU64,
}

impl Peer {
    /// A stream that is not subscribed yet.
    pub fn new(visitor: Arc<Visitor>, link: Link) -> Peer {
        Peer {
            visitor,
            link: Mutex::new(link),
            lost: AtomicBool::new(false),
            done: AtomicU64::new(0),
        }
    }

    /// Whether its sender was dropped since [`Peer::joins`].
    pub fn is_lost(&self) -> bool {
        // Race: the hub drops the sender while this thread holds the link. Either the hub gets the link, or this thread
        // sees the flag after it let go of it; the fences make one of the two certain.
        fence(Ordering::SeqCst);
        self.lost.load(Ordering::SeqCst)
    }

    /// Whether its stream is over when the peer shuts its sending side: once it is live, and has its history.
    pub fn is_over_when_half(&self) -> bool {
        !self.visitor.may_half_close() && self.link.lock().live
    }

    /// It is about to subscribe.
    pub fn joins(&self) {
        self.lost.store(false, Ordering::SeqCst);
    }

    /// Delivers from another thread than its own; whether it is to be tried again soon, which only the `patient` do.
    fn carry_there(&self, patient: bool) -> bool {
        let Some(mut link) = self.link.try_lock() else {
            self.visitor.wake();
            return false;
        };
        // Before it is live, and while it waits for room, its own thread will look into the queue.
        if !link.live || link.waits {
            return false;
        }
        let carried = link.carry(false);
        self.done.store(link.done(), Ordering::Release);
        let again = patient && matches!(carried, Ok(Carried::Blocked)) && link.moves();
        drop(link);
        if !again && !matches!(carried, Ok(Carried::Drained)) {
            self.visitor.wake();
        }
        again
    }

    /// Delivers from its own thread.
    pub fn carry_here(&self) -> std::io::Result<Carried> {
        let mut link = self.link.lock();
        link.waits = false;
        let carried = link.carry(true);
        self.done.store(link.done(), Ordering::Release);
        if matches!(carried, Ok(Carried::Blocked)) {
            link.waits = true;
        }
        carried
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

    fn dropped(&self) {
        if !self.visitor.is_ended() {
            self.lost.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if let Some(mut link) = self.link.try_lock() {
                link.forsake();
            }
        }
        self.visitor.wake();
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}
