//! Brokers that can't be published to: one clear line each, and serving goes on.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::broker::Broker;
use crate::subscriber::{Inbox, Subscriber};
use crate::support::gate::{Gate, free_port};
use crate::support::{Daemon, Logs, append, wait_until};
use crate::{PATIENCE, publisher, resident_bytes, state_dir};

/// That trouble is told once, in these words, and that clients are served meanwhile.
fn tells_once(daemon: &Daemon, log: &std::path::Path, words: &[&str]) {
    assert!(
        daemon.says_within(PATIENCE, "can't publish to mqtt://"),
        "{words:?}: nothing is said"
    );
    append(log, "a line\n");
    assert!(
        daemon
            .get("/stream?lines=1&follow=false")
            .text()
            .contains("a line")
    );
    assert_eq!(daemon.get("/healthz").text().trim(), "ok");
    let said = daemon.said_with("can't publish to");
    assert_eq!(said.len(), 1, "{said:?}");
    for word in words {
        assert!(said[0].contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn a_wrong_password_is_told_once_and_the_right_one_is_taken_without_a_restart() {
    let logs = Logs::new();
    let passwords = logs.path("passwords");
    let made = Command::new("mosquitto_passwd")
        .args([
            "-c",
            "-b",
            passwords.to_str().expect("a path"),
            "me",
            "right",
        ])
        .status()
        .expect("start mosquitto_passwd");
    assert!(made.success());
    readable_by_all(&logs);
    let more = format!(
        "allow_anonymous false\npassword_file {}\n",
        passwords.display()
    );
    let broker = Broker::mosquitto(&logs.path(""), &more);
    let log = logs.file("app.log", "");
    let secret = logs.file("secret", "wrong\n");
    let url = format!("mqtt://me@127.0.0.1:{}/logs", broker.port);
    let state = state_dir(&log);
    let options = [
        "--publish",
        &url,
        "--publish-password-file",
        secret.to_str().expect("a path"),
        "--state-dir",
        state.to_str().expect("a path"),
    ];
    let daemon = Daemon::with(&options, &[&log]);
    tells_once(&daemon, &log, &["password"]);
    std::fs::write(&secret, "right\n").expect("write a password");
    assert!(daemon.says_within(PATIENCE, "is back after"));
}

#[test]
fn an_unknown_host_is_told_once() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    let state = state_dir(&log);
    let options = [
        "--publish",
        "mqtt://no-such-host.invalid/logs",
        "--state-dir",
        state.to_str().expect("a path"),
    ];
    let mut daemon = Daemon::with(&options, &[&log]);
    tells_once(&daemon, &log, &["no-such-host.invalid", "unknown"]);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(
        daemon.ended(Duration::from_secs(2)).is_some(),
        "a stop waits for no broker"
    );
}

#[test]
fn a_broker_that_accepts_and_never_answers_is_told_once() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    // The kernel accepts for it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let mut daemon = publisher(&log, port, &[]);
    tells_once(&daemon, &log, &["accepts", "answer"]);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(
        daemon.ended(Duration::from_secs(2)).is_some(),
        "a stop waits for no broker"
    );
}

#[test]
fn a_broker_that_is_not_there_is_told_once_and_found_when_it_comes() {
    let logs = Logs::new();
    let log = logs.file("app.log", "before\n");
    let port = free_port();
    let daemon = publisher(&log, port, &["--publish-format", "text"]);
    tells_once(&daemon, &log, &["refused"]);
    // The gate is where the broker will be, so that a subscriber can be there first.
    let broker = Broker::mosquitto(&logs.path(""), "");
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
    let _gate = Gate::at(port, broker.port);
    let messages = inbox.until(PATIENCE, "a line");
    assert_eq!(
        messages.len(),
        1,
        "it begins where the live edge was at the start"
    );
    assert!(daemon.says_within(PATIENCE, "is back after"));
}

#[test]
fn a_broker_that_was_away_and_comes_back_to_refuse_is_told_again() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    let port = free_port();
    let daemon = publisher(&log, port, &[]);
    assert!(daemon.says("refused (os error"));
    let passwords = logs.file("passwords", "");
    readable_by_all(&logs);
    let more = format!(
        "allow_anonymous false\npassword_file {}\n",
        passwords.display()
    );
    let _broker = Broker::mosquitto_at(&logs.path(""), &more, port);
    assert!(daemon.says_within(PATIENCE, "it refuses the connection"));
    assert_eq!(daemon.said_with("can't publish to").len(), 2);
}

