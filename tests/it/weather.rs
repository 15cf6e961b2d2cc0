//! Under attack and in bad weather: what no client may cost the others.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use nix::sys::socket::{setsockopt, sockopt};

/// What a process holds (proc(5)).
#[derive(Debug, Clone, Copy)]
struct Holds {
    threads: usize,
    descriptors: usize,
    resident_kib: u64,
}

impl Holds {
    fn of(daemon: &Daemon) -> Holds {
        let count = |folder: &str| {
            let entries = fs::read_dir(format!("/proc/{}/{folder}", daemon.pid()));
            entries.expect("its entries").count()
        };
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
        let status = status.expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Holds {
            threads: count("task"),
            descriptors: count("fd"),
            resident_kib: resident.expect("VmRSS"),
        }
    }

    /// Whether threads and descriptors are as few as `before`.
    fn is_as(&self, before: &Holds) -> bool {
        self.threads <= before.threads && self.descriptors <= before.descriptors
    }
}

/// Closing it resets the connection.
fn resets(stream: &TcpStream) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream.as_fd(), sockopt::Linger, &linger).expect("linger");
}

#[test]
fn half_finished_heads_do_not_keep_an_ordinary_client_out() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--max-clients", "2"], &[&log]);
    let mut streams = [daemon.live("/stream"), daemon.live("/events")];
    assert_eq!(streams[0].line(), "1\n");
    let mut half: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = daemon.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("send");
            stream
        })
        .collect();
    // They are no clients, so the limit on those does not count them.
    assert_eq!(daemon.get("/healthz").status, 200);
    drop(streams[1].field("retry"));
    let [mut stream, _] = streams;
    append(&log, "2\n");
    assert_eq!(stream.line(), "2\n");
    // The oldest went first, and had no more than their places taken: the youngest still have theirs.
    let mut end = [0; 1];
    let ended = half[0].read(&mut end);
    assert!(matches!(ended, Ok(0) | Err(_)), "the oldest is still there");
    let last = half.last_mut().expect("one");
    last.write_all(b"st: localhost\r\n\r\n")
        .expect("send the rest");
    let mut answer = String::new();
    last.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn storms_of_connections_leave_nothing_behind() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let storm = || {
        for number in 0..1000 {
            let mut stream = daemon.connect();
            let said: &[u8] = match number % 5 {
                0 => b"",
                1 => b"GET /stream HT",
                2 => b"GET /stream HTTP/1.0\r\n\r\n",
                3 => b"GET /events HTTP/1.0\r\n\r\n",
                _ => b"\x16\x03\x01nonsense",
            };
            // The peer may be gone already, as far as the daemon is concerned.
            let _ = stream.write_all(said);
            if number % 2 == 0 {
                resets(&stream);
            }
        }
    };
    // The first one fills the allocator's own stores.
    storm();
    assert!(wait_until(3 * DEADLINE, || Holds::of(&daemon).threads < 12));
    let before = Holds::of(&daemon);
    storm();
    let mut after = Holds::of(&daemon);
    let is_over = || {
        after = Holds::of(&daemon);
        after.is_as(&before)
    };
    assert!(wait_until(3 * DEADLINE, is_over), "{before:?}, {after:?}");
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(grown < 4 * 1024, "it grew by {grown} KiB");
    assert_eq!(daemon.get("/stream?follow=false").text(), "1\n");
}

#[test]
fn peers_that_reset_are_gone_at_once_and_those_that_stop_within_two_intervals() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::with(&["--ping-interval", "1"], &[&log]);
    let before = Holds::of(&daemon);
    // Once its head comes, where a stream begins is settled: it is owed all that is written from now on.
    let ask = |target: &str| {
        let mut stream = daemon.connect();
        let head = format!("GET {target} HTTP/1.0\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("send");
        let mut begin = [0; 9];
        stream.read_exact(&mut begin).expect("an answer");
        stream
    };
    for target in ["/stream", "/events", "/stream?follow=false"] {
        resets(&ask(target));
    }
    let _websocket = daemon.websocket("/ws").into_stream();
    let _stopped = [ask("/stream"), ask("/events"), ask("/stream?grep=x")];
    // More than all buffers between here and there hold.
    let line = "x".repeat(1023) + "\n";
    let since = Instant::now();
    for _ in 0..32 {
        append(&log, line.repeat(1024));
    }
    let gone = || Holds::of(&daemon).is_as(&before);
    assert!(
        wait_until(3 * DEADLINE, gone),
        "{:?}, {before:?}",
        Holds::of(&daemon)
    );
    assert!(
        since.elapsed() >= Duration::from_secs(1),
        "nobody was given the time to answer"
    );
}

/// A log of 200 MB through which this takes long to look back for, in a debug build for half a minute.
const SLOW: &str = "grep=([a-z]%2B%20?){9}$&lines=1";

fn long_log(logs: &Logs) -> PathBuf {
    let log = logs.file("a.log", "");
    let block = "abcdefghij klmnopqrst uvwxyz0123\n".repeat(32 * 1024);
    for _ in 0..200 {
        append(&log, &block);
    }
    log
}

#[test]
fn a_peer_that_leaves_while_its_history_is_looked_for_is_not_looked_for_on() {
    let logs = Logs::new();
    let log = long_log(&logs);
    let daemon = Daemon::follow(&[&log]);
    let before = Holds::of(&daemon);
    let peer = daemon.live(&format!("/stream?{SLOW}"));
    drop(peer);
    assert!(wait_until(DEADLINE, || Holds::of(&daemon).is_as(&before)));
}

#[test]
fn who_looks_far_back_holds_up_nobody_and_is_told_that_the_stream_lives() {
    let logs = Logs::new();
    let log = long_log(&logs);
    let daemon = Daemon::with(&["--ping-interval", "0.2"], &[&log]);
    let mut live = daemon.live("/stream?lines=0");
    let before = Holds::of(&daemon);
    let mut far = daemon.live(&format!("/events?{SLOW}"));
    let _others: Vec<_> = (0..4)
        .map(|_| daemon.live(&format!("/stream?{SLOW}")))
        .collect();
    // One turn of each is little time; all of it would be minutes.
    let since = Instant::now();
    assert_eq!(
        daemon
            .get("/stream?follow=false&lines=3")
            .text()
            .lines()
            .count(),
        3
    );
    append(&log, "new\n");
    assert_eq!(live.line(), "new\n");
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
    let begins: String = (0..3).map(|_| far.line()).collect();
    assert_eq!(begins, "retry: 1000\n:\n:\n");
    let mut ping = daemon.websocket(&format!("/ws?{SLOW}")).into_stream();
    let mut frame = [0; 2];
    ping.read_exact(&mut frame).expect("a ping by the deadline");
    assert_eq!(frame, [0x89, 0]);
    let grown = Holds::of(&daemon)
        .resident_kib
        .saturating_sub(before.resident_kib);
    assert!(grown < 16 * 1024, "it grew by {grown} KiB");
}
