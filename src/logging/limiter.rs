//! Keeps repeated log lines few: who follows the very log that these lines end up in must not be fed by them.

use std::collections::HashMap;
use std::time::Instant;

use crate::limits::{LOG_BURST, LOG_EVERY, LOG_FILES_MAX};

/// A place in the code that logs: its module and line.
pub(super) type Place = (&'static str, u32);

/// What each place in the code may still log, of each file where a line is about one: a file that rotates each second
/// must not keep the others' rotations out of the log.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    places: HashMap<(Place, Option<Box<str>>), Budget>,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    /// When it last grew by one.
    grown: Instant,
    /// Lines that were left out since the last one that was said.
    left_out: u64,
}

/// A line is said, with this about the others of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing.
    Plain,
    /// It is the last for a while.
    LastForNow,
    /// So many were left out before it.
    After(u64),
}

impl Limiter {
    /// Whether a line from `place` is said now, which is about `file` where it is about one.
    pub(super) fn ask(&mut self, place: Place, file: Option<&str>, now: Instant) -> Option<Said> {
        // Those that have been silent for long start over as if they were new.
        if self.places.len() >= LOG_FILES_MAX {
            let whole = LOG_EVERY * LOG_BURST;
            self.places
                .retain(|_, budget| now < budget.grown + whole || budget.left_out > 0);
        }
        let file = file.filter(|_| self.places.len() < LOG_FILES_MAX);
        let key = (place, file.map(Box::from));
        let budget = self.places.entry(key).or_insert(Budget {
            left: LOG_BURST,
            grown: now,
            left_out: 0,
        });
        let elapsed = now.saturating_duration_since(budget.grown).as_nanos();
        let grows = u32::try_from(elapsed / LOG_EVERY.as_nanos()).unwrap_or(u32::MAX);
        if grows > 0 {
            budget.left = budget.left.saturating_add(grows).min(LOG_BURST);
            budget.grown = now;
        }
        if budget.left == 0 {
            budget.left_out += 1;
            return None;
        }
        budget.left -= 1;
        Some(match std::mem::take(&mut budget.left_out) {
            0 if budget.left == 0 => Said::LastForNow,
            0 => Said::Plain,
            left_out => Said::After(left_out),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_goes_on_logging_is_cut_to_a_line_now_and_then_and_others_are_not() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for _ in 1..LOG_BURST {
            assert_eq!(limiter.ask(("a", 1), None, start), Some(Said::Plain));
        }
        assert_eq!(limiter.ask(("a", 1), None, start), Some(Said::LastForNow));
        for _ in 0..7 {
            assert_eq!(limiter.ask(("a", 1), None, start), None);
        }
        assert_eq!(limiter.ask(("a", 2), None, start), Some(Said::Plain));
        let later = start + LOG_EVERY;
        assert_eq!(limiter.ask(("a", 1), None, later), Some(Said::After(7)));
        assert_eq!(limiter.ask(("a", 1), None, later), None);
    }

    #[test]
    fn a_file_that_is_told_of_again_and_again_keeps_no_other_file_out() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        for _ in 0..=LOG_BURST {
            limiter.ask(("a", 1), Some("busy.log"), now);
        }
        assert_eq!(limiter.ask(("a", 1), Some("busy.log"), now), None);
        let other = limiter.ask(("a", 1), Some("other.log"), now);
        assert_eq!(other, Some(Said::Plain));
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for n in 0..2 * LOG_FILES_MAX {
            limiter.ask(("a", 1), Some(&n.to_string()), start);
        }
        assert!(limiter.places.len() <= LOG_FILES_MAX + 1);
        let later = start + LOG_EVERY * (LOG_BURST + 1);
        limiter.ask(("a", 1), Some("new.log"), later);
        assert!(limiter.places.len() < 10, "the old ones are forgotten");
    }

    #[test]
    fn after_a_long_silence_a_place_may_say_as_much_as_at_first() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for _ in 0..=LOG_BURST {
            limiter.ask(("a", 1), None, start);
        }
        let later = start + LOG_EVERY * (LOG_BURST + 10);
        let said = (0..2 * LOG_BURST).filter(|_| limiter.ask(("a", 1), None, later).is_some());
        assert_eq!(said.count(), LOG_BURST as usize);
    }
}
