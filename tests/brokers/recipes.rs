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
use crate::support::{Daemon, Logs, program, wait_until};
use crate::{PATIENCE, expect, publisher, script, state_dir, write_lines};

/// A child that doesn't outlive its test.
struct Running(Child);

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
fn a_cluster_of_nats_servers_loses_one_and_nobody_misses_a_line() {
    const LINES: usize = 2_000;
    let logs = Logs::new();
    let (broker, ports) = Broker::nats(&logs.path(""));
    let url = format!("mqtt://127.0.0.1:{}/logs/#", ports[1]);
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--spool-dir"]);
    command.arg(logs.path("spools")).arg(url);
    let edge = Daemon::start(command);
    assert!(
        edge.says_within(PATIENCE, "following mqtt://"),
        "{:?}",
        edge.said_so_far()
    );
    let log = logs.file("app.log", "");
    write_lines(&log, 0..LINES / 2);
    let options = ["--publish-from-start", "--publish-escape", ". "];
    let _publishes = publisher(&log, broker.port, &options);
    let lines = || -> Vec<String> {
        let text = edge.get("/stream?follow=false&lines=all").text();
        let lines = text.lines().filter(|line| line.starts_with("line "));
        lines.map(str::to_owned).collect()
    };
    assert!(
        wait_until(PATIENCE, || lines().len() == LINES / 2),
        "{:?}",
        edge.said_so_far()
    );
    // The third server, by SIGKILL.
    let pid = std::fs::read_to_string(logs.path(&format!("nats/{}.pid", ports[2])));
    let pid = pid.expect("its pid").trim().parse().expect("a number");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kill a server");
    write_lines(&log, LINES / 2..LINES);
    let has_all = wait_until(PATIENCE, || lines().len() >= LINES);
    assert!(has_all, "{} of {LINES}", lines().len());
    expect(&lines(), 0..LINES);
}

#[test]
fn amqp_consumers_have_every_line_from_a_queue_of_rabbitmq_and_again_from_a_stream() {
    const LINES: usize = 20_000;
    let logs = Logs::new();
    let broker = Broker::rabbitmq(&logs.path(""));
    let url = format!("amqp://guest:guest@127.0.0.1:{}", broker.amqp_port);
    let inbox = Inbox::default();
    let consume = |recipe: &str, queue: &str, inbox: &Inbox| {
        let child = Command::new(script(recipe))
            .args([&url, queue, "logs.*.app.log"])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Running(child.expect("start a consumer"));
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
    let _consumer = consume("amqp.sh", "app", &inbox);
    let kept = Inbox::default();
    let keeper = consume("replay.py", "kept", &kept);
    // Its queue is bound once something comes.
    let mut written = 0;
    assert!(wait_until(PATIENCE, || {
        write_lines(&log, written..written + 1);
        written += 1;
        inbox.len() > 0 && kept.len() > 0
    }));
    drop(keeper);
    write_lines(&log, written..LINES);
    let messages = inbox.until(PATIENCE, &format!("line {:07}", LINES - 1));
    let lines = Consumer::of(&messages).lines;
    expect(&lines, LINES - lines.len()..LINES);
    assert!(
        lines.len() > LINES - written,
        "what came before the queue was bound is missing, and no more"
    );
    // Whoever comes when all is over reads the stream from its beginning, as often as they like.
    for _ in 0..2 {
        let again = Inbox::default();
        let _reader = consume("replay.py", "kept", &again);
        let messages = again.until(PATIENCE, &format!("line {:07}", LINES - 1));
        let lines = Consumer::of(&messages).lines;
        expect(&lines, LINES - lines.len()..LINES);
        assert!(lines.len() > LINES - written, "{} lines", lines.len());
    }
}
