//! `tailcast cat` against running daemons: what it writes, how it goes on after a lost connection, how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{DEADLINE, Daemon, Logs, append, finish, program, wait_until};

/// One that runs, and the lines that it writes.
struct Cat {
    child: Child,
    lines: Receiver<String>,
}

impl Cat {
    fn start(args: &[&str], url: &str) -> Cat {
        let mut command = program();
        command.arg("cat").args(args).arg(url);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("start tailcast cat");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Cat { child, lines }
    }

    fn line(&self) -> String {
        let line = self.lines.recv_timeout(DEADLINE);
        line.expect("another line of tailcast cat")
    }

    fn exit_status(&mut self) -> Option<i32> {
        let child = &mut self.child;
        assert!(
            wait_until(DEADLINE, || child.try_wait().expect("wait").is_some()),
            "tailcast cat did not end"
        );
        child.wait().expect("wait").code()
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that ends by itself.
fn cat(args: &[&str], url: &str) -> Output {
    let mut command = program();
    command.arg("cat").args(args).arg(url);
    finish(command)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn url(daemon: &Daemon, query: &str) -> String {
    format!("http://127.0.0.1:{}/{query}", daemon.port)
}

/// A daemon on the port of another that has ended.
fn again_on(port: u16, file: &Path) -> Daemon {
    let mut command = program();
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.arg(file);
    Daemon::start(command)
}

#[test]
fn it_writes_the_lines_of_one_file_and_ends_with_the_history() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("a.log", "one\ntwo\nthree\n")]);
    let output = cat(&[], &url(&daemon, "?lines=2&follow=false"));
    assert_eq!(text(&output.stdout), "two\nthree\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn several_files_have_the_headers_that_tail_writes() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "one\n"), logs.file("b.log", "two\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    let output = cat(&[], &url(&daemon, "?follow=false"));
    let wanted = daemon.get("/stream?follow=false").text();
    assert_eq!(text(&output.stdout), wanted);
    let output = cat(&[], &url(&daemon, "?follow=false&file=b.log"));
    assert_eq!(text(&output.stdout), "two\n");
}

#[test]
fn json_is_what_the_other_says_with_its_events() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("a.log", "one\n")]);
    let output = cat(&["-o", "json"], &url(&daemon, "?follow=false"));
    let wanted = daemon.get("/stream?follow=false&format=json").text();
    assert_eq!(text(&output.stdout), wanted);
}

#[test]
fn it_goes_on_by_id_when_the_other_is_killed_and_comes_back() {
    let logs = Logs::new();
    let path = logs.file("a.log", "1\n2\n");
    let daemon = Daemon::follow(&[&path]);
    let port = daemon.port;
    let both = [
        Cat::start(&[], &url(&daemon, "?lines=1")),
        Cat::start(&["-o", "json"], &url(&daemon, "?lines=1")),
    ];
    assert_eq!(both[0].line(), "2");
    assert!(both[1].line().contains("start") && both[1].line().contains("\"2\""));
    drop(daemon);
    append(&path, "3\n4\n");
    let _daemon = again_on(port, &path);
    append(&path, "5\n");
    for n in ["3", "4", "5"] {
        assert_eq!(both[0].line(), n);
        let line = both[1].line();
        assert!(line.contains(&format!("\"line\":\"{n}\"")), "{line}");
    }
}

#[test]
fn where_nothing_answers_at_the_start_it_ends_with_one_line() {
    // Port 1 of loopback has no listener.
    let output = cat(&[], "http://127.0.0.1:1/");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("http://127.0.0.1:1/") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn it_is_refused_without_a_token_and_let_in_by_the_credentials_file() {
    let logs = Logs::new();
    let tokens = logs.file("tokens", "a-token-of-enough-length\n");
    let options = ["--token-file", tokens.to_str().expect("UTF-8")];
    let daemon = Daemon::with(&options, &[&logs.file("a.log", "one\n")]);
    let url = url(&daemon, "?follow=false");
    let output = cat(&[], &url);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("401"),
        "{}",
        text(&output.stderr)
    );

    let credentials = logs.file("credentials", "127.0.0.1 a-token-of-enough-length\n");
    let options = ["--credentials-file", credentials.to_str().expect("UTF-8")];
    let output = cat(&options, &url);
    assert_eq!(
        (output.status.code(), &*text(&output.stdout)),
        (Some(0), "one\n")
    );

    let output = cat(&[], &format!("{url}&token=a-token-of-enough-length"));
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("--credentials-file") && !said.contains("enough"),
        "{said}"
    );
}

#[test]
fn it_ends_well_when_its_output_is_closed_and_by_a_signal() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("a.log", "one\n")]);
    let mut command = program();
    command
        .arg("cat")
        .arg(url(&daemon, "?lines=1"))
        .stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("start");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    // Nothing is written after this: the end of its reader alone must end it.
    drop(out);
    let ended = wait_until(DEADLINE, || child.try_wait().expect("wait").is_some());
    assert!(ended, "its reader has gone");
    assert_eq!(child.wait().expect("wait").code(), Some(0));

    let mut cat = Cat::start(&[], &url(&daemon, "?lines=1"));
    assert_eq!(cat.line(), "one");
    let pid = i32::try_from(cat.child.id()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("send a signal");
    assert_eq!(cat.exit_status(), Some(0));
}

#[test]
#[cfg(feature = "tls")]
fn it_reads_over_tls_from_whom_the_machine_trusts_alone() {
    use crate::support::tls::Pair;

    let logs = Logs::new();
    let pair = Pair::quick(&logs, "own");
    let (cert, key) = (pair.cert.to_str(), pair.key.to_str());
    let options = [
        "--tls-cert",
        cert.expect("UTF-8"),
        "--tls-key",
        key.expect("UTF-8"),
    ];
    let daemon = Daemon::with(&options, &[&logs.file("a.log", "one\n")]);
    let url = format!("https://127.0.0.1:{}/?follow=false", daemon.port);
    let mut command = program();
    command
        .arg("cat")
        .arg(&url)
        .env("SSL_CERT_FILE", &pair.cert);
    let output = finish(command);
    assert_eq!(
        (output.status.code(), &*text(&output.stdout)),
        (Some(0), "one\n")
    );

    let other = Pair::quick(&logs, "other");
    let mut command = program();
    command
        .arg("cat")
        .arg(&url)
        .env("SSL_CERT_FILE", &other.cert);
    let output = finish(command);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
    let clear = Daemon::follow(&[&logs.file("b.log", "one\n")]);
    let output = cat(&[], &format!("https://127.0.0.1:{}/", clear.port));
    let said = text(&output.stderr);
    assert!(said.contains("is it http://?"), "{said}");
}
