//! One followed name: the procedure that finds the truth, the same for every event, for lost events and for none.
//!
//! A look reads the held file to its end, sees where the name leads, and goes on to the next file when the held one is
//! done with. What it finds goes out as changes, in order, within the bounds of a turn. What can't be decided yet (is
//! the old file quiet? is the name really gone?) is left with a time at which to look again.

mod anew;
mod arming;
mod feed;
mod goal;
mod handover;
mod intake;
mod leaving;
mod lookup;
mod moved;
mod reading;
mod start;
mod stints;

pub(super) use goal::Goal;

use stints::Stints;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::hub::{Change, Hub, SpoolPlace};
use crate::limits::{SAFETY_LOOK, SAFETY_LOOK_TRUSTED};
use crate::source::record::Before;
use crate::source::{Began, EventKind, Identity, Lines, Source};

use super::held::Held;
use super::identity::Known;
use super::listing::Listings;
use super::name::Name;
use super::others::Others;
use super::sealed::{Late, Sealed};
use super::successor::Successors;
use super::trace::Trace;
use super::trust::{self, Ground};
use super::watches::{User, Watches};

/// What a look works with.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    /// Of [`super::held::READ_BYTES`].
    pub(super) buf: &'a mut [u8],
    /// New bytes that may still be read.
    pub(super) room: usize,
    /// Files that may be open at once, as far as they can do without.
    pub(super) held_max: usize,
    pub(super) watches: &'a mut Watches,
    pub(super) known: &'a mut Known,
    pub(super) listings: &'a mut Listings,
    pub(super) others: Others<'a>,
    pub(super) hub: &'a Hub,
    /// What was found.
    pub(super) changes: &'a mut Vec<(Arc<Source>, Change)>,
}

/// What a follower can see of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// All its watches are in place, and the kernel has told all that happened since the last look.
    Watches,
    /// All its watches are in place, and something may have happened since the last look that was not told.
    Missed,
    /// A watch is missing: what happened between two looks is not known.
    Polls,
}

/// What a look leaves to be done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Bytes of its file.
    Bytes,
    /// Files that are to come.
    Files,
    /// Which file is the next is known only once the events are taken that wait.
    Events,
}

impl Left {
    fn bytes(more: bool) -> Left {
        match more {
            true => Left::Bytes,
            false => Left::Nothing,
        }
    }
}

/// When the trail of a path is walked again.
#[derive(Clone, Copy, Debug)]
enum Walk {
    /// At the next look: the path may lead elsewhere, or a watch may be missing.
    Next,
    /// At the next look if a link stands under the name by then, else at that time.
    IfLink(Instant),
    /// At that time.
    At(Instant),
}

/// How a path leads to the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Its last component is the file's own name.
    Direct,
    /// Its last component is a link, or something on the way is missing.
    ByLink,
}

/// It is not sure which file had which stint.
#[derive(Clone, Copy, Debug)]
struct Unsure {
    since: Instant,
    /// Drains of all events before the places were looked at: the next one brings those that waited then.
    whole_drains: u64,
}

impl Sight {
    /// The same where a watch more is needed, and `is_there` or not.
    fn with(self, is_there: bool) -> Sight {
        match is_there {
            true => self,
            false => Sight::Polls,
        }
    }
}

/// Follows one name, and knows what it reads, what comes next and what it has done with.
#[derive(Debug)]
pub(super) struct Follower {
    /// Its place in the watcher's list, by which watches and files know it.
    index: usize,
    source: Arc<Source>,
    /// How the next file begins: in that of another container no line goes on.
    comes: Began,
    /// It was brought in by a pattern: it doesn't take over files that others follow, and its end is nothing special.
    by_pattern: bool,
    /// Its name led to a file when the program started.
    was_there: bool,
    name: Name,
    held: Option<Held>,
    /// The unfinished line of a deleted file that is not held any more.
    left: Option<Lines>,
    /// The lines of records that are unfinished in the last file, and go on in the next.
    before: Before,
    deleted_kept: Duration,
    /// What its last files held that are done with, or were truncated.
    lately: VecDeque<Trace>,
    successors: Successors,
    sealed: VecDeque<Sealed>,
    /// What this look has found that was written to those which may have other names by now.
    late: Vec<Late>,
    /// The number of the next generation.
    next_number: u64,
    /// When, by the clock that files are stamped with, the name was last seen to lead to the newest file.
    verified: SystemTime,
    stints: Stints,
    /// Which file had which stint is not sure: events wait that will tell.
    unsure: Option<Unsure>,
    /// The file that this look has found under the name.
    found: Option<Identity>,
    /// The kernel tells that the held file was moved to this path, which is another follower's.
    handed_to: Option<Arc<Path>>,
    /// What its feeder has told, where it is fed by one, in order.
    noticed: VecDeque<(SpoolPlace, EventKind)>,
    /// The watches on its trail.
    steps: Vec<(i32, User)>,
    /// When these were put in place, by the clock that files are stamped with.
    armed: SystemTime,
    sight: Sight,
    way: Way,
    /// What the held file's system tells.
    ground: Ground,
    walk: Walk,
    /// When the path is opened anew, on a ground of paths.
    anew_at: Instant,
    /// When the newest file was last written to, by the clock of its file system, as it was seen under the name.
    modified: SystemTime,
    /// When to look again, whatever happens.
    pub(super) look_at: Instant,
}

