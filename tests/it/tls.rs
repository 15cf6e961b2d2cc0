//! https and wss: what speaks to it, what it answers to what doesn't, and that a stream over TLS is promised no less.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use tungstenite::{Message, WebSocket};

use crate::support::tls::{Pair, Tls, to_the_end};
use crate::support::{DEADLINE, Daemon, Logs, append, run, tool, wait_until};

const GET: &str = "GET /stream?follow=false&lines=all HTTP/1.0\r\nHost: localhost\r\n\r\n";

fn serve(pair: &Pair, options: &[&str], logs: &Logs) -> Daemon {
    let log = logs.path("a.log");
    Daemon::with(&[&pair.options()[..], options].concat(), &[&log])
}

fn numbered(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "line {number}");
        text
    })
}

fn websocket(daemon: &Daemon, trust: &Arc<ClientConfig>, target: &str) -> WebSocket<Tls> {
    let url = format!("wss://localhost:{}{target}", daemon.port);
    match tungstenite::client::client(url, daemon.tls(trust)) {
        Ok((socket, _)) => socket,
        Err(error) => panic!("the handshake for {target} failed: {error}"),
    }
}

/// The next text.
fn text(socket: &mut WebSocket<Tls>) -> String {
    loop {
        match socket.read().expect("a message by the deadline") {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Ping(_) => {}
            other => panic!("not a text: {other:?}"),
        }
    }
}

/// What `program` says when it is given `input` and then nothing more.
fn said_by(program: &mut Command, input: &str) -> Output {
    let child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("start a client");
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that has left already needs no input.
    let _ = stdin.write_all(input.as_bytes());
    // Kept open: s_client leaves at the end of its input.
    let output = child.wait_with_output().expect("wait");
    drop(stdin);
    output
}

#[test]
fn curl_reads_over_tls_1_2_and_1_3() {
    if tool(&["curl"]).is_none() {
        return;
    }
    let logs = Logs::new();
    logs.file("a.log", "one\ntwo\n");
    for kind in [
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"][..],
        &["rsa:2048"],
        &["ed25519"],
    ] {
        let pair = Pair::make(&logs, kind[0].split(':').next().expect("a name"), kind);
        let daemon = serve(&pair, &[], &logs);
        assert!(daemon.says(&format!("listening on https://127.0.0.1:{}", daemon.port)));
        let url = format!("https://localhost:{}/stream?follow=false", daemon.port);
        for version in [&["--tlsv1.3"][..], &["--tlsv1.2", "--tls-max", "1.2"]] {
            let mut curl = Command::new("curl");
            curl.args([
                "-sS",
                "--max-time",
                "10",
                "-w",
                "%{http_version}",
                "--cacert",
            ]);
            let output = said_by(curl.arg(&pair.cert).args(version).arg(&url), "");
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                output.stdout, b"one\ntwo\n1.1",
                "{kind:?} {version:?}: {why}"
            );
        }
        let mut curl = Command::new("curl");
        let output = said_by(curl.args(["-sS", "--max-time", "10", &url]), "");
        assert_eq!(output.status.code(), Some(60), "a certificate nobody knows");
    }
}

#[test]
fn openssl_is_told_http_1_1_and_the_end() {
    let logs = Logs::new();
    logs.file("a.log", "one\ntwo\n");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let connect = |options: &[&str]| {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["s_client", "-ign_eof", "-alpn", "h2,http/1.1", "-connect"])
            .arg(format!("localhost:{}", daemon.port))
            .args(["-verify_return_error", "-CAfile"])
            .arg(&pair.cert)
            .args(options);
        let output = said_by(&mut openssl, GET);
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (ended_well, said) = connect(&[option]);
        for part in [
            "ALPN protocol: http/1.1",
            "Verify return code: 0 (ok)",
            version,
            "HTTP/1.1 200 OK",
            "one\ntwo\n",
        ] {
            assert!(said.contains(part), "{option}, {part}: {said}");
        }
        assert!(ended_well, "{option}: no close_notify: {said}");
    }
    let (ended_well, said) = connect(&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(!ended_well && !said.contains("HTTP/1.1 200"), "{said}");
}

