//! Outages: of the broker, of the daemon, and what happens to the files meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::subscriber::{Consumer, Inbox, Subscriber};
use crate::support::gate::Gate;
use crate::support::{Daemon, Logs, append, wait_until};
use crate::{PATIENCE, Scene, expect, publisher, resident_bytes, write_lines};

/// How long the broker is away; TAILCAST_OUTAGE_SECONDS for a longer one.
fn outage() -> Duration {
    let seconds = std::env::var("TAILCAST_OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(4, |text| text.parse().expect("a number of seconds")))
}

/// A writer goes on, while the broker is killed, is away, and comes back. A new broker knows of no subscriber, so one is
/// there (by `subscribe`) before the gate opens to publishers.
fn killed_under_load(
    logs: &Logs,
    mut broker: Broker,
    restart: &dyn Fn() -> Broker,
    subscribe: &dyn Fn(u16, &Inbox) -> Subscriber,
) {
    let (gate, inbox) = (Gate::to(broker.port), Inbox::default());
    let mut _subscriber = subscribe(broker.port, &inbox);
    let log = logs.file("app.log", "");
    let daemon = publisher(&log, gate.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    let over = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 0;
            while !over.load(Ordering::Acquire) {
                write_lines(&log, written..written + 50);
                written += 50;
                thread::park_timeout(Duration::from_millis(10));
            }
            written
        });
        inbox.find(PATIENCE, |message| message.payload.contains("line 0000999"));
        gate.shut();
        broker.kill();
        assert!(daemon.says("can't publish to mqtt://"));
        let back = Instant::now() + outage();
        wait_until(outage() * 2, || Instant::now() >= back);
        broker = restart();
        _subscriber = subscribe(broker.port, &inbox);
        gate.open();
        assert!(daemon.says_within(PATIENCE, "is back after"));
        let told = daemon.said_with("can't publish to");
        assert_eq!(told.len(), 1, "an outage is told once: {told:?}");
        over.store(true, Ordering::Release);
        writer.join().expect("the writer")
    });
    let last = format!("line {:07}", written - 1);
    let consumer = Consumer::of(&inbox.until(PATIENCE, &last));
    expect(&consumer.lines, 0..written);
    assert!(!consumer.has_event("gap"));
    println!(
        "{written} lines over an outage of {:?}, {} of them again",
        outage(),
        consumer.repeats
    );
}

#[test]
fn a_mosquitto_that_is_killed_under_load_and_comes_back_has_every_line() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let port = broker.port;
    // What it has acknowledged it has also sent: nothing is lost with it.
    killed_under_load(
        &logs,
        broker,
        &|| Broker::mosquitto_at(&logs.path(""), "", port),
        &|port, inbox| Subscriber::start(port, "mqttv5", "logs/+/app.log", inbox),
    );
}

#[test]
fn a_rabbitmq_that_is_killed_under_load_and_comes_back_has_every_line() {
    let logs = Logs::new();
    let broker = Broker::rabbitmq(&logs.path(""));
    let ports = (broker.port, broker.amqp_port);
    // What it has acknowledged stands in the queue of a session that is kept.
    killed_under_load(
        &logs,
        broker,
        &|| Broker::rabbitmq_at(&logs.path(""), ports),
        &|port, inbox| {
            let kept = ["-c", "-i", "kept"];
            Subscriber::with(port, "mqttv311", "logs/+/app.log", &kept, inbox)
        },
    );
}

#[test]
fn a_broker_that_hangs_costs_no_memory_and_has_every_line_when_it_goes_on() {
    let scene = Scene::new();
    let daemon = publisher(&scene.log, scene.broker.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&scene.log, 0..1000);
    scene.inbox.until(PATIENCE, "line 0000999");
    let before = resident_bytes(&daemon);
    scene.broker.hang();
    let mut written = 1000;
    while written < 300_000 {
        write_lines(&scene.log, written..written + 1000);
        written += 1000;
        let now = resident_bytes(&daemon);
        assert!(
            now < before + 16 * 1024 * 1024,
            "from {before} to {now} bytes"
        );
    }
    // Others are served meanwhile.
    let last = format!("line {:07}", written - 1);
    let served = || {
        daemon
            .get("/stream?lines=1&follow=false")
            .text()
            .contains(&last)
    };
    assert!(wait_until(PATIENCE, served));
    scene.broker.go_on();
    let consumer = Consumer::of(&scene.inbox.until(PATIENCE, &last));
    expect(&consumer.lines, 0..written);
}

#[test]
fn a_daemon_that_is_killed_and_started_again_repeats_lines_with_their_ids_and_loses_none() {
    const ROUNDS: usize = 5;
    const LINES: usize = 4000;
    for format in ["batch", "json"] {
        let scene = Scene::new();
        let mut written = 0;
        for round in 0..ROUNDS {
            let daemon = publisher(&scene.log, scene.broker.port, &["--publish-format", format]);
            let have = scene.inbox.len();
            write_lines(&scene.log, written..written + LINES);
            written += LINES;
            // Killed in the midst of it, and at the end.
            if round + 1 < ROUNDS {
                scene
                    .inbox
                    .wait(PATIENCE, |messages| messages.len() > have + 3);
            } else {
                let last = format!("line {:07}", written - 1);
                scene.inbox.until(PATIENCE, &last);
            }
            drop(daemon);
        }
        let messages = scene.inbox.wait(PATIENCE, |_| true);
        if format == "batch" {
            let consumer = Consumer::of(&messages);
            expect(&consumer.lines, 0..written);
            println!(
                "batch: {written} lines over {ROUNDS} lives, {} of them again",
                consumer.repeats
            );
        } else {
            let mut lines: Vec<(String, String)> = Vec::new();
            let mut at = std::collections::HashMap::new();
            let mut repeats = 0;
            for object in messages.iter().map(crate::subscriber::Message::json) {
                let Some(line) = object["line"].as_str() else {
                    continue;
                };
                let pair = (object["id"].to_string(), line.to_owned());
                match at.get(&pair.0) {
                    Some(&n) => {
                        let first: &(String, String) = &lines[n];
                        assert_eq!(*first, pair, "the same id is another line");
                        repeats += 1;
                    }
                    None => {
                        at.insert(pair.0.clone(), lines.len());
                        lines.push(pair);
                    }
                }
            }
            let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
            expect(&lines, 0..written);
            println!("json: {written} lines over {ROUNDS} lives, {repeats} of them again");
        }
    }
}

