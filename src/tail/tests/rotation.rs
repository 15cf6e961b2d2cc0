//! Rotation in all its kinds.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::rig::*;
use crate::source::EventKind;
use crate::tail::Options;

#[test]
fn a_rename_with_create_loses_nothing_and_sends_the_unfinished_line() {
    let mut rig = Rig::following("old\n");
    let mut old = appender(&rig.path("a.log"));
    old.write_all(b"one\n").expect("write");
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    old.write_all(b"two\nhalf").expect("write");
    rig.expect_lines(&["one", "two", "half", "new"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}

#[test]
fn rotations_faster_than_the_watcher_looks_are_all_read_in_order() {
    let mut rig = Rig::following("old\n");
    let mut want = Vec::new();
    for n in 0..50 {
        for k in (1..60).rev() {
            let _ = fs::rename(
                rig.path(&format!("a.log.{k}")),
                rig.path(&format!("a.log.{}", k + 1)),
            );
        }
        fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
        append(&rig.path("a.log"), &numbered(n * 100, n * 100 + 100));
        want.extend((n * 100..n * 100 + 100).map(|n| format!("line {n}")));
    }
    rig.expect_count(want.len());
    rig.look();
    assert_same(&rig.lines(), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_renamed_file_without_a_new_one_is_followed_on_and_comes_back_as_the_same() {
    let mut rig = Rig::following("old\n");
    let mut log = appender(&rig.path("a.log"));
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    log.write_all(b"one\n").expect("write");
    rig.expect_event(&EventKind::Missing);
    log.write_all(b"two\n").expect("write");
    rig.expect_lines(&["one", "two"]);
    fs::rename(rig.path("a.log.1"), rig.path("a.log")).expect("rename");
    log.write_all(b"three\n").expect("write");
    rig.expect_lines(&["one", "two", "three"]);
    rig.look();
    assert_eq!(rig.events(), [EventKind::Missing, EventKind::Rotated]);
    assert!(rig.hub.source(0).expect("it is followed").present);
}

#[test]
fn workers_that_reopen_one_after_the_other_lose_nothing() {
    let mut rig = Rig::following("old\n");
    let mut workers: Vec<_> = (0..4).map(|_| appender(&rig.path("a.log"))).collect();
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    for turn in 0..5 {
        // Each look finds a worker fewer with the old file.
        for (n, worker) in workers.iter_mut().enumerate() {
            if n + 1 == turn {
                *worker = appender(&rig.path("a.log"));
            }
            worker
                .write_all(format!("worker {n} turn {turn}\n").as_bytes())
                .expect("write");
        }
        rig.hub.looks.wake();
    }
    rig.expect_count(20);
    assert!(!rig.has_gap());
    for n in 0..4 {
        let of = format!("worker {n} ");
        let lines: Vec<_> = rig
            .lines()
            .into_iter()
            .filter(|line| line.starts_with(&of))
            .collect();
        let want: Vec<_> = (0..5).map(|turn| format!("{of}turn {turn}")).collect();
        assert_eq!(lines, want);
    }
}

#[test]
fn what_a_laggard_writes_to_a_sealed_file_is_told_as_lost_with_its_size() {
    let mut rig = Rig::following("old\n");
    let mut laggard = appender(&rig.path("a.log"));
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    rig.expect_lines(&["new"]);
    laggard.write_all(b"too late\n").expect("write");
    rig.expect_event(&EventKind::Gap {
        lost_bytes: Some(9),
        reason: "written to a rotated file too late".into(),
    });
    assert_eq!(rig.lines(), ["new"]);
}

#[test]
fn a_file_replaced_by_a_move_is_read_from_its_first_byte() {
    let dir = dir();
    append(&dir.path().join("next"), "made before\n");
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::new(dir, &["a.log"]);
    append(&rig.path("a.log"), "one\nhalf");
    fs::rename(rig.path("next"), rig.path("a.log")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    rig.expect_lines(&["one", "half", "made before", "new"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}

#[test]
fn a_directory_removed_and_created_anew_is_followed() {
    let dir = dir();
    fs::create_dir(dir.path().join("d")).expect("mkdir");
    append(&dir.path().join("d/a.log"), "old\n");
    let mut rig = Rig::new(dir, &["d/a.log"]);
    for turn in 0..3 {
        append(&rig.path("d/a.log"), &format!("before {turn}\n"));
        fs::remove_dir_all(rig.path("d")).expect("rm -r");
        fs::create_dir(rig.path("d")).expect("mkdir");
        append(&rig.path("d/a.log"), &format!("after {turn}\n"));
        let last = format!("after {turn}");
        rig.expect_line(&last);
    }
    let want: Vec<String> = (0..3)
        .flat_map(|turn| [format!("before {turn}"), format!("after {turn}")])
        .collect();
    assert_same(&rig.lines(), &want);
}

#[test]
fn a_directory_moved_away_with_a_new_one_in_its_place_is_a_rotation() {
    let dir = dir();
    fs::create_dir_all(dir.path().join("d/e")).expect("mkdir");
    append(&dir.path().join("d/e/a.log"), "old\n");
    let mut rig = Rig::new(dir, &["d/e/a.log"]);
    let mut log = appender(&rig.path("d/e/a.log"));
    fs::rename(rig.path("d"), rig.path("d.old")).expect("rename");
    fs::create_dir_all(rig.path("d/e")).expect("mkdir");
    log.write_all(b"last\n").expect("write");
    append(&rig.path("d/e/a.log"), "new\n");
    rig.expect_lines(&["last", "new"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}

#[test]
fn a_generation_that_is_only_there_compressed_is_a_gap() {
    let (mut rig, gate) = Rig::held_up("old\n");
    // The watcher is held up: a generation comes and goes.
    fs::rename(rig.path("a.log"), rig.path("a.log.2")).expect("rename");
    append(&rig.path("a.log"), "never seen\n");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("a.log.1.gz"), "compressed");
    let later = SystemTime::now() + Duration::from_secs(5);
    let gz = fs::File::options()
        .write(true)
        .open(rig.path("a.log.1.gz"))
        .expect("open");
    gz.set_modified(later).expect("utimes");
    append(&rig.path("a.log"), "new\n");
    gate.open();
    rig.expect_lines(&["one", "new"]);
    let gap = EventKind::Gap {
        lost_bytes: None,
        reason: "gone before it could be read".into(),
    };
    assert_eq!(rig.events(), [gap, EventKind::Rotated]);
}

#[test]
fn the_files_own_compressed_copy_is_no_gap() {
    let mut rig = Rig::following("old\n");
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    let modified = fs::metadata(rig.path("a.log"))
        .and_then(|stat| stat.modified())
        .expect("stat");
    append(&rig.path("a.log.1.gz"), "compressed");
    let gz = fs::File::options()
        .write(true)
        .open(rig.path("a.log.1.gz"))
        .expect("open");
    gz.set_modified(modified).expect("utimes");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("a.log"), "new\n");
    rig.expect_lines(&["one", "new"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_copy_made_by_hand_is_no_generation() {
    let (mut rig, gate) = Rig::held_up("old\n");
    fs::copy(rig.path("a.log"), rig.path("a.log.old")).expect("copy");
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    gate.open();
    rig.expect_lines(&["one", "new"]);
    rig.look();
    assert_eq!(rig.lines(), ["one", "new"]);
}

#[test]
fn rotations_by_the_hundred_between_two_looks_are_read_from_the_files_that_stand_there() {
    let (mut rig, gate) = Rig::held_up("old\n");
    let mut want = vec![String::from("one")];
    for n in 0..500 {
        fs::rename(rig.path("a.log"), rig.path(&format!("a.log-{n:04}"))).expect("rename");
        append(&rig.path("a.log"), &format!("line {n:04}\n"));
        want.push(format!("line {n:04}"));
    }
    gate.open();
    rig.expect_count(want.len());
    rig.look();
    assert_same(&rig.lines(), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_file_that_waits_for_its_turn_and_is_deleted_meanwhile_is_a_gap_of_known_size() {
    let (mut rig, gate) = Rig::held_up("old\n");
    for n in 0..100 {
        fs::rename(rig.path("a.log"), rig.path(&format!("a.log-{n:04}"))).expect("rename");
        append(&rig.path("a.log"), &format!("line {n:04}\n"));
    }
    // It opens the first ones, and begins one.
    gate.pass_once();
    gate.wait();
    fs::remove_file(rig.path("a.log-0091")).expect("unlink");
    gate.open();
    rig.expect_line("line 0099");
    let lost = EventKind::Gap {
        lost_bytes: Some(10),
        reason: "gone before it could be read".into(),
    };
    let at = |what: &Got| rig.got.iter().position(|got| got == what).expect("it came");
    let line = |n: u32| Got::Line("a.log".into(), format!("line {n:04}"));
    let gap = at(&Got::Event("a.log".into(), lost));
    assert!(at(&line(89)) < gap && gap < at(&line(91)));
    assert!(!rig.lines().contains(&"line 0090"));
}

#[test]
fn a_name_that_cannot_be_opened_for_a_moment_is_tried_again() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::with(
        dir,
        &["a.log"],
        1 << 20,
        Options::default(),
        Arc::new(Unprivileged),
    );
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    // From here on the watcher's thread is nobody, whom permissions concern.
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o000)).expect("chmod");
    fs::set_permissions(rig.path("a.log.1"), fs::Permissions::from_mode(0o644)).expect("chmod");
    append(&rig.path("a.log.1"), "two\n");
    rig.expect_lines(&["one", "two"]);
    fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o644)).expect("chmod");
    rig.expect_lines(&["one", "two", "new"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}

#[test]
fn a_file_that_comes_and_goes_between_two_looks_is_told_as_a_gap() {
    let (mut rig, gate) = Rig::held_up("old\n");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("a.log"), "never seen\n");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("a.log"), "new\n");
    gate.open();
    rig.expect_lines(&["one", "new"]);
    let gap = EventKind::Gap {
        lost_bytes: None,
        reason: "gone before it could be read".into(),
    };
    assert_eq!(rig.events(), [gap, EventKind::Rotated]);
}

#[test]
fn a_file_that_was_away_for_a_moment_is_the_same() {
    let (mut rig, gate) = Rig::held_up("old\n");
    fs::rename(rig.path("a.log"), rig.path("b")).expect("rename");
    fs::rename(rig.path("b"), rig.path("a.log")).expect("rename");
    append(&rig.path("a.log"), "two\n");
    gate.open();
    rig.expect_lines(&["one", "two"]);
    assert!(rig.events().is_empty(), "{:?}", rig.events());
}

/// Rotates so often in one moment that many files are born within one tick of the kernel's clock.
fn rotated_in_a_moment(name_of: impl Fn(usize) -> String) {
    let (mut rig, gate) = Rig::held_up("old\n");
    let mut want = vec!["one".to_owned()];
    for n in 0..40 {
        fs::rename(rig.path("a.log"), rig.path(&name_of(n))).expect("rename");
        append(&rig.path("a.log"), &format!("line {n}\n"));
        want.push(format!("line {n}"));
    }
    gate.open();
    rig.expect_count(want.len());
    assert_same(&rig.lines(), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn files_rotated_within_one_tick_are_read_in_order_where_numbers_count_up() {
    rotated_in_a_moment(|n| format!("a.log.{}", n + 1));
}

#[test]
fn files_rotated_within_one_tick_are_read_in_order_where_names_are_dated() {
    rotated_in_a_moment(|n| format!("a-20261124{n:04}.log"));
}

#[test]
fn what_was_rotated_in_the_moment_before_the_start_is_not_read_after_it() {
    for _ in 0..20 {
        let dir = dir();
        let log = dir.path().join("a.log");
        append(&log, "older\n");
        fs::rename(&log, dir.path().join("a.log-20261123")).expect("rename");
        append(&log, "old\n");
        // All within one tick of the kernel's clock.
        let mut rig = Rig::new(dir, &["a.log"]);
        fs::rename(rig.path("a.log"), rig.path("a.log-20261124")).expect("rename");
        append(&rig.path("a.log"), "new\n");
        rig.expect_lines(&["new"]);
        rig.look();
        assert_eq!(rig.lines(), ["new"]);
    }
}

#[test]
fn the_number_of_a_file_that_was_moved_away_with_its_directory_tells_nothing() {
    let dir = dir();
    fs::create_dir(dir.path().join("logs")).expect("mkdir");
    append(&dir.path().join("logs/a.log"), "old\n");
    let gate = Arc::new(Gate::default());
    let options = Options::default();
    let mut rig = Rig::with(dir, &["logs/a.log"], 1 << 20, options, gate.clone());
    gate.shut();
    append(&rig.path("logs/a.log"), "one\n");
    gate.wait();
    fs::rename(rig.path("logs/a.log"), rig.path("logs/a.log.1")).expect("rename");
    fs::rename(rig.path("logs"), rig.path("old")).expect("rename");
    fs::create_dir(rig.path("logs")).expect("mkdir");
    let mut want = vec!["one".to_owned()];
    for n in 0..8 {
        append(&rig.path("logs/a.log"), &format!("line {n}\n"));
        want.push(format!("line {n}"));
        for k in (1..9).rev() {
            let name = |k: usize| rig.path(&format!("logs/a.log.{k}"));
            let _ = fs::rename(name(k), name(k + 1));
        }
        fs::rename(rig.path("logs/a.log"), rig.path("logs/a.log.1")).expect("rename");
    }
    append(&rig.path("logs/a.log"), "last\n");
    want.push("last".to_owned());
    gate.open();
    rig.expect_count(want.len());
    assert_same(&rig.lines(), &want);
}
