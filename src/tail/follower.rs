//! One followed name: the procedure that finds the truth, the same for every event, for lost events and for none.
//!
//! A look reads the held file to its end, sees where the name leads, and goes on to the next file when the held one is
//! done with. What it finds goes out as changes, in order, within the bounds of a turn. What can't be decided yet (is
//! the old file quiet? is the name really gone?) is left with a time at which to look again.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::hub::{Change, Hub};
use crate::limits::{
    CLOCK_COARSE, MISSING_AFTER, QUIET, QUIET_MAX, RETRIED_FOR, RETRY, SAFETY_LOOK,
    SAFETY_LOOK_TRUSTED, SEALED_KNOWN_MAX,
};
use crate::source::{Began, EventKind, Gap, Generation, Source, back, forward::Footing};

use super::held::{Found, Held};
use super::identity::{Identity, Known};
use super::name::{Leads, Name};
use super::sealed::Sealed;
use super::successor::{self, Successor, Successors};
use super::trail;
use super::watches::{User, Watches};

/// What a look works with.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    /// Of [`super::held::READ_BYTES`].
    pub(super) buf: &'a mut [u8],
    /// New bytes that may still be read.
    pub(super) room: usize,
    pub(super) watches: &'a mut Watches,
    pub(super) known: &'a mut Known,
    pub(super) hub: &'a Hub,
    /// What was found.
    pub(super) changes: &'a mut Vec<(Arc<Source>, Change)>,
}

/// Up to where a look that a reader asked for has to get: the newest file, and its length then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    file: Option<Identity>,
    bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Follower {
    /// Its place in the watcher's list, by which watches and files know it.
    index: usize,
    source: Arc<Source>,
    /// It was brought in by a pattern: it doesn't take over files that others follow, and its end is nothing special.
    by_pattern: bool,
    name: Name,
    held: Option<Held>,
    successors: Successors,
    sealed: VecDeque<Sealed>,
    /// The number of the next generation.
    next_number: u64,
    /// When, by the clock that files are stamped with, the name was last seen to lead to the newest file.
    verified: SystemTime,
    /// The watches on its trail.
    steps: Vec<(i32, User)>,
    /// The trail is to be walked again.
    pub(super) rearm: bool,
    /// All its watches are in place.
    armed: bool,
    /// The held file's system is known to send all events.
    trusted: bool,
    /// The held file can't be read: said.
    read_failed: bool,
    /// When to look again, whatever happens.
    pub(super) look_at: Instant,
}

impl Follower {
    /// A follower of `source` that has not looked yet.
    pub(super) fn new(index: usize, source: Arc<Source>, by_pattern: bool) -> Follower {
        Follower {
            index,
            source,
            by_pattern,
            name: Name::default(),
            held: None,
            successors: Successors::default(),
            sealed: VecDeque::new(),
            next_number: 0,
            verified: SystemTime::UNIX_EPOCH,
            steps: Vec::new(),
            rearm: true,
            armed: false,
            trusted: false,
            read_failed: false,
            look_at: Instant::now(),
        }
    }

    /// The first look, before anybody is served: what stands there is history. Blocks on the disk.
    pub(super) fn start(&mut self, turn: &mut Turn) {
        self.arm(turn.watches);
        match self.found_at_start(turn) {
            Ok(()) => turn.hub.set_present(&self.source, true),
            Err(e) => {
                self.name
                    .at_start(&self.source.path, &e, self.by_pattern, turn.now);
                self.look_at = turn.now + RETRY;
            }
        }
    }

