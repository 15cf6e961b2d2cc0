//! Where the name leads: to the file we have, to others (which are taken in at once), or nowhere.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::hub::{Change, Condition};
use crate::limits::{MISSING_AFTER, QUIET_MAX, RETRIED_FOR, RETRY, SAFETY_LOOK};
use crate::source::forward::read_full;
use crate::source::record::local;
use crate::source::{Began, EventKind, Gap, Identity, OpenFile, identity};

use super::intake::written;
use super::stints::{Stand, Stints};
use super::{Follower, Sight, Turn, Unsure};
use crate::tail::identity::stamp_now;
use crate::tail::name::{Leads, not_regular};
use crate::tail::others::until_copy_look;
use crate::tail::trust::Ground;
use crate::tail::watches::{Place, User};

/// A file came to stand under the name and was gone before it could be opened.
pub(super) const GONE_UNSEEN: Gap = Gap {
    lost_bytes: None,
    reason: "gone before it could be read",
};

/// Opens a file to follow: not one that is known to have no lines. Blocks on the disk.
pub(super) fn open(path: &Path) -> io::Result<(OpenFile, Identity)> {
    let (file, identity) = identity::open(path)?;
    let mut head = [0; local::HEAD_BYTES];
    let n = read_full(&file, &mut head, 0)?;
    match local::is_local(&head[..n]) {
        true => Err(io::Error::other(local::REFUSAL)),
        false => Ok((file, identity)),
    }
}

impl Follower {
    /// Step 3 and 4: sees where the name leads.
    pub(super) fn notice(&mut self, turn: &mut Turn) {
        let before = stamp_now();
        let leads = match fs::metadata(self.source.path()) {
            Ok(stat) if stat.is_file() && self.leads_to_copy(&stat, turn) => {
                self.stints.hand_over_here();
                Err(ErrorKind::NotFound.into())
            }
            Ok(stat) if stat.is_file() => self.leads_to(&stat, before, turn),
            Ok(stat) => Err(not_regular(&stat)),
            Err(e) => Err(e),
        };
        if leads
            .as_ref()
            .is_err_and(|e| e.kind() == ErrorKind::NotFound)
        {
            self.find_missed(turn);
        }
        self.take_account(&leads, turn);
        if self.sight == Sight::Missed {
            self.sight = Sight::Watches;
        }
        let is_short = leads.as_ref().is_err_and(identity::is_shortage);
        let untold = match leads {
            Ok(()) => {
                let missing_told = self.name.found(&self.source, self.has_begun());
                // Another file is told when it begins. The same one goes on where it was; that it is back is all.
                if missing_told && self.successors.is_empty() {
                    self.tell(turn, Change::Aside(EventKind::Rotated));
                }
                None
            }
            Err(e) => self.name.lost(&self.source, &e, self.by_pattern, turn.now),
        };
        if self.name.changed() {
            turn.hub.set_leads(&self.source, self.name.condition());
        }
        if untold == Some(Leads::Nowhere) && self.has_begun() {
            self.name.tell_missing();
            self.tell(turn, Change::Aside(EventKind::Missing));
        }
        let is_gone = matches!(self.name.condition(), Condition::Missing(_));
        if let Some(since) = self.name.lost_since() {
            // Events say when it is back; but a permission may come back without one, and the time at which a name is
            // said to be missing has to be met.
            if turn.now < since + MISSING_AFTER {
                self.wait_until((since + MISSING_AFTER).min(turn.now + RETRY));
            } else if turn.now < since + RETRIED_FOR && !(self.is_told() && is_gone) {
                self.wait_until(turn.now + RETRY);
            } else if is_short {
                // Descriptors come back without an event.
                self.wait_until(turn.now + SAFETY_LOOK);
            }
        }
    }

