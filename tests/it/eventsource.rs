//! `/events` as a browser's own `EventSource` takes it: nothing here resumes but the browser.

use std::fmt::Write as _;

use crate::browser::Browser;
use crate::support::{DEADLINE, Daemon, Logs, append, program};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Opens `target` in the browser; what comes is kept in `seen`, as type and data.
fn listen(browser: &mut Browser, daemon: &Daemon, target: &str) {
    browser.go(&format!("http://127.0.0.1:{}/", daemon.port));
    let kinds = ["message", "rotated", "truncated", "gap", "missing", "end"];
    browser.eval(&format!(
        "window.seen = []; window.source = new EventSource({}); \
         for (const kind of {}) source.addEventListener(kind, (event) => seen.push([kind, event.data]));",
        json!(target),
        json!(kinds),
    ));
}

/// What has come up to now.
fn seen(browser: &mut Browser) -> Vec<(String, String)> {
    let seen = browser.eval("seen");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let pairs = seen.as_array().expect("a list").iter();
    pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn numbered(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    })
}

#[test]
fn it_resumes_several_files_over_restarts_and_a_rotation_with_nothing_missed_or_twice() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let a = logs.file("a.log", numbered(0, 10));
    let b = logs.file("b.log", numbered(0, 10));
    let mut daemon = Daemon::follow(&[&a, &b]);
    listen(&mut browser, &daemon, "/events?lines=all");
    browser.until("seen.length === 20");
    for (round, signal) in [Signal::SIGTERM, Signal::SIGKILL].into_iter().enumerate() {
        let from = (round + 1) * 100;
        // Some of it before the end, some while nobody serves, some after; the second file only while nobody serves.
        append(&a, numbered(from, from + 10));
        daemon.signal(signal);
        assert!(daemon.ended(DEADLINE).is_some(), "it did not end");
        append(&a, numbered(from + 10, from + 20));
        std::fs::rename(&a, logs.path(&format!("a.log.{}", 2 - round))).expect("rotate");
        append(&a, numbered(from + 20, from + 30));
        append(&b, numbered(from, from + 5));
        let mut command = program();
        let listen = format!("127.0.0.1:{}", daemon.port);
        command.args(["--listen", &listen]).args([&a, &b]);
        daemon = Daemon::start(command);
        append(&a, numbered(from + 30, from + 40));
        let last = json!(format!("\"line\":\"{}\"}}", from + 39));
        browser.until(&format!("seen.some(([, data]) => data.endsWith({last}))"));
        let last = json!(format!("\"line\":\"{}\"}}", from + 4));
        browser.until(&format!(
            "seen.filter(([, data]) => data.endsWith({last})).length === 2"
        ));
    }
    let (mut of_a, mut of_b, mut rotated) = (String::new(), String::new(), 0);
    for (kind, data) in seen(&mut browser) {
        let object: Value = serde_json::from_str(&data).expect("JSON");
        match kind.as_str() {
            "message" => {
                let of = if object["file"] == "a.log" {
                    &mut of_a
                } else {
                    &mut of_b
                };
                of.push_str(object["line"].as_str().expect("a line"));
                of.push('\n');
            }
            "rotated" => rotated += 1,
            other => panic!("{other}: {data}"),
        }
    }
    assert_eq!(
        of_a,
        numbered(0, 10) + &numbered(100, 140) + &numbered(200, 240)
    );
    assert_eq!(
        of_b,
        numbered(0, 10) + &numbered(100, 105) + &numbered(200, 205)
    );
    assert_eq!(rotated, 2);
}

#[test]
fn it_stops_by_itself_when_there_is_nothing_more_to_get() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let daemon = Daemon::follow(&[&log]);
    listen(&mut browser, &daemon, "/events?follow=false");
    // The end of the stream alone makes a browser connect again, after a second; the 204 then closes it.
    browser.until("seen.at(-1)?.[0] === 'end'");
    append(&log, "3\n");
    browser.until("source.readyState === EventSource.CLOSED");
    let lines = seen(&mut browser).into_iter();
    let lines: Vec<String> = lines
        .filter(|(kind, _)| kind == "message")
        .map(|(_, data)| data)
        .collect();
    assert_eq!(lines, ["1", "2", "3"]);
}

#[test]
fn it_gets_every_line_as_the_standard_allows() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let lines = [
        "plain",
        "",
        " lead",
        "\u{feff}BOM",
        ": colon",
        "\0NUL",
        "a\rb",
        "\u{1f600} \u{fffd}",
    ];
    let log = logs.file("a.log", lines.join("\r\n") + "\r\n");
    let daemon = Daemon::follow(&[&log]);
    listen(&mut browser, &daemon, "/events");
    browser.until(&format!("seen.length === {}", lines.len()));
    let seen: Vec<String> = seen(&mut browser)
        .into_iter()
        .map(|(_, data)| data)
        .collect();
    assert_eq!(seen, lines.map(|line| line.replace('\r', "\n")));
}