    fn found_at_start(&mut self, turn: &mut Turn) -> io::Result<()> {
        let path = &self.source.path;
        let before = SystemTime::now();
        let stat = fs::metadata(path)?;
        if !stat.is_file() {
            return Err(super::name::not_regular(&stat));
        }
        let (file, identity) = successor::open(path)?;
        let mut held = Held::new(Arc::clone(&file), identity, 0, true);
        let begin = held.skip_holes(turn.buf)?;
        let edge = loop {
            let length = file.metadata()?.len();
            match back::last_boundary(&file, length, turn.hub.line_bytes_max()) {
                // Truncated just now.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => {}
                outcome => break outcome?.max(begin),
            }
        };
        held.stand_at(edge, Footing::take(&file, edge)?);
        let generation = Arc::new(Generation::new(0, file, Began::First, None)?);
        generation.skip_to(begin);
        turn.hub.found_at_start(
            &self.source,
            generation,
            edge,
            held.id(self.source.name_hash),
        );
        self.verified = before;
        self.next_number = 1;
        self.hold(held, turn);
        self.look_at = turn.now;
        Ok(())
    }

    /// Whether it has ever had a file.
    fn has_begun(&self) -> bool {
        self.next_number > 0
    }

    // -- looking

    /// Looks; whether there is more to be had at once.
    pub(super) fn look(&mut self, turn: &mut Turn) -> bool {
        self.look_at = turn.now + self.safety();
        if std::mem::take(&mut self.rearm) {
            self.arm(turn.watches);
        }
        let mut more = self.read(turn);
        self.notice(turn);
        if !more {
            more = self.advance(turn);
        }
        self.look_at_sealed(turn);
        more
    }

    fn safety(&self) -> Duration {
        match self.armed && self.trusted {
            true => SAFETY_LOOK_TRUSTED,
            false => SAFETY_LOOK,
        }
    }

    fn wait_until(&mut self, at: Instant) {
        self.look_at = self.look_at.min(at);
    }

    fn tell(&self, turn: &mut Turn, change: Change) {
        turn.changes.push((Arc::clone(&self.source), change));
    }

    /// Step 1 and 2: reads the held file to its end or the end of the turn. Whether the turn was cut.
    fn read(&mut self, turn: &mut Turn) -> bool {
        let line_bytes_max = turn.hub.line_bytes_max();
        let Some(held) = &mut self.held else {
            return false;
        };
        if turn.room == 0 {
            return true;
        }
        let before = held.scanned();
        match held.read(turn.buf, turn.room, self.source.name_hash, line_bytes_max) {
            Ok(Found::Bytes { skip, lines }) => {
                let read = held.scanned().saturating_sub(before.max(skip.unwrap_or(0)));
                turn.room = turn
                    .room
                    .saturating_sub(usize::try_from(read).unwrap_or(usize::MAX));
                let more = !held.at_end();
                self.read_failed = false;
                if let Some(place) = skip {
                    self.tell(turn, Change::Skip(place));
                }
                if let Some(lines) = lines {
                    self.tell(turn, Change::Lines(lines));
                }
                more
            }
            Ok(Found::Changed) => {
                self.truncated(turn);
                true
            }
            Err(e) => {
                if !std::mem::replace(&mut self.read_failed, true) {
                    log::warn!("read {:?}: {e}", self.source.path);
                }
                self.wait_until(turn.now + RETRY);
                false
            }
        }
    }

