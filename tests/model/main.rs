//! The model test: random scripts of a logger, a rotator and clients, played on a real directory and on a toy model.
//!
//! `TAILCAST_SOAK_SECONDS` lets it run for that long (`make soak`); else it plays a bounded number of scripts. A failure
//! prints its seed; put it into `KEPT`. `TAILCAST_SEED` plays that one.

mod daemon;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use daemon::{Client, Daemon};
use world::{Op, Promise, World, check};

/// Seeds that failed once.
const KEPT: &[u64] = &[];

/// Scripts in a run that is not told how long to be.
const SCRIPTS: u64 = 60;

/// At once: they mostly wait.
const PLAYERS: u64 = 8;

/// Clients in each script. The first one is always there.
const CLIENTS: usize = 3;

/// Batches that fill the queue of all clients but the first: it has all room, so that nothing is left out for it.
const QUEUE_BATCHES: usize = 4;

/// Files that may come while a client does not read: beyond, it may be told of a gap.
const FILES_KEPT: usize = 3;

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    World(Op),
    /// The client comes, or goes.
    Toggle(usize),
    /// The client stops reading, or reads again.
    Stall(usize),
    /// The program ends, or is started again.
    Power,
}

fn script(may_lose: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => world::op(may_lose).prop_map(Step::World),
        2 => (1..CLIENTS).prop_map(Step::Toggle),
        2 => (1..CLIENTS).prop_map(Step::Stall),
        1 => Just(Step::Power),
    ];
    proptest::collection::vec(step, 1..24)
}

/// A client and what it may have missed.
struct Seat {
    client: Client,
    /// Bytes that it had not got were deleted, or it was left too far behind.
    may_lose: bool,
    /// Files that there had been when it last had everything, and how often some had vanished.
    files: usize,
    vanished: usize,
}

struct Play {
    world: World,
    daemon: Option<Daemon>,
    seats: Vec<Seat>,
    failed: Option<String>,
}

impl Play {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::World(ref op) => {
                let Play {
                    world,
                    daemon,
                    seats,
                    failed,
                } = self;
                world.play(op, &mut |world| {
                    settle(world, daemon.as_ref(), seats, failed)
                });
                if !op.keeps_all() {
                    // What is not there any more can't be read by those who come later, and who was not there can't
                    // know of it.
                    for seat in seats.iter_mut().filter(|seat| seat.client.is_away()) {
                        seat.may_lose = true;
                    }
                }
            }
            Step::Toggle(n) => {
                let seat = &mut self.seats[n];
                if let Some(daemon) = &self.daemon {
                    if seat.client.is_away() {
                        seat.come(&self.world, daemon, &mut self.failed);
                    } else {
                        let seats = std::slice::from_mut(seat);
                        settle(&self.world, Some(daemon), seats, &mut self.failed);
                        seats[0].go(&self.world, daemon);
                    }
                }
            }
            Step::Stall(n) => {
                let seat = &mut self.seats[n];
                seat.client.stalls = !seat.client.stalls;
            }
            Step::Power => match self.daemon.take() {
                Some(daemon) => self.stop(daemon),
                None => self.start(),
            },
        }
    }

    fn stop(&mut self, daemon: Daemon) {
        settle(
            &self.world,
            Some(&daemon),
            &mut self.seats,
            &mut self.failed,
        );
        for seat in &mut self.seats {
            seat.go(&self.world, &daemon);
        }
        daemon.end();
    }

    fn start(&mut self) {
        let daemon = Daemon::start(&self.world.log());
        for seat in &mut self.seats {
            seat.come(&self.world, &daemon, &mut self.failed);
        }
        self.daemon = Some(daemon);
    }
}

impl Seat {
    fn leave_behind(&mut self, world: &World) {
        if self.client.can_be_left_behind() {
            self.may_lose |= world.files - self.files > FILES_KEPT;
        }
    }

    /// It has all there is.
    fn has_all(&mut self, world: &World) {
        self.files = world.files;
        self.vanished = world.vanished;
    }

    /// It comes, and reads what there is.
    fn come(&mut self, world: &World, daemon: &Daemon, failed: &mut Option<String>) {
        self.client.come(daemon);
        self.client.stalls = false;
        if let Err(e) = self.client.catch_up(daemon) {
            failed.get_or_insert(e);
        }
        self.has_all(world);
    }

