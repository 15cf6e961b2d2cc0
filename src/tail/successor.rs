//! The files that are to be read after the held one: found by a rotation, opened at once, not yet begun.
//!
//! Rotations can follow each other faster than the watcher looks. So beside the file that the name leads to now, those
//! are taken in that stood under it in between, in the order that the kernel has told (`stints`). Where it hasn't told
//! all, they are the siblings with rotated names that nobody knows and that were born after the name last led to the
//! file we know. Older ones are copies (copytruncate makes them) or stood there before.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::limits::{
    COPY_CHECKED_BYTES, GENERATIONS_AHEAD_MAX, GENERATIONS_OPEN_MAX, NAME_READS_MAX, OVERLAP_BYTES,
    SIBLING_SCANS_MAX, SUCCESSORS_SEEN,
};
use crate::source::forward::read_full;
use crate::source::mark::Mark;
use crate::source::siblings::{self, Reach};
use crate::source::{Gap, Identity, identity, nuls};

use super::listing::Listings;

/// A file that is not yet begun.
#[derive(Debug)]
pub(super) struct Successor {
    file: Access,
    pub(super) identity: Identity,
    /// Since when, about, it stood under the name, by the clock that files are stamped with.
    stood: SystemTime,
    /// The number of its stint under the name, where the kernel has told it.
    order: Option<u64>,
    /// What was lost before it.
    gap: Option<Gap>,
    /// What was last seen of it: its length, and how it begins.
    seen: Seen,
    pub(super) watch: Option<i32>,
}

/// How its bytes are got at.
#[derive(Debug)]
enum Access {
    Open(Arc<File>),
    /// Many are to be read before it, so it was closed: where it stood then.
    Closed(PathBuf),
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
    pub(super) file: Arc<File>,
    pub(super) identity: Identity,
    /// What was lost before it.
    pub(super) gap: Option<Gap>,
    pub(super) watch: Option<i32>,
}

impl Successor {
    pub(super) fn new(
        file: Arc<File>,
        identity: Identity,
        stood: SystemTime,
        watch: Option<i32>,
    ) -> Successor {
        Successor {
            file: Access::Open(file),
            identity,
            stood,
            order: None,
            gap: None,
            seen: Seen::default(),
            watch,
        }
    }

    /// Its length now; where it is closed, when it was last seen.
    pub(super) fn bytes(&self) -> u64 {
        match &self.file {
            Access::Open(file) => {
                let length = file.metadata().map(|stat| stat.len());
                let content = length.and_then(|length| nuls::content_end(file, 0, length));
                content.unwrap_or(self.seen.bytes)
            }
            Access::Closed(_) => self.seen.bytes,
        }
    }

    /// Looks at it; how many bytes it has.
    fn see(&mut self) -> u64 {
        let Access::Open(file) = &self.file else {
            return self.seen.bytes;
        };
        let mut beginning = [0; OVERLAP_BYTES];
        // What can't be read just now is seen the next time.
        let (Ok(stat), Ok(n)) = (file.metadata(), read_full(file, &mut beginning, 0)) else {
            return self.seen.bytes;
        };
        // Room that its writer has made is nothing yet.
        let Ok(bytes) = nuls::content_end(file, 0, stat.len()) else {
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
        let Access::Open(file) = &self.file else {
            return None;
        };
        self.file = Access::Closed(name_of(file));
        self.watch.take()
    }

    /// Its file, opened again where it was closed and stands where it did, or elsewhere beside `path`.
    fn open(&self, path: &Path) -> Option<Arc<File>> {
        let at = match &self.file {
            Access::Open(file) => return Some(Arc::clone(file)),
            Access::Closed(at) => at,
        };
        let open = |at: &Path| {
            let (file, identity) = identity::open_beside(at).ok()?;
            (identity == self.identity).then(|| Arc::new(file))
        };
        open(at).or_else(|| {
            let found = siblings::by_inode(path, self.identity.inode, Reach::Any);
            open(&found.ok()??)
        })
    }
}

/// How the order of successors is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    /// The kernel has told it.
    #[default]
    ByKernel,
    /// Some were found by their names: their times have to do.
    ByTime,
}

/// The successors, oldest first; at most [`GENERATIONS_AHEAD_MAX`], and [`GENERATIONS_OPEN_MAX`] of them open.
#[derive(Debug, Default)]
pub(super) struct Successors {
    queue: VecDeque<Successor>,
    told: Told,
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

    /// The kernel has told when the file stood under the name, in the order of numbers.
    pub(super) fn set_order(&mut self, identity: &Identity, order: u64) {
        let mut all = self.queue.iter_mut();
        if let Some(successor) = all.find(|successor| successor.identity == *identity) {
            successor.order = Some(order);
        }
    }

