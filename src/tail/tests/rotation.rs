//! Rotation in all its kinds.

use std::fs;
use std::io::Write;

use super::rig::*;
use crate::source::EventKind;

#[test]
fn a_rename_with_create_loses_nothing_and_sends_the_unfinished_line() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::new(dir, &["a.log"]);
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
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::new(dir, &["a.log"]);
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
    rig.until("all lines", |got| {
        got.iter()
            .filter(|got| matches!(got, Got::Line(..)))
            .count()
            >= want.len()
    });
    rig.look();
    assert_same(&rig.lines(), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}
