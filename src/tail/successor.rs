//! The files that are to be read after the held one: found by a rotation, opened at once, not yet begun.
//!
//! Rotations can follow each other faster than the watcher looks. So beside the file that the name leads to now, those
//! are taken in that stood under it in between, in the order that the kernel has told (`stints`). Where it hasn't told
//! all, they are the siblings with rotated names that nobody knows and that were born after the name last led to the
//! file we know. Older ones are copies (copytruncate makes them) or stood there before.

mod missed;
mod order;
mod queue;

pub(super) use missed::Missed;
pub(super) use queue::Successors;

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::limits::{OVERLAP_BYTES, SIBLING_SCANS_MAX};
use crate::source::forward::read_full;
use crate::source::siblings::{self, Reach};
use crate::source::{Gap, Identity, OpenFile, identity, nuls};

use super::trace::Trace;

/// A file that is not yet begun.
#[derive(Debug)]
pub(super) struct Successor {
    file: Access,
    pub(super) identity: Identity,
    /// Since when, about, it stood under the name, by the clock that files are stamped with.
    stood: SystemTime,
    /// The number of its stint under the name, where the kernel has told it.
    order: Option<u64>,
    /// How often what the kernel had told was lost before it was found.
    losses: u64,
    /// What was lost before it.
    gap: Option<Gap>,
    /// It was found by its name while it held nothing: it may be a copy in the making of what was read.
    pub(super) may_be_copy: bool,
    /// What was last seen of it: its length, and how it begins.
    seen: Seen,
    pub(super) watch: Option<i32>,
}

/// How its bytes are got at.
#[derive(Debug)]
enum Access {
    Open(Arc<OpenFile>),
    /// Many are to be read before it, so it was closed: where it stood then.
    Closed(PathBuf),
    /// It was closed for want of descriptors: where it stands. Its writer may be about to begin.
    Aside(PathBuf),
}

/// What was last seen of a file that is not read yet, to know when it was truncated meanwhile.
#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    beginning: Vec<u8>,
    truncated: bool,
}

/// The next file to be begun.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) file: Arc<OpenFile>,
    pub(super) identity: Identity,
    /// What was lost before it.
    pub(super) gap: Option<Gap>,
    /// It may be a copy of what was read.
    pub(super) may_be_copy: bool,
    pub(super) watch: Option<i32>,
}

impl Successor {
    pub(super) fn new(
        file: Arc<OpenFile>,
        identity: Identity,
        stood: SystemTime,
        watch: Option<i32>,
    ) -> Successor {
        Successor {
            file: Access::Open(file),
            identity,
            stood,
            order: None,
            losses: 0,
            gap: None,
            may_be_copy: false,
            seen: Seen::default(),
            watch,
        }
    }

    /// Its length now; where it can't be seen, when it was last seen.
    pub(super) fn bytes(&self) -> u64 {
        let file = self.visible();
        let content = file.and_then(|file| nuls::content_end_now(&file, 0).ok());
        content.unwrap_or(self.seen.bytes)
    }

    /// Since when it is there and holds nothing, where it may be a copy in the making.
    fn blank_since(&self) -> Option<SystemTime> {
        let is_blank = self.may_be_copy && self.bytes() == 0;
        self.identity.born.filter(|_| is_blank)
    }

    /// Its file, as long as it is open or stands where it was set aside.
    fn visible(&self) -> Option<Arc<OpenFile>> {
        match &self.file {
            Access::Open(file) => Some(Arc::clone(file)),
            Access::Closed(_) => None,
            Access::Aside(at) => {
                let (file, identity) = identity::open_beside(at).ok()?;
                (identity == self.identity).then(|| Arc::new(file))
            }
        }
    }

    /// What it held when it was last looked at.
    pub(super) fn trace(&self) -> Trace {
        let beginning = &self.seen.beginning;
        Trace::new(beginning, beginning, beginning.len() as u64)
    }

    /// The open file, where it is open.
    pub(super) fn file(&self) -> Option<&Arc<OpenFile>> {
        match &self.file {
            Access::Open(file) => Some(file),
            Access::Closed(_) | Access::Aside(_) => None,
        }
    }

