//! The latch that ends the program: set once, by a signal or by a core thread that ended, waited for by main.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

/// Why the program stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// SIGINT, SIGTERM or SIGHUP.
    Signal,
    /// A core thread ended, which it never should: exit status 1.
    Lost(String),
}

/// The latch: not set yet, or set with the first reason.
#[derive(Debug, Default)]
pub struct Stop {
    reason: Mutex<Option<Reason>>,
    set: Condvar,
}

impl Stop {
    /// Sets the latch; the first reason stays. Never blocks.
    pub fn set(&self, reason: Reason) {
        self.reason.lock().get_or_insert(reason);
        self.set.notify_all();
    }

    /// Starts a core thread, which runs as long as the program does: a panic of it sets the latch, for what it did is done
    /// by nobody then.
    pub fn start(
        self: &Arc<Stop>,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let stop = Arc::clone(self);
        thread::Builder::new().name(name.clone()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                stop.set(Reason::Lost(format!("the thread {name} has panicked")));
            }
        })
    }

    /// True once it is set.
    pub fn is_set(&self) -> bool {
        self.reason.lock().is_some()
    }

    /// Waits until it is set.
    pub fn wait(&self) -> Reason {
        let mut reason = self.reason.lock();
        loop {
            if let Some(reason) = reason.clone() {
                return reason;
            }
            self.set.wait(&mut reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_thread_that_panics_ends_the_program_and_one_that_returns_does_not() {
        let stop = Arc::new(Stop::default());
        let start = |name: &str, run: fn()| {
            let thread = stop.start(name.to_owned(), run).expect("a thread");
            thread.join().expect("the panic is caught");
        };
        start("good", || {});
        assert!(!stop.is_set());
        start("bad", || panic!("a test wants it"));
        let why = "the thread bad has panicked".to_owned();
        assert_eq!(stop.wait(), Reason::Lost(why));
    }
}