    /// The held file begins anew, from its first byte.
    fn truncated(&mut self, turn: &mut Turn) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        let gap = match held.unread_bytes() {
            0 => None,
            lost => Some(Gap {
                lost_bytes: Some(lost),
                reason: "truncated before it was read",
            }),
        };
        self.seal(&mut held, turn);
        let mut anew = Held::new(
            Arc::clone(&held.file),
            held.identity,
            self.next_number,
            true,
        );
        anew.watch = held.watch;
        self.begin(&anew, Began::Truncated, gap, turn);
        self.held = Some(anew);
    }

    /// The held file's unfinished last line is sent as it is.
    ///
    /// Invariant: it goes out in the same publish as the beginning of the next generation, for a reader takes what
    /// stands before a live edge as whole lines only as long as the generation is not sealed.
    fn seal(&self, held: &mut Held, turn: &mut Turn) {
        let line_bytes_max = turn.hub.line_bytes_max();
        if let Some(lines) = held.unfinished(self.source.name_hash, line_bytes_max) {
            self.tell(turn, Change::Lines(lines));
        }
    }

    fn begin(&mut self, held: &Held, began: Began, gap: Option<Gap>, turn: &mut Turn) {
        let generation = Generation::with_identity(
            held.number,
            Arc::clone(&held.file),
            (held.identity.device, held.identity.inode),
            began,
            gap,
        );
        self.next_number = held.number + 1;
        self.tell(turn, Change::Begin(Arc::new(generation)));
    }

    /// Holds a file: watched, known, and reading goes on in it.
    fn hold(&mut self, mut held: Held, turn: &mut Turn) {
        if held.watch.is_none() {
            held.watch = turn
                .watches
                .file(User::File(self.index), &held.file, &self.source.path);
            self.armed &= held.watch.is_some();
            turn.known.add(held.identity, self.index);
        }
        self.trusted = super::trust::sends_events(&held.file);
        self.held = Some(held);
    }

    // -- where the name leads

    /// Step 3 and 4: sees where the name leads.
    fn notice(&mut self, turn: &mut Turn) {
        let before = SystemTime::now();
        let leads = match fs::metadata(&self.source.path) {
            Ok(stat) if stat.is_file() => self.leads_to(&stat, before, turn),
            Ok(stat) => Err(super::name::not_regular(&stat)),
            Err(e) => Err(e),
        };
        let untold = match leads {
            Ok(()) => {
                self.name
                    .found(&self.source.path, self.has_begun(), self.by_pattern);
                None
            }
            Err(e) => self
                .name
                .lost(&self.source.path, &e, self.by_pattern, turn.now),
        };
        if self.name.changed() {
            turn.hub.set_present(&self.source, self.name.leads());
        }
        if untold == Some(Leads::Nowhere) && self.has_begun() {
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
            if self.successors.is_empty()
                && let Some(held) = &mut self.held
            {
                held.see(stat.len(), turn.now);
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
            return Err(ErrorKind::NotFound.into());
        }
        self.found(before, turn)
    }

    /// The newest file that the name is known to have led to.
    fn newest(&self) -> Option<(&fs::File, Identity)> {
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
        let (file, identity) = successor::open(&self.source.path)?;
        let born = identity
            .born
            .filter(|&born| born + CLOCK_COARSE >= self.verified);
        // One that was there before must have been moved to the name: it is there since about now.
        self.take_in(file, identity, born.unwrap_or(before), turn);
        if self.held.is_some() {
            self.successors.rotated(self.verified);
            self.take_missed(self.verified, turn);
        }
        self.verified = before;
        Ok(())
    }

    /// Takes in the siblings that stood under the name after `since` and that we don't have. Whether there were any.
    fn take_missed(&mut self, since: SystemTime, turn: &mut Turn) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        let is_ours = |identity: &Identity| turn.known.has_of(identity, self.index);
        let (files, gap) = successor::missed(&self.source.path, &held.file, since, &is_ours);
        let any = !files.is_empty();
        for (file, identity) in files {
            let stood = identity.born.unwrap_or_else(SystemTime::now);
            self.take_in(file, identity, stood, turn);
        }
        self.successors.sort();
        if let Some(gap) = gap {
            self.successors.set_gap(gap);
        }
        while let Some(lost) = self.successors.pop_too_many() {
            log::warn!("{:?} is rotated too often to keep up", self.source.path);
            self.let_go(lost.identity, lost.watch, turn);
        }
        any
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
            .file(User::File(self.index), &file, &self.source.path);
        self.armed &= watch.is_some();
        turn.known.add(identity, self.index);
        self.successors.push(Successor {
            file,
            identity,
            stood,
            gap: None,
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

    // -- going on

    /// Goes on to the next file, when the held one is done with. Whether there is more to be had at once.
    fn advance(&mut self, turn: &mut Turn) -> bool {
        if self.held.is_some() {
            // Writers go on with the old file until they are told to reopen: as long as the next is empty, that is so.
            let Some(since) = self.successors.nonempty_since(turn.now) else {
                return false;
            };
            let quiet_at = self.quiet_at(turn.now).min(since + QUIET_MAX);
            if turn.now < quiet_at {
                self.wait_until(quiet_at);
                return false;
            }
            // A file that was missed is older than those that were found, so it comes before them.
            if let Some(since) = self.successors.take_unsure() {
                self.take_missed(since, turn);
            }
            // Whatever came since the read at the beginning of this look.
            if self.read(turn) {
                return true;
            }
        }
        let Some(next) = self.successors.pop() else {
            return false;
        };
        if let Some(mut old) = self.held.take() {
            self.seal(&mut old, turn);
            if let Some(watch) = old.watch {
                turn.watches.release(watch, &User::File(self.index));
            }
            self.sealed.push_back(Sealed::new(&old, turn.now));
            if self.sealed.len() > SEALED_KNOWN_MAX
                && let Some(forgotten) = self.sealed.pop_front()
            {
                turn.known.remove(&forgotten.identity, self.index);
            }
        }
        let began = match self.has_begun() {
            true => Began::Rotated,
            false => Began::First,
        };
        let mut held = Held::new(next.file, next.identity, self.next_number, false);
        held.watch = next.watch;
        self.begin(&held, began, next.gap, turn);
        self.trusted = super::trust::sends_events(&held.file);
        self.held = Some(held);
        true
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

    /// What a laggard wrote to a file that was sealed already is told as lost.
    fn look_at_sealed(&mut self, turn: &mut Turn) {
        let mut lost = Vec::new();
        let mut next = None;
        for sealed in &mut self.sealed {
            lost.extend(sealed.look(turn.now));
            next = next.or(sealed.look_at());
        }
        for lost in lost {
            let kind = EventKind::Gap {
                lost_bytes: Some(lost),
                reason: "written to a rotated file too late",
            };
            self.tell(turn, Change::Aside(kind));
        }
        if let Some(next) = next {
            self.wait_until(next);
        }
    }

    // -- watching

    /// Watches every directory on the trail. Arm first, look second: it is walked again after its directories are
    /// watched, until it is the same as before.
    fn arm(&mut self, watches: &mut Watches) {
        let mut walked = Vec::new();
        let mut steps: Vec<(i32, User)> = Vec::new();
        self.armed = true;
        for _ in 0..crate::limits::TRAIL_WALKS_MAX {
            let trail = trail::trail(&self.source.path);
            if trail == walked {
                break;
            }
            self.armed = true;
            for (directory, name) in &trail {
                let user = User::Name(self.index, name.clone());
                match watches.directory(user.clone(), directory) {
                    Some(id) if steps.contains(&(id, user.clone())) => {}
                    Some(id) => steps.push((id, user)),
                    None => self.armed = false,
                }
            }
            walked = trail;
        }
        for (id, user) in &self.steps {
            if !steps.iter().any(|step| step == &(*id, user.clone())) {
                watches.release(*id, user);
            }
        }
        self.steps = steps;
        if let Some(held) = &mut self.held {
            held.watch = watches.file(User::File(self.index), &held.file, &self.source.path);
            self.armed &= held.watch.is_some();
        }
    }

    // -- for those who wait for a look

    /// What a look that begins now has to get to.
    pub(super) fn goal(&self) -> Goal {
        let newest = self.newest();
        Goal {
            file: newest.map(|(_, identity)| identity),
            bytes: newest.map_or(0, |(file, _)| file.metadata().map_or(0, |stat| stat.len())),
        }
    }

    /// Whether a look has got there.
    pub(super) fn has_got_to(&mut self, goal: &Goal, now: Instant) -> bool {
        let Some(file) = &goal.file else {
            return true;
        };
        let Some(held) = &self.held else {
            return false;
        };
        if held.identity.is_inode(file) {
            return held.at_end() || held.scanned() >= goal.bytes || self.read_failed;
        }
        // Either it was left behind, or its turn comes when the held file is quiet; nobody waits for empty ones.
        !self.successors.has(file)
            || (held.at_end() && self.successors.nonempty_since(now).is_none())
    }

    /// Bytes that wait in the held file, as far as a stat can tell.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| {
            let length = held.file.metadata().map_or(0, |stat| stat.len());
            length.saturating_sub(held.scanned())
        })
    }
}
