//! The journal as a source: made by systemd-journal-remote and read by the real journalctl, by one that fails in each
//! known way, and from a live journald in a mount namespace of its own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, finish, program, tool, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A journal that grows, a journalctl that reads it, and the daemon's spools.
pub(crate) struct Journal {
    pub(crate) logs: Logs,
    remote: PathBuf,
    /// What entries are numbered from.
    next: u64,
}

const BOOTS: [&str; 2] = [
    "0123456789abcdef0123456789abcdef",
    "1123456789abcdef0123456789abcdef",
];

impl Journal {
    /// An empty one; `None` where the programs are missing.
    pub(crate) fn new() -> Option<Journal> {
        let remote = tool(&[
            "/lib/systemd/systemd-journal-remote",
            "/usr/lib/systemd/systemd-journal-remote",
        ])?;
        let real = tool(&["journalctl"])?;
        let logs = Logs::new();
        for name in ["journal", "bin"] {
            fs::create_dir(logs.path(name)).expect("mkdir");
        }
        let journal = Journal {
            logs,
            remote,
            next: 0,
        };
        let (real, directory) = (real.display(), journal.logs.path("journal"));
        journal.script(&format!("exec {real} -D {} \"$@\"", directory.display()));
        Some(journal)
    }

    /// What the daemon finds as journalctl.
    fn script(&self, text: &str) {
        let path = self.logs.path("bin/journalctl");
        let next = self.logs.path("bin/next");
        fs::write(&next, format!("#!/bin/bash\n{text}\n")).expect("written");
        fs::set_permissions(&next, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::rename(&next, &path).expect("renamed");
    }

    fn real(&self) -> String {
        let journalctl = tool(&["journalctl"]).expect("installed");
        format!(
            "{} -D {}",
            journalctl.display(),
            self.logs.path("journal").display()
        )
    }

    /// Adds `count` entries, numbered on; `more` are fields of each.
    pub(crate) fn add(&mut self, count: u64, more: &str) {
        let first = self.next;
        let text: String = (first..first + count)
            .map(|n| entry(n, &format!("MESSAGE=line {n}\n{more}")))
            .collect();
        self.next += count;
        self.append(text.as_bytes());
    }

    fn append(&self, export: &[u8]) {
        let mut remote = Command::new(&self.remote);
        remote
            .arg("-o")
            .arg(self.logs.path("journal/x.journal"))
            .arg("-");
        remote
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut remote = remote.spawn().expect("start systemd-journal-remote");
        let mut input = remote.stdin.take().expect("a pipe");
        input.write_all(export).expect("written");
        drop(input);
        assert!(
            remote.wait().expect("wait").success(),
            "the entries were not taken"
        );
    }

    /// A daemon that follows `files` of it.
    fn daemon(&self, files: &[&str]) -> Daemon {
        Daemon::start(self.command(files))
    }

    fn command(&self, files: &[&str]) -> Command {
        let mut command = program();
        let path = std::env::var("PATH").expect("a PATH");
        command.env(
            "PATH",
            format!("{}:{path}", self.logs.path("bin").display()),
        );
        command.env("TZ", "UTC");
        command
            .args(["--listen", "127.0.0.1:0", "--spool-dir"])
            .arg(self.logs.path("spools"));
        command.args(files);
        command
    }
}

fn entry(n: u64, rest: &str) -> String {
    let micros = 1_795_860_000_000_000 + n * 1000;
    let boot = BOOTS[usize::from(n >= 15_000)];
    format!(
        "__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={boot}\n_HOSTNAME=web1\n\
         SYSLOG_IDENTIFIER=app\n_PID=7\n{rest}\n\n",
        1_000_000 + n * 1000
    )
}

/// The lines that the daemon has of one source.
fn all(daemon: &Daemon, file: &str) -> Vec<String> {
    let text = daemon
        .get(&format!("/stream?follow=false&lines=all&file={file}"))
        .text();
    text.lines().map(str::to_owned).collect()
}

fn is_numbered(lines: &[String], range: std::ops::Range<u64>) {
    let numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    assert_eq!(numbers.len(), lines.len(), "{lines:?}");
    assert_eq!(numbers, range.collect::<Vec<_>>());
}

/// The number of the line that comes next; events are skipped.
fn next_number(client: &mut Client, id: &mut String) -> u64 {
    let got = client.json_with("line");
    *id = got["id"].as_str().expect("an id").to_owned();
    let line = got["line"].as_str().expect("a line");
    line.rsplit(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

fn file(daemon: &Daemon, name: &str) -> Value {
    let files: Value = serde_json::from_str(&daemon.get("/files").text()).expect("JSON");
    let all = files.as_array().expect("a list");
    all.iter()
        .find(|file| file["name"] == name)
        .expect("the file")
        .clone()
}

#[test]
fn entries_are_shown_with_time_and_priority_and_sorted_into_their_sources() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(3, "PRIORITY=6\n_SYSTEMD_UNIT=app.service");
    journal.append(entry(3, "PRIORITY=3\nMESSAGE=other\nCONTAINER_NAME=web").as_bytes());
    journal.append(entry(4, "NOTHING=to be seen").as_bytes());
    let long = "x".repeat(1_200_000);
    journal.append(entry(5, &format!("MESSAGE={long}")).as_bytes());
    let message = b"one\ntwo";
    let mut binary = entry(6, "MESSAGE").into_bytes();
    binary.truncate(binary.len() - 1);
    binary.extend_from_slice(&(message.len() as u64).to_le_bytes());
    binary.extend_from_slice(message);
    binary.extend_from_slice(b"\n\n");
    journal.append(&binary);
    let daemon = journal.daemon(&["journal:", "journal:app", "journal:CONTAINER_NAME=web"]);
    assert_eq!(
        all(&daemon, "app"),
        ["0", "1", "2"]
            .map(|n| format!("2026-11-28T10:00:00.00{n}000+00:00 web1 app[7]: line {n}"))
    );
    assert_eq!(
        all(&daemon, "CONTAINER_NAME=web"),
        ["2026-11-28T10:00:00.003000+00:00 web1 app[7]: other"]
    );
    let lines = all(&daemon, "journal");
    // A line of a megabyte is cut like any other.
    assert!(lines[4..].concat().contains(&"x".repeat(100_000)));
    assert_eq!(
        lines[lines.len() - 2..],
        [
            "2026-11-28T10:00:00.006000+00:00 web1 app[7]: one".to_owned(),
            format!("{:46}two", ""),
        ]
    );
    let mut client = daemon.websocket("/ws?format=batch&file=app&lines=all");
    assert_eq!(client.json()["event"], "start");
    let got = client.json();
    assert_eq!(got["priorities"], serde_json::json!([6, 6, 6]));
    assert_eq!(got["times"][1], "2026-11-28T10:00:00.001Z");
    let shown = file(&daemon, "app");
    assert_eq!(
        (&shown["kind"], &shown["state"], &shown["path"]),
        (&"journal".into(), &"ok".into(), &"journal:app".into())
    );
}

#[test]
fn what_is_written_later_comes_live_over_rotations() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(5, "");
    let daemon = journal.daemon(&["journal:"]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let mut id = String::new();
    let mut expected = 0;
    for round in 0..6 {
        journal.add(5, "");
        if round % 2 == 1 {
            let archived = format!("journal/x@{round}.journal");
            let archived = journal.logs.path(&archived);
            fs::rename(journal.logs.path("journal/x.journal"), archived).expect("renamed");
        }
        while expected < journal.next {
            assert_eq!(next_number(&mut client, &mut id), expected);
            expected += 1;
        }
    }
}

#[test]
fn what_was_written_over_a_reboot_is_caught_up_with() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.next = 14_900;
    journal.add(50, "");
    let mut daemon = journal.daemon(&["journal:"]);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    // Half of it is of the boot before, which `journalctl -f` does not show.
    journal.add(100, "");
    let daemon = journal.daemon(&["journal:"]);
    let mut client = daemon.websocket("/ws?format=json&lines=1");
    let mut id = String::new();
    assert_eq!(next_number(&mut client, &mut id), 15_049);
    is_numbered(&all(&daemon, "journal"), 14_900..15_050);
    journal.add(1, "");
    assert_eq!(next_number(&mut client, &mut id), 15_050);
}

#[test]
fn entries_come_once_and_in_order_however_journalctl_is_cut() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(6000, "_SYSTEMD_UNIT=app.service");
    let real = journal.real();
    // Cut in the middle of an entry, in a field's name, in a value: after some thousand bytes each time.
    journal.script(&format!("{real} \"$@\" | head -c $((40000 + RANDOM * 20))"));
    let mut daemon = journal.daemon(&["journal:", "journal:app"]);
    let deadline = Duration::from_secs(60);
    let is_done = |name: &str| all(&daemon, name).len() == 6000;
    assert!(
        wait_until(deadline, || is_done("journal") && is_done("app")),
        "{:?}",
        daemon.said_so_far()
    );
    is_numbered(&all(&daemon, "journal"), 0..6000);
    is_numbered(&all(&daemon, "app"), 0..6000);
    daemon.signal(Signal::SIGTERM);
    daemon.ended(deadline).expect("it ends");
    let place = journal.logs.path("journal");
    assert!(
        wait_until(deadline, || !is_named_by_a_process(&place)),
        "what journalctl had started runs on"
    );
}

