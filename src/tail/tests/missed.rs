//! Files that stood under a name between two looks, of which the kernel has not told.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use super::rig::*;
use crate::source::EventKind;
use crate::tail::Options;

/// Follows `logs/a.log`; the watcher is held up.
fn held_up() -> (Rig, Arc<Gate>) {
    let dir = dir();
    fs::create_dir(dir.path().join("logs")).expect("mkdir");
    append(&dir.path().join("logs/a.log"), "old\n");
    Rig::held_up_at(dir, "logs/a.log", Options::default())
}

/// The directory is moved away and made anew. Then the log is rotated so often before it is looked at that `rotate` is
/// called with 0, 1 and 2; whoever has not opened the next file yet writes to the last but one.
fn written_late_in_a_directory_made_anew(rotate: impl Fn(&Rig, usize)) {
    let (mut rig, gate) = held_up();
    fs::rename(rig.path("logs"), rig.path("old")).expect("rename");
    fs::create_dir(rig.path("logs")).expect("mkdir");
    let mut files = Vec::new();
    for n in 0..3 {
        files.push(appender(&rig.path("logs/a.log")));
        rotate(&rig, n);
    }
    append(&rig.path("logs/a.log"), "");
    gate.open();
    rig.look();
    // All of them were empty when they were found.
    files[1].write_all(b"two\n").expect("write");
    rig.expect_lines(&["one", "two"]);
    files[2].write_all(b"three\n").expect("write");
    append(&rig.path("logs/a.log"), "four\n");
    rig.expect_lines(&["one", "two", "three", "four"]);
    rig.look();
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn what_is_written_late_to_a_file_that_was_rotated_in_a_directory_made_anew_comes() {
    written_late_in_a_directory_made_anew(|rig, n| {
        let dated = rig.path(&format!("logs/a.log-2026112{n}"));
        fs::rename(rig.path("logs/a.log"), dated).expect("rename");
    });
}

#[test]
fn it_comes_where_rotated_files_are_numbered_too() {
    written_late_in_a_directory_made_anew(|rig, _| {
        let name = |k: usize| rig.path(&format!("logs/a.log.{k}"));
        for k in (1..4).rev() {
            let _ = fs::rename(name(k), name(k + 1));
        }
        fs::rename(rig.path("logs/a.log"), name(1)).expect("rename");
    });
}

#[test]
fn a_file_in_a_directory_made_anew_that_begins_as_the_one_before_is_no_copy() {
    let (mut rig, gate) = held_up();
    fs::rename(rig.path("logs"), rig.path("before")).expect("rename");
    fs::create_dir(rig.path("logs")).expect("mkdir");
    append(&rig.path("logs/a.log"), "old\n");
    fs::rename(rig.path("logs/a.log"), rig.path("logs/a.log.1")).expect("rename");
    append(&rig.path("logs/a.log"), "");
    gate.open();
    rig.expect_lines(&["one", "old"]);
}

#[test]
fn a_file_that_was_rotated_while_it_was_empty_is_found_by_polling() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::polling(dir, &["a.log"]);
    fs::rename(rig.path("a.log"), rig.path("a.log.2")).expect("rename");
    let mut late = appender(&rig.path("a.log"));
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "");
    rig.look();
    late.write_all(b"one\n").expect("write");
    rig.look();
    rig.expect_lines(&["one"]);
    append(&rig.path("a.log"), "two\n");
    rig.look();
    rig.expect_lines(&["one", "two"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_copy_that_is_empty_when_it_is_found_by_polling_is_none_of_the_files_that_were_missed() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::polling(dir, &["a.log"]);
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::rename(rig.path("a.log"), rig.path("away")).expect("rename");
    let copy = appender(&rig.path("a.log.1"));
    append(&rig.path("a.log"), "");
    rig.look();
    let text = fs::read(rig.path("away")).expect("read");
    for part in text.chunks(3) {
        (&copy).write_all(part).expect("write");
        rig.look();
    }
    fs::remove_file(rig.path("away")).expect("unlink");
    append(&rig.path("a.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn what_is_written_to_a_file_that_was_empty_when_its_turn_came_is_told_as_lost() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::polling(dir, &["a.log"]);
    fs::rename(rig.path("a.log"), rig.path("a.log.2")).expect("rename");
    let mut late = appender(&rig.path("a.log"));
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "one\n");
    rig.look();
    rig.expect_lines(&["one"]);
    late.write_all(b"lost\n").expect("write");
    rig.expect_event(&EventKind::Gap {
        lost_bytes: Some(5),
        reason: "written to a rotated file too late".into(),
    });
    assert_eq!(rig.lines(), ["one"]);
}
