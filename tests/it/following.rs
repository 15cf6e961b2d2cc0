//! Following by name, seen from outside: what a client of the built program gets when files are rotated, replaced and
//! deleted, and when it resumes after that.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::support::http::Live;
use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, append};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Everything that a client gets until the line `last`.
fn until(client: &mut Client, last: &str) -> Vec<Value> {
    let mut got = Vec::new();
    loop {
        got.push(client.json());
        if got.last().is_some_and(|object| object["line"] == last) {
            return got;
        }
    }
}

/// Each line, and each event in angle brackets.
fn summary(got: &[Value]) -> Vec<String> {
    let one = |object: &Value| match object["event"].as_str() {
        Some(event) => format!("<{event}>"),
        None => object["line"].as_str().unwrap_or_default().to_owned(),
    };
    got.iter().map(one).collect()
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

fn restart(mut daemon: Daemon, log: &Path) -> Daemon {
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some(), "it did not end");
    Daemon::follow(&[log])
}

#[test]
fn a_file_made_anew_with_the_same_inode_and_lines_is_not_taken_for_the_old_one() {
    let logs = Logs::new();
    let text = "tick\n".repeat(200);
    let log = logs.file("a.log", &text);
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let got: Vec<Value> = (0..201).map(|_| client.json()).collect();
    let inode = fs::metadata(&log).expect("stat").ino();
    // Nobody may have it open, else its inode can't be used again.
    drop(client);
    let mut daemon = daemon;
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some(), "it did not end");
    fs::remove_file(&log).expect("unlink");
    logs.file("a.log", text + "last\n");
    eprintln!(
        "the same inode: {}",
        fs::metadata(&log).expect("stat").ino() == inode
    );
    let daemon = Daemon::follow(&[&log]);
    // From its first byte, from a line, and from the end.
    for at in [0, 100, 200] {
        let target = format!("/ws?format=json&after={}", id(&got[at]));
        let got = summary(&until(&mut daemon.websocket(&target), "last"));
        assert_eq!(got[..3], ["<start>", "<gap>", "tick"], "after {at}");
        assert_eq!(got.len(), 2 + 200 + 1, "after {at}");
    }
}

#[test]
fn an_id_of_a_file_that_a_rotation_renamed_behind_a_link_is_found() {
    let logs = Logs::new();
    fs::create_dir(logs.path("real")).expect("mkdir");
    let real = logs.file("real/b.log", "one\ntwo\n");
    let log = logs.path("a.log");
    symlink("real/b.log", &log).expect("symlink");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let after = id(&until(&mut client, "one")[1]);
    let target = format!("/ws?format=json&after={after}");
    for turn in 1..4 {
        fs::rename(&real, logs.path(&format!("real/b.log-2026112{turn}"))).expect("rename");
        append(&real, format!("new {turn}\n"));
    }
    let daemon = restart(daemon, &log);
    let got = until(&mut daemon.websocket(&target), "new 3");
    let want = [
        "<start>",
        "two",
        "<rotated>",
        "new 1",
        "<rotated>",
        "new 2",
        "<rotated>",
        "new 3",
    ];
    assert_eq!(summary(&got), want);
}

const STRETCH_LINES: usize = 500;
const STRETCHES: usize = 12;

/// A log that is rotated again and again while a client takes nothing; everything is published when this returns.
fn left_behind(logs: &Logs) -> (Daemon, Live) {
    let log = logs.file("a.log", "begin\n");
    let daemon = Daemon::follow(&[&log]);
    let target = "/stream?format=json&lines=0";
    let (mut stalled, mut reads) = (daemon.live(target), daemon.live(target));
    for client in [&mut stalled, &mut reads] {
        assert!(client.line().contains("start"));
    }
    for stretch in 0..STRETCHES {
        if stretch > 0 {
            fs::rename(&log, logs.path(&format!("a.log-2026{stretch:04}"))).expect("rename");
        }
        let numbers = stretch * STRETCH_LINES..(stretch + 1) * STRETCH_LINES;
        let text: String = numbers.map(|n| format!("{n:06} {:1000}\n", "")).collect();
        append(&log, text);
        let last = format!("{:06} ", (stretch + 1) * STRETCH_LINES - 1);
        while !reads.line().contains(&last) {}
    }
    (daemon, stalled)
}

/// The numbers of the lines that come up to the last one, and the bytes that are told as lost.
fn what_comes(client: &mut Live) -> (Vec<usize>, Vec<u64>) {
    let (mut numbers, mut lost) = (Vec::new(), Vec::new());
    while numbers.last() != Some(&(STRETCHES * STRETCH_LINES - 1)) {
        let object: Value = serde_json::from_str(&client.line()).expect("JSON");
        if object["event"] == "gap" {
            lost.push(object["lost"].as_u64().expect("a number"));
        }
        if let Some(line) = object["line"].as_str() {
            numbers.push(line[..6].parse().expect("a number"));
        }
    }
    (numbers, lost)
}

