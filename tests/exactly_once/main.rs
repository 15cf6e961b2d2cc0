//! What a WebSocket client is promised: every line once and in order, however it reads; a server whose memory does not
//! follow its clients' pace; a proper goodbye.

mod daemon;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::Message;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::daemon::{Daemon, Dice, Ws, append, close_code, expect, log, number, text};

#[test]
fn clients_that_join_at_any_moment_get_every_line_once() {
    const LINES: usize = 50_000;
    let (_dir, path) = log();
    let daemon = Daemon::start(&path);
    let mut dice = Dice(1);
    thread::scope(|scope| {
        let mut written = 0;
        let mut joins: Vec<_> = (0..20).map(|_| dice.below(LINES)).collect();
        joins.sort_unstable();
        for join in joins {
            append(&path, written..join, 40, 7);
            written = join;
            let mut ws = daemon.connect("lines=all");
            scope.spawn(move || expect(&mut ws, 0..LINES));
        }
        append(&path, written..LINES, 40, 7);
    });
}

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_loses_nothing() {
    const LINES: usize = 60_000;
    let (_dir, path) = log();
    let daemon = Daemon::start(&path);
    let mut stalled = daemon.connect("lines=all");
    let mut other = daemon.connect("lines=all");
    append(&path, 0..1, 1000, 1);
    expect(&mut stalled, 0..1);
    let before = daemon.resident_bytes();
    let mut most = 0;
    thread::scope(|scope| {
        scope.spawn(|| expect(&mut other, 0..LINES));
        for from in (1..LINES).step_by(1000) {
            append(&path, from..LINES.min(from + 1000), 1000, 50);
            most = most.max(daemon.resident_bytes());
        }
    });
    // Pings while nothing is taken: their answers must not go into the middle of a line.
    stalled.send(Message::Ping("p".into())).expect("a ping");
    for wanted in 1..LINES {
        loop {
            match stalled.read().expect("a message in time") {
                Message::Text(text) => {
                    assert_eq!(number(text.as_str()), wanted);
                    break;
                }
                other => assert!(matches!(other, Message::Pong(_) | Message::Ping(_))),
            }
        }
        if wanted % 10_000 == 0 {
            most = most.max(daemon.resident_bytes());
        }
    }
    assert!(most < before + (32 << 20), "grew from {before} to {most}");
}

#[test]
fn a_client_resumes_by_id_also_after_a_restart() {
    const LINES: usize = 20_000;
    let (_dir, path) = log();
    let mut daemon = Daemon::start(&path);
    let mut dice = Dice(2);
    let mut query = "format=json&lines=all".to_owned();
    let mut next = 0;
    let mut written = 0;
    for round in 0.. {
        if next == LINES {
            break;
        }
        let mut ws = daemon.connect(&query);
        let more = (written + dice.below(2500)).min(LINES);
        let upto = if round > 30 { LINES } else { more };
        let from = std::mem::replace(&mut written, upto);
        let stop = next + dice.below(upto - next + 1);
        thread::scope(|scope| {
            scope.spawn(|| append(&path, from..upto, 40, 13));
            while next < stop || (upto == LINES && next < LINES && round > 30) {
                let json: serde_json::Value = serde_json::from_str(&text(&mut ws)).expect("JSON");
                let id = json["id"].as_str().expect("an id");
                query = format!("format=json&after={id}");
                match json["line"].as_str() {
                    Some(line) => {
                        assert_eq!(number(line), next);
                        next += 1;
                    }
                    None => assert_eq!(json["event"], "start", "nothing else happens"),
                }
            }
        });
        if round % 4 == 3 {
            drop(ws);
            daemon.terminate();
            daemon = Daemon::start(&path);
        }
    }
}

#[test]
fn rotation_by_rename_under_load_loses_nothing() {
    const EACH: usize = 4000;
    let (dir, path) = log();
    let daemon = Daemon::start(&path);
    append(&path, 0..1, 40, 1);
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut ws = daemon.connect("lines=all");
            // Its beginning is settled once it has a line.
            expect(&mut ws, 0..1);
            scope.spawn(move || expect(&mut ws, 1..6 * EACH));
        }
        for turn in 0..6 {
            let from = turn * EACH;
            append(&path, from.max(1)..from + EACH - 500, 40, 11);
            if turn == 5 {
                append(&path, from + EACH - 500..from + EACH, 40, 11);
                break;
            }
            // A program goes on writing to the renamed file until it is told of the new one.
            // The names tell the order too: that many rotations may fall into one tick of the kernel's clock.
            let renamed = dir.path().join(format!("log-2026112300{turn:02}"));
            std::fs::rename(&path, &renamed).expect("a rename");
            append(&renamed, from + EACH - 500..from + EACH, 40, 11);
        }
    });
}

#[test]
fn a_filtered_client_that_stalls_gets_exactly_what_matches() {
    const LINES: usize = 30_000;
    let (_dir, path) = log();
    let daemon = Daemon::start(&path);
    let mut stalled = daemon.connect("lines=all&grep=%5E%5Cd*7%20");
    let mut reads = daemon.connect("lines=all&grep=%5E%5Cd*7%20");
    let matching = || (0..LINES).filter(|n| n % 10 == 7);
    thread::scope(|scope| {
        scope.spawn(|| expect(&mut reads, matching()));
        append(&path, 0..LINES, 4000, 20);
    });
    expect(&mut stalled, matching());
}

