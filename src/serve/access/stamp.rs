//! Owns what a small file looked like when it was read, to know whether it must be read again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What changes when a file is written or replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// A file that was written this shortly before it was read may be written again within the same tick of the kernel's
/// clock, and then look the same.
const TRUSTED_AFTER: Duration = Duration::from_secs(2);

impl Stamp {
    /// The stamp of a file that looks like that; `None` where it must be read again whatever it looks like.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let age = SystemTime::now().duration_since(metadata.modified().ok()?);
        (age.ok()? >= TRUSTED_AFTER).then(|| Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Whether the file at `path` still is what was read, where `read` is its stamp then. What is wrong with one that
/// can't be looked at, reading tells.
pub fn is_as_read(path: &Path, read: Option<&Stamp>) -> bool {
    match std::fs::metadata(path) {
        // A pipe gives its bytes once, and to wait for more would stop the caller.
        Ok(metadata) if !metadata.is_file() => true,
        Ok(metadata) => read.is_some() && Stamp::of(&metadata).as_ref() == read,
        Err(_) => false,
    }
}
