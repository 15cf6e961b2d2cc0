//! Its own log lines: as journald wants them, few, and never food for themselves.

use std::fs::{File, OpenOptions};
use std::process::Command;

use tailcast::limits::{CLIENTS_DEFAULT, DESCRIPTORS_OWN, HEADS_MAX, LOG_BURST};

use crate::support::http::Live;
use crate::support::{DEADLINE, Daemon, Logs, append, program, wait_until};

#[test]
fn under_journald_lines_begin_with_their_priority_and_have_no_time() {
    let logs = Logs::new();
    let mut command = program();
    command
        .args(["-v", "--listen", "127.0.0.1:0"])
        .arg(logs.path("missing.log"));
    command.env("JOURNAL_STREAM", "8:1234");
    let daemon = Daemon::start(command);
    drop(daemon.websocket("/ws"));
    assert!(daemon.says("<7>client "));
    assert!(daemon.says("<6>client "));
    let said = daemon.said_so_far();
    let has = |priority: &str, text: &str| {
        said.iter()
            .any(|line| line.starts_with(priority) && line.contains(text))
    };
    assert!(has("<4>\"", "missing.log\" leads nowhere"), "{said:?}");
    assert!(has("<6>listening on http://", ""), "{said:?}");
}

#[test]
fn the_log_says_what_happens_to_a_file() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&[], &[&log]);
    let mut client = daemon.live("/stream?lines=0");
    std::fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "2\n");
    // Else nothing tells the truncated file from one that was always empty.
    assert_eq!(client.line(), "2\n");
    assert!(daemon.says("info: ") && daemon.says("a.log\" was rotated: a new file has its name"));
    std::fs::write(&log, "").expect("truncate");
    assert!(daemon.says("a.log\" was truncated: it begins anew"));
    std::fs::remove_file(&log).expect("delete");
    assert!(daemon.says("a.log\" leads nowhere"));
    append(&log, "3\n");
    assert!(daemon.says("a.log\" is back"));
}

#[test]
fn a_file_that_rotates_without_end_is_told_of_now_and_then_and_keeps_no_other_out() {
    let logs = Logs::new();
    let (busy, other) = (logs.file("busy.log", ""), logs.file("other.log", ""));
    let daemon = Daemon::with(&[], &[&busy, &other]);
    let mut client = daemon.websocket("/ws?format=json&file=busy.log");
    let rotate = |log: &std::path::Path| {
        std::fs::rename(log, log.with_extension("old")).expect("rotate");
        append(log, "a line\n");
    };
    client.text();
    for _ in 0..2 * LOG_BURST {
        rotate(&busy);
        while !client.text().contains("\"line\"") {}
    }
    rotate(&other);
    assert!(daemon.says("other.log\" was rotated"));
    let said = daemon.said_so_far();
    let of_busy = said.iter().filter(|line| line.contains("busy.log\" was"));
    assert_eq!(of_busy.count(), LOG_BURST as usize, "{said:?}");
}

#[test]
fn the_log_says_of_each_stream_that_ends_whose_it_was_what_it_brought_and_why() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\nthree\n");
    let tokens = logs.file("tokens", "# Alice\nalice-0123456789\n");
    let options = ["-v", "--token-file", tokens.to_str().expect("UTF-8")];
    let daemon = Daemon::with(&options, &[&log]);
    let mut client = daemon.websocket("/ws?token=alice-0123456789&grep=t&file=a.log");
    assert_eq!([client.text(), client.text()], ["two", "three"]);
    assert!(daemon.says("has caught up, and is live"));
    drop(client);
    assert!(daemon.says("(Alice, 127.0.0.1:"));
    assert!(daemon.says("had ws (text) of \"a.log\", filtered: 2 lines, "));
    let whole = daemon.get("/stream?follow=false&token=alice-0123456789");
    assert_eq!(whole.text().lines().count(), 3);
    assert!(daemon.says("had stream (text) of all files: 3 lines, "));
    assert!(daemon.says("s: it has all that it asked for"));
    assert_eq!(daemon.get("/stream").status, 401);
    assert!(daemon.says("is refused: 401: "));
    let said = daemon.said_so_far();
    assert!(!said.iter().any(|line| line.contains("alice-")), "{said:?}");
}