    /// Files are taken in that were found by their names.
    pub(super) fn tell_by_time(&mut self) {
        self.told = Told::ByTime;
    }

    /// A file of that number was lost: it is told before the one after it, if that is here.
    pub(super) fn lost_before(&mut self, order: u64, gap: Gap) -> bool {
        let mut all = self.queue.iter_mut();
        let next = all.find(|successor| successor.order.is_none_or(|own| own > order));
        match next {
            Some(next) => {
                next.gap.get_or_insert(gap);
                true
            }
            None => false,
        }
    }

    /// The one to be begun next, for the name `path`. Those that are gone by now are told as lost before it.
    pub(super) fn pop(&mut self, path: &Path) -> Option<Next> {
        self.nonempty_since = None;
        let mut lost: Option<Gap> = None;
        while let Some(mut next) = self.queue.pop_front() {
            if self.queue.is_empty() {
                self.told = Told::default();
            }
            let gap = match (lost, next.gap) {
                (Some(lost), Some(own)) => Some(sum(lost, own)),
                (lost, own) => lost.or(own),
            };
            let Some(file) = next.open(path) else {
                let own = Gap {
                    lost_bytes: Some(next.seen.bytes),
                    reason: "gone before it could be read",
                };
                lost = Some(gap.map_or(own, |gap| sum(gap, own)));
                continue;
            };
            next.file = Access::Open(Arc::clone(&file));
            next.see();
            let truncated = next.seen.truncated.then_some(Gap {
                lost_bytes: None,
                reason: "truncated before it was read",
            });
            return Some(Next {
                file,
                identity: next.identity,
                gap: gap.or(truncated),
                watch: next.watch,
            });
        }
        None
    }

    /// Takes off the newest one if it is empty: the name leads elsewhere again.
    pub(super) fn pop_empty(&mut self) -> Option<Successor> {
        if self.queue.back()?.bytes() > 0 {
            return None;
        }
        self.queue.pop_back()
    }

    /// Closes those whose turn comes late, but never the newest; their watches, to be released.
    pub(super) fn close_some(&mut self) -> Vec<i32> {
        let end = self.queue.len().saturating_sub(1);
        let open = self
            .queue
            .range_mut(GENERATIONS_OPEN_MAX.min(end)..end)
            .rev();
        // Those that were closed before stand before those that have come since.
        open.take_while(|successor| matches!(successor.file, Access::Open(_)))
            .filter_map(Successor::close)
            .collect()
    }

