//! Files of a pattern that are moved to another name which it matches: they are that name's, which has all their lines, as a
//! name has that was given outright.

use std::fs;

use super::rig::{Got, Rig, append, dir};
use crate::source::EventKind;

/// Moves a file and waits until its new name has it.
fn moved(rig: &mut Rig, from: &str, to: &str) {
    fs::rename(rig.path(from), rig.path(to)).expect("rename");
    let start = Got::Event(to.to_owned(), EventKind::Start);
    rig.until("the name that the file has", |got| got.contains(&start));
}

#[test]
fn a_file_that_is_moved_to_a_new_name_of_the_pattern_is_that_names() {
    moved_to_new_names(false);
}

#[test]
fn a_file_that_is_moved_to_a_new_name_is_that_names_where_the_kernel_tells_nothing() {
    moved_to_new_names(true);
}

fn moved_to_new_names(poll_only: bool) {
    let dir = dir();
    append(&dir.path().join("a.log"), "history\n");
    let mut rig = match poll_only {
        true => Rig::polling(dir, &["*"]),
        false => Rig::new(dir, &["*"]),
    };
    append(&rig.path("x.tmp"), "one\ntw");
    rig.expect_lines(&["one"]);
    moved(&mut rig, "x.tmp", "x.log");
    append(&rig.path("x.log"), "o\nthree\n");
    rig.expect_line("three");
    assert_eq!(rig.lines_of("x.log"), ["one", "two", "three"]);
    assert_eq!(rig.lines_of("x.tmp"), ["one"]);
    moved(&mut rig, "a.log", "b.log");
    append(&rig.path("b.log"), "four\n");
    append(&rig.path("a.log"), "five\n");
    rig.expect_line("four");
    rig.expect_line("five");
    assert_eq!(rig.lines_of("b.log"), ["history", "four"]);
    assert_eq!(rig.lines_of("a.log"), ["five"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_file_that_is_rotated_stays_its_names_until_another_comes() {
    let mut rig = Rig::new(dir(), &["*"]);
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    rig.expect_event(&EventKind::Missing);
    append(&rig.path("a.log.1"), "two\n");
    rig.expect_lines(&["one", "two"]);
    append(&rig.path("a.log"), "three\n");
    rig.expect_lines(&["one", "two", "three"]);
    assert_eq!(rig.lines_of("a.log"), ["one", "two", "three"]);
}

#[test]
fn the_files_of_a_directory_that_is_moved_are_followed_there() {
    let dir = dir();
    fs::create_dir_all(dir.path().join("l/old")).expect("directories");
    append(&dir.path().join("l/old/a.log"), "history\n");
    let mut rig = Rig::new(dir, &["l/**/*.log"]);
    append(&rig.path("l/old/a.log"), "one\n");
    append(&rig.path("l/old/b.log"), "two\n");
    rig.expect_count(2);
    fs::rename(rig.path("l/old"), rig.path("l/new")).expect("rename");
    // Their base names are those of the files that may yet come to stand where they did.
    let new = ["a.log", "b.log"].map(|name| rig.path("l/new").join(name));
    for path in &new {
        let name = path.to_string_lossy().into_owned();
        let start = Got::Event(name.clone(), EventKind::Start);
        rig.until("the new name", |got| got.contains(&start));
        append(path, "goes on\n");
        rig.until("its line", |got| {
            got.contains(&Got::Line(name.clone(), "goes on".into()))
        });
    }
    fs::create_dir(rig.path("l/old")).expect("a directory");
    append(&rig.path("l/old/a.log"), "three\n");
    append(&new[0], "four\n");
    rig.expect_line("three");
    rig.expect_line("four");
    assert_eq!(rig.lines_of("a.log"), ["one", "three"]);
    let want = ["history", "one", "goes on", "four"];
    assert_eq!(rig.lines_of(&new[0].to_string_lossy()), want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn what_is_written_to_a_file_under_its_new_name_is_that_names_though_another_has_the_old_one() {
    let mut rig = Rig::new(dir(), &["*"]);
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::rename(rig.path("a.log"), rig.path("b.log")).expect("rename");
    append(&rig.path("a.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
    append(&rig.path("b.log"), "three\n");
    rig.expect_line("three");
    append(&rig.path("b.log"), "four\n");
    append(&rig.path("a.log"), "five\n");
    rig.expect_line("four");
    rig.expect_line("five");
    assert_eq!(rig.lines_of("b.log"), ["one", "three", "four"]);
    assert_eq!(rig.lines_of("a.log"), ["one", "two", "five"]);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}
