//! The handover from the held file to the next: when it is due, and what a laggard still writes to the old one.

use std::fs::File;
use std::time::Instant;

use crate::hub::{Change, Condition};
use crate::limits::{
    EVENT_LATE, GONE_KEPT, QUIET, QUIET_MAX, RETRY, SEALED_KNOWN_MAX, SEALED_LOOK,
};
use crate::source::{Began, Origin, identity};

use super::intake::is_filled;
use super::lookup::GONE_UNSEEN;
use super::{Follower, Left, Turn, Unsure};
use crate::tail::held::Held;
use crate::tail::identity::Known;
use crate::tail::sealed::{Late, Sealed};
use crate::tail::successor::Next;
use crate::tail::trust::{self, Ground};
use crate::tail::watches::{User, Watches};

impl Follower {
    /// Goes on to the next file, when the held one is done with, and begins to read it; and what that leaves.
    pub(super) fn advance(&mut self, turn: &mut Turn) -> Left {
        if self.held.is_some() {
            // Writers go on with the old file until they are told to reopen: as long as the next is empty, that is so.
            let Some(since) = self.nonempty_since(turn.now) else {
                return Left::Nothing;
            };
            let quiet_at = self.quiet_at(turn.now).min(since + QUIET_MAX);
            let quiet_at = quiet_at.max(self.blank_until(turn.now).unwrap_or(turn.now));
            if turn.now < quiet_at {
                self.wait_until(quiet_at);
                return Left::Nothing;
            }
            if self.is_unsure(turn.now) {
                return Left::Events;
            }
            // A file that was missed is older than those that were found, so it comes before them.
            if let Some(since) = self.successors.take_unsure() {
                self.take_missed(since, turn);
            }
            // Whatever came since the read at the beginning of this look.
            if self.read(turn) {
                return Left::Bytes;
            }
        } else if self.is_unsure(turn.now) {
            return Left::Events;
        }
        let Some(mut next) = self.take_next(turn) else {
            if !self.successors.is_empty() {
                self.wait_until(turn.now + RETRY);
            }
            return Left::Nothing;
        };
        if self.stints.take_lost() {
            next.gap.get_or_insert(GONE_UNSEEN);
        }
        let comes = std::mem::replace(&mut self.comes, Began::Rotated);
        let began = match self.has_begun() {
            true => comes,
            false => Began::First,
        };
        if let Some(mut old) = self.held.take() {
            self.seal(&mut old, began, turn);
            self.put_away(&old, turn);
        } else if let Some(lines) = self.left.take() {
            self.tell(turn, Change::Lines(lines));
        }
        let mut held = Held::new(next.file, next.identity, self.next_number, false)
            .behind(std::mem::take(&mut self.before));
        held.watch = next.watch;
        self.begin(&held, began, next.gap, turn);
        self.ground = trust::ground(&held.file);
        self.held = Some(held);
        match self.handed_to.is_none() {
            true if self.read(turn) => Left::Bytes,
            true if self.successors.is_empty() => Left::Nothing,
            true | false => Left::Files,
        }
    }

    /// Since when there is something to read in one of the files that are to come.
    pub(super) fn nonempty_since(&mut self, now: Instant) -> Option<Instant> {
        let mut successors = std::mem::take(&mut self.successors);
        let since = successors.nonempty_since(now, &|file| self.is_copied_to(file));
        self.successors = successors;
        since
    }

    /// Until when the next one is left alone, where it is so young that it may yet become a copy.
    fn blank_until(&self, now: Instant) -> Option<Instant> {
        let age = self.successors.blank_since()?.elapsed().ok()?;
        (age < QUIET).then(|| now + QUIET - age)
    }

    /// Takes the next file that is no copy of what was read. One that holds nothing yet is left to whoever tells of what is
    /// written late.
    fn take_next(&mut self, turn: &mut Turn) -> Option<Next> {
        loop {
            let next = self.successors.pop(&self.source.path())?;
            if !next.may_be_copy || !self.is_copied_to(&next.file) {
                return Some(next);
            }
            if is_filled(&next.file) {
                self.let_go(next.identity, next.watch, turn);
            } else {
                let mut blank = Held::new(next.file, next.identity, self.next_number, false);
                blank.watch = next.watch;
                let sealed = self.look_after(&blank, turn).in_doubt();
                self.keep_sealed(sealed, turn);
            }
            if let Some(gap) = next.gap {
                self.successors.set_gap(gap);
            }
        }
    }

    /// Which of the files that are to come is the next is not sure before the events are taken that wait.
    fn is_unsure(&self, now: Instant) -> bool {
        let is_new = |unsure: Unsure| now < unsure.since + EVENT_LATE;
        !self.successors.is_empty() && self.unsure.is_some_and(is_new)
    }

    /// Keeps a file that is done with in mind.
    fn put_away(&mut self, old: &Held, turn: &mut Turn) {
        if self.ground != Ground::Paths && self.successors.has(&old.identity) {
            // The name leads to it again: it is to be read again, as the new file that it is under this name.
            turn.known.remove(&old.identity, self.index);
            return;
        }
        let sealed = self.look_after(old, turn);
        self.keep_sealed(sealed, turn);
    }

    /// From now on it is only watched for what is written to it late.
    fn look_after(&self, old: &Held, turn: &mut Turn) -> Sealed {
        let watch = match (old.watch, self.ground) {
            (Some(_), Ground::Local) => {
                let user = User::Sealed(self.index);
                turn.watches.file(user, &old.file, &self.source.path())
            }
            _ => None,
        };
        self.unwatch(old.watch, turn.watches);
        Sealed::new(old, self.ground, watch, turn.now)
    }

