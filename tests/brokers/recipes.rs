//! The other side: what the recipes in scripts/brokers promise to those who read from a broker.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::broker::Broker;
use crate::browser::Browser;
use crate::subscriber::{Consumer, Inbox, Message};
use crate::support::gate::free_port;
use crate::support::{DEADLINE, Daemon, Logs, wait_until};
use crate::{PATIENCE, expect, publisher, script, state_dir, write_lines};

/// A child that doesn't outlive its test.
struct Running(Child);

impl Running {
    fn terminate(&mut self) {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("send a signal");
        // mosquitto_sub can lock itself up in its own handler of the signal; systemd, too, is harder then.
        let ended = || self.0.try_wait().expect("wait").is_some();
        if !wait_until(DEADLINE, ended) {
            self.0.kill().expect("kill");
            self.0.wait().expect("wait");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_browser_shows_lines_straight_from_the_broker() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let dir = logs.path("");
    let passwords = logs.path("passwords");
    let made = Command::new("mosquitto_passwd")
        .args([
            "-c",
            "-b",
            passwords.to_str().expect("a path"),
            "tailcast",
            "secret",
        ])
        .status();
    assert!(made.expect("start mosquitto_passwd").success());
    let acl = logs.file("viewers.acl", "topic read site/#\n");
    let (port, web) = (free_port(), free_port());
    let recipe = std::fs::read_to_string(script("mosquitto-viewers.conf")).expect("the recipe");
    let scripts = script("").display().to_string();
    let conf = recipe
        .replace("listener 1883", &format!("listener {port} 127.0.0.1"))
        .replace("listener 9001", &format!("listener {web} 127.0.0.1"))
        .replace("/etc/mosquitto/passwords", &passwords.display().to_string())
        .replace("/etc/mosquitto/viewers.acl", &acl.display().to_string())
        .replace("/usr/share/tailcast", scripts.trim_end_matches('/'));
    let conf = logs.file("viewers.conf", format!("user root\n{conf}"));
    let _broker = Broker::configured(&dir, &conf, port);

    let log = logs.file("app.log", "");
    let secret = logs.file("secret", "secret\n");
    let url = format!("mqtt://tailcast@127.0.0.1:{port}/site");
    let state = state_dir(&log);
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (secret, state) = (text(&secret), text(&state));
    let options = [
        "--publish",
        &url,
        "--publish-password-file",
        &secret,
        "--state-dir",
        &state,
    ];
    let daemon = Daemon::with(&options, &[&log]);
    assert!(daemon.says("publishing to mqtt://"));

    browser.go(&format!(
        "http://127.0.0.1:{web}/viewer.html?topic=site/%23"
    ));
    browser.until("document.getElementById('state').textContent.startsWith('site/# on')");
    write_lines(&log, 0..100);
    browser.until("document.getElementById('lines').textContent.includes('line 0000099')");
    // Killed before it has noted how far it is, it publishes lines again: the page shows them once.
    drop(daemon);
    let daemon = Daemon::with(&options, &[&log]);
    assert!(daemon.says("publishing to mqtt://"));
    write_lines(&log, 100..120);
    browser.until("document.getElementById('lines').textContent.includes('line 0000119')");
    let shown = browser.eval("document.getElementById('lines').textContent");
    let shown = shown.as_str().expect("a text").lines();
    let lines: Vec<String> = shown
        .filter(|line| line.starts_with("line "))
        .map(str::to_owned)
        .collect();
    expect(&lines, 0..120);
}

#[test]
fn an_edge_serves_a_brokers_topic_from_a_spool_that_rotates() {
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let spool = logs.path("spool.log");
    let start = || {
        let child = Command::new(script("spool.sh"))
            .arg(&spool)
            .args(["logs/+/app.log", "-p", &broker.port.to_string()])
            .env("SPOOL_BYTES", "100000")
            .env("SPOOL_KEEP", "50")
            .env("SPOOL_CLIENT", "edge")
            .spawn();
        Running(child.expect("start spool.sh"))
    };
    let mut spooler = start();
    let edge = Daemon::follow(&[&spool]);
    let mut stream = edge.live("/stream?lines=all");
    let log = logs.file("app.log", "");
    let daemon = publisher(&log, broker.port, &["--publish-format", "text"]);
    assert!(daemon.says("publishing to mqtt://"));
    // It is there once it has written something.
    let mut written = 0;
    assert!(wait_until(PATIENCE, || {
        write_lines(&log, written..written + 1);
        written += 1;
        spool.exists()
    }));
    let first = number(&stream.line());
    // At least once: a line that comes again is one that was there, and none is left out.
    let mut next = first + 1;
    let mut read_up_to = |last: usize| {
        while next < last {
            let number = number(&stream.line());
            assert!(number <= next, "line {next} is missing before {number}");
            next = next.max(number + 1);
        }
    };
    write_lines(&log, written..5000);
    read_up_to(5000);
    assert!(spool.with_extension("log.1").exists(), "it has rotated");
    // Stopped and started again: the broker keeps what comes meanwhile.
    spooler.terminate();
    write_lines(&log, 5000..8000);
    let _spooler = start();
    read_up_to(8000);
}

/// Which of the test's lines it is.
fn number(line: &str) -> usize {
    let number = line
        .split(' ')
        .nth(1)
        .and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("not a line of the test: {line:?}"))
}

#[test]
fn the_unit_of_the_edge_is_a_good_one() {
    let unit = script("tailcast-spool.service");
    // Its program is not installed here.
    let text = std::fs::read_to_string(&unit).expect("the unit");
    let text = text.replace(
        "/usr/share/tailcast/spool.sh",
        script("spool.sh").to_str().expect("a path"),
    );
    let logs = Logs::new();
    let copy = logs.file("tailcast-spool.service", text);
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&copy)
        .output();
    let verified = verified.expect("start systemd-analyze");
    let complaint = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(
        verified.status.success() && complaint.is_empty(),
        "{complaint}"
    );
}

#[test]
fn an_amqp_consumer_has_every_line_from_a_queue_of_rabbitmq() {
    const LINES: usize = 20_000;
    let logs = Logs::new();
    let broker = Broker::rabbitmq(&logs.path(""));
    let url = format!("amqp://guest:guest@127.0.0.1:{}", broker.amqp_port);
    let inbox = Inbox::default();
    let consume = || {
        let child = Command::new(script("amqp.sh"))
            .args([&url, "app", "logs.*.app.log"])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Running(child.expect("start amqp.sh"));
        let (stdout, inbox) = (child.0.stdout.take().expect("a pipe"), inbox.clone());
        // Ends with the pipe, and so with the child.
        thread::spawn(move || {
            for payload in BufReader::new(stdout).lines().map_while(Result::ok) {
                let topic = String::new();
                inbox.put(Message {
                    topic,
                    id: None,
                    payload,
                });
            }
        });
        child
    };
    let log = logs.file("app.log", "");
    let daemon = publisher(&log, broker.port, &[]);
    assert!(daemon.says("publishing to mqtt://"));
    let _consumer = consume();
    // Its queue is bound once something comes.
    let mut written = 0;
    assert!(wait_until(PATIENCE, || {
        write_lines(&log, written..written + 1);
        written += 1;
        inbox.len() > 0
    }));
    write_lines(&log, written..LINES);
    let messages = inbox.until(PATIENCE, &format!("line {:07}", LINES - 1));
    let lines = Consumer::of(&messages).lines;
    expect(&lines, LINES - lines.len()..LINES);
    assert!(
        lines.len() > LINES - written,
        "what came before the queue was bound is missing, and no more"
    );
}
