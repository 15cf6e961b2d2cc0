//! Clients made of the libraries that people use, as anybody would write them: what they show of a stream. Each once failed.
//!
//! `CI=true` promises them all; elsewhere what is missing is left out.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::spoken::Spoken;
use crate::support::{DEADLINE, Daemon, Logs, append, is_promised, program, tool};

/// Where `npm install --prefix target/clients` puts what it brings.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/");

/// The client's own program of that name.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/clients")
        .join(name)
}

/// A client that runs, by the lines that it says.
struct Client(BufReader<Spoken>);

impl Client {
    fn start(command: &mut Command) -> Client {
        Client(BufReader::new(Spoken::spawn(command)))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line by the deadline");
        assert_ne!(line, "", "it has ended");
        line.trim_end_matches('\n').to_owned()
    }

    fn says(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.line(), *line);
        }
    }
}

/// Debian's Python, where it has that module.
fn python(module: &str) -> Option<Command> {
    let python = Path::new("/usr/bin/python3");
    let mut has = Command::new(python);
    has.args(["-c", &format!("import {module}")])
        .stderr(Stdio::null());
    if !has.status().is_ok_and(|status| status.success()) {
        assert!(!is_promised(), "no module {module} in {python:?}");
        eprintln!("left out: no Python with the module {module}");
        return None;
    }
    Some(Command::new(python))
}

#[test]
fn go_shows_each_short_line_as_it_is_written() {
    let Some(go) = tool(&["go"]) else { return };
    let logs = Logs::new();
    let built = logs.path("get");
    let mut build = Command::new(go);
    build
        .env("GOCACHE", logs.path("cache"))
        .env("GO111MODULE", "off");
    build
        .args(["build", "-o"])
        .arg(&built)
        .arg(script("get.go"));
    assert!(build.status().expect("run go").success());
    let log = logs.file("a.log", "history\n");
    let daemon = Daemon::follow(&[&log]);
    for (path, mark) in [
        ("stream", ""),
        ("stream?format=text&lines=1", ""),
        ("events", "data: "),
    ] {
        let url = format!("http://127.0.0.1:{}/{path}", daemon.port);
        let mut client = Client::start(Command::new(&built).arg(url));
        for n in 0..4 {
            // Nothing follows it that would push it out.
            let line = if n == 0 {
                "history".to_owned()
            } else {
                format!("{n}")
            };
            while client.line() != format!("{mark}{line}") {}
            append(&log, format!("{}\n", n + 1));
        }
        append(&log, "history\n");
    }
}

#[test]
fn python_websockets_takes_any_line_and_resumes_after_kills() {
    let Some(mut python) = python("websockets") else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("a.log", "first\n");
    let mut daemon = Daemon::follow(&[&log]);
    let port = daemon.port;
    let url = format!("ws://127.0.0.1:{port}/ws?format=json&lines=all");
    let mut client = Client::start(python.arg(script("resume.py")).arg(url));
    client.says(&["5 first"]);
    // As large as messages become: a MiB, bytes that are no text, and what JSON makes six bytes of.
    let largest: [(&[u8], &str); 3] = [(b"x", "x"), (b"\xff", "?"), (b"\x1b", "\u{1b}")];
    for (n, (byte, shown)) in largest.into_iter().enumerate() {
        append(&log, [&byte.repeat(1 << 20)[..], b"\n"].concat());
        // In pieces of --max-line.
        let piece = format!("131072 {}", shown.repeat(40));
        client.says(&[&*piece; 8]);
        append(&log, format!("before {n}\n"));
        client.says(&[&format!("8 before {n}")]);
        daemon.signal(Signal::SIGKILL);
        assert!(daemon.ended(DEADLINE).is_some());
        client.says(&["closed: 1006"]);
        append(&log, format!("between {n}\n"));
        let mut command = program();
        command
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg(&log);
        daemon = Daemon::start(command);
        client.says(&[&format!("9 between {n}")]);
    }
}

#[test]
fn python_requests_decodes_the_text_of_events_and_cuts_only_where_it_always_does() {
    let Some(mut python) = python("requests") else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("a.log", "caf\u{e9} \u{2705} done\na\u{85}b\u{2028}c\n");
    let daemon = Daemon::follow(&[&log]);
    let url = format!(
        "http://127.0.0.1:{}/events?format=json&follow=false",
        daemon.port
    );
    let mut client = Client::start(python.arg(script("events.py")).arg(url));
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let line = client.line();
        if line.contains("\"line\"") {
            lines.push(line);
        }
    }
    assert!(
        lines[0].ends_with(r#""line":"caf\xe9 \u2705 done"}'"#),
        "{lines:?}"
    );
    // As one line of JSON, escaped.
    assert!(
        lines[1].ends_with(r#""line":"a\\u0085b\\u2028c"}'"#),
        "{lines:?}"
    );
}

#[test]
fn fetch_event_source_finds_json_in_every_message() {
    let Some(node) = tool(&["node"]) else { return };
    if !Path::new(MODULES).join("node_modules").is_dir() {
        assert!(!is_promised(), "fetch-event-source is not under {MODULES}");
        eprintln!("left out: no fetch-event-source under {MODULES}");
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "one\n\nthree\n");
    // Heartbeats come between the lines, as comments and, where it filters, as events.
    let daemon = Daemon::with(&["--ping-interval", "0.05"], &[&log]);
    let open = |query: &str| {
        let url = format!("http://127.0.0.1:{}/events?format=json{query}", daemon.port);
        let mut command = Command::new(&node);
        command.arg(script("events.mjs")).arg(MODULES).arg(url);
        Client::start(&mut command)
    };
    let mut all = open("");
    all.says(&["open", "<start>", "one", "", "three"]);
    let mut some = open("&grep=e");
    some.says(&[
        "open",
        "<start>",
        "one",
        "three",
        "<heartbeat>",
        "<heartbeat>",
    ]);
    append(&log, "live\n");
    all.says(&["live"]);
    while some.line() != "live" {}
}
