//! A sealed file: nothing more of it is taken, but for a minute it is watched for what a laggard still writes to it,
//! and for longer it is known, so that it isn't taken for a new file.
//!
//! It is not held open for that. Where the kernel tells of writes to it, it is looked at when it does: thousands of files
//! that were rotated together cost nothing while nobody writes to them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::limits::{SEALED_KEPT, SEALED_LOOK};
use crate::source::{Gap, Identity, OpenFile, nuls};

use super::held::Held;
use super::successor::{name_of, open_again};
use super::trace::Trace;
use super::trust::Ground;

/// A file that was read to its end and is watched for late writes.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) identity: Identity,
    /// What it held, on a ground of paths.
    pub(super) trace: Option<Trace>,
    watching: Option<Watching>,
}

/// What was written to a sealed file. It is lost, unless the file has a name of its own by now.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) identity: Identity,
    /// Where the file was when it was last open.
    pub(super) at: PathBuf,
    pub(super) gap: Gap,
}

/// How it is watched.
#[derive(Debug)]
struct Watching {
    /// As long as somebody has it open.
    file: Weak<OpenFile>,
    /// Where it stood when it was sealed.
    at: PathBuf,
    /// The watch on it, where the kernel tells of all that is written to it.
    watch: Option<i32>,
    /// The kernel has told of a write since the last look.
    is_told: bool,
    /// Its length as far as it was taken, or told as lost.
    told_bytes: u64,
    /// What is written to it may be a copy of what was read, as long as nothing was.
    may_be_copy: bool,
    look_at: Instant,
    until: Instant,
}

impl Sealed {
    /// `held` was read as far as it goes. With the watch that tells of writes to it, where there is one.
    pub(super) fn new(held: &Held, ground: Ground, watch: Option<i32>, now: Instant) -> Sealed {
        let is_by_path = ground == Ground::Paths;
        let until = now + SEALED_KEPT;
        Sealed {
            identity: held.identity,
            trace: is_by_path.then(|| held.trace()),
            // What is said of its path may be said of another file next.
            watching: (!is_by_path).then(|| Watching {
                file: Arc::downgrade(&held.file),
                at: name_of(&held.file),
                watch,
                is_told: false,
                told_bytes: held.scanned(),
                may_be_copy: false,
                look_at: watch.map_or(now + SEALED_LOOK, |_| until),
                until,
            }),
        }
    }

    /// The same of one that holds nothing, and may become a copy of what was read.
    pub(super) fn in_doubt(mut self) -> Sealed {
        if let Some(watching) = &mut self.watching {
            watching.may_be_copy = true;
        }
        self
    }

    /// A file that was never read: all of it was told as lost.
    pub(super) fn unread(identity: Identity) -> Sealed {
        Sealed {
            identity,
            trace: None,
            watching: None,
        }
    }

    /// When it is to be looked at next; `None` once it isn't any more.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.watching.as_ref().map(|watching| watching.look_at)
    }

    /// The watch on it.
    pub(super) fn watch(&self) -> Option<i32> {
        self.watching.as_ref().and_then(|watching| watching.watch)
    }

    /// The kernel tells of a write to the file of that watch, or may have told of one. What a laggard writes within a
    /// second is looked at together.
    pub(super) fn tell(&mut self, watch: Option<i32>, now: Instant) {
        let watching = self.watching.as_mut();
        let its =
            watching.filter(|its| its.watch.is_some() && (watch.is_none() || its.watch == watch));
        if let Some(watching) = its {
            watching.is_told |= watch.is_some();
            watching.look_at = watching.look_at.min(now + SEALED_LOOK);
        }
    }

    /// What was written to it since it was sealed or last looked at. Afterwards it may not be watched any more. `beside`
    /// is the name that it once had; `is_copy` tells whether a file holds a copy of what was read.
    pub(super) fn look(
        &mut self,
        beside: &Path,
        is_copy: &dyn Fn(&File) -> bool,
        now: Instant,
    ) -> Option<Late> {
        let watching = self.watching.as_mut().filter(|its| now >= its.look_at)?;
        let is_over = now >= watching.until;
        watching.look_at = match watching.watch {
            Some(_) => watching.until,
            None => now + SEALED_LOOK,
        };
        let is_told = std::mem::take(&mut watching.is_told);
        let open = watching.file.upgrade();
        let lost = match (open, is_told || watching.watch.is_none()) {
            (Some(file), _) => watching.look_in(&file, is_copy),
            (None, true) => watching.look_anew(&self.identity, beside, is_copy),
            (None, false) => None,
        };
        let late = lost.map(|lost_bytes| Late {
            identity: self.identity,
            at: watching.at.clone(),
            gap: Gap {
                lost_bytes,
                reason: "written to a rotated file too late",
            },
        });
        if is_over {
            self.watching = None;
        }
        late
    }
}