#[test]
fn memory_is_flat_while_500_mb_are_written_and_nobody_takes_them() {
    const LINES: usize = 500_000;
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let gate = Gate::to(broker.port);
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
    let log = logs.file("app.log", "");
    let daemon = publisher(&log, gate.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    gate.shut();
    assert!(daemon.says("can't publish to mqtt://"));
    let before = resident_bytes(&daemon);
    let padding = "x".repeat(1000 - 14);
    let mut most = 0;
    for n in 0..LINES / 1000 {
        let text: String = (n * 1000..(n + 1) * 1000)
            .map(|n| format!("line {n:07} {padding}\n"))
            .collect();
        append(&log, text);
        most = most.max(resident_bytes(&daemon));
    }
    assert!(
        most < before + 16 * 1024 * 1024,
        "from {before} to {most} bytes"
    );
    gate.open();
    let last = format!("line {:07}", LINES - 1);
    let messages = inbox.until(PATIENCE * 2, &last);
    most = most.max(resident_bytes(&daemon));
    assert!(
        most < before + 16 * 1024 * 1024,
        "from {before} to {most} bytes while catching up"
    );
    let consumer = crate::subscriber::Consumer::of(&messages);
    assert_eq!(consumer.lines.len(), LINES);
    for (n, line) in consumer.lines.iter().enumerate() {
        assert!(
            line.starts_with(&format!("line {n:07} ")),
            "line {n} is {line:.20}"
        );
    }
    println!(
        "resident: {} KiB before, {} KiB at most",
        before / 1024,
        most / 1024
    );
}

/// A Mosquitto that speaks TLS at `port`, and in the clear at a port of its own.
#[cfg(feature = "tls")]
fn encrypted(logs: &Logs, pair: &crate::support::tls::Pair, port: u16) -> Broker {
    readable_by_all(logs);
    let more = format!(
        "allow_anonymous true\nlistener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
        pair.cert.display(),
        pair.key.display()
    );
    Broker::mosquitto(&logs.path(""), &more)
}

#[cfg(feature = "tls")]
#[test]
fn a_broker_by_tls_is_published_to_where_its_certificate_is_trusted_and_told_where_it_is_not() {
    let logs = Logs::new();
    let pair = crate::support::tls::Pair::quick(&logs, "broker");
    let port = free_port();
    let broker = encrypted(&logs, &pair, port);
    let inbox = Inbox::default();
    let _subscriber = Subscriber::start(broker.port, "mqttv5", "logs/+/app.log", &inbox);
    let log = logs.file("app.log", "");
    let url = format!("mqtts://localhost:{port}/logs");
    let start = |trusted: &std::path::Path| {
        let mut command = crate::support::program();
        command.env("SSL_CERT_FILE", trusted);
        command.args(["--listen", "127.0.0.1:0", "--publish", &url, "--state-dir"]);
        command.arg(state_dir(&log)).arg(&log);
        Daemon::start(command)
    };
    let stranger = crate::support::tls::Pair::quick(&logs, "stranger");
    let daemon = start(&stranger.cert);
    assert!(daemon.says_within(PATIENCE, "can't publish to mqtts://"));
    let said = daemon.said_with("can't publish to");
    assert!(
        said[0].contains("TLS") && said[0].contains("certificate"),
        "{said:?}"
    );
    drop(daemon);
    let daemon = start(&pair.cert);
    assert!(daemon.says("publishing to mqtts://"));
    crate::write_lines(&log, 0..20_000);
    let consumer = crate::subscriber::Consumer::of(&inbox.until(PATIENCE, "line 0019999"));
    crate::expect(&consumer.lines, 0..20_000);
}

/// Mosquitto, started as root, reads its files as another user.
fn readable_by_all(logs: &Logs) {
    let changed = Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(logs.path(""))
        .status();
    assert!(changed.expect("start chmod").success());
}

/// Speaks MQTT 5 as far as it must, and closes where a topic holds a dot, as NATS 2.9 does.
fn no_dots(listener: &TcpListener) {
    use std::io::{Read, Write};
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut packet = || {
            let mut head = [0; 2];
            stream.read_exact(&mut head).ok()?;
            let mut length = usize::from(head[1] & 0x7f);
            if head[1] & 0x80 != 0 {
                let mut more = [0];
                stream.read_exact(&mut more).ok()?;
                length |= usize::from(more[0]) << 7;
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).ok()?;
            let answer = match head[0] & 0xf0 {
                0x10 => vec![0x20, 3, 0, 0, 0],
                0x30 => {
                    let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    if body[2..end].contains(&b'.') {
                        return None;
                    }
                    vec![0x40, 2, body[end], body[end + 1]]
                }
                _ => return None,
            };
            stream.write_all(&answer).ok()
        };
        while packet().is_some() {}
    }
}

#[test]
fn a_broker_that_closes_because_of_a_topic_is_told_with_the_topic_and_an_option_escapes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Ends with the test's process.
    std::thread::spawn(move || no_dots(&listener));
    let logs = Logs::new();
    let log = logs.file("app.log", "1\n");
    let daemon = publisher(&log, port, &["--publish-from-start"]);
    assert!(
        daemon.says("--publish-escape"),
        "{:?}",
        daemon.said_so_far()
    );
    let told = daemon.said_with("--publish-escape");
    assert!(told[0].contains("/app.log"), "{told:?}");
    drop(daemon);
    let daemon = publisher(
        &log,
        port,
        &["--publish-from-start", "--publish-escape", ". "],
    );
    let counts =
        |line: &str| line.starts_with("tailcast_publish_lines_total{") && line.ends_with(" 1");
    let is_published = || daemon.get("/metrics").text().lines().any(counts);
    assert!(
        wait_until(PATIENCE, is_published),
        "{:?}",
        daemon.said_so_far()
    );
}