/// Whether the command line of any process on this machine has this path in it.
fn is_named_by_a_process(path: &Path) -> bool {
    let path = path.to_str().expect("UTF-8");
    let processes = fs::read_dir("/proc").expect("a /proc").flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|words| String::from_utf8_lossy(&words).contains(path))
}

#[test]
fn a_client_that_resumes_gets_every_entry_once_however_the_daemon_is_killed() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(500, "");
    let mut id = String::new();
    let mut expected = 0;
    for round in 0..8 {
        let mut daemon = journal.daemon(&["journal:"]);
        let target = match id.as_str() {
            "" => "/ws?format=json&lines=all".to_owned(),
            id => format!("/ws?format=json&after={id}"),
        };
        let mut client = daemon.websocket(&target);
        journal.add(250, "");
        // Killed at another place each time, before all is delivered or after.
        let stop_at = journal.next - 40 * (round % 4);
        while expected < stop_at {
            assert_eq!(next_number(&mut client, &mut id), expected, "round {round}");
            expected += 1;
        }
        daemon.signal(Signal::SIGKILL);
        assert!(daemon.ended(DEADLINE).is_some());
        journal.add(250, "");
    }
    let daemon = journal.daemon(&["journal:"]);
    is_numbered(&all(&daemon, "journal"), 0..journal.next);
}

