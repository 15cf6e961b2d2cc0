//! What is no file and is followed like one: standard input and FIFOs, by way of a spool.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::{DEADLINE, Daemon, Logs, finish, program, wait_until};
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, pipe2};
use serde_json::Value;

/// What reads, and what writes.
fn pipe() -> (OwnedFd, File) {
    let (input, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    (input, File::from(writer))
}

/// A daemon with these arguments, and what writes to its standard input.
fn fed(args: &[&str]) -> (Daemon, File) {
    let (input, writer) = pipe();
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0"]).args(args);
    command.stdin(input);
    (Daemon::start_with_input(command), writer)
}

fn file(daemon: &Daemon, name: &str) -> Value {
    let files: Value = serde_json::from_str(&daemon.get("/files").text()).expect("JSON");
    let all = files.as_array().expect("a list");
    let found = all.iter().find(|file| file["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {files}"))
        .clone()
}

#[test]
fn a_pipe_is_followed_without_any_file_argument() {
    let (daemon, mut input) = fed(&[]);
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(client.json()["event"], "start");
    input.write_all(b"one\ntwo\nunfin").expect("written");
    for line in ["one", "two"] {
        let got = client.json();
        assert_eq!(
            (&got["file"], &got["line"]),
            (&"stdin".into(), &line.into())
        );
    }
    assert_eq!(file(&daemon, "stdin")["kind"], "stdin");
    assert_eq!(file(&daemon, "stdin")["path"], "-");
    // At the end of input the unfinished line goes out, and the daemon goes on serving.
    input.write_all(b"ished").expect("written");
    drop(input);
    assert_eq!(client.json()["line"], "unfinished");
    assert_eq!(client.json()["event"], "closed");
    assert!(wait_until(DEADLINE, || file(&daemon, "stdin")["state"] == "closed"));
    assert_eq!(
        daemon.get("/stream?follow=false&lines=2").text(),
        "two\nunfinished\n"
    );
    let mut late = daemon.websocket("/ws?format=json&lines=1");
    let got = [late.json(), late.json(), late.json()];
    assert_eq!(got[0]["event"], "start");
    assert_eq!(got[1]["line"], "unfinished");
    assert_eq!(got[2]["event"], "closed");
}

#[test]
fn what_was_in_the_pipe_at_the_start_is_there_for_the_first_client() {
    let (input, mut writer) = pipe();
    writer.write_all(b"1\n2\n3\n").expect("written");
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "build=-"])
        .stdin(input);
    let daemon = Daemon::start_with_input(command);
    assert_eq!(
        daemon.get("/stream?follow=false&file=build").text(),
        "1\n2\n3\n"
    );
}

#[test]
fn ids_and_lines_of_standard_input_outlive_a_restart_where_spools_have_a_place() {
    let logs = Logs::new();
    let spools = logs.path("spools");
    let spools = spools.to_str().expect("UTF-8");
    let (mut daemon, mut input) = fed(&["--spool-dir", spools, "-"]);
    input.write_all(b"one\ntwo\n").expect("written");
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    assert_eq!(client.json()["event"], "start");
    let one = client.json();
    assert_eq!(client.json()["line"], "two");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(spools)), 0o700);
    let log = Path::new(spools).join("stdin%20stdin.spool/log");
    assert_eq!(mode(&log), 0o600);
    // Another daemon can't have the same place.
    let mut second = program();
    second.args(["--listen", "127.0.0.1:0", "--spool-dir", spools, "-"]);
    let refused = finish(second);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another tailcast"));
    daemon.signal(Signal::SIGKILL);
    assert!(daemon.ended(DEADLINE).is_some());
    let (daemon, mut input) = fed(&["--spool-dir", spools, "-"]);
    input.write_all(b"three\n").expect("written");
    let id = one["id"].as_str().expect("an id");
    let mut client = daemon.websocket(&format!("/ws?format=json&after={id}"));
    assert_eq!(client.json()["event"], "start");
    assert_eq!(
        [client.json()["line"].clone(), client.json()["line"].clone()],
        ["two", "three"]
    );
}