    /// Takes off the oldest where there are too many: its bytes are then told as lost before the next.
    pub(super) fn pop_too_many(&mut self) -> Option<Successor> {
        if self.queue.len() <= GENERATIONS_AHEAD_MAX {
            return None;
        }
        let oldest = self.queue.pop_front()?;
        self.given_up = Some(oldest.stood);
        let own = Gap {
            lost_bytes: Some(oldest.bytes()),
            reason: "rotated too often to keep up",
        };
        let lost = oldest.gap.map_or(own, |gap| sum(own, gap));
        if let Some(next) = self.queue.front_mut() {
            next.gap = Some(next.gap.map_or(lost, |gap| sum(lost, gap)));
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
        // The next ones are looked at each time, to know when they are truncated.
        let filled = self
            .queue
            .iter_mut()
            .take(SUCCESSORS_SEEN)
            .map(Successor::see)
            .max()
            > Some(0);
        if self.nonempty_since.is_none() {
            let rest = self.queue.iter_mut().skip(SUCCESSORS_SEEN);
            let filled = filled || rest.map(Successor::see).any(|bytes| bytes > 0);
            self.nonempty_since = filled.then_some(now);
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

    /// Puts them in the order in which they stood under the name `path`, after `held`: as the kernel has told it. Where
    /// it hasn't, by time, for names tell little. But its clock is too coarse to tell rotations within one tick apart;
    /// for those, names have to do.
    pub(super) fn sort(&mut self, path: &Path, held: &File) {
        let queue = self.queue.make_contiguous();
        if self.told == Told::ByKernel {
            // The one of which it has not told yet is the newest.
            queue.sort_by_key(|successor| successor.order.unwrap_or(u64::MAX));
            return;
        }
        queue.sort_by_key(|successor| successor.stood);
        for tied in queue.chunk_by_mut(|a, b| a.stood == b.stood) {
            if tied.len() > 1 {
                sort_by_name(tied, &siblings::place(path), held);
            }
        }
    }
}

/// Two gaps, one after the other, as one.
fn sum(first: Gap, then: Gap) -> Gap {
    Gap {
        lost_bytes: first.lost_bytes.zip(then.lost_bytes).map(|(a, b)| a + b),
        reason: first.reason,
    }
}

fn sort_by_name(tied: &mut [Successor], place: &Path, held: &File) {
    let files: Vec<&Access> = tied.iter().map(|next| &next.file).collect();
    let mut names = names(&files, held, place);
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
fn names(files: &[&Access], held: &File, place: &Path) -> Vec<PathBuf> {
    let open = |file: &File| {
        let name = name_of(file);
        match name.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
            // One that was deleted under the name itself is not the current one.
            Some(last) if Path::new(OsStr::from_bytes(last)) != place => {
                PathBuf::from(OsStr::from_bytes(last))
            }
            _ => name,
        }
    };
    let name = |access: &&Access| match access {
        Access::Open(file) => open(file),
        Access::Closed(path) => path.clone(),
    };
    let read = || {
        files
            .iter()
            .map(name)
            .chain([open(held)])
            .collect::<Vec<_>>()
    };
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

/// What an open file is called now.
fn name_of(file: &File) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default()
}

/// What is known where not all was told that happened to a name since it was last seen to lead to a file.
pub(super) struct Missed<'a> {
    /// The name.
    pub(super) path: &'a Path,
    /// The file that it led to.
    pub(super) held: &'a File,
    /// When it was last seen to.
    pub(super) since: SystemTime,
    pub(super) is_ours: &'a dyn Fn(&Identity) -> bool,
}

impl Missed<'_> {
    /// The files that stood under the name since then, by their names and births; and whether others are known to be
    /// lost. A rotator's style of names is known from what it has made of the held file, too. Blocks on the disk.
    pub(super) fn find(
        &self,
        listings: &mut Listings,
    ) -> (Vec<(Arc<File>, Identity)>, Option<Gap>) {
        let mut found: Vec<(Arc<File>, Identity)> = Vec::new();
        let mut compressed = 0;
        let name = name_of(self.held);
        for _ in 0..SIBLING_SCANS_MAX {
            let before = found.len();
            let mut escaped = false;
            compressed = 0;
            for sibling in listings.rotated(self.path, &name) {
                if sibling.born() < self.since {
                    continue;
                }
                if sibling.compressed {
                    compressed += usize::from(sibling.modified >= self.since);
                    continue;
                }
                match identity::open_beside(&sibling.path) {
                    Ok((file, identity)) => {
                        let file = Arc::new(file);
                        let seen = found.iter().any(|(_, other)| other.is_inode(&identity));
                        let young = identity.born.is_none_or(|born| born >= self.since);
                        if !seen
                            && young
                            && !(self.is_ours)(&identity)
                            && !is_copy(&file, self.held)
                        {
                            found.push((file, identity));
                        }
                    }
                    Err(e) => escaped |= e.kind() == ErrorKind::NotFound,
                }
            }
            if !escaped && found.len() == before {
                break;
            }
            listings.list_again(self.path);
        }
        // The held file was compressed itself where it is gone.
        let held_is_gone = self.held.metadata().is_ok_and(|stat| stat.nlink() == 0);
        let gap = (compressed > usize::from(held_is_gone)).then_some(Gap {
            lost_bytes: None,
            reason: "compressed",
        });
        (found, gap)
    }
}

/// Whether `file` begins as `other` does and ends with the bytes that `other` has at that place: a copy, made by hand
/// or by copytruncate, not a file that once stood under the name. An empty one may be a copy that has just been begun.
fn is_copy(file: &File, other: &File) -> bool {
    let Ok(length) = file.metadata().map(|stat| stat.len()) else {
        return false;
    };
    let want = length.min(COPY_CHECKED_BYTES as u64) as usize;
    let same = |at: u64| {
        let (mut a, mut b) = (vec![0; want], vec![0; want]);
        file.read_exact_at(&mut a, at).is_ok() && other.read_exact_at(&mut b, at).is_ok() && a == b
    };
    same(0) && same(length - want as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn too_many_successors_are_a_gap_of_known_size_before_the_next() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"0123456789").expect("write");
        let file = Arc::new(file);
        let mut successors = Successors::default();
        for n in 0..GENERATIONS_AHEAD_MAX as u64 + 2 {
            let identity = Identity {
                inode: n,
                ..Identity::default()
            };
            let stood = SystemTime::UNIX_EPOCH;
            successors.push(Successor::new(Arc::clone(&file), identity, stood, None));
        }
        let lost = std::iter::from_fn(|| successors.pop_too_many());
        assert_eq!(
            lost.map(|lost| lost.identity.inode).collect::<Vec<_>>(),
            [0, 1]
        );
        let next = successors.pop(Path::new("a.log")).expect("the next");
        let gap = next.gap.expect("a gap");
        assert_eq!((next.identity.inode, gap.lost_bytes), (2, Some(20)));
    }
}