impl Watching {
    /// The same where nobody holds it any more.
    fn look_anew(
        &mut self,
        identity: &Identity,
        beside: &Path,
        is_copy: &dyn Fn(&File) -> bool,
    ) -> Option<Option<u64>> {
        let found = match identity.born {
            Some(_) => open_again(&self.at, beside, identity),
            // Its inode may be another file's by now.
            None => Ok(None),
        };
        match found {
            Ok(Some(file)) => self.look_in(&file, is_copy),
            // Deleted: what is written there is lost, however much it is.
            Ok(None) => self.watch.map(|_| None),
            // No descriptor is left just now.
            Err(_) => {
                self.is_told = true;
                None
            }
        }
    }

    /// How many bytes it has grown by, where it has.
    fn look_in(&mut self, file: &File, is_copy: &dyn Fn(&File) -> bool) -> Option<Option<u64>> {
        // Room that its writer had made is nothing that it wrote.
        let length = nuls::content_end_now(file, self.told_bytes).unwrap_or(self.told_bytes);
        let lost = length.checked_sub(self.told_bytes);
        let lost = lost.filter(|&lost| lost > 0)?;
        if self.may_be_copy && is_copy(file) {
            return None;
        }
        self.at = name_of(file);
        self.told_bytes = length;
        self.may_be_copy = false;
        Some(Some(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_whose_writes_are_told_is_looked_at_when_they_are_and_at_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.log.1");
        let mut writer = File::create(&path).expect("a file");
        let (file, identity) = crate::source::identity::open(&path).expect("open");
        let now = Instant::now();
        let held = Held::new(Arc::new(file), identity, 0, false);
        let sealed = |watch| Sealed::new(&held, Ground::Local, watch, now);
        assert_eq!(sealed(None).look_at(), Some(now + SEALED_LOOK));
        let mut sealed = sealed(Some(1));
        drop(held);
        let end = Some(now + SEALED_KEPT);
        let beside = dir.path().join("a.log");
        sealed.tell(Some(2), now);
        assert_eq!(sealed.look_at(), end, "of another file");
        writer.write_all(b"late\n").expect("write");
        sealed.tell(Some(1), now);
        assert_eq!(sealed.look_at(), Some(now + SEALED_LOOK));
        // Nobody holds it, and it stands where it did.
        let lost = sealed
            .look(&beside, &|_| false, now + SEALED_LOOK)
            .expect("a gap");
        assert_eq!((lost.gap.lost_bytes, sealed.look_at()), (Some(5), end));
        std::fs::remove_file(&path).expect("unlink");
        sealed.tell(Some(1), now);
        let lost = sealed
            .look(&beside, &|_| false, now + SEALED_LOOK)
            .expect("a gap");
        assert_eq!(lost.gap.lost_bytes, None);
        let last = sealed.look(&beside, &|_| false, now + SEALED_KEPT);
        assert!(last.is_none());
        assert_eq!(sealed.look_at(), None);
    }
}
