//! Stints: which files stood under the name since the last looks, as the kernel tells, and where they stand now.
//!
//! Rotations can follow each other faster than looks. The kernel tells each of them in order: a file is made or moved
//! there, is moved away, to this name, and from there to that one, is deleted. So a file that came and went between two
//! looks is found where it was moved to, whatever the rotator calls it; and one that is gone before it was seen is
//! known to be lost, and between which others.
//!
//! Only a file that is made there is sure to be a new one: what is moved there may have been there before. The kernel
//! may show a file before it tells of it, so files that were found ahead of their events are kept in mind. And by the
//! time that a place is looked at, another file may stand there, of which the kernel tells next: then the place of the
//! first is told too, and it is looked for once more.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::time::{Instant, SystemTime};

use crate::limits::{EVENT_LATE, STINTS_MAX};
use crate::source::Identity;

use crate::tail::watches::{BY_LINK, Told, Watches, What};

/// The stints that are not done with, oldest first.
#[derive(Debug, Default)]
pub(super) struct Stints {
    all: VecDeque<Stint>,
    next_order: u64,
    /// Files that were found under the name and of which the kernel has not told yet, with the time.
    ahead: VecDeque<(Identity, Instant)>,
    /// A file was lost after all that are known.
    lost: bool,
}

/// A file's time under the name.
#[derive(Debug)]
struct Stint {
    /// Stints are numbered in the order in which they began.
    order: u64,
    /// It was made under the name, and the kernel had told it by that time.
    made: Option<SystemTime>,
    stand: Stand,
    /// It came there by a link, and its old name was deleted: it may be a copy as well.
    by_link: bool,
    /// Which file was found where it stands.
    file: Option<Identity>,
    news: News,
    /// When it was told of last.
    told: Instant,
}

/// Where a file stands that has had a stint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Under the name.
    Here,
    /// Between two names: the rename has this number.
    Flying(u32),
    /// Under this name in the directory of this watch.
    At(i32, OsString),
    /// Deleted, as far as its name goes.
    Gone,
}

/// Whether the file at a place is the one of the stint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Sure,
    /// Where it was born after this one, which was found for the stint before, it is a copy of it.
    NotAfter(Identity),
}

impl Trust {
    /// Whether the file that was found at the place may be the one of the stint. The file that has come under the name since may
    /// stand there by now, too.
    pub(super) fn allows(self, found: &Identity) -> bool {
        match self {
            Trust::Sure => true,
            Trust::NotAfter(other) => {
                let births = found.born.zip(other.born);
                *found == other || births.is_some_and(|(found, other)| found <= other)
            }
        }
    }
}

/// What has come of a stint since it was looked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// It was told of: to be looked for.
    Told,
    /// It was looked for after so many drains of all events, and nothing was told of it since.
    Found(u64),
    /// Nor by the events that waited when it was looked for: done with, once it is not under the name.
    Settled,
}

impl Stints {
    /// Takes note of what the kernel tells; `is_own` says that it is about the name itself.
    pub(super) fn tell(&mut self, told: &Told, is_own: bool) {
        if is_own {
            self.tell_own(told.what);
        } else {
            self.tell_of_moved(told);
        }
    }

    fn tell_own(&mut self, what: What) {
        match what {
            What::Made | What::Linked => self.begin(what == What::Made),
            What::MovedIn(cookie) => {
                // What it replaced has no name any more.
                self.set(|stand| *stand == Stand::Here, &Stand::Gone);
                let flying = Stand::Flying(cookie);
                if !self.set(|stand| *stand == flying, &Stand::Here) {
                    self.begin(false);
                }
            }
            What::MovedOut(BY_LINK) => self.set_linked(&Stand::Here),
            What::MovedOut(cookie) => {
                if !self.has_here() {
                    self.begin(false);
                }
                self.set(|stand| *stand == Stand::Here, &Stand::Flying(cookie));
            }
            What::Deleted => {
                self.set(|stand| *stand == Stand::Here, &Stand::Gone);
            }
        }
    }

    fn tell_of_moved(&mut self, told: &Told) {
        let there = Stand::At(told.directory, told.name.clone());
        match told.what {
            What::Made | What::Linked => {}
            What::MovedIn(cookie) => {
                self.set(|stand| *stand == there, &Stand::Gone);
                self.set(|stand| *stand == Stand::Flying(cookie), &there);
            }
            What::MovedOut(BY_LINK) => self.set_linked(&there),
            What::MovedOut(cookie) => {
                self.set(|stand| *stand == there, &Stand::Flying(cookie));
            }
            What::Deleted => {
                self.set(|stand| *stand == there, &Stand::Gone);
            }
        }
    }

