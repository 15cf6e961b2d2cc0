//! The watcher's thread: whose turn it is, when to wait, and for how long.
//!
//! It waits in poll(2) for an event of the kernel, a wake-up (a reader that wants a look, a round that is over, stop),
//! or the next time at which something is to be looked at. While a round runs or rests it leaves the bytes in the
//! files: under load a batch then carries more lines.

mod asked;
mod mounted;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::courier::{Pace, Rounds};
use crate::hub::{Change, Hub, Question, Spooled};
use crate::limits::{
    BLOCKED_PATIENCE, CROWD_WAIT_MAX, CROWD_WAIT_PER_CLIENT, DELETED_KEPT, FAST_BYTES, FILES_MAX,
    FORGET_EVERY, LOOK_WAIT, PASS_TIME, REST_SLICE, TURN_BYTES,
};
use crate::pattern::Wanted;
use crate::source::Source;
use crate::stop::{Reason, Stop};

use asked::Asked;
use mounted::Mounted;
use turns::Ready;

use super::containers::Containers;
use super::follower::{Follower, Turn};
use super::glob::{Glob, Scan};
use super::held::READ_BYTES;
use super::identity::Known;
use super::listing::Listings;
use super::names::Names;
use super::pulse::Pulse;
use super::watches::Watches;

/// How the watcher is run.
#[derive(Default)]
pub struct Options {
    /// Called by the watcher each time that it has come round, with the time: after a pass, and in a rest. Says when it
    /// is to be called again though nothing happens.
    pub on_round: Option<OnRound>,
    /// How long a deleted file is held that nobody uses; else [`DELETED_KEPT`](crate::limits::DELETED_KEPT).
    pub deleted_kept: Option<Duration>,
    /// Spools that are followed, before any file, so that their names are theirs.
    pub spools: Vec<Spooled>,
    /// Data roots of Docker, all of whose containers are followed.
    pub dockers: Vec<PathBuf>,
    /// Files that patterns may bring in all, where descriptors don't allow [`FILES_MAX`](crate::limits::FILES_MAX).
    pub files_max: Option<usize>,
    /// Never use inotify: every file is looked at every few seconds.
    pub poll_only: bool,
}

/// See [`Options::on_round`].
pub type OnRound = Box<dyn FnMut(Instant) -> Option<Instant> + Send>;

/// Ends the watcher, and tells whether it is alive.
#[derive(Clone, Debug)]
pub struct Handle {
    hub: Arc<Hub>,
    quit: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
}

impl Handle {
    /// Ends the thread after what it is at. Never blocks.
    pub fn quit(&self) {
        self.quit.store(true, Ordering::Release);
        self.hub.looks.wake();
        // Who waits for a sign of life is let go.
        self.pulse.beat(Instant::now());
    }

    /// Whether the watcher comes round; if not, for how long it has not. It is woken to show it, so this says what the
    /// watchdog would. Blocks until it does, at most [`LOOK_WAIT`].
    pub fn is_alive(&self) -> Result<(), Duration> {
        self.pulse.feel(|| self.hub.looks.wake(), LOOK_WAIT)
    }
}

/// The watcher before and in its thread: all followers, what wakes them, and what is published next.
pub struct Watcher {
    hub: Arc<Hub>,
    rounds: Arc<Rounds>,
    options: Options,
    quit: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
    /// When `on_round` is to be called though nothing happens.
    round_due: Option<Instant>,
    /// By number; numbers are not used again.
    followers: BTreeMap<usize, Follower>,
    next_follower: usize,
    globs: Vec<Glob>,
    dockers: Vec<Containers>,
    names: Names,
    known: Known,
    watches: Watches,
    listings: Listings,
    buf: Vec<u8>,
    ready: Ready,
    /// When to look at whom without an event. `timed` holds each follower's entry.
    times: BTreeSet<(Instant, usize)>,
    timed: HashMap<usize, Instant>,
    /// Questions that wait, and those that are being answered.
    questions: Vec<Question>,
    asked: Vec<Asked>,
    /// Who took part in the last batch that was not empty, and how many bytes it had.
    active: Vec<usize>,
    batch_bytes: usize,
    published_at: Instant,
    /// Until when a publish waits for subscribers that lag.
    crowded_until: Option<Instant>,
    forget_at: Option<Instant>,
    mounted: Mounted,
}