#[test]
fn a_client_that_is_many_rotations_behind_gets_all_that_still_stands_beside_the_file() {
    let logs = Logs::new();
    let (_daemon, mut stalled) = left_behind(&logs);
    let (numbers, lost) = what_comes(&mut stalled);
    assert!(numbers.into_iter().eq(0..STRETCHES * STRETCH_LINES));
    assert_eq!(lost, [0; 0]);
}

#[test]
fn what_is_deleted_before_a_client_has_it_is_a_gap_of_as_many_bytes() {
    let logs = Logs::new();
    let (_daemon, mut stalled) = left_behind(&logs);
    // Some of these are not held open any more; the first one it is in the middle of.
    for stretch in 1..4 {
        fs::remove_file(logs.path(&format!("a.log-2026{stretch:04}"))).expect("unlink");
    }
    let (numbers, lost) = what_comes(&mut stalled);
    let missing = STRETCHES * STRETCH_LINES - numbers.len();
    assert!(missing > STRETCH_LINES, "{missing}");
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(lost.iter().sum::<u64>(), missing as u64 * 1008);
}

#[test]
fn fifty_rotations_at_full_speed_lose_double_and_reorder_nothing() {
    const ROTATIONS: usize = 50;
    const LINES: usize = 2000;
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut plain = daemon.live("/stream?lines=all");
    let mut batches = daemon.websocket("/ws?format=batch&lines=all");
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = appender(&log);
            for rotation in 0..=ROTATIONS {
                for n in rotation * LINES..(rotation + 1) * LINES {
                    // One write a line, as loggers do; the logger is told late that its file was renamed.
                    if rotation > 0 && n % LINES == 10 {
                        file = appender(&log);
                    }
                    writeln!(file, "{n}").expect("append");
                }
                if rotation < ROTATIONS {
                    rotate(&log, ROTATIONS);
                }
            }
        });
        scope.spawn(|| {
            for n in 0..(ROTATIONS + 1) * LINES {
                assert_eq!(plain.line(), format!("{n}\n"));
            }
        });
        let mut next = 0;
        while next < (ROTATIONS + 1) * LINES {
            let object = batches.json();
            assert_ne!(object["event"], "gap", "before {next}");
            for line in object["lines"].as_array().into_iter().flatten() {
                assert_eq!(*line, next.to_string());
                next += 1;
            }
        }
    });
    // However many there were, few are held open.
    assert!(daemon.descriptors() < 100, "{}", daemon.descriptors());
}

/// As logrotate does without dates: each rotated file moves up by one.
fn rotate(log: &Path, most: usize) {
    let name = |n: usize| format!("{}.{n}", log.display());
    for n in (1..most).rev() {
        // Most are not there yet.
        let _ = fs::rename(name(n), name(n + 1));
    }
    fs::rename(log, name(1)).expect("rename");
}

fn appender(path: &Path) -> File {
    let open = File::options().append(true).create(true).open(path);
    open.expect("open for appending")
}

#[test]
fn what_can_not_be_followed_is_warned_of_once_and_followed_when_it_can() {
    let logs = Logs::new();
    let names = ["dir.log", "socket.log", "loop.log", "link.log"];
    let paths = names.map(|name| logs.path(name));
    fs::create_dir(&paths[0]).expect("mkdir");
    let _socket = UnixListener::bind(&paths[1]).expect("a socket");
    symlink("loop.log", &paths[2]).expect("symlink");
    symlink("deep/down.log", &paths[3]).expect("symlink");
    let daemon = Daemon::follow(&paths.each_ref().map(|path| path.as_path()));
    let mut client = daemon.websocket("/ws?format=json");
    fs::remove_dir(&paths[0]).expect("rmdir");
    for path in &paths[1..3] {
        fs::remove_file(path).expect("unlink");
    }
    fs::create_dir(logs.path("deep")).expect("mkdir");
    for (name, path) in names.iter().zip(&paths) {
        append(path, "first\n");
        assert_eq!(client.json_with("event")["event"], "start", "{name}");
        let line = client.json_with("line");
        assert_eq!(
            (&line["file"], &line["line"]),
            (&json!(name), &json!("first"))
        );
    }
    for name in names {
        assert!(daemon.says(&format!("{name}\" is there")));
        let said = daemon.said_with(name);
        assert!(said[0].contains("warn"), "{said:?}");
        // That a directory is removed is news, but nothing is said twice.
        let once = |line: &String| said.iter().filter(|other| *other == line).count() == 1;
        assert!(said.iter().all(once), "{said:?}");
    }
}

#[test]
fn a_file_of_ten_gigabytes_is_looked_back_into_at_once_and_streamed_in_constant_memory() {
    const READ: usize = 150_000_000;
    let logs = Logs::new();
    let log = logs.file("a.log", "first\n");
    let file = File::options().write(true).open(&log).expect("open");
    file.write_all_at(b"\none\ntwo\nthree\n", 10 << 30)
        .expect("write");
    let daemon = Daemon::follow(&[&log]);
    let begun = Instant::now();
    let mut client = daemon.websocket("/ws?lines=2");
    assert_eq!(client.texts(2), ["two", "three"]);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let before = daemon.resident_kib();
    let mut all = daemon.live("/stream?lines=all");
    assert_eq!(all.line(), "first\n");
    let mut most = 0;
    for _ in 0..READ / 1_000_000 {
        assert!(all.bytes(1_000_000).iter().all(|&byte| byte == 0));
        most = most.max(daemon.resident_kib());
    }
    assert!(
        most < before + 16 * 1024,
        "grew from {before} to {most} KiB"
    );
}

