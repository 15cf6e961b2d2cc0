//! Where a stream begins: lines, after, before, Last-Event-ID.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::ids::last_id;
use crate::support::{DEADLINE, Daemon, Logs, append};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The ids of the lines of one file, in order.
fn ids(daemon: &Daemon, file: &str) -> Vec<String> {
    let target = format!("/stream?format=json&follow=false&lines=all&file={file}");
    let text = daemon.get(&target).text();
    let objects = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines = objects.filter(|object| object.get("line").is_some());
    lines
        .map(|line| line["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn an_id_resumes_after_its_line_whatever_lines_says() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let daemon = Daemon::follow(&[&log]);
    let ids = ids(&daemon, "a.log");
    for lines in ["0", "1", "all"] {
        let target = format!("/stream?follow=false&lines={lines}&after={}", ids[0]);
        assert_eq!(daemon.get(&target).text(), "2\n3\n");
    }
    // An empty one says nothing.
    let answer = daemon.get("/stream?follow=false&lines=1&after=");
    assert_eq!(answer.text(), "3\n");
}

#[test]
fn each_file_is_resumed_by_its_own_id_and_one_without_starts_anew() {
    let logs = Logs::new();
    let (a, b) = (
        logs.file("a.log", "a1\na2\n"),
        logs.file("b.log", "b1\nb2\n"),
    );
    let daemon = Daemon::follow(&[&a, &b]);
    let (a, b) = (ids(&daemon, "a.log"), ids(&daemon, "b.log"));
    let get = |query: String| {
        daemon
            .get(&format!("/stream?follow=false&lines=1&{query}"))
            .text()
    };
    let both = "==> a.log <==\na2\n\n==> b.log <==\nb2\n";
    assert_eq!(get(format!("after={}~{}", a[0], b[0])), both);
    assert_eq!(get(format!("after={}&after={}", b[0], a[0])), both);
    assert_eq!(get(format!("after={}", a[0])), both);
    let rest = "==> b.log <==\nb2\n";
    assert_eq!(get(format!("after={}~{}", a[1], b[0])), rest);
    // The ids of files that are left out are ignored.
    assert_eq!(get(format!("file=a.log&after={}", b[0])), "a2\n");
    assert_eq!(
        get(format!("file=a.log&lines=0&after={}~{}", b[0], a[0])),
        "a2\n"
    );
}

#[test]
fn last_event_id_wins_over_after_on_every_stream_and_an_empty_one_says_nothing() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\nthree\n");
    let daemon = Daemon::follow(&[&log]);
    let ids = ids(&daemon, "a.log");
    let header = format!("Last-Event-ID: {}", ids[1]);
    for path in ["/stream", "/events"] {
        let target = format!("{path}?follow=false&after={}", ids[0]);
        let wins = daemon.ask("GET", &target, &[&header]).text();
        assert!(
            wins.contains("three\n") && !wins.contains("two\n"),
            "{wins}"
        );
        let empty = daemon.ask("GET", &target, &["Last-Event-ID:"]).text();
        assert!(
            empty.contains("two\n") && !empty.contains("one\n"),
            "{empty}"
        );
    }
}

#[test]
fn before_is_the_lines_up_to_a_place_and_then_the_end() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n22\n3\n24\n");
    let daemon = Daemon::follow(&[&log]);
    let ids = ids(&daemon, "a.log");
    let get = |query: String| daemon.get(&format!("/stream?{query}")).text();
    // It ends by itself, the line that ends at the place included.
    assert_eq!(get(format!("before={}&lines=2", ids[2])), "22\n3\n");
    assert_eq!(get(format!("before={}&lines=all", ids[1])), "1\n22\n");
    // No further back than the first byte.
    assert_eq!(get(format!("before={}", ids[0])), "1\n");
    // Lines that pass are what is counted.
    assert_eq!(get(format!("before={}&lines=2&grep=2", ids[3])), "22\n24\n");
    assert_eq!(get(format!("before={}&lines=1&grep=1", ids[3])), "1\n");
    let mut page = daemon.websocket(&format!("/ws?format=batch&lines=1&before={}", ids[1]));
    let start = page.json();
    assert_eq!(
        (&start["event"], &start["id"]),
        (&"start".into(), &ids[0].as_str().into())
    );
    assert_eq!(page.json()["lines"], serde_json::json!(["22"]));
    assert_eq!(page.json()["event"], "end");
    assert_eq!(page.close_code(), 1000);
    // `from` of a batch is such a place, too: that of the first byte has nothing before it.
    let begins = daemon.websocket("/ws?format=json&lines=all").json()["id"].clone();
    let begins = begins.as_str().expect("an id");
    assert_eq!(get(format!("before={begins}")), "");
}