#[test]
fn a_request_in_the_clear_is_told_to_use_https() {
    let logs = Logs::new();
    logs.file("a.log", "secret\n");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let mut upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n".to_vec();
    upload.resize(upload.len() + 200_000, b'x');
    for request in [GET.as_bytes(), b"nonsense\r\n\r\n", &upload] {
        let answer = daemon.send(request);
        let line = answer.text();
        assert_eq!(answer.status, 400, "{line}");
        assert!(
            line.contains("https://") && line.lines().count() == 1,
            "{line}"
        );
    }
    let pair = [&pair].map(|pair| pair.trust(&[&TLS13]));
    let mut tls = daemon.tls(&pair[0]);
    tls.write_all(GET.as_bytes()).expect("send a request");
    assert!(to_the_end(&mut tls).ends_with("\r\n\r\nsecret\n"));
}

#[test]
fn couriers_carry_to_clients_over_tls() {
    const CLIENTS: usize = 40;
    const LINES: usize = 2000;
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let versions = [pair.trust(&[&TLS12]), pair.trust(&[&TLS13])];
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|n| websocket(&daemon, &versions[n % 2], "/ws?lines=all"))
        .collect();
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(move || {
                for number in 0..LINES {
                    assert_eq!(text(client), format!("line {number}"));
                }
            });
        }
        for line in numbered(LINES).split_inclusive('\n') {
            append(&log, line);
        }
    });
    // What is live costs its own line at once: nothing is left in a buffer of TLS until more comes.
    append(&log, "last\n");
    for client in &mut clients {
        assert_eq!(text(client), "last");
    }
}

#[test]
fn a_client_over_tls_that_does_not_read_delays_nobody_and_misses_nothing() {
    const LINES: usize = 100_000;
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &["--queue", "4"], &logs);
    let trust = pair.trust(&[&TLS13]);
    let mut slow = websocket(&daemon, &trust, "/ws?lines=all");
    let mut quick = websocket(&daemon, &trust, "/ws?lines=all");
    let line = |number: usize| format!("{number:0100}");
    let mut batch = String::new();
    for number in 0..LINES {
        batch.push_str(&line(number));
        batch.push('\n');
        if number % 1000 == 999 {
            append(&log, std::mem::take(&mut batch));
            for number in number - 999..=number {
                assert_eq!(text(&mut quick), line(number));
            }
        }
    }
    for number in 0..LINES {
        assert_eq!(text(&mut slow), line(number));
    }
    append(&log, "last\n");
    assert_eq!(
        (text(&mut slow), text(&mut quick)),
        ("last".into(), "last".into())
    );
}

#[test]
fn nothing_stays_behind_in_the_buffer_of_tls_and_who_has_it_all_stays() {
    let logs = Logs::new();
    let line = |number: usize| format!("{number:01023}\n");
    let log = logs.file("a.log", (0..1000).map(line).collect::<String>());
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &["--ping-interval", "2"], &logs);
    let trust = pair.trust(&[&TLS13]);
    // Some of them want just a little more than the kernel takes for a client that doesn't read.
    let clients: Vec<(usize, Tls)> = (64..1000)
        .step_by(16)
        .map(|lines| {
            let mut tls = daemon.tls(&trust);
            setsockopt(tls.get_ref(), sockopt::RcvBuf, &65_536).expect("a small buffer");
            let head = format!("GET /stream?lines={lines} HTTP/1.0\r\n\r\n");
            tls.write_all(head.as_bytes()).expect("send a request");
            (lines, tls)
        })
        .collect();
    let up_to = |reader: &mut BufReader<Tls>, last: &str| {
        let mut line = String::new();
        while line.trim_end() != last.trim_end() {
            line.clear();
            if !reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                return false;
            }
        }
        true
    };
    let mut readers = Vec::new();
    for (lines, tls) in clients {
        let mut reader = BufReader::new(tls);
        let came = up_to(&mut reader, &line(999));
        assert!(came, "{lines} lines: the end never came");
        readers.push((lines, reader));
    }
    // Nothing is queued for them any more, so their silence says nothing, for however many intervals.
    let mut pinged = websocket(&daemon, &trust, "/ws?lines=0");
    for _ in 0..3 {
        let message = pinged.read().expect("a message by the deadline");
        assert!(matches!(message, Message::Ping(_)), "{message:?}");
    }
    append(&log, line(1000));
    for (lines, mut reader) in readers {
        let came = up_to(&mut reader, &line(1000));
        assert!(came, "{lines} lines: dropped in a silence of the log");
    }
}

