//! What a line costs by a data channel, beside one by a WebSocket: one client, lines as fast as they go.

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

/// Both ways in turn.
pub(super) fn run(session: &mut Session) {
    let shape = Shape::flat_out(1, LINES);
    let mut us = [Vec::new(), Vec::new()];
    for _ in 0..session.repeats {
        us[0].push(cpu_us_per_line(&shape, by_websocket));
        us[1].push(cpu_us_per_line(&shape, by_data_channel));
    }
    let [ws, rtc] = us.map(median);
    let columns = ["", "CPU us a line", "CPU s a GB", "times /ws"];
    let mut table = Table::new("One client, lines as fast as they go", &columns);
    for (name, us) in [("/ws", ws), ("/rtc", rtc)] {
        let a_gb = us * 1e3 / shape.line_bytes as f64;
        let cells = [us, a_gb, us / ws].map(|number| value(number, Aim::None));
        table.row([name.to_owned()].into_iter().chain(cells).collect());
    }
    table.print();
}

fn cpu_us_per_line(shape: &Shape, reads: fn(&Server) -> Box<dyn FnMut()>) -> f64 {
    let mut log = Log::new();
    let subject = Subject::daemon("--rtc-listen 127.0.0.1:0");
    let server = subject
        .start(std::slice::from_ref(&log.path), 1)
        .expect("the daemon starts");
    let mut next = reads(&server);
    let pids = server.pids();
    process::settle(&pids);
    let before = process::cpu(&pids);
    writer::append(&mut log.file, shape.form(), 0, shape.lines, shape.pace);
    for _ in 0..shape.lines {
        next();
    }
    let cpu = process::cpu(&pids).saturating_sub(before);
    cpu.as_secs_f64() * 1e6 / shape.lines as f64
}

fn by_websocket(server: &Server) -> Box<dyn FnMut()> {
    let stream = TcpStream::connect(server.address).expect("connect");
    let url = format!("ws://{}/ws?lines=0", server.address);
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");
    Box::new(move || drop(socket.read().expect("a line")))
}

fn by_data_channel(server: &Server) -> Box<dyn FnMut()> {
    let mut peer = Peer::new();
    let mut stream = TcpStream::connect(server.address).expect("connect");
    let request = format!(
        "POST /rtc?lines=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
        peer.offer.len(),
        peer.offer
    );
    stream.write_all(request.as_bytes()).expect("offered");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (_, sdp) = answer.split_once("\r\n\r\n").expect("a body");
    peer.accept(sdp);
    peer.opens();
    Box::new(move || drop(peer.text()))
}
