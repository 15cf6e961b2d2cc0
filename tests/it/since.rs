//! Streams that begin or end at a time: since, until, --since.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Daemon, Logs, append, run};

/// A line a second, ten in a minute: 2026-11-28T10:00:00Z and on.
fn minute(logs: &Logs) -> std::path::PathBuf {
    let line = |second| format!("2026-11-28T10:00:{second:02}Z line {second}\n");
    logs.file("a.log", (0..60).step_by(6).map(line).collect::<String>())
}

/// The numbers of the lines that a request is answered with.
fn lines(daemon: &Daemon, query: &str) -> Vec<u32> {
    let answer = daemon.get(&format!("/stream?{query}"));
    assert_eq!(answer.status, 200, "{query}");
    let number = |line: &str| {
        line.rsplit(' ')
            .next()
            .expect("a word")
            .parse()
            .expect("a number")
    };
    answer.text().lines().map(number).collect()
}

#[test]
fn a_stream_begins_with_the_first_line_that_is_not_older() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&minute(&logs)]);
    let since = |query: &str| lines(&daemon, &format!("follow=false&since={query}"));
    assert_eq!(since("2026-11-28T10:00:42Z"), [42, 48, 54]);
    assert_eq!(since("2026-11-28T10:00:43Z"), [48, 54]);
    assert_eq!(since("@1795860042.5"), [48, 54]);
    // A plus that was not escaped.
    assert_eq!(since("2026-11-28T11:00:43+01:00"), [48, 54]);
    assert_eq!(since("2001-01-01").len(), 10);
    assert_eq!(since("2099-01-01"), [0; 0]);
}

#[test]
fn with_lines_whichever_begins_later_counts() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&minute(&logs)]);
    let since = |query: &str| {
        lines(
            &daemon,
            &format!("follow=false&since=2026-11-28T10:00:42Z&{query}"),
        )
    };
    assert_eq!(since("lines=2"), [48, 54]);
    assert_eq!(since("lines=9"), [42, 48, 54]);
    assert_eq!(since("lines=all"), [42, 48, 54]);
    assert_eq!(since("lines=0"), [0; 0]);
    assert_eq!(since("lines=2&grep=4"), [48, 54]);
    assert_eq!(since("lines=2&grep=0%20l|12"), [0; 0]);
}

#[test]
fn a_stream_ends_before_the_first_line_that_is_as_late() {
    let logs = Logs::new();
    let daemon = Daemon::with(&["--lines", "3"], &[&minute(&logs)]);
    // It ends by itself.
    assert_eq!(lines(&daemon, "until=2026-11-28T10:00:42Z"), [24, 30, 36]);
    assert_eq!(
        lines(&daemon, "until=2026-11-28T10:00:43Z&lines=2"),
        [36, 42]
    );
    assert_eq!(
        lines(&daemon, "until=2026-11-28T10:00:12Z&lines=all"),
        [0, 6]
    );
    let both = "since=2026-11-28T10:00:12Z&until=2026-11-28T10:00:30Z";
    assert_eq!(lines(&daemon, both), [12, 18, 24]);
    assert_eq!(lines(&daemon, &format!("{both}&lines=1")), [24]);
    assert_eq!(lines(&daemon, "until=2026-11-28T10:00:00Z"), [0; 0]);
    let backwards = "until=2026-11-28T10:00:12Z&since=2026-11-28T10:00:30Z";
    assert_eq!(lines(&daemon, backwards), [0; 0]);
}

#[test]
fn what_comes_live_is_sent_whatever_its_time() {
    let logs = Logs::new();
    let log = minute(&logs);
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live("/stream?since=2026-11-28T10:00:54Z");
    assert_eq!(live.line(), "2026-11-28T10:00:54Z line 54\n");
    append(&log, "1999-01-01T00:00:00Z old\n");
    assert_eq!(live.line(), "1999-01-01T00:00:00Z old\n");
}