#[test]
fn a_failed_start_is_an_error_under_journald_too() {
    let mut command = program();
    command
        .args(["--lines", "ten", "a.log"])
        .env("JOURNAL_STREAM", "8:1234");
    let output = command.output().expect("start tailcast");
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(line.starts_with("<3>") && line.contains("ten"), "{line}");
}

#[test]
fn following_the_file_that_its_own_log_goes_to_does_not_feed_it() {
    let logs = Logs::new();
    let log = logs.file("syslog", "");
    let mut command = program();
    command.args(["-vv", "--listen", "127.0.0.1:0"]).arg(&log);
    // It is followed, and its log lines are seen, by what they make of the file.
    command.stderr(
        OpenOptions::new()
            .append(true)
            .open(&log)
            .expect("open the log"),
    );
    let child = command.spawn().expect("start tailcast");
    let _ends = Ends(child);
    let mut port = None;
    wait_until(DEADLINE, || {
        let text = std::fs::read_to_string(&log).expect("read the log");
        port = text.lines().find_map(|line| {
            line.split_once("listening on http://127.0.0.1:")?
                .1
                .parse::<u16>()
                .ok()
        });
        port.is_some()
    });
    let mut client = Live::of(port.expect("it listens"), "/stream?lines=0");
    append(&log, "first\n");
    // What is said of a client that begins is said once.
    let mut awaited = vec!["first\n", "has caught up, and is live\n"];
    while !awaited.is_empty() {
        let line = client.line();
        awaited.retain(|end| !line.ends_with(end));
    }
    // What one line makes it say would come before the next.
    for n in 0..50 {
        append(&log, format!("line {n}\n"));
        assert_eq!(client.line(), format!("line {n}\n"));
    }
}

struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_same_warning_again_and_again_is_cut_short() {
    let logs = Logs::new();
    let many = 3 * LOG_BURST;
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0"]);
    command.args((0..many).map(|n| logs.path(&format!("missing-{n}.log"))));
    let daemon = Daemon::start(command);
    let said = daemon.said_so_far();
    let warnings = said.iter().filter(|line| line.contains("leads nowhere"));
    assert_eq!(warnings.count(), LOG_BURST as usize, "{said:?}");
    assert!(
        said.iter()
            .any(|line| line.contains("only counted for now")),
        "{said:?}"
    );
}

/// A daemon that follows one file under a limit on descriptors.
fn under_limit(descriptors: u64, options: &[&str]) -> Daemon {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    File::open(&log).expect("a log");
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={descriptors}:{descriptors}"));
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .args(options)
        .arg(&log);
    Daemon::start(command)
}

#[test]
fn a_limit_that_does_not_match_max_clients_is_one_warning_with_setting_and_numbers() {
    let daemon = under_limit(300, &[]);
    let said = daemon.said_so_far();
    let warnings: Vec<_> = said
        .iter()
        .filter(|line| line.contains("LimitNOFILE="))
        .collect();
    let [line] = warnings[..] else {
        panic!("not one warning: {said:?}");
    };
    let needed = CLIENTS_DEFAULT + HEADS_MAX + DESCRIPTORS_OWN as usize;
    assert!(
        line.contains("allows 300") && line.contains("--max-clients 1024"),
        "{line}"
    );
    let number = line
        .split("raise LimitNOFILE= of the unit (ulimit -Hn) to ")
        .nth(1);
    let number = number.and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    assert!(number.is_some_and(|number| number > needed), "{line}");
}

#[test]
fn a_limit_that_matches_is_not_worth_a_word() {
    let daemon = under_limit(400, &["--max-clients", "20"]);
    let said = daemon.said_so_far();
    assert!(
        !said.iter().any(|line| line.contains("LimitNOFILE=")),
        "{said:?}"
    );
}
