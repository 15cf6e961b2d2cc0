//! What is published at a broker as a FILE of another tailcast: each line once, whatever is killed.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::broker::Broker;
use crate::support::gate::{Gate, free_port};
use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, append, finish, program, wait_until};
use crate::{PATIENCE, publisher, write_lines};

fn line(n: usize) -> String {
    crate::line(n).trim_end().to_owned()
}

/// A daemon that follows what is published at `port`, with its spools in `logs`.
fn follower(logs: &Logs, port: u16, before: &str) -> Daemon {
    let url = format!("{before}mqtt://127.0.0.1:{port}/logs/#");
    let spools = logs.path("spools");
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "--spool-dir"])
        .arg(spools)
        .arg(url);
    Daemon::start(command)
}

fn files(daemon: &Daemon) -> Vec<Value> {
    let files: Value = serde_json::from_str(&daemon.get("/files").text()).expect("JSON");
    files.as_array().expect("a list").clone()
}

/// The name of its one file that ends so, once it is there.
fn name_of(daemon: &Daemon, end: &str) -> String {
    let name = || {
        let files = files(daemon);
        let mut names = files.iter().filter_map(|file| file["name"].as_str());
        names.find(|name| name.ends_with(end)).map(str::to_owned)
    };
    assert!(
        wait_until(PATIENCE, || name().is_some()),
        "{:?}",
        daemon.said_so_far()
    );
    name().expect("it is there")
}

fn next_line(client: &mut Client) -> Value {
    client.json_with("line")
}

/// All lines of a file, by their numbers.
fn numbers(daemon: &Daemon, name: &str) -> Vec<usize> {
    let text = daemon
        .get(&format!("/stream?follow=false&lines=all&file={name}"))
        .text();
    let number = |line: &str| line.split(' ').nth(1).and_then(|n| n.parse().ok());
    text.lines()
        .map(|line| number(line).unwrap_or_else(|| panic!("no line of ours: {line}")))
        .collect()
}

#[test]
fn what_is_published_is_followed_by_host_and_name_with_status_and_events() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let daemon = follower(&logs, broker.port, "");
    assert!(daemon.says("following mqtt://"));
    let log = logs.file("app.log", "");
    let mut publishes = publisher(&log, broker.port, &["--publish-from-start"]);
    write_lines(&log, 0..3);
    let name = name_of(&daemon, "/app.log");
    let mut client = daemon.websocket(&format!("/ws?format=json&lines=all&file={name}"));
    for n in 0..3 {
        assert_eq!(next_line(&mut client)["line"], line(n));
    }
    let shown = &files(&daemon)[0];
    assert_eq!(
        (&shown["kind"], &shown["state"]),
        (&"broker".into(), &"ok".into())
    );
    std::fs::rename(&log, log.with_extension("log.1")).expect("renamed");
    append(&log, line(3) + "\n");
    assert_eq!(client.json_with("event")["event"], "rotated");
    assert_eq!(next_line(&mut client)["line"], line(3));
    publishes.signal(Signal::SIGTERM);
    assert!(publishes.ended(DEADLINE).is_some());
    let away = client.json_with("event");
    assert_eq!(
        (&away["event"], &away["reason"]),
        (&"away".into(), &"its publisher is offline".into())
    );
    drop(publishes);
    let _publishes = publisher(&log, broker.port, &[]);
    assert_eq!(client.json_with("event")["event"], "back");
    append(&log, line(4) + "\n");
    assert_eq!(next_line(&mut client)["line"], line(4));
}

#[test]
fn a_name_before_the_url_stands_before_the_host() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let daemon = follower(&logs, broker.port, "site=");
    let log = logs.file("app.log", "");
    let _publishes = publisher(
        &log,
        broker.port,
        &["--publish-from-start", "--publish-format", "json"],
    );
    write_lines(&log, 0..2);
    let name = name_of(&daemon, "/app.log");
    assert!(name.starts_with("site/"), "{name}");
    assert!(wait_until(PATIENCE, || numbers(&daemon, &name) == [0, 1]));
}

