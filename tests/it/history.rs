//! Rotated files are history: `lines`, `before` and `after` go through them as through one long file, compressed or not.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};

/// The lines and events of an answer in JSON Lines, and the id of each line.
fn read(daemon: &Daemon, query: &str) -> (Vec<String>, HashMap<String, String>) {
    let text = daemon
        .get(&format!("/stream?follow=false&format=json&{query}"))
        .text();
    let (mut all, mut ids) = (Vec::new(), HashMap::new());
    for object in text.lines() {
        let object: Value = serde_json::from_str(object).expect("JSON");
        let id = object["id"].as_str().expect("an id").to_owned();
        match object["line"].as_str() {
            Some(line) => {
                all.push(line.to_owned());
                ids.insert(line.to_owned(), id);
            }
            None => all.push(format!("<{}>", object["event"].as_str().expect("an event"))),
        }
    }
    (all, ids)
}

fn lines(daemon: &Daemon, query: &str) -> Vec<String> {
    let text = daemon.get(&format!("/stream?follow=false&{query}")).text();
    text.lines().map(str::to_owned).collect()
}

fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|n| n.to_string()).collect()
}

/// Writes the numbers to a file, a line each.
fn write(path: &Path, from: usize, to: usize) {
    append(path, numbers(from, to).join("\n") + "\n");
}

fn gzip(path: &Path) {
    let done = Command::new("gzip").arg(path).status();
    assert!(done.expect("gzip").success());
}

/// Three files of three lines each, the middle one compressed where it is asked for.
fn three_files(logs: &Logs, compressed: bool) -> std::path::PathBuf {
    let log = logs.path("a.log");
    write(&log, 1, 3);
    fs::rename(&log, logs.path("a.log.2")).expect("rename");
    write(&log, 4, 6);
    fs::rename(&log, logs.path("a.log.1")).expect("rename");
    write(&log, 7, 9);
    if compressed {
        gzip(&logs.path("a.log.1"));
    }
    log
}

#[test]
fn the_last_lines_go_back_over_rotations_and_each_seam_is_told() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&three_files(&logs, compressed)]);
        for wanted in 0..=12 {
            let from = 10 - wanted.min(9);
            assert_eq!(lines(&daemon, &format!("lines={wanted}")), numbers(from, 9));
        }
        assert_eq!(lines(&daemon, "lines=all"), numbers(7, 9));
        assert_eq!(lines(&daemon, "lines=9&grep=[159]"), ["1", "5", "9"]);
        let (told, _) = read(&daemon, "lines=5");
        let want = ["<start>", "5", "6", "<rotated>", "7", "8", "9", "<end>"];
        assert_eq!(told, want);
        // Who follows is carried live from there.
        let mut client = daemon.websocket("/ws?lines=4");
        assert_eq!(client.texts(4), numbers(6, 9));
        append(&logs.path("a.log"), "10\n");
        assert_eq!(client.text(), "10");
    }
}

#[test]
fn a_stream_resumes_and_pages_back_at_every_line_of_every_file() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&three_files(&logs, compressed)]);
        let (_, ids) = read(&daemon, "lines=9");
        for n in 1..=9 {
            let id = &ids[&n.to_string()];
            assert_eq!(
                lines(&daemon, &format!("after={id}")),
                numbers(n + 1, 9),
                "after {n}"
            );
            for wanted in [1, 4, 20] {
                let from = (n + 1).saturating_sub(wanted).max(1);
                let query = format!("before={id}&lines={wanted}");
                assert_eq!(
                    lines(&daemon, &query),
                    numbers(from, n),
                    "{wanted} before {n}"
                );
            }
            // To the beginning of the file that holds the place.
            let query = format!("before={id}&lines=all");
            assert_eq!(
                lines(&daemon, &query),
                numbers((n - 1) / 3 * 3 + 1, n),
                "{n}"
            );
        }
    }
}

#[test]
fn what_was_rotated_while_the_daemon_ran_is_history_too() {
    let logs = Logs::new();
    let log = three_files(&logs, true);
    let daemon = Daemon::follow(&[&log]);
    for (turn, from) in [(10, 10), (11, 13)] {
        fs::rename(&log, logs.path(&format!("a.log.0{turn}"))).expect("rename");
        fs::rename(logs.path(&format!("a.log.0{turn}")), logs.path("a.log.tmp")).expect("rename");
        for n in [3, 2, 1] {
            for ending in ["", ".gz"] {
                let of = |n: usize| logs.path(&format!("a.log.{n}{ending}"));
                let _ = fs::rename(of(n), of(n + 1));
            }
        }
        fs::rename(logs.path("a.log.tmp"), logs.path("a.log.1")).expect("rename");
        write(&log, from, from + 2);
        let last = (from + 2).to_string();
        assert!(wait_until(crate::support::DEADLINE, || lines(
            &daemon, "lines=1"
        ) == [last.clone()]));
    }
    for wanted in 1..=16 {
        let from = 16 - wanted.min(15);
        assert_eq!(
            lines(&daemon, &format!("lines={wanted}")),
            numbers(from, 15),
            "{wanted}"
        );
    }
}