    fn begin(&mut self, is_made: bool) {
        // One whose leaving was not told is out of sight.
        self.set(|stand| *stand == Stand::Here, &Stand::Gone);
        self.all.push_back(Stint {
            order: self.next_order,
            // By the exact clock: a birth may be stamped ahead of the coarse one, which the kernel moves on for whoever has
            // asked for the time of a file (multigrain time stamps, Linux 6.13).
            made: is_made.then(SystemTime::now),
            stand: Stand::Here,
            by_link: false,
            file: None,
            news: News::Told,
            told: Instant::now(),
        });
        self.next_order += 1;
    }

    fn has_here(&self) -> bool {
        self.all.iter().any(|stint| stint.stand == Stand::Here)
    }

    /// Changes where those stand that `is`; whether there was one.
    fn set(&mut self, is: impl Fn(&Stand) -> bool, to: &Stand) -> bool {
        let mut found = false;
        for stint in self.all.iter_mut().filter(|stint| is(&stint.stand)) {
            stint.stand = to.clone();
            (stint.news, stint.told) = (News::Told, Instant::now());
            found = true;
        }
        found
    }

    /// The file that stands there has got another name, and this one was deleted. Only one that was made under the followed
    /// name is worth to be looked for, and only as long as it is not surely known: what has got the other name may be a
    /// copy of an older one.
    fn set_linked(&mut self, from: &Stand) {
        for stint in self.all.iter_mut().filter(|stint| stint.stand == *from) {
            stint.by_link = stint.made.is_some() && stint.news != News::Settled;
            stint.stand = match stint.by_link {
                true => Stand::Flying(BY_LINK),
                false => Stand::Gone,
            };
            (stint.news, stint.told) = (News::Told, Instant::now());
        }
    }

    /// What was told can't be trusted.
    pub(super) fn reset(&mut self, watches: &mut Watches, follower: usize) {
        for stint in self.all.drain(..) {
            untrack(&stint.stand, watches, follower);
        }
        self.ahead.clear();
    }

    /// Something was told since the last look.
    pub(super) fn has_news(&self) -> bool {
        self.all.iter().any(|stint| stint.news == News::Told)
    }

    /// The same of the one that stands under the name.
    pub(super) fn has_news_here(&self) -> bool {
        let is_it = |stint: &Stint| stint.news == News::Told && stint.stand == Stand::Here;
        self.all.iter().any(is_it)
    }

    /// The watches on the directories to which files were moved.
    pub(super) fn directories(&self) -> BTreeSet<i32> {
        let stands = self.all.iter().map(|stint| &stint.stand);
        let directories = stands.filter_map(|stand| match stand {
            Stand::At(directory, _) => Some(*directory),
            Stand::Here | Stand::Flying(_) | Stand::Gone => None,
        });
        directories.collect()
    }

    /// Nothing more is told of them: `lost` is called for each file that was not found, with the number of its stint.
    pub(super) fn end(&mut self, lost: &mut dyn FnMut(u64) -> bool) {
        for stint in &self.all {
            self.lost |= is_lost(stint, &mut self.ahead) && !lost(stint.order);
        }
    }

    /// Those that are to be looked for, oldest first.
    pub(super) fn to_find(&self) -> Vec<(u64, Stand, Trust)> {
        let told = self.all.iter().filter(|stint| stint.news == News::Told);
        told.map(|stint| {
            let trust = match (stint.by_link, stint.file) {
                (true, Some(found)) => Trust::NotAfter(found),
                _ => Trust::Sure,
            };
            (stint.order, stint.stand.clone(), trust)
        })
        .collect()
    }

    /// The file of a stint was found, after so many drains of all events.
    pub(super) fn found(&mut self, order: u64, identity: Identity, whole_drains: u64) {
        let is_it = |stint: &Stint| stint.file == Some(identity);
        if self
            .all
            .iter()
            .any(|stint| stint.order > order && is_it(stint))
        {
            return;
        }
        self.ahead.retain(|(ahead, _)| *ahead != identity);
        for stint in &mut self.all {
            if stint.order == order {
                stint.file = Some(identity);
                stint.news = News::Found(whole_drains);
            } else if stint.file == Some(identity) && stint.order < order {
                // It was taken for an earlier one, whose place it had by then.
                stint.file = None;
            }
        }
    }

