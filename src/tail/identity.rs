//! Which files the followers know already, and the clock by which births are told.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use crate::source::Identity;

/// The time by the clock with which the kernel stamps births. It ticks coarsely, and stands up to a tick before the one
/// that is usually asked: by that one, a file could be born before it is.
pub(super) fn stamp_now() -> SystemTime {
    match clock_gettime(ClockId::CLOCK_REALTIME_COARSE) {
        Ok(now) => SystemTime::UNIX_EPOCH + Duration::from(now),
        Err(_) => SystemTime::now(),
    }
}

/// The files that the followers hold, are about to read, or have sealed not long ago.
#[derive(Debug, Default)]
pub(super) struct Known {
    owners: HashMap<Identity, Vec<usize>>,
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

    pub(super) fn has_of_other(&self, identity: &Identity, owner: usize) -> bool {
        self.owners
            .get(identity)
            .is_some_and(|owners| owners.iter().any(|&other| other != owner))
    }
}
