//! Every line once and in order, whatever clients, rotators and restarts do meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::support::http::Live;
use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use nix::sys::signal::Signal;

/// The last line of a log: whoever has it has everything.
const END: &str = "end";

/// A number that a line begins with.
fn number(line: &str) -> u64 {
    let digits = line.split(' ').next().unwrap_or_default();
    let parsed = digits.parse();
    parsed.unwrap_or_else(|_| panic!("not a numbered line: {line:?}"))
}

/// Takes numbered lines, one after the other, and doesn't let one be missing, doubled or out of order.
#[derive(Default)]
struct Tally {
    last: Option<u64>,
    ended: bool,
}

impl Tally {
    fn take(&mut self, line: &str) {
        if line == END {
            self.ended = true;
            return;
        }
        let number = number(line);
        if let Some(last) = self.last {
            assert_eq!(number, last + 1, "after {last}");
        }
        self.last = Some(number);
    }

    fn take_stream(&mut self, mut live: Live) {
        while !self.ended {
            let line = live.line();
            assert_ne!(line, "", "the stream ended after {:?}", self.last);
            self.take(line.trim_end());
        }
    }

    fn take_batches(&mut self, mut client: Client) {
        while !self.ended {
            let batch = client.json_with("lines");
            for line in batch["lines"].as_array().expect("lines") {
                self.take(line.as_str().expect("a line"));
            }
        }
    }
}

/// A small generator of numbers that look random, so that no run differs from the next (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn clients_that_join_while_lines_come_get_each_once_and_in_order() {
    const LINES: u64 = 200_000;
    const CLIENTS: u64 = 20;
    let logs = Logs::new();
    let log = logs.file("a.log", "0\n");
    let daemon = Daemon::follow(&[&log]);
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        let (written, daemon) = (&written, &daemon);
        for index in 0..CLIENTS {
            let joins_at = Dice(index + 1).roll(7) + index * (LINES / CLIENTS);
            scope.spawn(move || {
                let reached = || written.load(Ordering::Acquire) >= joins_at;
                assert!(wait_until(DEADLINE * 3, reached), "the writer is stuck");
                let mut tally = Tally::default();
                match index % 4 {
                    0 => tally.take_batches(daemon.websocket("/ws?format=batch&lines=2")),
                    1 => tally.take_stream(daemon.live("/stream?lines=all")),
                    _ => tally.take_stream(daemon.live("/stream?lines=2")),
                }
                assert_eq!(tally.last, Some(LINES), "client {index}");
            });
        }
        let mut file = OpenOptions::new().append(true).open(&log).expect("a log");
        let mut dice = Dice(99);
        let mut next = 1;
        while next <= LINES {
            let count = (dice.roll(60) + 1).min(LINES + 1 - next);
            let text: String = (next..next + count).map(|n| format!("{n}\n")).collect();
            // Now and then in two writes, with the cut anywhere.
            let cut = text.len() - dice.roll(3) as usize;
            file.write_all(&text.as_bytes()[..cut]).expect("append");
            file.write_all(&text.as_bytes()[cut..]).expect("append");
            next += count;
            written.store(next - 1, Ordering::Release);
        }
        writeln!(file, "{END}").expect("append");
    });
}

#[test]
fn a_client_that_stalls_through_200_mb_costs_little_memory_and_then_gets_everything() {
    const LINES: u64 = 200_000;
    let logs = Logs::new();
    let log = logs.file("a.log", "0 begin\n");
    let daemon = Daemon::follow(&[&log]);
    let mut stalled = daemon.live("/stream");
    assert_eq!(stalled.line(), "0 begin\n");
    let before = daemon.resident_kib();
    let mut busy = daemon.live("/stream?lines=0");
    let filler = "x".repeat(990);
    let mut peak = 0;
    let mut file = OpenOptions::new().append(true).open(&log).expect("a log");
    for first in (1..=LINES).step_by(500) {
        let text: String = (first..first + 500)
            .map(|n| format!("{n} {filler}\n"))
            .collect();
        file.write_all(text.as_bytes()).expect("append");
        // Another one reads all the while; it also keeps the writer from running ahead of the server.
        for expected in first..first + 500 {
            assert_eq!(number(&busy.line()), expected);
        }
        peak = peak.max(daemon.resident_kib());
    }
    writeln!(file, "{END}").expect("append");
    let mut tally = Tally::default();
    tally.take_stream(stalled);
    assert_eq!(tally.last, Some(LINES));
    peak = peak.max(daemon.resident_kib());
    let grown = peak.saturating_sub(before);
    assert!(grown < 32 * 1024, "it grew by {grown} KiB");
}

