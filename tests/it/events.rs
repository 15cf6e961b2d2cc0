//! `/events`: Server-Sent Events as the HTML standard has them (section 9.2).

use std::time::{Duration, Instant};

use crate::support::ids::last_id;
use crate::support::{Daemon, Logs, append};
use serde_json::Value;

#[test]
fn an_event_stream_is_resumed_by_the_last_id() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live("/events?lines=1");
    assert_eq!(live.field("retry"), "1000");
    assert_eq!(live.field("event"), "start");
    let start = live.field("id");
    let data: Value = serde_json::from_str(&live.field("data")).expect("JSON");
    assert_eq!(
        data,
        serde_json::json!({"file": "a.log", "event": "start", "id": start})
    );
    let id = live.field("id");
    assert_ne!(start, id);
    assert_eq!(live.field("data"), "2");
    append(&log, "3\n");
    assert_eq!(live.field("data"), "3");

    let header = format!("Last-Event-ID: {id}");
    let resumed = daemon.ask("GET", "/events?follow=false&lines=all", &[&header]);
    assert_eq!(
        resumed.field("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    let text = resumed.text();
    assert!(text.starts_with("retry: 1000\n"), "{text}");
    let data: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("data: "))
        .collect();
    assert_eq!(data[1], "data: 3", "{text}");
    assert!(text.contains("event: end\n"), "{text}");
}

#[test]
fn an_event_stream_with_nothing_more_to_give_is_204() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let daemon = Daemon::follow(&[&log]);
    let text = daemon.get("/events?follow=false").text();
    let id = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("id: "));
    let header = format!("Last-Event-ID: {}", id.expect("an id"));
    let answer = daemon.ask("GET", "/events?follow=false", &[&header]);
    assert_eq!(answer.status, 204);
    assert!(answer.body.is_empty());
    append(&log, "3\n");
    let answer = daemon.ask("GET", "/events?follow=false", &[&header]);
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("data: 3\n"));
}

#[test]
fn what_stands_before_a_place_is_not_sent_again_to_who_reconnects() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("a.log", "1\n2\n3\n4\n")]);
    let all = daemon.get("/events?follow=false").text();
    let mut ids = all.lines().filter_map(|line| line.strip_prefix("id: "));
    let place = ids.nth(3).expect("an id a line");
    for filter in ["", "&grep=1"] {
        let target = format!("/events?before={place}&lines=2{filter}");
        let first = daemon.get(&target).text();
        assert!(first.contains("event: end\n"), "{first}");
        let header = format!("Last-Event-ID: {}", last_id(&first));
        assert_eq!(daemon.ask("GET", &target, &[&header]).status, 204);
    }
}

#[test]
fn a_pattern_without_files_ends_with_end_too() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.path("*.log")]);
    let text = daemon.get("/events?follow=false").text();
    assert_eq!(
        text,
        "retry: 1000\nevent: end\ndata: {\"event\":\"end\"}\n\n"
    );
}

#[test]
fn a_rotation_is_an_event_of_its_own() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live("/events");
    drop(live.field("data"));
    assert_eq!(live.field("data"), "1");
    std::fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "2\n");
    assert_eq!(live.field("event"), "rotated");
    let event: Value = serde_json::from_str(&live.field("data")).expect("JSON");
    assert_eq!(event["file"], "a.log");
    assert_eq!(live.field("data"), "2");
}

/// The events of a whole answer as a browser dispatches them: type and data (HTML standard, 9.2.6).
fn dispatched(stream: &str) -> Vec<(String, String)> {
    let mut events = Vec::new();
    let (mut kind, mut data) = (String::new(), String::new());
    for line in stream.replace("\r\n", "\n").split(['\n', '\r']) {
        match line.split_once(':').unwrap_or((line, "")) {
            ("", "") if line.is_empty() => {
                if let Some(data) = data.strip_suffix('\n') {
                    events.push((kind.clone(), data.to_owned()));
                }
                kind.clear();
                data.clear();
            }
            ("event", value) => kind = value.strip_prefix(' ').unwrap_or(value).to_owned(),
            ("data", value) => {
                data.push_str(value.strip_prefix(' ').unwrap_or(value));
                data.push('\n');
            }
            _ => {}
        }
    }
    events
}

