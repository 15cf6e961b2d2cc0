//! What publishing promises, against real brokers: every line at least once and in order, whatever happens to the
//! broker, to the daemon and to the files; trouble told once; no memory for a broker that is away.

#![allow(
    clippy::print_stdout,
    reason = "rates and repeats are measured, and shown with --nocapture"
)]

#[path = "../browser/mod.rs"]
mod browser;
#[path = "../support/mod.rs"]
mod support;

mod broker;
mod subscriber;

mod outages;
mod recipes;
mod refusals;
mod sources;
mod strangers;
mod throughput;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::broker::Broker;
use crate::subscriber::{Consumer, Inbox, Subscriber};
use crate::support::gate::Gate;
use crate::support::{Daemon, Logs, append};

/// Long enough for a busy machine, and for the longest back-off.
const PATIENCE: Duration = Duration::from_secs(90);

/// A daemon that publishes what comes to `path` below `logs` on the broker at `port`.
fn publisher(path: &Path, port: u16, options: &[&str]) -> Daemon {
    let url = format!("mqtt://127.0.0.1:{port}/logs");
    let state = state_dir(path);
    let mut all = vec![
        "--publish",
        &url,
        "--state-dir",
        state.to_str().expect("a path in UTF-8"),
    ];
    all.extend(options);
    Daemon::with(&all, &[path])
}

/// The project's own script of that name.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts/brokers")
        .join(name)
}

fn state_dir(path: &Path) -> PathBuf {
    path.with_extension("state")
}

/// Line number `n`, with its newline.
fn line(n: usize) -> String {
    format!(
        "line {n:07} of the log, which is as long as such lines are, give or take: 0123456789\n"
    )
}

/// Appends the lines of `numbers` to `path`, some at a time.
fn write_lines(path: &Path, numbers: std::ops::Range<usize>) {
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("open a log");
    let mut text = String::new();
    for n in numbers.clone() {
        text.push_str(&line(n));
        if n % 500 == 499 || n + 1 == numbers.end {
            file.write_all(text.as_bytes()).expect("append to a log");
            text.clear();
        }
    }
}

/// That `lines` are these, each once and in order.
fn expect(lines: &[String], numbers: std::ops::Range<usize>) {
    let first_wrong = lines
        .iter()
        .zip(numbers.clone())
        .find(|(have, n)| **have != line(*n).trim_end());
    assert_eq!(first_wrong, None, "a line is not where it belongs");
    assert_eq!(lines.len(), numbers.len(), "lines are missing");
}

fn publishes_all(port: u16, version: &str) {
    const LINES: usize = 200_000;
    let logs = Logs::new();
    let log = logs.file("app.log", "an old line\n");
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(port, version, "logs/#", &inbox);
    let daemon = publisher(&log, port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&log, 0..LINES);
    let messages = inbox.until(PATIENCE, "line 0199999");
    let consumer = Consumer::of(&messages);
    expect(&consumer.lines, 0..LINES);
    assert_eq!(
        consumer.repeats, 0,
        "nothing has happened that makes repeats"
    );
    assert!(consumer.has_event("start"));
    // In RabbitMQ a dot and a slash are the same.
    let host = nix::unistd::gethostname()
        .expect("a host name")
        .into_string()
        .expect("in UTF-8");
    let topic = &messages.last().expect("a message").topic;
    assert_eq!(topic.replace('/', "."), format!("logs.{host}.app.log"));
}

#[test]
fn mosquitto_gets_200_000_lines_none_missing_and_in_order() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    publishes_all(broker.port, "mqttv5");
}

#[test]
fn rabbitmq_gets_200_000_lines_none_missing_and_in_order() {
    let logs = Logs::new();
    let broker = Broker::rabbitmq(&logs.path(""));
    publishes_all(broker.port, "mqttv311");
}

#[test]
fn the_daemon_says_online_and_the_broker_offline_when_it_is_gone() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let log = logs.file("app.log", "");
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/status", &inbox);
    let daemon = publisher(&log, broker.port, &[]);
    let statuses = |n: usize| {
        let messages = inbox.wait(PATIENCE, |messages| messages.len() >= n);
        messages
            .into_iter()
            .map(|message| message.payload)
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses(1), ["online"]);
    // kill -9: the will.
    drop(daemon);
    assert_eq!(statuses(2), ["online", "offline"]);
    let mut daemon = publisher(&log, broker.port, &[]);
    assert_eq!(statuses(3)[2..], ["online"]);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = daemon.ended(support::DEADLINE).expect("it ends");
    assert!(ended.success());
    assert_eq!(statuses(4)[3..], ["offline"]);
    // It is retained, for those who come later.
    let later = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/status", &later);
    assert_eq!(later.find(PATIENCE, |_| true).payload, "offline");
}

