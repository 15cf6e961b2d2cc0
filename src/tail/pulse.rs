//! The watcher's sign of life, for who must know whether it is stuck.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::limits::PULSE_FRESH;

/// When the watcher last came round.
#[derive(Debug)]
pub(super) struct Pulse {
    last: Mutex<Instant>,
    felt: Condvar,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Pulse {
        Pulse {
            last: Mutex::new(now),
            felt: Condvar::new(),
        }
    }

    /// The watcher has done what was due `since` then. Called by it alone, each time that it comes round.
    pub(super) fn beat(&self, since: Instant) {
        *self.last.lock() = since;
        self.felt.notify_all();
    }

    /// Whether the watcher beats: it has done so a moment ago, or does once `wake` has woken it, within `wait`. If not,
    /// for how long it has not. Blocks for no longer than `wait`; woken by the watcher.
    pub(super) fn feel(&self, wake: impl FnOnce(), wait: Duration) -> Result<(), Duration> {
        let asked = Instant::now();
        if asked.saturating_duration_since(*self.last.lock()) < PULSE_FRESH {
            return Ok(());
        }
        wake();
        let mut last = self.last.lock();
        while *last < asked {
            if self.felt.wait_until(&mut last, asked + wait).timed_out() && *last < asked {
                return Err(Instant::now().saturating_duration_since(*last));
            }
        }
        Ok(())
    }
}
