//! What containers say, seen from outside: files of Docker's json-file driver and of CRI are shown as the program wrote
//! its lines, their parts joined, whatever the runtime does with the files.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, append};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const TIME: &str = "2026-11-28T10:00:00.123456789Z";

/// A record as Docker's json-file driver writes it; a part where `text` has no newline.
fn docker(stream: &str, text: &str) -> String {
    let log = Value::from(text);
    format!("{{\"log\":{log},\"stream\":\"{stream}\",\"time\":\"{TIME}\"}}\n")
}

/// A record as CRI has it, with the tag F or P.
fn cri(stream: &str, tag: &str, text: &str) -> String {
    format!("{TIME} {stream} {tag} {text}\n")
}

/// The lines of JSON objects.
fn lines(got: &[Value]) -> Vec<&str> {
    got.iter()
        .filter_map(|object| object["line"].as_str())
        .collect()
}

/// All lines of the file, as objects.
fn all(daemon: &Daemon, query: &str) -> Vec<Value> {
    let answer = daemon.get(&format!("/stream?format=json&follow=false&{query}"));
    assert_eq!(answer.status, 200, "{query}");
    let objects = answer.text();
    let objects = objects
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    objects
        .filter(|object| object.get("line").is_some())
        .collect()
}

/// Objects with lines until the one that says `last`.
fn until(client: &mut Client, last: &str) -> Vec<Value> {
    let mut got = Vec::new();
    while got
        .last()
        .is_none_or(|object: &Value| object["line"] != last)
    {
        got.push(client.json());
    }
    got
}

/// The same records as each kind of file has them; Docker's also as another program writes them.
fn a_few() -> [String; 3] {
    let docker = [
        docker("stdout", "plain\n"),
        docker("stderr", "a \"quoted\" <tag> \u{e9}\u{1f600}\u{2028}\n"),
        docker("stdout", "\n"),
        docker("stdout", "with a return\r\n"),
    ];
    let cri = [
        cri("stdout", "F", "plain"),
        cri("stderr", "F", "a \"quoted\" <tag> \u{e9}\u{1f600}\u{2028}"),
        cri("stdout", "F", ""),
        cri("stdout", "F", "with a return\r"),
    ];
    let spaced = docker
        .concat()
        .replace("\",\"", "\", \"")
        .replace("\":\"", "\": \"");
    [docker.concat(), spaced, cri.concat()]
}

#[test]
fn lines_are_what_the_program_wrote_with_its_time_and_its_stream() {
    for stored in a_few() {
        let logs = Logs::new();
        let daemon = Daemon::follow(&[&logs.file("c.log", &stored)]);
        let text = daemon.get("/stream?follow=false").text();
        let said = "plain\na \"quoted\" <tag> \u{e9}\u{1f600}\u{2028}\n\nwith a return\r\n";
        assert_eq!(text, said);
        let objects = all(&daemon, "lines=all");
        assert_eq!(objects.len(), 4);
        assert_eq!(objects[3]["line"], "with a return");
        assert!(objects.iter().all(|object| object["time"] == TIME));
        let streams: Vec<&Value> = objects.iter().map(|object| &object["stream"]).collect();
        assert_eq!(streams, ["stdout", "stderr", "stdout", "stdout"]);
        let batch = daemon.websocket("/ws?format=batch").json_with("lines");
        assert_eq!(
            batch["streams"],
            json!(["stdout", "stderr", "stdout", "stdout"])
        );
        assert_eq!(batch["times"], json!([TIME, TIME, TIME, TIME]));
        assert_eq!(batch.get("priorities"), None);
    }
}

#[test]
fn raw_shows_them_as_they_lie_in_the_file_with_the_same_ids() {
    for stored in a_few() {
        let logs = Logs::new();
        let log = logs.file("c.log", &stored);
        let ids = |daemon: &Daemon| {
            let objects = all(daemon, "lines=all");
            objects
                .iter()
                .map(|object| object["id"].clone())
                .collect::<Vec<_>>()
        };
        let raw = Daemon::with(&["--raw"], &[&log]);
        assert_eq!(raw.get("/stream?follow=false").text(), stored);
        assert!(all(&raw, "lines=1")[0].get("time").is_none());
        assert_eq!(ids(&raw), ids(&Daemon::follow(&[&log])));
    }
}

