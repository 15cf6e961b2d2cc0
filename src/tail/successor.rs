//! The files that are to be read after the held one: found by a rotation, opened at once, not yet begun.
//!
//! Rotations can follow each other faster than the watcher looks. So beside the file that the name leads to now, those
//! are taken in that stood under it in between: the rotated siblings that nobody knows and that were born after the
//! name last led to the file we know. Older ones are copies (copytruncate makes them) or stood there before.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::limits::{
    CLOCK_TICK_MAX, COPY_CHECKED_BYTES, GENERATIONS_AHEAD_MAX, NAME_READS_MAX, OVERLAP_BYTES,
    SIBLING_SCANS_MAX,
};
use crate::source::forward::read_full;
use crate::source::mark::Mark;
use crate::source::siblings::{self, Sibling};
use crate::source::{Gap, Identity, identity};

use super::identity::stamp_now;

/// A file that is open and not yet begun.
#[derive(Debug)]
pub(super) struct Successor {
    pub(super) file: Arc<File>,
    pub(super) identity: Identity,
    /// Since when, about, it stood under the name, by the clock that files are stamped with.
    pub(super) stood: SystemTime,
    /// What was lost before it.
    pub(super) gap: Option<Gap>,
    /// What was last seen of it: its length, and how it begins.
    pub(super) seen: Seen,
    pub(super) watch: Option<i32>,
}

/// What was last seen of a file that is not read yet, to know when it was truncated meanwhile.
#[derive(Debug, Default)]
pub(super) struct Seen {
    bytes: u64,
    beginning: Vec<u8>,
    truncated: bool,
}

impl Successor {
    /// Looks at it; how many bytes it has.
    fn see(&mut self) -> u64 {
        let Ok(bytes) = self.file.metadata().map(|stat| stat.len()) else {
            return 0;
        };
        let mut beginning = [0; OVERLAP_BYTES];
        let beginning = match read_full(&self.file, &mut beginning, 0) {
            Ok(n) => beginning[..n].to_vec(),
            Err(_) => Vec::new(),
        };
        let seen = &mut self.seen;
        seen.truncated |= bytes < seen.bytes || !beginning.starts_with(&seen.beginning);
        (seen.bytes, seen.beginning) = (bytes, beginning);
        bytes
    }
}

/// The successors, oldest first; at most [`GENERATIONS_AHEAD_MAX`].
#[derive(Debug, Default)]
pub(super) struct Successors {
    queue: VecDeque<Successor>,
    /// Since when one of them is known not to be empty.
    nonempty_since: Option<Instant>,
    /// The siblings are to be listed once more before one of these is begun: a directory that is read while files in
    /// it are renamed may leave some out. With the time after which those were born.
    unsure_since: Option<SystemTime>,
    /// Since when the last one stood that was taken off because there were too many.
    given_up: Option<SystemTime>,
}

impl Successors {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn newest(&self) -> Option<&Successor> {
        self.queue.back()
    }