#[test]
fn copies_that_were_truncated_are_history_and_a_copy_of_what_stands_is_not() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    write(&log, 1, 3);
    fs::copy(&log, logs.path("a.log.2")).expect("copy");
    fs::write(&log, "").expect("truncate");
    write(&log, 4, 6);
    fs::copy(&log, logs.path("a.log.1")).expect("copy");
    fs::write(&log, "").expect("truncate");
    write(&log, 7, 9);
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(lines(&daemon, "lines=20"), numbers(1, 9));

    let logs = Logs::new();
    let log = logs.path("a.log");
    write(&log, 1, 3);
    // As logrotate's `copy` does: the file goes on.
    fs::copy(&log, logs.path("a.log.1")).expect("copy");
    write(&log, 4, 6);
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(lines(&daemon, "lines=20"), numbers(1, 6));
}

#[test]
fn a_copy_of_what_was_rotated_later_is_no_history_beside_it() {
    for after_copy in [6, 5] {
        let logs = Logs::new();
        let log = logs.path("a.log");
        write(&logs.path("a.log.3"), 1, 3);
        write(&log, 4, 5);
        let born = |path: &Path| path.metadata().and_then(|stat| stat.created()).ok();
        let copy = logs.path("a.log.2");
        wait_until(DEADLINE, || {
            let _ = fs::remove_file(&copy);
            fs::copy(&log, &copy).expect("copy");
            born(&copy) > born(&log)
        });
        // Where nothing is written after it, the copy is younger by all its times.
        if after_copy == 6 {
            write(&log, 6, 6);
        }
        fs::rename(&log, logs.path("a.log.1")).expect("rename");
        write(&log, after_copy + 1, 9);
        resumes_at_each_line(&Daemon::follow(&[&log]), 9);
    }
}

#[test]
fn a_rotated_file_that_the_current_one_begins_like_is_history() {
    // What is compressed may keep no more than the second of its last line.
    for (ending, apart) in [("", 0), (".gz", 1)] {
        let logs = Logs::new();
        let log = logs.path("a.log");
        append(&log, "# a header\n");
        let rotated = logs.path("a.log.1");
        fs::rename(&log, &rotated).expect("rename");
        let time = |time: std::io::Result<SystemTime>| time.expect("a time");
        let rotated_at = rotated.metadata().expect("it is there");
        let is_later = wait_until(DEADLINE, || {
            let _ = fs::remove_file(&log);
            append(&log, "# a header\n1\n");
            let born = log.metadata().expect("it is there").created();
            time(born) > time(rotated_at.modified()) + Duration::from_secs(apart)
        });
        assert!(is_later, "the clock stands");
        if !ending.is_empty() {
            gzip(&rotated);
        }
        let daemon = Daemon::follow(&[&log]);
        let header = "# a header".to_owned();
        let want = [header.clone(), header, "1".to_owned()];
        assert_eq!(lines(&daemon, "lines=20"), want, "{ending}");
    }
}

#[test]
fn of_copies_that_have_outlived_their_file_the_longest_is_history() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    let write = |second: usize| {
        append(&log, format!("2026-11-28T10:00:0{second}Z\n"));
    };
    (1..5).for_each(write);
    fs::copy(&log, logs.path("a.log-20261126")).expect("copy");
    fs::copy(&log, logs.path("a.log-20261127")).expect("copy");
    write(5);
    fs::copy(&log, logs.path("a.log-20261128")).expect("copy");
    fs::remove_file(&log).expect("remove");
    (6..9).for_each(write);
    let daemon = Daemon::follow(&[&log]);
    let seconds = |query: &str| {
        let lines = lines(&daemon, query).into_iter();
        lines
            .map(|line| line[18..19].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(seconds("lines=99"), numbers(1, 8));
    assert_eq!(seconds("lines=7"), numbers(2, 8));
}

#[test]
fn a_log_that_says_the_same_after_each_rotation_keeps_all_of_it() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    for rotated in ["a.log.3", "a.log.2", "a.log.1"] {
        append(&log, "done\n");
        fs::rename(&log, logs.path(rotated)).expect("rename");
    }
    append(&log, "started\n");
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(
        lines(&daemon, "lines=99"),
        ["done", "done", "done", "started"]
    );
}

