//! What a follower takes in: files that stand or stood under its name and are to be read after the held one, in their order
//! and within bounds; and what it lets go of again.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::limits::RETRIED_FOR;
use crate::source::{Identity, OpenFile, identity, mark, nuls, siblings};

use super::stints::Trust;
use super::{Follower, Sight, Turn};
use crate::tail::held::Held;
use crate::tail::identity::stamp_now;
use crate::tail::sealed::Sealed;
use crate::tail::successor::{Missed, Successor, name_of};
use crate::tail::trust::Ground;
use crate::tail::watches::User;

/// When it was last written to, by the clock of its file system: births are not known everywhere.
pub(super) fn written(file: &fs::File) -> Option<SystemTime> {
    file.metadata().and_then(|stat| stat.modified()).ok()
}

/// Whether it holds anything but room that its writer has made.
pub(super) fn is_filled(file: &fs::File) -> bool {
    nuls::content_end_now(file, 0).is_ok_and(|end| end > 0)
}

impl Follower {
    /// Whether copies may stand beside the name of what was read under it: not where that has moved away with its directory.
    fn may_have_copies(&self) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        let place = siblings::place(&self.source.path());
        let beside = fs::canonicalize(siblings::directory_of(&place));
        beside.is_ok_and(|beside| name_of(&held.file).parent() == Some(&beside))
    }

    /// The name leads nowhere, and not all was told: between this look and the last, others may have stood under it.
    pub(super) fn find_missed(&mut self, turn: &mut Turn) {
        if self.held.is_none() {
            return;
        }
        let since = self.name.lost_since();
        let is_new = since.is_none_or(|since| turn.now < since + RETRIED_FOR);
        if self.sight == Sight::Missed || (self.sight == Sight::Polls && is_new) {
            self.successors.rotated(self.verified);
            self.take_missed(self.verified, turn);
        }
    }

    /// Takes in the siblings that stood under the name after `since` and that we don't have.
    pub(super) fn take_missed(&mut self, since: SystemTime, turn: &mut Turn) {
        let Some(held) = &self.held else {
            return;
        };
        let is_ours = |file: &fs::File, identity: &Identity| match self.by_pattern {
            _ if self.ground == Ground::Paths => self.has_read(file, identity),
            true => {
                let bytes = file.metadata().map_or(0, |stat| stat.len());
                turn.known.has(identity)
                    || turn.known.has_copy(identity, bytes)
                    || bytes > 0 && turn.others.may_be_copied_to(&name_of(file), bytes)
            }
            false => turn.known.has_of(identity, self.index),
        };
        let since = match self.ground {
            Ground::Local => self.not_read_since(held, since),
            // Its clock is another one, which may be ahead of ours.
            Ground::Remote | Ground::Paths => self.modified,
        };
        let path = self.source.path();
        let is_copied = self.may_have_copies();
        // One that holds nothing may become a copy, or be written to by who has not opened the next one yet.
        let is_copy = |file: &fs::File| is_copied && is_filled(file) && self.is_copied_to(file);
        let missed = Missed {
            path: &path,
            held: &held.file,
            since,
            is_ours: &is_ours,
            is_copy: &is_copy,
            ground: self.ground,
        };
        let (files, gap) = missed.find(turn.listings);
        self.successors.tell_by_time();
        for (file, identity) in files {
            let may_be_copy = is_copied && !is_filled(&file);
            let stood = match self.ground {
                Ground::Local => identity.born,
                Ground::Remote | Ground::Paths => written(&file),
            };
            self.take_in(file, identity, stood.unwrap_or_else(stamp_now), turn);
            if let Some(missed) = self.successors.newest_mut() {
                missed.may_be_copy = may_be_copy;
            }
        }
        self.sort_successors();
        if let Some(gap) = gap {
            self.successors.set_gap(gap);
        }
        self.bound_successors(turn);
    }

    /// The file at `path`, to where one that stood under the name was moved: taken in where we don't have it.
    pub(super) fn find_moved(
        &mut self,
        path: &Path,
        trust: Trust,
        turn: &mut Turn,
    ) -> Option<Identity> {
        // Race: opened before it is asked which file it is, for the next one may be moved there meanwhile.
        let (file, identity) = identity::open_beside(path).ok()?;
        if !trust.allows(&identity) {
            return None;
        }
        if turn.known.has_of(&identity, self.index) {
            return Some(identity);
        }
        let own = self.source.path();
        let names = own.file_name().zip(path.file_name());
        let is_rotated = trust == Trust::Sure
            && names.is_some_and(|(own, name)| mark::is_plain_rotated_name(own, name));
        if self.by_pattern && !is_rotated && turn.known.has(&identity) {
            return None;
        }
        let stood = identity.born.unwrap_or_else(stamp_now);
        self.take_in(Arc::new(file), identity, stood, turn);
        Some(identity)
    }

    /// The same time or a later one, from which on nothing has been read or given up yet: only so many of those files
    /// are known by identity. A birth after now tells nothing, for the clock was set back.
    fn not_read_since(&self, held: &Held, since: SystemTime) -> SystemTime {
        let now = stamp_now();
        let later = [held.identity.born, self.successors.given_up()];
        let later = later.into_iter().flatten().filter(|&at| at <= now);
        later.fold(since, SystemTime::max)
    }

    pub(super) fn take_in(
        &mut self,
        file: Arc<OpenFile>,
        identity: Identity,
        stood: SystemTime,
        turn: &mut Turn,
    ) {
        let watch = turn
            .watches
            .file(User::File(self.index), &file, &self.source.path());
        self.sight = self.sight.with(watch.is_some());
        let is_it = |old: &Sealed| match &old.trace {
            // There the inode is the path's: every file under the name has it.
            Some(trace) if self.ground == Ground::Paths => trace.at > 0 && trace.is_in(&file),
            _ => old.identity == identity,
        };
        if let Some(at) = self.sealed.iter().position(is_it) {
            // An old file is back under the name. Its entry among the known ones stays.
            if let Some(back) = self.sealed.remove(at) {
                self.watch_no_more(&back, turn.watches);
            }
        } else {
            turn.known.add(identity, self.index);
        }
        self.successors
            .push(Successor::new(file, identity, stood, watch));
        if OpenFile::count() > turn.held_max {
            self.set_successors_aside();
        }
    }

    pub(super) fn sort_successors(&mut self) {
        let held = self.held.as_ref().map(|held| &**held.file);
        self.successors.sort(&self.source.path(), held);
    }

    /// Keeps few of them open, and not too many at all.
    pub(super) fn bound_successors(&mut self, turn: &mut Turn) {
        for watch in self.successors.close_some() {
            turn.watches.release(watch, &User::File(self.index));
        }
        while let Some(lost) = self.successors.pop_too_many() {
            log::warn!("{:?} is rotated too often to keep up", self.source.path());
            self.unwatch(lost.watch, turn.watches);
            // Known for a while: the next list of siblings must not bring it again.
            self.keep_sealed(Sealed::unread(lost.identity), turn);
        }
    }

    /// What is to come takes no descriptor before its turn where there are few, as far as it is found again then.
    pub(in crate::tail) fn set_successors_aside(&mut self) {
        if self.ground != Ground::Paths {
            self.successors.set_aside();
        }
    }

    pub(super) fn let_go(&self, identity: Identity, watch: Option<i32>, turn: &mut Turn) {
        turn.known.remove(&identity, self.index);
        // The same inode may be with us twice.
        if let Some(watch) = watch.filter(|_| !turn.known.has_of(&identity, self.index)) {
            turn.watches.release(watch, &User::File(self.index));
        }
    }
}
