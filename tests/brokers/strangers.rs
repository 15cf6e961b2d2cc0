//! A broker that is none, or a strange one, and messages of strangers: each costs one clear line and nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::broker::Broker;
use crate::support::{DEADLINE, Daemon, Logs, program, tool, wait_until};
use crate::{PATIENCE, resident_bytes};

/// CONNACK: welcome (MQTT 5).
const WELCOME: &[u8] = &[0x20, 3, 0, 0, 0];
/// SUBACK: QoS 0 is granted.
const GRANTED: &[u8] = &[0x90, 4, 0, 1, 0, 0];

/// PUBLISH by MQTT 5, of less than 128 bytes.
fn publish(flags: u8, topic: &str, payload: &[u8]) -> Vec<u8> {
    let length = topic.len() + payload.len() + 3;
    let head = [0x30 | flags, length as u8, 0, topic.len() as u8];
    [&head, topic.as_bytes(), &[0], payload].concat()
}

/// A broker that says each of `answers` to one packet of whoever connects, and then `endless` for ever, where that is
/// anything; and how often it has said that.
fn broker(answers: Vec<Vec<u8>>, endless: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for mut peer in listener.incoming().map_while(Result::ok) {
            let mut heard = [0; 4096];
            for answer in &answers {
                let _ = peer.read(&mut heard);
                let _ = peer.write_all(answer);
            }
            while !endless.is_empty() && peer.write_all(&endless).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
            // One that only welcomes stays connected.
            if answers.first().is_some_and(|answer| answer == WELCOME) {
                kept.push(peer);
            }
        }
    });
    (port, said)
}

/// A daemon that follows a file and what is published at `port`.
fn follower(logs: &Logs, port: u16) -> Daemon {
    let log = logs.file("a.log", "one\n");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--spool-dir"]);
    command.arg(logs.path("spools")).arg(&log);
    command.arg(format!("mqtt://127.0.0.1:{port}/logs/#"));
    Daemon::start(command)
}

#[track_caller]
fn costs_one_line(told: &str, answers: Vec<Vec<u8>>) {
    let (port, _) = broker(answers, Vec::new());
    let logs = Logs::new();
    let daemon = follower(&logs, port);
    assert!(daemon.says(told), "{told}: {:?}", daemon.said_so_far());
    let warned = daemon.said_with("warn");
    assert_eq!(warned.len(), 1, "{warned:?}");
    let target = "/stream?follow=false&file=a.log";
    assert_eq!(daemon.get(target).text(), "one\n");
    let files = daemon.get("/files").text();
    assert_eq!(files.matches("\"name\"").count(), 1, "{files}");
}

#[test]
fn a_broker_that_is_none_costs_a_line() {
    costs_one_line(
        "it ended the connection without an answer",
        vec![Vec::new()],
    );
    let nonsense = "what it says is no MQTT";
    costs_one_line(nonsense, vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()]);
    costs_one_line(nonsense, vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]);
    costs_one_line(nonsense, vec![WELCOME.to_vec(), WELCOME.to_vec()]);
    // A message of 200 MiB.
    let huge = vec![0x30, 0x80, 0x80, 0x80, 0x64, 0, 1, b'a'];
    costs_one_line(nonsense, vec![WELCOME.to_vec(), [GRANTED, &huge].concat()]);
    let refused = vec![0x90, 4, 0, 1, 0, 0x87];
    let answers = vec![WELCOME.to_vec(), refused];
    costs_one_line("it does not let us subscribe to logs/#", answers);
    costs_one_line("--credentials-file", vec![vec![0x20, 3, 0, 0x86, 0]]);
}

#[test]
fn what_strangers_publish_costs_a_line_a_topic() {
    let ours = r#"{"file":"a","id":"00000001.7.9.0123456789ab","line":"x"}"#;
    for (told, flags, topic, payload) in [
        ("its topic is no PREFIX/HOSTNAME/NAME", 0, "logs", &b"x"[..]),
        ("not those of --publish-format", 0, "logs/h/t", b"21.5"),
        ("not those of --publish-format", 0, "logs/h/t", b"\xff\xfe"),
        (
            "not those of --publish-format",
            0,
            "logs/h/t",
            b"{\"on\":true}",
        ),
        (
            "not those of --publish-format",
            0,
            "logs/h/t",
            br#"{"file":"a","line":"x"}"#,
        ),
        (
            "not those of --publish-format",
            0,
            "logs/h/t",
            br#"{"file":"a","id":"7","line":"x"}"#,
        ),
        ("it is retained", 1, "logs/h/t", ours.as_bytes()),
    ] {
        let message = publish(flags, topic, payload);
        let said = [GRANTED, &message.repeat(3)].concat();
        costs_one_line(told, vec![WELCOME.to_vec(), said]);
    }
}

#[test]
fn a_broker_that_talks_without_end_costs_no_memory_and_keeps_nobody_from_a_stop() {
    let message = publish(0, "logs/h/t", b"21.5").repeat(1000);
    let (port, said) = broker(vec![WELCOME.to_vec(), GRANTED.to_vec()], message);
    let logs = Logs::new();
    let mut daemon = follower(&logs, port);
    let hears = || said.load(Ordering::Relaxed) > 20;
    assert!(wait_until(PATIENCE, hears), "{:?}", daemon.said_so_far());
    let bytes = resident_bytes(&daemon);
    assert!(bytes < 64 << 20, "{bytes}");
    daemon.signal(Signal::SIGTERM);
    assert!(
        daemon
            .ended(DEADLINE)
            .is_some_and(|status| status.success())
    );
}

#[test]
fn a_stranger_at_a_real_broker_leaves_what_is_ours_alone() {
    let Some(publisher) = tool(&["mosquitto_pub"]) else {
        return;
    };
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let (port, log) = (broker.port.to_string(), logs.file("b.log", ""));
    let huge = logs.file("huge", "x".repeat(1 << 20));
    let stranger = |topic: &str, more: &[&str]| {
        let mut command = std::process::Command::new(&publisher);
        command.args(["-p", &port, "-q", "1", "-t", topic]);
        let status = command.args(more).status().expect("run mosquitto_pub");
        assert!(status.success(), "{status}");
    };
    stranger("logs/kitchen/lamp", &["-m", "on", "-r"]);
    let daemon = follower(&logs, broker.port);
    assert!(daemon.says("it is retained"), "{:?}", daemon.said_so_far());
    let huge = huge.to_str().expect("a path in UTF-8");
    stranger("logs/kitchen/door", &["-f", huge]);
    assert!(
        daemon.says("logs/kitchen/door"),
        "{:?}",
        daemon.said_so_far()
    );
    let _publishes = crate::publisher(&log, broker.port, &["--publish-from-start"]);
    crate::write_lines(&log, 0..3);
    let all = || daemon.get("/stream?follow=false&lines=all").text();
    assert!(
        wait_until(PATIENCE, || all().contains("line 0000002")),
        "{}",
        all()
    );
    assert_eq!(
        daemon.said_with("warn").len(),
        2,
        "{:?}",
        daemon.said_so_far()
    );
}