#[test]
fn what_comes_together_with_the_head_is_heard() {
    let logs = Logs::new();
    logs.file("a.log", "one\n");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let mut tls = daemon.tls(&pair.trust(&[&TLS13]));
    let mut request = b"GET /ws?lines=0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    // One record: head, 4 KiB that mean nothing, and a close; the kernel tells of it once.
    for _ in 0..32 {
        request.extend(crate::support::websocket::frame(0x82, &[0; 120]));
    }
    request.extend(crate::support::websocket::frame(
        0x88,
        &1000_u16.to_be_bytes(),
    ));
    tls.write_all(&request).expect("send a request");
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer)
        .expect("an end by close_notify");
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert!(
        answer.ends_with(&[0x88, 2, 0x03, 0xe8]),
        "the close is answered"
    );
}

#[test]
fn a_client_over_tls_that_takes_nothing_is_dropped_and_a_slow_one_is_not() {
    const LINES: usize = 1_000_000;
    let logs = Logs::new();
    logs.file("a.log", numbered(LINES));
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &["--ping-interval", "1", "-v"], &logs);
    let trust = pair.trust(&[&TLS13]);
    let ask = || {
        let mut tls = daemon.tls(&trust);
        setsockopt(tls.get_ref(), sockopt::RcvBuf, &65_536).expect("a small buffer");
        tls.write_all(b"GET /stream?lines=all HTTP/1.0\r\n\r\n")
            .expect("send a request");
        tls
    };
    let stuck = ask();
    let mut slow = BufReader::new(ask());
    let (mut lines, mut line) = (0, String::new());
    let dropped = || {
        let said = daemon.said_so_far();
        said.iter().any(|line| {
            line.contains("client 0 ") && line.contains("silent for two ping intervals")
        })
    };
    // It reads until the other one is dropped, a little at a time; what is written to it meanwhile is enough.
    let held = wait_until(DEADLINE, || {
        for _ in 0..500 {
            line.clear();
            slow.read_line(&mut line).expect("a line by the deadline");
            lines += usize::from(line.starts_with("line "));
        }
        dropped()
    });
    assert!(held, "the one that takes nothing is still served");
    while lines < LINES {
        line.clear();
        let read = slow.read_line(&mut line).expect("a line by the deadline");
        assert!(read > 0, "cut off after {lines} lines");
        lines += usize::from(line.starts_with("line "));
    }
    assert_eq!(line.trim_end(), format!("line {}", LINES - 1));
    drop(stuck);
}

#[test]
fn clients_over_tls_that_stopped_reading_cost_no_cpu_until_they_are_dropped() {
    // 0.4 s of CPU, for some 3 s; one that turns in a circle takes more than that by itself.
    const TICKS_MAX: u64 = 40;
    let logs = Logs::new();
    let log = logs.file("a.log", numbered(200_000));
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &["--ping-interval", "1", "--queue", "4"], &logs);
    let trust = pair.trust(&[&TLS13]);
    let alone = daemon.descriptors();
    let ask = |target: &str| {
        let mut tls = daemon.tls(&trust);
        setsockopt(tls.get_ref(), sockopt::RcvBuf, &65_536).expect("a small buffer");
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let upgrade = if target.starts_with("/ws") {
            upgrade
        } else {
            ""
        };
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n");
        tls.write_all(head.as_bytes()).expect("ask");
        tls.read_exact(&mut [0; 12]).expect("an answer");
        tls
    };
    let catch_ups = || {
        let mut tls = daemon.tls(&trust);
        tls.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .expect("ask");
        let text = to_the_end(&mut tls);
        let mut lines = text.lines();
        let count = lines.find_map(|line| line.strip_prefix("tailcast_catch_ups_total "));
        count.expect("a count").parse::<f64>().expect("a number")
    };
    // Live, then dropped by the hub with half a frame out.
    let _live = ["/ws?lines=0", "/stream?lines=0"].map(ask);
    let (before, more) = (catch_ups(), numbered(8_000));
    assert!(wait_until(DEADLINE, || {
        append(&log, &more);
        catch_ups() >= before + 2.0
    }));
    let before = daemon.ticks();
    // These never get to the live edge.
    let _behind = ["/ws?lines=all", "/stream?lines=all"].map(ask);
    let are_dropped = || daemon.descriptors() <= alone;
    assert!(wait_until(DEADLINE, are_dropped), "they are dropped");
    let used = daemon.ticks() - before;
    assert!(used <= TICKS_MAX, "{used} ticks");
}