#[test]
fn nothing_is_left_where_spools_have_no_place() {
    let logs = Logs::new();
    let (input, mut writer) = pipe();
    writer.write_all(b"secret\n").expect("written");
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("TMPDIR", logs.path(""))
        .stdin(input);
    let mut daemon = Daemon::start_with_input(command);
    assert_eq!(daemon.get("/stream?follow=false").text(), "secret\n");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    assert_eq!(fs::read_dir(logs.path("")).expect("there").count(), 0);
}

#[test]
fn what_a_killed_daemon_leaves_where_spools_have_no_place_is_gone_with_the_next_start() {
    let logs = Logs::new();
    let start = || {
        let (input, writer) = pipe();
        let mut command = program();
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("TMPDIR", logs.path(""))
            .stdin(input);
        (Daemon::start_with_input(command), writer)
    };
    let left = || {
        let entries = fs::read_dir(logs.path("")).expect("there").flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let (mut killed, _input) = start();
    let first = left();
    assert_eq!(first.len(), 1, "{first:?}");
    killed.signal(Signal::SIGKILL);
    assert!(killed.ended(DEADLINE).is_some());
    assert_eq!(left(), first);
    // One that was killed before it had a lock; and what only looks like one.
    fs::create_dir(logs.path("tailcast-spool-1-0")).expect("mkdir");
    fs::create_dir(logs.path("tailcast-spool-mine")).expect("mkdir");
    let mine = logs.file("tailcast-spool-mine/notes", "");
    let (running, _input) = start();
    let (another, _input) = start();
    // Those that run are left alone.
    assert_eq!(left().len(), 3, "{:?}", left());
    assert!(
        !left().contains(&first[0]) && mine.is_file(),
        "{:?}",
        left()
    );
    assert_eq!(running.get("/healthz").status, 200);
    assert_eq!(another.get("/healthz").status, 200);
}

#[test]
fn a_spool_directory_that_can_not_be_used_is_said_in_a_line() {
    let logs = Logs::new();
    let file = logs.file("file", "");
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "-", "--spool-dir"])
        .arg(&file);
    let output = finish(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(1), 1),
        "{said}"
    );
    assert!(said.contains(file.to_str().expect("UTF-8")), "{said}");
}

#[test]
fn a_spool_rotates_within_its_bound_and_nobody_is_told() {
    let logs = Logs::new();
    let spools = logs.path("spools");
    let args = [
        "--spool-dir",
        spools.to_str().expect("UTF-8"),
        "--spool-size",
        "64K",
        "-",
    ];
    let (daemon, mut input) = fed(&args);
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(client.json()["event"], "start");
    let mut last = String::new();
    // A round at a time: a client that keeps up is told every line, and no rotation.
    for round in 0..40 {
        let lines: String = (0..100)
            .map(|n| format!("round {round} line {n:03} {}\n", "x".repeat(60)))
            .collect();
        input.write_all(lines.as_bytes()).expect("written");
        for line in lines.lines() {
            let got = client.json();
            assert_eq!(got["line"], line, "{got}");
            last = got["id"].as_str().expect("an id").to_owned();
        }
    }
    let directory = spools.join("stdin%20stdin.spool");
    let bytes = |name: &str| fs::metadata(directory.join(name)).map_or(0, |stat| stat.len());
    let kept = bytes("log") + bytes("log.1");
    assert!((32 << 10..=64 << 10).contains(&kept), "{kept}");
    // An id of the file before leads on, without an event.
    let mut resumed = daemon.websocket(&format!("/ws?format=json&after={last}"));
    assert_eq!(resumed.json()["event"], "start");
    input.write_all(b"end\n").expect("written");
    assert_eq!(resumed.json()["line"], "end");
}