#[test]
fn every_line_comes_through_as_the_standard_allows() {
    let logs = Logs::new();
    let lines = [
        "plain",
        "",
        " one space",
        "  two",
        "\u{feff}a BOM",
        "id: 7",
        ": no comment",
        "data:",
        "\0 NUL",
        "cr\rinside",
        "\rfirst and last\r",
    ];
    let log = logs.file("a.log", lines.join("\n") + "\n");
    let daemon = Daemon::follow(&[&log]);
    let stream = daemon.get("/events?lines=all&follow=false").text();
    let events = dispatched(&stream);
    let [start, events @ .., end] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((start.0.as_str(), end.0.as_str()), ("start", "end"));
    assert!(events.iter().all(|(kind, _)| kind.is_empty()));
    let seen: Vec<&str> = events.iter().map(|(_, data)| data.as_str()).collect();
    // A lone CR ends a line of data; the one at the end of a line belongs to its ending.
    let mut expected = lines.map(|line| line.replace('\r', "\n"));
    expected[10] = "\nfirst and last".to_owned();
    assert_eq!(seen, expected);
}

#[test]
fn a_quiet_stream_sends_comments() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--ping-interval", "0.05"], &[&log]);
    let mut live = daemon.live("/events?lines=0");
    // A block without data would be an event to some clients: neither has a blank line of its own.
    assert_eq!(live.line(), "retry: 1000\n");
    assert_eq!(live.field("event"), "start");
    drop(live.field("data"));
    let quiet: String = (0..3).map(|_| live.line()).collect();
    assert_eq!(quiet, "\n:\n:\n");
    append(&log, "2\n");
    assert_eq!(live.field("data"), "2");
}

#[test]
fn the_heartbeat_of_a_filtered_stream_says_where_it_stands() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--ping-interval", "0.05"], &[&log]);
    let mut live = daemon.live("/events?lines=0&grep=x");
    let begins = live.field("id");
    let mut batches = daemon.websocket("/ws?lines=0&grep=x&format=batch");
    assert_eq!(batches.json()["event"], "start");
    append(&log, "2\n");
    let mut id = begins.clone();
    drop(live.field("data"));
    while id == begins {
        assert_eq!(live.field("event"), "heartbeat");
        id = live.field("id");
        let data: Value = serde_json::from_str(&live.field("data")).expect("JSON");
        assert_eq!(data, serde_json::json!({"event": "heartbeat", "id": id}));
        assert_eq!(live.line(), "\n");
    }
    let resumed = daemon.get(&format!("/stream?lines=all&follow=false&after={id}"));
    assert_eq!(resumed.text(), "");
    // The same for batches: no lines, and both ends at that place.
    let mut beat = batches.json();
    while beat["id"] != id.as_str() {
        beat = batches.json();
    }
    let expected = serde_json::json!({"file": "a.log", "from": id, "id": id, "lines": []});
    assert_eq!(beat, expected);
}

#[test]
fn a_busy_file_does_not_let_the_id_of_a_filtered_one_go_stale() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", ""), logs.file("b.log", ""));
    let daemon = Daemon::with(&["--ping-interval", "0.5"], &[&a, &b]);
    let mut live = daemon.live("/events?grep=x");
    let place_in_b = |id: String| id.split('~').nth(1).map(str::to_owned);
    let begins = place_in_b(live.field("id"));
    append(&b, "nothing\n");
    let mut moved = false;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        append(&a, "x\n");
        let id = live.field("id");
        moved = moved || place_in_b(id) != begins;
        let is_line = live.line().contains("\"line\"");
        if is_line && moved {
            return;
        }
    }
    panic!("a line's id still names the old place in b.log");
}

#[test]
fn one_id_lists_at_most_64_files() {
    let logs = Logs::new();
    let files: Vec<_> = (0..65)
        .map(|n| logs.file(&format!("{n}.log"), format!("{n}\n")))
        .collect();
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let daemon = Daemon::follow(&files);
    let all = daemon.get("/events?follow=false");
    assert_eq!(all.status, 400);
    assert!(all.text().contains("file="));
    let names: String = (0..64).map(|n| format!("&file={n}.log")).collect();
    let target = format!("/events?follow=false{names}");
    let text = daemon.get(&target).text();
    let id = last_id(&text);
    assert_eq!(id.split('~').count(), 64);
    let header = format!("Last-Event-ID: {id}");
    assert_eq!(daemon.ask("GET", &target, &[&header]).status, 204);
    // The other streams have an id a line, and so no such bound.
    assert_eq!(daemon.get("/stream?follow=false").status, 200);
}
