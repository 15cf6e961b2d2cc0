//! Copies that are made beside a log: their lines have come under its name.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::rig::*;
use crate::source::{EventKind, Source};
use crate::tail::Options;

/// As logrotate's renamecopy does it, and the watcher sees the copy while it is empty.
fn copied_beside(poll_only: bool) {
    let options = Options {
        poll_only,
        ..Options::default()
    };
    let (mut rig, gate) = Rig::held_up_with("old\n", options);
    fs::rename(rig.path("a.log"), rig.path("a.log.tmp")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    append(&rig.path("a.log.1"), "");
    gate.open();
    rig.expect_lines(&["one", "new"]);
    let text = fs::read(rig.path("a.log.tmp")).expect("read");
    fs::write(rig.path("a.log.1"), text).expect("write");
    fs::remove_file(rig.path("a.log.tmp")).expect("unlink");
    append(&rig.path("a.log"), "newer\n");
    rig.expect_lines(&["one", "new", "newer"]);
    // What is read between that and the next file would come before its lines.
    fs::rename(rig.path("a.log"), rig.path("a.log.2")).expect("rename");
    append(&rig.path("a.log"), "last\n");
    rig.look();
    rig.expect_line("last");
    assert_eq!(rig.lines(), ["one", "new", "newer", "last"]);
    assert_eq!(rig.events(), [EventKind::Rotated, EventKind::Rotated]);
}

#[test]
fn a_copy_that_is_older_than_a_log_is_not_taken_for_that_once_it_is_deleted() {
    let (mut rig, gate) = Rig::held_up("old\n");
    fs::copy(rig.path("a.log"), rig.path("a.log.1")).expect("copy");
    fs::rename(rig.path("a.log"), rig.path("a.log.2")).expect("rename");
    append(&rig.path("a.log"), "two\n");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("a.log"), "three\n");
    gate.open();
    rig.expect_line("three");
    assert_eq!(rig.lines(), ["one", "three"]);
    assert!(rig.has_gap());
}

