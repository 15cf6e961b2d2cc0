//! A file that goes on under another name: whose it is then, and from where on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::hub::Change;
use crate::limits::{MISSING_AFTER, MOVED_AFTER};
use crate::source::{Began, Identity, Origin, identity, mark};

use super::{Follower, Turn};
use crate::tail::held::Held;
use crate::tail::sealed::{Late, Sealed};
use crate::tail::successor::{Successor, name_of};

impl Follower {
    /// The kernel tells that the file under its name was moved to `path`, which another follower follows.
    pub(in crate::tail) fn hand_over(&mut self, path: Arc<Path>) {
        self.handed_to = Some(path);
    }

    /// Gives up files where another follower's name leads to them now, or did before they were rotated there, and ours
    /// doesn't. A temporary file is that name's from its beginning; what was read under ours goes on to its end, as after
    /// any rotation, unless no other file comes.
    pub(in crate::tail) fn give_up(&mut self, turn: &mut Turn) {
        let Some(to) = self.handed_to.take() else {
            return;
        };
        let own = self.source.path();
        let beside = to.parent().and_then(|parent| fs::canonicalize(parent).ok());
        let is_theirs = |file: &File, identity: &Identity| {
            let leads = |path: &Path| {
                fs::metadata(path).is_ok_and(|stat| identity.is_inode(&Identity::of(&stat)))
            };
            let is_rotated_there = || {
                let stands = name_of(file);
                let names = to.file_name().zip(stands.file_name());
                beside.as_deref() == stands.parent()
                    && names.is_some_and(|(to, name)| mark::is_plain_rotated_name(to, name))
            };
            (leads(&to) || is_rotated_there()) && !leads(&own)
        };
        let is_lost = |next: &Successor| {
            let file = next.file();
            self.by_pattern && file.is_some_and(|file| is_theirs(file, &next.identity))
        };
        for lost in self.successors.take_out(is_lost) {
            self.let_go(lost.identity, lost.watch, turn);
        }
        let is_theirs = |held: &Held| is_theirs(&held.file, &held.identity);
        let Some(held) = self.held.as_ref().filter(|held| is_theirs(held)) else {
            return;
        };
        let is_first = held.number == 0 && !self.was_there;
        let is_temporary = self.by_pattern && (is_first || held.scanned() == 0);
        if !is_temporary {
            if own.exists() {
                return;
            }
            let until = self.name.lost_since().unwrap_or(turn.now) + MISSING_AFTER;
            if turn.now < until {
                self.handed_to = Some(to);
                return self.wait_until(until);
            }
        }
        if let Some(held) = self.held.take() {
            self.part_with(&held, turn);
        }
    }

    /// The name stands for the log of another container from now on, or of none: then `path` leads nowhere. Where the old
    /// one `goes_on` under another name, it is that one's.
    pub(in crate::tail) fn lead_to(&mut self, path: &Path, goes_on: bool, turn: &mut Turn) {
        if goes_on {
            // So are those that were rotated.
            self.stints.reset(turn.watches, self.index);
            self.stints.nothing_lost();
            if let Some(held) = self.held.take() {
                self.part_with(&held, turn);
            }
        }
        self.source.lead_to(path);
        self.comes = Began::Remade;
        self.stir();
    }

    /// What a file holds that is not held any more can't be read any more under this name.
    pub(super) fn part_with(&mut self, held: &Held, turn: &mut Turn) {
        let Ok(nothing) = File::open("/dev/null") else {
            return;
        };
        turn.known.remove(&held.identity, self.index);
        self.unwatch(held.watch, turn.watches);
        self.tell(turn, Change::LetGo(Arc::new(nothing.into())));
    }

    /// Where the held file stands, where that is no rotated name of this one, which has led nowhere for a while: a pattern
    /// may match it.
    pub(in crate::tail) fn moved_to(&self, now: Instant) -> Option<PathBuf> {
        let since = self.gone_since()?;
        let is_file = self.source.origin() == Origin::File;
        if now < since + MOVED_AFTER || !is_file || !self.successors.is_empty() {
            return None;
        }
        let held = self.held.as_ref()?;
        if identity::is_deleted(&held.file) {
            return None;
        }
        let stands = name_of(&held.file);
        self.may_be_other_name(&stands).then_some(stands)
    }

    /// Whether a file of this name that stands there may be another name's of its pattern, and no rotated one.
    pub(super) fn may_be_other_name(&self, at: &Path) -> bool {
        let path = self.source.path();
        let names = path.file_name().zip(at.file_name());
        self.by_pattern && names.is_some_and(|(own, name)| !mark::is_rotated_name(own, name))
    }

    /// What was written to files that may have other names by now.
    pub(in crate::tail) fn take_late(&mut self) -> Vec<Late> {
        std::mem::take(&mut self.late)
    }

    /// Leaves a file that was done with to another name.
    pub(in crate::tail) fn leave_late(&mut self, late: &Late, turn: &mut Turn) {
        let is_it = |sealed: &Sealed| sealed.identity == late.identity;
        let at = self.sealed.iter().position(is_it);
        if let Some(sealed) = at.and_then(|at| self.sealed.remove(at)) {
            turn.known.remove(&sealed.identity, self.index);
            self.watch_no_more(&sealed, turn.watches);
        }
    }

    /// Leaves the held file to another name. What was published of it is still read under this one.
    pub(in crate::tail) fn leave_held(&mut self, turn: &mut Turn) {
        if let Some(mut held) = self.held.take() {
            turn.known.remove(&held.identity, self.index);
            self.unwatch(held.watch.take(), turn.watches);
            self.begin_stints(turn.watches);
        }
    }
}
