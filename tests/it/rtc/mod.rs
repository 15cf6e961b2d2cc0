//! Data channels: lines by WebRTC are those of `/ws`, whoever offers what.

mod browser;
mod client;

use std::fs;
use std::io::Read;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::http::Answer;
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use client::Peer;

const LISTEN: [&str; 2] = ["--rtc-listen", "127.0.0.1:0"];

/// A peer whose offer was accepted at `target`; and the Location.
fn connect(daemon: &Daemon, target: &str) -> (Peer, String) {
    let mut peer = Peer::new();
    let answer = offer(daemon, target, &peer.offer, &[]);
    assert_eq!(answer.status, 201, "{}", answer.text());
    peer.accept(&answer.text());
    let location = answer.field("location").expect("a Location").to_owned();
    (peer, location)
}

/// What an offer is answered with.
fn offer(daemon: &Daemon, target: &str, offer: &str, fields: &[&str]) -> Answer {
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
        daemon.port,
        offer.len()
    );
    for field in fields {
        request.push_str(field);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(offer);
    daemon.send(request.as_bytes())
}

fn json(peer: &mut Peer) -> Value {
    serde_json::from_str(&peer.text()).expect("JSON")
}

/// Datagrams of noise, of all lengths, some of which begin as those of ICE, DTLS, RTP and RTCP do.
fn noise() -> impl Iterator<Item = Vec<u8>> {
    const BEGINNINGS: [&[u8]; 6] = [
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        &[22, 254, 253, 0, 0],
        &[23, 254, 253, 0, 1],
        &[21, 254, 253, 0, 1],
        &[128, 96],
        &[128, 200, 0, 1],
    ];
    let mut noise = fs::File::open("/dev/urandom").expect("noise");
    (0..2_000).map(move |n| {
        let mut datagram = vec![0; n % 1400];
        noise.read_exact(&mut datagram).expect("noise");
        for (byte, begins) in datagram
            .iter_mut()
            .zip(BEGINNINGS.get(n % 9).copied().unwrap_or_default())
        {
            *byte = *begins;
        }
        datagram
    })
}

/// Where the datagrams go.
fn udp(daemon: &Daemon) -> String {
    let said = daemon.said_with("data channels by udp://");
    said[0]
        .rsplit("udp://")
        .next()
        .expect("an address")
        .to_owned()
}

fn streams(daemon: &Daemon) -> usize {
    let metrics = daemon.get("/metrics").text();
    let clients = metrics
        .lines()
        .filter(|line| line.starts_with("tailcast_clients{"));
    let number = |line: &str| line.rsplit(' ').next()?.parse::<usize>().ok();
    clients.filter_map(number).sum()
}

#[test]
fn a_data_channel_gets_what_ws_gets_and_ends_by_its_location() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\ntwo\nthree\n");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, location) = connect(&daemon, "/rtc?lines=2");
    peer.opens();
    assert_eq!([peer.text(), peer.text()], ["two", "three"]);
    append(&log, "four\n");
    assert_eq!(peer.text(), "four");
    assert_eq!(daemon.ask("DELETE", &location, &[]).status, 204);
    assert_eq!(peer.next(), None);
    assert!(wait_until(DEADLINE, || daemon
        .ask("DELETE", &location, &[])
        .status
        == 404));
    assert!(wait_until(DEADLINE, || streams(&daemon) == 0));
    // At its end a stream without `follow` has been taken whole.
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all&follow=false&format=json&grep=o");
    let all: Vec<String> = std::iter::from_fn(|| peer.next()).collect();
    let lines: Vec<Value> = all
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    let lines: Vec<_> = lines
        .iter()
        .filter_map(|object| object["line"].as_str())
        .collect();
    assert_eq!(lines, ["one", "two", "four"]);
    assert!(
        all.last().is_some_and(|text| text.contains("\"end\"")),
        "{all:?}"
    );
}

/// Reads batches up to line `end`, each line once and in order, and returns the id of the last.
fn reads(peer: &mut Peer, next: &mut usize, end: usize) -> String {
    let mut id = String::new();
    while *next < end {
        let got = json(peer);
        assert_ne!(got["event"], "gap", "{got}");
        if let Some(lines) = got["lines"].as_array() {
            for line in lines {
                assert_eq!(line.as_str(), Some(format!("line {next}").as_str()));
                *next += 1;
            }
            got["id"].as_str().expect("an id").clone_into(&mut id);
        }
    }
    id
}

