//! Following by name, seen from outside: what a client of the built program gets when files are rotated, replaced and
//! deleted, and when it resumes after that.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::http::Live;
use support::websocket::Client;
use support::{DEADLINE, Daemon, Logs, append};

/// Everything that a client gets until the line `last`.
fn until(client: &mut Client, last: &str) -> Vec<Value> {
    let mut got = Vec::new();
    loop {
        got.push(client.json());
        if got.last().is_some_and(|object| object["line"] == last) {
            return got;
        }
    }
}

/// Each line, and each event in angle brackets.
fn summary(got: &[Value]) -> Vec<String> {
    let one = |object: &Value| match object["event"].as_str() {
        Some(event) => format!("<{event}>"),
        None => object["line"].as_str().unwrap_or_default().to_owned(),
    };
    got.iter().map(one).collect()
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

fn restart(mut daemon: Daemon, log: &Path) -> Daemon {
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some(), "it did not end");
    Daemon::follow(&[log])
}

#[test]
fn a_file_made_anew_with_the_same_inode_and_lines_is_not_taken_for_the_old_one() {
    let logs = Logs::new();
    let text = "tick\n".repeat(200);
    let log = logs.file("a.log", &text);
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let got: Vec<Value> = (0..201).map(|_| client.json()).collect();
    let inode = fs::metadata(&log).expect("stat").ino();
    // Nobody may have it open, else its inode can't be used again.
    drop(client);
    let mut daemon = daemon;
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some(), "it did not end");
    fs::remove_file(&log).expect("unlink");
    logs.file("a.log", text + "last\n");
    eprintln!(
        "the same inode: {}",
        fs::metadata(&log).expect("stat").ino() == inode
    );
    let daemon = Daemon::follow(&[&log]);
    // From its first byte, from a line, and from the end.
    for at in [0, 100, 200] {
        let target = format!("/ws?format=json&after={}", id(&got[at]));
        let got = summary(&until(&mut daemon.websocket(&target), "last"));
        assert_eq!(got[..3], ["<start>", "<gap>", "tick"], "after {at}");
        assert_eq!(got.len(), 2 + 200 + 1, "after {at}");
    }
}

#[test]
fn an_id_of_a_file_that_a_rotation_renamed_behind_a_link_is_found() {
    let logs = Logs::new();
    fs::create_dir(logs.path("real")).expect("mkdir");
    let real = logs.file("real/b.log", "one\ntwo\n");
    let log = logs.path("a.log");
    symlink("real/b.log", &log).expect("symlink");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let after = id(&until(&mut client, "one")[1]);
    let target = format!("/ws?format=json&after={after}");
    for turn in 1..4 {
        fs::rename(&real, logs.path(&format!("real/b.log-2026112{turn}"))).expect("rename");
        append(&real, format!("new {turn}\n"));
    }
    let daemon = restart(daemon, &log);
    let got = until(&mut daemon.websocket(&target), "new 3");
    let want = [
        "<start>",
        "two",
        "<rotated>",
        "new 1",
        "<rotated>",
        "new 2",
        "<rotated>",
        "new 3",
    ];
    assert_eq!(summary(&got), want);
}

const STRETCH_LINES: usize = 500;
const STRETCHES: usize = 12;

/// A log that is rotated again and again while a client takes nothing; everything is published when this returns.
fn left_behind(logs: &Logs) -> (Daemon, Live) {
    let log = logs.file("a.log", "begin\n");
    let daemon = Daemon::follow(&[&log]);
    let target = "/stream?format=json&lines=0";
    let (mut stalled, mut reads) = (daemon.live(target), daemon.live(target));
    for client in [&mut stalled, &mut reads] {
        assert!(client.line().contains("start"));
    }
    for stretch in 0..STRETCHES {
        if stretch > 0 {
            fs::rename(&log, logs.path(&format!("a.log-2026{stretch:04}"))).expect("rename");
        }
        let numbers = stretch * STRETCH_LINES..(stretch + 1) * STRETCH_LINES;
        let text: String = numbers.map(|n| format!("{n:06} {:1000}\n", "")).collect();
        append(&log, text);
        let last = format!("{:06} ", (stretch + 1) * STRETCH_LINES - 1);
        while !reads.line().contains(&last) {}
    }
    (daemon, stalled)
}

/// The numbers of the lines that come up to the last one, and the bytes that are told as lost.
fn what_comes(client: &mut Live) -> (Vec<usize>, Vec<u64>) {
    let (mut numbers, mut lost) = (Vec::new(), Vec::new());
    while numbers.last() != Some(&(STRETCHES * STRETCH_LINES - 1)) {
        let object: Value = serde_json::from_str(&client.line()).expect("JSON");
        if object["event"] == "gap" {
            lost.push(object["lost"].as_u64().expect("a number"));
        }
        if let Some(line) = object["line"].as_str() {
            numbers.push(line[..6].parse().expect("a number"));
        }
    }
    (numbers, lost)
}

#[test]
fn a_client_that_is_many_rotations_behind_gets_all_that_still_stands_beside_the_file() {
    let logs = Logs::new();
    let (_daemon, mut stalled) = left_behind(&logs);
    let (numbers, lost) = what_comes(&mut stalled);
    assert!(numbers.into_iter().eq(0..STRETCHES * STRETCH_LINES));
    assert_eq!(lost, [0; 0]);
}

#[test]
fn what_is_deleted_before_a_client_has_it_is_a_gap_of_as_many_bytes() {
    let logs = Logs::new();
    let (_daemon, mut stalled) = left_behind(&logs);
    // Some of these are not held open any more; the first one it is in the middle of.
    for stretch in 1..4 {
        fs::remove_file(logs.path(&format!("a.log-2026{stretch:04}"))).expect("unlink");
    }
    let (numbers, lost) = what_comes(&mut stalled);
    let missing = STRETCHES * STRETCH_LINES - numbers.len();
    assert!(missing > STRETCH_LINES, "{missing}");
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(lost.iter().sum::<u64>(), missing as u64 * 1008);
}
