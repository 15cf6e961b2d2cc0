//! All that RFC 6455 asks of a server that mostly talks.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::support::websocket::{self, RSV1, frame, inflated};
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use tungstenite::Message;

// The first byte of a frame: FIN, or an opcode.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

#[test]
fn a_ping_is_answered_with_its_own_bytes() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws");
    client.send(Message::Ping("are you there".into()));
    assert_eq!(client.message(), Message::Pong("are you there".into()));
}

#[test]
fn what_clients_send_is_read_and_ignored() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws");
    client.send(Message::text("hello"));
    client.send(Message::Binary(vec![0xff; 4096].into()));
    client.send(Message::Pong("unasked".into()));
    // A euro sign cut in two by fragments, with a ping in between, is good UTF-8 as a whole.
    client.raw(&frame(TEXT, b"\xe2\x82"));
    client.raw(&frame(FIN | PING, b"between"));
    client.raw(&frame(FIN | CONTINUATION, b"\xac"));
    assert_eq!(client.message(), Message::Pong("between".into()));
    append(&log, "still here\n");
    assert_eq!(client.text(), "still here");
}

#[test]
fn a_message_over_4_kib_is_closed_with_1009() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut whole = daemon.websocket("/ws");
    whole.raw(&frame(FIN | TEXT, &[b'x'; 4097]));
    assert_eq!(whole.close_code(), 1009);
    let mut pieces = daemon.websocket("/ws");
    pieces.raw(&frame(BINARY, &[b'x'; 4000]));
    pieces.raw(&frame(FIN | CONTINUATION, &[b'x'; 97]));
    assert_eq!(pieces.close_code(), 1009);
    // A length is enough: nobody waits for the bytes of what is refused anyway.
    let mut announced = daemon.websocket("/ws");
    let mut head = vec![FIN | BINARY, 0x80 | 127];
    head.extend((1u64 << 40).to_be_bytes());
    head.extend([0; 4]);
    announced.raw(&head);
    assert_eq!(announced.close_code(), 1009);
}

#[test]
fn text_that_is_not_utf_8_is_closed_with_1007() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let cut = [frame(TEXT, b"\xe2\x82"), frame(FIN | CONTINUATION, b"x")].concat();
    let ends = [frame(TEXT, b"\xe2"), frame(FIN | CONTINUATION, b"")].concat();
    let wrong: &[(&str, &[u8])] = &[
        (
            "bytes that never stand in it",
            &frame(FIN | TEXT, b"\xff\xfe"),
        ),
        ("half a surrogate pair", &frame(FIN | TEXT, b"\xed\xa0\x80")),
        ("a character that the next fragment does not end", &cut),
        ("a character that nothing ends", &ends),
        (
            "the reason of a close",
            &frame(FIN | CLOSE, b"\x03\xe8\xff"),
        ),
    ];
    for (what, bytes) in wrong {
        let mut client = daemon.websocket("/ws");
        client.raw(bytes);
        assert_eq!(client.close_code(), 1007, "{what}");
    }
}

#[test]
fn a_breach_of_the_protocol_is_closed_with_1002() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let long_ping = frame(FIN | PING, &[0; 126]);
    let breaches: &[(&str, &[u8])] = &[
        ("no mask", &[FIN | TEXT, 1, b'x']),
        ("a reserved opcode", &frame(FIN | 3, b"x")),
        ("a reserved bit", &frame(FIN | 0x40 | TEXT, b"x")),
        (
            "a continuation of nothing",
            &frame(FIN | CONTINUATION, b"x"),
        ),
        ("a ping in fragments", &frame(PING, b"x")),
        ("a ping over 125 bytes", &long_ping),
        ("half a close code", &frame(FIN | CLOSE, &[3])),
    ];
    for (what, bytes) in breaches {
        let mut client = daemon.websocket("/ws");
        client.raw(bytes);
        assert_eq!(client.close_code(), 1002, "{what}");
    }
}

