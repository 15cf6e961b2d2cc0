//! Names: links that are re-pointed, patterns, odd names, and names of what can't be followed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::rig::*;
use crate::pattern::Wanted;
use crate::source::EventKind;
use crate::tail::Options;

#[test]
fn a_link_that_is_re_pointed_leads_to_a_new_file() {
    let dir = dir();
    append(&dir.path().join("1.log"), "old\n");
    append(&dir.path().join("2.log"), "made before\n");
    symlink("1.log", dir.path().join("a.log")).expect("symlink");
    let mut rig = Rig::new(dir, &["a.log"]);
    append(&rig.path("1.log"), "one\n");
    rig.expect_lines(&["one"]);
    symlink("2.log", rig.path("next")).expect("symlink");
    fs::rename(rig.path("next"), rig.path("a.log")).expect("rename");
    append(&rig.path("2.log"), "two\n");
    rig.expect_lines(&["one", "made before", "two"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}

#[test]
fn a_directory_called_current_that_is_re_pointed_is_followed() {
    let dir = dir();
    for release in ["v1", "v2"] {
        fs::create_dir_all(dir.path().join(release).join("log")).expect("mkdir");
    }
    append(&dir.path().join("v1/log/a.log"), "old\n");
    symlink("v1", dir.path().join("current")).expect("symlink");
    let mut rig = Rig::new(dir, &["current/log/a.log"]);
    append(&rig.path("v1/log/a.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::remove_file(rig.path("current")).expect("unlink");
    symlink(rig.path("v2"), rig.path("current")).expect("symlink");
    append(&rig.path("v1/log/a.log"), "last\n");
    append(&rig.path("v2/log/a.log"), "two\n");
    rig.expect_lines(&["one", "last", "two"]);
    assert_eq!(rig.events(), [EventKind::Rotated]);
}

#[test]
fn a_link_whose_target_appears_later_is_followed() {
    let dir = dir();
    symlink("deep/down/b.log", dir.path().join("a.log")).expect("symlink");
    let mut rig = Rig::new(dir, &["a.log"]);
    rig.look();
    fs::create_dir_all(rig.path("deep/down")).expect("mkdir");
    append(&rig.path("deep/down/b.log"), "one\n");
    rig.expect_lines(&["one"]);
}

#[test]
fn a_rotation_behind_a_link_finds_what_was_missed_beside_the_target() {
    let dir = dir();
    fs::create_dir(dir.path().join("real")).expect("mkdir");
    append(&dir.path().join("real/b.log"), "old\n");
    symlink("real/b.log", dir.path().join("a.log")).expect("symlink");
    let mut rig = Rig::new(dir, &["a.log"]);
    for n in 0..20 {
        for k in (1..30).rev() {
            let from = rig.path(&format!("real/b.log.{k}"));
            let _ = fs::rename(from, rig.path(&format!("real/b.log.{}", k + 1)));
        }
        fs::rename(rig.path("real/b.log"), rig.path("real/b.log.1")).expect("rename");
        append(&rig.path("real/b.log"), &format!("line {n}\n"));
    }
    let want: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    rig.expect_lines(&want);
}

#[test]
fn odd_names_are_followed_as_they_are() {
    let names = [
        "a b%20c.log",
        "gr\u{fc}\u{df}e \u{65e5}\u{672c}.log",
        "[brackets]*.log",
        "new\nline?.log",
    ];
    let dir = dir();
    for name in names {
        append(&dir.path().join(name), "old\n");
    }
    let mut rig = Rig::new(dir, &names);
    for name in names {
        append(&rig.path(name), &format!("in {name:?}\n"));
    }
    rig.until("a line of each", |got| got.len() >= names.len());
    for name in names {
        assert_eq!(rig.lines_of(name), [format!("in {name:?}")]);
    }
}

#[test]
fn two_names_of_one_file_are_both_followed_and_one_may_go() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    fs::hard_link(dir.path().join("a.log"), dir.path().join("b.log")).expect("link");
    let mut rig = Rig::new(dir, &["a.log", "b.log"]);
    append(&rig.path("a.log"), "one\n");
    rig.until("the line twice", |got| got.len() >= 2);
    // Both have the same watch: it has to stay for the other when one doesn't need it any more.
    fs::remove_file(rig.path("a.log")).expect("unlink");
    append(&rig.path("a.log"), "new\n");
    rig.expect_line("new");
    append(&rig.path("b.log"), "two\n");
    rig.expect_line("two");
    assert_eq!(rig.lines_of("a.log"), ["one", "new"]);
    assert_eq!(rig.lines_of("b.log"), ["one", "two"]);
}

#[test]
fn the_same_path_twice_is_followed_once() {
    let rig = Rig::new(dir(), &["a.log", "a.log"]);
    assert_eq!(rig.hub.sources_len(), 1);
}

#[test]
fn a_directory_or_a_fifo_is_tried_again_until_there_is_a_file() {
    let dir = dir();
    fs::create_dir(dir.path().join("a.log")).expect("mkdir");
    mkfifo(&dir.path().join("b.log"), Mode::S_IRWXU).expect("mkfifo");
    let mut rig = Rig::new(dir, &["a.log", "b.log"]);
    rig.look();
    assert!(rig.got.is_empty());
    fs::remove_dir(rig.path("a.log")).expect("rmdir");
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::remove_file(rig.path("b.log")).expect("unlink");
    append(&rig.path("b.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
}

#[test]
fn matches_of_a_pattern_that_come_later_are_picked_up_and_read_from_the_first_byte() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    append(&dir.path().join("a.txt"), "old\n");
    append(&dir.path().join(".hidden.log"), "old\n");
    fs::create_dir(dir.path().join("dir.log")).expect("mkdir");
    let mut rig = Rig::new(dir, &["*.log"]);
    assert_eq!(rig.hub.sources_len(), 1);
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    append(&rig.path("b.log"), "first\n");
    append(&rig.path("b.log"), "second\n");
    rig.expect_lines(&["one", "first", "second"]);
    assert_eq!(rig.events(), [EventKind::Start]);
    assert_eq!(rig.lines_of("b.log"), ["first", "second"]);
    fs::remove_file(rig.path("b.log")).expect("unlink");
    rig.expect_event(&EventKind::Missing);
    append(&rig.path("b.log"), "back\n");
    rig.expect_lines(&["one", "first", "second", "back"]);
    assert_eq!(rig.hub.sources_len(), 2);
}

#[test]
fn a_pattern_in_a_directory_finds_directories_that_come_later() {
    let mut rig = Rig::new(dir(), &["apps/*/log/[ab].log"]);
    rig.look();
    fs::create_dir_all(rig.path("apps/one/log")).expect("mkdir");
    append(&rig.path("apps/one/log/a.log"), "1a\n");
    append(&rig.path("apps/one/log/c.log"), "no\n");
    rig.expect_lines(&["1a"]);
    fs::create_dir_all(rig.path("apps/two/log")).expect("mkdir");
    append(&rig.path("apps/two/log/b.log"), "2b\n");
    rig.expect_lines(&["1a", "2b"]);
    append(&rig.path("apps/two/log/a.log"), "2a\n");
    rig.expect_lines(&["1a", "2b", "2a"]);
    let whole = rig.path("apps/two/log/a.log");
    assert_eq!(
        rig.lines_of(&whole.to_string_lossy()),
        ["2a"],
        "the base name was taken"
    );
}

#[test]
fn a_rotated_name_that_matches_the_pattern_is_no_new_file() {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    let mut rig = Rig::new(dir, &["app*"]);
    let mut want = Vec::new();
    for turn in 0..4 {
        append(&rig.path("app.log"), &format!("before {turn}\n"));
        for k in (1..9).rev() {
            let _ = fs::rename(
                rig.path(&format!("app.log.{k}")),
                rig.path(&format!("app.log.{}", k + 1)),
            );
        }
        fs::rename(rig.path("app.log"), rig.path("app.log.1")).expect("rename");
        append(&rig.path("app.log.0.gz"), "compressed");
        append(&rig.path("app.log"), &format!("after {turn}\n"));
        want.extend([format!("before {turn}"), format!("after {turn}")]);
        let want: Vec<&str> = want.iter().map(String::as_str).collect();
        rig.expect_lines(&want);
    }
    rig.look();
    assert_eq!(rig.hub.sources_len(), 1);
    assert_same(&rig.lines_of("app.log"), &want);
}

#[test]
fn rotated_files_that_match_the_pattern_are_not_followed_as_files_of_their_own() {
    let dir = dir();
    append(&dir.path().join("app.log.1"), "older\n");
    append(&dir.path().join("app.log"), "old\n");
    let mut rig = Rig::new(dir, &["app*"]);
    assert_eq!(rig.hub.sources_len(), 1);
    fs::rename(rig.path("app.log.1"), rig.path("app.log.2")).expect("rename");
    fs::rename(rig.path("app.log"), rig.path("app.log.1")).expect("rename");
    append(&rig.path("app.log"), "new\n");
    rig.expect_lines(&["new"]);
    rig.look();
    rig.look();
    assert_eq!(rig.lines(), ["new"]);
    assert_eq!(rig.hub.sources_len(), 1);
}

#[test]
fn a_name_of_a_pattern_that_is_replaced_belongs_to_the_file_it_leads_to() {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    let mut rig = Rig::new(dir, &["*"]);
    // A temporary file that matches, too, and is seen before it is renamed.
    append(&rig.path("app.log.tmp"), "two\n");
    rig.expect_lines(&["two"]);
    fs::rename(rig.path("app.log.tmp"), rig.path("app.log")).expect("rename");
    append(&rig.path("app.log"), "three\n");
    rig.until("the lines under the name that has them", |got| {
        let is_it = |got: &Got| *got == Got::Line("app.log".into(), "three".into());
        got.iter().any(is_it)
    });
    assert_eq!(rig.lines_of("app.log"), ["two", "three"]);
    assert_eq!(rig.lines_of("app.log.tmp"), ["two"]);
    assert!(rig.hub.source(0).expect("it is followed").present);
    let missing = Got::Event("app.log".into(), EventKind::Missing);
    assert!(!rig.got.contains(&missing));
}

#[test]
fn a_temporary_file_that_takes_a_name_and_is_rotated_at_once_is_that_names() {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    let gate = Arc::new(Gate::default());
    let options = Options::default();
    let mut rig = Rig::with(dir, &["*"], 1 << 20, options, gate.clone());
    for n in 0..4 {
        append(&rig.path("app.log.tmp"), "");
        rig.look();
        gate.shut();
        append(&rig.path("app.log"), &format!("before {n}\n"));
        gate.wait();
        fs::rename(rig.path("app.log.tmp"), rig.path("app.log")).expect("rename");
        append(&rig.path("app.log"), &format!("temporary {n}\n"));
        let rotated = rig.path(&format!("app.log-2026112{n}"));
        fs::rename(rig.path("app.log"), rotated).expect("rename");
        append(&rig.path("app.log"), &format!("after {n}\n"));
        gate.open();
        rig.expect_line(&format!("after {n}"));
    }
    let want: Vec<String> = (0..4)
        .flat_map(|n| ["before", "temporary", "after"].map(|when| format!("{when} {n}")))
        .collect();
    assert_same(&rig.lines_of("app.log"), &want);
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn names_of_a_pattern_that_are_swapped_each_have_the_file_they_lead_to() {
    let dir = dir();
    for name in ["out.lo1", "out.log"] {
        append(&dir.path().join(name), "old\n");
    }
    let mut rig = Rig::new(dir, &["out.lo*"]);
    fs::rename(rig.path("out.log"), rig.path("out.lo3")).expect("rename");
    fs::rename(rig.path("out.lo1"), rig.path("out.log")).expect("rename");
    // What is written before the name is known to lead there may be read under the old one.
    rig.expect_line("old");
    append(&rig.path("out.log"), "new\n");
    rig.expect_line("new");
    assert_eq!(rig.lines_of("out.log"), ["old", "new"]);
    assert_eq!(rig.lines_of("out.lo1"), [] as [&str; 0]);
}

#[test]
fn a_file_that_is_moved_to_another_followed_name_is_read_to_its_end_under_its_own() {
    for pattern in [&["out.log", "out.old"][..], &["out.*"]] {
        let dir = dir();
        for name in ["out.log", "out.old"] {
            append(&dir.path().join(name), "old\n");
        }
        let gate = Arc::new(Gate::default());
        let options = Options::default();
        let mut rig = Rig::with(dir, pattern, 1 << 20, options, gate.clone());
        let mut want = Vec::new();
        for n in 0..3 {
            gate.shut();
            let mut log = appender(&rig.path("out.log"));
            let [begun, last, late] = ["begun", "last", "late"].map(|when| format!("{when} {n}"));
            log.write_all(format!("{begun}\n").as_bytes())
                .expect("write");
            gate.wait();
            log.write_all(format!("{last}\n").as_bytes())
                .expect("write");
            fs::rename(rig.path("out.log"), rig.path("out.old")).expect("rename");
            log.write_all(late.as_bytes()).expect("write");
            append(&rig.path("out.log"), "");
            gate.open();
            rig.look();
            append(&rig.path("out.log"), "new\n");
            want.extend([begun, last, late, "new".to_owned()]);
            rig.until("the new line", |got| {
                let is_it = |got: &&Got| **got == Got::Line("out.log".into(), "new".into());
                got.iter().filter(is_it).count() > n
            });
        }
        assert_same(&rig.lines_of("out.log"), &want);
    }
}

#[test]
fn names_that_count_up_while_the_oldest_is_deleted_are_files_of_their_own() {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    let mut rig = Rig::new(dir, &["app*"]);
    let mut want = Vec::new();
    for k in 1..7 {
        append(&rig.path(&format!("app.log.{k}")), &format!("{k}\n"));
        match k {
            3 => fs::remove_file(rig.path("app.log")).expect("unlink"),
            4.. => fs::remove_file(rig.path(&format!("app.log.{}", k - 3))).expect("unlink"),
            _ => {}
        }
        want.push(Got::Line(format!("app.log.{k}"), k.to_string()));
        rig.expect_line(&k.to_string());
    }
    rig.got.retain(|got| matches!(got, Got::Line(..)));
    assert_eq!(rig.got, want);
}

#[test]
fn two_rotations_between_two_looks_are_found_whatever_the_rotator_calls_the_files() {
    for style in [
        "@4000000065000001000000%.s",
        "a.log.~%~",
        "a_r%.log",
        "renamed by hand %",
    ] {
        let (mut rig, gate) = Rig::held_up("old\n");
        for n in 10..30 {
            let to = rig.path(&style.replace('%', &n.to_string()));
            fs::rename(rig.path("a.log"), to).expect("rename");
            append(&rig.path("a.log"), &format!("{n}\n"));
        }
        gate.open();
        rig.expect_line("29");
        let want: Vec<String> = (10..30).map(|n| n.to_string()).collect();
        assert_same(&rig.lines()[1..], &want);
        assert!(!rig.has_gap(), "{:?}", rig.events());
    }
}

#[test]
fn a_hard_link_that_is_made_anew_to_the_same_file_is_no_loss() {
    let dir = dir();
    append(&dir.path().join("a.1.log"), "old\n");
    fs::hard_link(dir.path().join("a.1.log"), dir.path().join("a.log")).expect("link");
    let mut rig = Rig::new(dir, &["a.log"]);
    for k in 0..20 {
        for _ in 0..3 {
            fs::remove_file(rig.path("a.log")).expect("unlink");
            fs::hard_link(rig.path("a.1.log"), rig.path("a.log")).expect("link");
        }
        append(&rig.path("a.1.log"), &format!("{k}\n"));
        rig.expect_line(&k.to_string());
    }
    rig.look();
    assert_eq!(rig.events(), []);
}

/// As logrotate compresses it without delaycompress, so many times.
fn compressed_at_once(mut rig: Rig, times: usize) {
    let mut log = appender(&rig.path("a.log"));
    for n in 0..times {
        log.write_all(format!("{n} before\n").as_bytes())
            .expect("write");
        fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
        append(&rig.path("a.log"), "");
        append(&rig.path(&format!("a.log.{}.gz", n + 1)), "compressed");
        fs::remove_file(rig.path("a.log.1")).expect("unlink");
        log.write_all(format!("{n} late\n").as_bytes())
            .expect("write");
        rig.look();
        rig.expect_line(&format!("{n} late"));
        log = appender(&rig.path("a.log"));
    }
    log.write_all(b"end\n").expect("write");
    rig.expect_line("end");
    assert!(!rig.has_gap(), "{:?}", rig.events());
}

#[test]
fn a_file_that_is_compressed_at_once_while_its_writer_goes_on_is_no_loss() {
    compressed_at_once(Rig::following("old\n"), 3);
}

#[test]
fn a_file_that_is_compressed_at_once_is_no_loss_where_the_kernel_tells_nothing() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    compressed_at_once(Rig::polling(dir, &["a.log"]), 1);
}

#[test]
fn a_pattern_that_names_a_file_is_that_file() {
    let dir = dir();
    append(&dir.path().join("a*.log"), "old\n");
    append(&dir.path().join("ab.log"), "old\n");
    let mut rig = Rig::new(dir, &["a*.log"]);
    append(&rig.path("a*.log"), "one\n");
    rig.expect_lines(&["one"]);
    assert_eq!(rig.hub.sources_len(), 1);
    let read = || Wanted::read(rig.path("[").as_os_str());
    assert!(read().is_err());
    append(&rig.path("["), "");
    assert_eq!(read(), Ok(Wanted::Path(rig.path("["))));
}

#[test]
fn a_thousand_files_are_followed_at_once() {
    let dir = dir();
    for n in 0..1000 {
        append(&dir.path().join(format!("{n}.log")), "old\n");
    }
    let mut rig = Rig::new(dir, &["*.log"]);
    assert_eq!(rig.hub.sources_len(), 1000);
    for n in 0..1000 {
        let mut log = appender(&rig.path(&format!("{n}.log")));
        log.write_all(format!("one {n}\n").as_bytes())
            .expect("write");
    }
    rig.until("a line of each", |got| got.len() >= 1000);
    let mut lines = rig.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 1000);
}

#[test]
fn two_stars_take_in_files_at_any_depth_now_and_later() {
    let dir = dir();
    let deep = dir.path().join("l/a/b");
    std::fs::create_dir_all(&deep).expect("directories");
    for place in ["l", "l/a", "l/a/b"] {
        append(&dir.path().join(place).join("x.log"), "old\n");
    }
    // A link leads anywhere, and back: it is not gone through.
    std::os::unix::fs::symlink(dir.path().join("l"), dir.path().join("l/a/loop")).expect("a link");
    let mut rig = Rig::new(dir, &["l/**/*.log"]);
    assert_eq!(rig.hub.sources_len(), 3);
    append(&rig.path("l/a/b/x.log"), "one\n");
    rig.expect_lines(&["one"]);
    std::fs::create_dir_all(rig.path("l/new/deeper")).expect("directories");
    append(&rig.path("l/new/deeper/y.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
    assert_eq!(rig.hub.sources_len(), 4);
}