#[test]
fn a_plain_file_has_no_fields_of_records() {
    let logs = Logs::new();
    let log = logs.file("a.log", "2026-11-28T10:00:00Z host sshd[1]: hello\n");
    let daemon = Daemon::follow(&[&log]);
    let objects = all(&daemon, "lines=all");
    let keys: Vec<&String> = objects[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["file", "id", "line"]);
    let batch = daemon.websocket("/ws?format=batch").json_with("lines");
    assert_eq!(batch.get("times"), None);
}

#[test]
fn a_torn_or_foreign_record_is_shown_as_it_lies_there() {
    let logs = Logs::new();
    let torn = "{\"log\":\"torn\\n\",\"stream\":\"std";
    let stored = [
        &docker("stdout", "one\n"),
        torn,
        "\n",
        "{\"log\":\"a program's own\"}\n",
        &docker("stderr", "two\n"),
    ];
    let daemon = Daemon::follow(&[&logs.file("c.log", stored.concat())]);
    let objects = all(&daemon, "lines=all");
    assert_eq!(
        lines(&objects),
        ["one", torn, "{\"log\":\"a program's own\"}", "two"]
    );
    assert!(objects[1].get("time").is_none() && objects[1].get("stream").is_none());
    let batch = daemon.websocket("/ws?format=batch").json_with("lines");
    assert_eq!(batch["streams"], json!(["stdout", null, null, "stderr"]));
}

#[test]
fn filters_and_the_number_of_lines_are_about_the_text() {
    let logs = Logs::new();
    let part = "x".repeat(16384);
    let stored = [
        docker("stdout", "one\n"),
        docker("stdout", &part),
        docker("stderr", "two\n"),
        docker("stdout", &part),
        docker("stdout", "end\n"),
        docker("stdout", "three\n"),
    ];
    let daemon = Daemon::follow(&[&logs.file("c.log", stored.concat())]);
    let long = format!("{part}{part}end");
    assert_eq!(lines(&all(&daemon, "lines=2")), [&long, "three"]);
    assert_eq!(lines(&all(&daemon, "lines=3")), ["two", &long, "three"]);
    assert_eq!(lines(&all(&daemon, "lines=9&grep=xend")), [&long]);
    assert_eq!(lines(&all(&daemon, "lines=1&grep=xend")), [&long]);
    assert!(all(&daemon, "lines=9&grep=stdout").is_empty());
    let three = all(&daemon, "lines=1")[0]["id"].clone();
    let before = format!("lines=3&before={}", three.as_str().expect("an id"));
    assert_eq!(lines(&all(&daemon, &before)), ["two", &long, "three"]);
}

#[test]
fn a_part_is_not_shown_before_its_end_is_there() {
    let logs = Logs::new();
    let log = logs.file("c.log", cri("stdout", "F", "begin"));
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json");
    until(&mut client, "begin");
    append(&log, cri("stdout", "P", "out, "));
    append(&log, cri("stderr", "P", "err, "));
    append(&log, cri("stderr", "F", "first"));
    assert_eq!(client.json()["line"], "err, first");
    assert_eq!(lines(&all(&daemon, "lines=9")), ["begin", "err, first"]);
    append(&log, cri("stdout", "F", ""));
    let object = client.json();
    assert_eq!(
        (&object["line"], &object["stream"]),
        (&json!("out, "), &json!("stdout"))
    );
}

/// A way in which runtimes and logrotate put a log away.
type Rotation = fn(&Path);

fn rename(log: &Path) {
    fs::rename(log, log.with_extension("log.1")).expect("rename");
    File::create(log).expect("make it anew");
}

fn copy_and_truncate(log: &Path) {
    fs::copy(log, log.with_extension("log.1")).expect("copy");
    let file = File::options().write(true).open(log).expect("open");
    file.set_len(0).expect("truncate");
}

#[test]
fn parts_are_joined_over_a_rotation_live_and_by_who_comes_later() {
    for rotate in [rename as Rotation, copy_and_truncate as Rotation] {
        let logs = Logs::new();
        let log = logs.file("c.log", docker("stdout", "begin\n"));
        let daemon = Daemon::follow(&[&log]);
        let mut client = daemon.websocket("/ws?format=json");
        let begun = until(&mut client, "begin");
        append(&log, docker("stdout", "old, "));
        append(&log, docker("stderr", "e1\n"));
        append(&log, docker("stderr", "e2, "));
        append(&log, docker("stderr", "e3\n"));
        assert_eq!(client.json()["line"], "e1");
        // What stands in a file that is truncated is only had by who has read it.
        assert_eq!(client.json()["line"], "e2, e3");
        rotate(&log);
        append(&log, docker("stdout", "new, "));
        append(&log, docker("stderr", "done\n"));
        append(&log, docker("stdout", "end\n"));
        let got = until(&mut client, "old, new, end");
        assert_eq!(lines(&got), ["done", "old, new, end"]);
        let now = all(&daemon, "lines=9");
        assert!(lines(&now).ends_with(&["done", "old, new, end"]), "{now:?}");
        let id = begun.last().expect("a line")["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        if rotate as usize == rename as Rotation as usize {
            let later = all(&daemon, &format!("after={id}"));
            assert_eq!(lines(&later), ["e1", "e2, e3", "done", "old, new, end"]);
        }
    }
}

