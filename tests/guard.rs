//! Who may connect, against the running program: Host, Origin, cross-site requests, the base path.

mod support;

use support::http::Answer;
use support::{Daemon, Logs};

const HISTORY: &str = "/stream?follow=false";

fn on_one_file(logs: &Logs, options: &[&str]) -> Daemon {
    Daemon::with(options, &[&logs.file("a.log", "1\n")])
}

#[track_caller]
fn refused(answer: &Answer, option: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains(option), "{}", answer.text());
}

fn by_host(daemon: &Daemon, target: &str, host: &str) -> Answer {
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    daemon.send(head.as_bytes())
}

#[test]
fn a_name_that_an_attacker_points_here_is_not_answered() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &["--allow-host", "logs.example"]);
    for host in [
        "localhost",
        "LocalHost.:1",
        "127.0.0.1",
        "10.1.2.3:80",
        "[::1]:8",
        "Logs.Example.:81",
    ] {
        assert_eq!(by_host(&daemon, HISTORY, host).status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "x.logs.example",
    ] {
        for target in [HISTORY, "/", "/files", "/ws", "/events"] {
            refused(&by_host(&daemon, target, host), "--allow-host");
        }
        assert_eq!(by_host(&daemon, "/healthz", host).status, 200, "{host}");
    }
    assert_eq!(daemon.send(b"GET /files HTTP/1.0\r\n\r\n").status, 200);
    refused(
        &daemon.send(b"GET http://evil.example/files HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        "--allow-host",
    );
}

#[test]
fn a_page_of_another_origin_is_refused_on_every_path() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &[]);
    let other_port = format!("http://127.0.0.1:{}", daemon.port ^ 1);
    for origin in [
        "http://evil.example",
        "null",
        &other_port,
        "http://127.0.0.1",
    ] {
        for target in [
            HISTORY, "/", "/files", "/ws", "/events", "/healthz", "/nowhere",
        ] {
            refused(
                &daemon.ask("GET", target, &[&format!("Origin: {origin}")]),
                "--allow-origin",
            );
        }
    }
    let own = format!("Origin: https://127.0.0.1:{}", daemon.port);
    assert_eq!(daemon.ask("GET", HISTORY, &[&own]).status, 200);
}

#[test]
fn an_allowed_origin_may_read_the_answer() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &["--allow-origin", "https://ok.example"]);
    let origin = "Origin: https://ok.example";
    for target in [HISTORY, "/files", "/nowhere"] {
        let answer = daemon.ask("GET", target, &[origin]);
        assert_eq!(
            answer.field("access-control-allow-origin"),
            Some("https://ok.example"),
            "{target}"
        );
        assert_eq!(answer.field("vary"), Some("Origin"), "{target}");
    }
    for other in [
        "http://ok.example",
        "https://ok.example:444",
        "https://ok.example.evil",
        "null",
    ] {
        refused(
            &daemon.ask("GET", HISTORY, &[&format!("Origin: {other}")]),
            "--allow-origin",
        );
    }
    let any = on_one_file(&logs, &["--allow-origin", "*"]);
    assert_eq!(any.ask("GET", HISTORY, &["Origin: null"]).status, 200);
}

#[test]
fn a_preflight_is_for_allowed_foreign_origins() {
    let logs = Logs::new();
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let options = ["--token-file", tokens.to_str().expect("UTF-8")];
    let daemon = on_one_file(
        &logs,
        &[&options[..], &["--allow-origin", "https://ok.example"]].concat(),
    );
    let ask = |fields: &[&str]| daemon.ask("OPTIONS", "/stream", fields);
    let answer = ask(&[
        "Origin: https://ok.example",
        "Access-Control-Request-Method: GET",
    ]);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let headers = answer
        .field("access-control-allow-headers")
        .expect("headers");
    assert!(headers.contains("Authorization"), "{headers}");
    refused(&ask(&["Origin: https://evil.example"]), "--allow-origin");
    assert_eq!(ask(&[]).status, 405);
}

#[test]
fn an_image_on_any_page_takes_no_place() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &["--allow-origin", "https://ok.example"]);
    for site in ["cross-site", "same-site"] {
        let site = format!("Sec-Fetch-Site: {site}");
        for target in ["/ws", "/events", HISTORY] {
            refused(&daemon.ask("GET", target, &[&site]), "--allow-origin");
        }
        assert_eq!(daemon.ask("GET", "/", &[&site]).status, 200);
        let allowed = daemon.ask("GET", HISTORY, &[&site, "Origin: https://ok.example"]);
        assert_eq!(allowed.status, 200);
    }
    for site in ["same-origin", "none"] {
        let site = format!("Sec-Fetch-Site: {site}");
        assert_eq!(daemon.ask("GET", HISTORY, &[&site]).status, 200);
    }
}

#[test]
fn every_url_stands_under_the_base_path() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &["--base-path", "logs/"]);
    assert_eq!(daemon.get("/logs/stream?follow=false").text(), "1\n");
    for target in ["/stream?follow=false", "/", "/files", "/logsx/files"] {
        assert_eq!(daemon.get(target).status, 404, "{target}");
    }
    let slash = daemon.get("/logs?lines=3");
    assert_eq!(slash.status / 100, 3);
    assert_eq!(slash.field("location"), Some("logs/?lines=3"));
    assert_eq!(daemon.get("/logs/").status, 200);
}