/// A stream that is resumed after any line of the history gets what follows it, once, and is told of no gap.
fn resumes_at_each_line(daemon: &Daemon, last: usize) {
    let (_, ids) = read(daemon, "lines=99");
    assert_eq!(ids.len(), last);
    let ids: Vec<_> = (1..=last).map(|n| ids[&n.to_string()].clone()).collect();
    resumes_after_each(daemon, &ids);
}

/// The ids of lines that are numbered from 1 on.
fn resumes_after_each(daemon: &Daemon, ids: &[String]) {
    let last = ids.len();
    for (n, id) in (1..).zip(ids) {
        let (got, _) = read(daemon, &format!("after={id}"));
        assert!(!got.contains(&"<gap>".to_owned()), "after {n}: {got:?}");
        let got: Vec<_> = got
            .into_iter()
            .filter(|line| !line.starts_with('<'))
            .collect();
        assert_eq!(got, numbers(n + 1, last), "after {n}");
    }
}

#[test]
fn a_stream_resumes_in_files_that_were_made_in_any_order() {
    let logs = Logs::new();
    // As rsync and tar restore a directory: in the order of the alphabet, and the youngest lines first.
    for (name, from) in [("a.log", 7), ("a.log.1", 4), ("a.log.2", 1)] {
        write(&logs.path(name), from, from + 2);
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_860_000 + from as u64);
        let file = File::options().append(true).open(logs.path(name));
        file.and_then(|file| file.set_modified(written))
            .expect("its time");
    }
    resumes_at_each_line(&Daemon::follow(&[&logs.path("a.log")]), 9);
}

#[test]
fn what_was_compressed_after_the_last_line_is_history() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    write(&logs.path("a.log.1"), 1, 3);
    write(&log, 4, 6);
    // As Go's lumberjack does it: in the background, and as a new file with a time of its own.
    wait_until(DEADLINE, || {
        let compressed = Command::new("gzip")
            .arg("-nc")
            .arg(logs.path("a.log.1"))
            .output();
        fs::write(logs.path("a.log.1.gz"), compressed.expect("gzip").stdout).expect("write");
        let written = |name| logs.path(name).metadata().and_then(|stat| stat.modified());
        written("a.log.1.gz").expect("a time") > written("a.log").expect("a time")
    });
    fs::remove_file(logs.path("a.log.1")).expect("remove");
    resumes_at_each_line(&Daemon::follow(&[&log]), 6);
}

#[test]
fn a_stream_resumes_in_the_copies_of_what_was_truncated() {
    for are_compressed in [false, true] {
        let logs = Logs::new();
        let log = logs.path("a.log");
        write(&log, 1, 3);
        let daemon = Daemon::follow(&[&log]);
        let mut client = daemon.websocket("/ws?format=json");
        let id = |object: Value| object["id"].as_str().expect("an id").to_owned();
        let mut ids: Vec<String> = (1..=3).map(|_| id(client.json_with("line"))).collect();
        for (first, copy) in [(4, "a.log.2"), (7, "a.log.1")] {
            fs::copy(&log, logs.path(copy)).expect("copy");
            fs::write(&log, "").expect("truncate");
            while client.json()["event"] != "truncated" {}
            if are_compressed {
                gzip(&logs.path(copy));
            }
            write(&log, first, first + 2);
            ids.extend((1..=3).map(|_| id(client.json_with("line"))));
        }
        for daemon in [daemon, Daemon::follow(&[&log])] {
            resumes_at_each_line(&daemon, 9);
            // Those are of the copies; the ones that clients have are of the file as it was before.
            resumes_after_each(&daemon, &ids);
        }
    }
}

#[test]
fn what_a_copy_lacks_of_what_was_truncated_is_a_gap_and_nothing_older_comes_again() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    write(&log, 1, 3);
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json");
    (1..=3).for_each(|_| drop(client.json_with("line")));
    fs::remove_file(&log).expect("remove");
    write(&log, 4, 6);
    let id = client.json_with("line")["id"].clone();
    (5..=6).for_each(|_| drop(client.json_with("line")));
    fs::copy(&log, logs.path("a.log.1")).expect("copy");
    // Written between the copy and the truncation.
    write(&log, 7, 7);
    client.json_with("line");
    fs::write(&log, "").expect("truncate");
    client.json_with("event");
    write(&log, 8, 9);
    let (got, _) = read(&daemon, &format!("after={}", id.as_str().expect("an id")));
    let want = ["<start>", "5", "6", "<gap>", "<rotated>", "8", "9", "<end>"];
    assert_eq!(got, want);
}

