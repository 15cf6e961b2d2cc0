//! Which files the followers know already, and the clock by which births are told.

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use crate::limits::COPIES_KNOWN_MAX;
use crate::source::Identity;
use crate::source::mark::is_rotated_name;

/// The time by the clock with which the kernel stamps births. It ticks coarsely, and stands up to a tick before the one
/// that is usually asked: by that one, a file could be born before it is.
pub(super) fn stamp_now() -> SystemTime {
    match clock_gettime(ClockId::CLOCK_REALTIME_COARSE) {
        Ok(now) => time_at(now.tv_sec(), now.tv_nsec()),
        Err(_) => SystemTime::now(),
    }
}

/// The time that is `seconds` and then `nanos` after 1970; a clock that is not set may stand before it.
fn time_at(seconds: i64, nanos: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let begin = SystemTime::UNIX_EPOCH;
    let begin = match seconds {
        0.. => begin.checked_add(whole),
        _ => begin.checked_sub(whole),
    };
    let rest = Duration::from_nanos(nanos.unsigned_abs());
    let at = begin.and_then(|begin| begin.checked_add(rest));
    at.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The files that the followers hold, are about to read, or have sealed not long ago.
#[derive(Debug, Default)]
pub(super) struct Known {
    owners: HashMap<Identity, Vec<usize>>,
    /// What the files of the followers are called.
    names: HashMap<usize, OsString>,
    /// Copies of files that the followers have read, with their lengths; the latest come last.
    copies: VecDeque<(Identity, u64)>,
}

impl Known {
    pub(super) fn add(&mut self, identity: Identity, owner: usize) {
        self.owners.entry(identity).or_default().push(owner);
    }

    pub(super) fn remove(&mut self, identity: &Identity, owner: usize) {
        if let Some(owners) = self.owners.get_mut(identity) {
            if let Some(at) = owners.iter().position(|&other| other == owner) {
                owners.swap_remove(at);
            }
            if owners.is_empty() {
                self.owners.remove(identity);
            }
        }
    }

    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.owners.contains_key(identity)
    }

    pub(super) fn has_of(&self, identity: &Identity, owner: usize) -> bool {
        self.owners
            .get(identity)
            .is_some_and(|owners| owners.contains(&owner))
    }

    /// The file is a copy of one that a follower has read, and has so many bytes.
    pub(super) fn add_copy(&mut self, identity: Identity, bytes: u64) {
        self.copies.retain(|(copy, _)| *copy != identity);
        self.copies.push_back((identity, bytes));
        if self.copies.len() > COPIES_KNOWN_MAX {
            self.copies.pop_front();
        }
    }

    /// Whether the file is a copy, to which nothing was written since that was seen.
    pub(super) fn has_copy(&self, identity: &Identity, bytes: u64) -> bool {
        self.copies.contains(&(*identity, bytes))
    }

    /// A follower is no more.
    pub(super) fn forget(&mut self, follower: usize) {
        self.names.remove(&follower);
    }

    /// A follower's file is called that.
    pub(super) fn call(&mut self, follower: usize, name: &OsStr) {
        self.names.insert(follower, name.to_owned());
    }

    /// Whether another follower has the file, and rotates to the name of this one; or it `are_beside` this one, as another
    /// rotated file of the same log.
    pub(super) fn is_rotated_by_other(
        &self,
        identity: &Identity,
        follower: usize,
        are_beside: impl Fn(usize) -> bool,
    ) -> bool {
        let (Some(owners), Some(own)) = (self.owners.get(identity), self.names.get(&follower))
        else {
            return false;
        };
        let mut others = owners.iter().filter(|&&other| other != follower);
        others.any(|other| {
            let name = self.names.get(other);
            name.is_some_and(|name| is_rotated_name(name, own)) || are_beside(*other)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_a_time_like_any_other() {
        let epoch = SystemTime::UNIX_EPOCH;
        let half = Duration::from_millis(500);
        assert_eq!(
            time_at(1, 500_000_000),
            epoch + Duration::from_secs(1) + half
        );
        // The nanoseconds count up, also before 1970 (POSIX, XBD 4.16).
        assert_eq!(time_at(-1, 500_000_000), epoch - half);
        assert!(time_at(-2, 0) < time_at(-1, 0) && time_at(-1, 999) < time_at(0, 0));
    }
}
