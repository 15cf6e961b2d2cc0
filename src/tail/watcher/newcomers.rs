//! What patterns and Dockers bring in.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::Change;
use crate::limits::{FILES_MAX, TURN_BYTES};
use crate::source::Source;

use super::Watcher;
use crate::tail::follower::Follower;
use crate::tail::glob::{Glob, Scan};
use crate::tail::others::Others;
use crate::tail::pod;
use crate::tail::sealed::Late;

impl Watcher {
    /// Whether there may be files that are not followed yet.
    pub(super) fn is_behind(&self) -> bool {
        !self.arrivals.is_empty() || self.globs.iter().any(Glob::is_behind)
    }

    /// Where patterns are to be scanned: whoever follows a file that was just rotated takes the rotated file first, for it
    /// matches the pattern, too. Where the kernel tells of renames that is known without a look.
    pub(super) fn see_whom_a_scan_awaits(&mut self, now: Instant) {
        if self.scan_awaits.is_some() || !self.globs.iter().any(|glob| glob.is_due(now)) {
            return;
        }
        let is_untold = |index: &usize| {
            let follower = self.followers.get(index);
            follower.is_some_and(|follower| !follower.is_told())
        };
        self.scan_awaits = Some(self.ready.all().filter(is_untold).collect());
    }

    /// Scans the patterns that want it, and follows what they find, for so long; the next pass goes on.
    pub(super) fn scan_globs(
        &mut self,
        now: Instant,
        time: Duration,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        let until = Instant::now() + time;
        self.take_arrivals(until);
        if !self.arrivals.is_empty() || self.scan_awaits.take_if(|all| all.is_empty()).is_none() {
            return;
        }
        for _ in 0..self.globs.len() {
            let at = self.next_glob;
            self.next_glob = (at + 1) % self.globs.len();
            if self.globs[at].is_due(now) {
                let mut scan = Scan {
                    watches: &mut self.watches,
                    known: &self.known,
                    others: Others {
                        names: &self.names,
                        followers: &self.followers,
                    },
                    files_max: self.options.files_max.unwrap_or(FILES_MAX),
                    until: Some(until),
                };
                let new = self.globs[at].scan(now, &mut scan);
                self.add_matches(new, false, changes);
                // The next pattern may match the same.
                self.take_arrivals(until);
            }
            if !self.arrivals.is_empty() || Instant::now() >= until {
                break;
            }
        }
    }

    fn take_arrivals(&mut self, until: Instant) {
        while let Some(path) = self.arrivals.pop_front() {
            self.add(&path, true, false);
            if Instant::now() >= until {
                break;
            }
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
        match at_start {
            true => plain.iter().for_each(|path| self.add(path, true, true)),
            false => self.arrivals.extend(plain),
        }
        pods.sort_by(|(a, _), (b, _)| (b.made, &a.key).cmp(&(a.made, &b.key)));
        for (pod, link) in pods {
            let Some(index) = self.names.of_pod(&pod) else {
                let index = self.next_follower;
                let source = self.names.add_pod(&pod, &link, index, &self.hub);
                self.follow(source, true, at_start);
                continue;
            };
            let Some(old) = self.followers.get(&index).map(|old| old.path()) else {
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

    /// A name leads nowhere, and its file stands at `path` now. Where a pattern matches that, the file is that name's. The
    /// old name waits for another file, as any does.
    pub(super) fn follow_moved(
        &mut self,
        index: usize,
        path: &Path,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        if let Some(to) = self.free_name_of(path) {
            self.give_turn(index, Instant::now(), 0, changes, Follower::leave_held);
            self.add(&to, true, false);
        }
    }

    /// A file that a follower has done with was written to. Where a pattern gives it a name of its own, the file is that
    /// name's; else what was written is lost.
    pub(super) fn follow_late(
        &mut self,
        index: usize,
        late: &Late,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) {
        if let Some(to) = self.free_name_of(&late.at) {
            self.give_turn(index, Instant::now(), 0, changes, |follower, turn| {
                follower.leave_late(late, turn);
            });
            self.add(&to, true, false);
        } else if let Some(follower) = self.followers.get(&index) {
            let gap = Change::Aside(late.gap.told());
            changes.push((Arc::clone(follower.source()), gap));
        }
    }

    /// What a pattern calls the file that stands at `path`, where nobody follows that name and there is room for it.
    fn free_name_of(&mut self, path: &Path) -> Option<PathBuf> {
        let mut globs = self.globs.iter();
        let to = globs.find_map(|glob| glob.path_of(path, &mut self.watches))?;
        let files_max = self.options.files_max.unwrap_or(FILES_MAX);
        (!self.names.has(&to) && self.names.len() < files_max).then_some(to)
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
}