#[test]
fn the_option_is_for_clients_that_do_not_say() {
    let logs = Logs::new();
    let log = minute(&logs);
    let daemon = Daemon::with(&["--since", "2026-11-28T10:00:30Z"], &[&log]);
    assert_eq!(lines(&daemon, "follow=false"), [30, 36, 42, 48, 54]);
    assert_eq!(lines(&daemon, "follow=false&lines=7").len(), 7);
    assert_eq!(
        lines(&daemon, "follow=false&since=2026-11-28T10:00:54Z"),
        [54]
    );
    let daemon = Daemon::with(&["--since", "2026-11-28T10:00:30Z", "--lines=2"], &[&log]);
    assert_eq!(lines(&daemon, "follow=false"), [48, 54]);
}

#[test]
fn a_time_that_cant_be_used_is_refused_with_what_would_be_right() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&minute(&logs)]);
    let answer = daemon.get("/stream?since=noon");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("since=noon"), "{}", answer.text());
    assert!(answer.text().contains("today"), "{}", answer.text());
    assert_eq!(daemon.get("/stream?until=2026-02-30").status, 400);
    let wrong = run(&["--since", "noon", "a.log"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("noon") && said.contains("today"), "{said}");
}

#[test]
fn what_has_no_times_begins_where_it_stood_or_by_its_last_write() {
    let logs = Logs::new();
    let log = logs.file("a.log", "line 1\nline 2\n");
    let file = std::fs::File::options()
        .write(true)
        .open(&log)
        .expect("a file");
    let hour = SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(hour).expect("a time");
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(lines(&daemon, "follow=false&since=2h"), [1, 2]);
    assert_eq!(lines(&daemon, "follow=false&since=10m"), [0; 0]);
    append(&log, "line 3\n");
    let mut live = daemon.live("/stream?lines=1");
    assert_eq!(live.line(), "line 3\n");
    // From before it was started: where the file stood then is known by its last write alone, and that is later now.
    assert_eq!(lines(&daemon, "follow=false&since=10m"), [1, 2, 3]);
    assert_eq!(lines(&daemon, "follow=false&since=now"), [0; 0]);
}

/// Lines of a minute each, the numbers of which they are called by.
fn minutes(from: u32, to: u32) -> String {
    (from..to)
        .map(|minute| format!("2026-11-28T10:{minute:02}:00Z line {minute}\n"))
        .collect()
}

/// Ten minutes in the file, and ten in each of three older ones, those before the last compressed where that is asked for.
fn four_files(logs: &Logs, compressed: bool) -> std::path::PathBuf {
    for (name, from) in [("a.log.3", 0), ("a.log.2", 10), ("a.log.1", 20)] {
        let path = logs.file(name, minutes(from, from + 10));
        if compressed && name != "a.log.1" {
            let done = std::process::Command::new("gzip").arg(path).status();
            assert!(done.expect("gzip").success());
        }
    }
    logs.file("a.log", minutes(30, 40))
}

