//! Another tailcast as a FILE: each line once and in order over kills of either side, its events, and what is refused.

mod bytes;
mod chain;
mod many;
mod misbehaving;

use std::path::Path;

use serde_json::Value;

use crate::support::gate::free_port;
use crate::support::{DEADLINE, Daemon, Logs, append, program, wait_until};

/// A daemon with options and FILEs that need not be paths.
fn start(options: &[&str], files: &[&str]) -> Daemon {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0"]);
    command.args(options).args(files);
    Daemon::start(command)
}

/// A daemon on the port of another that has ended.
fn again_on(port: u16, options: &[&str], files: &[&str]) -> Daemon {
    let mut command = program();
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.args(options).args(files);
    Daemon::start(command)
}

fn of(name: &str, other: &Daemon) -> String {
    format!("{name}=http://127.0.0.1:{}/", other.port)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The files that it has, by name.
fn files(daemon: &Daemon) -> Vec<Value> {
    let answer = daemon.get("/files").text();
    let files: Vec<Value> = serde_json::from_str(&answer).expect("JSON");
    files
}

fn names(daemon: &Daemon) -> Vec<String> {
    let name = |file: &Value| file["name"].as_str().expect("a name").to_owned();
    files(daemon).iter().map(name).collect()
}

fn state(daemon: &Daemon, name: &str) -> String {
    let files = files(daemon);
    let file = files.iter().find(|file| file["name"] == name);
    file.map_or_else(String::new, |file| file["state"].to_string())
}

#[track_caller]
fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(2 * DEADLINE, condition), "never: {what}");
}

#[test]
fn its_files_are_ours_under_its_name_with_what_happens_to_them() {
    let logs = Logs::new();
    let syslog = logs.file("syslog", "1\n2\n");
    let pattern = logs.path("app-*.log");
    let web1 = start(&[], &[text(&syslog), text(&pattern)]);
    let hub = start(&[], &[&of("web1", &web1)]);
    let read = |target: &str| hub.get(target).text();
    until("its history", || {
        read("/stream?follow=false") == "==> web1/syslog <==\n1\n2\n"
    });
    let all = files(&hub);
    assert_eq!(
        (&all[0]["kind"], &all[0]["state"]),
        (&"upstream".into(), &"ok".into())
    );

    let mut client = hub.websocket("/ws?format=json&lines=0");
    assert_eq!(client.json_with("event")["event"], "start");
    append(&syslog, "3\n");
    assert_eq!(client.json_with("line")["line"], "3");
    std::fs::rename(&syslog, logs.path("syslog.1")).expect("rotate");
    append(&syslog, "4\n");
    let event = client.json_with("event");
    assert_eq!(
        (&event["event"], &event["file"]),
        (&"rotated".into(), &"web1/syslog".into())
    );
    assert_eq!(client.json_with("line")["line"], "4");

    // It is counted as what it asked for.
    let counted = "tailcast_clients{stream=\"ws\",format=\"batch\",state=\"live\"} 1\n";
    until("it is counted", || {
        web1.get("/metrics").text().contains(counted)
    });

    // A file that comes later is taken from its first byte.
    logs.file("app-1.log", "new\n");
    until("a file that comes later", || {
        names(&hub).contains(&"web1/app-1.log".to_owned())
    });
    until("its line", || {
        read("/stream?file=web1/app-1.log&follow=false") == "new\n"
    });
}

#[test]
fn a_file_that_is_missing_there_is_missing_here() {
    let logs = Logs::new();
    let (log, other) = (logs.file("a.log", "1\n"), logs.file("b.log", "1\n"));
    let web1 = start(&[], &[text(&log), text(&other)]);
    let hub = start(&[], &[&of("web1", &web1)]);
    let is = |word: &str| state(&hub, "web1/a.log") == format!("\"{word}\"");
    until("its file", || is("ok"));
    std::fs::remove_file(&log).expect("deleted");
    until("it is missing", || is("missing"));
    let all = files(&hub);
    let file = all.iter().find(|file| file["name"] == "web1/a.log");
    let file = file.expect("it is known");
    assert_eq!(file["present"], false);
    assert!(file["reason"].is_string(), "{file}");
    assert_eq!(state(&hub, "web1/b.log"), "\"ok\"");
    append(&log, "2\n");
    until("it is back", || is("ok"));
}

#[test]
fn an_other_that_is_away_is_told_and_goes_on_where_it_was() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let other = start(&[], &[text(&log)]);
    let port = other.port;
    let hub = start(&[], &[&of("web1", &other)]);
    until("its file", || state(&hub, "web1/a.log") == "\"ok\"");
    let mut client = hub.websocket("/ws?format=json&lines=1");
    assert_eq!(client.json_with("line")["line"], "1");
    drop(other);
    let away = client.json_with("event");
    assert_eq!(away["event"], "away");
    assert!(
        away["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty())
    );
    assert_eq!(state(&hub, "web1/a.log"), "\"away\"");
    // Who comes now is told behind the history.
    let mut late = hub.websocket("/ws?format=json&lines=1");
    assert_eq!(late.json_with("line")["line"], "1");
    assert_eq!(late.json_with("event")["event"], "away");

    append(&log, "2\n");
    let _other = again_on(port, &[], &[text(&log)]);
    append(&log, "3\n");
    assert_eq!(client.json_with("event")["event"], "back");
    for n in ["2", "3"] {
        assert_eq!(client.json_with("line")["line"], n);
    }
    assert!(hub.says("is back"));
    let metrics = hub.get("/metrics").text();
    assert!(
        metrics.contains("tailcast_upstream_up{upstream=\"web1\"} 1"),
        "{metrics}"
    );
}