    /// Takes in the files that stood under the name between this look and the last, as the kernel tells, and sees which
    /// of them are lost.
    fn take_account(&mut self, leads: &io::Result<()>, turn: &mut Turn) {
        let mut stints = std::mem::take(&mut self.stints);
        let here = leads.as_ref().ok().and_then(|()| self.newest());
        let has_news = stints.has_news();
        let whole_drains = turn.watches.whole_drains();
        let absent = self.look_for(&mut stints, here, turn);
        // The first one that is seen is not the first that stood there, where others have come and gone before it.
        let is_first = self.found.is_some() && self.held.is_none();
        if let Some(found) = self.found.take() {
            // What was made before it was watched is not told.
            let is_told = match self.sight {
                Sight::Watches => true,
                Sight::Missed => found.born.is_some_and(|born| born >= self.armed),
                Sight::Polls => false,
            };
            if is_told {
                stints.find(found, turn.now);
            }
        }
        // Race: while places were looked at, renames may have put other files there.
        // The events that waited then have come with the next drain of all, however many wait again by now.
        let has_looked = has_news || is_first;
        let waits = match self.unsure {
            _ if has_looked => turn.watches.has_waiting(),
            Some(unsure) => unsure.whole_drains == whole_drains,
            None => false,
        };
        let may_differ = has_looked || self.unsure.is_some();
        let is_before_next = |order: &u64| self.successors.is_before_next(*order);
        let mut before_next = absent.into_iter().filter(is_before_next);
        let is_awaited = before_next.any(|order| stints.is_awaited(order, turn.now));
        let is_unsure = is_awaited || may_differ && (waits || stints.are_mixed_up());
        self.unsure = is_unsure.then(|| Unsure {
            since: self.unsure.map_or(turn.now, |unsure| unsure.since),
            whole_drains: match self.unsure {
                Some(unsure) if !has_looked => unsure.whole_drains,
                _ => whole_drains,
            },
        });
        let successors = &mut self.successors;
        stints.settle(turn.now, turn.watches, self.index, &mut |order| {
            successors.lost_before(order, GONE_UNSEEN)
        });
        // Nothing can be lost before the first file.
        if !self.has_begun() {
            stints.nothing_lost();
        }
        // With another file to come it is told before that one.
        if leads.is_ok() && self.successors.is_empty() && stints.take_lost() {
            self.tell(turn, Change::Aside(GONE_UNSEEN.told()));
        }
        self.stints = stints;
        self.bound_successors(turn);
    }

    /// Looks for the files of which the kernel has told something; `here` is the one under the name. Returns the numbers of
    /// the stints whose files are not where they were told to be, and nothing else is.
    pub(super) fn look_for(
        &mut self,
        stints: &mut Stints,
        here: Option<Identity>,
        turn: &mut Turn,
    ) -> Vec<u64> {
        let mut absent = Vec::new();
        let mut is_sorted = true;
        let whole_drains = turn.watches.whole_drains();
        for (order, stand, trust) in stints.to_find() {
            let found = match stand {
                Stand::Here => here,
                Stand::At(directory, name) => {
                    match turn.watches.place(directory, &name, self.index) {
                        Place::At(path) => {
                            let found = self.find_moved(&path, trust, turn);
                            if found.is_none() && fs::symlink_metadata(&path).is_err() {
                                absent.push(order);
                            }
                            found
                        }
                        // Its lines are that name's.
                        Place::OfAnother => {
                            stints.hand_over(order, turn.watches, self.index);
                            continue;
                        }
                        Place::Unknown => None,
                    }
                }
                Stand::Flying(_) => {
                    absent.push(order);
                    None
                }
                Stand::Gone => None,
            };
            if let Some(identity) = found {
                stints.found(order, identity, whole_drains);
                self.successors.set_order(&identity, order);
                is_sorted = false;
            }
        }
        if !is_sorted {
            self.sort_successors();
        }
        absent
    }

    /// Whether the name of a rotated file that a pattern has brought in leads to a copy of another's log, or to a file that may
    /// become one: its lines have come under that log's name.
    fn leads_to_copy(&mut self, stat: &fs::Metadata, turn: &mut Turn) -> bool {
        let (identity, bytes) = (Identity::of(stat), stat.len());
        if !self.by_pattern || turn.known.has_of(&identity, self.index) {
            return false;
        }
        if turn.known.has_copy(&identity, bytes) {
            return true;
        }
        // One that stays empty is a new log.
        let written = stat.modified().ok();
        let quiet = written.and_then(|at| at.elapsed().ok());
        let quiet = quiet.unwrap_or(MISSING_AFTER);
        let is_copy = (bytes > 0 || quiet < MISSING_AFTER)
            && turn.others.may_be_copied_to(&self.source.path(), bytes);
        if is_copy && bytes > 0 {
            turn.known.add_copy(identity, bytes);
        }
        if is_copy && quiet < QUIET_MAX {
            self.wait_until(turn.now + until_copy_look(quiet));
        }
        is_copy
    }

