//! One accepted connection as others see it: how to wake its thread, and to end it.

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::stream::Ended;
use crate::serve::access::Pass;
use crate::serve::transport::socket::Socket;
use crate::serve::transport::words::FirstWords;

const STAYS: u8 = 0;
/// The daemon stops, or what was carried for it panicked.
const ENDS: u8 = 1;
/// Its token was withdrawn.
const WITHDRAWN: u8 = 2;

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
    /// Whether it is to end, and why: one of the three below.
    fate: AtomicU8,
    /// What a peer of `tcp:` says first. One that shuts its sending side has not left.
    words: Option<Mutex<FirstWords>>,
    /// What it was let in with, to be asked again when the token file changes.
    pass: std::sync::OnceLock<Pass>,
}

impl Visitor {
    /// A connection whose thread does not run yet; `plain` says that it came to `tcp:`.
    pub fn new(number: u64, socket: Arc<Socket>, plain: bool) -> Visitor {
        Visitor {
            number,
            socket,
            thread: std::sync::OnceLock::new(),
            said: AtomicBool::new(true),
            waits: AtomicBool::new(false),
            fate: AtomicU8::new(STAYS),
            words: plain.then(Mutex::default),
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

    /// Whether a peer that shuts its sending side is served all the same.
    pub fn may_half_close(&self) -> bool {
        self.words.is_some()
    }

    /// Whether the peer, which says `more`, takes a `tcp:` listener for one of HTTP: a web page may have sent it, and
    /// would get lines that it could not ask for otherwise.
    pub fn asks_for_http(&self, more: &[u8]) -> bool {
        let words = self.words.as_ref();
        words.is_some_and(|words| words.lock().are_http(more))
    }

    /// It is to end.
    pub fn is_ended(&self) -> bool {
        self.fate().is_some()
    }

    /// Why it is to end, where it is.
    pub fn fate(&self) -> Option<Ended> {
        match self.fate.load(Ordering::SeqCst) {
            STAYS => None,
            ENDS => Some(Ended::Stopping),
            _ => Some(Ended::Withdrawn),
        }
    }

    /// Ends it, politely: its thread is told, wherever it waits.
    pub fn end(&self) {
        self.meets(ENDS);
    }

    /// Ends it since its token was withdrawn.
    pub fn withdraw(&self) {
        self.meets(WITHDRAWN);
    }

    fn meets(&self, fate: u8) {
        self.fate.fetch_max(fate, Ordering::SeqCst);
        // Race: its thread is about to wait in poll. Either it sees its fate before, or `waits` is seen here, and the
        // shutdown ends the wait.
        if self.waits.load(Ordering::SeqCst) {
            self.socket.shutdown(Shutdown::Read);
        }
        self.wake();
    }

    /// Its thread waits for its peer, which has not said anything yet that would end the wait.
    pub fn is_kept_waiting(&self) -> bool {
        self.waits.load(Ordering::SeqCst) && !self.socket.has_unread()
    }

    /// Runs `wait` (a poll of the socket), unless it is to end already.
    pub fn wait<T>(&self, wait: impl FnOnce() -> T) -> Option<T> {
        self.waits.store(true, Ordering::SeqCst);
        let waited = (!self.is_ended()).then(wait);
        self.waits.store(false, Ordering::SeqCst);
        waited
    }
}

/// Parks the current thread for so long, or until it `is_over`: whoever ends its connection wakes it. A peer that says
/// something wakes it, too, and shortens nothing.
pub fn rest(time: Duration, is_over: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_over() {
        match time.checked_sub(begun.elapsed()) {
            Some(left) if !left.is_zero() => thread::park_timeout(left),
            Some(_) | None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_ends_with_its_connection_and_not_with_a_word_of_the_peer() {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let rests = thread::spawn(move || {
            let begun = Instant::now();
            // The word of a peer that came before.
            thread::current().unpark();
            rest(Duration::from_millis(20), || false);
            assert!(begun.elapsed() >= Duration::from_millis(20));
            rest(Duration::from_secs(600), || ends.load(Ordering::Acquire));
            begun.elapsed()
        });
        over.store(true, Ordering::Release);
        rests.thread().unpark();
        let took = rests.join().expect("it rests");
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}
