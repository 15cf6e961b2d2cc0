//! The daemon's own secrets: tokens, keys, passwords, credentials, state. Whoever may make a link in a followed directory
//! must not have them shown, so they are never followed, whatever leads there.
//!
//! They are known by their paths, and compared by device and inode when a file is opened: so one that was replaced is
//! known at once, and a file that has its former inode is none.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

static PATHS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// From now on what stands at `path` is a secret.
pub fn keep(path: &Path) {
    let mut paths = PATHS.lock();
    if !paths.contains(path) {
        paths.insert(path.to_owned());
    }
}

/// Whether the file is one of them. Blocks on the disk.
pub fn has(stat: &Metadata) -> bool {
    let paths = PATHS.lock().clone();
    paths.iter().any(|path| {
        fs::metadata(path).is_ok_and(|own| (own.dev(), own.ino()) == (stat.dev(), stat.ino()))
    })
}