#[test]
fn a_source_that_is_new_begins_with_the_last_entries_and_the_others_go_on() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(100, "_SYSTEMD_UNIT=app.service");
    let stop = |mut daemon: Daemon| {
        daemon.signal(Signal::SIGTERM);
        assert!(daemon.ended(DEADLINE).is_some());
    };
    stop(journal.daemon(&["journal:"]));
    journal.add(100, "_SYSTEMD_UNIT=app.service");
    stop(journal.daemon(&["journal:", "journal:app"]));
    journal.add(100, "_SYSTEMD_UNIT=app.service");
    let daemon = journal.daemon(&["journal:", "journal:app"]);
    for name in ["journal", "app"] {
        assert!(wait_until(DEADLINE, || all(&daemon, name).len() >= 300));
        is_numbered(&all(&daemon, name), 0..300);
    }
    // What is asked for no more is removed.
    stop(daemon);
    let spools = || {
        fs::read_dir(journal.logs.path("spools"))
            .expect("there")
            .count()
    };
    let before = spools();
    stop(journal.daemon(&["journal:app"]));
    assert_eq!(spools(), before - 1);
}

#[test]
fn what_the_journal_has_lost_is_a_gap_in_its_place() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(20, "");
    let mut daemon = journal.daemon(&["journal:"]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let mut id = String::new();
    for n in 0..20 {
        assert_eq!(next_number(&mut client, &mut id), n);
    }
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    fs::remove_file(journal.logs.path("journal/x.journal")).expect("unlink");
    journal.next = 50;
    journal.add(10, "");
    let daemon = journal.daemon(&["journal:"]);
    let mut client = daemon.websocket(&format!("/ws?format=json&after={id}"));
    assert_eq!(client.json()["event"], "start");
    let gap = client.json();
    assert_eq!(
        (&gap["event"], &gap["lost"]),
        (&"gap".into(), &Value::Null),
        "{gap}"
    );
    for n in 50..60 {
        assert_eq!(next_number(&mut client, &mut id), n);
    }
}