#[test]
fn the_producer_is_not_slowed_by_a_client_that_has_stopped() {
    let (daemon, mut input) = fed(&["--spool-size", "1M", "-"]);
    let mut stalled = daemon.connect();
    stalled
        .write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("asked");
    let mut head = [0; 12];
    stalled.read_exact(&mut head).expect("answered");
    let line = "x".repeat(99) + "\n";
    let block = line.repeat(10_000);
    for _ in 0..20 {
        input.write_all(block.as_bytes()).expect("written");
    }
    input.write_all(b"end\n").expect("written");
    // All 20 MB are taken while the client has not read a byte of its lines.
    let newest = || daemon.get("/stream?follow=false&lines=1").text();
    assert!(wait_until(DEADLINE, || newest() == "end\n"));
    assert!(daemon.peak_kib() < 60 * 1024, "{} KiB", daemon.peak_kib());
}

#[test]
fn a_fifo_is_followed_and_opened_again_after_its_last_writer() {
    let logs = Logs::new();
    let path = logs.path("app.fifo");
    mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
    let daemon = Daemon::follow(&[&path]);
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(client.json()["event"], "start");
    for round in ["one", "two", "three"] {
        let mut writer = File::options()
            .write(true)
            .open(&path)
            .expect("a reader is there");
        writeln!(writer, "{round}").expect("written");
        drop(writer);
        let got = client.json();
        assert_eq!(
            (&got["file"], &got["line"]),
            (&"app.fifo".into(), &round.into())
        );
    }
    let shown = file(&daemon, "app.fifo");
    assert_eq!(
        (&shown["kind"], &shown["state"]),
        (&"fifo".into(), &"ok".into())
    );
    assert_eq!(shown["path"], path.to_str().expect("UTF-8"));
    // Another one under the name.
    fs::remove_file(&path).expect("unlink");
    assert_eq!(client.json()["event"], "away");
    mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
    assert_eq!(client.json()["event"], "back");
    fs::write(&path, "four\n").expect("written");
    assert_eq!(client.json()["line"], "four");
}

#[test]
fn a_name_stays_the_same_whether_a_fifo_or_a_file_comes_to_stand_under_it() {
    let logs = Logs::new();
    let path = logs.path("app");
    let daemon = Daemon::follow(&[&path]);
    let mut client = daemon.websocket("/ws?format=json&file=app");
    let (mut next, mut written) = (0, 0);
    for round in 0..4 {
        let kind = match round % 2 {
            0 => {
                mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
                "fifo"
            }
            _ => {
                fs::write(&path, "").expect("made");
                "file"
            }
        };
        let is_seen = wait_until(DEADLINE, || file(&daemon, "app")["kind"] == kind);
        assert!(is_seen, "{}", daemon.get("/files").text());
        // To a FIFO it waits for a reader, which is there soon. The last line is told once another thing stands there.
        let mut writer = File::options().append(true).open(&path).expect("opened");
        let lines: Vec<_> = (written..written + 4)
            .map(|n| format!("line {n}"))
            .collect();
        write!(writer, "{}", lines.join("\n")).expect("written");
        drop(writer);
        written += 4;
        while next < written - 1 {
            let got = client.json();
            assert_ne!(got["event"], "gap", "{got}");
            if let Some(line) = got["line"].as_str() {
                assert_eq!(line, format!("line {next}"));
                next += 1;
            }
        }
        fs::remove_file(&path).expect("unlink");
        let is_gone = wait_until(DEADLINE, || file(&daemon, "app")["state"] != "ok");
        assert!(is_gone, "{}", daemon.get("/files").text());
    }
    assert_eq!(file(&daemon, "app")["path"], path.to_str().expect("UTF-8"));
}