#[test]
fn after_a_restart_over_a_rotation_each_line_is_there_once() {
    let logs = Logs::new();
    let log = logs.file("c.log", cri("stdout", "F", "begin"));
    let mut daemon = Daemon::follow(&[&log]);
    let id = all(&daemon, "lines=1")[0]["id"].clone();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    append(&log, cri("stdout", "P", "old, "));
    append(&log, cri("stderr", "F", "e1"));
    rename(&log);
    append(&log, cri("stdout", "P", "new, "));
    append(&log, cri("stderr", "F", "e2"));
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket(&format!(
        "/ws?format=json&after={}",
        id.as_str().expect("an id")
    ));
    assert_eq!(lines(&until(&mut client, "e2")), ["e1", "e2"]);
    append(&log, cri("stdout", "F", "end"));
    assert_eq!(
        lines(&until(&mut client, "old, new, end")),
        ["old, new, end"]
    );
}

/// Starts the program and takes the id of the place where a stream begins that has all there is; ends it.
fn place_at_the_end(log: &Path) -> String {
    let mut daemon = Daemon::follow(&[log]);
    let mut client = daemon.websocket("/ws?format=json&lines=0");
    let start = client.json();
    assert_eq!(start["event"], "start");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    start["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_line_that_goes_through_several_files_is_one_after_restarts_wherever_a_client_stood() {
    for compressed in [false, true] {
        let logs = Logs::new();
        let log = logs.file("c.log", docker("stdout", "a\n"));
        let mut places = vec![place_at_the_end(&log)];
        append(&log, docker("stdout", "one, "));
        let rotate = || {
            for n in (1..4).rev() {
                let name = |n: i32| log.with_extension(format!("log.{n}"));
                let _ = fs::rename(name(n), name(n + 1));
            }
            rename(&log);
        };
        rotate();
        // In an empty file.
        places.push(place_at_the_end(&log));
        rotate();
        append(&log, docker("stdout", "two, "));
        // In one that holds nothing but a part.
        places.push(place_at_the_end(&log));
        rotate();
        if compressed {
            let done = Command::new("gzip")
                .arg(log.with_extension("log.3"))
                .status();
            assert!(done.expect("gzip").success());
        }
        let daemon = Daemon::follow(&[&log]);
        let mut live = daemon.websocket("/ws?format=json&lines=0");
        append(&log, docker("stderr", "e\n"));
        append(&log, docker("stdout", "end\n"));
        assert_eq!(
            lines(&until(&mut live, "one, two, end")),
            ["e", "one, two, end"]
        );
        for place in &places {
            let rest = all(&daemon, &format!("after={place}"));
            assert_eq!(lines(&rest), ["e", "one, two, end"], "{compressed} {place}");
        }
        for (wanted, got) in [
            (2, &["e", "one, two, end"][..]),
            (3, &["a", "e", "one, two, end"]),
        ] {
            assert_eq!(lines(&all(&daemon, &format!("lines={wanted}"))), got);
        }
    }
}

#[test]
fn a_line_goes_on_in_a_file_that_comes_after_the_start() {
    let logs = Logs::new();
    let log = logs.file("c.log", cri("stdout", "P", "one, "));
    fs::rename(&log, log.with_extension("log.1")).expect("rename");
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.websocket("/ws?format=json");
    append(&log, cri("stdout", "F", "end"));
    assert_eq!(lines(&until(&mut live, "one, end")), ["one, end"]);
    assert_eq!(lines(&all(&daemon, "lines=9")), ["one, end"]);
}

#[test]
fn a_stream_is_resumed_after_each_line_and_each_piece() {
    let logs = Logs::new();
    let mut stored = String::new();
    for n in 0..12 {
        stored += &cri("stdout", "P", &"\u{e4}\u{20ac}".repeat(300));
        stored += &cri("stderr", "P", &format!("e{n} "));
        stored += &cri("stderr", "F", "said");
        if n % 4 == 3 {
            stored += &cri("stdout", "F", "end");
        }
    }
    let log = logs.file("c.log", &stored);
    let daemon = Daemon::with(&["--max-line", "1000"], &[&log]);
    let whole = all(&daemon, "lines=all");
    let ids: Vec<&str> = whole
        .iter()
        .filter_map(|object| object["id"].as_str())
        .collect();
    assert!(whole.len() > 20, "{}", whole.len());
    let texts = lines(&whole);
    assert!(
        texts
            .iter()
            .all(|text| text.len() <= 1000 && !text.contains('\u{fffd}'))
    );
    for (n, id) in ids.iter().enumerate() {
        let rest = all(&daemon, &format!("after={id}"));
        assert_eq!(lines(&rest), texts[n + 1..], "after {n}");
        let before = all(&daemon, &format!("before={id}&lines=2"));
        assert_eq!(
            lines(&before),
            texts[(n + 1).saturating_sub(2)..=n],
            "before {n}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_as_the_program_wrote_them() {
    let logs = Logs::new();
    let mut stored = format!("{TIME} stdout F ").into_bytes();
    stored.extend(b"a\0b\xff\xfe\n");
    let daemon = Daemon::follow(&[&logs.file("c.log", &stored)]);
    assert_eq!(daemon.get("/stream?follow=false").body, b"a\0b\xff\xfe\n");
    assert_eq!(all(&daemon, "lines=1")[0]["line"], "a\0b\u{fffd}\u{fffd}");
}

/// A container's log as containerd writes it (`redirectLogs`, with its 16 KiB of `max_container_log_line_size`): what a
/// program writes, cut every 16,384 bytes wherever that falls, each piece a P but the last, and kubelet's rotation by
/// rename once there are `size` bytes.
struct Containerd<'a> {
    log: &'a Path,
    size: u64,
    rotations: usize,
}

impl Containerd<'_> {
    const PART: usize = 16384;

    fn line(&mut self, stream: &str, line: &[u8]) {
        let mut pieces = line.chunks(Self::PART).peekable();
        if line.is_empty() {
            self.record(stream, "F", line);
        }
        while let Some(piece) = pieces.next() {
            let tag = if pieces.peek().is_some() { "P" } else { "F" };
            self.record(stream, tag, piece);
        }
    }

    fn record(&mut self, stream: &str, tag: &str, text: &[u8]) {
        if fs::metadata(self.log).is_ok_and(|stat| stat.len() > self.size) {
            self.rotations += 1;
            let stamp = format!("log.20261128-{:06}", self.rotations);
            fs::rename(self.log, self.log.with_extension(stamp)).expect("rename");
        }
        let mut bytes = format!("{TIME} {stream} {tag} ").into_bytes();
        bytes.extend(text);
        bytes.push(b'\n');
        append(self.log, bytes);
    }
}

#[test]
fn what_containerd_cuts_and_kubelet_rotates_comes_as_it_was_written() {
    let logs = Logs::new();
    let log = logs.file("0.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let mut runtime = Containerd {
        log: &log,
        size: 60_000,
        rotations: 0,
    };
    // Characters of two, three and four bytes stand across the cuts; one line is longer than --max-line.
    let long = "\u{e9}\u{20ac}\u{1f600}".repeat(4_000);
    let longest = "\u{20ac}\u{1f600}".repeat(20_000);
    let said = [
        ("stdout", "begin".as_bytes()),
        ("stdout", long.as_bytes()),
        ("stderr", b""),
        ("stderr", b"nul \0, tab \t, bell \x07, \xff\xfe"),
        ("stdout", longest.as_bytes()),
        ("stderr", long.as_bytes()),
        ("stdout", b"end"),
    ];
    for (stream, line) in said {
        runtime.line(stream, line);
    }
    assert!(runtime.rotations >= 3);
    let got = until(&mut client, "end");
    let objects = got.iter().filter(|object| object.get("line").is_some());
    let mut objects: Vec<(&str, &str)> = objects
        .map(|object| {
            (
                object["stream"].as_str().expect("a stream"),
                object["line"].as_str().expect("a line"),
            )
        })
        .collect();
    // The pieces of the one that is longer than --max-line, each whole characters.
    let pieces: Vec<&str> = objects
        .drain(4..objects.len() - 2)
        .map(|(_, line)| line)
        .collect();
    assert!(pieces.len() == 2 && pieces.iter().all(|piece| piece.len() <= 131_072));
    assert_eq!(pieces.concat(), longest);
    let want = [
        ("stdout", "begin"),
        ("stdout", &long),
        ("stderr", ""),
        ("stderr", "nul \0, tab \t, bell \u{7}, \u{fffd}\u{fffd}"),
        ("stderr", &long),
        ("stdout", "end"),
    ];
    assert_eq!(objects, want);
    let gaps = got.iter().filter(|object| object["event"] == "gap").count();
    assert_eq!(gaps, 0);
    // The bytes that were no text come untouched where no text is promised.
    let start = got[0]["id"].as_str().expect("an id");
    let bytes = daemon
        .get(&format!("/stream?follow=false&after={start}"))
        .body;
    let whole: Vec<u8> = said
        .iter()
        .flat_map(|(_, line)| [line, &b"\n"[..]].concat())
        .collect();
    assert!(
        bytes == whole,
        "{} bytes instead of {}",
        bytes.len(),
        whole.len()
    );
}

/// A container's log as conmon writes it for CRI-O and Podman (`write_k8s_log`, with its buffer of 8 KiB), in a zone of its
/// own: each buffer's rest is a P. Once `size` bytes would be exceeded it makes `LOG.tmp` and renames it over the log
/// (`reopen_k8s_file`), so that the old file is nowhere any more.
struct Conmon<'a> {
    log: &'a Path,
    size: usize,
    written: usize,
    replaced: usize,
}

