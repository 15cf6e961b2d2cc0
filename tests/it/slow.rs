//! Slow WebSocket clients: every line once and in order however they read, a server whose memory does not follow their
//! pace, and whole frames whatever else goes on.

use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::websocket::{Client, frame};
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use tungstenite::Message;

/// A log with the line 0 in it, and a daemon that follows it.
fn followed() -> (Logs, PathBuf, Daemon) {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    append_numbers(&log, 0..1, 40, 1);
    let daemon = Daemon::follow(&[&log]);
    (logs, log, daemon)
}

/// Appends numbered lines of `len` bytes, some at a time.
fn append_numbers(log: &Path, numbers: Range<usize>, len: usize, at_a_time: usize) {
    let numbers: Vec<usize> = numbers.collect();
    for numbers in numbers.chunks(at_a_time) {
        let line = |number: &usize| format!("{number:08} {:x<1$}\n", "", len.saturating_sub(10));
        append(log, numbers.iter().map(line).collect::<String>());
    }
}

fn number(line: &str) -> usize {
    line[..8].parse().expect("a numbered line")
}

/// Reads exactly these lines; answers to pings may stand between them.
fn expect(client: &mut Client, numbers: impl Iterator<Item = usize>) {
    for wanted in numbers {
        loop {
            match client.message() {
                Message::Text(text) => {
                    assert_eq!(number(text.as_str()), wanted);
                    break;
                }
                other => assert!(matches!(other, Message::Pong(_)), "{other:?}"),
            }
        }
    }
}

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_loses_nothing() {
    const LINES: usize = 60_000;
    let (_logs, log, daemon) = followed();
    let mut stalled = daemon.websocket("/ws?lines=all");
    let mut other = daemon.websocket("/ws?lines=all");
    expect(&mut stalled, 0..1);
    let before = daemon.resident_kib();
    let mut most = 0;
    thread::scope(|scope| {
        scope.spawn(|| expect(&mut other, 0..LINES));
        for from in (1..LINES).step_by(1000) {
            append_numbers(&log, from..LINES.min(from + 1000), 1000, 50);
            most = most.max(daemon.resident_kib());
        }
    });
    // A ping while nothing is taken: its answer must not go into the middle of a line.
    stalled.send(Message::Ping("p".into()));
    for from in (1..LINES).step_by(10_000) {
        expect(&mut stalled, from..LINES.min(from + 10_000));
        most = most.max(daemon.resident_kib());
    }
    assert!(
        most < before + 32 * 1024,
        "grew from {before} to {most} KiB"
    );
}

/// The benchmark `halted` does the same with 1,000 clients and 1 GB.
#[test]
fn clients_that_stop_at_different_moments_cost_little_memory_and_lose_nothing() {
    const CLIENTS: usize = 200;
    const LINES: usize = 25_000;
    const PART_LINES: usize = 250;
    const ADDED_KIB_MAX: u64 = 48 * 1024;
    let (_logs, log, daemon) = followed();
    let bare = daemon.resident_kib();
    // Spread over all of the 100 MB, and dense at its end: one that stops late joins late, or it would be sent all of it.
    // Four have stopped when half of it is there, and the last one lacks 2 MB, more than sockets hold.
    let stop = |index: usize| 1 + LINES * index / (index + 4);
    let mut halted: Vec<(usize, Client)> = Vec::new();
    for begin in (1..LINES).step_by(PART_LINES) {
        let end = LINES.min(begin + PART_LINES);
        let joined = halted.len();
        while halted.len() < CLIENTS && stop(halted.len()) < end {
            halted.push((stop(halted.len()), daemon.websocket("/ws?lines=0")));
        }
        append_numbers(&log, begin..end, 4000, 50);
        for (stop, client) in &mut halted[joined..] {
            expect(client, begin..*stop);
        }
    }
    assert_eq!(halted.len(), CLIENTS);
    thread::scope(|scope| {
        for (stop, mut client) in halted {
            scope.spawn(move || expect(&mut client, stop..LINES));
        }
    });
    let added = daemon.peak_kib() - bare;
    assert!(added < ADDED_KIB_MAX, "they added {added} KiB");
}

