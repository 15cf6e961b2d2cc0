//! Truncation and rewriting in place: a new beginning, told, and nothing of the new content taken for the old.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::rig::*;
use crate::source::EventKind;

#[test]
fn truncated_to_less_all_that_it_holds_then_is_sent() {
    let mut rig = Rig::following("one\ntwo\nthree\n");
    appender(&rig.path("a.log")).set_len(8).expect("truncate");
    append(&rig.path("a.log"), "four\n");
    rig.expect_lines(&["one", "two", "four"]);
    assert_eq!(rig.events(), [EventKind::Truncated]);
}

#[test]
fn rewritten_in_place_to_more_than_before_is_a_new_beginning() {
    let mut rig = Rig::following("one\ntwo\n");
    append(&rig.path("a.log"), "three\nhalf");
    rig.expect_lines(&["three"]);
    rig.look();
    fs::write(
        rig.path("a.log"),
        "another content that is longer\nand goes on\n",
    )
    .expect("write");
    rig.expect_lines(&[
        "three",
        "half",
        "another content that is longer",
        "and goes on",
    ]);
    assert_eq!(rig.events(), [EventKind::Truncated]);
}

#[test]
fn rewritten_in_place_to_just_the_same_length_is_a_new_beginning() {
    let mut rig = Rig::following("one\ntwo\n");
    fs::write(rig.path("a.log"), "eno\nowt\n").expect("write");
    rig.expect_lines(&["eno", "owt"]);
    assert_eq!(rig.events(), [EventKind::Truncated]);
}

#[test]
fn what_was_known_to_be_there_and_never_read_is_told_as_lost() {
    let (mut rig, gate) = Rig::held_up("old\n");
    // More than a turn: it is held up again after it has read the first part.
    append(
        &rig.path("a.log"),
        &format!("{}\n", "x".repeat(99_999)).repeat(10),
    );
    gate.pass_once();
    gate.wait();
    fs::write(rig.path("a.log"), "new\n").expect("write");
    gate.open();
    rig.expect_line("new");
    // How many is not known: more may have come after it was last looked at.
    let gap = EventKind::Gap {
        lost_bytes: None,
        reason: "truncated before it was read".into(),
    };
    assert_eq!(rig.events(), [gap, EventKind::Truncated]);
}

#[test]
fn nuls_that_a_writer_without_append_leaves_after_a_truncation_are_skipped() {
    for (n, before) in [10, 5000, 300_000, 3_000_000].into_iter().enumerate() {
        let mut rig = Rig::following("");
        let mut log = fs::File::options()
            .write(true)
            .open(rig.path("a.log"))
            .expect("open");
        let line = "x".repeat(before - 1);
        log.write_all(format!("{line}\n").as_bytes())
            .expect("write");
        rig.until("the first line", |got| {
            got.iter()
                .map(|got| {
                    if let Got::Line(_, l) = got {
                        l.len()
                    } else {
                        0
                    }
                })
                .sum::<usize>()
                >= before - 1
        });
        log.set_len(0).expect("truncate");
        if n % 2 == 0 {
            rig.look();
        }
        log.write_all(b"after the hole\n").expect("write");
        log.write_all(b"and on\n").expect("write");
        rig.expect_line("and on");
        assert_eq!(
            rig.lines()[rig.lines().len() - 2..],
            ["after the hole", "and on"]
        );
        assert!(rig.lines().iter().all(|line| !line.contains('\0')));
        assert_eq!(rig.events(), [EventKind::Truncated]);
    }
}

#[test]
fn nuls_that_are_really_on_the_disk_are_skipped_at_the_beginning_after_a_truncation() {
    let mut rig = Rig::following("one\n");
    let log = fs::File::options()
        .write(true)
        .open(rig.path("a.log"))
        .expect("open");
    log.set_len(0).expect("truncate");
    rig.look();
    log.write_all_at(&vec![0; 700_000], 0).expect("write");
    rig.look();
    log.write_all_at(b"after\n", 700_000).expect("write");
    rig.expect_lines(&["after"]);
    assert_eq!(rig.events(), [EventKind::Truncated]);
}

#[test]
fn nuls_at_the_end_wait_and_nuls_within_are_content() {
    let mut rig = Rig::following("");
    let log = fs::File::options()
        .write(true)
        .open(rig.path("a.log"))
        .expect("open");
    log.write_all_at(b"one\n\0\0\0", 0).expect("write");
    rig.expect_lines(&["one"]);
    rig.look();
    // The page was there before the bytes were.
    log.write_all_at(b"two\n", 4).expect("write");
    rig.expect_lines(&["one", "two"]);
    log.write_all_at(b"th\0ree\n", 8).expect("write");
    rig.expect_lines(&["one", "two", "th\0ree"]);
    assert!(rig.events().is_empty());
}

#[test]
fn a_file_that_begins_with_a_hole_at_the_start_has_no_line_of_nuls() {
    let dir = dir();
    let log = fs::File::create(dir.path().join("a.log")).expect("create");
    log.write_all_at(b"one\n", 1 << 20).expect("write");
    let mut rig = Rig::new(dir, &["a.log"]);
    let state = rig.hub.source(0).expect("it is followed");
    assert_eq!(state.generation.expect("a generation").start(), 1 << 20);
    assert_eq!(state.edge.position.offset, (1 << 20) + 4);
    append(&rig.path("a.log"), "two\n");
    rig.expect_lines(&["two"]);
}

