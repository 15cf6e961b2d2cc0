//! Whose turn it is: who was named by an event, whose time has come, and what patterns bring in.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::hub::{Change, Notice};
use crate::limits::{FILES_MAX, FORGET_EVERY};
use crate::source::Source;

use super::Watcher;
use crate::tail::containers::Containers;
use crate::tail::follower::{Follower, Turn};
use crate::tail::glob::Glob;
use crate::tail::pod;
use crate::tail::watches::Hit;

impl Watcher {
    pub(super) fn make_ready(&mut self, index: usize) {
        if !std::mem::replace(&mut self.queued[index], true) {
            self.ready.push_back(index);
        }
    }

    pub(super) fn make_all_ready(&mut self) {
        for index in 0..self.followers.len() {
            self.make_ready(index);
        }
    }

    pub(super) fn take_events(&mut self) {
        let mut hits = Vec::new();
        self.watches.drain(&mut |hit| {
            if hits.last() != Some(&hit) || matches!(hit, Hit::Arrival(..)) {
                hits.push(hit);
            }
        });
        for hit in hits {
            match hit {
                Hit::Follower(index) => self.make_ready(index),
                Hit::Path(index) => {
                    self.followers[index].stir();
                    self.make_ready(index);
                }
                Hit::Arrival(index, made) => self.followers[index].tell_arrival(made),
                Hit::Siblings(index) => {
                    self.followers[index].siblings_changed = true;
                    self.make_ready(index);
                }
                Hit::Glob(index) => self.globs[index].due = true,
                Hit::Containers(index) => self.dockers[index].due = true,
                Hit::All => {
                    log::debug!("events were lost: looking at everything");
                    self.globs.iter_mut().for_each(|glob| glob.due = true);
                    self.dockers.iter_mut().for_each(|docker| docker.due = true);
                    self.followers.iter_mut().for_each(Follower::events_lost);
                    self.make_all_ready();
                }
            }
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
                Notice::Event { path, at, kind } => {
                    let mut all = self.followers.iter_mut();
                    if let Some(index) = all.position(|follower| *follower.path() == *path) {
                        self.followers[index].notice_event(at, kind);
                        self.make_ready(index);
                    }
                }
            }
        }
    }

    pub(super) fn take_times(&mut self, now: Instant) {
        while let Some(&(at, index)) = self.times.first() {
            if at > now {
                break;
            }
            self.times.pop_first();
            self.timed[index] = None;
            let look_at = self.followers[index].look_at;
            if look_at <= now {
                self.followers[index].check_watches();
                self.make_ready(index);
            } else {
                self.look_again_at(index, look_at);
            }
        }
        if self.forget_at.is_some_and(|at| at <= now) {
            self.hub.forget_old();
            let old =
                (0..self.followers.len() as u32).any(|index| self.hub.generations(index).len() > 1);
            self.forget_at = old.then(|| now + FORGET_EVERY);
        }
    }

    /// A follower's time may move on without its entry moving along: when that is due, it is entered anew.
    pub(super) fn look_again_at(&mut self, index: usize, at: Instant) {
        match self.timed[index] {
            Some(entered) if entered <= at => return,
            Some(entered) => {
                self.times.remove(&(entered, index));
            }
            None => {}
        }
        self.timed[index] = Some(at);
        self.times.insert((at, index));
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        let look = self.times.first().map(|&(at, _)| at);
        let scan = self.globs.iter().map(Glob::wants).min();
        let containers = self.dockers.iter().map(Containers::wants).min();
        [look, scan, containers, self.round_due, self.forget_at]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn scan_globs(&mut self, now: Instant, changes: &mut Vec<(Arc<Source>, Change)>) {
        for at in 0..self.globs.len() {
            if self.globs[at].wants() > now {
                continue;
            }
            // Whoever follows a file that was just rotated takes the rotated file first: it matches the pattern, too.
            for index in std::mem::take(&mut self.ready) {
                self.queued[index] = false;
                self.look_at_name(index, now, changes);
            }
            let new = self.globs[at].scan(&mut self.watches, &self.known, &self.names);
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
                let index = self.followers.len();
                let source = self.names.add_pod(&pod, &link, index, &self.hub);
                self.follow(source, true, at_start);
                continue;
            };
            let old = self.followers[index].path();
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
                self.look_at(index, now, changes);
                let goes_on = elsewhere.contains(log);
                let nowhere = self.dockers[at].nowhere(name);
                let to = found.get(name).unwrap_or(&nowhere);
                self.lead_to(index, to, goes_on, changes);
            }
            let mut new: Vec<(&String, &PathBuf)> = found.iter().collect();
            new.sort();
            for (name, log) in new {
                if let Some(index) = self.names.of_container(at, name) {
                    if *self.followers[index].path() != **log {
                        self.lead_to(index, log, false, changes);
                    }
                    continue;
                }
                if self.names.len() >= FILES_MAX {
                    break;
                }
                let index = self.followers.len();
                let source = self.names.add_container(at, name, log, index, &self.hub);
                self.follow(source, true, at_start);
            }
        }
    }

    /// Leads a container's name to another log.
    fn lead_to(
        &mut self,
        index: usize,
        path: &Path,
        goes_on: bool,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        let mut turn = Turn {
            now: Instant::now(),
            buf: &mut self.buf,
            room: 0,
            watches: &mut self.watches,
            known: &mut self.known,
            hub: &self.hub,
            changes,
        };
        self.followers[index].lead_to(path, goes_on, &mut turn);
        self.make_ready(index);
    }

    pub(super) fn look_at_name(
        &mut self,
        index: usize,
        now: Instant,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        let mut turn = Turn {
            now,
            buf: &mut self.buf,
            room: 0,
            watches: &mut self.watches,
            known: &mut self.known,
            hub: &self.hub,
            changes,
        };
        self.followers[index].look(&mut turn);
        self.make_ready(index);
    }
}
