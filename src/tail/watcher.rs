//! The watcher's thread: whose turn it is, when to wait, and for how long.
//!
//! It waits in poll(2) for an event of the kernel, a wake-up (a reader that wants a look, a round that is over, stop),
//! or the next time at which something is to be looked at. While a round runs or rests it leaves the bytes in the
//! files: under load a batch then carries more lines.

mod asked;
mod fifos;
mod handle;
mod mounted;
mod newcomers;
mod pass;
mod ready;
mod room;
mod turns;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::courier::Rounds;
use crate::hub::{Hub, Question};
use crate::limits::{DELETED_KEPT, FILES_MAX, FORGET_EVERY, TURN_BYTES};
use crate::pace::{Deed, Did, Pace, Seen, Stage};
use crate::pattern::Wanted;
use crate::source::Source;
use crate::stop::Stop;

pub use handle::{Handle, OnRound, Options};

use asked::Asked;
use mounted::Mounted;
use ready::{Lately, Ready};

use super::containers::Containers;
use super::follower::{Follower, Turn};
use super::glob::{Glob, Scan};
use super::held::READ_BYTES;
use super::identity::Known;
use super::listing::Listings;
use super::names::Names;
use super::others::{Followers, Others};
use super::pulse::Pulse;
use super::watches::Watches;

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
    followers: Followers,
    next_follower: usize,
    globs: Vec<Glob>,
    dockers: Vec<Containers>,
    names: Names,
    known: Known,
    watches: Watches,
    listings: Listings,
    buf: Vec<u8>,
    ready: Ready,
    /// Followers whose files the kernel has told to be under the names of others.
    handing_over: VecDeque<usize>,
    /// Files that patterns have found and that are to be followed.
    arrivals: VecDeque<PathBuf>,
    /// Whose looks the next scan of patterns waits for, where one is due.
    scan_awaits: Option<HashSet<usize>>,
    /// The pattern that is scanned next.
    next_glob: usize,
    /// When to look at whom without an event. `timed` holds each follower's entry.
    times: BTreeSet<(Instant, usize)>,
    timed: HashMap<usize, Instant>,
    /// Questions that wait, and those that are being answered.
    questions: Vec<Question>,
    asked: Vec<Asked>,
    /// Who took part in the last batch that was not empty.
    active: Vec<usize>,
    lately: Lately,
    pace: Pace,
    forget_at: Option<Instant>,
    /// When files are asked again to give up their descriptors.
    room_at: Option<Instant>,
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
            followers: Followers::new(),
            next_follower: 0,
            globs: Vec::new(),
            dockers: Vec::new(),
            names: Names::default(),
            known: Known::default(),
            watches: Watches::new(options.poll_only),
            listings: Listings::default(),
            buf: vec![0; READ_BYTES],
            ready: Ready::default(),
            handing_over: VecDeque::new(),
            arrivals: VecDeque::new(),
            scan_awaits: None,
            next_glob: 0,
            times: BTreeSet::new(),
            timed: HashMap::new(),
            questions: Vec::new(),
            asked: Vec::new(),
            active: Vec::new(),
            lately: Lately::default(),
            pace: Pace::new(now),
            forget_at: None,
            room_at: None,
            mounted: Mounted::new(),
            hub,
            rounds,
            options,
        };
        for spooled in std::mem::take(&mut watcher.options.spools) {
            let source = watcher
                .names
                .add_spool(&spooled, watcher.next_follower, &watcher.hub);
            watcher.follow(source, false, true);
        }
        for file in files {
            match file {
                Wanted::Pattern(pattern) => {
                    let mut glob = Glob::new(watcher.globs.len(), pattern.path().to_owned());
                    let mut scan = Scan {
                        watches: &mut watcher.watches,
                        known: &watcher.known,
                        others: Others {
                            names: &watcher.names,
                            followers: &watcher.followers,
                        },
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
        stop.start("watcher".to_owned(), move || self.run())
    }

    fn add(&mut self, path: &Path, by_pattern: bool, at_start: bool) {
        let source = self.names.add(path, self.next_follower, &self.hub);
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
        for (at, kind) in self.hub.notices.take_events(&follower.path()) {
            follower.notice_event(at, kind);
        }
        self.followers.insert(index, Box::new(follower));
        if at_start {
            let start = |follower: &mut Follower, turn: &mut Turn| follower.start(turn);
            self.give_turn(index, Instant::now(), TURN_BYTES, &mut Vec::new(), start);
        }
        self.ask_new(index);
        self.ready.stir(index);
    }

    // -- the loop

    fn run(&mut self) {
        let mut did = Did::Wait;
        while !self.quit.load(Ordering::Acquire) {
            did = match self.what_now(did) {
                Deed::Look => match self.pass() {
                    true => Did::Publish,
                    false => Did::LookInVain,
                },
                Deed::CarryAgain { patient } => {
                    self.rounds.run_again(patient);
                    Did::CarryAgain
                }
                Deed::EndRest => {
                    self.rounds.no_rest();
                    Did::Wait
                }
                Deed::Rest(until) => {
                    self.come_round(Instant::now());
                    let until = self.round_due.map_or(until, |due| due.min(until));
                    self.wait(false, Some(until))
                }
                Deed::AwaitRound => self.wait(false, None),
                Deed::AwaitEvents => self.wait(true, self.next_time()),
            };
        }
        // What stood in the files when the stop came still goes out, unless couriers are at work: then it is left to those
        // who resume.
        self.rounds.no_rest();
        if self.rounds.stage() == Stage::Idle {
            self.pass();
        }
    }

    /// What the pace wants done, after what was done last.
    fn what_now(&mut self, did: Did) -> Deed {
        let stage = self.rounds.stage();
        let fast = self.pace.is_fast();
        let waiting_bytes = match stage {
            Stage::RestsUntil(_) if fast => self.waiting_bytes(),
            _ => 0,
        };
        let may_publish = stage == Stage::Idle || waiting_bytes >= TURN_BYTES as u64;
        let seen = Seen {
            now: Instant::now(),
            stage,
            did,
            idle: self.is_idle(),
            blocked: self.rounds.has_blocked(),
            clients: if fast { self.hub.live_len() } else { 0 },
            most_lag: fast && may_publish && self.hub.most_lag(),
            waiting_bytes,
        };
        self.pace.next(&seen)
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

    /// Bytes that wait in the files of which the last batch was.
    fn waiting_bytes(&self) -> u64 {
        let active = self.active.iter();
        let followers = active.filter_map(|index| self.followers.get(index));
        followers.map(|follower| follower.waiting_bytes()).sum()
    }

    fn forget_every(&self) -> Duration {
        self.options.forget_every.unwrap_or(FORGET_EVERY)
    }

    /// Waits for a wake-up, for an event if `events`, and no longer than until `deadline`.
    fn wait(&mut self, events: bool, deadline: Option<Instant>) -> Did {
        let waker = self.hub.looks.waker();
        let mut fds = vec![PollFd::new(waker, PollFlags::POLLIN)];
        if events {
            if let Some(inotify) = self.watches.fd() {
                fds.push(PollFd::new(inotify, PollFlags::POLLIN));
            }
        }
        let mounts = fds.len();
        if events {
            if let Some(table) = self.mounted.table() {
                fds.push(PollFd::new(table, PollFlags::POLLPRI));
            }
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
        Did::Wait
    }
}
