//! A burst of lines to clients that want them deflated.

use std::time::Duration;

use crate::load::{LoadSpec, Wire};
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{Log, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, number, value};
use crate::writer;

const CLIENTS: usize = 100;
/// 24 MB a client.
const LINES: u64 = 200_000;

/// One run.
struct Burst {
    cpu: Duration,
    took: Duration,
    wire_bytes: u64,
}

/// Each way of deflating beside plain clients of the floor. What counts as delivered are the lines, not what they are
/// deflated to.
pub(super) fn run(session: &mut Session) {
    let plain = Shape::flat_out(CLIENTS, (LINES as f64 * session.stretch) as u64);
    let rows = [
        (Subject::floor(), "floor, not deflated", None, Wire::WsText),
        (
            Subject::daemon(""),
            "/stream, gzip",
            Some("/stream?lines=all"),
            Wire::HttpGzip,
        ),
        (
            Subject::daemon(""),
            "/ws?format=batch, permessage-deflate",
            Some("/ws?lines=all&format=batch"),
            Wire::WsDeflate,
        ),
    ];
    let bytes = plain.lines * plain.line_bytes as u64 * CLIENTS as u64;
    let gb = bytes as f64 / 1e9;
    let mut table = Table::new(
        &format!("{CLIENTS} clients, {gb:.1} GB of lines flat out; one inflates, the others skim"),
        &["", "GB/s of lines", "CPU s a GB of lines", "GB on the wire"],
    );
    for (subject, name, target, wire) in rows {
        let shape = Shape {
            target,
            wire,
            ..plain.clone()
        };
        let mut runs: Vec<Burst> = (0..session.repeats)
            .map(|_| burst(session, &subject, &shape))
            .collect();
        runs.sort_by_key(|run| run.took);
        let run = &runs[runs.len() / 2];
        let rate = gb / run.took.as_secs_f64();
        let verdict = match (wire, rate >= 1.0) {
            (Wire::WsText, _) => "",
            (_, true) => " met >= 1",
            (_, false) => " MISSED >= 1",
        };
        table.row(vec![
            name.to_owned(),
            number(rate) + verdict,
            value(run.cpu.as_secs_f64() / gb, Aim::None),
            value(run.wire_bytes as f64 / 1e9, Aim::None),
        ]);
    }
    table.print();
}

fn burst(session: &mut Session, subject: &Subject, shape: &Shape) -> Burst {
    let mut log = Log::new();
    let server = subject.start(std::slice::from_ref(&log.path), shape.clients);
    let server = server.expect("it starts");
    let spec = LoadSpec {
        skims: shape.wire != Wire::WsText,
        ..shape.load(subject, &server)
    };
    let mut load = LoadProcess::start(&spec).expect("these clients are not refused");
    let pids = server.pids();
    process::settle(&pids);
    let (before, began) = (process::cpu(&pids), std::time::Instant::now());
    writer::append(&mut log.file, shape.form(), 0, shape.lines, shape.pace);
    let tally = load.live();
    let cpu = process::cpu(&pids).saturating_sub(before);
    session.note_faults(subject, shape, (tally.lost, tally.again));
    Burst {
        cpu,
        took: if spec.skims {
            tally.took
        } else {
            began.elapsed()
        },
        wire_bytes: tally.bytes,
    }
}