    /// The stint's file is another follower's by now.
    pub(super) fn hand_over(&mut self, order: u64, watches: &mut Watches, follower: usize) {
        if let Some(at) = self.all.iter().position(|stint| stint.order == order) {
            if let Some(stint) = self.all.remove(at) {
                untrack(&stint.stand, watches, follower);
            }
        }
    }

    /// What stands under the name now is a copy of another follower's file, or no file.
    pub(super) fn hand_over_here(&mut self) {
        self.all.retain(|stint| stint.stand != Stand::Here);
    }

    /// A file was found under the name that was not there before.
    pub(super) fn find(&mut self, identity: Identity, now: Instant) {
        if !self.all.iter().any(|stint| stint.file == Some(identity)) {
            self.ahead.push_back((identity, now));
        }
    }

    /// The look is over: `lost` is called for each file that was lost, with the number of its stint. Those that are
    /// done with are forgotten.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        watches: &mut Watches,
        follower: usize,
        lost: &mut dyn FnMut(u64) -> bool,
    ) {
        while self
            .ahead
            .front()
            .is_some_and(|(_, since)| now > *since + EVENT_LATE)
        {
            self.ahead.pop_front();
        }
        let too_many = self.all.len().saturating_sub(STINTS_MAX);
        let mut at = 0;
        self.all.retain_mut(|stint| {
            at += 1;
            let out_of_sight = match stint.stand {
                Stand::Gone => true,
                // Its other end should have come by now.
                Stand::Flying(_) => stint.news == News::Settled,
                Stand::Here | Stand::At(..) => at <= too_many,
            };
            if out_of_sight {
                self.lost |= is_lost(stint, &mut self.ahead) && !lost(stint.order);
                untrack(&stint.stand, watches, follower);
                return false;
            }
            let news = stint.news;
            // Race: what stands there now may be the next file. The events that tell so waited when it was looked for.
            let is_sure = match news {
                News::Found(before) => watches.whole_drains() > before,
                News::Told | News::Settled => matches!(stint.stand, Stand::Flying(_)),
            };
            if is_sure {
                stint.news = News::Settled;
            }
            let done = news == News::Settled && stint.stand != Stand::Here;
            if done {
                untrack(&stint.stand, watches, follower);
            }
            !done
        });
    }

    /// Whether a file can't be that of the stint for which it was found: it was born after the kernel had told that stint's
    /// file, or before that of an earlier one. Then events are on their way that will tell where the right one is.
    pub(super) fn are_mixed_up(&self) -> bool {
        let mut youngest = SystemTime::UNIX_EPOCH;
        self.all.iter().any(|stint| {
            let born = stint.file.and_then(|file| file.born);
            let Some((told_by, born)) = stint.made.zip(born) else {
                return false;
            };
            let is_mixed_up = born > told_by || born < youngest;
            youngest = youngest.max(born);
            is_mixed_up
        })
    }

    /// Whether the file of a stint, which is not where the kernel has told that it is, is not known yet: then an event is on its
    /// way that will tell where. The kernel may show a rename before it tells of it.
    pub(super) fn is_awaited(&self, order: u64, now: Instant) -> bool {
        let is_it = |stint: &Stint| stint.order == order && stint.file.is_none();
        let mut all = self.all.iter().filter(|stint| is_it(stint));
        all.any(|stint| now < stint.told + EVENT_LATE)
    }

    /// Nothing can be lost before the first file.
    pub(super) fn nothing_lost(&mut self) {
        self.lost = false;
    }

    /// Whether a file was lost after all that are known; said once.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }
}

/// Whether nothing more can tell which file it was; one that was found ahead of what is told was it.
fn is_lost(stint: &Stint, ahead: &mut VecDeque<(Identity, Instant)>) -> bool {
    stint.made.is_some() && stint.file.is_none() && ahead.pop_front().is_none()
}

fn untrack(stand: &Stand, watches: &mut Watches, follower: usize) {
    if let Stand::At(directory, name) = stand {
        watches.untrack(*directory, name, follower);
    }
}

#[cfg(test)]
#[path = "stints/tests.rs"]
mod tests;
