//! Following by name, seen from outside: what a client of the built program gets when files are rotated, replaced and
//! deleted, and when it resumes after that.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;
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
