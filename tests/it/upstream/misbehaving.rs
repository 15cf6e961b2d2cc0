//! An other that is no tailcast, or a strange one, costs one clear line and nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tungstenite::handshake::derive_accept_key;

use super::{start, text};
use crate::support::{DEADLINE, Logs, append, program, wait_until};

/// Says `answer` to the heads of all who connect, in a thread that lives as long as the test program.
fn other(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut peer in listener.incoming().map_while(Result::ok) {
            let head = head(&mut peer);
            let answer = answer(&head);
            let _ = peer.write_all(&answer);
            // A silent one stays connected.
            if head.contains("Upgrade") && answer.starts_with(b"HTTP/1.1 101") {
                kept.push(peer);
            }
        }
    });
    port
}

fn head(peer: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && peer.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// The handshake, and then `more`.
fn upgraded(head: &str, more: &[u8]) -> Vec<u8> {
    let key = head
        .split_once("Sec-WebSocket-Key: ")
        .map_or("", |(_, rest)| rest);
    let key = derive_accept_key(key.split("\r\n").next().unwrap_or_default().as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n\r\n"
    );
    [head.as_bytes(), more].concat()
}

/// A frame of a server (RFC 6455, section 5.2).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len())
        .ok()
        .filter(|&length| length < 126);
    let head = [first, length.expect("a short payload")];
    [&head, payload].concat()
}

/// That one who answers so costs one line with `told`, and that the files of this machine are served.
fn costs_one_line(told: &str, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) {
    let port = other(answer);
    let logs = Logs::new();
    let log = logs.file("a.log", "one\n");
    let url = format!("http://127.0.0.1:{port}/");
    let hub = start(&["--ping-interval", "1"], &[text(&log), &url]);
    assert!(hub.says(told), "{told}: {:?}", hub.said_so_far());
    let mut client = hub.websocket("/ws?file=a.log&lines=1");
    assert_eq!(client.text(), "one");
    append(&log, "two\n");
    assert_eq!(client.text(), "two");
    assert_eq!(hub.said_with("warn").len(), 1, "{:?}", hub.said_so_far());
    assert_eq!(hub.said_with("is away").len(), 1, "{:?}", hub.said_so_far());
    assert!(hub.peak_kib() < 64 * 1024, "{} KiB", hub.peak_kib());
}

/// The same of one who lets us in and then says `more`.
fn costs_one_line_once_let_in(told: &str, more: impl Into<Vec<u8>>) {
    let more = more.into();
    costs_one_line(told, move |head| upgraded(head, &more));
}

#[test]
fn refusals_and_redirects() {
    for (status, line) in [
        (
            "401 Unauthorized",
            "a token (here a line HOST[:PORT] TOKEN in --credentials-file)",
        ),
        ("403 Forbidden", "--allow-host"),
        ("404 Not Found", "no file is called \"x\""),
        ("503 Service Unavailable", "too many"),
    ] {
        let told = format!("it refuses with {}: {line}", &status[..3]);
        let line = line.split(" (here").next().unwrap_or_default();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 99\r\n\r\n{line}\n");
        costs_one_line(&told, move |_| answer.clone().into_bytes());
    }
    for place in ["https://elsewhere/", "/login?next=%2F"] {
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n");
        costs_one_line(place, move |_| answer.clone().into_bytes());
    }
}

#[test]
fn what_is_no_tailcast_at_all() {
    costs_one_line("ended the connection without an answer", |_| Vec::new());
    costs_one_line("no HTTP", |_| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    costs_one_line("over 16 KiB", |_| {
        [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 40_000]].concat()
    });
    costs_one_line("accept key", |_| upgraded("", b""));
}

#[test]
fn an_answer_that_is_no_refusal_is_not_called_one() {
    for (answer, told) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "it says 200 instead of 101",
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            "it says 204 instead of 101",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "it refuses with 502: trying until",
        ),
    ] {
        costs_one_line(told, move |_| answer.as_bytes().to_vec());
    }
}

#[test]
fn one_that_lets_us_in_and_talks_nonsense_each_time_is_told_once() {
    let message = frame(0x81, b"garbage");
    let let_in = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&let_in);
    let port = other(move |head| {
        count.fetch_add(1, Ordering::Relaxed);
        upgraded(head, &message)
    });
    let hub = start(&[], &[&format!("http://127.0.0.1:{port}/")]);
    let tried = || let_in.load(Ordering::Relaxed) > 2;
    assert!(wait_until(DEADLINE, tried), "{:?}", hub.said_so_far());
    assert_eq!(hub.said_with("is away").len(), 1, "{:?}", hub.said_so_far());
    assert!(
        hub.said_with("is back after").is_empty(),
        "{:?}",
        hub.said_so_far()
    );
}

