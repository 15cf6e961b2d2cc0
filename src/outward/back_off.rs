//! When a peer that failed is tried again: soon, then ever later, and never in step with the other machines of a
//! fleet.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::limits::{BACK_OFF_FORGOTTEN, BACK_OFF_MAX, BACK_OFF_MIN};

/// How long to wait before the next try: twice as long each time, up to [`BACK_OFF_MAX`].
#[derive(Debug)]
pub(super) struct BackOff {
    next: Duration,
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff { next: BACK_OFF_MIN }
    }
}

impl BackOff {
    /// How long to wait now: somewhere between half and all of what is due.
    pub(super) fn wait(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(BACK_OFF_MAX);
        // Each RandomState has keys of its own.
        let random = RandomState::new().hash_one(0) as u32;
        due / 2 + (due / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The connection has stood for so long: it was a good one from [`BACK_OFF_FORGOTTEN`] on, and the next wait is a short
    /// one.
    pub(super) fn forget_after(&mut self, stood: Duration) {
        if stood >= BACK_OFF_FORGOTTEN {
            *self = BackOff::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let waits = || {
            let mut back_off = BackOff::default();
            (0..20).map(|_| back_off.wait()).collect::<Vec<_>>()
        };
        let (one, two) = (waits(), waits());
        assert_ne!(one, two, "two machines are in step");
        let mut due = BACK_OFF_MIN;
        for wait in one {
            assert!((due / 2..=due).contains(&wait), "{wait:?} of {due:?}");
            due = (due * 2).min(BACK_OFF_MAX);
        }
        let mut back_off = BackOff::default();
        back_off.wait();
        back_off.forget_after(BACK_OFF_FORGOTTEN / 2);
        assert!(back_off.wait() >= BACK_OFF_MIN, "a flapping peer");
        back_off.forget_after(BACK_OFF_FORGOTTEN);
        assert!(back_off.wait() <= BACK_OFF_MIN);
    }
}
