//! The table of errors: what a request that isn't served is told.

use crate::support::http::Answer;
use crate::support::{Daemon, Logs, wait_until};

/// A refusal: a status, and one line that a person can read.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> String {
    let line = answer.text();
    assert_eq!(answer.status, status, "{line}");
    let kind = answer.field("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    line
}

#[test]
fn a_value_that_can_not_be_used_is_400_and_named() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    for (target, named) in [
        ("/stream?lines=ten", "lines"),
        ("/stream?lines=-1", "lines"),
        ("/stream?after=%21", "after"),
        ("/stream?after=no-such-id", "no-such-id"),
        ("/stream?follow=maybe", "follow"),
        ("/stream?format=xml", "format"),
        ("/stream?format=batch", "format"),
        ("/events?format=batch", "format"),
        ("/stream?file=%ff", "file"),
        ("/stream?file=", "file"),
    ] {
        let line = refused(&daemon.get(target), 400);
        assert!(line.contains(named), "{target}: {line}");
    }
    let header = "Last-Event-ID: not an id";
    refused(&daemon.ask("GET", "/events", &[header]), 400);
    assert_eq!(daemon.try_websocket("/ws?lines=ten").err(), Some(400));
}

#[test]
fn an_unknown_parameter_is_ignored() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let answer = daemon.get("/stream?colour=blue&follow=false&=&&x");
    assert_eq!(answer.text(), "1\n");
}

#[test]
fn what_is_not_there_is_404() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    for target in ["/nothing", "/stream?file=b.log", "/events?file=b.log"] {
        refused(&daemon.get(target), 404);
    }
}

#[test]
fn another_method_is_405_and_told_what_is_allowed() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for target in ["/", "/stream", "/ws", "/healthz"] {
            let answer = daemon.ask(method, target, &["Content-Length: 0"]);
            refused(&answer, 405);
            let allowed = answer.field("allow").unwrap_or_default();
            assert!(
                allowed.contains("GET") && allowed.contains("HEAD"),
                "{allowed}"
            );
        }
    }
}

#[test]
fn a_refusal_is_not_lost_to_a_reset_while_the_body_still_comes() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut request =
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n".to_vec();
    request.resize(request.len() + 200_000, b'x');
    refused(&daemon.send(&request), 405);
}

#[test]
fn ws_without_an_upgrade_is_426_and_told_which() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let upgrade = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 8",
    ];
    for fields in [&[][..], &upgrade] {
        let answer = daemon.ask("GET", "/ws", fields);
        refused(&answer, 426);
        let protocol = answer.field("upgrade").unwrap_or_default();
        assert!(protocol.eq_ignore_ascii_case("websocket"), "{protocol}");
        assert_eq!(answer.field("sec-websocket-version"), Some("13"));
    }
}

#[test]
fn two_websocket_keys_are_400() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let fields = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        key,
        key,
    ];
    refused(&daemon.ask("GET", "/ws", &fields), 400);
}

#[test]
fn a_head_over_16_kib_is_431() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let large = format!("X-Large: {}", "x".repeat(17 * 1024));
    refused(&daemon.ask("GET", "/healthz", &[&large]), 431);
    let fits = format!("X-Large: {}", "x".repeat(15 * 1024));
    assert_eq!(daemon.ask("GET", "/healthz", &[&fits]).status, 200);
}

#[test]
fn one_stream_too_many_is_503_until_a_place_is_free() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--max-clients", "2"], &[&log]);
    let first = daemon.live("/stream");
    let _second = daemon.websocket("/ws");
    for target in ["/stream", "/events", "/stream?follow=false"] {
        let answer = daemon.get(target);
        refused(&answer, 503);
        assert!(answer.field("retry-after").is_some());
    }
    assert_eq!(daemon.try_websocket("/ws").err(), Some(503));
    // What is no stream goes on.
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get("/files").status, 200);
    drop(first);
    assert!(wait_until(crate::support::DEADLINE, || {
        daemon.get("/stream?follow=false").status == 200
    }));
}

#[test]
fn a_foreign_origin_and_a_foreign_host_are_403_and_told_the_option() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let origin = daemon.ask("GET", "/stream", &["Origin: http://elsewhere.example"]);
    assert!(refused(&origin, 403).contains("--allow-origin"));
    let host = daemon
        .send(b"GET /stream HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n");
    assert!(refused(&host, 403).contains("--allow-host"));
}

#[test]
fn a_tailcast_whose_lines_come_from_here_is_refused() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("a.log", "one\n")]);
    let ask = |ids: &str| {
        let field = format!("Tailcast-Via: {ids}");
        daemon.ask("GET", "/stream?follow=false", &[&field])
    };
    assert_eq!(ask("0123456789abcdef, fedcba9876543210").status, 200);
    assert_eq!(ask("no ids").status, 400);
}
