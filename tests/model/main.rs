//! The model test: random scripts of a logger, a rotator and clients, played on a real directory and on a toy model.
//!
//! `TAILCAST_SOAK_SECONDS` lets it run for that long (`make soak`); else it plays a bounded number of scripts. A failure
//! prints its seed; put it into `KEPT`.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tailcast::courier::Rounds;
use tailcast::hub::{Hub, Selection, Subscriber};
use tailcast::source::{Batch, Kind};
use tailcast::stop::Stop;
use tailcast::tail::{Options, Watcher};
use world::{Got, Op, World, check};

/// Seeds that failed once.
const KEPT: &[u64] = &[];

/// Scripts in a run that is not told how long to be.
const SCRIPTS: u64 = 60;

/// At once: they mostly wait.
const PLAYERS: u64 = 8;

const DEADLINE: Duration = Duration::from_secs(8);

#[derive(Debug)]
struct Quiet;

impl Subscriber for Quiet {
    fn carry(&self) {}
    fn dropped(&self) {}
    fn done(&self) -> u64 {
        u64::MAX
    }
}

struct Client {
    queue: Receiver<Arc<Batch>>,
    got: Vec<Got>,
    last: Option<usize>,
}

impl Client {
    /// Waits until the last of the world's lines has come, as far as it is whole.
    fn settle(&mut self, world: &World, whole: usize) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while whole > 0 && self.last.is_none_or(|last| last < whole - 1) {
            let batch = self.queue.recv_deadline(deadline).map_err(|_| {
                format!(
                    "line {} of {} does not come; last {:?}",
                    whole - 1,
                    world.lines.len(),
                    self.last
                )
            })?;
            self.take_down(&batch);
        }
        Ok(())
    }

    fn take_down(&mut self, batch: &Batch) {
        for segment in &batch.segments {
            match &segment.kind {
                Kind::Event(event) => self.got.push(Got::Event(format!("{:?}", event.kind))),
                Kind::Lines(lines) => {
                    for i in 0..lines.len() {
                        let line = String::from_utf8_lossy(lines.line(i)).into_owned();
                        self.last = line
                            .split(' ')
                            .nth(1)
                            .and_then(|n| n.parse().ok())
                            .or(self.last);
                        self.got.push(Got::Line(line));
                    }
                }
            }
        }
    }
}

fn play(script: &[Op], numbered: bool) -> Result<(), String> {
    let home = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut world = World::new(home.path(), numbered);
    let hub = Arc::new(Hub::new(1 << 20).map_err(|e| e.to_string())?);
    let rounds = Arc::new(Rounds::new(Arc::clone(&hub), None));
    let watcher = Watcher::new(&[world.log()], Arc::clone(&hub), rounds, Options::default())
        .map_err(|e| e.to_string())?;
    let joined = hub
        .join(Arc::new(Quiet), Selection::All, 1 << 20)
        .map_err(|e| format!("{e:?}"))?;
    let mut client = Client {
        queue: joined.queue,
        got: Vec::new(),
        last: None,
    };
    let handle = watcher.handle();
    let thread = watcher
        .start(Arc::new(Stop::default()))
        .map_err(|e| e.to_string())?;
    let mut failed = None;
    for op in script {
        world.play(op, &mut |world| {
            // The watcher has all that is there, the beginning of a line included.
            if !hub.looks.ask() {
                failed.get_or_insert("no look in time".to_owned());
            }
            if !world.lossy
                && let Err(e) = client.settle(world, world.whole_lines())
            {
                failed.get_or_insert(e);
            }
        });
        if failed.is_some() {
            break;
        }
    }
    world.finish();
    let outcome = match failed {
        Some(e) => Err(e),
        None => client.settle(&world, world.lines.len()),
    };
    handle.quit();
    let ended = thread.join();
    let outcome = outcome.and_then(|()| check(&client.got, &world.lines, 0, world.lossy));
    if ended.is_err() {
        return Err("the watcher panicked".to_owned());
    }
    outcome.map_err(|e| {
        format!(
            "{e}\nfirst {:?} got at the end: {:?}",
            &client.got[..client.got.len().min(6)],
            &client.got[client.got.len().saturating_sub(12)..]
        )
    })
}

/// Plays the scripts that grow from `seed`; the smallest that fails, if one does.
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
    let outcome = runner.run(&world::script(seed % 2 == 1), |script| {
        play(&script, seed % 4 < 2).map_err(|e| TestCaseError::fail(format!("{e}\n{script:?}")))
    });
    if let Err(e) = outcome {
        panic!("seed {seed}: {e}");
    }
}

#[test]
fn every_client_gets_every_line_once_in_order_or_is_told_of_the_loss() {
    KEPT.iter().for_each(|&seed| play_seed(seed));
    let soak = std::env::var("TAILCAST_SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let end = soak.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // Other scripts each time; what fails prints its seed.
    let first = std::env::var("TAILCAST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(0, |now| now.as_secs()) * 1_000_000
        });
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
        "about {} scripts from seed {first} on",
        next.load(Ordering::Relaxed)
    );
}