#[test]
fn a_time_is_found_in_rotated_files_too() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&four_files(&logs, compressed)]);
        for begin in 0..41 {
            let query = format!("follow=false&since=2026-11-28T10:{begin:02}:00Z");
            let all: Vec<u32> = (begin..40).collect();
            assert_eq!(lines(&daemon, &query), all, "{query}, {compressed}");
            let last = all[all.len().saturating_sub(13)..].to_vec();
            assert_eq!(lines(&daemon, &format!("{query}&lines=13")), last);
        }
        assert_eq!(
            lines(&daemon, "follow=false&since=2001-01-01"),
            (0..40).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_stream_ends_in_a_rotated_file_where_the_time_is_there() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&four_files(&logs, compressed)]);
        for end in 0..41_u32 {
            let query = format!("until=2026-11-28T10:{end:02}:00Z");
            let last = |wanted: u32| (end.saturating_sub(wanted)..end).collect::<Vec<_>>();
            assert_eq!(lines(&daemon, &query), last(10), "{query}, {compressed}");
            assert_eq!(lines(&daemon, &format!("{query}&lines=13")), last(13));
            let since = format!("{query}&since=2026-11-28T10:05:00Z");
            assert_eq!(lines(&daemon, &since), (5..end).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_page_that_scrolls_back_gets_no_line_that_is_as_late() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&four_files(&logs, compressed)]);
        let all = daemon
            .get("/stream?follow=false&lines=100&format=json")
            .text();
        let ids: Vec<String> = all
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .filter(|message| message.get("line").is_some())
            .map(|message| message["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(ids.len(), 40);
        for place in [5, 9, 10, 19, 29, 30, 39_u32] {
            let before = format!("before={}", ids[place as usize]);
            for until in [0, 1, 5, 9, 10, 11, 20, 29, 30, 35, 39] {
                let query = format!("{before}&until=2026-11-28T10:{until:02}:00Z");
                let end = until.min(place + 1);
                for wanted in [1, 3, 12_u32] {
                    let found = lines(&daemon, &format!("{query}&lines={wanted}"));
                    let right: Vec<u32> = (end.saturating_sub(wanted)..end).collect();
                    assert_eq!(found, right, "{place}, {until}, {wanted}, {compressed}");
                }
                let since = format!("{query}&since=2026-11-28T10:03:00Z&lines=100");
                assert_eq!(lines(&daemon, &since), (3..end).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn what_cant_be_read_before_the_end_of_a_stream_is_a_gap_there() {
    let logs = Logs::new();
    let log = four_files(&logs, true);
    logs.file("a.log.4", "2026-11-28T09:59:00Z line 59\n");
    let damaged = logs.path("a.log.2.gz");
    let file = std::fs::File::options().write(true).open(&damaged);
    let file = file.expect("open");
    let written = file.metadata().and_then(|stat| stat.modified());
    file.set_len(30).expect("cut off");
    file.set_modified(written.expect("a time")).expect("a time");
    let daemon = Daemon::follow(&[&log]);
    let ids = RefCell::new(Vec::new());
    let told = |query: &str| -> String {
        let text = daemon.get(&format!("/stream?format=json&{query}")).text();
        let object = |line| serde_json::from_str::<Value>(line).expect("JSON");
        let word = |object: Value| match object["line"].as_str() {
            Some(line) => {
                let id = object["id"].as_str().expect("an id").to_owned();
                ids.borrow_mut().push(id);
                line.rsplit(' ').next().expect("a word").to_owned()
            }
            None => object["event"].as_str().expect("an event").to_owned(),
        };
        let words = text.lines().map(object).map(word);
        words.collect::<Vec<_>>().join(" ")
    };
    // The damaged file has the ten minutes before.
    let until = "until=2026-11-28T10:20:00Z";
    let want = "start 7 8 9 gap end";
    assert_eq!(told(&format!("{until}&lines=3")), want);
    let want = "start 59 rotated 0 1 2 3 4 5 6 7 8 9 gap end";
    assert_eq!(told(&format!("{until}&lines=11")), want);
    // It is later, or earlier than what is asked for.
    assert_eq!(told("until=2026-11-28T10:05:00Z&lines=2"), "start 3 4 end");
    assert_eq!(
        told("until=2026-11-28T10:22:00Z&lines=2"),
        "start 20 21 end"
    );
    let eighth = ids.borrow()[1].clone();
    let resumed = told(&format!("{until}&after={eighth}"));
    assert_eq!(resumed, "start 9 gap end");
    for older in ["a.log.3.gz", "a.log.4"] {
        std::fs::remove_file(logs.path(older)).expect("remove");
    }
    assert_eq!(told(&format!("{until}&lines=3")), "start gap end");
}

#[test]
fn who_resumes_gets_no_line_that_is_as_late() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&four_files(&logs, compressed)]);
        let text = daemon
            .get("/stream?follow=false&format=json&lines=100")
            .text();
        let objects = text.lines().map(serde_json::from_str);
        let objects = objects.map(|object: Result<serde_json::Value, _>| object.expect("JSON"));
        let ids: Vec<String> = objects
            .filter(|object| object["line"].is_string())
            .map(|object| object["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(ids.len(), 40);
        for after in [0, 4, 9, 10, 15, 19, 27, 33] {
            for end in [0, 3, 8, 10, 11, 18, 25, 30, 31, 38, 40_u32] {
                let query = format!(
                    "after={}&until=2026-11-28T10:{end:02}:00Z",
                    ids[after as usize]
                );
                let between: Vec<u32> = (after + 1..end).collect();
                assert_eq!(
                    lines(&daemon, &query),
                    between,
                    "{after} to {end}, {compressed}"
                );
            }
        }
    }
}

#[test]
fn files_that_were_rotated_while_it_runs_have_times_too() {
    let logs = Logs::new();
    let log = logs.file("a.log", minutes(0, 10));
    let daemon = Daemon::follow(&[&log]);
    for from in [10, 20] {
        let older = logs.path(&format!("a.log.{}", 3 - from / 10));
        std::fs::rename(&log, older).expect("rename");
        append(&log, minutes(from, from + 10));
        let query = "follow=false&lines=1";
        assert!(crate::support::wait_until(
            crate::support::DEADLINE,
            || lines(&daemon, query) == [from + 9]
        ));
    }
    each_minute_parts_them(&daemon);
}

/// Of the thirty lines, one a minute, `since` and `until` give those on their side of each minute.
fn each_minute_parts_them(daemon: &Daemon) {
    for at in 0..31 {
        let moment = format!("2026-11-28T10:{at:02}:00Z");
        assert_eq!(
            lines(daemon, &format!("follow=false&since={moment}")),
            (at..30).collect::<Vec<_>>()
        );
        assert_eq!(
            lines(daemon, &format!("until={moment}&lines=30")),
            (0..at).collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_was_written_before_the_time_is_not_opened() {
    let logs = Logs::new();
    let log = four_files(&logs, false);
    // It is no gzip at all: opened, it would be a gap.
    let old = logs.file("a.log.4.gz", "damaged");
    let file = std::fs::File::options().write(true).open(old);
    let before = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    file.expect("open").set_modified(before).expect("a time");
    let daemon = Daemon::follow(&[&log]);
    let text = |query: &str| {
        daemon
            .get(&format!("/stream?follow=false&format=json&since={query}"))
            .text()
    };
    let found = text("2025-01-01");
    assert!(!found.contains("\"gap\""), "{found}");
    assert!(found.contains("line 0"), "{found}");
    let found = text("2001-01-01");
    assert!(found.contains("\"gap\""), "{found}");
    // Where nothing of an older file is wanted, the stream begins behind it.
    let found = text("2026-11-28T10:30:00Z");
    assert!(!found.contains("\"rotated\""), "{found}");
}

#[test]
fn the_times_of_lines_count_where_they_are_later_than_the_last_write() {
    let logs = Logs::new();
    let log = four_files(&logs, false);
    for old in ["a.log.1", "a.log.2", "a.log.3"] {
        let file = std::fs::File::options().write(true).open(logs.path(old));
        let before = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_800_000);
        file.expect("open").set_modified(before).expect("a time");
    }
    let daemon = Daemon::follow(&[&log]);
    let since = "follow=false&since=2026-11-28T10:15:00Z";
    assert_eq!(lines(&daemon, since), (15..40).collect::<Vec<_>>());
    for old in ["a.log.1", "a.log.2", "a.log.3"] {
        // It keeps the time.
        let done = std::process::Command::new("gzip")
            .arg(logs.path(old))
            .status();
        assert!(done.expect("gzip").success());
    }
    assert_eq!(lines(&daemon, since), (15..40).collect::<Vec<_>>());
    let logs = Logs::new();
    let later = |from| minutes(from, from + 10).replace("2026", "2099");
    let gzip = logs.file("a.log.1", later(0));
    let done = std::process::Command::new("gzip").arg(gzip).status();
    assert!(done.expect("gzip").success());
    let daemon = Daemon::follow(&[&logs.file("a.log", later(10))]);
    let since = "follow=false&since=2099-11-28T10:05:00Z";
    assert_eq!(lines(&daemon, since), (5..20).collect::<Vec<_>>());
}

#[test]
fn rotated_files_of_a_name_that_leads_nowhere_have_times_too() {
    let logs = Logs::new();
    let log = four_files(&logs, false);
    std::fs::remove_file(&log).expect("remove");
    let daemon = Daemon::follow(&[&log]);
    each_minute_parts_them(&daemon);
    assert_eq!(lines(&daemon, "follow=false&since=2099-01-01"), [0; 0]);
}

#[test]
fn an_empty_file_between_rotations_ends_no_search() {
    let logs = Logs::new();
    logs.file("a.log.2", minutes(0, 10));
    logs.file("a.log.1", "");
    let daemon = Daemon::follow(&[&logs.file("a.log", minutes(10, 20))]);
    let since = "since=2026-11-28T10:05:00Z";
    assert_eq!(
        lines(&daemon, &format!("follow=false&{since}")),
        (5..20).collect::<Vec<_>>()
    );
    let until = "until=2026-11-28T10:08:00Z";
    assert_eq!(lines(&daemon, &format!("{since}&{until}")), [5, 6, 7]);
    // Nor does it take the beginning for one that has been found.
    let logs = Logs::new();
    logs.file("a.log.2", "");
    logs.file("a.log.1", minutes(0, 10));
    let daemon = Daemon::follow(&[&logs.file("a.log", minutes(10, 20))]);
    assert_eq!(lines(&daemon, &format!("{since}&{until}")), [5, 6, 7]);
}

#[test]
fn the_year_of_a_compressed_files_lines_is_that_of_its_last_write() {
    let logs = Logs::new();
    let old = logs.file("a.log.1", "Nov  8 05:41:07 host app: line 1\n");
    // 10 November 2024; gzip keeps that.
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_731_240_000);
    let file = std::fs::File::options().write(true).open(&old);
    file.expect("open").set_modified(written).expect("a time");
    let done = std::process::Command::new("gzip").arg(old).status();
    assert!(done.expect("gzip").success());
    let daemon = Daemon::follow(&[&logs.file("a.log", "2026-11-28T10:00:00Z line 2\n")]);
    assert_eq!(lines(&daemon, "until=2024-12-01"), [1]);
    assert_eq!(lines(&daemon, "follow=false&since=2024-11-01"), [1, 2]);
    assert_eq!(lines(&daemon, "follow=false&since=2024-11-09"), [2]);
}

#[test]
fn a_compressed_file_whose_time_has_no_fraction_may_hold_lines_of_that_second() {
    let logs = Logs::new();
    let line = |number: u32| format!("2026-11-28T10:00:00.{number}Z line {number}\n");
    let first = "2026-11-28T09:59:59Z line 0\n".to_owned();
    let old = logs.file("a.log.1", first + &(1..10).map(line).collect::<String>());
    let done = std::process::Command::new("gzip").arg(&old).status();
    assert!(done.expect("gzip").success());
    // logrotate says utime(2) of what it compresses.
    let gzip = std::fs::File::options()
        .write(true)
        .open(logs.path("a.log.1.gz"));
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_860_000);
    gzip.expect("open").set_modified(second).expect("a time");
    let log = logs.file("a.log", "2026-11-28T10:00:01Z line 10\n");
    let daemon = Daemon::follow(&[&log]);
    let since = "follow=false&since=2026-11-28T10:00:00.7Z";
    assert_eq!(lines(&daemon, since), [7, 8, 9, 10]);
}
