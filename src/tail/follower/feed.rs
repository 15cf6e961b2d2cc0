//! What a feeder tells of a spool, told to clients once they have the bytes before it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::hub::{Change, Hub, SpoolPlace};
use crate::source::{Began, EventKind, Gap, Source, SpoolFiles};

use super::{Follower, Turn};
use crate::tail::held::Held;
use crate::tail::identity::stamp_now;

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
    let next = next.or_else(|| hub.notices.next_of(path));
    let place = next.filter(|at| at.inode == held.identity.inode);
    let until = place.map_or(size, |at| at.offset.min(size));
    usize::try_from(until.saturating_sub(held.scanned())).unwrap_or(usize::MAX)
}

impl Follower {
    /// The path that is followed.
    pub(in crate::tail) fn path(&self) -> Arc<Path> {
        self.source.path()
    }

    /// A look at a spool: its feeder says which file comes next, so its name tells nothing.
    pub(super) fn look_at_spool(&mut self, spool: &SpoolFiles, turn: &mut Turn) -> bool {
        self.tell_events_of_held(turn);
        let mut more = self.read(turn);
        if !more {
            more = self.go_on_in_spool(spool, turn);
        }
        more | self.tell_events(turn)
    }

    /// Goes on to the file that the feeder has gone on to, when the held one is read to its end. Whether there is more to
    /// be had at once.
    fn go_on_in_spool(&mut self, spool: &SpoolFiles, turn: &mut Turn) -> bool {
        // Asked before the files are: once it has ended no more of them come.
        let ended = spool.has_ended();
        if !spool.has_next() && !ended {
            return false;
        }
        if let Some(held) = &self.held {
            let inode = held.identity.inode;
            // Race: what the feeder appended and told between the last read and its leaving the file. It is read and
            // told first; what the watcher has not taken yet is there at the next look.
            if self.tell_events(turn) || self.read(turn) {
                return true;
            }
            let untold = turn.hub.notices.next_of(&self.source.path());
            if untold.is_some_and(|at| at.inode == inode) {
                return true;
            }
            if self.is_in_trouble() {
                return false;
            }
        }
        let Some(next) = spool.next() else {
            if ended {
                self.leave_spool(turn);
            }
            return ended;
        };
        let comes = std::mem::replace(&mut self.comes, Began::Rotated);
        let began = match comes {
            _ if !self.has_begun() => Began::First,
            Began::Rotated => Began::Continued,
            comes => comes,
        };
        if let Some(mut old) = self.held.take() {
            self.seal(&mut old, began, turn);
            turn.known.remove(&old.identity, self.index);
            self.unwatch(old.watch, turn.watches);
        }
        let held = Held::new(next.file, next.identity, self.next_number, false)
            .behind(std::mem::take(&mut self.before));
        let gap = (next.lost_bytes > 0).then_some(Gap {
            lost_bytes: Some(next.lost_bytes),
            reason: "the spool rotated before it was read",
        });
        self.begin(&held, began, gap, turn);
        self.hold(held, turn);
        self.name.found(&self.source, true);
        if self.name.changed() {
            turn.hub.set_leads(&self.source, self.name.condition());
        }
        true
    }

    /// A file stands where the origin of the spool stood, and all that the spool holds is read: the file is followed by
    /// its own name from here on.
    fn leave_spool(&mut self, turn: &mut Turn) {
        self.source.feed_from_file();
        // What the kernel has told of the name since then was about FIFOs.
        self.stints.reset(turn.watches, self.index);
        self.verified = stamp_now();
        self.comes = Began::Remade;
        self.stir();
    }

    pub(in crate::tail) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// A pattern has brought it in.
    pub(in crate::tail) fn is_by_pattern(&self) -> bool {
        self.by_pattern
    }

    /// There are files that it has not come to yet.
    pub(in crate::tail) fn has_more(&self) -> bool {
        !self.successors.is_empty()
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
                _ => {
                    let spool = self.source.spool();
                    !spool.is_some_and(|spool| spool.has_inode(at.inode))
                }
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