    /// It goes: what it has not got and what is not there any more is lost for it.
    fn go(&mut self, world: &World, daemon: &Daemon) {
        self.leave_behind(world);
        self.may_lose |= world.vanished != self.vanished;
        // It stands at the end of a file that may be gone when it comes back.
        self.may_lose |= world.vanished > 0 && world.current_is_empty;
        self.client.go(daemon);
    }
}

/// The watcher has all there is, the beginning of a line included; so have the clients that read.
fn settle(world: &World, daemon: Option<&Daemon>, seats: &mut [Seat], failed: &mut Option<String>) {
    let Some(daemon) = daemon else { return };
    if !daemon.hub.looks.ask() {
        failed.get_or_insert("no look in time".to_owned());
    }
    for seat in seats.iter_mut() {
        if seat.client.is_away() || seat.client.stalls {
            continue;
        }
        seat.leave_behind(world);
        seat.has_all(world);
        let all = world.whole_lines().checked_sub(1);
        let outcome = match all.filter(|_| !world.lossy && !seat.may_lose) {
            Some(last) => seat.client.take_until(daemon, last),
            None => seat.client.catch_up(daemon),
        };
        if let Err(e) = outcome {
            failed.get_or_insert(e);
        }
    }
}

fn play(script: &[Step], numbered: bool) -> Result<(), String> {
    let home = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut play = Play {
        world: World::new(home.path(), numbered),
        daemon: None,
        seats: Vec::new(),
        failed: None,
    };
    for n in 0..CLIENTS {
        play.seats.push(Seat {
            client: Client::new(if n == 0 { 1 << 20 } else { QUEUE_BATCHES }),
            may_lose: false,
            files: 0,
            vanished: 0,
        });
    }
    play.start();
    for step in script {
        play.step(step);
        if play.failed.is_some() {
            break;
        }
    }
    if play.daemon.is_none() {
        play.start();
    }
    play.world.finish();
    let last = play.world.lines.len() - 1;
    let daemon = play.daemon.take();
    let mut outcome = play.failed.take().map_or(Ok(()), Err);
    for (n, seat) in play.seats.iter_mut().enumerate() {
        let Some(daemon) = &daemon else { break };
        seat.leave_behind(&play.world);
        if seat.client.is_away() {
            seat.client.come(daemon);
        }
        let promise = match (seat.may_lose, play.world.lossy) {
            (true, _) => Promise::Order,
            (false, true) => Promise::Told,
            (false, false) => Promise::All,
        };
        let got = &mut seat.client;
        if outcome.is_err() {
            break;
        }
        outcome = got
            .take_until(daemon, last)
            .map_err(|e| format!("{e}; {}", tail(&got.got)))
            .and_then(|()| check(&got.got, &play.world.lines, promise))
            .map_err(|e| format!("client {n}: {e}"));
    }
    if let Some(daemon) = daemon {
        daemon.end();
    }
    outcome
}

fn tail(got: &[world::Got]) -> String {
    let last = &got[got.len().saturating_sub(16)..];
    format!("the last of {}: {last:?}", got.len())
}

/// Plays the script that grows from `seed`; where it fails, the smallest that does.
fn play_seed(seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&script(seed % 2 == 1), |script| {
        play(&script, seed % 4 < 2).map_err(|e| TestCaseError::fail(format!("{e}\n{script:?}")))
    });
    if let Err(e) = outcome {
        panic!("seed {seed}: {e}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_client_gets_every_line_once_in_order_or_is_told_of_the_loss() {
    if let Some(seed) = number("TAILCAST_SEED") {
        return play_seed(seed);
    }
    KEPT.iter().for_each(|&seed| play_seed(seed));
    let end =
        number("TAILCAST_SOAK_SECONDS").map(|soak| Instant::now() + Duration::from_secs(soak));
    // Other scripts each time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = now.map_or(0, |now| now.as_secs()) * 1_000_000;
    let next = AtomicU64::new(0);
    let more = |n: u64| end.map_or(n < SCRIPTS, |end| Instant::now() < end);
    thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if !more(n) {
                        break;
                    }
                    play_seed(first + n);
                }
            });
        }
    });
    eprintln!(
        "{} scripts from seed {first} on",
        next.load(Ordering::Relaxed).saturating_sub(PLAYERS)
    );
}
