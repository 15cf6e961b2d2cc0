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

/// Rotates for the time number `n`, to the name of a day.
fn rotate_dated(rig: &Rig, n: usize) {
    let dated = rig.path(&format!("logs/a.log-2026112{n}"));
    fs::rename(rig.path("logs/a.log"), dated).expect("rename");
}

/// Rotates to the first number, and those that are there on by one.
fn rotate_numbered(rig: &Rig, _: usize) {
    let name = |k: usize| rig.path(&format!("logs/a.log.{k}"));
    for k in (1..4).rev() {
        let _ = fs::rename(name(k), name(k + 1));
    }
    fs::rename(rig.path("logs/a.log"), name(1)).expect("rename");
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
    written_late_in_a_directory_made_anew(rotate_dated);
}

#[test]
fn it_comes_where_rotated_files_are_numbered_too() {
    written_late_in_a_directory_made_anew(rotate_numbered);
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

/// What was rotated in a directory before that was moved away comes first.
fn rotated_before_the_directory_was_moved_away(rotate: impl Fn(&Rig, usize)) {
    let (mut rig, gate) = held_up();
    let mut want = vec!["one".to_owned()];
    let mut write = |rig: &Rig, text: String| {
        append(&rig.path("logs/a.log"), &format!("{text}\n"));
        want.push(text);
    };
    for n in 0..3 {
        rotate(&rig, n);
        write(&rig, format!("before {n}"));
    }
    fs::rename(rig.path("logs"), rig.path("old")).expect("rename");
    fs::create_dir(rig.path("logs")).expect("mkdir");
    for n in 3..6 {
        write(&rig, format!("after {n}"));
        rotate(&rig, n);
    }
    write(&rig, "last".to_owned());
    gate.open();
    rig.expect_count(want.len());
    assert_same(&rig.lines(), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn what_was_rotated_before_the_directory_was_moved_away_comes() {
    rotated_before_the_directory_was_moved_away(rotate_dated);
}

#[test]
fn it_comes_where_those_are_numbered_too() {
    rotated_before_the_directory_was_moved_away(rotate_numbered);
}

#[test]
fn what_was_made_before_the_directory_was_removed_and_is_gone_is_told() {
    let (mut rig, gate) = held_up();
    fs::rename(rig.path("logs/a.log"), rig.path("logs/a.log.1")).expect("rename");
    append(&rig.path("logs/a.log"), "never seen\n");
    fs::remove_dir_all(rig.path("logs")).expect("rm -r");
    fs::create_dir(rig.path("logs")).expect("mkdir");
    append(&rig.path("logs/a.log"), "new\n");
    gate.open();
    rig.expect_lines(&["one", "new"]);
    let gap = EventKind::Gap {
        lost_bytes: None,
        reason: "gone before it could be read".into(),
    };
    assert_eq!(rig.events(), [gap, EventKind::Rotated]);
}

#[test]
fn what_was_rotated_before_a_link_led_elsewhere_comes() {
    let dir = dir();
    for day in ["1", "2"] {
        fs::create_dir(dir.path().join(day)).expect("mkdir");
    }
    append(&dir.path().join("1/a-1.log"), "old\n");
    std::os::unix::fs::symlink("1/a-1.log", dir.path().join("a.log")).expect("symlink");
    let (mut rig, gate) = Rig::held_up_at(dir, "a.log", Options::default());
    fs::rename(rig.path("1/a-1.log"), rig.path("1/a-1.log.1")).expect("rename");
    append(&rig.path("1/a-1.log"), "two\n");
    append(&rig.path("2/a-2.log"), "three\n");
    std::os::unix::fs::symlink("2/a-2.log", rig.path("next")).expect("symlink");
    fs::rename(rig.path("next"), rig.path("a.log")).expect("rename");
    gate.open();
    rig.expect_lines(&["one", "two", "three"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_directory_made_anew_twice_loses_nothing_of_what_stands_beside_the_log() {
    let (mut rig, gate) = held_up();
    for n in 1..3 {
        fs::rename(rig.path("logs"), rig.path(&format!("old{n}"))).expect("rename");
        fs::create_dir(rig.path("logs")).expect("mkdir");
    }
    append(&rig.path("logs/a.log"), "two\n");
    fs::rename(rig.path("logs/a.log"), rig.path("logs/a.log.1")).expect("rename");
    append(&rig.path("logs/a.log"), "three\n");
    gate.open();
    rig.expect_lines(&["one", "two", "three"]);
}

#[test]
fn a_parent_of_the_directory_made_anew_loses_nothing_of_what_stands_beside_the_log() {
    let dir = dir();
    fs::create_dir_all(dir.path().join("a/b")).expect("mkdir");
    append(&dir.path().join("a/b/a.log"), "old\n");
    let (mut rig, gate) = Rig::held_up_at(dir, "a/b/a.log", Options::default());
    fs::rename(rig.path("a/b/a.log"), rig.path("a/b/a.log.1")).expect("rename");
    append(&rig.path("a/b/a.log"), "two\n");
    fs::rename(rig.path("a"), rig.path("old")).expect("rename");
    fs::create_dir_all(rig.path("a/b")).expect("mkdir");
    append(&rig.path("a/b/a.log"), "three\n");
    fs::rename(rig.path("a/b/a.log"), rig.path("a/b/a.log.1")).expect("rename");
    append(&rig.path("a/b/a.log"), "four\n");
    gate.open();
    rig.expect_lines(&["one", "two", "three", "four"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_link_that_is_made_where_none_was_is_no_file_that_was_missed() {
    let dir = dir();
    append(&dir.path().join("1.log"), "old\n");
    append(&dir.path().join("2.log"), "three\n");
    std::os::unix::fs::symlink("1.log", dir.path().join("a.log")).expect("symlink");
    let mut rig = Rig::new(dir, &["a.log"]);
    append(&rig.path("1.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("1.log"), "two\n");
    rig.look();
    std::os::unix::fs::symlink("2.log", rig.path("a.log")).expect("symlink");
    rig.expect_lines(&["one", "two", "three"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}