#[test]
fn a_client_that_reads_a_little_all_the_time_is_not_taken_for_silent() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    append_numbers(&log, 0..100_000, 100, 1000);
    let daemon = Daemon::with(&["--ping-interval", "1"], &[&log]);
    // In an interval it takes a tenth of what the kernel wakes a writer for.
    let read_slowly = |head: &str| {
        let mut peer = daemon.connect();
        setsockopt(&peer, RcvBuf, &4096).expect("a small buffer");
        peer.write_all(head.as_bytes()).expect("ask");
        let since = Instant::now();
        let mut buf = [0; 2048];
        while since.elapsed() < Duration::from_secs(6) {
            let read = peer.read(&mut buf).map_err(|e| e.to_string());
            assert!(
                read.as_ref().is_ok_and(|&n| n > 0),
                "{read:?} after {:?}",
                since.elapsed()
            );
            // The pace of its line.
            thread::sleep(Duration::from_millis(100));
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| read_slowly("GET /stream?lines=all HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        scope.spawn(|| {
            read_slowly(
                "GET /ws?lines=all HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            );
        });
    });
}

/// What one that asks for `target` by HTTP or WebSocket gets, with a socket that has room for little.
fn narrow(daemon: &Daemon, target: &str) -> std::net::TcpStream {
    let mut peer = daemon.connect();
    setsockopt(&peer, RcvBuf, &4096).expect("a small buffer");
    let upgrade = if target.starts_with("/ws") {
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    } else {
        ""
    };
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n");
    peer.write_all(head.as_bytes()).expect("ask");
    let mut answer = [0; 12];
    peer.read_exact(&mut answer).expect("an answer");
    peer
}

#[test]
fn clients_that_stopped_reading_cost_no_cpu_until_they_are_dropped() {
    // 0.3 s of CPU, for some 3 s; one that turns in a circle takes more than that by itself.
    const TICKS_MAX: u64 = 30;
    let logs = Logs::new();
    let log = logs.file("a.log", "start\n");
    let daemon = Daemon::with(&["--ping-interval", "1"], &[&log]);
    let alone = daemon.descriptors();
    let live = [
        "/ws?lines=0",
        "/ws?lines=0&format=batch",
        "/stream?lines=0",
        "/events?lines=0",
    ];
    let _live = live.map(|target| narrow(&daemon, target));
    let metric = |name: &str| {
        let metrics = daemon.get("/metrics").text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.and_then(|n| n.trim().parse::<f64>().ok())
            .expect("a metric")
    };
    // More batches than a queue has places: the hub drops their senders while a frame is half on the wire.
    let before = metric("tailcast_catch_ups_total ");
    append_numbers(&log, 0..80_000, 120, 500);
    assert!(wait_until(DEADLINE, || metric("tailcast_catch_ups_total ")
        >= before + 4.0));
    let before = daemon.ticks();
    // Those that come now never get to the live edge.
    let _behind = live.map(|target| narrow(&daemon, &target.replace("lines=0", "lines=all")));
    // Looked at from outside, for that costs the daemon nothing.
    let are_dropped = || daemon.descriptors() <= alone;
    assert!(wait_until(DEADLINE, are_dropped), "they are dropped");
    let used = daemon.ticks() - before;
    assert!(used <= TICKS_MAX, "{used} ticks");
}

#[test]
fn a_client_whose_socket_was_full_is_served_as_soon_as_it_reads_whatever_the_delay() {
    const LINES: usize = 12_000;
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    append_numbers(&log, 0..1, 40, 1);
    let daemon = Daemon::with(&["--max-delay", "60000"], &[&log]);
    let mut clients = [(); 2].map(|()| daemon.websocket("/ws?lines=all"));
    for client in &mut clients {
        expect(client, 0..1);
    }
    append_numbers(&log, 1..LINES, 200, LINES);
    // What is left at the end is no full batch, and may wait as it was told to.
    for client in &mut clients {
        expect(client, 1..LINES - 2_000);
    }
}

