//! How far a look has got that a reader waits for.

use std::time::Instant;

use super::Follower;
use crate::source::Identity;

/// Up to where a look that a reader asked for has to get: the newest file, and its length then.
#[derive(Clone, Copy, Debug)]
pub(in crate::tail) struct Goal {
    file: Option<Identity>,
    bytes: u64,
}

impl Follower {
    /// What a look that begins now has to get to.
    pub(in crate::tail) fn goal(&self) -> Goal {
        let newest = self.newest_and_length();
        Goal {
            file: newest.map(|(_, identity)| identity),
            bytes: newest.map_or(0, |(bytes, _)| bytes),
        }
    }

    /// Whether a look has got there; who `follows` need not wait for files whose turn comes once the held one is quiet.
    pub(in crate::tail) fn has_got_to(&mut self, goal: &Goal, follows: bool, now: Instant) -> bool {
        let Some(file) = &goal.file else {
            return true;
        };
        let Some(held) = &self.held else {
            return false;
        };
        // On a ground of paths the next file may have the inode of the held one.
        if held.identity.is_inode(file) && !self.successors.has(file) {
            return held.at_end() || held.scanned() >= goal.bytes || self.is_in_trouble();
        }
        if let Some(spool) = self.source.spool() {
            return !spool.has_inode(file.inode) || self.is_in_trouble();
        }
        // Either it was left behind, or its turn comes when the held file is quiet; nobody waits for empty ones.
        !self.successors.has(file)
            || (held.at_end() && (follows || self.nonempty_since(now).is_none()))
    }

    /// The held file could not be read the last time.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.trouble.is_some())
    }

    /// Bytes that wait in the held file, as far as a stat can tell.
    pub(in crate::tail) fn waiting_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| {
            let length = held.file.metadata().map_or(0, |stat| stat.len());
            length.saturating_sub(held.scanned())
        })
    }
}
