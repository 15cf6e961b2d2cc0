//! Whose turn it is: who was named by an event, whose time has come, and what patterns bring in.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::hub::{Change, Notice};
use crate::limits::{FILES_MAX, LATELY_MAX, SCAN_TIME, TURN_BYTES};
use crate::source::{Source, inflate};

use super::Watcher;
use crate::tail::containers::Containers;
use crate::tail::follower::Follower;
use crate::tail::glob::{Glob, Scan};
use crate::tail::pod;
use crate::tail::watches::Hit;

/// Whose turn it is. Those whose files were written to have a queue of their own: they cost a read, the others many
/// lookups. So a line waits for no more than the lines of others, also where thousands of names have changed.
#[derive(Debug, Default)]
pub(super) struct Ready {
    written: VecDeque<usize>,
    stirred: VecDeque<usize>,
    queued: HashMap<usize, Queue>,
}

/// Which queue a follower is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Written,
    Stirred,
    Both,
}

/// What a follower does in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Finds out everything.
    Look,
    /// Reads what was written to its file. It is to look yet.
    Read,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    /// The follower's file was written to.
    pub(super) fn write(&mut self, index: usize) {
        match self.queued.get(&index) {
            None => self.queued.insert(index, Queue::Written),
            Some(Queue::Stirred) => self.queued.insert(index, Queue::Both),
            Some(Queue::Written | Queue::Both) => return,
        };
        self.written.push_back(index);
    }

    /// The follower's name may lead elsewhere, or its time has come.
    pub(super) fn stir(&mut self, index: usize) {
        if self.is_new_among_stirred(index) {
            self.stirred.push_back(index);
        }
    }

    /// The same, and somebody waits for it: it is the next of those.
    pub(super) fn ask(&mut self, index: usize) {
        self.is_new_among_stirred(index);
        self.stirred.push_front(index);
    }

    fn is_new_among_stirred(&mut self, index: usize) -> bool {
        match self.queued.get(&index) {
            None => self.queued.insert(index, Queue::Stirred),
            Some(Queue::Written) => self.queued.insert(index, Queue::Both),
            Some(Queue::Stirred | Queue::Both) => return false,
        };
        true
    }

    pub(super) fn take_written(&mut self) -> Option<(usize, Deed)> {
        while let Some(index) = self.written.pop_front() {
            match self.queued.get(&index) {
                Some(Queue::Written) => {
                    self.queued.remove(&index);
                    return Some((index, Deed::Look));
                }
                Some(Queue::Both) => {
                    self.queued.insert(index, Queue::Stirred);
                    return Some((index, Deed::Read));
                }
                // It has looked since.
                Some(Queue::Stirred) | None => {}
            }
        }
        None
    }

    pub(super) fn take_stirred(&mut self) -> Option<(usize, Deed)> {
        while let Some(index) = self.stirred.pop_front() {
            // One that somebody waited for stands here twice.
            if matches!(self.queued.get(&index), Some(Queue::Stirred | Queue::Both)) {
                self.queued.remove(&index);
                return Some((index, Deed::Look));
            }
        }
        None
    }

    fn remove(&mut self, index: usize) {
        self.queued.remove(&index);
    }

    /// All of them, in no order.
    fn all(&self) -> Vec<usize> {
        self.queued.keys().copied().collect()
    }
}

/// The followers whose files have brought something last, the latest last.
#[derive(Debug, Default)]
pub(super) struct Lately {
    indexes: VecDeque<usize>,
}

impl Lately {
    pub(super) fn brought(&mut self, index: usize) {
        self.indexes.retain(|other| *other != index);
        self.indexes.push_back(index);
        if self.indexes.len() > LATELY_MAX {
            self.indexes.pop_front();
        }
    }
}

impl Watcher {
    /// Where more events wait than were taken, those of a file that is written to all the time stand behind thousands of
    /// others: those files are looked at without.
    pub(super) fn write_lately(&mut self) {
        if !self.watches.is_drained() {
            for &index in &self.lately.indexes {
                self.ready.write(index);
            }
        }
    }