#[test]
fn a_fifo_that_is_gone_for_now_is_waited_for_as_one_after_a_restart() {
    let logs = Logs::new();
    let (path, spools) = (logs.path("app"), logs.path("spools"));
    let args = ["--spool-dir", spools.to_str().expect("UTF-8")];
    mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
    let daemon = Daemon::with(&args, &[&path]);
    fs::write(&path, "one\n").expect("written");
    let mut client = daemon.websocket("/ws?lines=all");
    assert_eq!(client.text(), "one");
    drop(daemon);
    fs::remove_file(&path).expect("unlink");
    let daemon = Daemon::with(&args, &[&path]);
    assert_eq!(daemon.get("/stream?follow=false&lines=all").text(), "one\n");
    assert_eq!(file(&daemon, "app")["state"], "away");
    mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
    fs::write(&path, "two\n").expect("written");
    assert_eq!(daemon.websocket("/ws?lines=all").text(), "one");
    assert!(wait_until(DEADLINE, || file(&daemon, "app")["state"] == "ok"));
}

#[test]
fn writers_that_come_and_go_in_one_moment_lose_nothing() {
    let logs = Logs::new();
    let path = logs.path("app.fifo");
    mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
    let daemon = Daemon::follow(&[&path]);
    let mut client = daemon.websocket("/ws");
    let writes = thread::spawn(move || {
        for n in 0..500 {
            fs::write(&path, format!("line {n}\n")).expect("written");
        }
    });
    for n in 0..500 {
        assert_eq!(client.text(), format!("line {n}"));
    }
    writes.join().expect("written");
}

#[test]
fn an_idle_pipe_costs_nothing() {
    let logs = Logs::new();
    let path = logs.path("app.fifo");
    mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
    let (daemon, mut input) = fed(&["-", path.to_str().expect("UTF-8")]);
    fs::write(&path, "gone\n").expect("written");
    input.write_all(b"quiet\n").expect("written");
    let mut client = daemon.websocket("/ws?lines=all&file=app.fifo");
    assert_eq!(client.text(), "gone");
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("there");
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .filter_map(|f| f.parse().ok())
            .collect();
        // utime and stime, in hundredths of a second.
        fields[10] + fields[11]
    };
    let before = ticks();
    assert!(
        !wait_until(Duration::from_secs(2), || ticks() - before > 20),
        "it runs in circles"
    );
}

#[test]
fn on_a_full_disk_the_producer_goes_on_and_a_gap_says_what_was_lost() {
    let logs = Logs::new();
    let small = logs.path("small");
    fs::create_dir(&small).expect("mkdir");
    let mut command = std::process::Command::new("unshare");
    let script = "mount -t tmpfs -o size=256k tmpfs \"$1\" && shift && exec \"$@\"";
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&small);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--spool-size",
        "64M",
        "-",
        "--spool-dir",
    ]);
    let can = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("left out: no mount namespaces here");
        return;
    }
    let (input, mut writer) = pipe();
    command.arg(small.join("spools")).stdin(input);
    let daemon = Daemon::start_with_input(command);
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(client.json()["event"], "start");
    // Something else fills the disk, as it is seen there.
    let inside = |path: &Path| {
        let rest = path.strip_prefix("/").expect("absolute");
        Path::new(&format!("/proc/{}/root", daemon.pid())).join(rest)
    };
    let filler = inside(&small.join("filler"));
    let line = |n: usize| format!("{n:06} {}\n", "x".repeat(92));
    let mut sent = 0;
    let mut send = |count: usize| {
        let text: String = (sent..sent + count).map(line).collect();
        sent += count;
        writer
            .write_all(text.as_bytes())
            .expect("the producer is never held up");
    };
    send(100);
    let mut next = 0;
    while next < 100 {
        assert_eq!(client.json()["line"], line(next).trim_end());
        next += 1;
    }
    let mut full = File::create(&filler).expect("made");
    let filled = wait_until(DEADLINE, || full.write_all(&[0; 512]).is_err());
    assert!(filled, "the disk does not fill");
    // A hundred times what there is room for.
    for _ in 0..100 {
        send(200);
    }
    assert!(daemon.says("dropped until there is room"));
    // Every byte was delivered or is told as lost, also where nothing more comes; a line that is cut is not delivered yet.
    let all = 100 * 100 + 100 * 200 * 100;
    let (mut known, mut lost) = (100 * 100, 0);
    let mut heard = |known: &mut usize| {
        let got = client.json();
        let bytes = usize::try_from(got["lost"].as_u64().unwrap_or(0)).expect("a number");
        lost += bytes;
        let line = got["line"].as_str().map(str::to_owned);
        *known += bytes + line.as_ref().map_or(0, |line| line.len() + 1);
        line
    };
    while known < all - 100 {
        heard(&mut known);
    }
    fs::remove_file(&filler).expect("unlink");
    drop(full);
    // What is sent now arrives again.
    writer.write_all(b"end of it\n").expect("written");
    while heard(&mut known).is_none_or(|line| line != "end of it") {}
    // The end of a cut line is one more.
    let all = all + 10;
    assert!((all..=all + 1).contains(&known), "{known} of {all}");
    assert!(lost > 0);
    assert_eq!(daemon.said_with("dropped until there is room").len(), 1);
}

