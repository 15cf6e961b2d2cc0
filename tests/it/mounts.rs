//! Logs on mounts that know files by their paths (sshfs, mergerfs, bindfs), written and rotated behind the mount: the
//! kernel tells nothing of it, and an inode tells nothing either.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Daemon, Logs, append, is_promised, tool, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Long enough for a loaded machine: a look is taken every three seconds.
const DEADLINE: Duration = Duration::from_secs(40);

/// A directory that is seen through a mount.
pub(crate) struct Mount {
    logs: Logs,
    helpers: Vec<Child>,
}

impl Mount {
    /// A mount made by `program`; `None` where there is none, or mounting is not allowed.
    pub(crate) fn of(program: &str) -> Option<Mount> {
        let options = match program {
            "sshfs" => &["-o", "passive"][..],
            _ => &[],
        };
        Mount::with(program, options)
    }

    /// The same with these options.
    fn with(program: &str, options: &[&str]) -> Option<Mount> {
        let program = tool(&[program])?;
        if !Path::new("/dev/fuse").exists() {
            assert!(!is_promised(), "there is no /dev/fuse");
            return None;
        }
        let logs = Logs::new();
        let (real, seen) = (logs.path("real"), logs.path("seen"));
        fs::create_dir(&real).expect("mkdir");
        fs::create_dir(&seen).expect("mkdir");
        append(&real.join("app.log"), "1\n");
        let mut helpers = Vec::new();
        let mut mount = Command::new(&program);
        if program.ends_with("sshfs") {
            let server = tool(&["/usr/lib/openssh/sftp-server"])?;
            let (ours, its) = UnixStream::pair().expect("a pair");
            let stdio = |stream: &UnixStream| {
                let stream = stream.try_clone().expect("a descriptor");
                Stdio::from(OwnedFd::from(stream))
            };
            let mut serve = Command::new(server);
            serve.stdin(stdio(&its)).stdout(stdio(&its));
            helpers.push(serve.spawn().expect("a server"));
            mount.arg(format!("x:{}", real.display())).arg(&seen);
            mount.stdin(stdio(&ours)).stdout(stdio(&ours));
        } else {
            mount.arg(&real).arg(&seen).stdin(Stdio::null());
        }
        mount.arg("-f").args(options);
        helpers.push(mount.stderr(Stdio::null()).spawn().expect("a mount"));
        let is_there = || seen.join("app.log").exists();
        let mount = Mount { logs, helpers };
        assert!(wait_until(DEADLINE, is_there), "no mount");
        Some(mount)
    }

    /// The log as it is seen through the mount.
    pub(crate) fn log(&self) -> PathBuf {
        self.logs.path("seen").join("app.log")
    }

    /// Has the mount answer no more, or go on with it.
    pub(crate) fn signal(&self, signal: Signal) {
        for helper in &self.helpers {
            let pid = i32::try_from(helper.id()).expect("a pid");
            kill(Pid::from_raw(pid), signal).expect("signalled");
        }
    }

    fn real(&self, name: &str) -> PathBuf {
        self.logs.path("real").join(name)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let seen = self.logs.path("seen");
        let _ = Command::new("umount").arg("-l").arg(&seen).status();
        for helper in self.helpers.iter_mut().rev() {
            let _ = helper.kill();
            let _ = helper.wait();
        }
    }
}

/// What a client of `daemon` gets that stays connected: lines, and a word for each event.
struct Client {
    child: Child,
    out: PathBuf,
}

impl Client {
    fn of(daemon: &Daemon, out: PathBuf) -> Client {
        let url = format!(
            "http://127.0.0.1:{}/stream?format=json&lines=all",
            daemon.port
        );
        let child = Command::new(tool(&["curl"]).expect("curl"))
            .args(["-sN", &url])
            .stdout(File::create(&out).expect("create"))
            .spawn()
            .expect("curl");
        Client { child, out }
    }

