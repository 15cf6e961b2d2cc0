//! Reading what is already in the file: all of a gigabyte, and the end of a huge one.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::thread;

use crate::compare::median;
use crate::line::{LineForm, Stored};
use crate::load::{LoadSpec, Tally, Wire};
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{LINE_BYTES, Log, Shape};
use crate::session::Session;
use crate::subject::{Server, Subject};
use crate::table::{Aim, Table, value};
use crate::writer::{self, Pace};

const HISTORY_BYTES: u64 = 1_000_000_000;
const HISTORY_LINES: u64 = HISTORY_BYTES / LINE_BYTES as u64;

const HUGE_BYTES: u64 = 10_000_000_000;
const HUGE_TAIL_LINES: u64 = 1_000;

/// Both.
pub(super) fn run(session: &mut Session) {
    catching_up(session);
    last_lines(session);
}

/// One client reads a gigabyte of history, while others get live lines that must not come later for it.
fn catching_up(session: &mut Session) {
    let mut log = Log::new();
    let form = LineForm {
        line_bytes: LINE_BYTES,
        stored: Stored::Plain,
    };
    writer::append(&mut log.file, form, 0, HISTORY_LINES, Pace::FlatOut);
    let subject = Subject::daemon("");
    let server = subject
        .start(std::slice::from_ref(&log.path), 0)
        .expect("the daemon starts");
    let mut next = HISTORY_LINES;
    let mut table = Table::new(
        "Catching up with 1 GB, 10 live clients x 200 lines/s",
        &["", "GB/s", "CPU s a GB", "p50 us live", "p99 us live"],
    );
    let quiet = live(session, &subject, &server, &mut log, &mut next, || ());
    let cell = |number| value(number, Aim::None);
    let nobody = ["nobody catches up".to_owned(), String::new(), String::new()];
    let latencies = |tally: &Tally| {
        [
            cell(tally.p50_ns as f64 / 1e3),
            cell(tally.p99_ns as f64 / 1e3),
        ]
    };
    table.row(nobody.into_iter().chain(latencies(&quiet)).collect());
    for (target, wire) in [
        ("/ws?lines=all", Wire::WsText),
        ("/stream?lines=all", Wire::Http),
    ] {
        let spec = LoadSpec {
            target: target.to_owned(),
            wire,
            lines: HISTORY_LINES,
            ..Shape::paced(1, 1.0, 0.0).load(&subject, &server)
        };
        let mut caught_up = Err(String::new());
        let pids = server.pids();
        let cpu_before = process::cpu(&pids);
        let live = live(session, &subject, &server, &mut log, &mut next, || {
            caught_up = LoadProcess::start(&spec).map(|mut load| load.live());
        });
        let cpu = process::cpu(&pids).saturating_sub(cpu_before);
        match caught_up {
            Err(refusal) => table.row(vec![target.to_owned(), format!("not there ({refusal})")]),
            Ok(tally) => {
                let shape = Shape::flat_out(1, HISTORY_LINES);
                session.note_faults(&subject, &shape, (tally.lost, tally.again));
                let rate = HISTORY_BYTES as f64 / 1e9 / tally.took.as_secs_f64();
                let aim = if rate >= 1.0 {
                    " met >= 1"
                } else {
                    " MISSED >= 1"
                };
                let first = [target.to_owned(), cell(rate) + aim, cell(cpu.as_secs_f64())];
                table.row(first.into_iter().chain(latencies(&live)).collect());
            }
        }
    }
    table.print();
}

/// Live lines to ten clients, while `meanwhile` goes on; at least two seconds of them.
pub(super) fn live(
    session: &mut Session,
    subject: &Subject,
    server: &Server,
    log: &mut Log,
    next: &mut u64,
    meanwhile: impl FnOnce(),
) -> Tally {
    let shape = Shape::paced(10, 200.0, session.seconds(2.0));
    let spec = LoadSpec {
        target: "/ws?lines=0".to_owned(),
        first: *next,
        ..shape.load(subject, server)
    };
    let mut load = LoadProcess::start(&spec).expect("live clients are not refused");
    process::settle(&server.pids());
    thread::scope(|scope| {
        scope.spawn(|| writer::append(&mut log.file, spec.form, *next, spec.lines, shape.pace));
        meanwhile();
    });
    *next += spec.lines;
    let tally = load.live();
    session.note_faults(subject, &shape, (tally.lost, tally.again));
    tally
}

/// The size of a file must not matter to who wants its end.
fn last_lines(session: &mut Session) {
    const TRIES: usize = 21;
    let mut log = Log::new();
    let form = LineForm {
        line_bytes: LINE_BYTES,
        stored: Stored::Plain,
    };
    // A hole, made in no time; only the end of it is ever looked at.
    log.file.set_len(HUGE_BYTES).expect("make a huge file");
    log.file.seek(SeekFrom::End(0)).expect("seek to its end");
    log.file.write_all(b"\n").expect("end the hole");
    writer::append(&mut log.file, form, 0, HUGE_TAIL_LINES, Pace::FlatOut);
    let subject = Subject::daemon("");
    let server = subject
        .start(std::slice::from_ref(&log.path), 0)
        .expect("the daemon starts");
    let spec = LoadSpec {
        target: "/ws?lines=10".to_owned(),
        first: HUGE_TAIL_LINES - 10,
        lines: 10,
        ..Shape::paced(1, 1.0, 0.0).load(&subject, &server)
    };
    let mut took_ms = Vec::new();
    for _ in 0..TRIES {
        let tally = LoadProcess::start(&spec)
            .expect("this client is not refused")
            .live();
        session.note_faults(
            &subject,
            &Shape::paced(1, 10.0, 1.0),
            (tally.lost, tally.again),
        );
        took_ms.push(tally.took.as_secs_f64() * 1e3);
    }
    let worst = took_ms.iter().copied().fold(0.0, f64::max);
    let mut table = Table::new(
        "lines=10 of a file of 10 GB, from connect to the tenth line",
        &["", "ms, median", "ms, worst"],
    );
    table.row(vec![
        subject.name.clone(),
        value(median(took_ms), Aim::Value(5.0)),
        value(worst, Aim::None),
    ]);
    table.print();
}
