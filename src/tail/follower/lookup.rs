//! Where the name leads: to the file we have, to others (which are taken in at once), or nowhere.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::hub::Change;
use crate::limits::{FOREIGN_MAX, MISSING_AFTER, RETRIED_FOR, RETRY};
use crate::source::forward::read_full;
use crate::source::record::local;
use crate::source::{EventKind, Gap, Identity, identity};

use super::{Follower, Turn};
use crate::tail::held::Held;
use crate::tail::identity::stamp_now;
use crate::tail::name::{Leads, not_regular};
use crate::tail::sealed::Sealed;
use crate::tail::successor::{self, Seen, Successor};
use crate::tail::watches::User;

/// A file came to stand under the name and was gone before it could be opened.
pub(super) const GONE_UNSEEN: Gap = Gap {
    lost_bytes: None,
    reason: "gone before it could be read",
};

/// Opens a file to follow: not one that is known to have no lines. Blocks on the disk.
pub(super) fn open(path: &Path) -> io::Result<(fs::File, Identity)> {
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
        self.count_arrivals(&leads, turn);
        let untold = match leads {
            Ok(()) => {
                self.name
                    .found(&self.source.path(), self.has_begun(), self.by_pattern);
                // Another file is told when it begins. The same one goes on where it was; that it is back is all.
                if std::mem::take(&mut self.missing_told) && self.successors.is_empty() {
                    self.tell(turn, Change::Aside(EventKind::Rotated));
                }
                None
            }
            Err(e) => self
                .name
                .lost(&self.source.path(), &e, self.by_pattern, turn.now),
        };
        if self.name.changed() {
            turn.hub.set_leads(&self.source, self.name.condition());
        }
        if untold == Some(Leads::Nowhere) && self.has_begun() {
            self.missing_told = true;
            self.tell(turn, Change::Aside(EventKind::Missing));
        }
        if let Some(since) = self.name.lost_since() {
            // Events say when it is back; but a permission may come back without one, and the time at which a name is
            // said to be missing has to be met.
            if turn.now < since + MISSING_AFTER {
                self.wait_until((since + MISSING_AFTER).min(turn.now + RETRY));
            } else if turn.now < since + RETRIED_FOR {
                self.wait_until(turn.now + RETRY);
            }
        }
    }

    fn count_arrivals(&mut self, leads: &io::Result<()>, turn: &mut Turn) {
        let is_there = match leads {
            Ok(()) => true,
            Err(e) if e.kind() == ErrorKind::NotFound => false,
            // What was made is there and can't be opened yet.
            Err(_) => return self.arrivals.elsewhere(),
        };
        if !self.has_begun() {
            // Nothing can be lost before the first file. Race: that one may have been found ahead of its event, which
            // would be counted as a second file once this one has begun; so what was found stays on the count.
            self.arrivals.elsewhere();
        }
        self.arrivals.settle(turn.now);
        // With another file to come it is told before that one; and the file may still be found.
        if is_there && self.successors.is_empty() && self.arrivals.take_lost() {
            let Gap { lost_bytes, reason } = GONE_UNSEEN;
            self.tell(turn, Change::Aside(EventKind::Gap { lost_bytes, reason }));
        }
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
            .is_some_and(|(_, newest)| newest.is_inode(&identity))
        {
            self.verified = before;
            self.foreign.append(&mut self.listed);
            let too_many = self.foreign.len().saturating_sub(FOREIGN_MAX);
            self.foreign.drain(..too_many);
            if self.successors.is_empty()
                && let Some(held) = &mut self.held
            {
                held.see(stat.len(), turn.now);
                self.remade = false;
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
                self.verified = before;
                return Ok(());
            }
        }
        if self.by_pattern && turn.known.has_of_other(&identity, self.index) {
            self.arrivals.elsewhere();
            return Err(ErrorKind::NotFound.into());
        }
        self.found(before, turn)
    }

    /// The newest file that the name is known to have led to.
    pub(super) fn newest(&self) -> Option<(&fs::File, Identity)> {
        let successor = self
            .successors
            .newest()
            .map(|next| (&*next.file, next.identity));
        successor.or_else(|| self.held.as_ref().map(|held| (&*held.file, held.identity)))
    }

    /// The name leads to a file that we don't have: takes it in, and before it what stood there in between.
    ///
    /// Opened before anything else: a further rename can't take it from us then.
    fn found(&mut self, before: SystemTime, turn: &mut Turn) -> io::Result<()> {
        let (file, identity) = open(&self.source.path())?;
        let file = Arc::new(file);
        // One that was there before must have been moved to the name: it is there since about now. And whatever the
        // clock says, it stood there after those that were found before it.
        let born = identity.born.filter(|&born| born >= self.verified);
        let stood = self.successors.after_newest(born.unwrap_or(before));
        self.take_in(file, identity, stood, turn);
        if self.held.is_some() {
            self.successors.rotated(self.verified);
            self.take_missed(self.verified, turn);
        }
        self.verified = before;
        Ok(())
    }

    /// The name leads nowhere: between this look and the last, others may have stood under it.
    fn find_missed(&mut self, turn: &mut Turn) {
        // Without events every look may be the first after one; but not for ever, for it lists a directory.
        let since = self.name.lost_since();
        let blind = !self.armed && since.is_some_and(|since| turn.now < since + RETRIED_FOR);
        if since.is_none() || self.stirred || blind {
            self.successors.rotated(self.verified);
            self.take_missed(self.verified, turn);
        }
    }

    /// Takes in the siblings that stood under the name after `since` and that we don't have.
    pub(super) fn take_missed(&mut self, since: SystemTime, turn: &mut Turn) {
        let Some(held) = &self.held else {
            return;
        };
        let is_ours = |identity: &Identity| match self.by_pattern {
            _ if self.foreign.contains(identity) => true,
            true => turn.known.has(identity),
            false => turn.known.has_of(identity, self.index),
        };
        let since = self.not_read_since(held, since);
        let (files, gap) = successor::missed(&self.source.path(), &held.file, since, &is_ours);
        for (file, identity) in files {
            let stood = identity.born.unwrap_or_else(stamp_now);
            self.take_in(file, identity, stood, turn);
        }
        if let Some(held) = &self.held {
            self.successors.sort(&self.source.path(), &held.file);
        }
        if let Some(gap) = gap {
            self.successors.set_gap(gap);
        }
        while let Some(lost) = self.successors.pop_too_many() {
            log::warn!("{:?} is rotated too often to keep up", self.source.path());
            if let Some(watch) = lost.watch {
                turn.watches.release(watch, &User::File(self.index));
            }
            // Known for a while: the next list of siblings must not bring it again.
            self.keep_sealed(Sealed::unread(lost.identity, turn.now), turn);
        }
    }

    /// The same time or a later one, from which on nothing has been read or given up yet: only so many of those files
    /// are known by identity. A birth after now tells nothing, for the clock was set back.
    fn not_read_since(&self, held: &Held, since: SystemTime) -> SystemTime {
        let now = stamp_now();
        let later = [held.identity.born, self.successors.given_up()];
        let later = later.into_iter().flatten().filter(|&at| at <= now);
        later.fold(since, SystemTime::max)
    }

    /// Lists the files with rotated names that are none of ours. If the name still leads to the file that we have, they
    /// never stood under it: copies, mostly.
    ///
    /// Invariant: listed before the name is looked up. A generation that comes and goes after that is not on the list.
    pub(super) fn list_siblings(&mut self, turn: &Turn) {
        self.listed = successor::siblings(&self.source.path())
            .filter(|identity| {
                !turn.known.has_of(identity, self.index) && !self.foreign.contains(identity)
            })
            .collect();
    }

    fn take_in(
        &mut self,
        file: Arc<fs::File>,
        identity: Identity,
        stood: SystemTime,
        turn: &mut Turn,
    ) {
        let watch = turn
            .watches
            .file(User::File(self.index), &file, &self.source.path());
        self.armed &= watch.is_some();
        self.arrivals.find();
        if let Some(at) = self.sealed.iter().position(|old| old.identity == identity) {
            // An old file is back under the name. Its entry among the known ones stays.
            self.sealed.remove(at);
        } else {
            turn.known.add(identity, self.index);
        }
        self.successors.push(Successor {
            file,
            identity,
            stood,
            gap: None,
            seen: Seen::default(),
            watch,
        });
    }

    fn let_go(&self, identity: Identity, watch: Option<i32>, turn: &mut Turn) {
        turn.known.remove(&identity, self.index);
        // The same inode may be with us twice.
        if let Some(watch) = watch.filter(|_| !turn.known.has_of(&identity, self.index)) {
            turn.watches.release(watch, &User::File(self.index));
        }
    }
}