#[test]
fn a_peer_that_asks_for_a_new_key_gets_it_and_the_lines() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let mut client = websocket(&daemon, &pair.trust(&[&TLS13]), "/ws?lines=all");
    for number in 0..10 {
        client
            .get_mut()
            .conn
            .refresh_traffic_keys()
            .expect("a key update");
        client.get_mut().flush().expect("send it");
        append(&log, format!("line {number}\n"));
        assert_eq!(text(&mut client), format!("line {number}"));
    }
    client
        .send(Message::Ping("still?".into()))
        .expect("send a ping");
    loop {
        if let Message::Pong(what) = client.read().expect("a message by the deadline") {
            assert_eq!(&what[..], b"still?");
            break;
        }
    }
}

#[test]
fn every_stream_over_tls_ends_as_tls_has_it() {
    let logs = Logs::new();
    logs.file("a.log", "one\n");
    let pair = Pair::quick(&logs, "a");
    let mut daemon = serve(&pair, &["--max-clients", "2"], &logs);
    let trust = pair.trust(&[&TLS12, &TLS13]);
    let ask = |target: &str| {
        let mut tls = daemon.tls(&trust);
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        tls.write_all(head.as_bytes()).expect("send a request");
        tls
    };
    assert!(to_the_end(&mut ask("/stream?follow=false")).ends_with("one\n\r\n0\r\n\r\n"));
    assert!(to_the_end(&mut ask("/nowhere")).starts_with("HTTP/1.1 404 "));
    let mut streams = [ask("/events"), ask("/stream")];
    for stream in &mut streams {
        let mut begin = [0; 15];
        stream.read_exact(&mut begin).expect("a head");
        assert_eq!(&begin, b"HTTP/1.1 200 OK");
    }
    assert!(to_the_end(&mut ask("/stream")).starts_with("HTTP/1.1 503 "));
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    for stream in &mut streams {
        to_the_end(stream);
    }
    assert!(
        daemon
            .ended(DEADLINE)
            .is_some_and(|status| status.success())
    );
}

#[test]
fn a_renewed_certificate_is_used_and_drops_nobody() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let (pair, renewed) = (Pair::quick(&logs, "a"), Pair::quick(&logs, "b"));
    let daemon = serve(&pair, &[], &logs);
    let (old, new) = (pair.trust(&[&TLS13]), renewed.trust(&[&TLS13]));
    let mut client = websocket(&daemon, &old, "/ws?lines=all");
    let accepts = |trust: &Arc<ClientConfig>| {
        let mut tls = daemon.tls(trust);
        tls.write_all(GET.as_bytes()).is_ok() && tls.read(&mut [0; 100]).is_ok()
    };
    assert!(accepts(&old) && !accepts(&new));
    // Half of a renewal, which is what a look between the two files sees.
    std::fs::copy(&renewed.key, &pair.key).expect("copy a key");
    assert!(daemon.says("can't be used, so the old ones stay"));
    assert!(accepts(&old) && !accepts(&new));
    renewed.replace(&pair);
    assert!(wait_until(DEADLINE, || accepts(&new)));
    assert!(!accepts(&old));
    append(&log, "still here\n");
    assert_eq!(text(&mut client), "still here");
    std::fs::write(&pair.cert, "-----BEGIN CERTIFICATE-----\nnonsense\n").expect("write");
    assert!(daemon.says("there is none in PEM in it"));
    assert!(accepts(&new));
}