    pub(super) fn keep_sealed(&mut self, sealed: Sealed, turn: &mut Turn) {
        self.sealed.push_back(sealed);
        if self.sealed.len() > SEALED_KNOWN_MAX {
            if let Some(forgotten) = self.sealed.pop_front() {
                turn.known.remove(&forgotten.identity, self.index);
                self.watch_no_more(&forgotten, turn.watches);
            }
        }
    }

    /// What is written to a sealed file need not be told any more.
    pub(super) fn watch_no_more(&self, sealed: &Sealed, watches: &mut Watches) {
        if let Some(watch) = sealed.watch() {
            watches.release(watch, &User::Sealed(self.index));
        }
    }

    /// When the held file will have been quiet for long enough. By its own time of writing, so that a backlog of
    /// rotations passes at once; and by what was seen, for that time can be set back.
    fn quiet_at(&mut self, now: Instant) -> Instant {
        let Some(held) = &mut self.held else {
            return now;
        };
        let mut grew = held.grew();
        if let Ok(stat) = held.file.metadata() {
            held.see(stat.len(), now);
            let ago = stat.modified().ok().and_then(|at| at.elapsed().ok());
            grew = held.grew().max(ago.and_then(|ago| now.checked_sub(ago)));
        }
        grew.map_or(now, |grew| grew + QUIET)
    }

    /// A file that was deleted and whose name does not come back is not held for ever, for it holds disk space. Its
    /// unfinished line is kept.
    pub(super) fn let_go_of_deleted(&mut self, turn: &mut Turn) {
        if self.name.lost_since().is_none() || !self.successors.is_empty() {
            return;
        }
        let quiet_at = self.quiet_at(turn.now);
        let state = turn.hub.source(self.source.index);
        let generation = state.and_then(|state| state.generation);
        let used = generation.map_or(quiet_at, |generation| generation.last_read().max(quiet_at));
        let kept = match self.by_pattern {
            true => self.deleted_kept.min(GONE_KEPT),
            false => self.deleted_kept,
        };
        if self.by_pattern {
            self.wait_until((used + kept).max(turn.now + SEALED_LOOK));
        }
        let is_due = |held: &mut Held| {
            held.at_end() && turn.now >= used + kept && identity::is_deleted(&held.file)
        };
        let Some(mut held) = self.held.take_if(is_due) else {
            return;
        };
        log::info!(
            "{:?} was deleted and is not used: let go of",
            self.source.path()
        );
        // A container that is made again goes on with nothing.
        let parts_end = self.source.origin() == Origin::Container;
        let line_bytes_max = turn.hub.line_bytes_max();
        self.left = held.unfinished(self.source.name_hash, line_bytes_max, parts_end);
        self.before = held.unfinished_parts();
        self.part_with(&held, turn);
    }

    /// Since when its name leads nowhere, where a pattern has brought it in.
    pub(super) fn gone_since(&self) -> Option<Instant> {
        let is_gone = matches!(self.name.condition(), Condition::Missing(_));
        self.name
            .lost_since()
            .filter(|_| is_gone && self.by_pattern)
    }

    /// Whether it can be forgotten: a pattern has brought it in, its name leads nowhere, and nothing of what it led to is
    /// left.
    pub(in crate::tail) fn is_over(&mut self, now: Instant) -> bool {
        let kept = self.deleted_kept.min(GONE_KEPT);
        let Some(since) = self.gone_since() else {
            return false;
        };
        if self.held.is_some() || !self.successors.is_empty() {
            return false;
        }
        let watched = self.sealed.iter().filter_map(Sealed::look_at).max();
        let over_at = (since + kept).max(watched.unwrap_or(since));
        self.wait_until(over_at);
        now >= over_at && watched.is_none()
    }

    /// Gives back all that it has of the watcher's.
    pub(in crate::tail) fn leave(&mut self, watches: &mut Watches, known: &mut Known) {
        self.stints.reset(watches, self.index);
        for (id, user) in self.steps.drain(..) {
            watches.release(id, &user);
        }
        for sealed in std::mem::take(&mut self.sealed) {
            known.remove(&sealed.identity, self.index);
            self.watch_no_more(&sealed, watches);
        }
        known.forget(self.index);
    }

    /// What a laggard wrote to a file that was sealed already is told as lost.
    pub(super) fn look_at_sealed(&mut self, turn: &mut Turn) {
        let mut lost: Vec<Late> = Vec::new();
        let path = self.source.path();
        let mut all = std::mem::take(&mut self.sealed);
        for sealed in &mut all {
            let watch = sealed.watch();
            let is_copy = |file: &File| self.is_copied_to(file);
            lost.extend(sealed.look(&path, &is_copy, turn.now));
            if let Some(watch) = watch.filter(|_| sealed.look_at().is_none()) {
                turn.watches.release(watch, &User::Sealed(self.index));
            }
        }
        self.sealed = all;
        for late in lost {
            match self.may_be_other_name(&late.at) {
                true => self.late.push(late),
                false => self.tell(turn, Change::Aside(late.gap.told())),
            }
        }
        self.wait_for_sealed();
    }

    /// The kernel tells of a write to a sealed file, that of this watch, or may have told of one to any of them.
    pub(in crate::tail) fn tell_of_sealed(&mut self, watch: Option<i32>, now: Instant) {
        self.sealed
            .iter_mut()
            .for_each(|sealed| sealed.tell(watch, now));
        self.wait_for_sealed();
    }

    /// Waits no longer than until the next look at a sealed file.
    fn wait_for_sealed(&mut self) {
        if let Some(next) = self.sealed.iter().filter_map(Sealed::look_at).min() {
            self.wait_until(next);
        }
    }
}