impl Watcher {
    /// Takes the first look: what stands in the files now is history. Blocks on the disk. A pattern that can't be read,
    /// and no eventfd, are errors; a file that can't be followed is not.
    pub fn new(
        files: &[Wanted],
        hub: Arc<Hub>,
        rounds: Arc<Rounds>,
        options: Options,
    ) -> io::Result<Watcher> {
        let now = Instant::now();
        let mut watcher = Watcher {
            quit: Arc::default(),
            pulse: Arc::new(Pulse::new(now)),
            round_due: Some(now),
            followers: BTreeMap::new(),
            next_follower: 0,
            globs: Vec::new(),
            dockers: Vec::new(),
            names: Names::default(),
            known: Known::default(),
            watches: Watches::new(options.poll_only),
            listings: Listings::default(),
            buf: vec![0; READ_BYTES],
            ready: Ready::default(),
            times: BTreeSet::new(),
            timed: HashMap::new(),
            questions: Vec::new(),
            asked: Vec::new(),
            active: Vec::new(),
            batch_bytes: 0,
            published_at: now,
            crowded_until: None,
            forget_at: None,
            mounted: Mounted::new(),
            hub,
            rounds,
            options,
        };
        for spooled in std::mem::take(&mut watcher.options.spools) {
            let source = watcher.names.add_spool(&spooled, &watcher.hub);
            watcher.follow(source, false, true);
        }
        for file in files {
            match file {
                Wanted::Pattern(pattern) => {
                    let mut glob = Glob::new(watcher.globs.len(), pattern.path().to_owned());
                    let mut scan = Scan {
                        watches: &mut watcher.watches,
                        known: &watcher.known,
                        names: &watcher.names,
                        files_max: watcher.options.files_max.unwrap_or(FILES_MAX),
                        until: None,
                    };
                    let new = glob.scan(now, &mut scan);
                    watcher.globs.push(glob);
                    watcher.add_matches(new, true, &mut Vec::new());
                }
                Wanted::Path(path) => watcher.add(path, false, true),
            }
        }
        for (index, root) in std::mem::take(&mut watcher.options.dockers)
            .iter()
            .enumerate()
        {
            watcher.dockers.push(Containers::new(index, root));
        }
        watcher.scan_containers(Instant::now(), true, &mut Vec::new());
        watcher.take_events();
        for follower in watcher.followers.values_mut() {
            follower.begin_stints(&mut watcher.watches);
        }
        Ok(watcher)
    }

    /// To end it by, and to see it alive.
    pub fn handle(&self) -> Handle {
        Handle {
            hub: Arc::clone(&self.hub),
            quit: Arc::clone(&self.quit),
            pulse: Arc::clone(&self.pulse),
        }
    }

    /// Starts the thread. It runs until its [`Handle`] ends it; if it ends otherwise, `stop` is set.
    pub fn start(mut self, stop: Arc<Stop>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("watcher".to_owned())
            .spawn(move || {
                let mut lost = Lost(Some(stop));
                self.run();
                lost.0 = None;
            })
    }

    fn add(&mut self, path: &Path, by_pattern: bool, at_start: bool) {
        let source = self.names.add(path, &self.hub);
        self.follow(source, by_pattern, at_start);
    }

    /// Follows a source that is new.
    fn follow(&mut self, source: Option<Arc<Source>>, by_pattern: bool, at_start: bool) {
        let Some(source) = source else {
            return;
        };
        let index = self.next_follower;
        self.next_follower += 1;
        if let Some(name) = source.path().file_name() {
            self.known.call(index, name);
        }
        let deleted_kept = self.options.deleted_kept.unwrap_or(DELETED_KEPT);
        let mut follower = Follower::new(index, source, by_pattern, deleted_kept);
        for (at, kind) in self.hub.take_events(&follower.path()) {
            follower.notice_event(at, kind);
        }
        self.followers.insert(index, follower);
        if at_start {
            let start = |follower: &mut Follower, turn: &mut Turn| follower.start(turn);
            self.give_turn(index, Instant::now(), TURN_BYTES, &mut Vec::new(), start);
        }
        self.ask_new(index);
        self.ready.stir(index);
    }

