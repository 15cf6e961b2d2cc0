//! Deflated streams: who asks for gzip gets the same bytes in fewer.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::http::{Answer, Live, gunzipped};
use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};

const GZIP: &[&str] = &["Accept-Encoding: gzip"];

/// Streams of two files, `a.log` and `b.log`.
const STREAMS: &[&str] = &[
    "/stream?file=a.log",
    "/stream?file=a.log&format=json",
    "/stream?file=a.log&grep=1",
    "/stream?",
    "/stream?format=json",
    "/stream?exclude=1",
    "/events?file=a.log",
    "/events?file=a.log&format=json",
    "/events?file=a.log&exclude=1",
    "/events?",
    "/events?grep=1",
];

/// What the program gzip makes of `member`, to its end.
fn gunzip(member: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip");
    gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = gzip.spawn().expect("start gzip");
    let mut input = child.stdin.take().expect("a pipe");
    let output = thread::scope(|scope| {
        scope.spawn(move || input.write_all(member).expect("write to gzip"));
        child.wait_with_output().expect("what gzip says")
    });
    assert!(output.status.success(), "{}", output.status);
    output.stdout
}

/// Whether the body is said to be deflated; that it may be is always said.
fn is_gzip(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
    match answer.field("content-encoding") {
        Some(coding) => {
            assert_eq!(coding, "gzip");
            true
        }
        None => false,
    }
}

/// Lines that gain little by being deflated, numbered: `seed` makes them others.
fn noise(from: usize, to: usize, len: usize) -> String {
    let mut text = String::new();
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ from as u64;
    for number in from..to {
        let begin = text.len();
        let _ = write!(text, "{number:08} ");
        while text.len() - begin < len - 1 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let _ = write!(text, "{state:016x}");
        }
        text.truncate(begin + len - 1);
        text.push('\n');
    }
    text
}

fn number(line: &str) -> usize {
    let begin = line.strip_prefix("data: ").unwrap_or(line);
    begin[..8].parse().expect("a numbered line")
}

#[test]
fn a_whole_body_is_what_a_plain_client_gets() {
    let logs = Logs::new();
    let mut bytes = noise(0, 3_000, 100).into_bytes();
    bytes.extend(b"\xff is no UTF-8 \0\r\n\n1\n");
    // Longer than a block that is stored as it is.
    bytes.extend(noise(7, 8, 200_000).into_bytes());
    let a = logs.file("a.log", &bytes);
    let b = logs.file("b.log", "1\n2\n".repeat(20_000));
    let daemon = Daemon::follow(&[&a, &b]);
    for stream in STREAMS {
        for lines in ["0", "2", "all"] {
            let target = format!("{stream}&follow=false&lines={lines}");
            let plain = daemon.get(&target);
            assert!(!is_gzip(&plain), "{target}");
            let deflated = daemon.ask("GET", &target, GZIP);
            assert!(is_gzip(&deflated), "{target}");
            assert!(gunzip(&deflated.body) == plain.body, "{target} differs");
        }
    }
}

#[test]
fn a_live_line_can_be_read_at_once() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "0\n"), logs.file("b.log", "0\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    for stream in STREAMS {
        let mut plain = daemon.live(&format!("{stream}&lines=1"));
        let mut deflated = daemon.live_gzip(&format!("{stream}&lines=1"));
        // Only then the lines of different files come to both in the same order.
        all_are_live(&daemon, 2);
        for turn in b'a'..b'g' {
            let turn = char::from(turn);
            // One line alone, then some together; each in both files, and in one twice.
            let other = if "ad".contains(turn) { &b } else { &a };
            append(other, format!("{turn}1\n"));
            append(&a, format!("1{turn}\n2{turn}\n"));
            let mut line = String::new();
            while !line.contains(&format!("1{turn}")) && !line.contains(&format!("2{turn}")) {
                line = deflated.line();
                assert_ne!(line, "", "{stream} ended");
                assert_eq!(line, plain.line(), "{stream}");
            }
        }
    }
}

#[test]
fn a_quiet_event_stream_has_its_heartbeats() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--ping-interval", "0.1"], &[&log]);
    for target in ["/events", "/events?grep=x"] {
        let mut live = daemon.live_gzip(target);
        let beat = if target.contains("grep") {
            "id: "
        } else {
            ":\n"
        };
        let mut beats = 0;
        while beats < 4 {
            let line = live.line();
            assert_ne!(line, "", "it ended");
            beats += usize::from(line.starts_with(beat));
        }
    }
}

/// A connection that soon holds up who writes to it.
fn narrow(daemon: &Daemon) -> TcpStream {
    let stream = daemon.connect();
    setsockopt(&stream, RcvBuf, &(32 * 1024)).expect("a small buffer");
    stream
}

