//! Reading what is already in the file: all of a gigabyte, and the end of a huge one.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::thread;
use std::time::Duration;

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

const LIVE_CLIENTS: usize = 10;

/// How much later live lines may come, while somebody reads history.
const LATER_MAX: f64 = 1.2;

const HUGE_BYTES: u64 = 10_000_000_000;
const HUGE_TAIL_LINES: u64 = 1_000;

/// Both.
pub(super) fn run(session: &mut Session) {
    catching_up(session);
    last_lines(session);
}

/// One client reads a gigabyte of history again and again, while others get live lines that must not come later for it.
/// Of a floor that sends as much meanwhile, live lines come later, too: on two cores, that is the machine's part.
fn catching_up(session: &mut Session) {
    let mut log = Log::new();
    let form = LineForm {
        line_bytes: LINE_BYTES,
        stored: Stored::Plain,
    };
    writer::append(&mut log.file, form, 0, HISTORY_LINES, Pace::FlatOut);
    let mut next = HISTORY_LINES;
    let floor = Subject::floor();
    let daemon = Subject::daemon("");
    let contents = [
        ("floor", &floor, "/", Wire::Http),
        ("/ws?lines=all", &daemon, "/ws?lines=all", Wire::WsText),
        (
            "/stream?lines=all",
            &daemon,
            "/stream?lines=all",
            Wire::Http,
        ),
    ];
    let mut all: Vec<Rounds> = contents.iter().map(|_| Rounds::default()).collect();
    for _ in 0..session.repeats {
        for ((_, subject, target, wire), rounds) in contents.iter().zip(&mut all) {
            let history = History {
                target,
                wire: *wire,
                lines: HISTORY_LINES,
                before_each: &|| (),
            };
            rounds.add(session, subject, &mut log, &mut next, &history);
        }
    }
    let mut table = Table::new(
        "Catching up with 1 GB, again and again, 10 live clients x 200 lines/s",
        &[
            "",
            "GB/s",
            "CPU s a GB",
            "p50 us live",
            "p99 us live",
            "times quiet",
            "times the floor's",
        ],
    );
    for ((name, subject, ..), rounds) in contents.iter().zip(&all) {
        let is_floor = subject.name == floor.name;
        let rate_aim = (!is_floor).then_some(1.0);
        let mut row = vec![(*name).to_owned()];
        row.extend(rounds.costs(rate_aim));
        row.push(value(median(rounds.busy_p50_us.clone()), Aim::None));
        row.push(value(median(rounds.busy_p99_us.clone()), Aim::None));
        row.push(rounds.times_quiet());
        if !is_floor {
            let pairs = rounds.busy_p99_us.iter().zip(&all[0].busy_p99_us);
            let times = median(pairs.map(|(ours, floor)| ours / floor).collect());
            row.push(value(times, Aim::Value(LATER_MAX)));
        }
        table.row(row);
    }
    table.print();
}

/// Which history is read while others get live lines.
pub(super) struct History<'a> {
    pub(super) target: &'a str,
    pub(super) wire: Wire,
    pub(super) lines: u64,
    /// What is done before each read.
    pub(super) before_each: &'a dyn Fn(),
}

/// Live lines without and with a reader of history, in turn: what else the machine does is another thing from minute to
/// minute.
#[derive(Default)]
pub(super) struct Rounds {
    quiet_p99_us: Vec<f64>,
    pub(super) busy_p50_us: Vec<f64>,
    pub(super) busy_p99_us: Vec<f64>,
    gb_a_s: Vec<f64>,
    cpu_s_a_gb: Vec<f64>,
    pub(super) peak_kib: u64,
}

impl Rounds {
    /// One more round.
    pub(super) fn add(
        &mut self,
        session: &mut Session,
        subject: &Subject,
        log: &mut Log,
        next: &mut u64,
        history: &History<'_>,
    ) {
        let gigabytes = history.lines as f64 * LINE_BYTES as f64 / 1e9;
        let files = std::slice::from_ref(&log.path).to_vec();
        let start = || subject.start(&files, LIVE_CLIENTS).expect("it starts");
        let server = start();
        let quiet = live(session, subject, &server, log, next, |_| ());
        drop(server);
        let server = start();
        let pids = server.pids();
        let spec = LoadSpec {
            target: history.target.to_owned(),
            wire: history.wire,
            lines: history.lines,
            ..Shape::paced(1, 1.0, 0.0).load(subject, &server)
        };
        let mut tallies = Vec::new();
        let mut cpu = Duration::ZERO;
        let busy = live(session, subject, &server, log, next, |is_over| {
            while !is_over() {
                (history.before_each)();
                let cpu_before = process::cpu(&pids);
                tallies.push(LoadProcess::start(&spec).map(|mut load| load.live()));
                cpu += process::cpu(&pids).saturating_sub(cpu_before);
            }
        });
        self.cpu_s_a_gb
            .push(cpu.as_secs_f64() / (tallies.len() as f64 * gigabytes));
        for tally in tallies {
            match tally {
                Err(refusal) => session.fault(format!("{}: {refusal}", history.target)),
                Ok(tally) => {
                    let shape = Shape::flat_out(1, history.lines);
                    session.note_faults(subject, &shape, (tally.lost, tally.again));
                    self.gb_a_s.push(gigabytes / tally.took.as_secs_f64());
                }
            }
        }
        self.quiet_p99_us.push(quiet.p99_ns as f64 / 1e3);
        self.busy_p50_us.push(busy.p50_ns as f64 / 1e3);
        self.busy_p99_us.push(busy.p99_ns as f64 / 1e3);
        self.peak_kib = self.peak_kib.max(process::peak_kib(&pids));
    }

    /// How fast history was read, and what that cost.
    pub(super) fn costs(&self, rate_aim: Option<f64>) -> [String; 2] {
        let rate = median(self.gb_a_s.clone());
        let verdict = match rate_aim {
            None => String::new(),
            Some(aim) if rate >= aim => format!(" met >= {aim}"),
            Some(aim) => format!(" MISSED >= {aim}"),
        };
        [
            value(rate, Aim::None) + &verdict,
            value(median(self.cpu_s_a_gb.clone()), Aim::None),
        ]
    }

    /// How much later the live lines came that come late, against the quiet half of each round.
    pub(super) fn times_quiet(&self) -> String {
        let pairs = self.busy_p99_us.iter().zip(&self.quiet_p99_us);
        let times = pairs.map(|(busy, quiet)| busy / quiet).collect();
        value(median(times), Aim::Value(LATER_MAX))
    }
}

/// Live lines to ten clients, while `meanwhile` goes on, which is told whether all are written; at least two seconds of
/// them.
fn live(
    session: &mut Session,
    subject: &Subject,
    server: &Server,
    log: &mut Log,
    next: &mut u64,
    meanwhile: impl FnOnce(&dyn Fn() -> bool),
) -> Tally {
    let shape = Shape::paced(LIVE_CLIENTS, 200.0, session.seconds(2.0));
    let target = match subject.target() {
        "/" => "/",
        _ => "/ws?lines=0",
    };
    let spec = LoadSpec {
        target: target.to_owned(),
        first: *next,
        ..shape.load(subject, server)
    };
    let mut load = LoadProcess::start(&spec).expect("live clients are not refused");
    process::settle(&server.pids());
    thread::scope(|scope| {
        let writer =
            scope.spawn(|| writer::append(&mut log.file, spec.form, *next, spec.lines, shape.pace));
        meanwhile(&|| writer.is_finished());
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