/// A generator of pseudo-random numbers (xorshift64), so that a failure can be played again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Reads to the line "end", in connections of random length that go on by id; each line comes once, in order, and where
/// some are left out a gap has said so.
fn reads_at_random(daemon: &Daemon, seed: u64) {
    let mut random = Random(seed);
    let (mut id, mut next) = (String::new(), 0);
    // It may be the last thing that a connection tells: whoever goes on from its id is not told again.
    let mut gap = false;
    loop {
        let target = match id.as_str() {
            "" => "/ws?format=json&lines=all".to_owned(),
            id => format!("/ws?format=json&after={id}"),
        };
        // Who has no id yet begins with the oldest line that is there.
        gap |= id.is_empty();
        let mut client = daemon.websocket(&target);
        let mut recent = vec![target.clone()];
        for _ in 0..random.below(3000) {
            let got = client.json();
            recent.push(got.to_string().chars().take(150).collect());
            gap |= got["event"] == "gap";
            if let Some(at) = got["id"].as_str() {
                at.clone_into(&mut id);
            }
            let Some(line) = got["line"].as_str() else {
                assert!(
                    got["event"] == "start" || got["event"] == "gap",
                    "seed {seed}: {got}"
                );
                continue;
            };
            if line == "end" {
                return;
            }
            let number: u64 = line
                .split(' ')
                .next()
                .and_then(|n| n.parse().ok())
                .expect("a number");
            let skipped = std::mem::take(&mut gap) && number > next;
            assert!(
                number == next || skipped,
                "seed {seed}: {number} and not {next}: {:?}",
                recent.split_off(recent.len().saturating_sub(6))
            );
            next = number + 1;
        }
        // Some go away for so long that the spool has rotated twice meanwhile.
        if random.below(4) == 0 {
            thread::park_timeout(Duration::from_millis(random.below(200)));
        }
    }
}

#[test]
fn whoever_goes_on_by_id_gets_each_line_once_in_order_or_a_gap() {
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time")
        .as_nanos() as u64
        | 1;
    let seed = std::env::var("TAILCAST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(seed);
    let logs = Logs::new();
    let spools = logs.path("spools");
    let (daemon, mut input) = fed(&[
        "--spool-dir",
        spools.to_str().expect("UTF-8"),
        "--spool-size",
        "64K",
        "-",
    ]);
    thread::scope(|scope| {
        for n in 0..4 {
            let daemon = &daemon;
            scope.spawn(move || reads_at_random(daemon, seed.wrapping_add(n * 7919) | 1));
        }
        let mut random = Random(seed);
        let text: String = (0..20_000)
            .map(|n| format!("{n} {}\n", "x".repeat((n * 31 % 97) as usize)))
            .collect();
        let mut rest = text.as_bytes();
        // In pieces that end anywhere in a line.
        while !rest.is_empty() {
            let piece = (1 + random.below(4000) as usize).min(rest.len());
            input.write_all(&rest[..piece]).expect("written");
            rest = &rest[piece..];
            if random.below(20) == 0 {
                thread::park_timeout(Duration::from_millis(2));
            }
        }
        input.write_all(b"end\n").expect("written");
    });
}