/// What a client got of numbered lines where some may be lost: ascending, none twice. A line before a truncation may have
/// been cut while it was half written.
fn assert_ascending(got: &[Got]) {
    let mut last = None;
    for (at, what) in got.iter().enumerate() {
        let Got::Line(_, line) = what else { continue };
        if matches!(got.get(at + 1), Some(Got::Event(..))) {
            continue;
        }
        let number = line
            .strip_prefix("line ")
            .and_then(|n| n.parse::<usize>().ok());
        let number = number.unwrap_or_else(|| panic!("{line:?}"));
        assert!(
            last.is_none_or(|last| last < number),
            "{line} after {last:?}"
        );
        last = Some(number);
    }
}

fn have_logrotate() -> bool {
    let have = Command::new("logrotate").arg("--version").output().is_ok();
    assert!(
        have || std::env::var("CI").as_deref() != Ok("true"),
        "CI needs logrotate"
    );
    if !have {
        eprintln!("left out: no logrotate here");
        let left_out = std::env::var_os("LEFT_OUT").map(std::path::PathBuf::from);
        if let Some(path) = left_out {
            append(
                &path,
                "left out: rotations by the real logrotate: it is not installed\n",
            );
        }
    }
    have
}

fn logrotate(rig: &Rig, options: &str) {
    let config = rig.path("logrotate.conf");
    let log = rig.path("a.log");
    fs::write(&config, format!("{} {{\n{options}\n}}\n", log.display())).expect("write");
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("chmod");
    let out = Command::new("logrotate")
        .args(["-f", "-s"])
        .args([rig.path("state"), config])
        .output()
        .expect("logrotate");
    assert!(out.status.success(), "{out:?}");
}

/// Lines are appended by a writer that reopens when the name leads elsewhere, while logrotate is at it.
fn under_load(options: &str, rotations: usize) -> Option<(Rig, usize)> {
    if !have_logrotate() {
        return None;
    }
    let mut rig = Rig::following("");
    let stop = Arc::new(AtomicBool::new(false));
    let path = rig.path("a.log");
    let creates = options.contains("nocreate");
    let writer = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut n = 0;
            let mut log = appender(&path);
            while !stop.load(Ordering::Relaxed) {
                // It reopens once there is a new file; without `create` it makes it itself.
                let open = fs::File::options().append(true).create(creates).open(&path);
                log = open.unwrap_or(log);
                for _ in 0..20 {
                    // One write a line, as loggers do.
                    log.write_all(format!("line {n}\n").as_bytes())
                        .expect("write");
                    n += 1;
                }
            }
            n
        }
    });
    for rotation in 0..rotations {
        let some = rig.lines().len() + 2000;
        rig.until(&format!("more lines before rotation {rotation}"), |got| {
            got.len() > some
        });
        logrotate(&rig, options);
        if options.contains("copytruncate") {
            // Two truncations between two looks would be told as one, so the next waits until this one is told. Only
            // what is new is looked through: the writer goes on, and a slower reader would never catch up.
            let (mut seen, mut told) = (0, 0);
            rig.until(&format!("truncation {rotation} is told"), |got| {
                let is_told = |got: &&Got| matches!(got, Got::Event(_, EventKind::Truncated));
                told += got[seen..].iter().filter(is_told).count();
                seen = got.len();
                told > rotation
            });
        }
    }
    let some = rig.lines().len() + 2000;
    rig.until("more lines after the last", |got| got.len() > some);
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().expect("the writer");
    let last = format!("line {}", written - 1);
    rig.expect_line(&last);
    Some((rig, written))
}

#[test]
fn copytruncate_by_the_real_logrotate_under_load_keeps_order_and_is_told() {
    let Some((rig, _)) = under_load("copytruncate\nrotate 3\nsize 1", 4) else {
        return;
    };
    assert_ascending(&rig.got);
    let told = rig
        .events()
        .iter()
        .filter(|kind| **kind == EventKind::Truncated)
        .count();
    assert_eq!(told, 4, "{:?}", rig.events());
}

#[test]
fn rename_and_create_by_the_real_logrotate_under_load_loses_nothing() {
    for options in [
        "create\nrotate 9\nsize 1",
        "create\nrotate 9\nsize 1\ncompress\ndelaycompress",
        "nocreate\nrotate 9\nsize 1\ndateext",
    ] {
        // A dated name can be used once a day.
        let rotations = if options.contains("dateext") { 1 } else { 3 };
        let Some((rig, written)) = under_load(options, rotations) else {
            return;
        };
        let want: Vec<String> = (0..written).map(|n| format!("line {n}")).collect();
        assert_same(&rig.lines(), &want);
        assert!(!rig.has_gap(), "{options}: {:?}", rig.events());
    }
}

#[test]
fn a_file_truncated_again_and_again_under_load_stays_in_order() {
    let mut rig = Rig::following("");
    let mut log = appender(&rig.path("a.log"));
    let mut n = 0;
    for _ in 0..200 {
        for _ in 0..200 {
            log.write_all(format!("line {n}\n").as_bytes())
                .expect("write");
            n += 1;
        }
        log.set_len(0).expect("truncate");
        log.seek(SeekFrom::Start(0)).expect("seek");
    }
    rig.look();
    log.write_all(format!("line {n}\n").as_bytes())
        .expect("write");
    let last = format!("line {n}");
    rig.expect_line(&last);
    assert_ascending(&rig.got);
    assert!(rig.events().contains(&EventKind::Truncated));
}
