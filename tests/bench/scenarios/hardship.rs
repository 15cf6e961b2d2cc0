//! Clients that are no good: some that never read, and very many.

use crate::compare::median;
use crate::load::{Halts, LoadSpec, Tally};
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{Log, Shape, run};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, value};
use crate::writer::{self, Pace};

/// Clients that never read must be nothing to those that do, cost no memory, and miss nothing in the end.
pub(super) fn stalled(session: &mut Session) {
    const CLIENTS: usize = 100;
    const STALLED: usize = 10;
    let lines = session.seconds(2_000.0) as u64;
    // A kilobyte a line, so that the sockets of the stalled ones are full after a moment.
    let without = Shape {
        line_bytes: 1_024,
        ..Shape::paced(CLIENTS - STALLED, 1_000.0, session.seconds(2.0))
    };
    let with = Shape {
        clients: CLIENTS,
        stalled: STALLED,
        ..without.clone()
    };
    let subject = Subject::daemon("");
    let mut p99_us = [Vec::new(), Vec::new()];
    let mut grown_mib = [Vec::new(), Vec::new()];
    let mut got = Vec::new();
    for _ in 0..session.repeats {
        for (index, shape) in [&without, &with].into_iter().enumerate() {
            let outcome = run(&subject, shape).expect("these clients are not refused");
            session.note_faults(&subject, shape, outcome.faults());
            let [_, joined, after] = outcome.resident_kib;
            p99_us[index].push(outcome.p99_us());
            grown_mib[index].push((after as f64 - joined as f64) / 1024.0);
            if let Some(late) = outcome.stalled {
                got.push(late.delivered as f64 / (STALLED as u64 * lines) as f64);
            }
        }
    }
    let [p99_without, p99_with] = p99_us.map(median);
    let heading = format!("{STALLED} of {CLIENTS} clients never read, 1,000 lines/s of 1 KiB");
    let mut table = Table::new(
        &heading,
        &[
            "",
            "p99 us of the others",
            "times without",
            "MiB grown",
            "share that the stalled got later",
        ],
    );
    let [grown_without, grown_with] = grown_mib.map(median);
    let cell = |number| value(number, Aim::None);
    table.row(vec![
        "without them".to_owned(),
        cell(p99_without),
        String::new(),
        cell(grown_without),
    ]);
    table.row(vec![
        "with them".to_owned(),
        cell(p99_with),
        value(p99_with / p99_without, Aim::Value(1.2)),
        value(grown_with, Aim::Value(8.0)),
        cell(median(got)),
    ]);
    table.print();
}

/// A thousand that stop reading, each at a moment of its own, while a gigabyte is appended; then each reads on to the
/// end. Memory and lines are promises here: the benchmark fails where one is broken.
pub(super) fn halted(session: &mut Session) {
    const CLIENTS: usize = 1_000;
    const LINES: u64 = 1_000_000;
    const PART_LINES: u64 = 10_000;
    /// With ten, the last to stop lacks 10 MB, more than sockets hold, and all of them together 46 GB.
    const STOPPED_BY_HALF: f64 = 10.0;
    const ADDED_MB_MAX: f64 = 64.0;
    let shape = Shape {
        line_bytes: 1_000,
        target: Some("/ws?lines=0"),
        ..Shape::flat_out(CLIENTS, LINES)
    };
    let subject = Subject::daemon("");
    let mut log = Log::new();
    let server = subject
        .start(std::slice::from_ref(&log.path), CLIENTS)
        .expect("the daemon starts");
    let halts = Halts {
        part_lines: PART_LINES,
        by_half: (STOPPED_BY_HALF * session.stretch) as u64,
    };
    let spec = LoadSpec {
        halts: Some(halts),
        ..shape.load(&subject, &server)
    };
    let pids = server.pids();
    process::settle(&pids);
    let bare_kib = process::resident_kib(&pids);
    let added_mb = || (process::peak_kib(&pids) as f64 - bare_kib as f64) * 1_024.0 / 1e6;
    let mut load = LoadProcess::start(&spec).expect("these clients are not refused");
    let mut faults = (0, 0);
    let mut note = |tally: &Tally| faults = (faults.0 + tally.lost, faults.1 + tally.again);
    for begin in (0..LINES).step_by(PART_LINES as usize) {
        if begin > 0 {
            load.join().expect("these clients are not refused");
        }
        writer::append(
            &mut log.file,
            shape.form(),
            begin,
            PART_LINES,
            Pace::FlatOut,
        );
        note(&load.live());
    }
    let stopped_mb = added_mb();
    let rest = load.resume_stalled();
    note(&rest);
    let most_mb = added_mb();
    session.note_faults(&subject, &shape, faults);
    if most_mb > ADDED_MB_MAX {
        session.fault(format!(
            "{CLIENTS} clients that stop reading add {most_mb:.0} MB"
        ));
    }
    let heading = format!(
        "{CLIENTS} clients stop reading at different moments while 1 GB is appended, then each reads on to the end"
    );
    let columns = [
        "",
        "MB added, at most, until all have stopped",
        "until all have read on",
        "GB that they lacked",
        "GB/s",
        "lines lost",
    ];
    let mut table = Table::new(&heading, &columns);
    let lacked_gb = rest.bytes as f64 / 1e9;
    let cell = |number| value(number, Aim::None);
    table.row(vec![
        subject.name.clone(),
        value(stopped_mb, Aim::Value(ADDED_MB_MAX)),
        value(most_mb, Aim::Value(ADDED_MB_MAX)),
        cell(lacked_gb),
        cell(lacked_gb / rest.took.as_secs_f64()),
        faults.0.to_string(),
    ]);
    table.print();
}

/// Ten thousand on one machine.
pub(super) fn crowd(session: &mut Session) {
    const CLIENTS: usize = 10_000;
    const LINES: u64 = 5;
    let shape = Shape {
        lines: LINES,
        pace: Pace::LinesPerS(1.0),
        ..Shape::paced(CLIENTS, 1.0, 1.0)
    };
    let heading = format!("{CLIENTS} clients, a line a second");
    let mut table = Table::new(
        &heading,
        &[
            "",
            "p50 ms",
            "p99 ms",
            "max ms",
            "CPU us a line",
            "MiB resident",
            "KiB a client",
        ],
    );
    for (subject, aims) in [
        (Subject::floor(), [Aim::None; 2]),
        (Subject::daemon(""), [Aim::Value(250.0), Aim::Value(160.0)]),
    ] {
        match run(&subject, &shape) {
            Err(refusal) => session.fault(format!("{CLIENTS} clients: {refusal}")),
            Ok(outcome) => {
                session.note_faults(&subject, &shape, outcome.faults());
                let [bare, joined, after] = outcome.resident_kib;
                let cell = |number| value(number, Aim::None);
                table.row(vec![
                    subject.name.clone(),
                    cell(outcome.p50_us() / 1e3),
                    value(outcome.p99_us() / 1e3, aims[0]),
                    cell(outcome.live.max_ns as f64 / 1e6),
                    cell(outcome.cpu_us_per_line()),
                    value(after as f64 / 1024.0, aims[1]),
                    cell((joined as f64 - bare as f64) / CLIENTS as f64),
                ]);
            }
        }
    }
    table.print();
}
