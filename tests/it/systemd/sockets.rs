//! Sockets that are passed: by the test itself, and by systemd's own `systemd-socket-activate`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use super::free_address;
use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};

/// tailcast with `before` in front of its command line, started by a connection to one of the sockets that `options`
/// tell `systemd-socket-activate` to open.
fn activated(options: &[String], before: &[&str], log: &Path) -> Daemon {
    let mut command = Command::new("systemd-socket-activate");
    command.args(options).args(before);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    // Not used: what is passed counts.
    command.args(["--listen", "127.0.0.1:1"]).arg(log);
    Daemon::spawn(command)
}

/// tailcast with `socket` as the one descriptor that is passed, for the process that `pid` says: `$$` is the daemon's own.
fn passed(socket: OwnedFd, pid: &str, log: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID={pid}; exec \"$@\"");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_tailcast")]);
    command.args(["--listen", "127.0.0.1:0"]).arg(log);
    command.stdin(socket);
    command
}

#[test]
fn a_passed_descriptor_is_served_from_the_start() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    // It is queued until somebody serves: nobody is refused.
    let early = connect(address);
    let daemon = Daemon::spawn_with_input(passed(listener.into(), "$$", &log));
    assert!(ask(early, "/stream?follow=false").ends_with("\r\n\r\n1\n2\n"));
    let said = daemon.said_so_far();
    let listening = said.iter().filter(|line| line.contains("listening on"));
    assert_eq!(listening.count(), 1, "{said:?}");
}

#[test]
fn a_unix_socket_named_tcp_is_a_plain_one_too() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let path = logs.path("plain.sock");
    let start = |options: &[&str]| {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let mut command = passed(listener.into(), "$$", &log);
        command.env("LISTEN_FDNAMES", "tcp").args(options);
        command
    };
    let daemon = Daemon::spawn_with_input(start(&[]));
    assert!(daemon.says(&format!("listening on tcp:unix:{}", path.display())));
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut lines = [0; 4];
    stream.read_exact(&mut lines).expect("its lines");
    assert_eq!(&lines, b"1\n2\n");
    drop(daemon);
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let refused = start(&["--token-file", tokens.to_str().expect("UTF-8")])
        .output()
        .expect("start tailcast");
    let line = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{line}");
    assert!(line.contains("named tcp"), "{line}");
}

#[test]
fn descriptors_that_are_meant_for_another_process_are_left_alone() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let daemon = Daemon::spawn_with_input(passed(listener.into(), "1", &log));
    assert!(daemon.says("listening on http://127.0.0.1:"));
    let said = daemon.said_so_far();
    let theirs = format!("listening on http://{address}");
    assert!(!said.iter().any(|line| line.ends_with(&theirs)), "{said:?}");
}

#[test]
fn a_passed_socket_that_does_not_listen_is_one_line_and_status_1() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let socket = UnixDatagram::unbound().expect("a socket");
    let output = passed(socket.into(), "$$", &log)
        .output()
        .expect("start tailcast");
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(
        line.contains("passed socket 0") && line.contains("listening TCP or Unix"),
        "{line}"
    );
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut found = None;
    wait_until(DEADLINE, || {
        found = TcpStream::connect(address).ok();
        found.is_some()
    });
    let stream = found.expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
}

/// The whole answer to a request.
fn ask(mut stream: impl Read + Write, target: &str) -> String {
    let head = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("send a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_passed_tcp_socket_serves_http_in_place_of_listen() {
    if tool(&["systemd-socket-activate"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let address = free_address();
    let listen = format!("--listen={address}");
    let daemon = activated(&[listen], &[], &log);
    let answer = ask(connect(address), "/stream?follow=false");
    assert!(answer.ends_with("\r\n\r\n1\n2\n"), "{answer}");
    assert!(daemon.says(&format!("listening on http://{address}")));
}

#[test]
fn a_passed_unix_socket_serves_http() {
    if tool(&["systemd-socket-activate"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let path = logs.path("http.sock");
    let daemon = activated(&[format!("--listen={}", path.display())], &[], &log);
    let mut found = None;
    wait_until(DEADLINE, || {
        found = UnixStream::connect(&path).ok();
        found.is_some()
    });
    let stream = found.expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let answer = ask(stream, "/stream?follow=false");
    assert!(answer.ends_with("\r\n\r\n1\n2\n"), "{answer}");
    assert!(daemon.says(&format!("listening on unix:{}", path.display())));
}

#[test]
fn of_several_passed_sockets_the_one_named_tcp_is_plain() {
    if tool(&["systemd-socket-activate"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let (web, plain) = (free_address(), free_address());
    let options = [
        format!("--listen={web}"),
        format!("--listen={plain}"),
        "--fdname=web:tcp".to_owned(),
    ];
    let daemon = activated(&options, &[], &log);
    let mut lines = BufReader::new(connect(plain)).lines();
    let mut next = || {
        lines
            .next()
            .expect("a line")
            .expect("a line by the deadline")
    };
    assert_eq!(next(), "1");
    append(&log, "2\n");
    assert_eq!(next(), "2");
    assert!(ask(connect(web), "/healthz").ends_with("ok\n"));
    assert!(daemon.says(&format!("listening on tcp://{plain}")));
}

/// It could ask for no token, so it would let everybody read.
#[test]
fn a_passed_socket_named_tcp_is_refused_where_tokens_are_asked_for() {
    if tool(&["systemd-socket-activate"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "secret\n");
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let address = free_address();
    let mut command = Command::new("systemd-socket-activate");
    command.args([&format!("--listen={address}"), "--fdname=tcp"]);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command.arg("--token-file").args([&tokens, &log]);
    let mut daemon = Daemon::spawn(command);
    let mut said = String::new();
    let _ = connect(address).read_to_string(&mut said);
    assert_eq!(said, "");
    assert!(daemon.says("can't be used with --token-file"));
    assert_eq!(
        daemon.ended(DEADLINE).and_then(|status| status.code()),
        Some(2)
    );
}

/// What PrivateNetwork= of tailcast-socket.service means: a network of its own, with nothing in it, not even loopback.
#[test]
fn a_passed_socket_serves_a_daemon_that_has_no_network_of_its_own() {
    if tool(&["systemd-socket-activate"]).is_none() {
        return;
    }
    let isolated = ["unshare", "--net"];
    let may = Command::new(isolated[0])
        .args([isolated[1], "true"])
        .output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: unshare --net is not allowed here");
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let address = free_address();
    let _daemon = activated(&[format!("--listen={address}")], &isolated, &log);
    let answer = ask(connect(address), "/stream?follow=false");
    assert!(answer.ends_with("\r\n\r\n1\n2\n"), "{answer}");
}