#[test]
fn a_journalctl_that_fails_is_away_once_and_back_when_it_works() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(3, "");
    let real = journal.real();
    journal.script("echo 'Failed to iterate through journal: Bad message' >&2; exit 1");
    let daemon = journal.daemon(&["journal:"]);
    assert!(wait_until(DEADLINE, || file(&daemon, "journal")["state"] == "away"));
    let reason = file(&daemon, "journal")["reason"].to_string();
    assert!(reason.contains("Bad message"), "{reason}");
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    assert_eq!(
        [
            client.json()["event"].clone(),
            client.json()["event"].clone()
        ],
        ["start", "away"]
    );
    assert!(!wait_until(Duration::from_secs(2), || daemon
        .said_with("Bad message")
        .len()
        > 1));
    journal.script(&format!("exec {real} \"$@\""));
    let mut got = Vec::new();
    while got.len() < 4 {
        let next = client.json();
        got.push(match next["line"].as_str() {
            Some(line) => line[line.len() - 6..].to_owned(),
            None => next["event"].to_string(),
        });
    }
    assert_eq!(got, ["line 0", "line 1", "line 2", "\"back\""]);
    assert_eq!(file(&daemon, "journal")["state"], "ok");
}

#[test]
fn a_journalctl_that_hangs_without_a_word_is_noticed() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    journal.add(3, "");
    let real = journal.real();
    // Whatever is followed is never heard of again, once it has said what was there.
    let hung = journal.logs.path("hung");
    let hangs = format!(
        "case \" $* \" in *' -f '*) {real} \"${{@/-f/--no-tail}}\"; touch {}; sleep 1000;; *) exec {real} \"$@\";; esac",
        hung.display()
    );
    journal.script(&hangs);
    let daemon = journal.daemon(&["journal:"]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let mut id = String::new();
    for n in 0..3 {
        assert_eq!(next_number(&mut client, &mut id), n);
    }
    assert!(wait_until(DEADLINE, || hung.exists()));
    journal.add(1, "");
    let away = Duration::from_secs(60);
    // It is away for a tenth of a second only, too short to be seen in /files.
    assert!(
        daemon.says_within(away, "journalctl says nothing any more"),
        "{:?}",
        daemon.said_so_far()
    );
    let has = |n: usize| all(&daemon, "journal").len() == n;
    assert!(wait_until(DEADLINE, || has(4)));
    is_numbered(&all(&daemon, "journal"), 0..4);
}

#[test]
fn garbage_from_journalctl_is_told_and_costs_nothing_else() {
    let Some(journal) = Journal::new() else {
        return;
    };
    journal.script("yes 'this is no journal at all, and its lines have no equals sign, only words of many letters'");
    let daemon = journal.daemon(&["journal:"]);
    assert!(wait_until(DEADLINE, || file(&daemon, "journal")["state"] == "away"));
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn without_a_journalctl_it_is_away_with_the_package_and_ends_where_nothing_else_is_followed() {
    let logs = Logs::new();
    let log = logs.file("a.log", "x\n");
    let command = |files: &[&str]| {
        let mut command = program();
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(files)
            .env("PATH", "/nowhere");
        command
    };
    let output = finish(command(&["journal:", "journal:ssh"]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(1), 1),
        "{said}"
    );
    assert!(said.contains("package systemd"), "{said}");
    let daemon = Daemon::start(command(&["journal:", log.to_str().expect("UTF-8")]));
    assert!(wait_until(DEADLINE, || file(&daemon, "journal")["state"] == "away"));
    assert!(
        file(&daemon, "journal")["reason"]
            .to_string()
            .contains("package systemd")
    );
    assert_eq!(daemon.get("/stream?follow=false&file=a.log").text(), "x\n");
}

#[test]
fn an_empty_journal_is_waited_for() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    let daemon = journal.daemon(&["journal:"]);
    assert_eq!(file(&daemon, "journal")["state"], "ok");
    let mut client = daemon.websocket("/ws?format=json");
    journal.add(2, "");
    let mut id = String::new();
    assert_eq!(
        [
            next_number(&mut client, &mut id),
            next_number(&mut client, &mut id)
        ],
        [0, 1]
    );
}

