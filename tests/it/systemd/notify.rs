//! What systemd is told, on a socket that the test has made for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::free_address;
use crate::mounts::Mount;
use crate::support::{DEADLINE, Daemon, Logs, append, program, wait_until};

/// systemd's end of the socket.
struct Systemd {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Systemd {
    fn new(logs: &Logs) -> Systemd {
        let path = logs.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Systemd { socket, path }
    }

    /// A daemon that is told of this socket, with `options`, on a free port.
    fn command(&self, options: &[&str], log: &Path) -> Command {
        let mut command = program();
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .arg(log);
        command.env("NOTIFY_SOCKET", &self.path);
        command
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC");
        command
    }

    /// The next message, which holds an assignment a line.
    fn next(&self) -> Option<String> {
        let mut buf = [0; 4096];
        let len = self.socket.recv(&mut buf).ok()?;
        Some(String::from_utf8_lossy(&buf[..len]).into_owned())
    }

    /// The first value of `name` for which `right` holds, among what comes from now on.
    fn value(&self, name: &str, right: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        while Instant::now() < end {
            let Some(message) = self.next() else { break };
            let values = message
                .lines()
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            for value in values {
                if right(value) {
                    return value.to_owned();
                }
                seen.push(value.to_owned());
            }
        }
        panic!("no such {name}, but {seen:?}");
    }

    fn status(&self, right: impl Fn(&str) -> bool) -> String {
        self.value("STATUS", right)
    }

    /// Takes what has come, without waiting.
    fn drain(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("nonblocking");
        let messages = std::iter::from_fn(|| self.next()).collect();
        self.socket.set_nonblocking(false).expect("blocking");
        messages
    }
}

#[test]
fn it_is_ready_only_when_it_serves() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let systemd = Systemd::new(&logs);
    let socket = logs.path("http.sock");
    let at = format!("unix:{}", socket.display());
    let _daemon = Daemon::spawn(systemd.command(&["--listen", &at], &log));
    systemd.value("READY", |value| value == "1");
    // At once: no second try.
    let mut stream = UnixStream::connect(&socket).expect("connect as soon as it is ready");
    stream
        .write_all(b"GET /healthz HTTP/1.0\r\n\r\n")
        .expect("send a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn it_is_never_ready_where_it_can_not_serve() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let systemd = Systemd::new(&logs);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("its address").to_string();
    let mut daemon = Daemon::spawn(systemd.command(&["--listen", &at], &log));
    let status = daemon.ended(DEADLINE).expect("an end");
    assert_eq!(status.code(), Some(1));
    assert_eq!(systemd.drain(), Vec::<String>::new());
}

#[test]
fn it_says_that_it_stops() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let systemd = Systemd::new(&logs);
    let mut daemon = Daemon::start(systemd.command(&[], &log));
    systemd.value("READY", |value| value == "1");
    daemon.signal(Signal::SIGTERM);
    systemd.value("STOPPING", |value| value == "1");
    assert!(
        daemon
            .ended(DEADLINE)
            .is_some_and(|status| status.success())
    );
}

#[test]
fn its_status_follows_the_clients_where_nothing_else_happens() {
    let logs = Logs::new();
    // Not below /tmp: what others do there would wake the watcher, as it watches the directories on the way.
    let quiet = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let log = quiet.path().join("a.log");
    append(&log, "1\n");
    let systemd = Systemd::new(&logs);
    let daemon = Daemon::start(systemd.command(&[], &log));
    systemd.status(|status| status == "1 file, 0 clients, lag 0 bytes");
    let client = daemon.websocket("/ws");
    systemd.status(|status| status == "1 file, 1 client, lag 0 bytes");
    drop(client);
    systemd.status(|status| status == "1 file, 0 clients, lag 0 bytes");
}

#[test]
fn its_status_tells_of_a_file_that_is_missing_and_of_its_coming() {
    let logs = Logs::new();
    let log = logs.path("missing.log");
    let systemd = Systemd::new(&logs);
    let _daemon = Daemon::start(systemd.command(&[], &log));
    systemd.status(|status| status == "1 file (1 missing), 0 clients, lag 0 bytes");
    append(&log, "there\n");
    systemd.status(|status| status == "1 file, 0 clients, lag 0 bytes");
}