#[test]
fn before_reads_a_rotated_file_and_is_404_once_that_is_gone() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let mut daemon = Daemon::follow(&[&log]);
    let ids = ids(&daemon, "a.log");
    let old = logs.path("a.log.1");
    fs::rename(&log, &old).expect("rotate");
    append(&log, "3\n");
    let target = format!("/stream?before={}", ids[1]);
    assert_eq!(daemon.get(&target).text(), "1\n2\n");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(daemon.get(&target).text(), "1\n2\n");
    fs::remove_file(&old).expect("delete");
    assert_eq!(daemon.get(&target).status, 404);
}

#[test]
fn before_is_of_one_file() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    let id = &ids(&daemon, "b.log")[0];
    let several = daemon.get(&format!("/stream?before={id}"));
    assert_eq!(several.status, 400);
    assert!(several.text().contains("file="));
    // The place is in another file than the one that is asked for.
    let other = daemon.get(&format!("/stream?file=a.log&before={id}"));
    assert_eq!(other.status, 404);
    assert_eq!(
        daemon
            .get(&format!("/stream?file=b.log&before={id}"))
            .text(),
        "b1\n"
    );
}

#[test]
fn no_id_leads_to_a_file_that_is_not_followed() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let secret = logs.file("secret.txt", "secret\nmore\n");
    let daemon = Daemon::follow(&[&log]);
    let name = |id: &str| id.split('.').next().map(str::to_owned).expect("a name");
    let own = name(&ids(&daemon, "a.log")[0]);
    // An id of that file in which all is right but for the name, as somebody could make it up who knows its first line.
    let other = Daemon::follow(&[&secret]);
    let id = &ids(&other, "secret.txt")[0];
    let id = id.replace(&name(id), &own);
    let after = daemon.get(&format!("/stream?follow=false&after={id}"));
    assert_eq!(after.text(), "1\n");
    let before = daemon.get(&format!("/stream?lines=all&before={id}"));
    assert_eq!(before.status, 404);
    // Nor where somebody has put a link beside the log, under the name of a rotated file.
    symlink(&secret, logs.path("a.log.1")).expect("a link");
    for query in [
        format!("after={id}"),
        "lines=9".to_owned(),
        "since=1w".to_owned(),
    ] {
        let answer = daemon.get(&format!("/stream?follow=false&{query}"));
        assert_eq!(answer.text(), "1\n", "{query}");
    }
    let before = daemon.get(&format!("/stream?lines=all&before={id}"));
    assert_eq!(before.status, 404);
}

#[test]
fn an_event_stream_that_was_cut_off_at_its_first_id_misses_nothing_of_any_file() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let missing = logs.path("c.log");
    let daemon = Daemon::follow(&[&a, &b, &missing]);
    let mut live = daemon.live("/events?lines=0");
    let id = live.field("id");
    drop(live);
    append(&a, "a2\n");
    append(&b, "b2\n");
    append(&missing, "c1\nc2\n");
    let header = format!("Last-Event-ID: {id}");
    let target = "/events?lines=0&follow=false";
    let text = daemon.ask("GET", target, &[&header]).text();
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("\"line\":\"")?.1.strip_suffix("\"}"))
        .collect();
    assert_eq!(lines, ["a2", "b2", "c1", "c2"], "{text}");
    let again = format!("Last-Event-ID: {}", last_id(&text));
    assert_eq!(daemon.ask("GET", target, &[&again]).status, 204);
}

#[test]
fn an_event_stream_of_a_missing_file_ends_and_its_reconnect_is_told_to_stop() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    let daemon = Daemon::follow(&[&log]);
    let text = daemon.get("/events?follow=false").text();
    assert!(text.contains("event: end\n"), "{text}");
    let header = format!("Last-Event-ID: {}", last_id(&text));
    let again = || daemon.ask("GET", "/events?follow=false", &[&header]);
    assert_eq!(again().status, 204);
    append(&log, "1\n");
    let text = again().text();
    assert!(
        text.contains("data: 1\n") && !text.contains("gap"),
        "{text}"
    );
}