#[test]
fn a_close_is_answered_with_its_own_code_and_the_connection_ends() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    for code in [1000u16, 1001, 1003, 1011, 3000, 4999] {
        let mut client = daemon.websocket("/ws");
        client.raw(&frame(
            FIN | CLOSE,
            &[&code.to_be_bytes()[..], b"bye"].concat(),
        ));
        assert_eq!(client.close_code(), code);
        assert!(client.is_shut());
    }
    let mut client = daemon.websocket("/ws");
    client.close();
    assert_eq!(client.message(), Message::Close(None));
    assert!(client.is_shut());
}

#[test]
fn a_close_code_that_no_close_may_have_is_a_breach_of_the_protocol() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let mut client = daemon.websocket("/ws");
        client.raw(&frame(FIN | CLOSE, &code.to_be_bytes()));
        assert_eq!(client.close_code(), 1002, "{code}");
    }
}

#[test]
fn a_frame_may_come_with_the_head_and_a_byte_at_a_time() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let mut stream = daemon.connect();
    let mut head = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        .to_vec();
    head.extend(frame(FIN | PING, b"early"));
    stream.write_all(&head).expect("send");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x8a\x05early") {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .expect("a pong by the deadline");
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    // The example of RFC 6455, section 1.3. Nothing that was not asked for is agreed to.
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
    assert!(
        answer.contains("sec-websocket-extensions: permessage-deflate")
            && !answer.contains("sec-websocket-protocol")
    );
    assert!(answer.contains("x-content-type-options: nosniff\r\n"));
    assert!(
        answer.contains("cache-control: no-store\r\n")
            && answer.contains("x-accel-buffering: no\r\n")
    );
    for byte in frame(FIN | PING, b"slow") {
        stream.write_all(&[byte]).expect("send a byte");
    }
    let mut pong = [0; 6];
    stream
        .read_exact(&mut pong)
        .expect("a pong by the deadline");
    assert_eq!(&pong, b"\x8a\x04slow");
}

#[test]
fn a_client_that_answers_no_ping_is_dropped_and_its_place_is_free() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let options = ["--ping-interval", "0.1", "--max-clients", "1"];
    let daemon = Daemon::with(&options, &[&log]);
    // Nobody reads from it, so nobody answers.
    let _silent = daemon.websocket("/ws");
    assert_eq!(daemon.try_websocket("/ws").err(), Some(503));
    assert!(wait_until(DEADLINE, || daemon.try_websocket("/ws").is_ok()));
}

#[test]
fn a_client_that_answers_pings_stays() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::with(&["--ping-interval", "0.5"], &[&log]);
    let mut client = daemon.websocket("/ws");
    // Reads for six intervals, which is what answers; the line comes at the end of them.
    let since = Instant::now();
    let writer = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_secs(3));
        append(&log, "still here\n");
    });
    assert_eq!(client.text(), "still here");
    writer.join().expect("the writer");
    assert!(since.elapsed() > Duration::from_millis(1500));
}

#[test]
fn a_client_that_leaves_without_a_word_frees_its_place() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::with(&["--max-clients", "1"], &[&log]);
    let client = daemon.websocket("/ws");
    drop(client);
    assert!(wait_until(DEADLINE, || daemon.try_websocket("/ws").is_ok()));
    let stream = daemon.connect();
    stream.shutdown(Shutdown::Both).expect("shut a connection");
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn a_client_that_says_something_is_not_silent_whether_it_answers_pings_or_not() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::with(&["--ping-interval", "0.3"], &[&log]);
    let mut client = daemon.websocket("/ws").into_stream();
    client
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    // Six intervals: two without a word would be the end.
    let until = Instant::now() + Duration::from_millis(1800);
    let mut buf = [0; 256];
    while Instant::now() < until {
        client.write_all(&frame(FIN | TEXT, b"here")).expect("say");
        // Pings come, and no pong goes.
        let read = client.read(&mut buf);
        assert!(!matches!(read, Ok(0)), "it was dropped");
    }
    append(&log, "a line\n");
    client.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut seen = Vec::new();
    while !seen.ends_with(b"a line") {
        let n = client.read(&mut buf).expect("a line by the deadline");
        assert!(n > 0, "it was dropped");
        seen.extend_from_slice(&buf[..n]);
    }
}

