//! The other doors: `tcp:` for nc, `unix:` for HTTP over a Unix socket, and what curl gets.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{DEADLINE, Daemon, Logs, append, program, run, tool, wait_until};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

/// A daemon that listens there before it listens for HTTP.
fn at(listen: &str, options: &[&str], files: &[&Path]) -> Daemon {
    let mut command = program();
    command.args(["--listen", listen, "--listen", "127.0.0.1:0"]);
    command.args(options).args(files);
    Daemon::start(command)
}

/// A daemon with a `tcp:` listener, and its port.
fn plain(options: &[&str], files: &[&Path]) -> (Daemon, u16) {
    let daemon = at("tcp:127.0.0.1:0", options, files);
    let said = daemon.said_so_far();
    let mut ports = said.iter().filter_map(|line| {
        let (_, address) = line.split_once("listening on tcp://127.0.0.1:")?;
        address.parse().ok()
    });
    let port = ports.next().unwrap_or_else(|| panic!("no port: {said:?}"));
    (daemon, port)
}

fn connect(port: u16) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    BufReader::new(stream)
}

fn lines(from: &mut impl BufRead, count: usize) -> String {
    let mut text = String::new();
    for _ in 0..count {
        from.read_line(&mut text).expect("a line by the deadline");
    }
    text
}

/// What curl prints.
fn curl(args: &[&str]) -> Vec<u8> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "20"]);
    let output = command.args(args).output().expect("run curl");
    assert!(output.status.success(), "curl {args:?}: {output:?}");
    output.stdout
}