/// A live journald in a mount namespace: ended with what runs in it when it is dropped.
struct Live {
    holder: Child,
    journald: Child,
}

impl Live {
    /// `None` where that is not possible here: not root, no journald, no namespaces.
    fn new() -> Option<Live> {
        let programs = [
            "unshare",
            "nsenter",
            "journalctl",
            "systemd-cat",
            "/usr/lib/systemd/systemd-journald",
        ];
        for program in programs {
            tool(&[program])?;
        }
        let logs = Logs::new();
        let ready = logs.path("ready");
        let script = "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log \
                      && mount -t tmpfs tmpfs /var/log && touch $1 && exec sleep 600";
        let mut holder = Command::new("unshare");
        holder
            .args(["-m", "sh", "-c", script, "sh"])
            .arg(&ready)
            .stderr(Stdio::null());
        let mut holder = holder.spawn().expect("start unshare");
        if !wait_until(DEADLINE, || {
            ready.exists() || holder.try_wait().expect("wait").is_some()
        }) || !ready.exists()
        {
            let _ = holder.kill();
            let _ = holder.wait();
            eprintln!("left out: no mount namespaces here");
            return None;
        }
        let journald = Live::inside(&holder, "/usr/lib/systemd/systemd-journald")
            .spawn()
            .expect("start journald");
        let live = Live { holder, journald };
        live.comes_up();
        Some(live)
    }

    fn inside(holder: &Child, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", holder.id()))
            .arg(program);
        command
    }

    fn comes_up(&self) {
        let socket = format!("/proc/{}/root/run/systemd/journal/stdout", self.holder.id());
        assert!(
            wait_until(DEADLINE, || UnixStream::connect(&socket).is_ok()),
            "journald does not come up"
        );
    }

    /// A daemon in the namespace.
    fn daemon(&self) -> Daemon {
        let mut command = Live::inside(&self.holder, env!("CARGO_BIN_EXE_tailcast"));
        command.args(["--listen", "127.0.0.1:0", "journal:SYSLOG_IDENTIFIER=probe"]);
        Daemon::start(command)
    }

    fn says(&self, text: &str) {
        let mut cat = Live::inside(&self.holder, "systemd-cat");
        let mut cat = cat
            .args(["-t", "probe"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("start systemd-cat");
        let mut input = cat.stdin.take().expect("a pipe");
        input.write_all(text.as_bytes()).expect("written");
        drop(input);
        assert!(cat.wait().expect("wait").success());
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.journald.id()).expect("a pid");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("send a signal");
    }

    fn restart(&mut self) {
        self.signal(Signal::SIGTERM);
        self.journald.wait().expect("wait");
        self.journald = Live::inside(&self.holder, "/usr/lib/systemd/systemd-journald")
            .spawn()
            .expect("start journald");
        self.comes_up();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for child in [&mut self.journald, &mut self.holder] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_live_journald_is_followed_over_rotation_vacuuming_and_restart() {
    let Some(mut live) = Live::new() else { return };
    let daemon = live.daemon();
    let mut client = daemon.websocket("/ws?format=json");
    let mut id = String::new();
    let mut expected = 0;
    for round in 0..8 {
        let lines: String = (expected..expected + 200)
            .map(|n| format!("line {n}\n"))
            .collect();
        live.says(&lines);
        match round % 4 {
            0 => live.signal(Signal::SIGUSR2),
            1 => {
                let mut vacuum = Live::inside(&live.holder, "journalctl");
                vacuum
                    .args(["-q", "--vacuum-size=1"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                assert!(vacuum.status().expect("run journalctl").success());
            }
            2 => live.restart(),
            _ => {}
        }
        for _ in 0..200 {
            assert_eq!(
                next_number(&mut client, &mut id),
                expected,
                "round {round}: {:?}",
                daemon.said_so_far()
            );
            expected += 1;
        }
    }
    // What is written now is here soon: journald posts at most every 250 ms.
    let mut late = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        live.says(&format!("line {expected}\n"));
        assert_eq!(next_number(&mut client, &mut id), expected);
        expected += 1;
        late.push(began.elapsed());
    }
    late.sort();
    assert!(late[2] < Duration::from_secs(2), "{late:?}");
}
