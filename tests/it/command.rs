//! The command as a shell and a unit see it: its options, its environment, its errors, its exit status.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Output, Stdio};

use crate::support::{DEADLINE, Daemon, Logs, append, finish, program, run, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
        (&["a/b=-"], "a/b=-"),
        (&["journal:lower=1"], "journal:lower=1"),
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
        (&["cat"], "the URL"),
        (&["cat", "http://127.0.0.1:1/", "more"], "\"more\""),
        (&["cat", "--tail", "http://127.0.0.1:1/"], "--tail"),
    ];
    for (args, named) in cases {
        let line = complaint(&run(args), 2);
        assert!(line.contains(named), "{args:?} is not told of: {line}");
    }
}

#[test]
fn nothing_to_follow_is_wrong_usage() {
    let mut command = program();
    command.env("PATH", "/nowhere").stdin(Stdio::null());
    let line = complaint(&command.output().expect("start tailcast"), 2);
    assert!(line.contains("FILE"), "{line}");
}

#[test]
fn wrong_usage_in_the_environment_names_the_variable() {
    let mut command = program();
    command.arg("a.log").env("TAILCAST_LINES", "ten");
    let line = complaint(&command.output().expect("start tailcast"), 2);
    assert!(line.contains("TAILCAST_LINES"), "{line}");
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

/// What the daemon says until a stop that follows its start, with `options` and variables.
fn says(options: &[&str], variables: &[(&str, &str)]) -> String {
    let logs = Logs::new();
    let missing = logs.path("missing.log");
    // Its first answer says that it serves, whatever it is told to be silent about.
    let socket = logs.path("socket");
    let mut command = program();
    command.args(options).args(["--listen"]);
    command.arg(format!("unix:{}", socket.display()));
    command.arg(&missing).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn();
    let child = child.expect("start tailcast");
    let serves = wait_until(DEADLINE, || {
        UnixStream::connect(&socket).is_ok_and(|mut stream| {
            let asked = stream.write_all(b"GET /stream?follow=false HTTP/1.0\r\n\r\n");
            let mut answer = String::new();
            asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
        })
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("send a signal");
    let output = child.wait_with_output().expect("an end");
    assert!(serves, "it never served");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn quiet_leaves_warnings_and_errors_verbose_adds_and_rust_log_wins() {
    let [warning, info, debug] = ["warn: ", "listening on unix:", "debug: "];
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[], &[], &[warning, info]),
        (&["-q"], &[], &[warning]),
        (&[], &[("TAILCAST_QUIET", "true")], &[warning]),
        (&["-v"], &[], &[warning, info, debug]),
        (&[], &[("TAILCAST_VERBOSE", "1")], &[warning, info, debug]),
        (&["-v"], &[("RUST_LOG", "error")], &[]),
        (&["-q"], &[("RUST_LOG", "debug")], &[warning, info, debug]),
        (&[], &[("RUST_LOG", "")], &[warning, info]),
    ];
    for (options, variables, wanted) in cases {
        let said = says(options, variables);
        for part in [warning, info, debug] {
            let is_wanted = wanted.contains(&part);
            assert_eq!(
                said.contains(part),
                is_wanted,
                "{options:?} {variables:?}: {said}"
            );
        }
    }
}

#[test]
fn every_option_that_takes_a_value_can_come_from_the_environment() {
    let help = String::from_utf8(run(&["--help"]).stdout).expect("help in UTF-8");
    let takes_value = |line: &str| {
        let (_, long) = line.split_once("--")?;
        let (name, value) = long.split_once(' ')?;
        value.starts_with('<').then(|| name.to_owned())
    };
    let names: Vec<String> = help.lines().filter_map(takes_value).collect();
    // Fewer in a build without TLS and publishing.
    assert!(names.len() > 10, "{names:?}");
    let logs = Logs::new();
    let state = logs.path("state");
    std::fs::create_dir(&state).expect("a directory");
    for name in names {
        let variable = format!("TAILCAST_{}", name.to_uppercase().replace('-', "_"));
        let mut command = program();
        command.arg("a.log").env("TAILCAST_STATE_DIR", &state);
        command.env("TAILCAST_PUBLISH", "mqtt://127.0.0.1/logs");
        // No option can use this, neither as a value nor as the path of something that is there or can be made.
        command.env(&variable, "/dev/null/is:not there");
        let output = finish(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{variable}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{variable}: {said}");
        let is_named = said.contains("is:not there") || said.contains(&format!("--{name} "));
        assert!(is_named, "{variable}: {said}");
    }
}

#[test]
fn an_address_that_can_not_be_listened_on_is_one_line_with_what_would_be_right() {
    let logs = Logs::new();
    let file = logs.file("a.log", "");
    let directory = logs.path("no/such/socket");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address");
    let live = logs.path("live");
    let _server = UnixListener::bind(&live).expect("a socket");
    let unix = |path: &Path| format!("unix:{}", path.display());
    for (address, right) in [
        (taken.to_string(), "another port"),
        (format!("tcp:{taken}"), "another port"),
        ("192.0.2.1:0".to_owned(), "address of this machine"),
        (unix(&file), "no socket"),
        (unix(&live), "another path"),
        (unix(&directory), "a directory that is there"),
    ] {
        let line = complaint(&run(&["--listen", &address, "a.log"]), 1);
        let named = address.trim_start_matches("tcp:");
        assert!(line.contains(named), "{address}: {line}");
        assert!(line.contains(right), "{address}: {line}");
    }
    // What stands there is left alone.
    assert!(file.is_file() && UnixStream::connect(&live).is_ok());
}

#[test]
fn a_socket_file_that_nobody_answers_at_is_replaced() {
    let logs = Logs::new();
    let stale = logs.path("socket");
    drop(UnixListener::bind(&stale).expect("a socket"));
    let log = logs.file("a.log", "");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--listen"]);
    command.arg(format!("unix:{}", stale.display())).arg(&log);
    let _daemon = Daemon::start(command);
    assert!(UnixStream::connect(&stale).is_ok());
}

#[test]
fn a_host_name_is_listened_at_where_it_leads() {
    let logs = Logs::new();
    let mut command = program();
    command
        .args(["--listen", "localhost:0"])
        .arg(logs.path("a.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("start");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut lines = stderr.lines().map_while(Result::ok);
    let listens = lines.find(|line| line.contains("listening on "));
    let _ = child.kill();
    let _ = child.wait();
    let listens = listens.expect("a listener");
    assert!(
        listens.contains("http://127.0.0.1:") || listens.contains("http://[::1]:"),
        "{listens}"
    );
}

#[test]
#[cfg(not(feature = "tls"))]
fn a_build_without_tls_says_so() {
    let output = run(&["--tls-cert", "a.crt", "--tls-key", "a.key", "a.log"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(2), 1),
        "{said}"
    );
    assert!(said.contains("built without TLS"), "{said}");
}

#[test]
fn a_file_of_secrets_that_is_missing_is_one_line_that_says_what_it_must_be() {
    let logs = Logs::new();
    let (log, missing) = (logs.file("a.log", ""), logs.path("missing"));
    let missing = missing.to_str().expect("UTF-8");
    #[cfg(feature = "mqtt")]
    let state = logs.path("state");
    for (options, right) in [
        (&["--token-file", missing][..], "a token a line"),
        (&["--tls-cert", missing, "--tls-key", missing], "a PEM file"),
        (
            &["--credentials-file", missing],
            "a line HOST[:PORT] SECRET each",
        ),
        #[cfg(feature = "mqtt")]
        (
            &[
                "--publish",
                "mqtt://a@127.0.0.1/logs",
                "--publish-password-file",
                missing,
                "--state-dir",
                state.to_str().expect("UTF-8"),
            ],
            "the password alone",
        ),
    ] {
        if cfg!(not(feature = "tls")) && options[0] == "--tls-cert" {
            continue;
        }
        let mut command = program();
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .arg(&log);
        let refused = finish(command);
        let line = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(
            (refused.status.code(), line.lines().count()),
            (Some(1), 1),
            "{line}"
        );
        let says = [missing, "No such file", "it must be", right];
        assert!(says.iter().all(|words| line.contains(words)), "{line}");
    }
}

#[test]
fn a_directory_that_can_not_be_made_is_one_line_with_the_option_that_names_another() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let below_a_file = log.join("directory");
    let directory = below_a_file.to_str().expect("UTF-8");
    for option in ["--spool-dir", "--state-dir"] {
        let mut command = program();
        command
            .args(["--listen", "127.0.0.1:0", option, directory])
            .arg(&log);
        let line = complaint(&finish(command), 1);
        let right = format!("give {option} a directory that this user can make and write in");
        assert!(line.contains(directory) && line.contains(&right), "{line}");
    }
}