#[test]
fn every_line_comes_once_however_publisher_follower_and_connections_are_killed() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(
        &logs.path(""),
        "allow_anonymous true\nmax_queued_messages 0\n",
    );
    let (to_publisher, to_follower) = (Gate::to(broker.port), Gate::to(broker.port));
    let log = logs.file("app.log", "");
    let mut daemon = follower(&logs, to_follower.port, "");
    assert!(daemon.says("following mqtt://"));
    let mut publishes = publisher(&log, to_publisher.port, &["--publish-from-start"]);
    let mut written = 0;
    let mut id = String::new();
    let mut expected = 0;
    for round in 0..8 {
        write_lines(&log, written..written + 400);
        written += 400;
        let name = name_of(&daemon, "/app.log");
        let target = match id.as_str() {
            "" => format!("/ws?format=json&lines=all&file={name}"),
            id => format!("/ws?format=json&after={id}&file={name}"),
        };
        let mut client = daemon.websocket(&target);
        // A part of what is on its way, and then something is killed.
        let stop_at = written - 100 * (round % 4);
        while expected < stop_at {
            let got = client.json();
            assert_ne!(got["event"], "gap", "round {round}: {got}");
            id = got["id"].as_str().map_or(id, str::to_owned);
            let Some(text) = got["line"].as_str() else {
                continue;
            };
            assert_eq!(text, line(expected), "round {round}");
            expected += 1;
        }
        match round % 4 {
            0 => {
                publishes.signal(Signal::SIGKILL);
                assert!(publishes.ended(DEADLINE).is_some());
                publishes = publisher(&log, to_publisher.port, &[]);
            }
            1 => {
                daemon.signal(Signal::SIGKILL);
                assert!(daemon.ended(DEADLINE).is_some());
                daemon = follower(&logs, to_follower.port, "");
            }
            2 => {
                to_publisher.shut();
                to_publisher.open();
            }
            _ => {
                to_follower.shut();
                to_follower.open();
            }
        }
    }
    write_lines(&log, written..written + 10);
    written += 10;
    let name = name_of(&daemon, "/app.log");
    let has_all = || numbers(&daemon, &name).last() == Some(&(written - 1));
    assert!(wait_until(PATIENCE, has_all), "{:?}", daemon.said_so_far());
    assert_eq!(numbers(&daemon, &name), (0..written).collect::<Vec<_>>());
}

