//! Plain following: lines, fragments, truncation, names that lead nowhere.

use std::fs;
use std::io::Write;

use super::rig::*;
use crate::source::EventKind;

#[test]
fn what_stands_there_at_the_start_is_history_and_what_is_appended_is_live() {
    let mut rig = Rig::following("old\nhalf");
    append(&rig.path("a.log"), " a line\nnew\n");
    rig.expect_lines(&["half a line", "new"]);
    assert!(rig.events().is_empty());
}

#[test]
fn a_line_cut_across_writes_comes_whole() {
    let mut rig = Rig::new(dir(), &["a.log"]);
    let mut log = appender(&rig.path("a.log"));
    for piece in ["on", "e\r", "\ntw", "", "o\n\n", "thr\u{e4}"] {
        log.write_all(piece.as_bytes()).expect("write");
        rig.look();
    }
    log.write_all(b"e\n").expect("write");
    rig.expect_lines(&["one", "two", "", "thr\u{e4}e"]);
    assert_eq!(rig.events(), [EventKind::Start]);
}

#[test]
fn a_file_that_appears_later_is_read_from_its_first_byte() {
    let mut rig = Rig::new(dir(), &["not/yet/there.log"]);
    rig.look();
    fs::create_dir_all(rig.path("not/yet")).expect("mkdir");
    append(&rig.path("not/yet/there.log"), "first\n");
    rig.expect_lines(&["first"]);
    assert_eq!(rig.events(), [EventKind::Start]);
}

#[test]
fn a_truncated_file_begins_anew_and_its_unfinished_line_is_kept() {
    let mut rig = Rig::following("old\n");
    let mut log = appender(&rig.path("a.log"));
    log.write_all(b"before\nhal").expect("write");
    rig.look();
    log.set_len(0).expect("truncate");
    rig.look();
    log.write_all(b"after\n").expect("write");
    rig.expect_lines(&["before", "hal", "after"]);
    assert_eq!(rig.events(), [EventKind::Truncated]);
}

#[test]
fn a_deleted_file_is_told_missing_and_its_successor_rotated() {
    let mut rig = Rig::following("old\n");
    append(&rig.path("a.log"), "last\nhalf");
    rig.expect_lines(&["last"]);
    fs::remove_file(rig.path("a.log")).expect("unlink");
    rig.expect_event(&EventKind::Missing);
    assert!(!rig.hub.source(0).expect("it is followed").present);
    append(&rig.path("a.log"), "first\n");
    rig.expect_lines(&["last", "half", "first"]);
    assert_eq!(rig.events(), [EventKind::Missing, EventKind::Rotated]);
    assert!(rig.hub.source(0).expect("it is followed").present);
}
