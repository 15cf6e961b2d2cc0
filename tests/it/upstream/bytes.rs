//! A line comes over a hop, and out of `tailcast cat`, with all the bytes that it was written with.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use super::{again_on, of, start, text, until};
use crate::support::gate::free_port;
use crate::support::{Logs, append, program};

/// Lines that no text can hold as they are: not UTF-8, ended by `\r\n`, with a `\r` in them, longer than `--max-line`.
fn odd_lines() -> Vec<u8> {
    let mut bytes =
        b"plain\nlatin-1: gr\xfc\xdfe\nwindows\r\n\r\n\r\r\n\xed\xb2\x80\xff\n\ta\rb \"\\\n"
            .to_vec();
    let long = [&[0xc3, 0xa4][..]; 100_000].concat();
    bytes.extend_from_slice(&long);
    bytes.extend_from_slice(b"\xff the end\r\nafter\n");
    bytes
}

#[test]
fn bytes_that_are_no_text_cross_two_hops_and_come_out_of_cat() {
    let logs = Logs::new();
    let log = logs.file("a.log", odd_lines());
    let web1 = start(&[], &[text(&log)]);
    let near = start(&[], &[&of("web1", &web1)]);
    let far = start(&[], &[&of("near", &near)]);
    let target = "/stream?file=near/web1/a.log&lines=all&follow=false";
    let mut written = odd_lines();
    until("the history", || far.get(target).body == written);
    append(&log, odd_lines());
    written.extend(odd_lines());
    until("what came live", || far.get(target).body == written);

    for (port, file) in [(web1.port, "a.log"), (far.port, "near/web1/a.log")] {
        let url = format!("http://127.0.0.1:{port}/?file={file}&lines=all&follow=false");
        // It is more than a pipe holds.
        let path = logs.path("cat");
        let mut command = program();
        command.args(["cat", &url]).stdin(Stdio::null());
        command.stdout(File::create(&path).expect("a file"));
        let mut child = command.spawn().expect("start tailcast cat");
        until("the end of cat", || {
            child.try_wait().expect("wait").is_some()
        });
        let read = std::fs::read(path).expect("what cat wrote");
        assert!(read == written, "{} bytes", read.len());
    }
    // For everybody else it is the text that it has always been.
    let mut page = far.websocket("/ws?format=batch&lines=all&file=near/web1/a.log");
    let first = page.json_with("lines");
    assert_eq!(first["lines"][1], "latin-1: gr\u{fffd}\u{fffd}e");
    assert_eq!(
        (first["lines"][2].as_str(), first.get("exact")),
        (Some("windows"), None)
    );
}

#[test]
fn what_is_said_of_a_record_crosses_with_bytes_that_are_no_text() {
    let logs = Logs::new();
    let record = |text: &str| format!("2026-11-28T10:00:00.5Z stderr F {text}\n").into_bytes();
    let mut bytes = record("plain");
    bytes.extend(record("x"));
    let at = bytes.len() - 2;
    bytes[at] = 0xff;
    let log = logs.file("a.log", &bytes);
    let web1 = start(&[], &[text(&log)]);
    let hub = start(&[], &[&of("web1", &web1)]);
    until("its lines", || {
        hub.get("/stream?follow=false&format=json")
            .text()
            .contains("plain")
    });
    let json = hub.get("/stream?follow=false&format=json").text();
    let lines = json
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines: Vec<Value> = lines.filter(|line| line.get("line").is_some()).collect();
    assert_eq!(lines[1]["line"], "\u{fffd}");
    for line in lines {
        assert_eq!(
            (&line["time"], &line["stream"]),
            (&"2026-11-28T10:00:00.5Z".into(), &"stderr".into())
        );
    }
}

#[test]
fn more_files_are_resumed_than_a_head_has_room_for() {
    const FILES: usize = 400;
    let logs = Logs::new();
    let name = |n: usize| format!("{n}-{}.log", "x".repeat(20));
    for n in 0..FILES {
        logs.file(&name(n), "1\n");
    }
    let pattern = logs.path("*.log");
    let spools = logs.path("spools");
    let port = free_port();
    let other = again_on(port, &[], &[text(&pattern)]);
    let hub = || start(&["--spool-dir", text(&spools)], &[&of("web1", &other)]);
    let read = |hub: &super::Daemon, n: usize| {
        hub.get(&format!(
            "/stream?file=web1/{}&follow=false&lines=all",
            name(n)
        ))
        .text()
    };
    let first = hub();
    until("all files", || super::names(&first).len() == FILES);
    until("the last line", || {
        (0..FILES).all(|n| read(&first, n) == "1\n")
    });
    drop(first);
    for n in 0..FILES {
        append(&logs.path(&name(n)), "2\n");
    }
    let second = hub();
    until("what came meanwhile, once", || {
        (0..FILES).all(|n| read(&second, n) == "1\n2\n")
    });
    assert!(
        second.said_with("away").is_empty(),
        "{:?}",
        second.said_so_far()
    );
}
