//! The Debian package, made of the program that is tested, on the real dpkg in a root of its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::manual;
use crate::support::{Daemon, Logs, append};

/// Whether packages can be made and installed here; says why not.
fn can_package() -> bool {
    for tool in ["dpkg-deb", "dpkg-shlibdeps", "strip", "dpkg"] {
        if Command::new(tool).arg("--version").output().is_err() {
            eprintln!("skipped: {tool} is not there (dpkg-dev, binutils)");
            return false;
        }
    }
    let is_root = fs::metadata("/proc/self").is_ok_and(|stat| stat.uid() == 0);
    if !is_root {
        eprintln!("skipped: dpkg installs for root alone");
    }
    is_root
}

/// A package of that version, of the program that is tested.
fn package(directory: &TempDir, version: &str) -> PathBuf {
    let manual = directory.path().join("manual");
    manual::write(&manual).expect("write the manual");
    let output = Command::new("scripts/packaging/deb.sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(env!("CARGO_BIN_EXE_tailcast"))
        .args([&manual, directory.path()])
        .arg(version)
        // A debug build is large, and packed for this test alone.
        .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1")
        .output()
        .expect("start deb.sh");
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end())
}

/// A file system in which nothing is installed.
struct Root(TempDir);

impl Root {
    fn new() -> Root {
        let root = tempfile::tempdir().expect("a directory");
        let admin = root.path().join("var/lib/dpkg");
        fs::create_dir_all(admin.join("info")).expect("make directories");
        fs::create_dir_all(admin.join("updates")).expect("make directories");
        fs::write(admin.join("status"), "").expect("write a status");
        Root(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs dpkg on this root. What the package needs is not in it, and neither is a shell: its scripts run outside, and
    /// are told of the root by DPKG_ROOT.
    fn dpkg(&self, args: &[&str]) {
        let output = Command::new("dpkg")
            .arg(format!("--root={}", self.0.path().display()))
            .arg("--log=/dev/null")
            .args(["--force-depends", "--force-script-chrootless"])
            .args(args)
            .output()
            .expect("start dpkg");
        assert!(output.status.success(), "dpkg {args:?}: {output:?}");
    }

    fn install(&self, package: &Path) {
        self.dpkg(&["--install", package.to_str().expect("a path in UTF-8")]);
    }

    /// Every file that is not dpkg's own.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.0.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("list a directory") {
                let entry = entry.expect("an entry");
                let path = entry.path();
                match entry.file_type().expect("a type").is_dir() {
                    true if path == self.path("var/lib/dpkg") => {}
                    true => directories.push(path),
                    false => files.push(path),
                }
            }
        }
        files
    }
}

#[test]
fn the_package_installs_starts_upgrades_and_purges_clean() {
    if !can_package() {
        return;
    }
    let made = tempfile::tempdir().expect("a directory");
    let first = package(&made, "0.1.0");
    let root = Root::new();
    root.install(&first);

    let program = root.path("usr/bin/tailcast");
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let mut command = Command::new(&program);
    command.args(["--listen", "127.0.0.1:0"]).arg(&log);
    let daemon = Daemon::start(command);
    assert_eq!(daemon.get("/stream?follow=false").text(), "1\n");
    drop(daemon);
    assert!(
        !root.path("etc/systemd/system").exists(),
        "nothing is enabled by itself"
    );

    // The administrator's doings: settings, and the service is enabled.
    let settings = root.path("etc/default/tailcast");
    append(&settings, "TAILCAST_FILES=/var/log/syslog\n");
    let wants = root.path("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).expect("make directories");
    let enabled = wants.join("tailcast.service");
    symlink("/lib/systemd/system/tailcast.service", &enabled).expect("enable the service");

    root.install(&package(&made, "0.1.1"));
    let text = fs::read_to_string(&settings).expect("read the settings");
    assert!(
        text.ends_with("TAILCAST_FILES=/var/log/syslog\n"),
        "an upgrade keeps the settings"
    );
    assert!(enabled.is_symlink(), "what was enabled stays so");
    assert!(program.exists());

    root.dpkg(&["--remove", "tailcast"]);
    assert!(!program.exists());
    assert!(settings.exists(), "settings stay until a purge");

    let state = root.path("var/lib/private/tailcast");
    fs::create_dir_all(&state).expect("make directories");
    fs::write(state.join("acknowledged"), "").expect("write a state");
    root.dpkg(&["--purge", "tailcast"]);
    assert_eq!(
        root.files(),
        Vec::<PathBuf>::new(),
        "a purge leaves something behind"
    );
}

#[test]
fn lintian_has_nothing_against_the_package() {
    if !can_package() {
        return;
    }
    let made = tempfile::tempdir().expect("a directory");
    let package = package(&made, env!("CARGO_PKG_VERSION"));
    let output = Command::new("lintian")
        .args(["--allow-root", "--fail-on=error,warning"])
        .arg(&package)
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: lintian is not there");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.is_empty(), "{output:?}");
}

/// Debian's changelog, made of ours.
fn changelog() -> String {
    let output = Command::new("awk")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["-v", "maintainer=the authors <them@example.org>"])
        .args(["-f", "scripts/packaging/changelog.awk", "CHANGELOG.md"])
        .output()
        .expect("start awk");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_change_list_of_the_package_has_each_version_and_each_change_of_ours() {
    let ours = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md"));
    let ours = ours.expect("read CHANGELOG.md");
    let debians = changelog();
    for heading in ours.lines().filter_map(|line| line.strip_prefix("## [")) {
        let version = heading.split(']').next().expect("a version");
        let entry = format!("tailcast ({version}) stable; urgency=medium\n\n  ");
        assert!(debians.contains(&entry), "{version}: {debians}");
    }
    let items =
        |text: &str, begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    // Paragraphs without a dash are changes, too.
    assert!(items(&debians, "  * ") >= items(&ours, "- "));
    let long = debians.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None);
    if Command::new("dpkg-parsechangelog")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: dpkg-parsechangelog is not there (dpkg-dev)");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("changelog");
    fs::write(&file, &debians).expect("write it");
    let output = Command::new("dpkg-parsechangelog")
        .arg("--all")
        .arg("-l")
        .arg(&file)
        .output()
        .expect("start dpkg-parsechangelog");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
