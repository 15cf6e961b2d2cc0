//! Other tailcasts: what a line costs and how long it takes over one hop, beside the same files read locally.

use std::fs::File;
use std::path::PathBuf;
use std::thread;

use crate::compare::{Figure, compare, figures, median};
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure};
use crate::writer;

/// Machines whose logs one hub shows, each with one file.
const OTHERS: usize = 20;

/// Clients of each file: 100 in all.
const CLIENTS: usize = 100 / OTHERS;

pub(super) fn run(session: &mut Session) {
    latency(session);
    many(session);
}

/// One client feels every microsecond of the way.
fn latency(session: &mut Session) {
    let shape = Shape::paced(1, 100.0, session.seconds(4.0));
    let subjects = [Subject::daemon(""), Subject::hub()];
    let all = compare(session, &subjects, &shape, session.repeats);
    let (p50, p99) = (
        figures(&all, Outcome::p50_us),
        figures(&all, Outcome::p99_us),
    );
    let mut table = Table::new("One hop, 1 client, 100 lines/s", &["", "p50 us", "p99 us"]);
    for (index, series) in all.iter().enumerate() {
        let aim = if index == 0 {
            Aim::None
        } else {
            Aim::Ratio(2.0)
        };
        table.row(vec![
            series.name.clone(),
            figure(p50[index], aim),
            figure(p99[index], Aim::None),
        ]);
    }
    table.print();
}

/// A hub over many others, and a daemon with the same files, in turn.
fn many(session: &mut Session) {
    let subjects = [Subject::daemon(""), Subject::hub()];
    let mut cpu = [Vec::new(), Vec::new()];
    for _ in 0..session.repeats {
        for (subject, cpu) in subjects.iter().zip(&mut cpu) {
            match once(session, subject) {
                Ok(us_a_line) => cpu.push(us_a_line),
                Err(refusal) => session.fault(format!("{}: {refusal}", subject.name)),
            }
        }
    }
    let heading = format!("{OTHERS} files x 1,000 lines/s, {CLIENTS} clients each");
    let mut table = Table::new(&heading, &["", "CPU us a line"]);
    let [local, hub] = &cpu;
    for (subject, values) in subjects.iter().zip([local, hub]) {
        let ratios = values.iter().zip(local).map(|(value, local)| value / local);
        let figured = Figure {
            value: median(values.clone()),
            ratio: median(ratios.collect()),
        };
        table.row(vec![
            subject.name.clone(),
            figure(Some(figured), Aim::Ratio(1.3)),
        ]);
    }
    table.print();
}

/// CPU microseconds of the subject for each line that a client had.
fn once(session: &mut Session, subject: &Subject) -> Result<f64, String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let paths: Vec<PathBuf> = (0..OTHERS)
        .map(|n| folder.path().join(format!("{n}.log")))
        .collect();
    let logs: Vec<File> = paths
        .iter()
        .map(|path| File::create(path).expect("make a log"))
        .collect();
    let server = subject.start(&paths, OTHERS * CLIENTS)?;
    let shape = Shape::paced(CLIENTS, 1_000.0, session.seconds(2.0));
    let loads = (0..OTHERS).map(|n| {
        let mut load = shape.load(subject, &server);
        load.target = subject.target_of(n, &format!("{n}.log"));
        LoadProcess::start(&load)
    });
    let mut loads = loads.collect::<Result<Vec<_>, String>>()?;
    let pids = server.pids();
    process::settle(&pids);
    let before = process::cpu(&pids);
    thread::scope(|scope| {
        for mut log in logs {
            let (form, lines, pace) = (shape.form(), shape.lines, shape.pace);
            scope.spawn(move || writer::append(&mut log, form, 0, lines, pace));
        }
    });
    let tallies: Vec<_> = loads.iter_mut().map(LoadProcess::live).collect();
    let cpu = process::cpu(&pids).saturating_sub(before);
    let sum = |read: fn(&crate::load::Tally) -> u64| tallies.iter().map(read).sum::<u64>();
    session.note_faults(
        subject,
        &shape,
        (sum(|tally| tally.lost), sum(|tally| tally.again)),
    );
    Ok(cpu.as_secs_f64() * 1e6 / sum(|tally| tally.delivered).max(1) as f64)
}