    /// It is read by way of `file` from now on.
    pub(super) fn move_to(&mut self, file: Arc<OpenFile>) {
        self.file = Access::Open(file);
    }

    /// Looks at it; how many bytes it has.
    fn see(&mut self) -> u64 {
        let Some(file) = self.visible() else {
            return self.seen.bytes;
        };
        let file = &*file;
        // Room that its writer has made is nothing yet. What can't be read just now is seen the next time.
        let Ok(bytes) = nuls::content_end_now(file, 0) else {
            return self.seen.bytes;
        };
        // Race: read before, it might be NULs that the writer has filled since.
        let mut beginning = [0; OVERLAP_BYTES];
        let Ok(n) = read_full(file, &mut beginning, 0) else {
            return self.seen.bytes;
        };
        let n = n.min(usize::try_from(bytes).unwrap_or(n));
        let beginning = beginning[..n].to_vec();
        let seen = &mut self.seen;
        seen.truncated |= bytes < seen.bytes || !beginning.starts_with(&seen.beginning);
        (seen.bytes, seen.beginning) = (bytes, beginning);
        bytes
    }

    /// Closes it, to be opened again when its turn comes; its watch, to be released.
    fn close(&mut self) -> Option<i32> {
        self.see();
        self.file = Access::Closed(self.stands());
        self.watch.take()
    }

    /// Closes it for want of descriptors: where it stands it is looked whether something was written to it.
    fn set_aside(&mut self) {
        self.see();
        self.file = Access::Aside(self.stands());
    }

    fn stands(&self) -> PathBuf {
        match &self.file {
            Access::Open(file) => name_of(file),
            Access::Closed(at) | Access::Aside(at) => at.clone(),
        }
    }

    /// Its file, opened again where it was closed and stands where it did, or elsewhere beside `path`.
    fn open(&self, path: &Path) -> io::Result<Option<Arc<OpenFile>>> {
        let at = match &self.file {
            Access::Open(file) => return Ok(Some(Arc::clone(file))),
            Access::Closed(at) | Access::Aside(at) => at,
        };
        open_again(at, path, &self.identity)
    }
}

/// The file that stood `at` a place, opened again where it stands there, or elsewhere beside `path`; `None` where it does
/// not. That there is no descriptor for it is an error.
pub(super) fn open_again(
    at: &Path,
    path: &Path,
    identity: &Identity,
) -> io::Result<Option<Arc<OpenFile>>> {
    let open = |at: &Path| match identity::open_beside(at) {
        Ok((file, found)) => Ok((found == *identity).then(|| Arc::new(file))),
        Err(e) if identity::is_shortage(&e) => Err(e),
        Err(_) => Ok(None),
    };
    if let Some(file) = open(at)? {
        return Ok(Some(file));
    }
    for _ in 0..SIBLING_SCANS_MAX {
        let found = match siblings::by_inode(path, identity.inode, Reach::Any) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(e) if identity::is_shortage(&e) => return Err(e),
            Err(_) => break,
        };
        if let Some(file) = open(&found)? {
            return Ok(Some(file));
        }
        // Race: it was renamed after it was listed, unless what stands there has but its inode.
        let stands = fs::symlink_metadata(&found).map(|stat| Identity::of(&stat));
        if stands.is_ok_and(|other| other.is_inode(identity) && other != *identity) {
            break;
        }
    }
    Ok(None)
}

/// What an open file is called now.
pub(super) fn name_of(file: &File) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_file_that_is_renamed_while_it_is_looked_for_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |n: usize| dir.path().join(format!("a.log.{n}"));
        fs::write(path(0), "x").expect("write");
        let (_, identity) = identity::open(&path(0)).expect("open");
        let stop = AtomicBool::new(false);
        let lost = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    fs::rename(path(n % 50), path((n + 1) % 50)).expect("rename");
                    n += 1;
                    // As long as a rotation takes that renames all the others.
                    (0..2000).for_each(|_| std::hint::spin_loop());
                }
            });
            let find = || open_again(&dir.path().join("x"), &dir.path().join("a.log"), &identity);
            let lost = (0..20_000)
                .filter(|_| find().expect("readable").is_none())
                .count();
            stop.store(true, Ordering::Relaxed);
            lost
        });
        assert_eq!(lost, 0);
    }
}