    // -- the loop

    fn run(&mut self) {
        while !self.quit.load(Ordering::Acquire) {
            match self.rounds.pace() {
                Pace::Go if self.is_crowded() => {
                    self.rounds.run_again(true);
                    // After a short round there is no rest, and to try again at once would only spin.
                    if self.rounds.pace() == Pace::Go {
                        self.wait(false, Some(Instant::now() + REST_SLICE));
                    }
                }
                Pace::Go => {
                    // Where nothing new has come for a moment, lines don't come fast any more: who is still blocked is its own
                    // thread's.
                    let fast = self.is_fast() && self.published_at.elapsed() < BLOCKED_PATIENCE;
                    let again = !self.pass() && self.rounds.run_again(fast);
                    if self.is_idle() && !again && !self.rounds.has_blocked() {
                        self.wait(true, self.next_time());
                    } else if again && self.rounds.pace() == Pace::Go {
                        self.wait(false, Some(Instant::now() + REST_SLICE));
                    }
                }
                // Its end wakes us. The kernel's events are not waited for: they would end every wait.
                // A round that never ends is a watcher that is stuck: there is no sign of life in it.
                Pace::RoundRuns => self.wait(false, None),
                Pace::RestUntil(_) if self.full_batch_waits() && !self.is_crowded() => {
                    self.rounds.no_rest();
                }
                Pace::RestUntil(until) => {
                    self.come_round(Instant::now());
                    let until = self.rest(until);
                    let until = self.round_due.map_or(until, |due| due.min(until));
                    self.wait(false, Some(until));
                }
            }
        }
        // What stood in the files when the stop came still goes out, unless couriers are at work: then it is left to those
        // who resume.
        self.rounds.no_rest();
        if self.rounds.pace() == Pace::Go {
            self.pass();
        }
    }

    /// A sign of life: all that was due at `now` is done.
    fn come_round(&mut self, now: Instant) {
        self.pulse.beat(now);
        self.round_due = self
            .options
            .on_round
            .as_mut()
            .and_then(|on_round| on_round(now));
    }

    /// Lines come fast.
    fn is_fast(&self) -> bool {
        self.batch_bytes >= FAST_BYTES
    }

    /// While lines come fast and most subscribers lag, publishing waits a little for them. What a few slow ones can
    /// cost the others is bounded: once they are sent back to reading the file, they don't count.
    fn is_crowded(&mut self) -> bool {
        if !self.is_fast() || !self.hub.most_lag() {
            return false;
        }
        let now = Instant::now();
        let hub = &self.hub;
        let until = self.crowded_until.get_or_insert_with(|| {
            let clients = u32::try_from(hub.live_len()).unwrap_or(u32::MAX);
            now + CROWD_WAIT_PER_CLIENT
                .saturating_mul(clients)
                .min(CROWD_WAIT_MAX)
        });
        now < *until
    }

    /// While lines come fast a rest is cut in slices, to see in between whether a full batch waits.
    fn rest(&self, until: Instant) -> Instant {
        match self.is_fast() {
            true => until.min(Instant::now() + REST_SLICE),
            false => until,
        }
    }

    fn full_batch_waits(&self) -> bool {
        if !self.is_fast() {
            return false;
        }
        let active = self.active.iter();
        let followers = active.filter_map(|index| self.followers.get(index));
        followers.map(Follower::waiting_bytes).sum::<u64>() >= TURN_BYTES as u64
    }