#[test]
fn a_handshake_that_stalls_ends_like_a_head_that_does() {
    let logs = Logs::new();
    logs.file("a.log", "");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let since = Instant::now();
    let stalled = [&b""[..], &[22], &[22, 3, 1, 1, 0, 1]].map(|begin| {
        let mut stream = daemon.connect();
        stream
            .write_all(begin)
            .expect("send the beginning of a handshake");
        let more = Some(Duration::from_secs(20));
        stream.set_read_timeout(more).expect("a timeout");
        stream
    });
    for mut stream in stalled {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("an end");
        assert!(said.len() < 10, "an alert at most: {said:?}");
        let took = since.elapsed();
        assert!(
            took > Duration::from_secs(9) && took < Duration::from_secs(14),
            "{took:?}"
        );
    }
}

#[test]
fn handshakes_that_stall_keep_nobody_out() {
    let logs = Logs::new();
    logs.file("a.log", "one\n");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &[], &logs);
    let trust = pair.trust(&[&TLS13]);
    let stalled: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut stream = daemon.connect();
            stream
                .write_all(&[22, 3, 1])
                .expect("send the beginning of a handshake");
            stream
        })
        .collect();
    let mut tls = daemon.tls(&trust);
    tls.write_all(GET.as_bytes()).expect("send a request");
    assert!(to_the_end(&mut tls).ends_with("one\n"));
    drop(stalled);
}

#[test]
fn nonsense_in_place_of_a_handshake_is_told_so_and_not_reset() {
    let logs = Logs::new();
    logs.file("a.log", "one\n");
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &["-v"], &logs);
    let mut stream = daemon.connect();
    let mut nonsense = vec![22, 3, 1, 0, 200];
    nonsense.resize(100_000, 0xff);
    stream.write_all(&nonsense).expect("send nonsense");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("no reset");
    // An alert (RFC 8446, section 6).
    assert_eq!(said.first(), Some(&21), "{said:?}");
    assert!(daemon.says("sends no request"));
}

#[test]
fn what_a_peer_says_is_heard_while_it_reads_nothing() {
    let logs = Logs::new();
    logs.file("a.log", numbered(4_000_000));
    let pair = Pair::quick(&logs, "a");
    let daemon = serve(&pair, &["-v"], &logs);
    let mut client = websocket(&daemon, &pair.trust(&[&TLS13]), "/ws?lines=all");
    assert_eq!(text(&mut client), "line 0");
    // One record: the kernel tells of it once, and it takes many turns to hear it all.
    let mut words: Vec<u8> = (0..2000)
        .flat_map(|_| crate::support::websocket::frame(0x89, &[]))
        .collect();
    words.extend(crate::support::websocket::frame(
        0x88,
        &1000_u16.to_be_bytes(),
    ));
    client.get_mut().write_all(&words).expect("send pings");
    assert!(daemon.says("it has closed the connection"));
}

#[test]
fn a_deep_filter_and_a_handshake_fit_the_stack_of_a_client() {
    let logs = Logs::new();
    logs.file("a.log", "one\n");
    let pair = Pair::make(&logs, "a", &["rsa:4096"]);
    let daemon = serve(&pair, &[], &logs);
    let deep = format!("{}one{}", "(".repeat(40), ")".repeat(40));
    for version in [&TLS12, &TLS13] {
        let mut tls = daemon.tls(&pair.trust(&[version]));
        let head = format!("GET /stream?follow=false&grep={deep} HTTP/1.0\r\n\r\n");
        tls.write_all(head.as_bytes()).expect("send a request");
        assert!(to_the_end(&mut tls).ends_with("one\n"));
    }
}