#[test]
fn its_status_tells_how_far_the_slowest_client_is_behind() {
    let logs = Logs::new();
    let text = format!("{}\n", "x".repeat(999)).repeat(20_000);
    let log = logs.file("a.log", &text);
    let systemd = Systemd::new(&logs);
    let daemon = Daemon::start(systemd.command(&[], &log));
    let mut client = daemon.connect();
    client
        .write_all(b"GET /stream?lines=all HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .expect("ask");
    let behind = systemd.status(|status| status.contains("(1 catching up)"));
    let (_, lag) = behind.split_once("lag ").expect("a lag");
    let lag: usize = lag.trim_end_matches(" bytes").parse().expect("a number");
    assert!(lag > text.len() / 2 && lag <= text.len(), "{behind}");
    let mut buf = vec![0; 64 * 1024];
    let mut read = 0;
    while read < text.len() {
        read += client.read(&mut buf).expect("read on");
    }
    systemd.status(|status| status == "1 file, 1 client, lag 0 bytes");
}

#[test]
fn the_watchdog_is_told_twice_in_its_time_as_long_as_the_watcher_comes_round() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let systemd = Systemd::new(&logs);
    let mut command = systemd.command(&[], &log);
    command.env("WATCHDOG_USEC", "400000");
    let since = Instant::now();
    let _daemon = Daemon::start(command);
    for _ in 0..6 {
        systemd.value("WATCHDOG", |value| value == "1");
    }
    let half = Duration::from_millis(200);
    assert!(
        since.elapsed() >= 5 * half,
        "more often than that: {:?}",
        since.elapsed()
    );
}

#[test]
fn a_long_rest_between_deliveries_is_not_taken_for_a_stuck_watcher() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let systemd = Systemd::new(&logs);
    let mut command = systemd.command(&["--max-delay", "60000"], &log);
    command.env("WATCHDOG_USEC", "400000");
    let daemon = Daemon::start(command);
    let mut client = daemon.websocket("/ws");
    append(&log, "the rest begins\n");
    assert_eq!(client.text(), "the rest begins");
    systemd.drain();
    for _ in 0..4 {
        systemd.value("WATCHDOG", |value| value == "1");
    }
}

/// A file system that answers no more, as one over the network does.
#[test]
fn a_watcher_that_is_stuck_stops_the_watchdog_and_healthz_says_why() {
    let Some(mount) = Mount::of("bindfs") else {
        return;
    };
    let logs = Logs::new();
    let systemd = Systemd::new(&logs);
    let address = free_address();
    let mut command = program();
    command
        .args(["-q", "--listen", &address.to_string()])
        .arg(mount.log());
    command
        .env("NOTIFY_SOCKET", &systemd.path)
        .env("WATCHDOG_USEC", "400000");
    let mut child = command.spawn().expect("start tailcast");
    systemd.value("READY", |value| value == "1");
    assert_eq!(healthz(address), "200 ok\n");

    mount.signal(Signal::SIGSTOP);
    let silent = wait_until(DEADLINE, || {
        systemd.drain();
        // Three times its usual interval.
        systemd
            .socket
            .set_read_timeout(Some(Duration::from_millis(600)))
            .expect("a timeout");
        systemd.next().is_none()
    });
    systemd
        .socket
        .set_read_timeout(Some(DEADLINE))
        .expect("a timeout");
    let mut stuck = String::new();
    // A sign of life may be a moment old.
    wait_until(DEADLINE, || {
        stuck = healthz(address);
        stuck.starts_with("503")
    });
    // It is told again as soon as the file system answers.
    mount.signal(Signal::SIGCONT);
    systemd.value("WATCHDOG", |value| value == "1");
    let healthy = healthz(address);
    child.kill().expect("end it");
    child.wait().expect("its end");
    assert!(silent, "the watchdog is told by somebody else");
    assert!(
        stuck.starts_with("503 the watcher is stuck: no pass for "),
        "{stuck}"
    );
    assert_eq!(healthy, "200 ok\n");
}

/// Status and body of the answer.
fn healthz(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
        .write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    format!("{} {body}", head.split(' ').nth(1).expect("a status"))
}
