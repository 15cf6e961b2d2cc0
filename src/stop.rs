//! The latch that ends the program: set once, by a signal or by a core thread that ended, waited for by main.

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
