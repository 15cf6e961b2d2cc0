//! What a feeder tells of a spool, told to clients once they have the bytes before it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::hub::{Change, Hub, SpoolPlace};
use crate::source::{EventKind, Gap, Rotations, Source};

use super::{Follower, Turn};
use crate::tail::held::Held;
use crate::tail::sealed::Sealed;
use crate::tail::watches::User;

/// How many bytes of a spool may be read now: what stands there, up to the next thing that its feeder tells.
///
/// Race: a feeder tells something and then appends a line. Read after the notices were taken, the line would go out before
/// what stands in front of it. So the file's size is asked first and the notices after it: whoever has seen the line finds
/// the notice.
pub(super) fn readable(
    held: &Held,
    noticed: &VecDeque<(SpoolPlace, EventKind)>,
    path: &Path,
    hub: &Hub,
) -> usize {
    let size = held.file.metadata().map_or(0, |stat| stat.len());
    let next = noticed.front().map(|(at, _)| *at);
    let next = next.or_else(|| hub.next_notice(path));
    let place = next.filter(|at| at.inode == held.identity.inode);
    let until = place.map_or(size, |at| at.offset.min(size));
    usize::try_from(until.saturating_sub(held.scanned())).unwrap_or(usize::MAX)
}

impl Follower {
    /// Puts the files of a spool that are to come in the order in which its feeder has written them: births within one
    /// tick of the clock tell nothing, and by the time that names are looked at they may have moved on. One that the feeder
    /// left before the held one was passed already.
    pub(super) fn sort_as_fed(&mut self, rotations: &Rotations, turn: &mut Turn) {
        let held = self.held.as_ref().map(|held| held.identity.inode);
        let is_in_spool = held.is_some_and(|inode| rotations.place(inode).is_some());
        let passed = self
            .successors
            .sort_by_place(|inode| rotations.place(inode), is_in_spool);
        for old in passed {
            if let Some(watch) = old.watch {
                turn.watches.release(watch, &User::File(self.index));
            }
            self.keep_sealed(Sealed::unread(old.identity, turn.now), turn);
        }
    }

    /// Whether its feeder has told something that is to come before the rest of the held file.
    pub(super) fn is_held_back(&self, hub: &Hub) -> bool {
        let is_held_back = |held: &Held| {
            let size = held.file.metadata().map_or(0, |stat| stat.len());
            let readable = readable(held, &self.noticed, &self.source.path(), hub);
            readable == 0 && size > held.scanned()
        };
        self.source.origin().is_spooled() && self.held.as_ref().is_some_and(is_held_back)
    }

    /// The path that is followed.
    pub(in crate::tail) fn path(&self) -> Arc<Path> {
        self.source.path()
    }

    /// What is lost of a spool between the held file and the one with the inode `next`.
    pub(super) fn left_behind(&self, rotations: &Rotations, next: u64) -> Option<Gap> {
        let held = self.held.as_ref().map(|held| held.identity.inode);
        rotations.go_on(held, next).map(|bytes| Gap {
            lost_bytes: Some(bytes),
            reason: "the spool rotated before it was read",
        })
    }

    pub(in crate::tail) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// A pattern has brought it in.
    pub(in crate::tail) fn is_by_pattern(&self) -> bool {
        self.by_pattern
    }

    /// Its name was last seen to lead to no file that can be followed.
    pub(in crate::tail) fn is_lost(&self) -> bool {
        self.name.lost_since().is_some()
    }

    /// To be told behind that place.
    pub(in crate::tail) fn notice_event(&mut self, at: SpoolPlace, kind: EventKind) {
        self.noticed.push_back((at, kind));
    }

    /// Where history ends in a spool: before what its feeder has told while the daemon started, so that it is told in its
    /// place.
    pub(super) fn before_event(&self, inode: u64, length: u64) -> u64 {
        let first = self.noticed.front().filter(|(at, _)| at.inode == inode);
        first.map_or(length, |(at, _)| at.offset.min(length))
    }

    /// Tells what is due before more is read.
    pub(super) fn tell_events_of_held(&mut self, turn: &mut Turn) {
        let held = self.held.as_ref().map(|held| held.identity.inode);
        if self
            .noticed
            .front()
            .is_some_and(|(at, _)| Some(at.inode) == held)
        {
            self.tell_events(turn);
        }
    }

    /// Tells what is due. Looked at after the name: a file that the spool has gone on to is known by then, so a place in
    /// a file that is neither held nor to come has been passed.
    pub(super) fn tell_events(&mut self, turn: &mut Turn) -> bool {
        let mut told = false;
        while let Some((at, _)) = self.noticed.front() {
            let is_due = match &self.held {
                Some(held) if held.identity.inode == at.inode => held.scanned() >= at.offset,
                _ => !self.successors.has_inode(at.inode),
            };
            if !is_due {
                break;
            }
            if let Some((_, kind)) = self.noticed.pop_front() {
                self.tell(turn, Change::Aside(kind));
                told = true;
            }
        }
        // The next bytes were held back for it.
        told
    }
}
