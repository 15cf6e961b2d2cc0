//! What a line costs by a data channel, beside one by a WebSocket, a message each and in batches, as
//! the page takes them: one client, lines as fast as they go.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::compare::median;
use crate::process;
use crate::rtc_client::Peer;
use crate::run::{Log, Shape};
use crate::session::Session;
use crate::subject::{Server, Subject};
use crate::table::{Aim, Table, value};
use crate::writer;

const LINES: u64 = 100_000;

/// What is compared: the path, the format, and what reads it.
const WAYS: [(&str, &str, Reads); 4] = [
    ("/ws", "text", by_websocket),
    ("/rtc", "text", by_data_channel),
    ("/ws", "batch", by_websocket),
    ("/rtc", "batch", by_data_channel),
];

/// Connects with a format; then each call returns the next message.
type Reads = fn(&Server, &str) -> Box<dyn FnMut() -> String>;

/// All ways in turn.
pub(super) fn run(session: &mut Session) {
    let shape = Shape::flat_out(1, LINES);
    let mut us = WAYS.map(|_| Vec::new());
    for _ in 0..session.repeats {
        for ((_, format, reads), us) in WAYS.iter().zip(&mut us) {
            us.push(cpu_us_per_line(&shape, format, *reads));
        }
    }
    let us = us.map(median);
    let columns = ["", "format", "CPU us a line", "CPU s a GB", "times /ws"];
    let mut table = Table::new("One client, lines as fast as they go", &columns);
    for (n, (path, format, _)) in WAYS.into_iter().enumerate() {
        let a_gb = us[n] * 1e3 / shape.line_bytes as f64;
        let websocket = us[n - n % 2];
        let cells = [us[n], a_gb, us[n] / websocket].map(|number| value(number, Aim::None));
        let names = [path, format].map(str::to_owned);
        table.row(names.into_iter().chain(cells).collect());
    }
    table.print();
}

fn cpu_us_per_line(shape: &Shape, format: &str, reads: Reads) -> f64 {
    let mut log = Log::new();
    let subject = Subject::daemon("--rtc-listen 127.0.0.1:0");
    let server = subject
        .start(std::slice::from_ref(&log.path), 1)
        .expect("the daemon starts");
    let mut next = reads(&server, format);
    let pids = server.pids();
    process::settle(&pids);
    let before = process::cpu(&pids);
    writer::append(&mut log.file, shape.form(), 0, shape.lines, shape.pace);
    let mut lines = 0;
    while lines < shape.lines {
        lines += lines_of(&next(), format);
    }
    let cpu = process::cpu(&pids).saturating_sub(before);
    cpu.as_secs_f64() * 1e6 / shape.lines as f64
}

/// Lines in a message; a batch may be an event, which has none.
fn lines_of(message: &str, format: &str) -> u64 {
    if format == "text" {
        return 1;
    }
    let batch: serde_json::Value = serde_json::from_str(message).expect("a batch");
    batch["lines"].as_array().map_or(0, Vec::len) as u64
}

fn by_websocket(server: &Server, format: &str) -> Box<dyn FnMut() -> String> {
    let stream = TcpStream::connect(server.address).expect("connect");
    let url = format!("ws://{}/ws?lines=0&format={format}", server.address);
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");
    Box::new(move || {
        let message = socket.read().expect("a message").into_text();
        message.expect("a text").to_string()
    })
}

fn by_data_channel(server: &Server, format: &str) -> Box<dyn FnMut() -> String> {
    let mut peer = Peer::new();
    let mut stream = TcpStream::connect(server.address).expect("connect");
    let request = format!(
        "POST /rtc?lines=0&format={format} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
        peer.offer.len(),
        peer.offer
    );
    stream.write_all(request.as_bytes()).expect("offered");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (_, sdp) = answer.split_once("\r\n\r\n").expect("a body");
    peer.accept(sdp);
    peer.opens();
    Box::new(move || peer.text())
}
