//! Room for files: while more are open than may be, those that can do without a descriptor give it back.
//!
//! Rotated files that nobody reads go first, for they are found again where they stand; then the files that come next, of
//! which it is looked there whether they are written to. What is left is followed, is read just now, or was deleted a moment
//! ago: it is asked again soon.

use std::time::Instant;

use crate::limits::{BEGUN_CROWDED_MAX, ROOM_EVERY};
use crate::source::OpenFile;

use super::Watcher;

impl Watcher {
    /// How many files more are open than may be.
    fn crowd(&self) -> usize {
        OpenFile::count().saturating_sub(self.held_max())
    }

    /// How many may be open, as far as they can do without.
    pub(super) fn held_max(&self) -> usize {
        self.options.held_max.unwrap_or(usize::MAX)
    }

    /// Whether a pass that has `begun` so many files begins no more: each leaves a rotated one open until the pass ends.
    pub(super) fn is_crowded(&self, begun: usize) -> bool {
        begun >= BEGUN_CROWDED_MAX && self.crowd() > 0
    }

    /// Closes as many files as are too many, as far as they can do without.
    pub(super) fn make_room(&mut self, now: Instant) {
        if self.room_at.is_some_and(|at| now < at) {
            return;
        }
        self.room_at = None;
        // Those that come next find room, too: they may be deleted before they are read.
        let many = |crowd| crowd + BEGUN_CROWDED_MAX;
        while self.crowd() > 0 && self.hub.give_up_quiet(many(self.crowd())) > 0 {}
        let most = self.held_max();
        for follower in self.followers.values_mut() {
            if OpenFile::count() <= most {
                break;
            }
            follower.set_successors_aside();
        }
        self.room_at = (self.crowd() > 0).then(|| now + ROOM_EVERY);
    }
}