#[test]
fn files_of_others_and_younger_ones_are_no_history() {
    let logs = Logs::new();
    let log = three_files(&logs, false);
    logs.file("a.log-other", "other\n");
    logs.file("a.logs", "other\n");
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(lines(&daemon, "lines=20"), numbers(1, 9));
}

#[test]
fn what_cant_be_read_is_a_gap_and_older_files_go_on_behind_it() {
    let logs = Logs::new();
    let log = three_files(&logs, true);
    let path = logs.path("a.log.1.gz");
    let whole = fs::read(&path).expect("read");
    let written = fs::metadata(&path).and_then(|stat| stat.modified());
    fs::write(&path, &whole[..whole.len() - 6]).expect("damage");
    // As a copy that was cut off has it: the time of the last write stays.
    let file = fs::File::options().write(true).open(&path).expect("open");
    file.set_modified(written.expect("a time")).expect("a time");
    let daemon = Daemon::follow(&[&log]);
    let (told, _) = read(&daemon, "lines=20");
    let want = [
        "<start>",
        "1",
        "2",
        "3",
        "<gap>",
        "<rotated>",
        "7",
        "8",
        "9",
        "<end>",
    ];
    assert_eq!(told, want);

    // Nothing older: the gap stands at the beginning.
    fs::remove_file(logs.path("a.log.2")).expect("remove");
    let text = daemon
        .get("/stream?follow=false&format=json&lines=20")
        .text();
    assert!(text.contains("damaged"), "{text}");
    let (told, _) = read(&daemon, "lines=20");
    assert_eq!(told, ["<start>", "<gap>", "7", "8", "9", "<end>"]);
    // Lines enough in the current file: the damaged one is none of the stream's.
    assert_eq!(read(&daemon, "lines=2").0, ["<start>", "8", "9", "<end>"]);
}

#[test]
fn without_rotated_files_history_ends_where_the_file_begins_but_for_who_resumes() {
    let logs = Logs::new();
    let log = three_files(&logs, false);
    let daemon = Daemon::follow(&[&log]);
    let (_, ids) = read(&daemon, "lines=9");
    drop(daemon);
    let daemon = Daemon::with(&["--no-rotated"], &[&log]);
    assert_eq!(lines(&daemon, "lines=20"), numbers(7, 9));
    assert_eq!(
        lines(&daemon, &format!("after={}", ids["2"])),
        numbers(3, 9)
    );
    assert_eq!(
        lines(&daemon, &format!("before={}&lines=20", ids["8"])),
        numbers(7, 8)
    );
}

#[test]
fn where_the_name_leads_nowhere_its_rotated_files_are_history() {
    let logs = Logs::new();
    let log = three_files(&logs, true);
    fs::remove_file(&log).expect("remove");
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(lines(&daemon, "lines=4"), numbers(3, 6));
    let mut client = daemon.websocket("/ws?lines=2");
    assert_eq!(client.texts(2), numbers(5, 6));
    append(&log, "7\n");
    assert_eq!(client.text(), "7");
}

#[test]
fn logrotate_under_load_leaves_every_line_in_the_history_once_and_in_order() {
    let Some(logrotate) = tool(&["logrotate"]) else {
        return;
    };
    for how in [
        "create",
        "create\ncompress\ndelaycompress",
        "create\ncompress",
        "create\ndateext\ndateformat -%s",
    ] {
        let logs = Logs::new();
        let log = logs.file("a.log", "");
        let text = format!(
            "{} {{\n rotate 30\n su root root\n {how}\n}}\n",
            log.display()
        );
        let config = logs.file("rotate.conf", text);
        fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .expect("a mode");
        let daemon = Daemon::follow(&[&log]);
        let mut written = 0;
        for _ in 0..5 {
            write(&log, written + 1, written + 50);
            written += 50;
            if how.contains("dateext") {
                // Its names have a second in them.
                let mut command = Command::new(&logrotate);
                let begun = std::time::Instant::now();
                assert!(wait_until(crate::support::DEADLINE, || begun
                    .elapsed()
                    .as_millis()
                    > 1100));
                let _ = command.arg("--version").output();
            }
            let status = Command::new(&logrotate)
                .args(["-f", "-s"])
                .arg(logs.path("state"))
                .arg(&config)
                .status();
            assert!(status.expect("logrotate").success(), "{how}");
        }
        write(&log, written + 1, written + 50);
        written += 50;
        let all = || lines(&daemon, "lines=1000000");
        assert!(
            wait_until(crate::support::DEADLINE, || all() == numbers(1, written)),
            "{how}: {:?}",
            all()
        );
        drop(daemon);
        let daemon = Daemon::follow(&[&log]);
        assert_eq!(
            lines(&daemon, "lines=1000000"),
            numbers(1, written),
            "{how}, after a restart"
        );
    }
}