/// A connection that offers permessage-deflate, and the head of its answer.
fn offering(daemon: &Daemon, target: &str, offer: &str) -> (TcpStream, String) {
    websocket::offering(daemon.connect(), target, offer)
}

fn next_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    websocket::next_frame(stream).expect("a frame by the deadline")
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("deflate");
    encoder.flush().expect("flush");
    let out = encoder.get_ref().clone();
    out.strip_suffix(&[0, 0, 0xff, 0xff])
        .expect("a flush")
        .to_vec()
}

#[test]
fn messages_come_deflated_to_who_offers_it_live_and_from_the_file() {
    let logs = Logs::new();
    let many: String = (0..2000)
        .map(|n| format!("line {n} of many that are alike\n"))
        .collect();
    let log = logs.file("a.log", &many);
    let daemon = Daemon::follow(&[&log]);
    let offer = "permessage-deflate; client_max_window_bits";
    let target = "/ws?format=batch&lines=all";
    let (mut stream, head) = offering(&daemon, target, offer);
    let agreed = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; \
                  client_no_context_takeover\r\n";
    assert!(head.contains(agreed), "{head}");
    let (_, plain) = offering(&daemon, target, "permessage-deflate; nonsense");
    assert!(!plain.contains("sec-websocket-extensions"), "{plain}");
    let mut lines = |wanted: usize| {
        let (mut count, mut on_the_wire, mut marked) = (0, 0, 0);
        while count < wanted {
            let (first, payload) = next_frame(&mut stream);
            on_the_wire += payload.len();
            let text = match first {
                b if b == FIN | RSV1 | TEXT => {
                    marked += 1;
                    inflated(&payload)
                }
                b if b == FIN | TEXT => String::from_utf8(payload).expect("UTF-8"),
                other => panic!("a frame that begins with {other:#x}"),
            };
            let object: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            count += object["lines"].as_array().map_or(0, Vec::len);
        }
        assert_eq!(count, wanted);
        (on_the_wire, marked)
    };
    let (bytes, marked) = lines(2000);
    assert!(marked > 0 && bytes < many.len() / 3, "{bytes} bytes");
    append(&log, &many);
    let (bytes, marked) = lines(2000);
    assert!(marked > 0 && bytes < many.len() / 3, "{bytes} bytes");
    append(&log, "a short one\n");
    assert_eq!(lines(1).1, 0, "it would not be shorter");
}

#[test]
fn deflated_messages_of_a_client_are_read_and_bounded() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let (mut stream, _) = offering(&daemon, "/ws", "permessage-deflate");
    for text in ["hello", "", &"x".repeat(4096)] {
        let message = deflated(text.as_bytes());
        stream
            .write_all(&frame(FIN | RSV1 | TEXT, &message))
            .expect("say");
    }
    // In two frames, with a ping in between.
    let message = deflated("h\u{e9}llo".as_bytes());
    let (one, two) = message.split_at(3);
    stream.write_all(&frame(RSV1 | TEXT, one)).expect("say");
    stream
        .write_all(&frame(FIN | PING, b"between"))
        .expect("ping");
    stream
        .write_all(&frame(FIN | CONTINUATION, two))
        .expect("say");
    assert_eq!(next_frame(&mut stream), (0x8a, b"between".to_vec()));
    append(&log, "still here\n");
    assert_eq!(
        next_frame(&mut stream),
        (FIN | TEXT, b"still here".to_vec())
    );
    for (message, code) in [
        (
            frame(FIN | RSV1 | TEXT, &deflated(&vec![b'x'; 5_000_000])),
            1009_u16,
        ),
        (frame(FIN | RSV1 | TEXT, &deflated(b"\xff")), 1007),
        (frame(FIN | RSV1 | TEXT, &[0xff; 9]), 1002),
        (frame(FIN | RSV1 | PING, b""), 1002),
        (frame(FIN | 0x20 | TEXT, b""), 1002),
    ] {
        let (mut stream, _) = offering(&daemon, "/ws?lines=0", "permessage-deflate");
        stream.write_all(&message).expect("say");
        let (first, payload) = next_frame(&mut stream);
        assert_eq!(
            (first, &payload[..2]),
            (FIN | CLOSE, &code.to_be_bytes()[..])
        );
    }
}