#[test]
fn a_stop_publishes_what_there_is_and_a_start_goes_on_behind_it() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let log = logs.file("app.log", "old\n");
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
    let mut daemon = publisher(&log, broker.port, &["--publish-format", "text"]);
    assert!(daemon.says("publishing to mqtt://"));
    append(&log, "one\n");
    inbox.find(PATIENCE, |message| message.payload == "one");
    append(&log, "two\nthree\n");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(daemon.ended(support::DEADLINE).expect("it ends").success());
    append(&log, "four\n");
    let _daemon = publisher(&log, broker.port, &["--publish-format", "text"]);
    let messages = inbox.until(PATIENCE, "four");
    let lines: Vec<_> = messages
        .iter()
        .map(|message| message.payload.as_str())
        .collect();
    assert_eq!(lines, ["one", "two", "three", "four"]);
    assert!(
        messages.iter().all(|message| message.id.is_some()),
        "each has its id"
    );
}

#[test]
fn a_file_is_published_from_its_start_where_that_is_asked_for() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let log = logs.file("app.log", "one\ntwo\n");
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
    let options = ["--publish-from-start", "--publish-format", "json"];
    let _daemon = publisher(&log, broker.port, &options);
    let messages = inbox.until(PATIENCE, "two");
    let objects: Vec<_> = messages.iter().map(subscriber::Message::json).collect();
    assert_eq!(objects[0]["event"], "start");
    assert_eq!(
        (&objects[1]["line"], &objects[2]["line"]),
        (&"one".into(), &"two".into())
    );
    for (message, object) in messages.iter().zip(&objects) {
        assert_eq!(object["id"].as_str(), message.id.as_deref());
    }
}

#[test]
fn what_is_larger_than_the_broker_takes_is_split_and_a_line_that_alone_is_larger_is_a_gap() {
    let logs = Logs::new();
    let more = "allow_anonymous true\nmax_packet_size 3000\n";
    let broker = Broker::mosquitto(&logs.path(""), more);
    let log = logs.file("app.log", "");
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
    let daemon = publisher(&log, broker.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&log, 0..1000);
    append(&log, format!("{}\n", "x".repeat(5000)));
    write_lines(&log, 1000..1001);
    let consumer = Consumer::of(&inbox.until(PATIENCE, "line 0001000"));
    expect(&consumer.lines, 0..1001);
    let gap = consumer
        .events
        .iter()
        .find(|event| event["event"] == "gap")
        .expect("a gap");
    assert_eq!(gap["lost"], 5001);
    assert!(daemon.says("5001 bytes are left out"));
}

#[test]
fn metrics_tell_what_a_broker_has_and_what_it_lacks() {
    let scene = Scene::new();
    let daemon = publisher(&scene.log, scene.gate.port, &[]);
    let url = format!("mqtt://127.0.0.1:{}/logs", scene.gate.port);
    let becomes = |name: &str, value: u64| {
        let line = format!("tailcast_publish_{name}{{broker=\"{url}\"}} {value}");
        let told = || {
            daemon
                .get("/metrics")
                .text()
                .lines()
                .any(|told| told == line)
        };
        assert!(support::wait_until(PATIENCE, told), "never: {line}");
    };
    becomes("connected", 1);
    write_lines(&scene.log, 0..100);
    becomes("lines_total", 100);
    becomes("lag_bytes", 0);
    becomes("in_flight", 0);
    scene.gate.shut();
    becomes("connected", 0);
    write_lines(&scene.log, 100..200);
    becomes("lag_bytes", 100 * line(0).len() as u64);
    scene.gate.open();
    becomes("connections_total", 2);
    becomes("lines_total", 200);
    becomes("lag_bytes", 0);
}

/// A way to a Mosquitto that can be shut, a log, and a subscriber behind the gate.
struct Scene {
    _logs: Logs,
    log: PathBuf,
    broker: Broker,
    gate: Gate,
    inbox: Inbox,
    _subscriber: Subscriber,
}

impl Scene {
    fn new() -> Scene {
        let logs = Logs::new();
        let broker = Broker::mosquitto(&logs.path(""), "");
        let gate = Gate::to(broker.port);
        let inbox = Inbox::default();
        let subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
        let log = logs.file("app.log", "");
        Scene {
            _logs: logs,
            log,
            broker,
            gate,
            inbox,
            _subscriber: subscriber,
        }
    }
}

fn resident_bytes(daemon: &Daemon) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a VmRSS") * 1024
}
