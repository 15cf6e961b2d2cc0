//! What HTTP clients get: the plain stream and the small answers.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use serde_json::{Value, json};

/// What `tail` prints.
fn tail(lines: &str, path: &Path) -> Vec<u8> {
    let output = Command::new("tail").args(["-n", lines]).arg(path).output();
    output.expect("run tail").stdout
}

#[test]
fn the_plain_stream_is_what_tail_prints() {
    let logs = Logs::new();
    let log = logs.file("a.log", b"1\nwith cr lf\r\n\n\xff not UTF-8 \0\n5\n");
    let daemon = Daemon::follow(&[&log]);
    for lines in ["0", "1", "3", "5", "100"] {
        let answer = daemon.get(&format!("/stream?follow=false&lines={lines}"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, tail(lines, &log), "lines={lines}");
    }
    let all = daemon.get("/stream?follow=false&lines=all");
    assert_eq!(all.body, tail("+1", &log));
    let kind = all.field("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert_eq!(all.field("cache-control"), Some("no-store"));
    assert_eq!(all.field("x-accel-buffering"), Some("no"));
    assert_eq!(all.field("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_large_file_comes_whole() {
    let logs = Logs::new();
    let numbered: String = (0..200_000).map(|n| format!("line {n}\n")).collect();
    let log = logs.file("a.log", &numbered);
    let daemon = Daemon::follow(&[&log]);
    let answer = daemon.get("/stream?follow=false&lines=all");
    assert!(answer.body == numbered.as_bytes(), "it differs");
    let last = daemon.get("/stream?follow=false&lines=150000");
    assert!(last.body == tail("150000", &log), "it differs");
}

#[test]
fn what_was_written_before_the_request_is_in_the_history() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    for number in 0..50 {
        append(&log, format!("{number}\n"));
        let answer = daemon.get("/stream?follow=false&lines=1");
        assert_eq!(answer.text(), format!("{number}\n"));
    }
}

#[test]
fn the_plain_stream_follows() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live("/stream?lines=1");
    assert_eq!(live.line(), "2\n");
    append(&log, "3\n4");
    assert_eq!(live.line(), "3\n");
    append(&log, "th\r\n");
    assert_eq!(live.line(), "4th\r\n");
}

#[test]
fn the_plain_stream_can_be_json_lines() {
    let logs = Logs::new();
    let log = logs.file("a.log", b"1\n\xff\n");
    let daemon = Daemon::follow(&[&log]);
    let text = daemon.get("/stream?follow=false&format=json").text();
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(objects[0]["event"], "start");
    assert_eq!(objects[1]["line"], "1");
    assert_eq!(objects[2]["line"], "\u{fffd}");
    assert_eq!(objects[3]["event"], "end");
    assert_eq!(objects.len(), 4);
}

#[test]
fn the_plain_stream_of_several_files_has_the_headers_of_tail() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    let text = daemon.get("/stream?follow=false").text();
    assert!(text.contains("==> a.log <==\na1\n"), "{text}");
    assert!(text.contains("==> b.log <==\nb1\n"), "{text}");
    assert_eq!(daemon.get("/stream?follow=false&file=b.log").text(), "b1\n");
}

#[test]
fn the_files_are_listed() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "12345\n"), logs.path("b.log"));
    let c = logs.path("c.log");
    std::fs::create_dir(&c).expect("a directory");
    let daemon = Daemon::follow(&[&a, &b, &c]);
    let answer = daemon.get("/files");
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let files: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(files[0]["name"], "a.log");
    assert_eq!(files[0]["path"], a.to_str().expect("a path in UTF-8"));
    assert_eq!(files[0]["size"], 6);
    assert_eq!(files[0]["present"], true);
    assert_eq!(files[1]["name"], "b.log");
    assert_eq!(files[1]["present"], false);
    let states: Vec<_> = (0..3)
        .map(|n| (&files[n]["kind"], &files[n]["state"], &files[n]["reason"]))
        .collect();
    let (ok, missing, unreadable) = (json!("ok"), json!("missing"), json!("unreadable"));
    let (gone, directory) = (
        json!("No such file or directory"),
        json!("it is a directory"),
    );
    let kind = json!("file");
    assert_eq!(
        states,
        [
            (&kind, &ok, &Value::Null),
            (&kind, &missing, &gone),
            (&kind, &unreadable, &directory)
        ]
    );
}

