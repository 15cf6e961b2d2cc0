//! `/ws`: what is sent, and in which form.

use std::fs;

use crate::support::{DEADLINE, Daemon, Logs, append};
use nix::sys::signal::Signal;

#[test]
fn a_client_gets_history_and_then_every_new_line() {
    let logs = Logs::new();
    let numbered: String = (1..=12).map(|number| format!("{number}\n")).collect();
    let log = logs.file("a.log", numbered);
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws");
    let expected: Vec<String> = (3..=12).map(|number| number.to_string()).collect();
    assert_eq!(client.texts(10), expected);
    append(&log, "13\n14\n");
    assert_eq!(client.texts(2), ["13", "14"]);
}

#[test]
fn lines_says_how_much_history() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let daemon = Daemon::follow(&[&log]);
    let mut none = daemon.websocket("/ws?lines=0");
    let mut two = daemon.websocket("/ws?lines=2");
    let mut many = daemon.websocket("/ws?lines=1000");
    let mut all = daemon.websocket("/ws?lines=all");
    append(&log, "4\n");
    assert_eq!(none.texts(1), ["4"]);
    assert_eq!(two.texts(3), ["2", "3", "4"]);
    assert_eq!(many.texts(4), ["1", "2", "3", "4"]);
    assert_eq!(all.texts(4), ["1", "2", "3", "4"]);
}

#[test]
fn json_begins_with_the_start_and_gives_each_line_its_id() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=1");
    let start = client.json();
    assert_eq!(start["event"], "start");
    assert_eq!(start["file"], "a.log");
    let two = client.json();
    assert_eq!(two["line"], "two");
    assert_eq!(two["file"], "a.log");

    // Each id names the place just after what it stands beside.
    append(&log, "three\n");
    for (id, expected) in [(&start["id"], "two"), (&two["id"], "three")] {
        let id = id.as_str().expect("an id");
        assert!(id.len() <= 64 && !id.is_empty(), "{id}");
        let shape = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        assert!(id.bytes().all(shape), "{id}");
        let mut resumed = daemon.websocket(&format!("/ws?after={id}"));
        assert_eq!(resumed.text(), expected);
    }
}

#[test]
fn a_batch_has_the_ids_of_both_its_ends() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\nthree\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=batch&lines=2");
    let start = client.json();
    assert_eq!(start["event"], "start");
    let batch = client.json();
    assert_eq!(batch["lines"], serde_json::json!(["two", "three"]));
    assert_eq!(batch["file"], "a.log");
    assert_eq!(batch["from"], start["id"]);
    let from = batch["from"].as_str().expect("an id");
    let mut again = daemon.websocket(&format!("/ws?lines=0&after={from}"));
    assert_eq!(again.texts(2), ["two", "three"]);
    append(&log, "four\n");
    let next = client.json_with("lines");
    assert_eq!(next["lines"], serde_json::json!(["four"]));
    assert_eq!(next["from"], batch["id"]);
}

#[test]
fn what_is_asked_for_without_following_ends_with_1000() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3");
    let daemon = Daemon::follow(&[&log]);
    let mut text = daemon.websocket("/ws?follow=false");
    // What has no newline yet is no line yet.
    assert_eq!(text.texts(2), ["1", "2"]);
    assert_eq!(text.close_code(), 1000);
    let mut json = daemon.websocket("/ws?follow=false&format=json&lines=1");
    let seen: Vec<_> = (0..3).map(|_| json.json()).collect();
    assert_eq!(seen[0]["event"], "start");
    assert_eq!(seen[1]["line"], "2");
    assert_eq!(seen[2]["event"], "end");
    assert_eq!(seen[2]["id"], seen[1]["id"]);
    assert_eq!(json.close_code(), 1000);
}

#[test]
fn several_files_come_with_the_headers_of_tail() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    let mut client = daemon.websocket("/ws");
    let mut history = [client.texts(2), client.texts(2)];
    history.sort();
    assert_eq!(history[0], ["==> a.log <==", "a1"]);
    assert_eq!(history[1], ["==> b.log <==", "b1"]);

    let mut live = daemon.websocket("/ws?lines=0");
    append(&a, "a2\n");
    assert_eq!(live.texts(2), ["==> a.log <==", "a2"]);
    append(&a, "a3\n");
    assert_eq!(live.texts(1), ["a3"]);
    append(&b, "b2\n");
    assert_eq!(live.texts(2), ["==> b.log <==", "b2"]);
}

