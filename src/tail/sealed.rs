//! A sealed file: nothing more of it is taken, but for a minute it is watched for what a laggard still writes to it,
//! and for longer it is known, so that it isn't taken for a new file.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use crate::limits::{SEALED_KEPT, SEALED_LOOK};
use crate::source::{Identity, nuls};

use super::held::Held;
use super::trace::Trace;
use super::trust::Ground;

/// A file that was read to its end and is watched for late writes.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) identity: Identity,
    /// What it held, on a ground of paths.
    pub(super) trace: Option<Trace>,
    /// Open as long as it is watched.
    file: Option<Arc<File>>,
    /// Its length as far as it was taken, or told as lost.
    told_bytes: u64,
    look_at: Instant,
    until: Instant,
}

impl Sealed {
    /// `held` was read as far as it goes.
    pub(super) fn new(held: &Held, ground: Ground, now: Instant) -> Sealed {
        let is_by_path = ground == Ground::Paths;
        Sealed {
            identity: held.identity,
            trace: is_by_path.then(|| held.trace()),
            // What is said of its path may be said of another file next.
            file: (!is_by_path).then(|| Arc::clone(&held.file)),
            told_bytes: held.scanned(),
            look_at: now + SEALED_LOOK,
            until: now + SEALED_KEPT,
        }
    }

    /// A file that was never read: all of it was told as lost.
    pub(super) fn unread(identity: Identity, now: Instant) -> Sealed {
        Sealed {
            identity,
            trace: None,
            file: None,
            told_bytes: 0,
            look_at: now,
            until: now,
        }
    }

    /// When it is to be looked at next; `None` once it isn't any more.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.file.as_ref().map(|_| self.look_at)
    }

    /// How many bytes it has grown by since it was sealed or last looked at.
    pub(super) fn look(&mut self, now: Instant) -> Option<u64> {
        let file = self.file.as_ref().filter(|_| now >= self.look_at)?;
        let length = file.metadata().map(|stat| stat.len());
        // Room that its writer had made is nothing that it wrote.
        let length = length.and_then(|length| nuls::content_end(file, self.told_bytes, length));
        let length = length.unwrap_or(self.told_bytes);
        self.look_at = now + SEALED_LOOK;
        if now >= self.until {
            self.file = None;
        }
        let lost = length
            .checked_sub(self.told_bytes)
            .filter(|&lost| lost > 0)?;
        self.told_bytes = length;
        Some(lost)
    }
}
