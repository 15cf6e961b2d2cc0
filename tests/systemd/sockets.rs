//! Sockets that are passed, by systemd's own `systemd-socket-activate`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::free_address;
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};

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