/// Reads in fits and starts, and pings all the while.
fn read_moodily(mut ws: Ws, lines: usize, mut dice: Dice) {
    let mut next = 0;
    while next < lines {
        if dice.below(500) == 0 {
            ws.send(Message::Ping("p".into())).expect("a ping");
            thread::park_timeout(Duration::from_millis(dice.below(30) as u64));
        }
        match ws.read().expect("a message in time") {
            Message::Text(text) if text.as_str().starts_with("==> ") => {}
            Message::Text(text) => {
                assert_eq!(number(text.as_str()), next);
                next += 1;
            }
            other => assert!(matches!(other, Message::Pong(_) | Message::Ping(_))),
        }
    }
}

#[test]
fn answers_to_pings_stand_between_the_lines_of_clients_that_fall_back() {
    const LINES: usize = 30_000;
    let (_dir, path) = log();
    let daemon = Daemon::start(&path);
    thread::scope(|scope| {
        for seed in 0..6 {
            let filter = if seed % 2 == 0 { "" } else { "&grep=x" };
            let ws = daemon.connect(&format!("lines=all{filter}"));
            scope.spawn(move || read_moodily(ws, LINES, Dice(seed)));
        }
        append(&path, 0..LINES, 900, 30);
    });
}

#[test]
fn a_slow_client_is_told_of_the_end_after_a_whole_line() {
    let (_dir, path) = log();
    let mut daemon = Daemon::start(&path);
    append(&path, 0..1, 40, 1);
    let mut slow: Vec<Ws> = (0..8).map(|_| daemon.connect("lines=all")).collect();
    for ws in &mut slow {
        expect(ws, 0..1);
    }
    // Enough to fill every socket, so that each has half a frame on its way.
    append(&path, 1..12_000, 1000, 10);
    thread::scope(|scope| {
        let daemon = &mut daemon;
        let term = scope.spawn(move || daemon.terminate());
        for mut ws in slow {
            scope.spawn(move || {
                let mut next = 1;
                loop {
                    match ws.read().expect("whole frames up to a close frame") {
                        Message::Text(text) => {
                            assert_eq!(number(text.as_str()), next);
                            next += 1;
                        }
                        Message::Close(frame) => {
                            assert_eq!(u16::from(frame.expect("a code").code), 1001);
                            break;
                        }
                        _ => {}
                    }
                }
            });
        }
        assert!(term.join().expect("it ends") < Duration::from_secs(2));
    });
}

#[test]
fn at_the_end_everyone_is_told_and_nobody_holds_it_up() {
    let (_dir, path) = log();
    let mut daemon = Daemon::start(&path);
    append(&path, 0..20_000, 1000, 100);
    let mut stalled = daemon.connect("lines=all");
    // Once it has had a line, more than the socket holds is on its way.
    expect(&mut stalled, 0..1);
    let mut others: Vec<Ws> = (0..20).map(|_| daemon.connect("lines=1")).collect();
    for ws in &mut others {
        expect(ws, 19_999..20_000);
    }
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    for ws in &mut others {
        assert_eq!(close_code(ws), 1001);
    }
}

#[test]
fn a_flood_of_pings_costs_no_memory() {
    let (_dir, path) = log();
    let daemon = Daemon::start(&path);
    append(&path, 0..1, 40, 1);
    let mut ws = daemon.connect("lines=all");
    expect(&mut ws, 0..1);
    let before = daemon.resident_bytes();
    let stream = ws.get_mut();
    let brief = Some(Duration::from_millis(500));
    stream.set_write_timeout(brief).expect("a timeout");
    let mut ping = vec![0x89, 0xfd, 0, 0, 0, 0];
    ping.extend([b'p'; 125]);
    let flood = ping.repeat(500);
    let began = Instant::now();
    // Until it takes no more, which is its right.
    while began.elapsed() < Duration::from_secs(2) && stream.write_all(&flood).is_ok() {}
    let grown = daemon.resident_bytes().saturating_sub(before);
    assert!(grown < 2 << 20, "it grew by {grown}");
    let mut other = daemon.connect("lines=all");
    expect(&mut other, 0..1);
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_how() {
    let (_dir, path) = log();
    let daemon = Daemon::start(&path);
    let mut ws = daemon.connect("");
    ws.send(Message::text("x".repeat(5000))).expect("sent");
    assert_eq!(close_code(&mut ws), 1009);
    let mut ws = daemon.connect("");
    let bad = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    ws.send(Message::Frame(bad)).expect("sent");
    assert_eq!(close_code(&mut ws), 1007);
    let mut ws = daemon.connect("");
    // A client's frames are masked; this one is not.
    ws.get_mut().write_all(&[0x81, 1, b'a']).expect("sent");
    assert_eq!(close_code(&mut ws), 1002);
}
