//! The command as a shell and a unit see it: its options, its environment, its errors, its exit status.

mod support;

use std::net::TcpListener;
use std::process::Output;

use nix::sys::signal::Signal;
use support::{DEADLINE, Daemon, Logs, append, program, run};

/// The one line that a failed start says.
fn complaint(output: &Output, status: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert_eq!(text.lines().count(), 1, "more than a line: {text}");
    assert!(output.stdout.is_empty(), "standard output is for answers");
    text
}

#[test]
fn wrong_usage_is_one_line_and_status_2() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "FILE"),
        (&["--lines", "ten", "a.log"], "ten"),
        (&["--listen", "nowhere", "a.log"], "nowhere"),
        (&["--listen", "127.0.0.1:70000", "a.log"], "70000"),
        (&["--max-clients", "0", "a.log"], "0"),
        (&["--queue", "-1", "a.log"], "-1"),
        (&["--max-line", "1k", "a.log"], "1k"),
        (&["--max-delay", "soon", "a.log"], "soon"),
        (&["--ping-interval", "0", "a.log"], "0"),
        (&["--no-such-option", "a.log"], "--no-such-option"),
        (&["--lines"], "--lines"),
        (&["a[.log"], "a[.log"),
    ];
    for (args, named) in cases {
        let line = complaint(&run(args), 2);
        assert!(line.contains(named), "{args:?} is not told of: {line}");
    }
}

#[test]
fn wrong_usage_in_the_environment_names_the_variable() {
    let mut command = program();
    command.arg("a.log").env("TAILCAST_LINES", "ten");
    let line = complaint(&command.output().expect("start tailcast"), 2);
    assert!(line.contains("TAILCAST_LINES"), "{line}");
}

#[test]
fn a_port_in_use_is_one_line_and_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let log = log.to_str().expect("a path in UTF-8");
    let line = complaint(&run(&["--listen", &address, log]), 1);
    assert!(line.contains(&address), "{line}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    for option in ["--help", "-h"] {
        let output = run(&[option]);
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).expect("help in UTF-8");
        for named in [
            "--listen",
            "--lines",
            "--max-clients",
            "--ping-interval",
            "FILE",
        ] {
            assert!(help.contains(named), "{named} is not in the help");
        }
        assert!(output.stderr.is_empty());
    }
    for option in ["--version", "-V"] {
        let output = run(&[option]);
        assert_eq!(output.status.code(), Some(0));
        let version = format!("tailcast {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), version);
    }
}

#[test]
fn the_environment_says_what_the_command_line_does_not() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let mut command = program();
    command.env("TAILCAST_FILES", &log);
    command.env("TAILCAST_LISTEN", "127.0.0.1:0");
    command.env("TAILCAST_LINES", "2");
    let daemon = Daemon::start(command);
    assert_eq!(daemon.get("/stream?follow=false").text(), "2\n3\n");
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n3\n");
    let mut command = program();
    command
        .args(["--listen", "127.0.0.1:0", "-F", "-n", "1"])
        .arg(&log);
    command.env("TAILCAST_LINES", "2");
    command.env("TAILCAST_FILES", logs.path("other.log"));
    let daemon = Daemon::start(command);
    assert_eq!(daemon.get("/stream?follow=false").text(), "3\n");
}

#[test]
fn a_file_that_is_missing_at_the_start_is_followed_when_it_comes() {
    let logs = Logs::new();
    let log = logs.path("not/yet/there.log");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws");
    std::fs::create_dir_all(log.parent().expect("a parent")).expect("make directories");
    append(&log, "first\n");
    assert_eq!(client.text(), "first");
}

#[test]
fn quiet_is_silent_about_what_is_fine() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let log = log.to_str().expect("a path in UTF-8");
    // What it says can't tell us that it serves; that the port answers can.
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("its address").port()
    };
    let mut command = program();
    command.args(["-q", "--listen", &format!("127.0.0.1:{port}"), log]);
    command.stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("start tailcast");
    let serves = support::wait_until(DEADLINE, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("send a signal");
    let output = child.wait_with_output().expect("an end");
    assert!(serves, "it never served");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
#[cfg(not(feature = "tls"))]
fn a_build_without_tls_says_so() {
    let output = run(&["--tls-cert", "a.crt", "--tls-key", "a.key", "a.log"]);
    let said = complaint(&output, 2);
    assert!(said.contains("built without TLS"), "{said}");
}