impl Conmon<'_> {
    const BUFFER: usize = 8192;

    fn line(&mut self, stream: &str, line: &[u8]) {
        let ended = [line, b"\n"].concat();
        for read in ended.chunks(Self::BUFFER) {
            let (tag, text) = match read.strip_suffix(b"\n") {
                Some(text) => ("F", text),
                None => ("P", read),
            };
            let mut record =
                format!("2026-11-28T11:00:00.123456789+01:00 {stream} {tag} ").into_bytes();
            record.extend(text);
            record.push(b'\n');
            if self.written + record.len() > self.size {
                let new = self.log.with_extension("log.tmp");
                File::create(&new).expect("make it");
                fs::rename(&new, self.log).expect("rename it over the log");
                (self.written, self.replaced) = (0, self.replaced + 1);
            }
            append(self.log, &record);
            self.written += record.len();
        }
    }
}

#[test]
fn what_conmon_cuts_and_replaces_comes_as_it_was_written() {
    let logs = Logs::new();
    let log = logs.file("ctr.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let mut runtime = Conmon {
        log: &log,
        size: 30_000,
        written: 0,
        replaced: 0,
    };
    for n in 0..20 {
        // The end of a line alone in a buffer is an F without a text.
        let bytes = [8191, 8192, 8193, 20_000][n % 4];
        let stream = ["stdout", "stderr"][n % 2];
        let mut line = format!("{n} ");
        line.push_str(&"\u{20ac}".repeat((bytes - line.len()) / 3));
        runtime.line(stream, line.as_bytes());
        // Two that are replaced between two looks would be one lost.
        let got = until(&mut client, &line);
        let last = got.last().expect("a line");
        let said = (&last["stream"], &last["time"]);
        assert_eq!(
            said,
            (&json!(stream), &json!("2026-11-28T10:00:00.123456789Z"))
        );
        assert!(lines(&got).len() == 1, "{n}: a line in pieces");
        assert!(
            got.iter().all(|object| object["event"] != "gap"),
            "{n}: {got:?}"
        );
    }
    assert!(runtime.replaced >= 4, "{}", runtime.replaced);
}

#[test]
fn both_streams_cut_in_parts_are_not_mixed() {
    let logs = Logs::new();
    let log = logs.file("0.log", cri("stdout", "F", "begin"));
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    until(&mut client, "begin");
    // Three lines of each stream, whose parts come in turn, over two rotations.
    for n in 0..3 {
        for part in ["a", "b", "c"] {
            append(&log, cri("stdout", "P", &format!("out {n}{part} ")));
            append(&log, cri("stderr", "P", &format!("err {n}{part} ")));
            if part == "b" && n > 0 {
                fs::rename(&log, log.with_extension(format!("log.{n}"))).expect("rename");
            }
        }
        append(&log, cri("stderr", "F", ""));
        append(&log, cri("stdout", "F", "."));
    }
    let got = until(&mut client, "out 2a out 2b out 2c .");
    let want: Vec<String> = (0..3)
        .flat_map(|n| {
            let parts = |word: &str| format!("{word} {n}a {word} {n}b {word} {n}c ");
            [parts("err"), parts("out") + "."]
        })
        .collect();
    assert_eq!(lines(&got), want);
}
