//! Requests as RFC 9112 has them, and as it does not: what is read, what is refused, and that no request, however
//! broken, costs more than itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::support::http::Answer;
use crate::support::{DEADLINE, Daemon, Logs};

fn daemon(logs: &Logs) -> Daemon {
    Daemon::follow(&[&logs.file("a.log", "1\n2\n")])
}

/// All that comes until the end.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read to the end");
    text
}

/// A refusal is a status and one line that a person can read, and says that the connection ends.
#[track_caller]
fn refused(answer: &Answer, status: u16) {
    let line = answer.text();
    assert_eq!(answer.status, status, "{line}");
    assert!(line.ends_with('\n') && line.lines().count() == 1, "{line}");
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.field("connection"), Some("close"));
    let length = answer.field("content-length").map(str::to_owned);
    assert_eq!(length, Some(line.len().to_string()));
}

#[test]
fn a_request_that_breaks_the_rules_is_400() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let heads: &[(&str, &[u8])] = &[
        ("no Host", b"GET / HTTP/1.1"),
        ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a"),
        ("a Host with a path", b"GET / HTTP/1.1\r\nHost: a/b"),
        ("no version", b"GET /\r\nHost: localhost"),
        ("another version", b"GET / HTTP/2.0\r\nHost: localhost"),
        ("a small version", b"GET / http/1.1\r\nHost: localhost"),
        ("two spaces", b"GET  / HTTP/1.1\r\nHost: localhost"),
        (
            "a space in the target",
            b"GET /a b HTTP/1.1\r\nHost: localhost",
        ),
        ("no target", b"GET  HTTP/1.1\r\nHost: localhost"),
        ("a bare path", b"GET stream HTTP/1.1\r\nHost: localhost"),
        ("a fragment", b"GET /#x HTTP/1.1\r\nHost: localhost"),
        ("a broken escape", b"GET /%zz HTTP/1.1\r\nHost: localhost"),
        ("a NUL", b"GET /%00 HTTP/1.1\r\nHost: localhost"),
        (
            "a user name",
            b"GET http://me@localhost/ HTTP/1.1\r\nHost: localhost",
        ),
        (
            "a folded line",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b",
        ),
        (
            "a space before the colon",
            b"GET / HTTP/1.1\r\nHost : localhost",
        ),
        (
            "a space before the first field",
            b"GET / HTTP/1.1\r\n Host: localhost",
        ),
        ("no colon", b"GET / HTTP/1.1\r\nHost: localhost\r\nX"),
        (
            "a control character",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \0",
        ),
        ("a lone CR", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb"),
        (
            "two lengths",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 2",
        ),
        (
            "a length that is none",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1",
        ),
        (
            "length and chunks",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        ),
        (
            "an unknown last coding",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip",
        ),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM"),
        ("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
        ("nothing of the kind", b"\x00\xff\xfe"),
    ];
    for (what, head) in heads {
        let answer = daemon.send(&[head, &b"\r\n\r\n"[..]].concat());
        assert_eq!(answer.status, 400, "{what}");
        refused(&answer, 400);
    }
}

#[test]
fn a_request_that_keeps_the_rules_in_an_unusual_way_is_answered() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let requests: &[(&str, &[u8])] = &[
        ("HTTP/1.0 without Host", b"GET /healthz HTTP/1.0\r\n\r\n"),
        ("a later 1.x", b"GET /healthz HTTP/1.2\r\nHost: localhost\r\n\r\n"),
        ("lone newlines", b"GET /healthz HTTP/1.1\nHost: localhost\n\n"),
        ("blank lines first", b"\r\n\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("the absolute form", b"GET http://localhost/healthz HTTP/1.1\r\nHost: other\r\n\r\n"),
        ("an escaped path", b"GET /%68ealthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a body", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
        (
            "a body in chunks",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a body that never comes",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        ),
        ("no space after the colon", b"GET /healthz HTTP/1.1\r\nHOST:localhost\r\n\r\n"),
    ];
    for (what, request) in requests {
        let answer = daemon.send(request);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "ok\n"),
            "{what}"
        );
    }
}

#[test]
fn what_follows_a_head_is_never_taken_for_a_request() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let smuggled = b"GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for fields in [
        "",
        "Content-Length: 42\r\n",
        "Content-Length: 1\r\n",
        "Connection: keep-alive\r\n",
    ] {
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let answer = daemon.send(&[head.as_bytes(), smuggled].concat());
        assert_eq!(answer.text(), "ok\n", "{fields}");
        let head = head.replace("/healthz", "/stream?follow=false");
        let answer = daemon.send(&[head.as_bytes(), smuggled].concat());
        assert_eq!(answer.text(), "1\n2\n", "{fields}");
    }
}

