//! Files that have their size before their lines: the NULs at their end are not content, however many.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use nix::fcntl::{FallocateFlags, fallocate};

use super::rig::*;
use crate::limits::SAFETY_LOOK;
use crate::source::EventKind;

const MIB: u64 = 1 << 20;

/// A file of `bytes` NULs, all of them allocated, or none.
fn room(path: &std::path::Path, bytes: u64, allocated: bool) -> File {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .expect("open");
    match allocated {
        true => fallocate(&file, FallocateFlags::empty(), 0, bytes as i64).expect("fallocate"),
        false => file.set_len(bytes).expect("set_len"),
    }
    file
}

#[test]
fn lines_of_a_preallocated_file_come_as_they_are_written_and_no_nuls() {
    for allocated in [true, false] {
        let mut rig = Rig::new(dir(), &["a.log"]);
        let file = room(&rig.path("a.log"), 3 * MIB, allocated);
        let mut at = 0;
        for n in 0..20 {
            let line = format!("line {n}\n");
            file.write_all_at(line.as_bytes(), at).expect("write");
            at += line.len() as u64;
            rig.expect_count(n + 1);
        }
        file.set_len(at).expect("truncate");
        append(&rig.path("a.log"), "last\n");
        rig.expect_line("last");
        let want: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
        assert_same(&rig.lines()[..20], &want);
        assert_eq!((rig.lines().len(), rig.events().len()), (21, 1));
    }
}

#[test]
fn a_file_of_a_tebibyte_is_history_up_to_its_last_line() {
    let dir = dir();
    let file = room(&dir.path().join("a.log"), 1 << 40, false);
    file.write_all_at(b"old\n", 0).expect("write");
    let mut rig = Rig::new(dir, &["a.log"]);
    file.write_all_at(b"new\n", 4).expect("write");
    rig.expect_lines(&["new"]);
    assert!(rig.events().is_empty());
}

#[test]
fn lines_of_which_the_kernel_does_not_tell_come_soon_where_nuls_wait() {
    let dir = dir();
    let file = room(&dir.path().join("a.log"), MIB, false);
    file.write_all_at(b"old\n", 0).expect("write");
    let mut rig = Rig::polling(dir, &["a.log"]);
    let begun = Instant::now();
    for n in 0..12 {
        file.write_all_at(b"a line\n", 4 + 7 * n).expect("write");
        rig.expect_count(n as usize + 1);
    }
    // A look every 3 s, each time after the line before, would not be in time.
    assert!(begun.elapsed() < 8 * SAFETY_LOOK, "{:?}", begun.elapsed());
}

#[test]
fn nuls_that_something_stands_behind_are_content() {
    let mut rig = Rig::following("one\n");
    let file = room(&rig.path("a.log"), 2 * MIB, false);
    file.write_all_at(b"end\n", 2 * MIB).expect("write");
    rig.until("the end", |got| {
        got.iter()
            .any(|got| matches!(got, Got::Line(_, line) if line.ends_with("\0end")))
    });
    let bytes: usize = rig.lines().iter().map(|line| line.len()).sum();
    assert_eq!(bytes as u64, 2 * MIB - 4 + 3);
}

#[test]
fn room_that_was_never_filled_is_no_loss_when_the_file_is_rotated() {
    let mut rig = Rig::following("one\n");
    let old = room(&rig.path("a.log"), MIB, false);
    old.write_all_at(b"two\n", 4).expect("write");
    rig.expect_line("two");
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "three\n");
    rig.expect_line("three");
    old.write_all_at(b"late\n", 8).expect("write");
    rig.until("the loss is told", |got| {
        got.iter()
            .any(|got| matches!(got, Got::Event(_, EventKind::Gap { .. })))
    });
    let late = EventKind::Gap {
        lost_bytes: Some(5),
        reason: "written to a rotated file too late".into(),
    };
    assert_eq!(rig.events(), [EventKind::Rotated, late]);
}

#[test]
fn a_file_that_is_but_room_at_the_start_is_begun_with_its_first_line() {
    let dir = dir();
    // More than is read in a turn; and written, for not every file system tells room from data.
    fs::write(dir.path().join("a.log"), vec![0; 700 * 1024]).expect("write");
    let mut rig = Rig::new(dir, &["a.log"]);
    rig.look();
    let log = File::options().write(true).open(rig.path("a.log"));
    let log = log.expect("open");
    log.write_all_at(b"one\n", 0).expect("write");
    rig.expect_lines(&["one"]);
    log.write_all_at(b"two\n", 4).expect("write");
    rig.expect_lines(&["one", "two"]);
    assert_eq!(rig.events(), []);
}

#[test]
fn a_new_file_that_is_but_room_is_begun_with_its_first_line() {
    let mut rig = Rig::following("one\n");
    let mut old = appender(&rig.path("a.log"));
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    let new = room(&rig.path("a.log"), MIB, false);
    rig.look();
    // Its writer goes on with the old file until the new one is in use.
    old.write_all(b"two\n").expect("write");
    rig.expect_line("two");
    rig.look();
    new.write_all_at(b"three\n", 0).expect("write");
    rig.expect_line("three");
    new.set_len(6).expect("truncate");
    append(&rig.path("a.log"), "four\n");
    rig.expect_lines(&["two", "three", "four"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}