impl Follower {
    /// A follower of `source` that has not looked yet.
    pub(super) fn new(
        index: usize,
        source: Arc<Source>,
        by_pattern: bool,
        deleted_kept: Duration,
    ) -> Follower {
        Follower {
            index,
            source,
            comes: Began::Rotated,
            by_pattern,
            was_there: false,
            name: Name::default(),
            held: None,
            left: None,
            before: Before::default(),
            deleted_kept,
            lately: VecDeque::new(),
            successors: Successors::default(),
            sealed: VecDeque::new(),
            late: Vec::new(),
            next_number: 0,
            verified: SystemTime::UNIX_EPOCH,
            stints: Stints::default(),
            unsure: None,
            found: None,
            handed_to: None,
            noticed: VecDeque::new(),
            steps: Vec::new(),
            armed: SystemTime::UNIX_EPOCH,
            sight: Sight::Polls,
            way: Way::ByLink,
            ground: Ground::Remote,
            walk: Walk::Next,
            anew_at: Instant::now(),
            modified: SystemTime::UNIX_EPOCH,
            look_at: Instant::now(),
        }
    }

    /// Whether it has ever had a file.
    fn has_begun(&self) -> bool {
        self.next_number > 0
    }

    // -- looking

    /// Looks; and what that leaves.
    pub(super) fn look(&mut self, turn: &mut Turn) -> Left {
        self.look_at = turn.now + self.safety();
        if let Some(spool) = self.source.spool() {
            return Left::bytes(self.look_at_spool(&spool, turn));
        }
        if self.is_to_walk(turn.now) {
            self.arm(turn);
            self.walk = Walk::At(turn.now + self.safety());
        }
        self.give_up(turn);
        // What is written to a file that has another's name now is that name's, unless ours leads to a new file.
        let may_read = self.handed_to.is_none() && self.look_anew(turn);
        let mut left = Left::bytes(may_read && self.read(turn));
        self.notice(turn);
        if left == Left::Nothing {
            left = self.advance(turn);
        }
        if left == Left::Nothing {
            self.let_go_of_deleted(turn);
        }
        self.look_at_sealed(turn);
        left
    }

    fn safety(&self) -> Duration {
        match self.sight {
            Sight::Watches | Sight::Missed if self.ground == Ground::Local => SAFETY_LOOK_TRUSTED,
            Sight::Watches | Sight::Missed | Sight::Polls => SAFETY_LOOK,
        }
    }

    fn wait_until(&mut self, at: Instant) {
        self.look_at = self.look_at.min(at);
    }

    fn tell(&self, turn: &mut Turn, change: Change) {
        turn.changes.push((Arc::clone(&self.source), change));
    }

    /// Holds a file: watched, known, and reading goes on in it.
    fn hold(&mut self, mut held: Held, turn: &mut Turn) {
        if held.watch.is_none() {
            held.watch = turn
                .watches
                .file(User::File(self.index), &held.file, &self.source.path());
            let sight = match self.source.spool().is_some() {
                // Its feeder tells of what happens to its name.
                true => Sight::Watches,
                false => self.sight,
            };
            self.sight = sight.with(held.watch.is_some());
            turn.known.add(held.identity, self.index);
        }
        self.ground = trust::ground(&held.file);
        self.held = Some(held);
    }
}