#[test]
fn a_head_may_come_a_byte_at_a_time() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let mut stream = daemon.connect();
    stream.set_nodelay(true).expect("no delay");
    for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        stream.write_all(&[*byte]).expect("send a byte");
    }
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn half_a_head_that_ends_is_400() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let mut stream = daemon.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: lo")
        .expect("send");
    stream.shutdown(Shutdown::Write).expect("shut");
    assert!(rest(stream).starts_with("HTTP/1.1 400 "));
    // Who says nothing is told nothing.
    let stream = daemon.connect();
    stream.shutdown(Shutdown::Write).expect("shut");
    assert_eq!(rest(stream), "");
}

#[test]
fn who_has_said_all_there_is_to_say_is_answered_all_the_same() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let mut stream = daemon.connect();
    let head = b"GET /stream?follow=false HTTP/1.0\r\n\r\n";
    stream.write_all(head).expect("send");
    stream.shutdown(Shutdown::Write).expect("shut");
    let answer = rest(stream);
    assert!(answer.ends_with("\r\n\r\n1\n2\n"), "{answer}");
}

#[test]
fn a_head_that_never_ends_is_431_at_16_kib_and_the_answer_is_not_lost() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let forever: &[(&str, &[u8], &[u8])] = &[
        ("a target", b"GET /", b"a"),
        ("a method", b"", b"A"),
        ("a field", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"),
        (
            "fields",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n",
            b"X: a\r\n",
        ),
        ("blank lines", b"", b"\r\n"),
    ];
    for (what, begins, goes_on) in forever {
        let mut request = begins.to_vec();
        // Far more than is read of it: a reset would lose the answer.
        while request.len() < 400_000 {
            request.extend_from_slice(goes_on);
        }
        let answer = daemon.send(&request);
        assert_eq!(answer.status, 431, "{what}");
        refused(&answer, 431);
    }
    let mut many = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    many.extend(b"a:\r\n".repeat(500));
    many.extend(b"\r\n");
    refused(&daemon.send(&many), 431);
}

#[test]
fn a_head_that_stops_or_dribbles_is_408_after_ten_seconds() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let mut stream = daemon.connect();
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout");
    let since = Instant::now();
    let mut answer = Vec::new();
    let mut buf = [0; 1024];
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").expect("send");
    let mut stops = daemon.connect();
    stops
        .set_read_timeout(Some(2 * DEADLINE))
        .expect("a timeout");
    stops
        .write_all(b"GET / HTTP/1.1\r\nHost: loc")
        .expect("send");
    while since.elapsed() < 2 * DEADLINE {
        match stream.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&buf[..n]),
            // Nothing yet: another byte.
            Err(_) => stream.write_all(b"a").expect("send a byte"),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
    assert!(rest(stops).starts_with("HTTP/1.1 408 "));
    let took = since.elapsed();
    assert!(
        took > Duration::from_secs(9) && took < Duration::from_secs(15),
        "{took:?}"
    );
}

#[test]
fn every_answer_says_that_nothing_in_it_is_of_another_type() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let paths = [
        "/",
        "/files",
        "/metrics",
        "/healthz",
        "/stream?follow=false",
        "/events?follow=false",
        "/no",
    ];
    for target in paths {
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let answer = daemon.ask(method, target, &[]);
            let sniff = answer.field("x-content-type-options");
            assert_eq!(sniff, Some("nosniff"), "{method} {target}");
        }
    }
    for target in [
        "/stream",
        "/events",
        "/stream?format=json",
        "/events?format=json",
    ] {
        let answer = daemon.ask("HEAD", target, &[]);
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{target}");
        assert_eq!(answer.field("x-accel-buffering"), Some("no"), "{target}");
    }
}

#[test]
fn a_stream_is_chunked_or_for_http_1_0_ends_with_its_connection() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let chunked = daemon.get("/stream?follow=false");
    assert_eq!(chunked.field("transfer-encoding"), Some("chunked"));
    assert_eq!(chunked.text(), "1\n2\n");
    let closed = daemon.send(b"GET /stream?follow=false HTTP/1.0\r\n\r\n");
    assert_eq!(closed.field("transfer-encoding"), None);
    assert_eq!(closed.field("content-length"), None);
    assert_eq!(closed.text(), "1\n2\n");
}