    pub(super) fn make_all_ready(&mut self) {
        for &index in self.followers.keys() {
            self.ready.stir(index);
        }
    }

    /// Whether there is nothing to do before something happens.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.len() == 0 && !self.globs.iter().any(Glob::is_behind)
    }

    pub(super) fn take_events(&mut self) {
        let mut hits = Vec::new();
        self.watches.drain(&mut |hit| {
            if hits.last() != Some(&hit) || matches!(hit, Hit::Told(..)) {
                hits.push(hit);
            }
        });
        for hit in hits {
            self.take_hit(hit);
        }
    }

    fn take_hit(&mut self, hit: Hit) {
        let (index, deed): (usize, &mut dyn FnMut(&mut Follower)) = match hit {
            Hit::Wrote(index) => return self.ready.write(index),
            Hit::File(index) => (index, &mut |_| {}),
            Hit::Path(index) => (index, &mut Follower::stir),
            Hit::Entry(index) => (index, &mut Follower::stir_entry),
            Hit::Told(index, ref told) => (index, &mut |follower| follower.tell_of_name(told)),
            Hit::HandedOver(from, to) => {
                let Some(path) = self.followers.get(&to).map(Follower::path) else {
                    return;
                };
                if let Some(follower) = self.followers.get_mut(&from) {
                    follower.hand_over(path);
                    self.handing_over.push(from);
                }
                return self.ready.stir(from);
            }
            Hit::Glob(index, watch, name) => return self.globs[index].tell(watch, name),
            Hit::Containers(index) => {
                self.dockers[index].due = true;
                return;
            }
            Hit::All => {
                log::debug!("events were lost: looking at everything");
                self.globs.iter_mut().for_each(Glob::look_at_all);
                self.dockers.iter_mut().for_each(|docker| docker.due = true);
                for follower in self.followers.values_mut() {
                    follower.events_lost(&mut self.watches);
                }
                return self.make_all_ready();
            }
        };
        if let Some(follower) = self.followers.get_mut(&index) {
            deed(follower);
            self.ready.stir(index);
        }
    }

    /// What feeders tell.
    pub(super) fn take_notices(&mut self) {
        for notice in self.hub.take_notices() {
            match notice {
                Notice::New(spooled) => {
                    let source = self.names.add_spool(&spooled, &self.hub);
                    self.follow(source, false, false);
                }
                Notice::Files(path) => {
                    self.stir_spool(&path);
                }
                Notice::Gone(path) => {
                    if let Some(index) = self.spool_follower(&path) {
                        self.part_with(index);
                    }
                }
                Notice::Event { path, at, kind } => {
                    if let Some(follower) = self.stir_spool(&path) {
                        follower.notice_event(at, kind);
                    }
                }
            }
        }
    }

    /// The follower of the spool at `path`, which is to look.
    fn stir_spool(&mut self, path: &Path) -> Option<&mut Follower> {
        let index = self.spool_follower(path)?;
        self.ready.stir(index);
        self.followers.get_mut(&index)
    }

    fn spool_follower(&self, path: &Path) -> Option<usize> {
        let mut all = self.followers.iter();
        let found = all.find(|(_, follower)| *follower.path() == *path);
        found.map(|(&index, _)| index)
    }

    pub(super) fn take_times(&mut self, now: Instant) {
        while let Some(&(at, index)) = self.times.first() {
            if at > now {
                break;
            }
            self.times.pop_first();
            self.timed.remove(&index);
            let Some(follower) = self.followers.get(&index) else {
                continue;
            };
            let look_at = follower.look_at;
            if look_at <= now {
                self.ready.stir(index);
            } else {
                self.look_again_at(index, look_at);
            }
        }
        // Nothing to do, nearly always: one look at a lock that is free.
        inflate::forget_old();
        if self.forget_at.is_none() && !self.hub.shelf.is_empty() {
            self.forget_at = Some(now + self.forget_every());
        }
        if self.forget_at.is_some_and(|at| at <= now) {
            let again = self.hub.forget_old();
            self.forget_at = again.then(|| now + self.forget_every());
        }
        if self.mounted.is_due(now) {
            log::debug!("something was mounted or unmounted: looking at everything");
            self.globs.iter_mut().for_each(Glob::look_at_all);
            self.dockers.iter_mut().for_each(|docker| docker.due = true);
            self.followers.values_mut().for_each(Follower::stir);
            self.make_all_ready();
        }
    }

    /// Lets go of a follower whose name is gone for good: its watches, its name, its source.
    pub(super) fn part_with(&mut self, index: usize) {
        let Some(mut follower) = self.followers.remove(&index) else {
            return;
        };
        follower.leave(&mut self.watches, &mut self.known);
        self.ready.remove(index);
        if let Some(at) = self.timed.remove(&index) {
            self.times.remove(&(at, index));
        }
        self.ask_no_more(index);
        self.names.remove(follower.source(), index);
        follower.source().set_parted();
        self.globs.iter_mut().for_each(Glob::look_for_waiting);
        let forget_at = Instant::now() + self.forget_every();
        self.forget_at.get_or_insert(forget_at);
    }

    /// A follower's time may move on without its entry moving along: when that is due, it is entered anew.
    pub(super) fn look_again_at(&mut self, index: usize, at: Instant) {
        match self.timed.get(&index) {
            Some(&entered) if entered <= at => return,
            Some(&entered) => {
                self.times.remove(&(entered, index));
            }
            None => {}
        }
        self.timed.insert(index, at);
        self.times.insert((at, index));
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        let look = self.times.first().map(|&(at, _)| at);
        let scan = self.globs.iter().filter_map(Glob::wants).min();
        let containers = self.dockers.iter().map(Containers::wants).min();
        [
            look,
            scan,
            containers,
            self.round_due,
            self.forget_at,
            self.mounted.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn scan_globs(&mut self, now: Instant, changes: &mut Vec<(Arc<Source>, Change)>) {
        for at in 0..self.globs.len() {
            if self.globs[at].wants().is_some_and(|wants| wants > now) {
                continue;
            }
            // Whoever follows a file that was just rotated takes the rotated file first: it matches the pattern, too.
            // Where the kernel tells of renames that is known without a look.
            for index in self.ready.all() {
                let follower = self.followers.get(&index);
                if follower.is_some_and(|follower| !follower.is_told()) {
                    self.look_at_name(index, now, changes);
                }
            }
            let mut scan = Scan {
                watches: &mut self.watches,
                known: &self.known,
                names: &self.names,
                files_max: self.options.files_max.unwrap_or(FILES_MAX),
                until: Some(Instant::now() + SCAN_TIME),
            };
            let new = self.globs[at].scan(now, &mut scan);
            self.add_matches(new, false, changes);
        }
    }

    /// Follows what a pattern has found. Of several links to the logs of one container that was made again, the youngest
    /// one is its log.
    pub(super) fn add_matches(
        &mut self,
        new: Vec<PathBuf>,
        at_start: bool,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        let (mut pods, mut plain) = (Vec::new(), Vec::new());
        for path in new {
            match pod::of(&path) {
                Some(pod) => pods.push((pod, path)),
                None => plain.push(path),
            }
        }
        for path in plain {
            self.add(&path, true, at_start);
        }
        pods.sort_by(|(a, _), (b, _)| (b.made, &a.key).cmp(&(a.made, &b.key)));
        for (pod, link) in pods {
            let Some(index) = self.names.of_pod(&pod) else {
                let index = self.next_follower;
                let source = self.names.add_pod(&pod, &link, index, &self.hub);
                self.follow(source, true, at_start);
                continue;
            };
            let Some(old) = self.followers.get(&index).map(Follower::path) else {
                continue;
            };
            if pod::made(&old).is_none_or(|made| made < pod.made) {
                self.names.lead(&old, &link);
                self.lead_to(index, &link, false, changes);
            }
        }
    }

    /// Sees which containers there are: new ones are followed, and each name leads to the log of the one that has it now.
    pub(super) fn scan_containers(
        &mut self,
        now: Instant,
        at_start: bool,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        for at in 0..self.dockers.len() {
            if self.dockers[at].wants() > now {
                continue;
            }
            let found = self.dockers[at].scan(&mut self.watches);
            let before = std::mem::replace(&mut self.dockers[at].found, found.clone());
            // A name that another container has now, or none, is done with the log that it led to: before that log is
            // followed under another name.
            let elsewhere: HashSet<&PathBuf> = found.values().collect();
            for (name, log) in &before {
                if found.get(name) == Some(log) {
                    continue;
                }
                let Some(index) = self.names.of_container(at, name) else {
                    continue;
                };
                self.look_at(index, now, TURN_BYTES, changes);
                let goes_on = elsewhere.contains(log);
                let nowhere = self.dockers[at].nowhere(name);
                let to = found.get(name).unwrap_or(&nowhere);
                self.lead_to(index, to, goes_on, changes);
            }
            let mut new: Vec<(&String, &PathBuf)> = found.iter().collect();
            new.sort();
            for (name, log) in new {
                if let Some(index) = self.names.of_container(at, name) {
                    let follower = self.followers.get(&index);
                    if follower.is_some_and(|follower| *follower.path() != **log) {
                        self.lead_to(index, log, false, changes);
                    }
                    continue;
                }
                if self.names.len() >= FILES_MAX {
                    break;
                }
                let index = self.next_follower;
                let source = self.names.add_container(at, name, log, index, &self.hub);
                self.follow(source, true, at_start);
            }
        }
    }

    /// Leads a name to another path: a container's to another log, or one whose FIFO is fed to its spool.
    pub(super) fn lead_to(
        &mut self,
        index: usize,
        path: &Path,
        goes_on: bool,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        self.give_turn(index, Instant::now(), 0, changes, |follower, turn| {
            follower.lead_to(path, goes_on, turn);
        });
        self.ready.stir(index);
    }

    /// Whoever has lost its file to another's name gives it up, before that one looks.
    pub(super) fn give_up(&mut self, now: Instant, changes: &mut Vec<(Arc<Source>, Change)>) {
        for index in std::mem::take(&mut self.handing_over) {
            self.give_turn(index, now, 0, changes, |follower, turn| {
                follower.give_up(turn);
            });
        }
    }

    /// Sees where a follower's name leads, and reads nothing.
    fn look_at_name(
        &mut self,
        index: usize,
        now: Instant,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        self.give_turn(index, now, 0, changes, |follower, turn| follower.look(turn));
        self.ready.stir(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_waits_for_no_names_that_have_changed() {
        let mut ready = Ready::default();
        (0..1000).for_each(|index| ready.stir(index));
        ready.write(999);
        ready.write(999);
        assert_eq!(ready.take_written(), Some((999, Deed::Read)));
        assert_eq!(ready.take_written(), None);
        assert_eq!(ready.len(), 1000, "it has not looked yet");
        ready.write(1000);
        ready.stir(1000);
        assert_eq!(ready.take_written(), Some((1000, Deed::Read)));
        ready.write(1001);
        assert_eq!(ready.take_written(), Some((1001, Deed::Look)));
    }

    #[test]
    fn who_brings_lines_all_the_time_is_not_forgotten_for_thousands_that_bring_one() {
        let mut lately = Lately::default();
        for index in 1..10_000 {
            lately.brought(index);
            if index % 100 == 0 {
                lately.brought(0);
            }
            assert!(lately.indexes.len() <= LATELY_MAX);
            assert!(index < 100 || lately.indexes.contains(&0), "{index}");
        }
    }

    #[test]
    fn who_is_waited_for_looks_next_and_once() {
        let mut ready = Ready::default();
        (0..5).for_each(|index| ready.stir(index));
        ready.ask(3);
        ready.write(2);
        let all: Vec<_> = std::iter::from_fn(|| ready.take_stirred()).collect();
        assert_eq!(all, [3, 0, 1, 2, 4].map(|index| (index, Deed::Look)));
        assert_eq!((ready.take_written(), ready.len()), (None, 0));
    }
}