/// Stops a writer also when its test fails; a scope would wait for it for ever.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Writes numbered lines until told to stop, a few at a time, and rotates by renaming every so often.
fn write_and_rotate(log: &Path, rotate_every: u64, stop: &AtomicBool) -> u64 {
    let old = |index: u64| -> PathBuf {
        let mut name = log.as_os_str().to_owned();
        name.push(format!(".{index}"));
        name.into()
    };
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(log)
        .expect("a log");
    let mut next = 1;
    let mut rotations = 0;
    while !stop.load(Ordering::Acquire) {
        let text: String = (next..next + 20).map(|n| format!("{n}\n")).collect();
        file.write_all(text.as_bytes()).expect("append");
        next += 20;
        if next / rotate_every > rotations {
            rotations += 1;
            fs::rename(log, old(rotations)).expect("rotate");
            // As a logger does that has not been told yet.
            writeln!(file, "{next}").expect("append");
            next += 1;
            file = File::options()
                .append(true)
                .create(true)
                .open(log)
                .expect("a log");
        }
        thread::park_timeout(std::time::Duration::from_millis(2));
    }
    writeln!(file, "{END}").expect("append");
    next - 1
}

#[test]
fn rotation_under_load_loses_and_doubles_nothing() {
    let logs = Logs::new();
    let log = logs.file("a.log", "0\n");
    let daemon = Daemon::follow(&[&log]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stops = Stops(&stop);
        let mut seen = daemon.live("/stream");
        let batches = daemon.websocket("/ws?format=batch");
        let writer = scope.spawn(|| write_and_rotate(&log, 2_000, &stop));
        let second = scope.spawn(|| {
            let mut tally = Tally::default();
            tally.take_batches(batches);
            tally.last
        });
        let mut tally = Tally::default();
        while tally.last < Some(10_000) {
            tally.take(seen.line().trim_end());
        }
        drop(stops);
        tally.take_stream(seen);
        let written = writer.join().expect("the writer");
        assert_eq!(tally.last, Some(written));
        assert_eq!(second.join().expect("the second"), Some(written));
    });
}

#[test]
fn a_reader_that_resumes_over_restarts_and_rotations_misses_and_doubles_nothing() {
    let logs = Logs::new();
    let log = logs.file("a.log", "0\n");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stops = Stops(&stop);
        let writer = scope.spawn(|| write_and_rotate(&log, 4_000, &stop));
        let mut dice = Dice(7);
        let mut daemon = Daemon::follow(&[&log]);
        let mut tally = Tally::default();
        let mut target = "/ws?format=json&lines=1".to_owned();
        for round in 0..30 {
            let mut client = daemon.websocket(&target);
            let mut id = None;
            for _ in 0..=dice.roll(300) {
                let line = client.json_with("line");
                tally.take(line["line"].as_str().expect("a line"));
                id = Some(line["id"].as_str().expect("an id").to_owned());
            }
            let id = id.expect("at least a line");
            target = format!("/ws?format=json&after={id}");
            drop(client);
            if round % 5 == 4 {
                daemon.signal(Signal::SIGTERM);
                assert!(daemon.ended(DEADLINE).is_some(), "it did not end");
                daemon = Daemon::follow(&[&log]);
            }
        }
        drop(stops);
        let written = writer.join().expect("the writer");
        let mut client = daemon.websocket(&target);
        while !tally.ended {
            let line = client.json_with("line");
            tally.take(line["line"].as_str().expect("a line"));
        }
        assert_eq!(tally.last, Some(written));
    });
}

#[test]
fn a_log_that_is_truncated_again_and_again_goes_on() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live("/stream");
    let mut tally = Tally::default();
    for round in 0..50u64 {
        let first = round * 20;
        let text: String = (first..first + 20)
            .map(|n| format!("{n} {round}\n"))
            .collect();
        append(&log, text);
        for _ in 0..20 {
            tally.take(live.line().trim_end());
        }
        // All of it is delivered, so nothing is lost to what copytruncate can lose.
        File::options()
            .write(true)
            .truncate(true)
            .open(&log)
            .expect("truncate");
    }
    assert_eq!(tally.last, Some(50 * 20 - 1));
}
