//! Who may connect, against the running program: Host, Origin, cross-site requests, the base path.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::support::http::Answer;
use crate::support::{Daemon, Logs};

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
fn the_own_name_of_this_machine_is_answered() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &[]);
    let name = nix::unistd::gethostname().expect("a name");
    let name = name.to_str().expect("UTF-8");
    for host in [format!("{name}:1"), format!("{}.", name.to_uppercase())] {
        assert_eq!(by_host(&daemon, HISTORY, &host).status, 200, "{host}");
    }
    refused(
        &by_host(&daemon, HISTORY, &format!("{name}.evil")),
        "--allow-host",
    );
    refused(&by_host(&daemon, HISTORY, ""), "--allow-host");
}

#[test]
fn on_a_unix_socket_any_host_will_do_and_no_foreign_origin() {
    let logs = Logs::new();
    let path = logs.path("socket");
    let _daemon = on_one_file(&logs, &["-l", &format!("unix:{}", path.display())]);
    let status = |fields: &str| {
        let mut stream = UnixStream::connect(&path).expect("connect");
        let head = format!("GET {HISTORY} HTTP/1.1\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).expect("send a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer["HTTP/1.1 ".len()..][..3].to_owned()
    };
    assert_eq!(status("Host: any.example\r\n"), "200");
    assert_eq!(
        status("Host: any.example\r\nOrigin: https://any.example\r\n"),
        "200"
    );
    assert_eq!(
        status("Host: any.example\r\nOrigin: https://other.example\r\n"),
        "403"
    );
}

#[test]
fn a_listener_that_others_reach_is_warned_of_unless_it_asks_for_a_token() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let tokens = ["--token-file", tokens.to_str().expect("UTF-8")];
    let warning = "can be reached from other machines";
    let warns = |options: &[&str]| {
        let daemon = Daemon::with(options, &[&log]);
        daemon
            .said_so_far()
            .iter()
            .any(|line| line.contains(warning))
    };
    let all = ["-l", "0.0.0.0:0"];
    assert!(warns(&all) && warns(&["-l", "tcp:0.0.0.0:0"]));
    assert!(!warns(&[]) && !warns(&["-l", "127.0.0.2:0"]));
    assert!(!warns(&[&all[..], &tokens].concat()));
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
    let own = format!("Origin: http://127.0.0.1:{}", daemon.port);
    for fields in [&[][..], &[own.as_str()]] {
        let answer = ask(fields);
        assert_eq!(
            (answer.status, answer.field("allow")),
            (405, Some("GET, HEAD"))
        );
    }
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

#[test]
fn every_answer_protects_the_browser_that_gets_it() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &[]);
    for target in [
        "/",
        "/page/main.js",
        "/files",
        "/metrics",
        "/healthz",
        "/nowhere",
        "/ws",
        "/events?follow=false",
        HISTORY,
    ] {
        let answer = daemon.get(target);
        assert_eq!(
            answer.field("x-content-type-options"),
            Some("nosniff"),
            "{target}"
        );
        assert_eq!(
            answer.field("referrer-policy"),
            Some("no-referrer"),
            "{target}"
        );
        let policy = answer.field("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{target}: {policy}"
        );
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{target}: {policy}"
        );
    }
}

#[test]
fn no_request_reaches_a_file_that_is_not_followed() {
    let logs = Logs::new();
    let secret = logs.file("secret.log", "secret\n");
    let daemon = on_one_file(&logs, &[]);
    let secret = secret.to_str().expect("UTF-8");
    for target in [
        format!("{HISTORY}&file=secret.log"),
        format!("{HISTORY}&file={secret}"),
        format!("{HISTORY}&file=./secret.log"),
        format!("{HISTORY}&file=a.log/../secret.log"),
        format!("{HISTORY}&file=*"),
        format!("{HISTORY}&file=a.log%00"),
        secret.to_owned(),
        format!("/page/..{secret}"),
        format!("/page/%2e%2e/%2e%2e{secret}"),
        format!("/page//{secret}"),
        "/page/..%2fpage.rs".to_owned(),
        "/page/token.html".to_owned(),
    ] {
        let answer = daemon.get(&target);
        assert!(
            matches!(answer.status, 400 | 404),
            "{target}: {}",
            answer.status
        );
        assert!(!answer.text().contains("secret\n"), "{target}");
    }
}

#[test]
fn what_a_client_sends_is_shown_escaped_and_cut() {
    let logs = Logs::new();
    let daemon = on_one_file(&logs, &["-vv"]);
    let long = "x".repeat(5000);
    let mut answers = Vec::new();
    for head in [
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET {HISTORY}&file=%1b[31m%0a{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET {HISTORY}&lines=%1b%0a{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET {HISTORY}&grep=({long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET {HISTORY} HTTP/1.1\r\nHost: {long}\r\n\r\n"),
        format!("GET {HISTORY} HTTP/1.1\r\nHost: localhost\r\nOrigin: \u{1b}{long}\r\n\r\n"),
        format!("GET {HISTORY} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://{long}\r\n\r\n"),
        format!(
            "GET {HISTORY} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: \u{202e}{long}\r\n\r\n"
        ),
        format!("\u{1b}[31m{long}\r\n\r\n"),
    ] {
        let answer = daemon.send(head.as_bytes());
        assert!(answer.status >= 400, "{head}");
        answers.push(answer.text().trim_end().to_owned());
    }
    for line in answers.into_iter().chain(daemon.said_so_far()) {
        assert!(line.len() < 600, "{line}");
        assert!(
            !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
}
