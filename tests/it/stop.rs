//! How it stops: every client is told, what is queued is flushed, and the end comes within two seconds whoever listens.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Daemon, Logs, append, is_ignored, program, wait_until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

/// What a stop may take, as promised.
const STOP: Duration = Duration::from_secs(2);

/// Stops `daemon`, which has to end well and in time.
#[track_caller]
fn stops(daemon: &mut Daemon, signal: Signal) {
    let since = Instant::now();
    daemon.signal(signal);
    let status = daemon.ended(DEADLINE).expect("an end");
    let took = since.elapsed();
    assert_eq!(status.code(), Some(0), "{signal}");
    assert!(took < STOP, "{signal}: {took:?}");
}

#[test]
fn each_signal_that_ends_it_says_1001_to_every_client_and_exits_0() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // It stays ignored then.
        if is_ignored(signal) {
            continue;
        }
        let logs = Logs::new();
        let log = logs.file("a.log", "last\n");
        let mut daemon = Daemon::follow(&[&log]);
        let mut clients = [daemon.websocket("/ws"), daemon.websocket("/ws?lines=0")];
        assert_eq!(clients[0].text(), "last");
        let since = Instant::now();
        daemon.signal(signal);
        for client in &mut clients {
            assert_eq!(client.close_code(), 1001, "{signal}");
        }
        let status = daemon.ended(DEADLINE).expect("an end");
        assert!(since.elapsed() < STOP, "{signal}: {:?}", since.elapsed());
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn what_was_written_when_the_signal_comes_still_goes_out() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    // After a delivery it leaves the file alone for a minute.
    let mut daemon = Daemon::with(&["--max-delay", "60000"], &[&log]);
    let mut client = daemon.websocket("/ws");
    let is_live = || {
        let metrics = daemon.get("/metrics").text();
        let live = |line: &str| line.starts_with("tailcast_clients{") && line.contains("\"live\"");
        metrics
            .lines()
            .any(|line| live(line) && line.ends_with(" 1"))
    };
    assert!(
        wait_until(DEADLINE, is_live),
        "{}",
        daemon.get("/metrics").text()
    );
    append(&log, "first\n");
    assert_eq!(client.text(), "first");
    append(&log, "last\n");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(client.text(), "last");
    assert_eq!(client.close_code(), 1001);
    assert!(daemon.ended(DEADLINE).is_some());
}

/// So many clients as the promise names.
const CLIENTS: usize = 1_000;

/// A stream that was answered, and of which nothing else was read.
fn open_stream(daemon: &Daemon, target: &str) -> TcpStream {
    let mut stream = daemon.connect();
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("send a request");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.extend(byte);
    }
    assert!(!answer.starts_with(b"HTTP/1.1 5"), "{target} was refused");
    stream
}

/// All that comes until the end.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) => panic!("{error} after {} bytes", bytes.len()),
    }
}

#[test]
fn a_thousand_clients_get_the_last_line_and_1001_and_none_holds_up_the_end() {
    raise_descriptors();
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let large = logs.file("b.log", format!("{}\n", "x".repeat(999)).repeat(30_000));
    let mut daemon = Daemon::with(&["--max-clients", "2000"], &[&log, &large]);
    let _never_reads = open_stream(&daemon, "/ws?file=b.log&lines=all");
    let _neither = open_stream(&daemon, "/stream?file=b.log&lines=all");
    let mut unasked = daemon.connect();
    unasked.write_all(b"GET /str").expect("send half a request");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let path = ["ws", "events", "stream"][n % 3];
            open_stream(&daemon, &format!("/{path}?file=a.log&lines=0"))
        })
        .collect();
    // They don't say goodbye, as clients do that have gone to sleep.
    append(&log, "last\n");
    stops(&mut daemon, Signal::SIGTERM);
    for (n, client) in clients.into_iter().enumerate() {
        let bytes = rest(client);
        let text = String::from_utf8_lossy(&bytes);
        match n % 3 {
            0 => {
                assert!(bytes.starts_with(b"\x81\x04last\x88"), "client {n}: {text}");
                assert_eq!(bytes[8..10], 1001_u16.to_be_bytes(), "client {n}");
            }
            1 => assert!(text.contains("\ndata: last\n"), "client {n}: {text}"),
            _ => assert!(text.contains("last\n"), "client {n}: {text}"),
        }
    }
}

/// Room for a thousand sockets.
fn raise_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raise the limit");
}

#[test]
fn while_many_catch_up_the_end_comes_in_time() {
    let logs = Logs::new();
    let log = logs.file("a.log", format!("{}\n", "x".repeat(99)).repeat(300_000));
    let mut daemon = Daemon::follow(&[&log]);
    let _clients: Vec<_> = (0..50)
        .map(|n| {
            let path = ["ws", "events", "stream"][n % 3];
            open_stream(&daemon, &format!("/{path}?lines=all&grep=y"))
        })
        .collect();
    stops(&mut daemon, Signal::SIGTERM);
}