#[test]
fn curl_gets_what_tail_prints() {
    if tool(&["curl"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file(
        "a.log",
        (0..500)
            .map(|n| format!("line {n}\r\n"))
            .collect::<String>(),
    );
    append(&log, b"\xff not UTF-8 \0\n");
    let daemon = Daemon::follow(&[&log]);
    let url = format!(
        "http://127.0.0.1:{}/stream?lines=100&follow=false",
        daemon.port
    );
    let tail = Command::new("tail").args(["-n", "100"]).arg(&log).output();
    let tail = tail.expect("run tail").stdout;
    assert_eq!(curl(&[&url]), tail);
    assert_eq!(curl(&["--http1.0", &url]), tail);
    assert_eq!(
        curl(&["--head", &url])
            .windows(4)
            .filter(|end| end == b"\r\n\r\n")
            .count(),
        1
    );
}

#[test]
fn nc_gets_the_text_of_the_stream_also_after_the_end_of_its_input() {
    if tool(&["nc"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let (_daemon, port) = plain(&[], &[&a, &b]);
    let mut nc = Command::new("nc")
        .args(["-N", "127.0.0.1", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run nc");
    let mut out = BufReader::new(nc.stdout.take().expect("a pipe"));
    let begins = lines(&mut out, 5);
    assert_eq!(begins, "==> a.log <==\na1\n\n==> b.log <==\nb1\n");
    append(&b, "b2\n");
    assert_eq!(lines(&mut out, 1), "b2\n");
    nc.kill().expect("end nc");
    nc.wait().expect("nc");
}

#[test]
fn who_connects_to_a_plain_listener_is_sent_text_whatever_it_says() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n2\n");
    let (_daemon, port) = plain(&["--lines", "1"], &[&log]);
    let mut client = connect(port);
    client
        .get_mut()
        .write_all(b"whatever, GET / HTTP/1.1\r\n\r\n")
        .expect("say something");
    assert_eq!(lines(&mut client, 1), "2\n");
    client
        .get_mut()
        .shutdown(Shutdown::Write)
        .expect("half-close");
    append(&log, "3\n");
    assert_eq!(lines(&mut client, 1), "3\n");
}

#[test]
fn a_web_page_gets_nothing_from_a_plain_listener() {
    let logs = Logs::new();
    let log = logs.file("a.log", "HTTP/1.1 200 OK\r\n");
    let (_daemon, port) = plain(&[], &[&log]);
    let mut page = connect(port);
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    page.get_mut().write_all(request).expect("ask");
    let mut nothing = Vec::new();
    let end = page.read_to_end(&mut nothing);
    assert!(nothing.is_empty(), "{end:?} {nothing:?}");
    // One that connects first and asks later, in pieces.
    let mut late = connect(port);
    assert_eq!(lines(&mut late, 1), "HTTP/1.1 200 OK\r\n");
    late.get_mut().write_all(b"HE").expect("ask");
    late.get_mut().write_all(b"AD / HTTP/1.1\r\n").expect("ask");
    assert!(matches!(late.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn one_plain_client_too_many_is_closed_at_once() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let (daemon, port) = plain(&["--max-clients", "1"], &[&log]);
    let mut first = connect(port);
    assert_eq!(lines(&mut first, 1), "1\n");
    let mut nothing = Vec::new();
    connect(port).read_to_end(&mut nothing).expect("its end");
    assert_eq!(nothing, b"");
    assert_eq!(daemon.get("/stream").status, 503);
    drop(first);
    // Whoever has left is noticed at the next line, since a half-closed peer is still served.
    let is_free = || {
        append(&log, "2\n");
        lines(&mut connect(port), 1) == "2\n"
    };
    assert!(wait_until(DEADLINE, is_free));
}

#[test]
fn http_goes_over_a_unix_socket_that_goes_with_the_daemon() {
    if tool(&["curl"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let socket = logs.path("tailcast.sock");
    let listen = format!("unix:{}", socket.display());
    let mut daemon = at(&listen, &[], &[&log]);
    let stat = fs::metadata(&socket).expect("a socket");
    assert!(stat.file_type().is_socket());
    assert_eq!(stat.permissions().mode() & 0o7777, 0o660);
    let path = socket.to_str().expect("UTF-8");
    // Any Host will do.
    let url = "http://any.example/stream?follow=false";
    assert_eq!(curl(&["--unix-socket", path, url]), b"1\n");

    // A second daemon does not take it away.
    let second = run(&["--listen", &listen, log.to_str().expect("UTF-8")]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(path) && said.lines().count() == 1, "{said}");
    assert_eq!(curl(&["--unix-socket", path, url]), b"1\n");

    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some());
    assert!(!socket.exists());
}

#[test]
fn a_stale_socket_is_replaced_and_another_file_is_not() {
    if tool(&["curl"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let socket = logs.path("tailcast.sock");
    let listen = format!("unix:{}", socket.display());
    drop(UnixListener::bind(&socket).expect("a socket"));
    let daemon = at(&listen, &[], &[&log]);
    let path = socket.to_str().expect("UTF-8");
    assert_eq!(
        curl(&["--unix-socket", path, "http://localhost/healthz"]),
        b"ok\n"
    );
    drop(daemon);

    fs::remove_file(&socket).expect("what a killed daemon leaves");
    fs::write(&socket, "precious").expect("a file");
    let refused = run(&["--listen", &listen, log.to_str().expect("UTF-8")]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read(&socket).expect("a file"), b"precious");
}

#[test]
fn a_start_that_fails_leaves_no_socket_behind() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let socket = logs.path("tailcast.sock");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let unix = format!("unix:{}", socket.display());
    let log = log.to_str().expect("UTF-8");
    let failed = run(&["--listen", &unix, "--listen", &taken, log]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(!socket.exists());
}

#[test]
fn a_plain_client_that_is_reset_after_it_shut_its_sending_side_gives_its_place_back() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let (daemon, port) = plain(&["--max-clients", "1"], &[&log]);
    let mut first = connect(port);
    assert_eq!(lines(&mut first, 1), "1\n");
    let half_closed = first.get_ref().shutdown(Shutdown::Write);
    half_closed.expect("half-close");
    // It is served on.
    append(&log, "2\n");
    assert_eq!(lines(&mut first, 1), "2\n");
    // The log says nothing more. A kernel that knows nothing of the connection any more answers a probe so, too.
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&first.get_ref().as_fd(), sockopt::Linger, &linger).expect("linger");
    drop(first);
    let is_free = || daemon.get("/stream?follow=false").status == 200;
    assert!(wait_until(DEADLINE, is_free), "its place is not free");
}