#[test]
fn a_filtered_client_that_stalls_gets_exactly_what_matches() {
    const LINES: usize = 30_000;
    let (_logs, log, daemon) = followed();
    let target = "/ws?lines=all&grep=%5E%5Cd*7%20";
    let (mut stalled, mut reads) = (daemon.websocket(target), daemon.websocket(target));
    let matching = || (0..LINES).filter(|n| n % 10 == 7);
    thread::scope(|scope| {
        scope.spawn(|| expect(&mut reads, matching()));
        append_numbers(&log, 1..LINES, 4000, 20);
    });
    expect(&mut stalled, matching());
}

/// Reads in fits and starts, and pings all the while.
fn read_moodily(mut client: Client, lines: usize, seed: usize) {
    for from in (0..lines).step_by(500) {
        client.send(Message::Ping("p".into()));
        thread::park_timeout(Duration::from_millis(((from / 500 * 7 + seed) % 30) as u64));
        expect(&mut client, from..lines.min(from + 500));
    }
}

#[test]
fn answers_to_pings_stand_between_the_lines_of_clients_that_fall_back() {
    const LINES: usize = 30_000;
    let (_logs, log, daemon) = followed();
    thread::scope(|scope| {
        for seed in 0..6 {
            let filter = if seed % 2 == 0 { "" } else { "&grep=x" };
            let client = daemon.websocket(&format!("/ws?lines=all{filter}"));
            scope.spawn(move || read_moodily(client, LINES, seed));
        }
        append_numbers(&log, 1..LINES, 900, 30);
    });
}

#[test]
fn a_slow_client_is_told_of_the_end_after_a_whole_line() {
    let (_logs, log, mut daemon) = followed();
    let mut slow: Vec<Client> = (0..8).map(|_| daemon.websocket("/ws?lines=all")).collect();
    for client in &mut slow {
        expect(client, 0..1);
    }
    // Enough to fill every socket, so that each has half a frame on its way.
    append_numbers(&log, 1..12_000, 1000, 10);
    thread::scope(|scope| {
        daemon.signal(Signal::SIGTERM);
        for mut client in slow {
            scope.spawn(move || {
                for wanted in 1.. {
                    match client.message() {
                        Message::Text(text) => assert_eq!(number(text.as_str()), wanted),
                        Message::Close(frame) => {
                            assert_eq!(u16::from(frame.expect("a code").code), 1001);
                            break;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    assert!(
        daemon
            .ended(DEADLINE)
            .is_some_and(|status| status.success())
    );
}

#[test]
fn a_flood_of_pings_costs_no_memory() {
    const ADDED_KIB_MAX: u64 = 1_000_000 / 1024;
    /// More than all buffers between the two.
    const FLOOD_BYTES_MAX: usize = 64 * 1024 * 1024;
    let (_logs, _, daemon) = followed();
    // One that pings and reads: from then on the code for it is in memory.
    let mut other = daemon.websocket("/ws?lines=all");
    expect(&mut other, 0..1);
    other.send(Message::Ping("p".into()));
    assert!(matches!(other.message(), Message::Pong(_)));

    let before = daemon.resident_kib();
    let mut client = daemon.websocket("/ws?lines=all");
    let flood = frame(0x89, &[b'p'; 125]).repeat(500);
    let brief = Duration::from_millis(500);
    let mut most = 0;
    let mut flooded = 0;
    // Until it takes no more, which is its right.
    while flooded < FLOOD_BYTES_MAX && client.takes(&flood, brief) {
        flooded += flood.len();
        most = most.max(daemon.resident_kib());
    }
    most = most.max(daemon.resident_kib());
    let added = most.saturating_sub(before);
    assert!(added < ADDED_KIB_MAX, "it added {added} KiB");
    // The other is still served, in order.
    other.send(Message::Ping("p".into()));
    assert!(matches!(other.message(), Message::Pong(_)));
}