/// What the metrics that begin with `name` add up to.
fn metric(daemon: &Daemon, name: &str) -> u64 {
    let metrics = daemon.get("/metrics").text();
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let number = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
    lines.map(|line| number(line).expect("a number")).sum()
}

/// Waits until so many streams are live, and no other.
fn all_are_live(daemon: &Daemon, count: u64) {
    let states = || -> (u64, u64) {
        let metrics = daemon.get("/metrics").text();
        let with = |state: &str| {
            let lines = metrics.lines();
            let lines = lines.filter(|line| line.starts_with("tailcast_clients{"));
            let lines = lines.filter(|line| line.contains(state));
            let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            counts.sum::<u64>()
        };
        (with(r#"state="live""#), with(r#"state="catching_up""#))
    };
    assert!(
        wait_until(DEADLINE, || states() == (count, 0)),
        "{:?}",
        states()
    );
}

/// Reads exactly these lines.
fn expect(live: &mut Live, numbers: impl Iterator<Item = usize>, what: &str) {
    for wanted in numbers {
        loop {
            let line = live.line();
            assert_ne!(line, "", "{what} ended before {wanted}");
            if line.len() > 100 {
                assert_eq!(number(&line), wanted, "{what}");
                break;
            }
        }
    }
}

#[test]
fn a_slow_client_that_falls_back_to_the_file_loses_nothing() {
    const LINES: usize = 15_000;
    let logs = Logs::new();
    let log = logs.file("a.log", noise(0, 1, 1000));
    // Who waits for its turn here, for long on a busy machine, is not to be taken for gone.
    let daemon = Daemon::with(&["--queue", "4", "--ping-interval", "600"], &[&log]);
    let targets = [
        "/stream?",
        "/events?",
        "/stream?grep=7",
        "/events?exclude=zz",
    ];
    let mut stalled: Vec<Live> = targets
        .iter()
        .map(|target| Live::gzip(narrow(&daemon), &format!("{target}&lines=all")))
        .collect();
    let mut keeps_up = daemon.live_gzip("/stream?lines=all");
    expect(&mut keeps_up, 0..1, "who keeps up");
    all_are_live(&daemon, 5);
    let text = noise(1, LINES, 1000);
    thread::scope(|scope| {
        scope.spawn(|| expect(&mut keeps_up, 1..LINES, "who keeps up"));
        for some in text.as_bytes().chunks(50_000) {
            append(&log, some);
        }
    });
    let passes = |n: &usize| *n == 0 || text[(n - 1) * 1000..n * 1000].contains('7');
    for (live, target) in stalled.iter_mut().zip(targets) {
        if target.contains("grep=7") {
            assert!(noise(0, 1, 1000).contains('7'));
            expect(live, (0..LINES).filter(passes), target);
        } else {
            expect(live, 0..LINES, target);
        }
    }
    // What had piled up for each, 8 MB, fits in no buffer.
    let fell_back = metric(&daemon, "tailcast_catch_ups_total");
    assert!(fell_back >= targets.len() as u64, "{fell_back} fell back");
}

#[test]
fn clients_that_read_in_fits_and_starts_get_every_line_once() {
    const LINES: usize = 20_000;
    let logs = Logs::new();
    let log = logs.file("a.log", noise(0, 1, 900));
    let daemon = Daemon::with(&["--queue", "2"], &[&log]);
    thread::scope(|scope| {
        for seed in 0..6_usize {
            let target = ["/stream?lines=all", "/events?lines=all&exclude=zz"][seed % 2];
            let mut live = Live::gzip(narrow(&daemon), target);
            scope.spawn(move || {
                for from in (0..LINES).step_by(500) {
                    let pause = (from / 500 * 7 + seed) % 30;
                    thread::park_timeout(Duration::from_millis(pause as u64));
                    expect(&mut live, from..LINES.min(from + 500), target);
                }
            });
        }
        for from in (1..LINES).step_by(30) {
            append(&log, noise(from, LINES.min(from + 30), 900));
        }
    });
}

#[test]
fn the_trailer_is_right_for_who_takes_a_whole_body_slowly() {
    let logs = Logs::new();
    let text = noise(0, 20_000, 1000);
    let log = logs.file("a.log", &text);
    let daemon = Daemon::follow(&[&log]);
    for target in ["/stream", "/events"] {
        let target = format!("{target}?follow=false&lines=all");
        let stream = narrow(&daemon);
        let mut body = BufReader::new(gunzipped(stream, &target, &[]));
        let mut lines = Vec::new();
        for turn in 0..6 {
            // Longer than what it has ready is kept for it: it is then cut down, and read again.
            thread::park_timeout(Duration::from_millis(700));
            for _ in 0..300 + turn {
                let mut line = String::new();
                body.read_line(&mut line).expect("a line by the deadline");
                lines.push(line);
            }
        }
        let mut rest = String::new();
        // The decoder checks the trailer.
        body.read_to_string(&mut rest).expect("the rest");
        let whole = lines.concat() + &rest;
        let plain = daemon.get(&target).text();
        assert!(whole == plain, "{target} differs");
    }
}

#[test]
fn who_does_not_ask_for_gzip_gets_none() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    for target in ["/stream?follow=false", "/events?follow=false"] {
        let plain = daemon.get(target);
        for fields in [
            &["Accept-Encoding: identity"][..],
            &["Accept-Encoding: gzip;q=0"],
            &["Accept-Encoding: br, deflate"],
            &["Accept-Encoding: *", "Accept-Encoding: x-gzip;q=0.0"],
        ] {
            let answer = daemon.ask("GET", target, fields);
            assert!(!is_gzip(&answer), "{target} {fields:?}");
            assert_eq!(answer.body, plain.body, "{target} {fields:?}");
        }
        // Also where it may come piece by piece.
        let old = format!("GET {target} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
        let answer = daemon.send(old.as_bytes());
        assert!(!is_gzip(&answer), "{target} by HTTP/1.0");
        assert_eq!(answer.body, plain.body, "{target} by HTTP/1.0");
    }
    let answer = daemon.ask("GET", "/files", GZIP);
    assert_eq!(answer.field("content-encoding"), None);
}

#[test]
fn a_head_says_what_a_get_would_be_sent() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--allow-origin", "https://ok.example"], &[&log]);
    for target in ["/stream", "/events"] {
        assert!(!is_gzip(&daemon.ask("HEAD", target, &[])));
        let deflated = daemon.ask("HEAD", target, GZIP);
        assert!(is_gzip(&deflated) && deflated.body.is_empty());
        let fields = ["Origin: https://ok.example", GZIP[0]];
        let answer = daemon.ask("HEAD", target, &fields);
        let varies = answer.fields.iter().filter(|(name, _)| name == "Vary");
        let varies: Vec<_> = varies.map(|(_, value)| value.as_str()).collect();
        assert_eq!(varies, ["Origin", "Accept-Encoding"]);
    }
}

#[test]
fn what_was_sent_before_a_stop_can_be_read() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let mut daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live_gzip("/stream");
    assert_eq!(live.line(), "1\n");
    all_are_live(&daemon, 1);
    append(&log, "last\n");
    // Else the stop may come before it is looked at; it is then read by who resumes.
    assert_eq!(live.line(), "last\n");
    daemon.signal(Signal::SIGTERM);
    // It is cut off, as a plain one is: no last chunk, no trailer, and so no whole answer to be kept by anybody.
    assert_eq!(live.line(), "");
    assert!(daemon.ended(DEADLINE).is_some_and(|end| end.success()));
}