#[test]
fn every_line_comes_once_and_in_order_or_a_gap_is_told_however_the_broker_ends() {
    const FILES: usize = 5;
    let is_long = std::env::var_os("TAILCAST_SOAK_SECONDS").is_some();
    let (lines, rounds) = if is_long { (200_000, 40) } else { (6_000, 4) };
    let logs = Logs::new();
    let port = free_port();
    // Each change is on the disk before the next is looked at.
    let conf = "user root\nallow_anonymous true\npersistence true\nautosave_interval 1\nautosave_on_changes true\n\
                max_queued_messages 0\n";
    let database = format!("{conf}persistence_location {}/\n", logs.path("").display());
    let start = || Broker::mosquitto_at(&logs.path(""), &database, port);
    let mut broker = start();
    let (to_publisher, to_follower) = (Gate::to(port), Gate::to(port));
    let path = |file: usize| logs.path(&format!("{file}.log"));
    (0..FILES).for_each(|file| drop(std::fs::File::create(path(file)).expect("a log")));
    let pattern = logs.path("?.log");
    let publish = |options: &[&str]| {
        let url = format!("mqtt://127.0.0.1:{}/logs", to_publisher.port);
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--publish", &url, "--state-dir"]);
        command.arg(logs.path("state")).args(options).arg(&pattern);
        Daemon::start(command)
    };
    let mut daemon = follower(&logs, to_follower.port, "");
    assert!(daemon.says("following mqtt://"));
    let mut publishes = publish(&["--publish-from-start"]);
    let each = lines / FILES / rounds;
    let mut was_killed = false;
    for round in 0..rounds {
        for file in 0..FILES {
            write_lines(&path(file), round * each..(round + 1) * each);
        }
        match round % 4 {
            0 => {
                broker.stop();
                broker = start();
            }
            1 => {
                publishes.signal(Signal::SIGKILL);
                assert!(publishes.ended(DEADLINE).is_some());
                publishes = publish(&[]);
                to_follower.shut();
                to_follower.open();
            }
            2 => {
                daemon.signal(Signal::SIGKILL);
                assert!(daemon.ended(DEADLINE).is_some());
                daemon = follower(&logs, to_follower.port, "");
                to_publisher.shut();
                to_publisher.open();
            }
            _ => {
                was_killed = true;
                broker.kill();
                broker = start();
            }
        }
    }
    for file in 0..FILES {
        // What is written when all is up again comes through. A broker that forgot its sessions is up before we are back.
        let mut written = rounds * each;
        let comes = || {
            write_lines(&path(file), written..written + 1);
            written += 1;
            let shown = || {
                let all = files(&daemon);
                let mut names = all.iter().filter_map(|file| file["name"].as_str());
                let name = names.find(|name| name.ends_with(&format!("/{file}.log")));
                name.is_some_and(|name| numbers(&daemon, name).last() == Some(&(written - 1)))
            };
            wait_until(Duration::from_secs(5), shown)
        };
        assert!(
            wait_until(PATIENCE, comes),
            "{file}: {:?}",
            daemon.said_so_far()
        );
        let last = written - 1;
        let name = name_of(&daemon, &format!("/{file}.log"));
        let shown = numbers(&daemon, &name);
        assert!(
            shown.is_sorted_by(|a, b| a < b),
            "{file}: doubled, or not in order"
        );
        let is_whole = shown.len() == last + 1;
        // A broker that is killed may have acknowledged what it had not written down.
        assert!(is_whole || was_killed, "{file}: {} of {last}", shown.len());
        let holes = shown
            .windows(2)
            .filter(|pair| pair[1] != pair[0] + 1)
            .count();
        let json = daemon.get(&format!(
            "/stream?follow=false&lines=all&format=json&file={name}"
        ));
        let gaps = json.text().matches("\"event\":\"gap\"").count();
        assert!(gaps >= holes, "{file}: {holes} holes and {gaps} gaps");
    }
}

#[test]
fn a_publisher_that_begins_far_back_doubles_nothing_also_after_our_own_restart() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let log = logs.file("app.log", "");
    let mut daemon = follower(&logs, broker.port, "");
    let mut publishes = publisher(&log, broker.port, &["--publish-from-start"]);
    let (state, old) = (crate::state_dir(&log), logs.path("old-state"));
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to).expect("a directory");
        for entry in std::fs::read_dir(from).expect("a directory").flatten() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    };
    write_lines(&log, 0..10);
    let name = name_of(&daemon, "/app.log");
    let arrive = |daemon: &Daemon, last: usize| {
        let has = || numbers(daemon, &name).last() == Some(&last);
        assert!(
            wait_until(PATIENCE, has),
            "{last}: {:?}",
            daemon.said_so_far()
        );
    };
    arrive(&daemon, 9);
    copy(&state, &old);
    // Each in a message of its own, and more of them than anyone would remember.
    for n in 10..60 {
        write_lines(&log, n..n + 1);
        arrive(&daemon, n);
    }
    for (round, is_rotated) in [true, false].into_iter().enumerate() {
        let next = 60 + 10 * round;
        publishes.signal(Signal::SIGKILL);
        assert!(publishes.ended(DEADLINE).is_some());
        copy(&old, &state);
        if is_rotated {
            std::fs::rename(&log, log.with_extension("log.1")).expect("renamed");
        }
        daemon.signal(Signal::SIGKILL);
        assert!(daemon.ended(DEADLINE).is_some());
        daemon = follower(&logs, broker.port, "");
        write_lines(&log, next..next + 10);
        publishes = publisher(&log, broker.port, &[]);
        arrive(&daemon, next + 9);
        assert_eq!(numbers(&daemon, &name), (0..next + 10).collect::<Vec<_>>());
    }
    let all = daemon.get(&format!(
        "/stream?follow=false&lines=all&format=json&file={name}"
    ));
    assert!(!all.text().contains("gap"), "{}", all.text());
}