#[test]
fn its_names_and_lines_outlive_a_restart_of_ours_while_it_is_down() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let spools = logs.path("spools");
    let options = ["--spool-dir", text(&spools)];
    let other = start(&[], &[text(&log)]);
    let (port, file) = (other.port, of("web1", &other));
    let hub = start(&options, &[&file]);
    let read = |hub: &Daemon, target: &str| hub.get(target).text();
    until("its lines", || {
        read(&hub, "/stream?file=web1/a.log&follow=false") == "1\n2\n3\n"
    });
    let json = read(&hub, "/stream?file=web1/a.log&follow=false&format=json");
    let second = json
        .lines()
        .find(|line| line.contains("\"line\":\"2\""))
        .expect("a line");
    let second: Value = serde_json::from_str(second).expect("JSON");
    let after = format!(
        "/stream?file=web1/a.log&follow=false&after={}",
        second["id"].as_str().expect("an id")
    );
    drop(other);
    drop(hub);

    let hub = start(&options, &[&file]);
    assert_eq!(names(&hub), ["web1/a.log"]);
    assert_eq!(read(&hub, &after), "3\n");
    append(&log, "4\n");
    let _other = again_on(port, &[], &[text(&log)]);
    until("what came meanwhile", || read(&hub, &after) == "3\n4\n");
    assert_eq!(
        read(&hub, "/stream?file=web1/a.log&lines=9&follow=false"),
        "1\n2\n3\n4\n"
    );
}

#[test]
fn its_rotations_and_truncations_stand_among_its_lines_for_who_comes_later() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let spools = logs.path("spools");
    let options = ["--spool-dir", text(&spools)];
    let other = start(&[], &[text(&log)]);
    let file = of("web1", &other);
    let hub = start(&options, &[&file]);
    let mut client = hub.websocket("/ws?format=json");
    let mut comes = |line: &str| assert_eq!(client.json_with("line")["line"], line);
    comes("1");
    std::fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "2\n");
    comes("2");
    std::fs::write(&log, "").expect("truncate");
    append(&log, "3\n4\n");
    comes("3");
    comes("4");

    let what = |message: &Value| match &message["event"] {
        Value::Null => message["line"].clone(),
        event => event.clone(),
    };
    let told = |hub: &Daemon, query: &str| {
        let json = hub.get(&format!("/stream?follow=false&format=json{query}"));
        let lines = json.text();
        let all = lines.lines().map(serde_json::from_str);
        all.collect::<Result<Vec<Value>, _>>().expect("JSON")
    };
    let words = |all: &[Value]| all.iter().map(what).collect::<Vec<_>>();
    let all = told(&hub, "&lines=all");
    let want = ["start", "1", "rotated", "2", "truncated", "3", "4", "end"];
    assert_eq!(words(&all), want);
    let after = |at: usize| format!("&after={}", all[at]["id"].as_str().expect("an id"));
    for at in [1, 3] {
        let got = told(&hub, &after(at));
        assert_eq!(words(&got)[1..], want[at + 1..], "{}", after(at));
    }
    assert_eq!(words(&told(&hub, "&lines=1")), ["start", "4", "end"]);
    // Who comes while the other is away is told of what lasts in its place.
    drop(other);
    drop(hub);
    let hub = start(&options, &[&file]);
    until("it is away", || state(&hub, "web1/a.log") == "\"away\"");
    let got = told(&hub, &after(1));
    let [.., last, end] = &got[..] else {
        panic!("{got:?}")
    };
    assert_eq!((what(last), what(end)), ("away".into(), "end".into()));
    assert_eq!(words(&got[1..got.len() - 2]), want[2..want.len() - 1]);
}

#[test]
fn those_who_follow_each_other_in_a_circle_are_told_and_nothing_goes_round() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\n");
    let ports = [free_port(), free_port()];
    let url = |port: u16| format!("http://127.0.0.1:{port}/");
    let a = again_on(
        ports[0],
        &[],
        &[text(&log), &format!("b={}", url(ports[1]))],
    );
    let b = again_on(ports[1], &[], &[&format!("a={}", url(ports[0]))]);
    until("a refusal", || {
        let told = |daemon: &Daemon| {
            let told = daemon.said_with("409");
            assert!(told.iter().all(|line| !line.contains('…')), "{told:?}");
            !told.is_empty()
        };
        told(&a) || told(&b)
    });
    until("what is no circle", || {
        names(&b).contains(&"a/a.log".to_owned())
    });
    append(&log, "two\n");
    until("its lines", || {
        b.get("/stream?file=a/a.log&follow=false").text() == "one\ntwo\n"
    });
    assert!(
        !names(&a).contains(&"b/a/b/a/a.log".to_owned()),
        "{:?}",
        names(&a)
    );
}

#[test]
fn a_token_comes_from_the_credentials_file_and_narrow_tokens_open_other_hosts_files() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\n");
    let tokens = logs.file("tokens", "a-token-of-enough-length\n");
    let other = start(&["--token-file", text(&tokens)], &[text(&log)]);
    let credentials = logs.file("credentials", "127.0.0.1 a-token-of-enough-length\n");
    let narrow = logs.file(
        "narrow",
        "a-token-for-web1-alone file=web1/*\na-token-for-web2-alone file=web2/*\na-token-for-everything\n",
    );
    let options = [
        "--credentials-file",
        text(&credentials),
        "--token-file",
        text(&narrow),
    ];
    let hub = start(&options, &[&of("web1", &other)]);
    let files = |token: &str| hub.get(&format!("/files?token={token}")).text();
    until("its file", || {
        files("a-token-for-everything").contains("web1/a.log")
    });
    assert!(files("a-token-for-web1-alone").contains("web1/a.log"));
    assert_eq!(files("a-token-for-web2-alone").trim(), "[]");
}