#[test]
fn two_hundred_thousand_lines_come_once_in_order_over_a_rotation_and_a_restart() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?format=batch&lines=all");
    let lines =
        |from: usize, to: usize| -> String { (from..to).map(|n| format!("line {n}\n")).collect() };
    let mut next = 0;
    append(&log, lines(0, 100_000));
    reads(&mut peer, &mut next, 50_000);
    fs::rename(&log, logs.path("app.log.1")).expect("rename");
    fs::write(&log, lines(100_000, 150_000)).expect("written");
    let id = reads(&mut peer, &mut next, 120_000);
    drop(daemon);
    append(&log, lines(150_000, 200_000));
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, &format!("/rtc?format=batch&after={id}"));
    reads(&mut peer, &mut next, 200_000);
    assert_eq!(next, 200_000);
}

#[test]
fn a_peer_that_stalls_falls_back_to_the_file_and_delays_nobody() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?format=batch&lines=all");
    let mut other = daemon.websocket("/ws?format=batch&lines=all");
    let mut next = 0;
    append(&log, "line 0\n");
    reads(&mut peer, &mut next, 1);
    let before = daemon.peak_kib();
    // Some 8 MB while the peer does nothing at all.
    let text: String = (1..60_000).map(|n| format!("line {n}\n")).collect();
    let pad = "x".repeat(120);
    let mut padded = String::with_capacity(text.len() * 8);
    for line in text.lines() {
        padded.push_str(line);
        padded.push_str(&pad);
        padded.push('\n');
    }
    append(&log, &padded);
    let mut got = 0;
    while got < 60_000 {
        got += other.json()["lines"].as_array().map_or(0, Vec::len);
    }
    let grown = daemon.peak_kib() - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
    while next < 60_000 {
        let batch = json(&mut peer);
        for line in batch["lines"].as_array().into_iter().flatten() {
            let line = line.as_str().expect("a line");
            assert_eq!(line.trim_end_matches('x'), format!("line {next}"));
            next += 1;
        }
        assert_ne!(batch["event"], "gap", "{batch}");
    }
}

#[test]
fn a_message_that_is_longer_than_the_peer_takes_comes_in_parts() {
    let logs = Logs::new();
    let long = "\u{20ac}uro ".repeat(2_000);
    let log = logs.file("app.log", format!("{long}\nshort\n"));
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let mut peer = Peer::new();
    let small = peer
        .offer
        .replace("max-message-size:262144", "max-message-size:1000");
    assert_ne!(small, peer.offer);
    let answer = offer(&daemon, "/rtc?lines=all", &small, &[]);
    peer.accept(&answer.text());
    assert_eq!(peer.text(), long);
    assert_eq!(peer.parts_len, long.len() / 1000);
    assert_eq!(peer.text(), "short");
}

#[test]
fn an_empty_line_comes_as_a_newline_and_holds_nothing_up() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n\n\nfour\n");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all");
    let got: Vec<String> = (0..4).map(|_| peer.text()).collect();
    assert_eq!(got, ["one", "\n", "\n", "four"]);
}

#[test]
fn short_lines_do_not_wait_for_an_acknowledgement_each_time() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all");
    append(&log, "first\n");
    assert_eq!(peer.text(), "first");
    let lines: String = (0..10_000).map(|n| format!("{n}\n")).collect();
    append(&log, &lines);
    // By one datagram each 200 ms it would be a minute or more.
    let end = Instant::now() + 2 * DEADLINE;
    for n in 0..10_000 {
        assert_eq!(peer.text(), n.to_string());
        assert!(Instant::now() < end, "only {n} lines in time");
    }
}

