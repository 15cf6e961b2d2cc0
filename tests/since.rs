//! Streams that begin or end at a time: since, until, --since.

mod support;

use std::time::{Duration, SystemTime};

use support::{Daemon, Logs, append, run};

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