#[test]
fn a_resume_counts_only_what_passes_the_filter_as_more() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let text = daemon.get("/events?follow=false&grep=x").text();
    let header = format!("Last-Event-ID: {}", last_id(&text));
    let again = || daemon.ask("GET", "/events?follow=false&grep=x", &[&header]);
    append(&log, "2\n");
    assert_eq!(again().status, 204);
    append(&log, "x\n");
    let text = again().text();
    assert!(
        text.contains("data: x\n") && !text.contains("data: 2\n"),
        "{text}"
    );
}

#[test]
fn filtered_streams_resume_exactly() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut live = daemon.live("/events?grep=x");
    assert_eq!(live.field("event"), "start");
    drop(live.field("data"));
    append(&log, "x1\n2\n3\n");
    assert_eq!(live.field("data"), "x1");
    append(&log, "4\nx5\n6\nx7\n");
    let id = live.field("id");
    assert_eq!(live.field("data"), "x5");
    drop(live);
    let target = format!("/stream?follow=false&grep=x&after={id}");
    assert_eq!(daemon.get(&target).text(), "x7\n");
    let target = format!("/stream?follow=false&after={id}");
    assert_eq!(daemon.get(&target).text(), "6\nx7\n");
}

#[test]
fn a_file_that_a_pattern_matches_is_in_the_history_as_soon_as_it_is_written() {
    let logs = Logs::new();
    let daemon = Daemon::with(&["--lines", "1"], &[&logs.path("*.log")]);
    for number in 0..20 {
        logs.file(&format!("{number}.log"), format!("a\n{number}\n"));
        let text = daemon.get("/stream?follow=false").text();
        let expected = format!("==> {number}.log <==\n{number}\n");
        assert!(text.ends_with(&expected), "{text}");
    }
}

/// Takes the lines of an event stream as a browser would, and can be cut off anywhere.
#[derive(Default)]
struct Reconnects {
    last_id: String,
    /// What the block that is being read says.
    id: String,
    data: String,
    seen: Vec<Value>,
}

impl Reconnects {
    fn take(&mut self, line: &str) {
        if let Some(id) = line.strip_prefix("id: ") {
            self.id = id.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            self.data = data.to_owned();
        } else if line.is_empty() {
            if !self.data.is_empty() {
                let object: Value = serde_json::from_str(&self.data).expect("JSON");
                assert_ne!(object["event"], "gap", "{object}");
                self.seen.push(object);
            }
            self.last_id.clone_from(&self.id);
            self.data.clear();
        }
    }
}

/// What became of a followed file while nobody followed it.
type Fate = fn(&Logs);

#[test]
fn who_resumes_while_the_name_is_missing_is_told_what_became_of_the_place_when_a_file_comes() {
    let deleted: Fate = |logs| fs::remove_file(logs.path("a.log")).expect("deleted");
    let moved: Fate = |logs| fs::rename(logs.path("a.log"), logs.path("away")).expect("moved");
    let rotated: Fate =
        |logs| fs::rename(logs.path("a.log"), logs.path("a.log.1")).expect("rotated");
    let anew: Fate = |logs| append(&logs.path("a.log"), "new\n");
    let back: Fate = |logs| fs::rename(logs.path("away"), logs.path("a.log")).expect("moved back");
    for (fate, comes, got) in [
        (deleted, anew, &["start", "gap: id not found", "new"][..]),
        (moved, back, &["start", "two"]),
        (moved, anew, &["start", "gap: id not found", "new"]),
        (rotated, anew, &["start", "two", "rotated", "new"]),
    ] {
        let logs = Logs::new();
        let (a, b) = (logs.file("a.log", "one\n"), logs.file("b.log", "b\n"));
        let mut daemon = Daemon::follow(&[&a, &b]);
        let id = ids(&daemon, "a.log").remove(0);
        daemon.signal(Signal::SIGTERM);
        assert!(daemon.ended(DEADLINE).is_some());
        append(&a, "two\n");
        fate(&logs);
        let daemon = Daemon::follow(&[&a, &b]);
        let live = format!("/ws?format=json&file=a.log&file=b.log&lines=0&after={id}");
        let mut clients = [daemon.websocket(&live), daemon.websocket(&live)];
        let mut seen = [Vec::new(), Vec::new()];
        // Both have all there is, and are live.
        append(&b, "live\n");
        for (client, seen) in clients.iter_mut().zip(&mut seen) {
            let mut last = Value::Null;
            while last["line"] != "live" {
                last = client.json();
                seen.extend(word(&last));
            }
        }
        comes(&logs);
        for (client, mut seen) in clients.iter_mut().zip(seen) {
            while seen.len() < got.len() {
                seen.extend(word(&client.json()));
            }
            assert_eq!(seen, got);
        }
    }
}

