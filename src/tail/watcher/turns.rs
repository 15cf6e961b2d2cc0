//! Whose turn it is: who was named by an event, or by a feeder, and whose time has come.

use std::path::Path;
use std::time::Instant;

use crate::hub::Notice;
use crate::limits::{EVENT_READS_MAX, EVENTS_TIME, TIMES_MAX};
use crate::source::inflate;

use super::Watcher;
use crate::tail::containers::Containers;
use crate::tail::follower::Follower;
use crate::tail::glob::Glob;
use crate::tail::watches::Hit;

impl Watcher {
    /// Where more events wait than were taken, those of a file that is written to all the time stand behind thousands of
    /// others: those files are looked at without.
    pub(super) fn write_lately(&mut self) {
        if !self.watches.is_drained() {
            for index in self.lately.all() {
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
        self.ready.is_empty() && self.handing_over.is_empty() && !self.is_behind()
    }

    /// Takes events for a bounded time, what they lead to included.
    pub(super) fn take_events(&mut self) {
        let begun = Instant::now();
        let mut hits = Vec::new();
        for _ in 0..EVENT_READS_MAX {
            let more = self.watches.take_some(&mut |hit| {
                if hits.last() != Some(&hit) || matches!(hit, Hit::Told(..)) {
                    hits.push(hit);
                }
            });
            for hit in hits.drain(..) {
                self.take_hit(hit);
            }
            if !more || begun.elapsed() >= EVENTS_TIME {
                break;
            }
        }
        if self.watches.is_drained() {
            self.ready.events_are_taken();
        }
    }

    fn take_hit(&mut self, hit: Hit) {
        let (index, deed): (usize, &mut dyn FnMut(&mut Follower)) = match hit {
            Hit::Wrote(index) => return self.ready.write(index),
            Hit::WroteLate(index, watch) => return self.wrote_late(index, watch),
            Hit::File(index) => (index, &mut |_| {}),
            Hit::Path(index) => (index, &mut Follower::stir),
            Hit::Entry(index) => (index, &mut Follower::stir_entry),
            Hit::Told(index, ref told) => (index, &mut |follower| follower.tell_of_name(told)),
            Hit::HandedOver(from, to) => {
                let Some(path) = self.followers.get(&to).map(|to| to.path()) else {
                    return;
                };
                if let Some(follower) = self.followers.get_mut(&from) {
                    follower.hand_over(path);
                    self.handing_over.push_back(from);
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

    /// A file that the follower has done with was written to: it is looked at in a moment.
    fn wrote_late(&mut self, index: usize, watch: i32) {
        if let Some(follower) = self.followers.get_mut(&index) {
            follower.tell_of_sealed(Some(watch), Instant::now());
            let look_at = follower.look_at;
            self.look_again_at(index, look_at);
        }
    }

    /// What feeders tell.
    pub(super) fn take_notices(&mut self) {
        for notice in self.hub.notices.take() {
            match notice {
                Notice::New(spooled) => {
                    let source = self
                        .names
                        .add_spool(&spooled, self.next_follower, &self.hub);
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
        self.followers
            .get_mut(&index)
            .map(|follower| &mut **follower)
    }

    fn spool_follower(&self, path: &Path) -> Option<usize> {
        let mut all = self.followers.iter();
        let found = all.find(|(_, follower)| *follower.path() == *path);
        found.map(|(&index, _)| index)
    }

    /// Those whose time has come: as many as a pass has time to put in line.
    pub(super) fn take_times(&mut self, now: Instant) {
        for _ in 0..TIMES_MAX {
            let Some(&(_, index)) = self.times.first().filter(|(at, _)| *at <= now) else {
                break;
            };
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
            self.followers.values_mut().for_each(|all| all.stir());
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
        if let Some(awaited) = &mut self.scan_awaits {
            awaited.remove(&index);
        }
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
            self.room_at,
            self.mounted.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
