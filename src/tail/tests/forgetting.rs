//! Names that are gone are let go of; nobody waits for the files of others.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::rig::*;
use crate::hub::{Notice, Selection, Spooled};
use crate::reader::Next;
use crate::source::{EventKind, Origin, SpoolFile, SpoolFiles};
use crate::tail::Options;

/// A pattern's names are forgotten as soon as they are gone.
fn forgetful(names: &[&str]) -> Rig {
    let options = Options {
        deleted_kept: Some(Duration::ZERO),
        ..Options::default()
    };
    Rig::with(dir(), names, 1 << 20, options, Arc::new(Quiet))
}

/// Looks again and again until that is so.
fn until(rig: &mut Rig, what: &str, is: impl Fn(&Rig) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is(rig) {
        assert!(Instant::now() < deadline, "not in time: {what}");
        rig.look();
    }
}

#[test]
fn names_of_a_pattern_that_come_and_go_are_forgotten_and_new_ones_followed() {
    let mut rig = forgetful(&["*.log"]);
    for round in 0..3 {
        for n in 0..70 {
            append(&rig.path(&format!("{round}-{n}.log")), "line\n");
        }
        rig.expect_count((round + 1) * 70);
        for n in 0..70 {
            fs::remove_file(rig.path(&format!("{round}-{n}.log"))).expect("unlink");
        }
    }
    append(&rig.path("last.log"), "last\n");
    rig.expect_line("last");
    until(&mut rig, "the names are forgotten", |rig| {
        rig.hub.sources_len() == 1
    });
    // Nobody holds them any more.
    rig.hub.forget_old();
    assert_eq!(rig.hub.next_index(), 211);
    assert!(rig.hub.source(0).is_none());
    assert!(rig.hub.source(210).is_some());
}

#[test]
fn a_name_that_comes_back_after_it_was_forgotten_is_followed_as_a_new_one() {
    let mut rig = forgetful(&["*.log"]);
    append(&rig.path("a.log"), "one\n");
    rig.expect_line("one");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    until(&mut rig, "it is forgotten", |rig| {
        rig.hub.sources_len() == 0
    });
    append(&rig.path("a.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
    assert_eq!(rig.lines_of("a.log"), ["one", "two"]);
    assert_eq!(rig.hub.sources()[0].source.name, "a.log");
}

#[test]
fn a_file_that_was_named_outright_is_never_forgotten() {
    let mut rig = forgetful(&["a.log"]);
    append(&rig.path("a.log"), "one\n");
    rig.expect_line("one");
    fs::remove_file(rig.path("a.log")).expect("unlink");
    rig.expect_event(&EventKind::Missing);
    rig.look();
    assert_eq!(rig.hub.sources_len(), 1);
}

#[test]
fn a_rotation_that_waits_for_quiet_holds_up_nobody_who_follows() {
    let dir = dir();
    for name in ["a.log", "b.log"] {
        append(&dir.path().join(name), "old\n");
    }
    let mut rig = Rig::new(dir, &["a.log", "b.log"]);
    let mut late = appender(&rig.path("a.log"));
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    // A late worker keeps the rotated file busy: the new one is begun only once it is quiet.
    let stop = Arc::new(AtomicBool::new(false));
    let worker = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                late.write_all(b"late\n").expect("write");
                std::thread::yield_now();
            }
        }
    });
    rig.expect_line("late");
    let only = |index: u32| Selection::Only(Arc::from([index]));
    assert!(rig.hub.looks.ask_for(&only(1), false), "of another file");
    assert!(rig.hub.looks.ask_for(&only(0), true), "to follow it");
    assert!(rig.hub.looks.ask_for(&Selection::All, true), "of all");
    let has_new = |rig: &Rig| rig.lines().contains(&"new");
    rig.take_what_has_come();
    assert!(!has_new(&rig), "nobody has waited for it");
    stop.store(true, Ordering::Relaxed);
    worker.join().expect("it ends");
    rig.expect_line("new");
}

#[test]
fn a_file_of_procfs_is_refused() {
    let dir = dir();
    std::os::unix::fs::symlink("/proc/self/pagemap", dir.path().join("a.log")).expect("symlink");
    let mut rig = Rig::new(dir, &["a.log"]);
    rig.look();
    let state = rig.hub.source(0).expect("it is followed");
    assert!(!state.present);
    assert!(
        state
            .condition
            .reason()
            .expect("a reason")
            .contains("procfs")
    );
}

#[test]
fn files_over_the_budget_wait_their_turn() {
    let dir = dir();
    for n in 0..30 {
        append(&dir.path().join(format!("{n:02}.log")), "old\n");
    }
    let options = Options {
        deleted_kept: Some(Duration::ZERO),
        files_max: Some(10),
        ..Options::default()
    };
    let mut rig = Rig::with(dir, &["*.log"], 1 << 20, options, Arc::new(Quiet));
    assert_eq!(rig.hub.sources_len(), 10);
    let names = |rig: &Rig| -> Vec<String> {
        let states = rig.hub.sources().into_iter();
        states.map(|state| state.source.name.clone()).collect()
    };
    let first = names(&rig);
    for name in &first {
        fs::remove_file(rig.path(name)).expect("unlink");
    }
    until(&mut rig, "others take their places", |rig| {
        let now = names(rig);
        now.len() == 10 && now.iter().all(|name| !first.contains(name))
    });
}

#[test]
fn a_spool_that_is_no_more_is_forgotten_and_its_follower_is_let_go_of() {
    let mut rig = Rig::following("");
    let path = rig.path("log");
    append(&path, "one\n");
    let files = Arc::new(SpoolFiles::default());
    let file = File::open(&path).expect("it is there");
    files.begin(SpoolFile::of(&file).expect("open"));
    rig.hub.notify(Notice::New(Spooled {
        name: "web1/a.log".to_owned(),
        path: path.clone(),
        given: "web1=http://h/".into(),
        origin: Origin::Upstream,
        files,
    }));
    rig.expect_line("one");
    fs::remove_file(&path).expect("unlink");
    rig.hub.notify(Notice::Gone(path));
    until(&mut rig, "the spool is forgotten", |rig| {
        rig.hub.sources_len() == 1
    });
}

#[test]
fn what_a_reader_put_on_the_shelf_goes_from_there_though_nothing_is_published() {
    let options = Options {
        forget_every: Some(Duration::from_millis(20)),
        ..Options::default()
    };
    let mut rig = Rig::with(dir(), &["a.log"], 1 << 20, options, Arc::new(Quiet));
    append(&rig.path("a.log"), &"a line\n".repeat(10_000));
    rig.expect_count(10_000);
    let is_empty = |rig: &Rig| rig.hub.shelf.is_empty();
    let deadline = Instant::now() + DEADLINE;
    while !is_empty(&rig) {
        assert!(Instant::now() < deadline, "what was published is let go of");
        std::thread::yield_now();
    }
    let mut life = crate::reader::from_the_start(&rig.hub);
    let mut next = || life.read(64 * 1024).expect("readable");
    while matches!(next(), Next::Chunk(_)) {}
    assert!(!is_empty(&rig));
    while !is_empty(&rig) {
        assert!(Instant::now() < deadline, "what was read is let go of");
        std::thread::yield_now();
    }
}
