//! Arrivals: how many files were made under the name, by the kernel's count, and how many of them were found. A file
//! that came and went between two looks is lost, and this is how it is known.
//!
//! Only a file that is made there is sure to be a new one: what is moved there may have been there before. The kernel
//! may show a file before it tells of it, so what was found ahead of its event is kept in mind. Where events were lost,
//! or the name is looked up elsewhere now, the count begins anew. A loss may go untold, but none is made up.

use std::time::Instant;

use crate::limits::EVENT_LATE;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Made under the name since the last look, as the kernel tells.
    made: u32,
    /// Moved there since the last look.
    moved: u32,
    /// Found by this look.
    found: u32,
    /// Found, and not yet told by the kernel; or it never will, for the file was moved there.
    ahead: u32,
    ahead_since: Option<Instant>,
    /// Made, and not found.
    lost: u32,
}

impl Arrivals {
    /// The kernel tells of a file that was made under the name.
    pub(super) fn make(&mut self) {
        self.made = self.made.saturating_add(1);
    }

    /// The kernel tells of a file that was moved there.
    pub(super) fn move_in(&mut self) {
        self.moved = self.moved.saturating_add(1);
    }

    /// A file was found that had not been.
    pub(super) fn find(&mut self) {
        self.found += 1;
    }

    /// The count can't be trusted.
    pub(super) fn reset(&mut self) {
        *self = Arrivals::default();
    }

    /// The name is looked up elsewhere now, or what was made there is of no account. What was found may still be told
    /// of.
    pub(super) fn elsewhere(&mut self) {
        (self.made, self.moved, self.lost) = (0, 0, 0);
    }

    /// The look is over.
    pub(super) fn settle(&mut self, now: Instant) {
        if self
            .ahead_since
            .is_some_and(|since| now > since + EVENT_LATE)
        {
            (self.ahead, self.ahead_since) = (0, None);
        }

        let (mut made, mut found) = (self.made, self.found);
        let ahead = made.min(self.ahead);
        made -= ahead;
        self.ahead -= ahead;
        // A file that is found late was counted as lost.
        let late = found.saturating_sub(made).min(self.lost);
        self.lost -= late;
        found -= late;
        self.lost += made.saturating_sub(found);
        if found > made {
            self.ahead += found - made;
            self.ahead_since = Some(now);
        }
        (self.made, self.moved, self.found) = (0, 0, 0);
    }

    /// Whether any were lost; said once.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn after(looks: &[(u32, u32, u32)]) -> bool {
        let mut arrivals = Arrivals::default();
        let mut now = Instant::now();
        for &(made, moved, found) in looks {
            (0..made).for_each(|_| arrivals.make());
            (0..moved).for_each(|_| arrivals.move_in());
            (0..found).for_each(|_| arrivals.find());
            arrivals.settle(now);
            now += Duration::from_millis(1);
        }
        arrivals.take_lost()
    }

    #[test]
    fn what_was_made_and_not_found_is_lost_and_nothing_else() {
        assert!(!after(&[(1, 0, 1)]));
        assert!(after(&[(2, 0, 1)]));
        assert!(after(&[(1, 0, 0)]), "came and went");
        assert!(!after(&[(0, 1, 0)]), "was away and came back");
        assert!(!after(&[(1, 1, 1)]), "came back, and then another was made");
        assert!(!after(&[(0, 0, 1), (1, 0, 0)]), "found ahead of its event");
        assert!(!after(&[(0, 0, 1), (2, 0, 1)]));
        assert!(after(&[(0, 0, 1), (3, 0, 1)]));
        assert!(!after(&[(3, 0, 1), (0, 0, 2)]), "found late");
        assert!(
            !after(&[(0, 1, 1), (1, 0, 0)]),
            "came back while another was found ahead"
        );
    }

    #[test]
    fn the_first_file_found_ahead_of_its_event_is_no_second_one() {
        let mut arrivals = Arrivals::default();
        let now = Instant::now();
        arrivals.find();
        arrivals.elsewhere();
        arrivals.settle(now);
        arrivals.make();
        arrivals.settle(now);
        assert!(!arrivals.take_lost());
    }
}