#[test]
fn a_rotation_during_an_outage_loses_nothing_and_is_told() {
    let scene = Scene::new();
    let daemon = publisher(&scene.log, scene.gate.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&scene.log, 0..100);
    scene.inbox.until(PATIENCE, "line 0000099");
    scene.gate.shut();
    assert!(daemon.says("can't publish to mqtt://"));
    write_lines(&scene.log, 100..200);
    let mut written = 200;
    // More rotations than the daemon holds files.
    for n in 1..=7 {
        let old = scene.log.with_extension(format!("log.{}", 8 - n));
        std::fs::rename(&scene.log, &old).expect("rotate");
        write_lines(&scene.log, written..written + 100);
        written += 100;
        // What is rotated away before it was ever seen is for the watcher's own tests.
        let last = format!("line {:07}", written - 1);
        assert!(wait_until(PATIENCE, || daemon
            .get("/stream?lines=1&follow=false")
            .text()
            .contains(&last)));
    }
    scene.gate.open();
    let consumer = Consumer::of(
        &scene
            .inbox
            .until(PATIENCE, &format!("line {:07}", written - 1)),
    );
    expect(&consumer.lines, 0..written);
    assert!(
        consumer.has_event("rotated") && !consumer.has_event("gap"),
        "{:?}",
        consumer.events
    );
}

#[test]
fn what_is_acknowledged_is_on_the_disk_in_a_moment_and_not_published_again_after_a_kill() {
    let scene = Scene::new();
    let daemon = publisher(&scene.log, scene.broker.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&scene.log, 0..100);
    let messages = scene.inbox.until(PATIENCE, "line 0000099");
    let last = messages.last().and_then(|last| last.id.clone());
    let last = last.expect("the id of the last line");
    assert!(wait_until(PATIENCE, || scene.state_text().contains(&last)));
    drop(daemon);
    let _daemon = publisher(&scene.log, scene.broker.port, &[]);
    write_lines(&scene.log, 100..101);
    let consumer = Consumer::of(&scene.inbox.until(PATIENCE, "line 0000100"));
    expect(&consumer.lines, 0..101);
    assert_eq!(consumer.repeats, 0);
}

#[test]
fn a_file_that_came_while_it_ran_goes_on_where_it_was_after_a_restart() {
    let scene = Scene::new();
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(scene.broker.port, "mqttv5", "logs/+/new.log", &inbox);
    let logs = scene.log.parent().expect("a directory");
    let (pattern, new) = (logs.join("*.log"), logs.join("new.log"));
    let follow = || {
        let url = format!("mqtt://127.0.0.1:{}/logs", scene.broker.port);
        let state = crate::state_dir(&scene.log);
        let state = state.to_str().expect("a path in UTF-8");
        let daemon = Daemon::with(&["--publish", &url, "--state-dir", state], &[&pattern]);
        assert!(daemon.says("publishing to mqtt://"));
        daemon
    };
    let daemon = follow();
    write_lines(&new, 0..100);
    let messages = inbox.until(PATIENCE, "line 0000099");
    let last = messages.last().and_then(|last| last.id.clone());
    let last = last.expect("the id of the last line");
    assert!(wait_until(PATIENCE, || scene.state_text().contains(&last)));
    drop(daemon);
    write_lines(&new, 100..200);
    let _daemon = follow();
    let consumer = Consumer::of(&inbox.until(PATIENCE, "line 0000199"));
    expect(&consumer.lines, 0..200);
    assert!(!consumer.has_event("gap"));
}

#[test]
fn what_is_gone_for_good_before_the_broker_is_back_is_a_gap() {
    let scene = Scene::new();
    let daemon = publisher(&scene.log, scene.broker.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&scene.log, 0..100);
    scene.inbox.until(PATIENCE, "line 0000099");
    // Killed, and what it knew is gone when it comes again.
    drop(daemon);
    append(&scene.log, "never seen\n");
    std::fs::remove_file(&scene.log).expect("delete");
    write_lines(&scene.log, 200..300);
    let daemon = publisher(&scene.log, scene.broker.port, &[]);
    let messages = scene.inbox.until(PATIENCE, "line 0000299");
    let gap = messages
        .iter()
        .rev()
        .find(|message| message.payload.contains("\"gap\""))
        .expect("a gap");
    assert_eq!(gap.json()["reason"], "id not found");
    assert!(daemon.says("are gone before"));
}

impl Scene {
    fn state_text(&self) -> String {
        let dir = std::fs::read_dir(crate::state_dir(&self.log)).expect("a state directory");
        let files = dir.map(|entry| entry.expect("an entry").path());
        let state = files.filter(|path| path.extension().is_some_and(|kind| kind == "state"));
        state
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
            .collect()
    }
}