#[test]
fn a_line_of_64_mib_comes_in_pieces_of_whole_characters_in_little_memory() {
    let logs = Logs::new();
    let log = logs.file("a.log", "begin\n");
    let daemon = Daemon::with(&["--max-line", "100000"], &[&log]);
    let mut plain = daemon.live("/stream");
    let mut pieces = daemon.websocket("/ws?format=json");
    assert_eq!(plain.line(), "begin\n");
    assert_eq!(pieces.json_with("line")["line"], "begin");
    let before = daemon.resident_kib();
    let part = "\u{e4}\u{20ac}x\u{1f600}".repeat(1000);
    let parts = (64 << 20) / part.len();
    let most = AtomicU64::new(0);
    let look = || most.fetch_max(daemon.resident_kib(), Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = appender(&log);
            for _ in 0..parts {
                file.write_all(part.as_bytes()).expect("append");
            }
            file.write_all(b"\nend\n").expect("append");
        });
        scope.spawn(|| {
            for n in 0..parts {
                assert_eq!(plain.bytes(part.len()), part.as_bytes());
                if n % 500 == 0 {
                    look();
                }
            }
            assert_eq!(plain.bytes(5), b"\nend\n");
        });
        let (mut bytes, mut count) = (0, 0);
        loop {
            let object = pieces.json_with("line");
            let line = object["line"].as_str().expect("a line");
            if line == "end" {
                break;
            }
            assert!(line.len() <= 100_000 && !line.contains('\u{fffd}'));
            (bytes, count) = (bytes + line.len(), count + 1);
        }
        assert_eq!(bytes, parts * part.len());
        assert!(count >= bytes.div_ceil(100_000), "{count}");
    });
    let most = most.into_inner();
    assert!(
        most < before + 16 * 1024,
        "grew from {before} to {most} KiB"
    );
}

#[test]
fn what_is_only_there_compressed_is_read_by_one_that_resumes() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let target = format!(
        "/ws?format=json&after={}",
        id(&until(&mut client, "one")[1])
    );
    for (turn, text) in [(1, "lost\n"), (2, "kept\n"), (3, "new\n")] {
        fs::rename(&log, logs.path(&format!("a.log-2026112{turn}"))).expect("rename");
        append(&log, text);
    }
    let compress = |name: &str| {
        let done = Command::new("gzip").arg(logs.path(name)).status();
        assert!(done.expect("gzip").success());
    };
    compress("a.log-20261122");
    let daemon = restart(daemon, &log);
    let got = until(&mut daemon.websocket(&target), "new");
    let want = [
        "<start>",
        "two",
        "<rotated>",
        "lost",
        "<rotated>",
        "kept",
        "<rotated>",
        "new",
    ];
    assert_eq!(summary(&got), want);
    // Also once its own file is compressed.
    compress("a.log-20261121");
    let daemon = restart(daemon, &log);
    let got = until(&mut daemon.websocket(&target), "new");
    assert_eq!(summary(&got), want);
}

#[test]
fn a_name_that_is_not_utf_8_is_followed_and_shown_with_replacement_characters() {
    let logs = Logs::new();
    let log = logs.path("").join(OsStr::from_bytes(b"caf\xe9 100%.log"));
    append(&log, "one\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=1&file=caf%EF%BF%BD%20100%25.log");
    let line = client.json_with("line");
    assert_eq!(
        (&line["file"], &line["line"]),
        (&json!("caf\u{fffd} 100%.log"), &json!("one"))
    );
}

#[test]
fn a_resume_many_rotations_later_goes_by_the_order_that_was_seen_whatever_the_times_of_the_files() {
    let logs = Logs::new();
    let log = logs.file("a.log", "0\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let target = format!("/ws?format=json&after={}", id(&until(&mut client, "0")[1]));
    let mut want = vec!["<start>".to_owned()];
    for n in 1..10 {
        fs::rename(&log, logs.path(&format!("a.log.{n}"))).expect("rename");
        append(&log, format!("{n}\n"));
        until(&mut client, &n.to_string());
        want.extend(["<rotated>".to_owned(), n.to_string()]);
    }
    // As a laggard, or somebody who copies them, may leave them.
    for n in 1..10 {
        let file = File::options()
            .write(true)
            .open(logs.path(&format!("a.log.{n}")));
        let at = SystemTime::now() - Duration::from_secs(n);
        file.and_then(|file| file.set_modified(at)).expect("utimes");
    }
    let got = until(&mut daemon.websocket(&target), "9");
    assert_eq!(summary(&got), want);
}
