//! The rpm, made of the program that is tested, on the real rpm in a root of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;

use super::manual;
use crate::support::{Daemon, Logs, tool};

/// What it holds besides directories, and no more.
const FILES: &[&str] = &[
    "/etc/default/tailcast",
    "/usr/bin/tailcast",
    "/usr/lib/systemd/system/tailcast-socket.service",
    "/usr/lib/systemd/system/tailcast.service",
    "/usr/lib/systemd/system/tailcast.socket",
    "/usr/share/bash-completion/completions/tailcast",
    "/usr/share/fish/vendor_completions.d/tailcast.fish",
    "/usr/share/licenses/tailcast/LICENSE",
    "/usr/share/man/man8/tailcast.8.gz",
    "/usr/share/zsh/site-functions/_tailcast",
];

/// A package of that version.
fn package(directory: &Path, version: &str) -> PathBuf {
    let manual = directory.join("manual");
    manual::write(&manual).expect("write the manual");
    let output = Command::new("scripts/packaging/rpm.sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(env!("CARGO_BIN_EXE_tailcast"))
        .args([&manual, directory])
        .arg(version)
        // A debug build is large, and packed for this test alone.
        .env("RPM_PAYLOAD", "w1.gzdio")
        .output()
        .expect("start rpm.sh");
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end())
}

/// What rpm says.
fn rpm(args: &[&str]) -> String {
    let output = Command::new("rpm").args(args).output().expect("start rpm");
    assert!(output.status.success(), "rpm {args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_rpm_installs_runs_and_leaves_nothing_behind() {
    if tool(&["rpmbuild"]).is_none() || tool(&["rpm"]).is_none() {
        return;
    }
    let made = tempfile::tempdir().expect("a directory");
    let package = package(made.path(), "1.0.0-rc.1");
    let name = package.file_name().expect("a name").to_string_lossy();
    assert!(name.starts_with("tailcast-1.0.0~rc.1-1."), "{name}");
    let package = package.to_str().expect("UTF-8");
    let listed = rpm(&["-qpl", package]);
    let files = listed
        .lines()
        .filter(|line| !line.starts_with("/usr/share/doc/"));
    assert_eq!(files.collect::<Vec<_>>(), FILES);
    assert_eq!(rpm(&["-qpc", package]), "/etc/default/tailcast\n");
    assert!(rpm(&["-qpR", package]).contains("libc.so.6"));

    if !Uid::effective().is_root() {
        eprintln!("skipped: rpm installs for root alone");
        return;
    }
    // Neither what it needs nor a shell for its scripts is in this root.
    let root = tempfile::tempdir().expect("a directory");
    let at = root.path().to_str().expect("UTF-8");
    rpm(&["--root", at, "--initdb"]);
    rpm(&[
        "--root",
        at,
        "--nodeps",
        "--noscripts",
        "--install",
        package,
    ]);
    let logs = Logs::new();
    let mut command = Command::new(root.path().join("usr/bin/tailcast"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .arg(logs.file("a.log", "1\n"));
    let daemon = Daemon::start(command);
    assert_eq!(daemon.get("/stream?follow=false").text(), "1\n");
    drop(daemon);
    rpm(&[
        "--root",
        at,
        "--nodeps",
        "--noscripts",
        "--erase",
        "tailcast",
    ]);
    let left = FILES
        .iter()
        .filter(|file| root.path().join(&file[1..]).exists());
    assert_eq!(left.count(), 0);
    assert!(fs::read_dir(root.path().join("usr/bin")).map_or(0, Iterator::count) == 0);
}
