//! The successors of a held file, in the order in which they stood under its name, within bounds.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::limits::{GENERATIONS_AHEAD_MAX, GENERATIONS_OPEN_MAX, SUCCESSORS_SEEN};
use crate::source::{Gap, Identity, OpenFile, siblings};

use super::order::sort_by_name;
use super::{Access, Next, Successor};

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
pub(in crate::tail) struct Successors {
    queue: VecDeque<Successor>,
    told: Told,
    /// How often what the kernel had told was lost.
    losses: u64,
    /// Since when one of them is known not to be empty.
    nonempty_since: Option<Instant>,
    /// The siblings are to be listed once more before one of these is begun: a directory that is read while files in
    /// it are renamed may leave some out. With the time after which those were born.
    unsure_since: Option<SystemTime>,
    /// Since when the last one stood that was taken off because there were too many.
    given_up: Option<SystemTime>,
}

impl Successors {
    pub(in crate::tail) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(in crate::tail) fn newest(&self) -> Option<&Successor> {
        self.queue.back()
    }

    pub(in crate::tail) fn newest_mut(&mut self) -> Option<&mut Successor> {
        self.queue.back_mut()
    }

    /// Whether one of them is the file `file`, which has this identity.
    pub(in crate::tail) fn has_file(&self, file: &File, identity: &Identity) -> bool {
        let mut all = self.queue.iter();
        all.any(|next| next.identity.is_inode(identity) && next.trace().is_in(file))
    }

    /// The time `stood`, but not before the newest of them.
    pub(in crate::tail) fn after_newest(&self, stood: SystemTime) -> SystemTime {
        self.newest()
            .map_or(stood, |newest| stood.max(newest.stood))
    }

    pub(in crate::tail) fn has(&self, identity: &Identity) -> bool {
        self.queue
            .iter()
            .any(|successor| successor.identity.is_inode(identity))
    }

    /// Takes out those that `are`.
    pub(in crate::tail) fn take_out(&mut self, are: impl Fn(&Successor) -> bool) -> Vec<Successor> {
        let (taken, kept) = std::mem::take(&mut self.queue).into_iter().partition(are);
        self.queue = kept;
        Vec::from(taken)
    }

    /// Takes one in, after the others.
    pub(in crate::tail) fn push(&mut self, successor: Successor) {
        let losses = self.losses;
        self.queue.push_back(Successor {
            losses,
            ..successor
        });
    }

    /// What the kernel had told is lost: what is found from now on came later. Their times tell the order of the others then.
    pub(in crate::tail) fn lose_told(&mut self) {
        self.losses += 1;
        let mut latest = SystemTime::UNIX_EPOCH;
        for successor in &mut self.queue {
            latest = latest.max(successor.stood);
            successor.stood = latest;
        }
    }

    /// Whether a file of this number would come before the one that is to be begun next.
    pub(in crate::tail) fn is_before_next(&self, order: u64) -> bool {
        let next = self.queue.front();
        next.is_some_and(|next| next.order.is_none_or(|next| order < next))
    }

    /// Those that are open.
    pub(in crate::tail) fn open(&self) -> impl Iterator<Item = &Arc<OpenFile>> {
        self.queue.iter().filter_map(Successor::file)
    }

    /// The name leads to this file now: puts it last, where it is one of them. Its lines are to be read once.
    pub(in crate::tail) fn comes_last(&mut self, identity: &Identity) -> bool {
        let mut all = self.queue.iter();
        let found = all.position(|next| next.identity == *identity);
        let Some(mut last) = found.and_then(|at| self.queue.remove(at)) else {
            return false;
        };
        last.stood = self.after_newest(last.stood);
        (last.order, last.losses) = (None, self.losses);
        self.queue.push_back(last);
        true
    }

    /// The kernel has told when the file stood under the name, in the order of numbers. Where it was taken for one before it,
    /// whose place it had by then, it is the later that counts.
    pub(in crate::tail) fn set_order(&mut self, identity: &Identity, order: u64) {
        let mut all = self.queue.iter_mut();
        if let Some(successor) = all.find(|successor| successor.identity == *identity) {
            successor.order = successor.order.max(Some(order));
        }
    }

    /// Files are taken in that were found by their names.
    pub(in crate::tail) fn tell_by_time(&mut self) {
        self.told = Told::ByTime;
    }