    fn leads_to(
        &mut self,
        stat: &fs::Metadata,
        before: SystemTime,
        turn: &mut Turn,
    ) -> io::Result<()> {
        let identity = Identity::of(stat);
        if self
            .newest()
            .is_some_and(|newest| newest.is_inode(&identity))
        {
            if self.sight == Sight::Missed {
                // It may be the newest by a long way.
                self.take_missed(self.verified, turn);
            }
            self.verify(before, turn);
            if self.successors.is_empty() {
                if let Some(held) = &mut self.held {
                    held.see(stat.len(), turn.now);
                    if self.ground == Ground::Remote {
                        self.modified = stat.modified().unwrap_or(self.modified);
                    }
                    self.comes = Began::Rotated;
                }
            }
            return Ok(());
        }
        // Led back to the held file before anything was written to another: the same generation goes on.
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.identity.is_inode(&identity))
        {
            while let Some(empty) = self.successors.pop_empty() {
                self.let_go(empty.identity, empty.watch, turn);
            }
            if self.successors.is_empty() {
                self.verify(before, turn);
                return Ok(());
            }
        }
        // A name belongs to the file that it leads to, whoever has it. But a pattern may also match the names to which
        // another file is rotated: its lines are those of that file.
        let is_rotated = || {
            let is_tracked = |(directory, user): &(i32, User)| match user {
                User::Entry(_, name) => turn.watches.is_tracked(*directory, name),
                _ => false,
            };
            let path = self.source.path();
            let are_beside = |other| turn.others.stand_beside(&path, other);
            turn.known
                .is_rotated_by_other(&identity, self.index, are_beside)
                || self.steps.iter().any(is_tracked)
        };
        if self.by_pattern && is_rotated() {
            return Err(ErrorKind::NotFound.into());
        }
        self.found(before, turn)
    }

    /// The newest file that the name is known to have led to. Asked at each look, before its lines go out: no system call.
    fn newest(&self) -> Option<Identity> {
        let held = self.held.as_ref().map(|held| held.identity);
        let successor = self.successors.newest().map(|next| next.identity);
        successor.or(held)
    }

    /// The same of a source that is fed, too, and its length.
    pub(super) fn newest_and_length(&self) -> Option<(u64, Identity)> {
        if let Some(newest) = self.source.spool().and_then(|spool| spool.newest()) {
            return Some(newest);
        }
        let successor = self.successors.newest();
        successor
            .map(|next| (next.bytes(), next.identity))
            .or_else(|| {
                let held = self.held.as_ref()?;
                let bytes = held.file.metadata().map_or(0, |stat| stat.len());
                Some((bytes, held.identity))
            })
    }

    /// The name leads to a file that we don't have: takes it in, and before it what stood there in between.
    ///
    /// Opened before anything else: a further rename can't take it from us then.
    fn found(&mut self, before: SystemTime, turn: &mut Turn) -> io::Result<()> {
        let (file, identity) = open(&self.source.path())?;
        self.came(Arc::new(file), identity, before, turn);
        Ok(())
    }

    /// The same where it is open.
    pub(super) fn came(
        &mut self,
        file: Arc<OpenFile>,
        identity: Identity,
        before: SystemTime,
        turn: &mut Turn,
    ) {
        // One that was there before must have been moved to the name: it is there since about now. And whatever the
        // clock says, it stood there after those that were found before it.
        let stood = match self.ground {
            Ground::Local => identity.born.filter(|&born| born >= self.verified),
            Ground::Remote | Ground::Paths => written(&file),
        };
        let stood = self.successors.after_newest(stood.unwrap_or(before));
        // Race: it is here already and others were taken for younger ones, by the places at which they were found.
        let is_here = self.ground != Ground::Paths && self.successors.comes_last(&identity);
        if !is_here {
            self.take_in(file, identity, stood, turn);
        }
        self.found = Some(identity);
        if self.held.is_some() && !self.is_told() {
            self.successors.rotated(self.verified);
            self.take_missed(self.verified, turn);
        }
        self.verify(before, turn);
    }

    /// The name led to the newest file at that moment. While events wait, one of them may say that some were lost, and
    /// then what came before this moment is to be looked for, too.
    fn verify(&mut self, at: SystemTime, turn: &Turn) {
        if turn.watches.is_drained() || self.sight == Sight::Polls {
            self.verified = at;
        }
    }
}
