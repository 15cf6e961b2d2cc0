//! The model test: random scripts of loggers, rotators and clients, played on real directories and on a toy model.
//!
//! It is played twice: in process, where the clients read as a client's thread does and much can happen between two of
//! their steps; and over the sockets of the built program, where they come by any of the ways in.
//!
//! `TAILCAST_SOAK_SECONDS` lets it run for that long (`make soak`), with other scripts each time; else it plays a bounded
//! number of scripts, the same each time, so that whoever changes a line knows that a failure is of that line. A failure
//! prints its seed; put it into the list of those that are kept. `TAILCAST_SEED` plays that one.

mod inside;
mod play;
#[path = "../support/mod.rs"]
mod support;
mod wire;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use tailcast::reader::life::{self, State};

use inside::Inside;
use play::{Program, odd_script, play, script};
use world::Stored;

/// Seeds that failed once: when rotated files were put in the order of their last writes, or of their births; when a line
/// of records went on in the third file from there, and the program was started anew; when a file was rotated while it was
/// empty, in a directory made anew; when a client came before rotations were seen, and read on once their files were gone.
const KEPT_INSIDE: &[(u64, Stored)] = &[
    (1795607929000112, Stored::Plain),
    (1795607929000800, Stored::Plain),
    (1795610191006001, Stored::Plain),
    (1795970688000048, Stored::Docker),
    (1796029187000526, Stored::Plain),
    (1796033635000486, Stored::Cri),
];
const KEPT_WIRE: &[(u64, Stored)] = &[
    (1795607929000205, Stored::Plain),
    (1795608553000047, Stored::Plain),
    (1795970688000048, Stored::Docker),
    (1796029187000526, Stored::Plain),
];

/// When a temporary file was rotated at once, a file was but room at the start, a copy had room behind it; when copies stood
/// before their file, rotated, or had outlived it, or were made after the next file had begun, or before the last line of
/// what they are copies of, or in the middle of one, or right before the next rotation.
const KEPT_ODD_INSIDE: &[(u64, Stored)] = &[
    (1795989064000057, Stored::Pattern),
    (1795988634000021, Stored::Room),
    (1795900000000023, Stored::Room),
    (1795994663001230, Stored::Room),
    (1795994663000239, Stored::Room),
    (1795994663001245, Stored::Room),
    (1795994663001762, Stored::Pattern),
    (1795994663001641, Stored::Pattern),
    (1796000001200011, Stored::Pattern),
    (1797000000200086, Stored::Room),
    (1797000000300035, Stored::Pattern),
    (1797000000300288, Stored::Pattern),
    (1797000000400448, Stored::Pattern),
    (1797000000100443, Stored::Pattern),
    (1797000000400161, Stored::Pattern),
    (1796033480000568, Stored::Pattern),
    (1796035670000317, Stored::Room),
];

/// When numbers that count up had the copy of an empty file among them, and two copies had outlived their file; when two files
/// were last written to in one tick.
const KEPT_ODD_WIRE: &[(u64, Stored)] = &[
    (1796029187000554, Stored::Odd { timed: false }),
    (1796029187000083, Stored::Odd { timed: false }),
    (1796029187000083, Stored::Odd { timed: true }),
    (1796032390000074, Stored::Odd { timed: false }),
];

/// Scripts in a run that is not told how long to be.
const SCRIPTS_INSIDE: u64 = 60;
const SCRIPTS_SHELF: u64 = 8;
const SCRIPTS_HERD: u64 = 24;
const SCRIPTS_WIRE: u64 = 16;
const SCRIPTS_FIFO: u64 = 12;
const SCRIPTS_ODD_INSIDE: u64 = 40;
const SCRIPTS_ODD_WIRE: u64 = 12;

/// Bytes on the shelf: a dozen reads, so that chunks are thrown away all the time.
const SHELF_BYTES: usize = 8 * 1024;

/// Where these begin.
const SEED_FIRST: u64 = 1795900000000000;

/// At once: they mostly wait.
const PLAYERS_INSIDE: u64 = 8;
const PLAYERS_WIRE: u64 = 4;

/// Plays the script that grows from `seed`.
fn play_seed<P: Program>(seed: u64, stored: Stored, herd: bool) {
    let is_odd = stored.is_odd() || matches!(stored, Stored::Pattern | Stored::Room);
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
    // A record that is cut with its file is shown as it lies there, which the toy model has no word for.
    let may_lose = seed % 2 == 1 && stored == Stored::Plain;
    // Which of two names is the older one's is not to be told where copies have unknown names, too.
    let may_lose = may_lose || (seed % 2 == 1 && is_odd && !stored.is_odd());
    let script = match is_odd {
        true => odd_script(may_lose).boxed(),
        false => script(may_lose).boxed(),
    };
    let outcome = runner.run(&script, |script| {
        let home = tempfile::tempdir().map_err(|e| TestCaseError::fail(e.to_string()))?;
        play::<P>(home.path(), &script, seed % 4 < 2, (stored, herd))
            .map_err(|e| TestCaseError::fail(format!("{e}\n{script:?}")))
    });
    if let Err(e) = outcome {
        panic!("seed {seed}, {stored:?}: {e}");
    }
}