    /// The time `stood`, but not before the newest of them.
    pub(super) fn after_newest(&self, stood: SystemTime) -> SystemTime {
        self.newest()
            .map_or(stood, |newest| stood.max(newest.stood))
    }

    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.queue
            .iter()
            .any(|successor| successor.identity.is_inode(identity))
    }

    /// Whether the file with this inode is to come.
    pub(super) fn has_inode(&self, inode: u64) -> bool {
        self.queue
            .iter()
            .any(|successor| successor.identity.inode == inode)
    }

    /// Takes one in, after the others.
    pub(super) fn push(&mut self, successor: Successor) {
        self.queue.push_back(successor);
    }

    /// The one to be begun next.
    pub(super) fn pop(&mut self) -> Option<Successor> {
        self.nonempty_since = None;
        let mut next = self.queue.pop_front()?;
        next.see();
        if next.seen.truncated {
            next.gap.get_or_insert(Gap {
                lost_bytes: None,
                reason: "truncated before it was read",
            });
        }
        Some(next)
    }

    /// Takes off the newest one if it is empty: the name leads elsewhere again.
    pub(super) fn pop_empty(&mut self) -> Option<Successor> {
        let stat = self.queue.back()?.file.metadata().ok()?;
        if stat.len() > 0 {
            return None;
        }
        self.queue.pop_back()
    }

    /// Takes off the oldest where there are too many: its bytes are then told as lost before the next.
    pub(super) fn pop_too_many(&mut self) -> Option<Successor> {
        if self.queue.len() <= GENERATIONS_AHEAD_MAX {
            return None;
        }
        let oldest = self.queue.pop_front()?;
        self.given_up = Some(oldest.stood);
        let lost = oldest.file.metadata().map(|stat| stat.len()).ok();
        let before = oldest.gap.map_or(Some(0), |gap| gap.lost_bytes);
        if let Some(next) = self.queue.front_mut() {
            let own = next.gap.map_or(Some(0), |gap| gap.lost_bytes);
            next.gap = Some(Gap {
                lost_bytes: lost.zip(before).zip(own).map(|((a, b), c)| a + b + c),
                reason: "rotated too often to keep up",
            });
        }
        Some(oldest)
    }

    /// Since when the last one stood that was taken off because there were too many.
    pub(super) fn given_up(&self) -> Option<SystemTime> {
        self.given_up
    }

    /// Something was lost before the oldest of them.
    pub(super) fn set_gap(&mut self, gap: Gap) {
        if let Some(oldest) = self.queue.front_mut() {
            oldest.gap.get_or_insert(gap);
        }
    }

    /// Since when there is something in one of them.
    pub(super) fn nonempty_since(&mut self, now: Instant) -> Option<Instant> {
        let filled = self.queue.iter_mut().map(Successor::see).max() > Some(0);
        if self.nonempty_since.is_none() && filled {
            self.nonempty_since = Some(now);
        }
        self.nonempty_since
    }

    /// A rotation was found; the name was right until `verified`.
    pub(super) fn rotated(&mut self, verified: SystemTime) {
        self.unsure_since = Some(match self.unsure_since {
            Some(earlier) => earlier.min(verified),
            None => verified,
        });
    }

    /// Whether the siblings are still to be listed before one of these is begun: then, those that were born after
    /// when. Asked once.
    pub(super) fn take_unsure(&mut self) -> Option<SystemTime> {
        self.unsure_since.take()
    }

    /// Puts them in the order in which they stood under the name `path`, after `held`: by time, for names tell little.
    /// But the kernel's clock is too coarse to tell rotations within one tick apart; for those, names have to do.
    pub(super) fn sort(&mut self, path: &Path, held: &File) {
        let queue = self.queue.make_contiguous();
        queue.sort_by_key(|successor| successor.stood);
        for tied in queue.chunk_by_mut(|a, b| a.stood == b.stood) {
            if tied.len() > 1 {
                sort_by_name(tied, &siblings::place(path), held);
            }
        }
    }
}

fn sort_by_name(tied: &mut [Successor], place: &Path, held: &File) {
    let files: Vec<&File> = tied.iter().map(|next| &*next.file).chain([held]).collect();
    let mut names = names(&files, place);
    let oldest = names.pop().unwrap_or_default();
    let marks: Vec<Mark> = names.iter().map(|name| Mark::of(name, place)).collect();
    // The held file is older than all of them: where it has the lowest number of that directory, numbers count up.
    let is_beside = names.iter().all(|name| name.parent() == oldest.parent());
    let oldest = Mark::of(&oldest, place);
    let rise = |mark: &Mark| oldest.rises_to(mark);
    let counts_up = is_beside && marks.iter().map(rise).sum::<i32>() > 0;
    let mut order: Vec<(u64, Mark)> = Vec::new();
    order.extend(tied.iter().map(|next| next.identity.inode).zip(marks));
    tied.sort_by_key(|next| {
        let own = order
            .iter()
            .find(|(inode, _)| *inode == next.identity.inode);
        own.map(|(_, mark)| mark.order(counts_up))
    });
}