    /// Takes what has come, looks at whose turn it is, and publishes what that finds; whether a round came of it.
    fn pass(&mut self) -> bool {
        let now = Instant::now();
        self.listings.clear();
        self.take_events();
        self.take_notices();
        self.take_asked(now);
        self.take_times(now);
        let mut changes = Vec::new();
        self.scan_globs(now, &mut changes);
        self.scan_containers(now, false, &mut changes);
        let mut read = 0;
        self.active.clear();
        // Those that were written to have their own time: however many names have changed, they are not kept waiting.
        for take in [Ready::take_written, Ready::take_stirred] {
            let until = Instant::now() + PASS_TIME;
            for _ in 0..self.ready.len() {
                let Some(index) = take(&mut self.ready) else {
                    break;
                };
                read += self.look_at(index, now, &mut changes);
                if read >= TURN_BYTES || Instant::now() >= until {
                    break;
                }
            }
        }
        let carried = self.publish(changes, read, now);
        self.serve_asked();
        self.come_round(now);
        carried
    }

    /// One follower's turn; how many bytes it read.
    fn look_at(
        &mut self,
        index: usize,
        now: Instant,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) -> usize {
        let before = changes.len();
        let looked = self.give_turn(index, now, TURN_BYTES, changes, |follower, turn| {
            let more = follower.look(turn);
            (more, TURN_BYTES - turn.room, follower.is_over(now))
        });
        let Some((more, read, is_over)) = looked else {
            return 0;
        };
        if changes.len() > before {
            self.active.push(index);
        }
        if more {
            self.ready.write(index);
        }
        if let Some(follower) = self.followers.get(&index) {
            self.look_again_at(index, follower.look_at);
        }
        self.aim(index, now);
        if is_over {
            self.part_with(index);
        }
        read
    }

    /// Gives a follower a turn in which it may read `room` bytes, to do its `deed`; `None` where it is no more.
    fn give_turn<Done>(
        &mut self,
        index: usize,
        now: Instant,
        room: usize,
        changes: &mut Vec<(Arc<Source>, Change)>,
        deed: impl FnOnce(&mut Follower, &mut Turn) -> Done,
    ) -> Option<Done> {
        let follower = self.followers.get_mut(&index)?;
        let mut turn = Turn {
            now,
            buf: &mut self.buf,
            room,
            watches: &mut self.watches,
            known: &mut self.known,
            listings: &mut self.listings,
            hub: &self.hub,
            changes,
        };
        Some(deed(follower, &mut turn))
    }

    /// Whether there was somebody to publish to.
    fn publish(&mut self, changes: Vec<(Arc<Source>, Change)>, read: usize, now: Instant) -> bool {
        if changes.is_empty() {
            return false;
        }
        self.batch_bytes = read;
        self.published_at = now;
        self.crowded_until = None;
        let begins = |(_, change): &(_, Change)| matches!(change, Change::Begin(_));
        if changes.iter().any(begins) || !self.hub.shelf.is_empty() {
            self.forget_at.get_or_insert(now + FORGET_EVERY);
        }
        let subscribers = self.hub.publish(changes).filter(|all| !all.is_empty());
        let carried = subscribers.is_some();
        if let Some(subscribers) = subscribers {
            self.rounds.run(subscribers, self.is_fast());
        }
        carried
    }

    /// Waits for a wake-up, for an event if `events`, and no longer than until `deadline`.
    fn wait(&mut self, events: bool, deadline: Option<Instant>) {
        let waker = self.hub.looks.waker();
        let mut fds = vec![PollFd::new(waker, PollFlags::POLLIN)];
        if events && let Some(inotify) = self.watches.fd() {
            fds.push(PollFd::new(inotify, PollFlags::POLLIN));
        }
        let mounts = fds.len();
        if events && let Some(table) = self.mounted.table() {
            fds.push(PollFd::new(table, PollFlags::POLLPRI));
        }
        let left = deadline.map(|at| TimeSpec::from(at.saturating_duration_since(Instant::now())));
        // An interrupted wait is a wake-up like any other.
        let _ = ppoll(&mut fds, left, None);
        let has_come = |fd: &PollFd| fd.revents().is_some_and(|events| !events.is_empty());
        if has_come(&fds[0]) {
            self.hub.looks.take_wakes();
        }
        if fds.get(mounts).is_some_and(has_come) {
            self.mounted.tell(Instant::now());
        }
    }
}

/// Sets the latch when the thread ends without having been told to.
struct Lost(Option<Arc<Stop>>);

impl Drop for Lost {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            stop.set(Reason::Lost("the watcher ended".to_owned()));
        }
    }
}