/// What `curl` prints of `target`.
fn curl(curl: &Path, daemon: &Daemon, target: &str, options: &[&str]) -> Vec<u8> {
    let mut command = Command::new(curl);
    command.args(["-sS", "--fail"]).args(options);
    command.arg(format!("http://127.0.0.1:{}{target}", daemon.port));
    let output = crate::support::finish(command);
    assert!(output.status.success(), "{target}: {output:?}");
    output.stdout
}

#[test]
fn curl_shows_the_same_with_and_without_compressed() {
    let Some(program) = tool(&["curl"]) else {
        return;
    };
    let logs = Logs::new();
    let text = noise(0, 300, 100);
    let log = logs.file("a.log", &text);
    let daemon = Daemon::follow(&[&log]);
    for target in ["/stream", "/events"] {
        let target = format!("{target}?follow=false&lines=all");
        let plain = curl(&program, &daemon, &target, &[]);
        let deflated = curl(&program, &daemon, &target, &["--compressed"]);
        assert!(plain == deflated, "{target} differs");
    }
    let mut command = Command::new(&program);
    command.args(["-sSN", "--compressed"]);
    command.arg(format!("http://127.0.0.1:{}/stream?lines=1", daemon.port));
    let mut child = command.stdout(Stdio::piped()).spawn().expect("start curl");
    let mut shown = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    shown.read_line(&mut line).expect("the last line");
    assert!(text.ends_with(&line));
    append(&log, "live\n");
    line.clear();
    shown.read_line(&mut line).expect("a live line");
    assert_eq!(line, "live\n");
    child.kill().expect("end curl");
    child.wait().expect("the end of curl");
}