#[test]
fn the_cookie_of_a_page_that_came_over_tls_stays_there() {
    let logs = Logs::new();
    logs.file("a.log", "one\n");
    let pair = Pair::quick(&logs, "a");
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let daemon = serve(
        &pair,
        &["--token-file", tokens.to_str().expect("UTF-8")],
        &logs,
    );
    let mut tls = daemon.tls(&pair.trust(&[&TLS13]));
    let own = format!(
        "Host: logs.example:{0}\r\nOrigin: https://logs.example:{0}",
        daemon.port
    );
    let head = format!("GET /?token=0123456789abcdef HTTP/1.1\r\n{own}\r\n\r\n");
    tls.write_all(head.as_bytes()).expect("send a request");
    let answer = to_the_end(&mut tls);
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let cookie = answer.lines().find(|line| line.starts_with("Set-Cookie: "));
    let cookie = cookie.unwrap_or_else(|| panic!("no cookie: {answer}"));
    assert!(
        cookie.contains("; HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
    // Another origin is no more welcome than without TLS.
    let mut tls = daemon.tls(&pair.trust(&[&TLS13]));
    let head = "GET /files?token=0123456789abcdef HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n\r\n";
    tls.write_all(head.as_bytes()).expect("send a request");
    assert!(to_the_end(&mut tls).starts_with("HTTP/1.1 403 "));
}

#[test]
fn unix_and_tcp_listeners_stay_plain() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\n");
    let pair = Pair::quick(&logs, "a");
    let socket = logs.path("socket");
    let unix = format!("unix:{}", socket.display());
    let options = [&pair.options()[..], &["-l", &unix, "-l", "tcp:127.0.0.1:0"]].concat();
    let daemon = Daemon::with(&options, &[&log]);
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("connect");
    stream.write_all(GET.as_bytes()).expect("send a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("\r\n\r\none\n"), "{answer}");
    assert!(daemon.says("listening on tcp://127.0.0.1:"));
}

#[test]
fn a_certificate_that_no_listener_uses_is_warned_of() {
    let logs = Logs::new();
    let (log, pair) = (logs.file("a.log", ""), Pair::quick(&logs, "a"));
    let mut command = crate::support::program();
    command.args(["-l", "tcp:127.0.0.1:0"]).arg(&log);
    command.env("TAILCAST_TLS_CERT", &pair.cert);
    command.env("TAILCAST_TLS_KEY", &pair.key);
    assert!(Daemon::spawn(command).says("--tls-cert is of no use here"));
}

#[test]
fn a_key_that_everybody_can_read_is_warned_of() {
    let logs = Logs::new();
    logs.file("a.log", "");
    let pair = Pair::quick(&logs, "a");
    let warning = "can be read by every user of this machine";
    let daemon = serve(&pair, &[], &logs);
    assert!(
        !daemon
            .said_so_far()
            .iter()
            .any(|line| line.contains(warning))
    );
    std::fs::set_permissions(&pair.key, PermissionsExt::from_mode(0o644)).expect("set the mode");
    assert!(serve(&pair, &[], &logs).says(warning));
}

#[test]
fn a_pair_that_can_not_be_used_is_one_line_and_status_1() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let (pair, other) = (Pair::quick(&logs, "a"), Pair::quick(&logs, "b"));
    let (empty, missing) = (logs.file("empty", ""), logs.path("missing"));
    for (cert, key, wrong) in [
        (&missing, &pair.key, &missing),
        (&pair.cert, &missing, &missing),
        (&empty, &pair.key, &empty),
        (&pair.cert, &empty, &empty),
        (&pair.key, &pair.key, &pair.key),
        (&pair.cert, &pair.cert, &pair.cert),
        (&pair.cert, &other.key, &other.key),
    ] {
        let paths = [cert, key, &log].map(|path| path.to_str().expect("UTF-8"));
        let options = [
            "-l",
            "127.0.0.1:0",
            "--tls-cert",
            paths[0],
            "--tls-key",
            paths[1],
        ];
        let output = run(&[&options[..], &[paths[2]]].concat());
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(wrong.to_str().expect("UTF-8")), "{said}");
    }
    for option in ["--tls-cert", "--tls-key"] {
        let output = run(&[option, pair.cert.to_str().expect("UTF-8"), "a.log"]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(
            said.contains("add --tls-") && said.lines().count() == 1,
            "{said}"
        );
    }
}
