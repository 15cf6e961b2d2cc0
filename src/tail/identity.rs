//! Which file it is: device, inode and birth, and who of us knows it already.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// A file. The birth tells it from a later one with its inode, where the file system knows births.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) born: Option<SystemTime>,
}

impl Identity {
    pub(super) fn of(stat: &Metadata) -> Identity {
        Identity {
            device: stat.dev(),
            inode: stat.ino(),
            born: stat.created().ok(),
        }
    }

    /// The same inode: enough for a file that is held open, whose inode can't be used again.
    pub(super) fn is_inode(&self, other: &Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

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