#[test]
fn who_may_not_ask_is_told_so_as_by_ws() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let daemon = Daemon::with(&[&LISTEN[..], &["--max-clients", "1"]].concat(), &[&log]);
    let sdp = Peer::new().offer;
    let status = |target: &str, sdp: &str, fields: &[&str]| {
        let answer = offer(&daemon, target, sdp, fields);
        (answer.status, answer.text())
    };
    assert_eq!(
        status("/rtc", &sdp, &["Origin: https://evil.example"]).0,
        403
    );
    assert_eq!(status("/rtc", &sdp, &["Sec-Fetch-Site: cross-site"]).0, 403);
    assert_eq!(status("/rtc?file=none", &sdp, &[]).0, 404);
    assert_eq!(status("/rtc?lines=many", &sdp, &[]).0, 400);
    assert_eq!(status("/rtc", "v=0 what?", &[]).0, 400);
    assert_eq!(
        status("/rtc", &sdp.replace("m=application", "m=audio"), &[]).0,
        400
    );
    assert_eq!(daemon.ask("POST", "/rtc", &[]).status, 400);
    let get = daemon.get("/rtc");
    assert_eq!((get.status, get.field("allow")), (405, Some("POST")));
    assert_eq!(daemon.ask("DELETE", "/rtc/nobody", &[]).status, 404);
    // A place is a place, by whatever way.
    let (_peer, _) = connect(&daemon, "/rtc");
    let (code, text) = status("/rtc", &sdp, &[]);
    assert_eq!(code, 503, "{text}");
    assert!(text.contains("--max-clients is 1"), "{text}");
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let daemon = Daemon::with(
        &[
            &LISTEN[..],
            &["--token-file", tokens.to_str().expect("UTF-8")],
        ]
        .concat(),
        &[&log],
    );
    assert_eq!(offer(&daemon, "/rtc", &sdp, &[]).status, 401);
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all&token=0123456789abcdef");
    assert_eq!(peer.text(), "one");
}

#[test]
fn without_the_option_there_is_no_such_path() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("app.log", "")]);
    assert_eq!(daemon.get("/rtc").status, 404);
    assert_eq!(offer(&daemon, "/rtc", &Peer::new().offer, &[]).status, 405);
}

#[test]
fn a_peer_that_vanishes_is_noticed_within_two_ping_intervals() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let daemon = Daemon::with(&[&LISTEN[..], &["--ping-interval", "5"]].concat(), &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all");
    assert_eq!(peer.text(), "one");
    assert_eq!(streams(&daemon), 1);
    drop(peer);
    let since = Instant::now();
    assert!(wait_until(2 * DEADLINE, || streams(&daemon) == 0));
    assert!(
        since.elapsed() < Duration::from_secs(16),
        "{:?}",
        since.elapsed()
    );
}

#[test]
fn garbage_strangers_and_offers_that_nobody_follows_up_cost_nobody_anything() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all");
    assert_eq!(peer.text(), "one");
    // Strangers.
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let at = udp(&daemon);
    for datagram in noise() {
        let _ = stranger.send_to(&datagram, &at);
    }
    // And one who sends by the name of the peer.
    for datagram in noise() {
        let _ = peer.socket.send_to(&datagram, &at);
    }
    append(&log, "half\n");
    assert_eq!(peer.text(), "half");
    // The same offer once more is another peer, and the first one does not notice.
    let mut twice = Peer::new();
    let answers: Vec<_> = (0..3)
        .map(|_| offer(&daemon, "/rtc?lines=all", &twice.offer, &[]))
        .collect();
    assert!(answers.iter().all(|answer| answer.status == 201));
    twice.accept(&answers[1].text());
    assert_eq!([twice.text(), twice.text()], ["one", "half"]);
    // A thousand offers that nobody follows up.
    let sdp = Peer::new().offer;
    let mut statuses = [0, 0];
    for _ in 0..1_000 {
        // A browser says all the time that it is still there, however long this takes.
        for peer in [&mut peer, &mut twice] {
            peer.step(Duration::ZERO);
        }
        match offer(&daemon, "/rtc", &sdp, &[]).status {
            201 => statuses[0] += 1,
            503 => statuses[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(statuses[1] > 0, "{statuses:?}");
    append(&log, "two\n");
    assert_eq!([peer.text(), twice.text()], ["two", "two"]);
    // Soon there is room for who means it.
    let mut late = Peer::new();
    let mut answer = offer(&daemon, "/rtc?lines=1", &late.offer, &[]);
    let is_let_in = wait_until(DEADLINE, || {
        if answer.status == 503 {
            answer = offer(&daemon, "/rtc?lines=1", &late.offer, &[]);
        }
        answer.status == 201
    });
    assert!(is_let_in, "{}", answer.text());
    late.accept(&answer.text());
    assert_eq!(late.text(), "two");
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn an_open_data_channel_on_which_nothing_comes_costs_next_to_nothing() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let daemon = Daemon::with(&LISTEN, &[&log]);
    let (mut peer, _) = connect(&daemon, "/rtc?lines=all");
    assert_eq!(peer.text(), "one");
    let before = daemon.ticks();
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        peer.step(Duration::from_millis(50));
    }
    // Hundredths of a second.
    let ticks = daemon.ticks() - before;
    assert!(ticks < 20, "{ticks} ticks in 2 s");
}