#[test]
fn a_second_signal_changes_nothing() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let mut daemon = Daemon::follow(&[&log]);
    // It waits a moment for this one's goodbye.
    let _asleep = open_stream(&daemon, "/ws");
    daemon.signal(Signal::SIGTERM);
    daemon.signal(Signal::SIGINT);
    stops(&mut daemon, Signal::SIGHUP);
}

#[test]
fn once_it_stops_it_takes_nobody_in_and_its_unix_socket_is_gone() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let socket = logs.path("socket");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--listen"]);
    command.arg(format!("unix:{}", socket.display())).arg(&log);
    let mut daemon = Daemon::start(command);
    assert!(socket.exists());
    let _asleep = open_stream(&daemon, "/ws");
    daemon.signal(Signal::SIGTERM);
    let refused = crate::support::wait_until(STOP, || {
        let tried = TcpStream::connect(("127.0.0.1", daemon.port));
        tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    assert!(refused, "it still listens");
    assert_eq!(daemon.ended(STOP).and_then(|status| status.code()), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command.args(["--listen", "127.0.0.1:0"]).arg(&log);
    let mut daemon = Daemon::start(command);
    daemon.signal(Signal::SIGHUP);
    assert_eq!(daemon.get("/healthz").status, 200);
    stops(&mut daemon, Signal::SIGTERM);
}

#[test]
fn at_the_end_a_body_is_whole_also_a_deflated_one_that_was_live() {
    let logs = Logs::new();
    let (log, other) = (logs.file("a.log", "1\n"), logs.file("b.log", "b\n"));
    let mut daemon = Daemon::follow(&[&log, &other]);
    let asked = [
        "/stream",
        "/stream?file=a.log",
        "/events?file=a.log",
        "/events",
    ];
    let ask = |target: &&str, coding: &str| {
        let mut stream = daemon.connect();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {coding}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("ask");
        stream
    };
    let plain: Vec<_> = asked.iter().map(|target| ask(target, "identity")).collect();
    let gzip: Vec<_> = asked.iter().map(|target| ask(target, "gzip")).collect();
    let live = || {
        let text = daemon.get("/metrics").text();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("tailcast_clients{"));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counts.sum::<f64>() == 8.0
    };
    assert!(wait_until(DEADLINE, live));
    for n in 2..40 {
        append(&log, format!("{n} {}\n", "is a line ".repeat(n)));
        append(&other, format!("b {n}\n"));
    }
    daemon.signal(Signal::SIGTERM);
    for (target, stream) in asked.iter().zip(plain) {
        let body = rest(stream);
        assert!(body.ends_with(b"\r\n0\r\n\r\n"), "{target}");
        assert!(!body.windows(10).any(|part| part == b"event: end"));
    }
    for (target, stream) in asked.iter().zip(gzip) {
        let answer = rest(stream);
        let body = crate::support::http::unchunked(after_head(&answer));
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&body[..]);
        let whole = decoder.read_to_string(&mut text);
        assert!(whole.is_ok(), "{target}: {whole:?}");
        assert!(text.contains("39 is a line"), "{target}: {text}");
    }
    assert!(daemon.ended(DEADLINE).is_some());
}

fn after_head(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
    &answer[end.expect("a head") + 4..]
}

/// A broker that welcomes whoever comes, and from then on says `words` without end.
#[cfg(feature = "mqtt")]
fn talkative_broker(words: &'static [u8]) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut stream = stream;
                let _ = stream.read(&mut [0; 1024]);
                // CONNACK of MQTT 5: welcome, no properties.
                let _ = stream.write_all(&[0x20, 3, 0, 0, 0]);
                let flood = words.repeat(256 * 1024 / words.len());
                while stream.write_all(&flood).is_ok() {}
            });
        }
    });
    address
}

#[cfg(feature = "mqtt")]
#[test]
fn a_broker_that_talks_without_end_holds_up_neither_publishing_nor_the_end() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let state = logs.path("state");
    std::fs::create_dir(&state).expect("a directory");
    // PINGRESP.
    let broker = talkative_broker(&[0xd0, 0]);
    let url = format!("mqtt://{broker}/logs");
    let state = state.to_str().expect("UTF-8");
    let options = [
        "--publish",
        &url,
        "--state-dir",
        state,
        "--publish-from-start",
    ];
    let mut daemon = Daemon::with(&options, &[&log]);
    let metric = |name: &str| {
        let text = daemon.get("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    // It is published, though what the broker would say to it never comes.
    let in_flight = || metric("tailcast_publish_in_flight").is_some_and(|count| count > 0.0);
    assert!(wait_until(DEADLINE, in_flight), "nothing is published");
    stops(&mut daemon, Signal::SIGTERM);
}