    fn got(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.out).expect("read");
        let objects = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let word = |object: Value| {
            let word = object["line"].as_str().or(object["event"].as_str());
            word.filter(|word| *word != "start").map(str::to_owned)
        };
        objects.filter_map(word).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines that come before a rotation, and how many rotations come at once.
const ROTATIONS: &[(usize, usize)] = &[(30, 1), (30, 1), (0, 2), (0, 1)];

/// Numbered rotations, with lines that nobody has seen yet at the end of the old file.
fn rotated_behind(program: &str) {
    let Some(mount) = Mount::of(program) else {
        return;
    };
    rotated(&mount, program);
}

fn rotated(mount: &Mount, program: &str) {
    let daemon = Daemon::follow(&[&mount.logs.path("seen/app.log")]);
    let client = Client::of(&daemon, mount.logs.path("out"));
    let mut want = vec!["1".to_owned()];
    let expect = |want: &[String]| {
        let came = wait_until(DEADLINE, || client.got().len() >= want.len());
        assert!(came, "{program}: {:?}", client.got());
        assert_eq!(client.got(), want, "{program}");
    };
    expect(&want);
    let log = mount.real("app.log");
    let mut number = 1;
    let mut put = |lines: usize, want: &mut Vec<String>| {
        for _ in 0..lines {
            number += 1;
            append(&log, format!("{number}\n"));
            want.push(number.to_string());
        }
    };
    for &(lines, rotations) in ROTATIONS {
        put(lines, &mut want);
        expect(&want);
        put(4, &mut want);
        for _ in 0..rotations {
            for older in (1..5).rev() {
                let name = |number: u32| mount.real(&format!("app.log.{number}"));
                let _ = fs::rename(name(older), name(older + 1));
            }
            fs::rename(&log, mount.real("app.log.1")).expect("rename");
            want.push("rotated".to_owned());
            put(2, &mut want);
        }
        expect(&want);
    }
    put(1, &mut want);
    expect(&want);
}

#[test]
fn a_log_that_is_rotated_behind_mergerfs_comes_once_and_in_order() {
    rotated_behind("mergerfs");
}

#[test]
fn a_log_that_is_rotated_behind_bindfs_comes_once_and_in_order() {
    rotated_behind("bindfs");
}

/// The kernel remembers what stands under a path for that long, and shows the new file with the old one's inode and size.
#[test]
fn a_log_that_is_rotated_while_the_kernel_remembers_the_old_one_comes_once_and_in_order() {
    let remembers = ["-o", "attr_timeout=5,entry_timeout=5"];
    let Some(mount) = Mount::with("bindfs", &remembers) else {
        return;
    };
    rotated(&mount, "bindfs that is remembered");
}

#[test]
fn a_log_that_is_rotated_at_the_other_end_of_sshfs_comes_once_and_in_order() {
    rotated_behind("sshfs");
}

/// Sizes and names out of its cache would hide what a rotated file still got.
#[test]
fn rotations_that_follow_each_other_quickly_lose_nothing_over_sshfs_without_its_cache() {
    let Some(mount) = Mount::with("sshfs", &["-o", "passive,dir_cache=no"]) else {
        return;
    };
    let daemon = Daemon::follow(&[&mount.logs.path("seen/app.log")]);
    let client = Client::of(&daemon, mount.logs.path("out"));
    let mut want = vec!["1".to_owned()];
    let came = |count: usize| {
        let came = wait_until(DEADLINE, || client.got().len() >= count);
        assert!(came, "{count}: {:?}", client.got());
    };
    came(1);
    for rotation in 0..10 {
        // The file before the last one may still be read.
        came(want.len() - 8 * usize::from(rotation > 0));
        for line in 0..8 {
            let line = format!("{rotation} {line}");
            append(&mount.real("app.log"), format!("{line}\n"));
            want.push(line);
        }
        for older in (1..4).rev() {
            let name = |number: u32| mount.real(&format!("app.log.{number}"));
            let _ = fs::rename(name(older), name(older + 1));
        }
        fs::rename(mount.real("app.log"), mount.real("app.log.1")).expect("rename");
        want.push("rotated".to_owned());
        append(&mount.real("app.log"), format!("{rotation} begins\n"));
        want.push(format!("{rotation} begins"));
    }
    came(want.len());
    assert_eq!(client.got(), want);
}

/// Lines of a log at the other end of sshfs, which remembers a directory for 20 s, that `rotate` rotates, more often each
/// time. What came of them, and the number of the last one.
fn rotated_more_each_time(rotate: impl Fn(&Mount)) -> Option<(Vec<String>, u32)> {
    let mount = Mount::of("sshfs")?;
    let daemon = Daemon::follow(&[&mount.logs.path("seen/app.log")]);
    let client = Client::of(&daemon, mount.logs.path("out"));
    let mut last = 1;
    for (lines, rotations) in [(30, 1), (12, 2), (3, 3), (40, 4)] {
        let came = wait_until(DEADLINE, || client.got().contains(&last.to_string()));
        assert!(came, "{last}: {:?}", client.got());
        let mut put = |lines: u32| {
            for _ in 0..lines {
                last += 1;
                append(&mount.real("app.log"), format!("{last}\n"));
            }
        };
        put(lines);
        for rotation in 0..rotations {
            rotate(&mount);
            put(4 - rotation);
        }
    }
    let came = wait_until(DEADLINE, || client.got().contains(&last.to_string()));
    assert!(came, "{last}: {:?}", client.got());
    Some((client.got(), last))
}

#[test]
fn a_log_with_numbered_rotations_at_once_comes_whole_over_sshfs_with_its_cache() {
    let rotate = |mount: &Mount| {
        for older in (0..9).rev() {
            let name = |number: u32| match number {
                0 => mount.real("app.log"),
                _ => mount.real(&format!("app.log.{number}")),
            };
            let _ = fs::rename(name(older), name(older + 1));
        }
    };
    let Some((got, last)) = rotated_more_each_time(rotate) else {
        return;
    };
    let lines: Vec<&String> = got.iter().filter(|word| *word != "rotated").collect();
    let want: Vec<String> = (1..=last).map(|number| number.to_string()).collect();
    assert!(lines.into_iter().eq(&want), "{got:?}");
}

/// Names that can't be guessed are seen only once sshfs lists the directory again.
#[test]
fn what_the_cache_of_sshfs_hides_of_dated_rotations_at_once_is_told() {
    let day = Cell::new(10);
    let rotate = |mount: &Mount| {
        day.set(day.get() + 1);
        let name = format!("app.log-202611{}", day.get());
        fs::rename(mount.real("app.log"), mount.real(&name)).expect("rename");
    };
    let Some((got, _)) = rotated_more_each_time(rotate) else {
        return;
    };
    let (mut before, mut told) = (0, false);
    for word in &got {
        let Ok(number) = word.parse::<u32>() else {
            told |= word == "gap";
            continue;
        };
        assert!(number > before, "{number} after {before}: {got:?}");
        assert!(number == before + 1 || told, "before {number}: {got:?}");
        (before, told) = (number, false);
    }
}

#[test]
fn a_log_that_is_truncated_behind_a_mount_begins_anew() {
    let Some(mount) = Mount::of("bindfs") else {
        return;
    };
    let log = mount.real("app.log");
    append(&log, "2\n3\n");
    let daemon = Daemon::follow(&[&mount.logs.path("seen/app.log")]);
    let client = Client::of(&daemon, mount.logs.path("out"));
    assert!(wait_until(DEADLINE, || client.got() == ["1", "2", "3"]));
    fs::write(&log, "4\n").expect("truncate");
    let want = ["1", "2", "3", "truncated", "4"];
    let came = wait_until(DEADLINE, || client.got() == want);
    assert!(came, "{:?}", client.got());
}