#[test]
fn a_file_asked_for_by_name_comes_alone_and_without_headers() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    let mut client = daemon.websocket("/ws?file=b.log");
    assert_eq!(client.text(), "b1");
    append(&a, "a2\n");
    append(&b, "b2\n");
    assert_eq!(client.text(), "b2");
    assert_eq!(daemon.try_websocket("/ws?file=c.log").err(), Some(404));
}

#[test]
fn ids_of_several_files_resume_each_of_them() {
    let logs = Logs::new();
    let (a, b) = (
        logs.file("a.log", "a1\na2\n"),
        logs.file("b.log", "b1\nb2\n"),
    );
    let daemon = Daemon::follow(&[&a, &b]);
    let id_after = |file: &str, line: &str| {
        let mut client = daemon.websocket(&format!("/ws?format=json&file={file}"));
        loop {
            let next = client.json_with("line");
            if next["line"] == line {
                return next["id"].as_str().expect("an id").to_owned();
            }
        }
    };
    let after = format!("{}~{}", id_after("a.log", "a1"), id_after("b.log", "b2"));
    let mut client = daemon.websocket(&format!("/ws?format=json&after={after}"));
    assert_eq!(client.json_with("line")["line"], "a2");
    append(&b, "b3\n");
    assert_eq!(client.json_with("line")["line"], "b3");
}

#[test]
fn ids_stay_good_when_the_daemon_starts_anew_after_a_rotation() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let mut daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=2");
    let id = client.json_with("line")["id"].clone();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());

    append(&log, "4\n");
    fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "5\n");
    let daemon = Daemon::follow(&[&log]);
    let id = id.as_str().expect("an id");
    let mut client = daemon.websocket(&format!("/ws?after={id}"));
    assert_eq!(client.texts(3), ["3", "4", "5"]);
}

#[test]
fn an_id_whose_place_is_gone_gets_a_gap_and_then_the_whole_file() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let mut daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=1");
    let id = client.json_with("line")["id"].clone();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());

    fs::remove_file(&log).expect("delete");
    append(&log, "other\n");
    let daemon = Daemon::follow(&[&log]);
    let id = id.as_str().expect("an id");
    let mut client = daemon.websocket(&format!("/ws?format=json&lines=0&after={id}"));
    let gap = client.json_with("reason");
    assert_eq!(gap["event"], "gap");
    assert!(gap.get("lost").is_some());
    assert_eq!(client.json_with("line")["line"], "other");
}

#[test]
fn a_rotation_is_told_and_loses_nothing() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(client.json_with("line")["line"], "1");
    let old = logs.path("a.log.1");
    fs::rename(&log, &old).expect("rotate");
    append(&old, "2\n");
    append(&log, "3\n");
    assert_eq!(client.json_with("line")["line"], "2");
    let rotated = client.json();
    assert_eq!(rotated["event"], "rotated");
    assert!(rotated["id"].is_string());
    assert_eq!(client.json()["line"], "3");
}

#[test]
fn a_truncation_is_told_and_what_comes_after_it_is_sent() {
    let logs = Logs::new();
    let log = logs.file("a.log", "a first line that is longer\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json");
    client.json_with("line");
    fs::write(&log, "new\n").expect("truncate and write");
    let truncated = client.json_with("event");
    assert_eq!(truncated["event"], "truncated");
    assert_eq!(client.json_with("line")["line"], "new");
}

#[test]
fn a_deletion_is_told_after_a_second_and_the_new_file_is_sent() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json");
    client.json_with("line");
    fs::remove_file(&log).expect("delete");
    assert_eq!(client.json()["event"], "missing");
    append(&log, "2\n");
    assert_eq!(client.json()["event"], "rotated");
    assert_eq!(client.json()["line"], "2");
}

#[test]
fn lines_are_cut_at_newlines_and_nowhere_else() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws");
    append(&log, b"ends with cr lf\r\n\n\xff and \xe2\x82");
    assert_eq!(client.texts(2), ["ends with cr lf", ""]);
    append(&log, b"\xac and \0 and \r inside\n");
    assert_eq!(client.text(), "\u{fffd} and \u{20ac} and \0 and \r inside");
}

#[test]
fn a_line_over_max_line_comes_in_pieces_of_whole_characters() {
    let logs = Logs::new();
    let log = logs.file("a.log", "abcdefg\u{20ac}\u{20ac}\nnext\n");
    let daemon = Daemon::with(&["--max-line", "8"], &[&log]);
    let mut client = daemon.websocket("/ws?lines=all");
    let pieces = ["abcdefg", "\u{20ac}\u{20ac}", "next"];
    assert_eq!(client.texts(3), pieces);
}