/// What the files are called at one moment: a rotation that renames them meanwhile keeps their order, but names read
/// before and after a rename can't be compared.
fn names(files: &[&File], place: &Path) -> Vec<PathBuf> {
    let name = |file: &&File| {
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = fs::read_link(link).unwrap_or_default();
        match name.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
            // One that was deleted under the name itself is not the current one.
            Some(last) if Path::new(OsStr::from_bytes(last)) != place => {
                PathBuf::from(OsStr::from_bytes(last))
            }
            _ => name,
        }
    };
    let read = || files.iter().map(name).collect::<Vec<_>>();
    let mut names = read();
    for _ in 0..NAME_READS_MAX {
        let again = read();
        if again == names {
            break;
        }
        names = again;
    }
    names
}

/// The files beside `path` that have rotated names. Blocks on the disk.
pub(super) fn siblings(path: &Path) -> impl Iterator<Item = Identity> {
    siblings::rotated(path)
        .into_iter()
        .map(|sibling| sibling.identity)
}

/// Those of them that may seem to be born after this moment, for clocks tick. Blocks on the disk.
pub(super) fn just_rotated(path: &Path) -> Vec<Identity> {
    let place = siblings::place(path);
    let earlier = stamp_now() - CLOCK_TICK_MAX;
    let directory = place.parent().and_then(|parent| fs::metadata(parent).ok());
    let changed = directory.and_then(|stat| stat.modified().ok());
    // Where nothing was renamed or made just now the directory, which may be large, is not listed.
    if changed.is_some_and(|changed| changed < earlier) {
        return Vec::new();
    }
    siblings(path)
        .filter(|identity| identity.born.is_none_or(|born| born >= earlier))
        .collect()
}

/// The files that stood under the name `path` after `since`, when it was last seen to lead to `held`, and that are
/// none of ours; and whether others are known to be lost. Blocks on the disk.
pub(super) fn missed(
    path: &Path,
    held: &File,
    since: SystemTime,
    is_ours: &dyn Fn(&Identity) -> bool,
) -> (Vec<(Arc<File>, Identity)>, Option<Gap>) {
    let mut found: Vec<(Arc<File>, Identity)> = Vec::new();
    let mut compressed = 0;
    for _ in 0..SIBLING_SCANS_MAX {
        let before = found.len();
        let mut escaped = false;
        compressed = 0;
        for sibling in siblings::rotated(path) {
            if sibling.born() < since {
                continue;
            }
            if sibling.compressed {
                compressed += usize::from(holds_unseen_bytes(&sibling, held, since));
                continue;
            }
            match identity::open(&sibling.path) {
                Ok((file, identity)) => {
                    let file = Arc::new(file);
                    let seen = found.iter().any(|(_, other)| other.is_inode(&identity));
                    let young = identity.born.is_none_or(|born| born >= since);
                    if !seen && young && !is_ours(&identity) && !is_copy(&file, held) {
                        found.push((file, identity));
                    }
                }
                Err(e) => escaped |= e.kind() == ErrorKind::NotFound,
            }
        }
        if !escaped && found.len() == before {
            break;
        }
    }
    let gap = (compressed > 0).then_some(Gap {
        lost_bytes: None,
        reason: "compressed",
    });
    (found, gap)
}

/// A compressed sibling that was made of a file which stood under the name after `since`, and which is not the one we
/// know. Compressors keep the time of the last write.
fn holds_unseen_bytes(sibling: &Sibling, held: &File, since: SystemTime) -> bool {
    if sibling.modified < since {
        return false;
    }
    let Ok(stat) = held.metadata() else {
        return true;
    };
    let Ok(ours) = stat.modified() else {
        return true;
    };
    let apart = ours
        .duration_since(sibling.modified)
        .unwrap_or_else(|e| e.duration());
    apart > Duration::from_secs(1)
}

/// Whether `file` begins as `other` does and ends with the bytes that `other` has at that place: a copy, made by hand
/// or by copytruncate, not a file that once stood under the name.
fn is_copy(file: &File, other: &File) -> bool {
    let Ok(length) = file.metadata().map(|stat| stat.len()) else {
        return false;
    };
    let want = length.min(COPY_CHECKED_BYTES as u64) as usize;
    let same = |at: u64| {
        let (mut a, mut b) = (vec![0; want], vec![0; want]);
        file.read_exact_at(&mut a, at).is_ok() && other.read_exact_at(&mut b, at).is_ok() && a == b
    };
    length > 0 && same(0) && same(length - want as u64)
}
