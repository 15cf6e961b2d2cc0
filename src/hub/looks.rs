//! Looks that readers ask the watcher for: "has anything happened to the files that I should know of?"

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::{Condvar, Mutex};

use crate::limits::LOOK_WAIT;

/// Tickets for looks: a reader draws the next one and waits until the watcher has served it. One pass of the watcher
/// serves all that were drawn before it began.
#[derive(Debug)]
pub struct Looks {
    state: Mutex<Tickets>,
    served: Condvar,
    /// Wakes the watcher, for a look or for anything else.
    waker: EventFd,
}

#[derive(Debug, Default)]
struct Tickets {
    drawn: u64,
    served: u64,
    closed: bool,
}

impl Looks {
    pub(super) fn new() -> io::Result<Looks> {
        let waker = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Looks {
            state: Mutex::default(),
            served: Condvar::new(),
            waker,
        })
    }

    /// Asks the watcher to look at every source and waits until it has, at most [`LOOK_WAIT`]; whether it has.
    /// Woken by the watcher, and by stop.
    pub fn ask(&self) -> bool {
        let deadline = Instant::now() + LOOK_WAIT;
        let mut state = self.state.lock();
        state.drawn += 1;
        let ticket = state.drawn;
        drop(state);
        self.wake();
        state = self.state.lock();
        while state.served < ticket && !state.closed {
            if self.served.wait_until(&mut state, deadline).timed_out() {
                return state.served >= ticket;
            }
        }
        true
    }

    /// The last ticket drawn: to be served by a pass that begins now. `None` where nobody waits.
    pub fn pending(&self) -> Option<u64> {
        let state = self.state.lock();
        (state.drawn > state.served).then_some(state.drawn)
    }

    /// All tickets up to `ticket` are served, and what was found is published.
    pub fn serve(&self, ticket: u64) {
        let mut state = self.state.lock();
        state.served = state.served.max(ticket);
        drop(state);
        self.served.notify_all();
    }

    /// Wakes the watcher. Never blocks.
    pub fn wake(&self) {
        // A full counter (EAGAIN) wakes as well.
        let _ = self.waker.write(1);
    }

    /// What the watcher polls beside its events.
    pub fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    /// Takes the wake-ups that have come.
    pub fn take_wakes(&self) {
        let _ = self.waker.read();
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.served.notify_all();
    }
}