#[test]
fn a_copy_under_a_pattern_takes_no_lines_of_its_log_when_that_is_rotated() {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    let gate = Arc::new(Gate::default());
    let options = Options::default();
    let mut rig = Rig::with(dir, &["app*"], 1 << 20, options, gate.clone());
    append(&rig.path("app.log"), "0\n");
    rig.expect_line("0");
    // As logrotate's `copy` does it.
    fs::copy(rig.path("app.log"), rig.path("app.log.1")).expect("copy");
    append(&rig.path("app-other.log"), "other\n");
    rig.expect_line("other");
    gate.shut();
    append(&rig.path("app.log"), "1\n");
    gate.wait();
    for n in 2..8 {
        for k in (1..9).rev() {
            let name = |k: usize| rig.path(&format!("app.log.{k}"));
            let _ = fs::rename(name(k), name(k + 1));
        }
        fs::rename(rig.path("app.log"), rig.path("app.log.1")).expect("rename");
        append(&rig.path("app.log"), &format!("{n}\n"));
    }
    gate.open();
    rig.until("the last line", |got| {
        let is_it = |got: &Got| *got == Got::Line("app.log".into(), "7".into());
        got.iter().any(is_it)
    });
    let want: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    assert_same(&rig.lines_of("app.log"), &want);
    assert_eq!(rig.lines().len(), want.len() + 1);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

/// As logrotate's copytruncate does it, so many times, with copies that are slow to be filled in between.
fn copytruncated_under_a_pattern(poll_only: bool, times: usize) {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    let options = Options {
        poll_only,
        ..Options::default()
    };
    let mut rig = Rig::with(dir, &["app*"], 1 << 20, options, Arc::new(Quiet));
    let mut want = Vec::new();
    for n in 0..times {
        let text = numbered(100 * n, 100 * (n + 1));
        append(&rig.path("app.log"), &text);
        want.extend(text.lines().map(str::to_owned));
        rig.expect_line(&format!("line {}", 100 * (n + 1) - 1));
        for k in (1..=n).rev() {
            let name = |k: usize| rig.path(&format!("app.log.{k}"));
            fs::rename(name(k), name(k + 1)).expect("rename");
        }
        let (log, copy) = (rig.path("app.log"), rig.path("app.log.1"));
        if n % 2 == 1 {
            // It is seen while it is empty, and while it holds a part.
            let whole = fs::read_to_string(&log).expect("read");
            let half = whole.len() / 2;
            let other = rig.path(&format!("app-{n}"));
            for part in ["", &whole[..half], &whole[half..]] {
                append(&copy, part);
                append(&other, &format!("{n} {}\n", part.len()));
                rig.expect_line(&format!("{n} {}", part.len()));
            }
        } else {
            let cp = Command::new("cp").arg(&log).arg(&copy).status();
            assert!(cp.expect("cp").success());
        }
        let log = File::options().write(true).open(&log).expect("open");
        log.set_len(0).expect("truncate");
    }
    append(&rig.path("app.log"), "last\n");
    want.push("last".to_owned());
    append(&rig.path("app-other.log"), "other\n");
    rig.expect_line("other");
    rig.expect_line("last");
    assert_same(&rig.lines_of("app.log"), &want);
    let is_of_copy = |got: &&Got| matches!(got, Got::Line(name, _) if name.starts_with("app.log."));
    assert_eq!(rig.got.iter().find(is_of_copy), None);
    // Names of that style that hold other lines are logs of their own.
    append(&rig.path("app.log.20"), "");
    append(&rig.path("app.log.20"), "its own\n");
    rig.until("its own line", |got| {
        got.contains(&Got::Line("app.log.20".into(), "its own".into()))
    });
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_copy_of_a_log_that_is_truncated_is_no_new_file_of_a_pattern() {
    copytruncated_under_a_pattern(false, 12);
}

#[test]
fn a_copy_of_a_log_that_is_truncated_is_no_new_file_where_the_kernel_tells_nothing() {
    copytruncated_under_a_pattern(true, 2);
}

#[test]
fn a_copy_that_is_made_beside_the_log_is_not_read() {
    copied_beside(false);
}

#[test]
fn a_copy_that_is_made_beside_the_log_is_not_read_where_the_kernel_tells_nothing() {
    copied_beside(true);
}

#[test]
fn copies_that_stood_there_at_the_start_are_no_files_of_a_pattern() {
    let dir = dir();
    let path = |name: &str| dir.path().join(name);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.expect("after 1970").as_secs();
    let copytruncate = |log: &Path| {
        let _ = fs::rename(log.with_extension("log.1"), log.with_extension("log.2"));
        fs::copy(log, log.with_extension("log.1")).expect("copy");
        let log = File::options().write(true).open(log).expect("open");
        log.set_len(0).expect("truncate");
    };
    for age in [7200, 3600] {
        append(&path("app.log"), &format!("ts={} {age} s ago\n", now - age));
        copytruncate(&path("app.log"));
    }
    append(&path("app.log"), &format!("ts={now} now\n"));
    // A log of its own: it was made when its first line was written.
    append(&path("app.log.3"), &format!("ts={now} its own\n"));
    let mut rig = Rig::new(dir, &["app*"]);
    let followed = |rig: &Rig| {
        let sources = rig.hub.sources();
        let name = |source: &Source| source.name.clone();
        let mut names: Vec<String> = sources.iter().map(|state| name(&state.source)).collect();
        names.sort();
        names
    };
    assert_eq!(followed(&rig), ["app.log", "app.log.3"]);
    copytruncate(&rig.path("app.log"));
    append(&rig.path("app.log"), "last\n");
    append(&rig.path("app-other.log"), "other\n");
    rig.expect_line("other");
    rig.expect_line("last");
    assert_eq!(rig.lines_of("app.log"), ["last"]);
    assert_eq!(followed(&rig), ["app-other.log", "app.log", "app.log.3"]);
}

/// Copies without times stand there at the start, so that each of them is followed. Then the log is copied and truncated
/// `times` times, as logrotate does it.
fn followed_copies(poll_only: bool, times: usize) -> Rig {
    let dir = dir();
    let copytruncate = |log: &Path| {
        let name = |k: usize| log.with_extension(format!("log.{k}"));
        for k in (1..3).rev() {
            let _ = fs::rename(name(k), name(k + 1));
        }
        let cp = Command::new("cp").arg(log).arg(name(1)).status();
        assert!(cp.expect("cp").success());
        let log = File::options().write(true).open(log).expect("open");
        log.set_len(0).expect("truncate");
    };
    let log = dir.path().join("app.log");
    append(&log, "");
    let born = |path: &Path| fs::metadata(path).and_then(|stat| stat.created());
    let log_born = born(&log).expect("a birth");
    // By the kernel's clock they are younger than the log.
    let probe = dir.path().join("probe");
    while born(&probe).is_ok_and(|at| at <= log_born) || !probe.exists() {
        let _ = fs::remove_file(&probe);
        append(&probe, "");
    }
    for n in 0..3 {
        append(&log, &format!("old {n}\n"));
        copytruncate(&log);
    }
    let options = Options {
        poll_only,
        ..Options::default()
    };
    let mut rig = Rig::with(dir, &["app*"], 1 << 20, options, Arc::new(Quiet));
    assert_eq!(rig.hub.sources_len(), 4);
    let mut want = Vec::new();
    for n in 0..times {
        append(&rig.path("app.log"), &format!("new {n}\n"));
        want.push(format!("new {n}"));
        rig.expect_line(&format!("new {n}"));
        copytruncate(&rig.path("app.log"));
    }
    append(&rig.path("app.log"), "last\n");
    want.push("last".to_owned());
    rig.expect_line("last");
    rig.look();
    let is_of_copy = |got: &&Got| matches!(got, Got::Line(name, _) if name.starts_with("app.log."));
    assert_eq!(rig.got.iter().find(is_of_copy), None);
    assert_same(&rig.lines_of("app.log"), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
    rig
}

#[test]
fn a_copy_under_a_name_that_is_followed_is_not_that_name_s() {
    let mut rig = followed_copies(false, 10);
    // A log of its own comes to stand under such a name.
    fs::remove_file(rig.path("app.log.2")).expect("unlink");
    append(&rig.path("app.log.2"), "its own\n");
    rig.until("its own line", |got| {
        got.contains(&Got::Line("app.log.2".into(), "its own".into()))
    });
}

#[test]
fn a_copy_under_a_name_that_is_followed_is_not_that_name_s_where_the_kernel_tells_nothing() {
    followed_copies(true, 2);
}
