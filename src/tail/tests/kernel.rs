//! The kernel's limits: lost events, and no events at all.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rig::*;
use crate::limits::SAFETY_LOOK;
use crate::tail::Options;

#[test]
fn an_overflow_of_the_events_loses_no_lines() {
    let dir = dir();
    for name in ["a.log", "b.log", "c.log"] {
        append(&dir.path().join(name), "old\n");
    }
    let gate = Arc::new(Gate::default());
    let names = ["a.log", "b.log", "c.log", "later.log", "x*"];
    let mut rig = Rig::with(dir, &names, 1 << 20, Options::default(), gate.clone());
    gate.shut();
    append(&rig.path("a.log"), "one\n");
    gate.wait();
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(16384);
    // Two events a turn, that the kernel can't put together.
    let (mut a, mut b) = (appender(&rig.path("a.log")), appender(&rig.path("b.log")));
    for _ in 0..most / 2 + 10 {
        std::io::Write::write_all(&mut a, b"a\n").expect("write");
        std::io::Write::write_all(&mut b, b"b\n").expect("write");
    }
    // The events of these are lost.
    append(&rig.path("c.log"), "unseen\n");
    append(&rig.path("later.log"), "unseen\n");
    append(&rig.path("x.log"), "unseen\n");
    let begun = Instant::now();
    gate.open();
    let want = 1 + 2 * (most / 2 + 10) + 3;
    rig.expect_count(want);
    assert!(
        begun.elapsed() < SAFETY_LOOK,
        "found by the overflow, not by the safety look"
    );
    for name in ["c.log", "later.log", "x.log"] {
        assert_eq!(rig.lines_of(name), ["unseen"]);
    }
}

#[test]
fn without_events_everything_is_found_within_a_few_seconds() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::polling(dir, &["a.log", "x*.log"]);
    let begun = Instant::now();
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).expect("rename");
    append(&rig.path("a.log"), "new\n");
    append(&rig.path("x1.log"), "first\n");
    rig.expect_count(3);
    assert!(begun.elapsed() < 2 * SAFETY_LOOK + Duration::from_secs(2));
    assert_eq!(rig.lines_of("a.log"), ["one", "new"]);
    assert_eq!(rig.lines_of("x1.log"), ["first"]);
}

/// Set in the process that [`a_limit_that_is_hit_is_named_and_files_are_polled`] starts.
const LIMITED: &str = "TAILCAST_TEST_LIMITED";

/// Runs only in a process of its own, in which the kernel gives no watches.
#[test]
fn limited_child() {
    if std::env::var_os(LIMITED).is_none() {
        return;
    }
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .init();
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::new(dir, &["a.log", "b*.log"]);
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    append(&rig.path("b1.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
}

#[test]
fn a_limit_that_is_hit_is_named_and_files_are_polled() {
    let own = std::env::current_exe().expect("this program");
    for (limit, sysctl) in [
        ("max_inotify_watches", "fs.inotify.max_user_watches"),
        ("max_inotify_instances", "fs.inotify.max_user_instances"),
    ] {
        // In a user namespace of its own the limit concerns nobody else.
        let script = format!("echo 0 > /proc/sys/user/{limit} || exit 99; exec \"$@\"");
        let child = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", &script, "sh"])
            .arg(&own)
            .args([
                "--exact",
                "tail::tests::kernel::limited_child",
                "--nocapture",
            ])
            .env(LIMITED, "1")
            .output();
        let out = match child {
            Ok(out) if out.status.code() != Some(99) && !is_refused(&out.stderr) => out,
            _ => {
                eprintln!("skipped: no user namespaces here");
                return;
            }
        };
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{said}");
        assert_eq!(said.matches(sysctl).count(), 1, "said once: {said}");
    }
}

/// Set in the process that [`a_mount_over_a_followed_directory_is_noticed_at_once`] starts.
const MOUNTING: &str = "TAILCAST_TEST_MOUNTING";

/// Runs only in a process of its own, whose mounts are its own.
#[test]
fn mounting_child() {
    if std::env::var_os(MOUNTING).is_none() {
        return;
    }
    let dir = dir();
    fs::create_dir(dir.path().join("logs")).expect("mkdir");
    append(&dir.path().join("logs/a.log"), "old\n");
    let mut rig = Rig::new(dir, &["logs/a.log"]);
    append(&rig.path("logs/a.log"), "one\n");
    rig.expect_lines(&["one"]);
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "tmpfs"]).arg(rig.path("logs"));
    assert!(mount.status().expect("mount").success());
    append(&rig.path("logs/a.log"), "two\n");
    // No event tells of it, and the next look that needs none is a minute away.
    rig.expect_lines(&["one", "two"]);
}

#[test]
fn a_mount_over_a_followed_directory_is_noticed_at_once() {
    let own = std::env::current_exe().expect("this program");
    let script = "mount -t tmpfs tmpfs /mnt || exit 99; exec \"$@\"";
    let child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .args(["sh", "-c", script, "sh"])
        .arg(&own)
        .args(["--exact", "tail::tests::kernel::mounting_child"])
        .env(MOUNTING, "1")
        .output();
    match child {
        Ok(out) if out.status.code() != Some(99) && !is_refused(&out.stderr) => {
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(out.status.success(), "{said}");
        }
        _ => eprintln!("skipped: no mounts in user namespaces here"),
    }
}

fn is_refused(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains("unshare:")
}