/// What stands in the files of the script that grows from `seed`.
fn stored(seed: u64) -> Stored {
    match seed / 4 % 4 {
        0 => Stored::Docker,
        1 => Stored::Cri,
        _ => Stored::Plain,
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The same where all comes by FIFOs: the spool holds all of it, or only the last.
fn stored_by_fifo(seed: u64) -> Stored {
    let small = (seed / 4) % 2 == 0;
    Stored::Fifo { small }
}

/// The same of odd writers and rotators. In process there is no state directory, and over sockets what a pattern brings in
/// would have to be told from the files of the script.
fn stored_oddly_inside(seed: u64) -> Stored {
    match (seed / 4) % 2 == 0 {
        true => Stored::Pattern,
        false => Stored::Room,
    }
}

fn stored_oddly_on_the_wire(seed: u64) -> Stored {
    match (seed / 4) % 2 == 0 {
        true => Stored::Odd {
            timed: (seed / 8) % 2 == 0,
        },
        false => Stored::Room,
    }
}

fn play_many<P: Program>(
    kept: &[(u64, Stored)],
    scripts: u64,
    players: u64,
    stored: fn(u64) -> Stored,
) {
    play_some::<P>(kept, scripts, players, stored, false);
}

/// The same where, with `herd`, all clients but the first stop reading, and read again, together.
fn play_some<P: Program>(
    kept: &[(u64, Stored)],
    scripts: u64,
    players: u64,
    stored: fn(u64) -> Stored,
    herd: bool,
) {
    if let Some(seed) = number("TAILCAST_SEED") {
        return play_seed::<P>(seed, stored(seed), herd);
    }
    kept.iter()
        .for_each(|&(seed, stored)| play_seed::<P>(seed, stored, herd));
    let end =
        number("TAILCAST_SOAK_SECONDS").map(|soak| Instant::now() + Duration::from_secs(soak));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = match end {
        Some(_) => now.map_or(0, |now| now.as_secs()) * 1_000_000,
        None => SEED_FIRST,
    };
    let next = AtomicU64::new(0);
    let more = |n: u64| end.map_or(n < scripts, |end| Instant::now() < end);
    thread::scope(|scope| {
        for _ in 0..players {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if !more(n) {
                        break;
                    }
                    play_seed::<P>(first + n, stored(first + n), herd);
                }
            });
        }
    });
    eprintln!(
        "{} scripts from seed {first} on",
        next.load(Ordering::Relaxed).saturating_sub(players)
    );
}

/// What takes a program that joins slowly, or a peer that leaves without a word while its socket is full.
const SELDOM_OVER_SOCKETS: [(State, State); 3] = [
    (State::Joins, State::Reads),
    (State::Joins, State::Over),
    (State::Full, State::Over),
];

/// Fails if a move from one state of a subscriber's life to the next was never made: then nothing is known of it.
fn all_are_made(how: &str, made: [u64; life::MOVES.len()], seldom: &[(State, State)]) {
    let moves: Vec<_> = life::MOVES.iter().zip(made).collect();
    eprintln!("{how}: {moves:?}");
    // One script alone need not have all.
    if number("TAILCAST_SEED").is_none() {
        let never: Vec<_> = moves
            .iter()
            .filter(|(moved, made)| *made == 0 && !seldom.contains(moved))
            .collect();
        assert!(never.is_empty(), "{how} never made: {never:?}");
    }
}

#[test]
fn every_client_gets_every_line_once_in_order_or_is_told_of_the_loss() {
    play_many::<Inside<SHELF_BYTES>>(KEPT_INSIDE, SCRIPTS_INSIDE, PLAYERS_INSIDE, stored);
    all_are_made("in process", life::made(), &[]);
}

#[test]
fn every_client_gets_the_same_without_a_shelf() {
    play_many::<Inside<0>>(&[], SCRIPTS_SHELF, PLAYERS_INSIDE, stored);
}

#[test]
fn every_client_gets_the_same_from_a_shelf_with_room_for_one_read() {
    play_many::<Inside<1024>>(&[], SCRIPTS_SHELF, PLAYERS_INSIDE, stored);
}

#[test]
fn every_client_gets_the_same_from_a_shelf_that_forgets_nothing() {
    play_many::<Inside<{ 64 << 20 }>>(&[], SCRIPTS_SHELF, PLAYERS_INSIDE, stored);
}

#[test]
fn every_client_gets_the_same_where_all_fall_behind_together() {
    play_some::<Inside<SHELF_BYTES>>(&[], SCRIPTS_HERD, PLAYERS_INSIDE, stored, true);
    play_some::<wire::Wire>(&[], SCRIPTS_SHELF, PLAYERS_WIRE, stored, true);
}

#[test]
fn every_client_gets_the_same_over_the_sockets_of_the_program_by_any_way_in() {
    play_many::<wire::Wire>(KEPT_WIRE, SCRIPTS_WIRE, PLAYERS_WIRE, stored);
    let made = wire::MOVES.each_ref();
    let made = made.map(|made| made.load(Ordering::Relaxed));
    all_are_made("over sockets", made, &SELDOM_OVER_SOCKETS);
}

#[test]
fn every_client_gets_what_comes_by_a_fifo_once_in_order_over_restarts_or_is_told_of_the_loss() {
    play_many::<wire::Wire>(&[], SCRIPTS_FIFO, PLAYERS_WIRE, stored_by_fifo);
}

#[test]
fn every_client_gets_every_line_once_in_order_however_files_are_made_replaced_and_copied() {
    play_many::<Inside<SHELF_BYTES>>(
        KEPT_ODD_INSIDE,
        SCRIPTS_ODD_INSIDE,
        PLAYERS_INSIDE,
        stored_oddly_inside,
    );
}

#[test]
fn every_client_gets_the_same_where_rotated_files_have_names_that_no_rotator_gives() {
    play_many::<wire::Wire>(
        KEPT_ODD_WIRE,
        SCRIPTS_ODD_WIRE,
        PLAYERS_WIRE,
        stored_oddly_on_the_wire,
    );
}