#[test]
fn what_the_broker_did_not_deliver_is_a_gap() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(
        &logs.path(""),
        "allow_anonymous true\nmax_queued_messages 2\nmax_inflight_messages 1\n",
    );
    let log = logs.file("app.log", "");
    let mut daemon = follower(&logs, broker.port, "");
    let publishes = publisher(&log, broker.port, &["--publish-from-start"]);
    write_lines(&log, 0..1);
    let name = name_of(&daemon, "/app.log");
    assert!(wait_until(PATIENCE, || numbers(&daemon, &name) == [0]));
    let mut client = daemon.websocket(&format!("/ws?format=json&lines=all&file={name}"));
    let id = next_line(&mut client)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    // Nobody is there, and the broker keeps only a few of these messages.
    for n in 1..30 {
        write_lines(&log, n..n + 1);
        let sent = || {
            let metrics = publishes.get("/metrics").text();
            let mut lines = metrics.lines();
            let count = lines.find(|line| line.starts_with("tailcast_publish_lines_total{"));
            count.is_some_and(|count| count.ends_with(&format!(" {}", n + 1)))
        };
        assert!(
            wait_until(PATIENCE, sent),
            "{}",
            publishes.get("/metrics").text()
        );
    }
    let daemon = follower(&logs, broker.port, "");
    write_lines(&log, 30..31);
    assert!(wait_until(PATIENCE, || numbers(&daemon, &name).contains(&30)));
    let mut client = daemon.websocket(&format!("/ws?format=json&after={id}&file={name}"));
    let mut gaps = 0;
    loop {
        let got = client.json();
        gaps += usize::from(got["event"] == "gap");
        if got["line"] == line(30) {
            break;
        }
    }
    let shown = numbers(&daemon, &name);
    assert!(shown.len() < 31 && shown.is_sorted(), "{shown:?}");
    assert!(gaps > 0, "lines are missing without a word: {shown:?}");
    // And so after a restart.
    drop(daemon);
    let daemon = follower(&logs, broker.port, "");
    let all = || {
        let target = format!("/stream?follow=false&lines=all&format=json&file={name}");
        daemon.get(&target).text()
    };
    let told = || all().matches("\"event\":\"gap\"").count() >= gaps;
    assert!(wait_until(PATIENCE, told), "{}", all());
}

#[test]
fn a_broker_that_refuses_or_is_none_costs_a_line_and_nothing_else() {
    let logs = Logs::new();
    let log = logs.file("a.log", "x\n");
    let password = logs.path("passwords");
    std::fs::write(&password, "").expect("written");
    let broker = Broker::mosquitto(&logs.path(""), "allow_anonymous false\n");
    let web = Daemon::follow(&[&log]);
    for (port, said) in [(broker.port, "--credentials-file"), (web.port, "is away")] {
        let mut command = program();
        command
            .args(["--listen", "127.0.0.1:0", "--spool-dir"])
            .arg(logs.path("other"));
        command.arg(format!("mqtt://127.0.0.1:{port}/#")).arg(&log);
        let daemon = Daemon::start(command);
        assert!(daemon.says(said), "{:?}", daemon.said_so_far());
        assert_eq!(daemon.said_with("is away").len(), 1);
        assert_eq!(daemon.get("/stream?follow=false&file=a.log").text(), "x\n");
    }
    let mut command = program();
    command.arg("mqtt://u:p@h/#");
    let refused = finish(command);
    let line = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        (refused.status.code(), line.lines().count()),
        (Some(2), 1),
        "{line}"
    );
    assert!(line.contains("--credentials-file"), "{line}");
}