/// Lets in whoever comes, and then says `frame` again and again, and reads nothing.
fn talks_without_end(frame: &[u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let frames = frame.repeat(1000);
    let let_in = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&let_in);
    thread::spawn(move || {
        for mut peer in listener.incoming().map_while(Result::ok) {
            let head = head(&mut peer);
            if head.starts_with("GET /files") {
                let list = r#"[{"name":"a"}]"#;
                let _ = write!(
                    peer,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}",
                    list.len()
                );
                continue;
            }
            let _ = peer.write_all(&upgraded(&head, b""));
            while peer.write_all(&frames).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    (port, let_in)
}

#[test]
fn one_that_talks_without_end_costs_no_memory_and_keeps_nobody_from_a_stop() {
    let lines = r#"{"file":"a","from":"1.2.3.4","id":"1.2.3.4","lines":["x"]}"#;
    for said in [frame(0x89, b"ping"), frame(0x81, lines.as_bytes())] {
        let (port, heard) = talks_without_end(&said);
        let url = format!("http://127.0.0.1:{port}/");
        let hears = |than: usize| wait_until(DEADLINE, || heard.load(Ordering::Relaxed) > than);
        let mut hub = start(&["--spool-size", "1M"], &[&url]);
        assert!(hears(5), "{:?}", hub.said_so_far());
        assert!(hub.peak_kib() < 64 * 1024, "{} KiB", hub.peak_kib());
        let pings = said[0] == 0x89;
        if pings {
            assert!(hub.says("it pings without end"), "{:?}", hub.said_so_far());
        }
        hub.signal(Signal::SIGTERM);
        assert!(hub.ended(DEADLINE).is_some_and(|status| status.success()));
        let mut command = program();
        command.args(["cat", &url]).stdout(Stdio::null());
        let mut cat = command.spawn().expect("start tailcast cat");
        if !pings {
            assert!(hears(heard.load(Ordering::Relaxed) + 20));
            let pid = Pid::from_raw(i32::try_from(cat.id()).expect("a pid"));
            kill(pid, Signal::SIGINT).expect("sent");
        }
        let mut ended = None;
        wait_until(DEADLINE, || {
            ended = cat.try_wait().expect("its status");
            ended.is_some()
        });
        let _ = cat.kill();
        let code = ended.and_then(|status| status.code());
        assert_eq!(code, Some(i32::from(pings)));
    }
}

#[test]
fn messages_that_no_tailcast_says() {
    for (told, message) in [
        ("doesn't answer as a tailcast does", "garbage"),
        ("doesn't answer as a tailcast does", "[1,2]"),
        (
            "\"a b\" is no id",
            r#"{"file":"a","id":"a b","lines":["x"]}"#,
        ),
        ("is no id", r#"{"file":"a","id":"","lines":["x"]}"#),
        (
            "doesn't answer as a tailcast does",
            r#"{"file":"a","id":5,"lines":["x"]}"#,
        ),
        ("no proper name", r#"{"file":"","id":"1","lines":["x"]}"#),
        (
            "no proper name",
            r#"{"file":"a\nb","id":"1","lines":["x"]}"#,
        ),
    ] {
        costs_one_line_once_let_in(told, frame(0x81, message.as_bytes()));
    }
    // A text that is none, a reserved opcode, a message that nobody would wait for the end of.
    costs_one_line_once_let_in("doesn't answer as a tailcast does", frame(0x81, b"\xff"));
    costs_one_line_once_let_in("doesn't answer as a tailcast does", frame(0x83, b"x"));
    let endless = [
        &[0x81, 127, 0, 0, 0, 0x40, 0, 0, 0, 0][..],
        &[b'x'; 100_000],
    ]
    .concat();
    costs_one_line_once_let_in("doesn't answer as a tailcast does", endless);
}

#[test]
fn silence_and_a_goodbye() {
    costs_one_line_once_let_in("it has said nothing for 2 s", "");
    let stops = [&1001u16.to_be_bytes()[..], b"stopping"].concat();
    costs_one_line_once_let_in("with 1001 \"stopping\"", frame(0x88, &stops));
}