#[test]
fn the_list_of_files_says_how_a_file_fares_now() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    std::fs::create_dir(&log).expect("a directory");
    let daemon = Daemon::follow(&[&log]);
    let state = || {
        let files: Value = serde_json::from_slice(&daemon.get("/files").body).expect("JSON");
        files[0]["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!(state(), "unreadable");
    std::fs::remove_dir(&log).expect("rmdir");
    assert!(wait_until(DEADLINE, || state() == "missing"));
    append(&log, "x\n");
    assert!(wait_until(DEADLINE, || state() == "ok"));
}

#[test]
fn a_base_name_that_is_taken_makes_way_for_the_path_as_given() {
    let logs = Logs::new();
    for folder in ["one", "two"] {
        std::fs::create_dir(logs.path(folder)).expect("a directory");
    }
    let (one, two) = (logs.file("one/a.log", "1\n"), logs.file("two/a.log", "2\n"));
    let odd = logs.path("").join(std::ffi::OsStr::from_bytes(b"\xff.log"));
    append(&odd, "3\n");
    let daemon = Daemon::follow(&[&one, &two, &odd]);
    let files: Value = serde_json::from_slice(&daemon.get("/files").body).expect("JSON");
    let path = two.to_str().expect("UTF-8");
    let names = [&files[0]["name"], &files[1]["name"], &files[2]["name"]];
    assert_eq!(names, ["a.log", path, "\u{fffd}.log"]);
    let get = |name: &str| {
        daemon
            .get(&format!("/stream?follow=false&file={name}"))
            .text()
    };
    assert_eq!(get("a.log"), "1\n");
    assert_eq!(get(path), "2\n");
    assert_eq!(get("%EF%BF%BD.log"), "3\n");
    let all = daemon.get("/stream?follow=false").text();
    assert!(all.contains(&format!("\n==> {path} <==\n2\n")), "{all}");
}

#[test]
fn health_is_one_word() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let answer = daemon.get("/healthz");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text().trim_end(), "ok");
}

#[test]
fn head_is_the_same_head_without_a_body() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    for (target, status) in [
        ("/", 200),
        ("/stream", 200),
        ("/events", 200),
        ("/files", 200),
        ("/healthz", 200),
        ("/ws", 426),
        ("/nothing", 404),
    ] {
        let answer = daemon.ask("HEAD", target, &[]);
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.body.is_empty(), "{target}");
    }
    let (head, get) = (daemon.ask("HEAD", "/files", &[]), daemon.get("/files"));
    assert_eq!(head.field("content-type"), get.field("content-type"));
    assert_eq!(head.field("content-length"), get.field("content-length"));
}

#[test]
fn who_shuts_its_sending_side_gets_the_history_and_then_the_end() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let daemon = Daemon::follow(&[&log]);
    for target in [
        "/stream?lines=2",
        "/stream?lines=2&grep=.",
        "/events?lines=2",
    ] {
        let mut stream = daemon.connect();
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("ask");
        stream.shutdown(Shutdown::Write).expect("half-close");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("its end");
        assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
        let has = |text: &str| answer.contains(text);
        assert!(has("2\n") && has("3\n"), "{target}: {answer}");
        assert!(answer.ends_with("\r\n0\r\n\r\n"), "{target}: {answer}");
    }
}

#[test]
fn the_page_is_not_sent_again_to_whoever_names_its_tag_in_any_form() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    for coding in ["gzip", "identity"] {
        let ask = |value: &str| {
            let known = format!("If-None-Match: {value}");
            daemon.ask("GET", "/", &[&known, &format!("Accept-Encoding: {coding}")])
        };
        let first = ask("\"other\"");
        assert_eq!(first.status, 200);
        let etag = first.field("etag").expect("a tag").to_owned();
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"other\", W/{etag}"),
            format!("{etag},\"other\""),
            "*".to_owned(),
        ] {
            let again = ask(&known);
            assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
            assert_eq!(again.field("etag"), Some(&*etag), "{known}");
        }
        for other in [etag.trim_matches('"'), "W/\"other\"", ""] {
            assert_eq!(ask(other).status, 200, "{other}");
        }
    }
}