/// The line of `a.log` or the event that the object tells.
fn word(object: &Value) -> Option<String> {
    let text = |field: &str| object[field].as_str().map(str::to_owned);
    if object["file"] != "a.log" || object["event"] == "missing" {
        return None;
    }
    match text("reason") {
        Some(reason) => Some(format!("{}: {reason}", text("event")?)),
        None => text("line").or_else(|| text("event")),
    }
}

#[test]
fn the_id_of_a_missing_file_stays_what_it_was_until_it_comes() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "one\n"), logs.file("b.log", "b\n"));
    let mut daemon = Daemon::follow(&[&a, &b]);
    let id = ids(&daemon, "a.log").remove(0);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    fs::remove_file(&a).expect("deleted");
    let daemon = Daemon::follow(&[&a, &b]);
    let events = daemon.get(&format!("/events?follow=false&lines=1&after={id}"));
    let events = events.text();
    let last = last_id(&events);
    assert!(last.contains(&id), "{last}");
    append(&a, "new\n");
    let objects = daemon.get(&format!("/stream?format=json&follow=false&after={last}"));
    let objects = objects.text();
    let objects = objects
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let seen: Vec<String> = objects.filter_map(|object| word(&object)).collect();
    assert_eq!(seen, ["start", "gap: id not found", "new", "end"]);
}

#[test]
fn a_filtered_stream_of_several_files_that_is_cut_off_anywhere_misses_and_doubles_nothing() {
    const STAYS: usize = 60;
    const LINES_EACH: usize = 30;
    let logs = Logs::new();
    let files = [logs.file("a.log", ""), logs.file("b.log", "")];
    let daemon = Daemon::with(&["--ping-interval", "0.01"], &[&files[0], &files[1]]);
    let mut client = Reconnects::default();
    let mut number = 0;
    let mut write = |last: bool| {
        for _ in 0..LINES_EACH {
            append(&files[number / 3 % 2], format!("{number}\n"));
            number += 1;
        }
        // A rotation now and then, of one file alone.
        if number % 600 == 0 {
            let old = logs.path(&format!("a.log.{}", 99 - number / 600));
            fs::rename(&files[0], old).expect("rotate");
        }
        if last {
            append(&files[0], "end 7\n");
            append(&files[1], "end 7\n");
        }
    };
    let ends = |client: &Reconnects| {
        let is_end = |object: &&Value| object["line"] == "end 7";
        client.seen.iter().filter(is_end).count()
    };
    let mut cut = 1;
    for stay in 1.. {
        if stay <= STAYS {
            write(false);
        }
        let after = &client.last_id;
        let mut live = daemon.live(&format!("/events?lines=all&grep=7$&after={after}"));
        if stay <= STAYS {
            write(stay == STAYS);
        }
        // Short and long stays, each cut at another place of a block. Heartbeats come where nothing else does.
        cut = cut * 31 % 61;
        for _ in 0..cut {
            client.take(live.line().trim_end_matches('\n'));
        }
        client.data.clear();
        if ends(&client) >= 2 {
            break;
        }
        assert!(stay < 3 * STAYS, "it does not get to the end");
    }
    for (index, name) in ["a.log", "b.log"].into_iter().enumerate() {
        let lines = client.seen.iter().filter(|object| object["file"] == name);
        let lines: Vec<&str> = lines.filter_map(|object| object["line"].as_str()).collect();
        let mut expected: Vec<String> = (0..number)
            .filter(|number| number % 10 == 7 && number / 3 % 2 == index)
            .map(|number| number.to_string())
            .collect();
        expected.push("end 7".to_owned());
        assert_eq!(lines, expected, "{name}");
    }
}