    /// A file of that number was lost: it is told before the one after it, if that is here.
    pub(in crate::tail) fn lost_before(&mut self, order: u64, gap: Gap) -> bool {
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

    /// The one to be begun next, for the name `path`. Those that are gone by now are told as lost before it. `None` also
    /// where no descriptor is left for it just now.
    pub(in crate::tail) fn pop(&mut self, path: &Path) -> Option<Next> {
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
            let file = match next.open(path) {
                Ok(Some(file)) => file,
                Ok(None) => {
                    let own = Gap {
                        lost_bytes: match next.file {
                            Access::Aside(_) => None,
                            Access::Open(_) | Access::Closed(_) => Some(next.seen.bytes),
                        },
                        reason: "gone before it could be read",
                    };
                    lost = Some(gap.map_or(own, |gap| sum(gap, own)));
                    continue;
                }
                // Its turn comes when there is a descriptor for it.
                Err(_) => {
                    next.gap = gap;
                    self.queue.push_front(next);
                    return None;
                }
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
                may_be_copy: next.may_be_copy,
                watch: next.watch,
            });
        }
        None
    }

    /// Takes off the newest one if it is empty: the name leads elsewhere again.
    pub(in crate::tail) fn pop_empty(&mut self) -> Option<Successor> {
        if self.queue.back()?.bytes() > 0 {
            return None;
        }
        self.queue.pop_back()
    }

    /// Closes those whose turn comes late, but never the newest; their watches, to be released.
    pub(in crate::tail) fn close_some(&mut self) -> Vec<i32> {
        let end = self.queue.len().saturating_sub(1);
        let open = self
            .queue
            .range_mut(GENERATIONS_OPEN_MAX.min(end)..end)
            .rev();
        // Those that were closed before stand before those that have come since.
        open.take_while(|successor| !matches!(successor.file, Access::Closed(_)))
            .filter_map(Successor::close)
            .collect()
    }

    /// Closes those that are open, whose content is looked for where they stand from now on: no descriptors are left for
    /// them.
    pub(in crate::tail) fn set_aside(&mut self) {
        let open = self.queue.iter_mut().filter(|next| next.file().is_some());
        open.filter(|next| next.identity.born.is_some())
            .for_each(Successor::set_aside);
    }

    /// Takes off the oldest where there are too many: its bytes are then told as lost before the next.
    pub(in crate::tail) fn pop_too_many(&mut self) -> Option<Successor> {
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
    pub(in crate::tail) fn given_up(&self) -> Option<SystemTime> {
        self.given_up
    }

    /// Something was lost before the oldest of them.
    pub(in crate::tail) fn set_gap(&mut self, gap: Gap) {
        if let Some(oldest) = self.queue.front_mut() {
            oldest.gap.get_or_insert(gap);
        }
    }

    /// Something was lost before the newest of them.
    pub(in crate::tail) fn set_gap_before_newest(&mut self, gap: Gap) {
        if let Some(newest) = self.queue.back_mut() {
            newest.gap.get_or_insert(gap);
        }
    }

    /// Since when the oldest of them is there and holds nothing, where it may be a copy in the making.
    pub(in crate::tail) fn blank_since(&self) -> Option<SystemTime> {
        self.queue.front().and_then(Successor::blank_since)
    }

    /// Since when there is something in one of them, but for what `is_copy`.
    pub(in crate::tail) fn nonempty_since(
        &mut self,
        now: Instant,
        is_copy: &dyn Fn(&File) -> bool,
    ) -> Option<Instant> {
        let see = |next: &mut Successor| {
            let bytes = next.see();
            let file = next.file().filter(|_| bytes > 0 && next.may_be_copy);
            match file.is_some_and(|file| is_copy(file)) {
                true => 0,
                false => bytes,
            }
        };
        // The next ones are looked at each time, to know when they are truncated.
        let filled = self.queue.iter_mut().take(SUCCESSORS_SEEN).map(see).max() > Some(0);
        if self.nonempty_since.is_none() {
            let rest = self.queue.iter_mut().skip(SUCCESSORS_SEEN);
            let filled = filled || rest.map(see).any(|bytes| bytes > 0);
            self.nonempty_since = filled.then_some(now);
        }
        self.nonempty_since
    }

    /// A rotation was found; the name was right until `verified`.
    pub(in crate::tail) fn rotated(&mut self, verified: SystemTime) {
        self.unsure_since = Some(match self.unsure_since {
            Some(earlier) => earlier.min(verified),
            None => verified,
        });
    }

    /// Whether the siblings are still to be listed before one of these is begun: then, those that were born after
    /// when. Asked once.
    pub(in crate::tail) fn take_unsure(&mut self) -> Option<SystemTime> {
        self.unsure_since.take()
    }

    /// Puts them in the order in which they stood under the name `path`, after `held`: as the kernel has told it. Where
    /// it hasn't, by time, for names tell little. But its clock is too coarse to tell rotations within one tick apart;
    /// for those it counts when they were found, and at last names have to do.
    pub(in crate::tail) fn sort(&mut self, path: &Path, held: Option<&File>) {
        let queue = self.queue.make_contiguous();
        if self.told == Told::ByKernel {
            // The one of which it has not told yet is the newest.
            queue.sort_by_key(|successor| successor.order.unwrap_or(u64::MAX));
            return;
        }
        let time = |successor: &Successor| (successor.stood, successor.losses);
        queue.sort_by_key(time);
        for tied in queue.chunk_by_mut(|a, b| time(a) == time(b)) {
            if let Some(held) = held.filter(|_| tied.len() > 1) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::successor::name_of;
    use std::io::Write;

    #[test]
    fn a_file_to_which_the_name_leads_comes_last_and_once() {
        let file: Arc<OpenFile> = Arc::new(tempfile::tempfile().expect("a file").into());
        let identity = |inode| Identity {
            inode,
            ..Identity::default()
        };
        let mut successors = Successors::default();
        for (order, inode) in [7, 8].into_iter().enumerate() {
            let (file, stood) = (Arc::clone(&file), SystemTime::UNIX_EPOCH);
            successors.push(Successor::new(file, identity(inode), stood, None));
            successors.set_order(&identity(inode), order as u64);
        }
        assert!(!successors.comes_last(&identity(9)));
        assert!(successors.comes_last(&identity(7)));
        successors.sort(Path::new("a.log"), None);
        let next = std::iter::from_fn(|| successors.pop(Path::new("a.log")));
        let inodes: Vec<u64> = next.map(|next| next.identity.inode).collect();
        assert_eq!(inodes, [8, 7]);
    }

    #[test]
    fn a_file_that_was_taken_for_one_before_it_keeps_its_place() {
        let file: Arc<OpenFile> = Arc::new(tempfile::tempfile().expect("a file").into());
        let identity = |inode| Identity {
            inode,
            ..Identity::default()
        };
        let mut successors = Successors::default();
        for (inode, order) in [(7, 3), (8, 1)] {
            let (file, stood) = (Arc::clone(&file), SystemTime::UNIX_EPOCH);
            successors.push(Successor::new(file, identity(inode), stood, None));
            successors.set_order(&identity(inode), order);
        }
        // The kernel was late to tell that it is where the first one was.
        successors.set_order(&identity(7), 0);
        successors.sort(Path::new("a.log"), None);
        let next = std::iter::from_fn(|| successors.pop(Path::new("a.log")));
        let inodes: Vec<u64> = next.map(|next| next.identity.inode).collect();
        assert_eq!(inodes, [8, 7]);
    }

    #[test]
    fn what_is_found_after_events_were_lost_came_later_within_one_tick_of_the_clock() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let open = |name: &str| {
            let file = File::create(path(name)).expect("a file");
            let identity = Identity::of(&file.metadata().expect("readable"));
            Successor::new(
                Arc::new(file.into()),
                identity,
                SystemTime::UNIX_EPOCH,
                None,
            )
        };
        let held = File::create(path("a.log.3")).expect("a file");
        let mut successors = Successors::default();
        successors.push(open("a.log.1"));
        // Its directory is another one from now on.
        successors.lose_told();
        successors.push(open("a.log"));
        successors.push(open("a.log.2"));
        successors.tell_by_time();
        successors.sort(&path("a.log"), Some(&held));
        let files = successors.queue.iter().filter_map(Successor::file);
        let names: Vec<_> = files.map(|file| name_of(file)).collect();
        assert_eq!(names, ["a.log.1", "a.log.2", "a.log"].map(path));
    }

    #[test]
    fn too_many_successors_are_a_gap_of_known_size_before_the_next() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"0123456789").expect("write");
        let file: Arc<OpenFile> = Arc::new(file.into());
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
