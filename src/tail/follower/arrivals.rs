//! Arrivals: how many files came to stand under the name, by the kernel's count, and how many of them were found. A
//! file that came and went between two looks is lost, and this is how it is known.
//!
//! The kernel may show a file before it tells of it, so what was found ahead of its event is kept in mind. Where events
//! were lost, or the name is looked up elsewhere now, the count begins anew: then a loss may go untold, but none is
//! made up.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Told by the kernel since the last look.
    told: u32,
    /// Found by this look.
    found: u32,
    /// Found, and not yet told by the kernel.
    ahead: u32,
    /// Told, and not found.
    lost: u32,
}

impl Arrivals {
    /// The kernel tells of one.
    pub(super) fn tell(&mut self) {
        self.told = self.told.saturating_add(1);
    }

    /// A file was found that had not been.
    pub(super) fn find(&mut self) {
        self.found += 1;
    }

    /// The count can't be trusted.
    pub(super) fn reset(&mut self) {
        *self = Arrivals::default();
    }

    /// The look is over. `came_back`: the name leads to the file that it led to before, which may have been away.
    pub(super) fn settle(&mut self, came_back: bool) {
        let mut told = std::mem::take(&mut self.told);
        let mut found = std::mem::take(&mut self.found);
        // A file that is found late was counted as lost.
        let late = found.saturating_sub(told).min(self.lost);
        self.lost -= late;
        found -= late;
        let ahead = told.min(self.ahead);
        told -= ahead;
        self.ahead -= ahead;
        self.ahead += found.saturating_sub(told);
        self.lost += told.saturating_sub(found + u32::from(came_back && found == 0));
    }

    /// Whether any were lost; said once.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(looks: &[(u32, u32, bool)]) -> bool {
        let mut arrivals = Arrivals::default();
        for &(told, found, came_back) in looks {
            (0..told).for_each(|_| arrivals.tell());
            (0..found).for_each(|_| arrivals.find());
            arrivals.settle(came_back);
        }
        arrivals.take_lost()
    }

    #[test]
    fn what_came_and_was_not_found_is_lost_and_nothing_else() {
        assert!(!after(&[(1, 1, false)]));
        assert!(after(&[(2, 1, false)]));
        assert!(after(&[(1, 0, false)]), "came and went");
        assert!(!after(&[(1, 0, true)]), "was away and came back");
        assert!(
            !after(&[(0, 1, false), (1, 0, true)]),
            "found ahead of its event"
        );
        assert!(!after(&[(0, 1, false), (2, 1, false)]));
        assert!(after(&[(0, 1, false), (3, 1, false)]));
        assert!(!after(&[(3, 1, false), (0, 2, false)]), "found late");
    }
}
