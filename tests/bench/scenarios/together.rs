//! Clients that want the same at once: what one of them was sent should cost little more for all.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use crate::compare::{Series, compare, figures, median};
use crate::load::{LoadSpec, Tally, Wire};
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{Log, Outcome, Shape, run};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure, value};
use crate::writer;

/// CPU seconds of the daemon and of the floor, and their ratio, for as many bytes.
struct Beside {
    daemon: f64,
    floor: f64,
}

impl Beside {
    fn ratio(&self) -> f64 {
        self.daemon / self.floor
    }
}

/// Some fall back in most runs, nobody knows which; and all do where nobody reads for two seconds.
pub(super) fn fallback(session: &mut Session) {
    const RUNS: usize = 10;
    /// To 100 clients: 1.2 GB a run.
    const LINES: u64 = 100_000;
    let shape = Shape::flat_out(100, (LINES as f64 * session.stretch) as u64);
    let subjects = [Subject::floor(), Subject::daemon("")];
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let all = compare(session, &subjects, &shape, 1);
        let cpu = figures(&all, Outcome::cpu_s_per_gb);
        if let [Some(floor), Some(daemon)] = cpu[..] {
            let (floor, daemon) = (floor.value, daemon.value);
            runs.push(Beside { daemon, floor });
        }
    }
    let all = |read: fn(&Beside) -> f64| runs.iter().map(read).collect::<Vec<_>>();
    let most = |read| all(read).into_iter().fold(0.0, f64::max);
    let least = |read| all(read).into_iter().fold(f64::MAX, f64::min);
    let [daemon, floor] = [|run: &Beside| run.daemon, |run: &Beside| run.floor];
    let usual = median(all(floor));
    let mut table = Table::new(
        &format!("{RUNS} runs of 100 clients flat out"),
        &["", "CPU s a GB", "least", "most", "median, times", "worst"],
    );
    let row = |name: &str, read: fn(&Beside) -> f64| {
        let mut row = vec![name.to_owned()];
        row.extend([median(all(read)), least(read), most(read)].map(|cpu| value(cpu, Aim::None)));
        row
    };
    table.row(row("floor", floor));
    let mut tailcast = row("tailcast", daemon);
    tailcast.push(value(median(all(Beside::ratio)), Aim::Value(1.6)));
    // Beside the floor's median: the worst of the ten is to be the daemon's worst, not the floor's luckiest.
    tailcast.push(value(most(daemon) / usual, Aim::Value(2.0)));
    table.row(tailcast);
    table.print();
    let mut table = Table::new(
        "All 100 clients stop reading for 2 s while lines come as fast as they go, then all read on",
        &["", "CPU s a GB", "of the floor", "times, median"],
    );
    let pauses = (0..session.repeats).map(|_| {
        let [floor, daemon] = [0, 1].map(|n| paused(session, &subjects[n], &shape));
        Beside { daemon, floor }
    });
    let runs: Vec<_> = pauses.collect();
    let all = |read: fn(&Beside) -> f64| median(runs.iter().map(read).collect());
    table.row(vec![
        "tailcast".to_owned(),
        value(all(|run| run.daemon), Aim::None),
        value(all(|run| run.floor), Aim::None),
        value(all(Beside::ratio), Aim::Value(2.0)),
    ]);
    table.print();
}

/// CPU seconds a GB, from before the first line until all clients have the last one.
fn paused(session: &mut Session, subject: &Subject, shape: &Shape) -> f64 {
    const PAUSE: Duration = Duration::from_secs(2);
    let mut log = Log::new();
    let server = subject.start(std::slice::from_ref(&log.path), shape.clients);
    let server = server.expect("it starts");
    let spec = LoadSpec {
        stalled: shape.clients,
        ..shape.load(subject, &server)
    };
    let mut load = LoadProcess::start(&spec).expect("these clients are not refused");
    load.live();
    let pids = server.pids();
    process::settle(&pids);
    let before = process::cpu(&pids);
    writer::append(&mut log.file, shape.form(), 0, shape.lines, shape.pace);
    // The pause itself, which is what is measured.
    thread::sleep(PAUSE);
    let tally = load.resume_stalled();
    session.note_faults(subject, shape, (tally.lost, tally.again));
    cpu_s_per_gb(process::cpu(&pids).saturating_sub(before), &tally)
}

fn cpu_s_per_gb(cpu: Duration, tally: &Tally) -> f64 {
    cpu.as_secs_f64() / (tally.bytes.max(1) as f64 / 1e9)
}

/// 200 clients that were there before.
pub(super) fn returning(session: &mut Session) {
    return_of(session, 200);
}

/// A thousand: 20 GB.
pub(super) fn thousand_returning(session: &mut Session) {
    return_of(session, 1_000);
}

/// Clients that come back with an id, all at once, and have as many bytes to get.
fn return_of(session: &mut Session, clients: usize) {
    const BEHIND_BYTES: u64 = 20_000_000;
    const ADDED_MB_MAX: f64 = 64.0;
    let mut shape = Shape::flat_out(clients, 0);
    shape.lines = BEHIND_BYTES / shape.line_bytes as u64;
    let floor = match run(&Subject::floor(), &shape) {
        Ok(outcome) => outcome,
        Err(why) => return session.fault(format!("the floor: {why}")),
    };
    let subject = Subject::daemon("");
    let mut log = Log::new();
    let server = subject.start(std::slice::from_ref(&log.path), clients);
    let server = server.expect("the daemon starts");
    let id = place(server.address).expect("the place where the log begins");
    writer::append(&mut log.file, shape.form(), 0, shape.lines, shape.pace);
    let pids = server.pids();
    process::settle(&pids);
    let (before, bare_kib) = (process::cpu(&pids), process::resident_kib(&pids));
    let spec = LoadSpec {
        target: format!("/ws?after={id}"),
        ..shape.load(&subject, &server)
    };
    let tally = LoadProcess::start(&spec).map(|mut load| load.live());
    let tally = tally.expect("these clients are not refused");
    let cpu = cpu_s_per_gb(process::cpu(&pids).saturating_sub(before), &tally);
    let added_mb = (process::peak_kib(&pids) as f64 - bare_kib as f64) * 1_024.0 / 1e6;
    session.note_faults(&subject, &shape, (tally.lost, tally.again));
    let mut table = Table::new(
        &format!("{clients} clients come back at once, 20 MB behind"),
        &["", "CPU s a GB", "times", "s", "MB added"],
    );
    let cell = |number| value(number, Aim::None);
    table.row(vec![
        "floor, live".to_owned(),
        cell(floor.cpu_s_per_gb()),
        String::new(),
        cell(floor.live.took.as_secs_f64()),
    ]);
    table.row(vec![
        subject.name.clone(),
        cell(cpu),
        value(cpu / floor.cpu_s_per_gb(), Aim::Value(2.0)),
        cell(tally.took.as_secs_f64()),
        value(added_mb, Aim::Value(ADDED_MB_MAX)),
    ]);
    table.print();
}

/// The id with which a stream of the empty log begins.
fn place(address: SocketAddrV4) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let ask = b"GET /stream?format=json&follow=false HTTP/1.0\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(ask).ok()?;
    stream.read_to_string(&mut answer).ok()?;
    let (_, id) = answer.split_once("\"id\":\"")?;
    Some(id.split_once('"')?.0.to_owned())
}

/// Each beside plain clients of the same stream, which come first.
pub(super) fn alike(session: &mut Session) {
    const DEFLATED: f64 = 1.15;
    const FILTERED: f64 = 1.1;
    let batch = "/ws?lines=all&format=batch";
    let plain = ("/ws", "/ws?lines=all", Wire::WsText, 0.0);
    let groups = [
        vec![
            plain,
            ("one filter", "/ws?lines=all&grep=x", Wire::WsText, FILTERED),
        ],
        vec![
            ("/ws?format=batch", batch, Wire::WsAny, 0.0),
            ("permessage-deflate", batch, Wire::WsDeflate, DEFLATED),
        ],
        vec![
            ("/stream", "/stream?lines=all", Wire::Http, 0.0),
            ("gzip", "/stream?lines=all", Wire::HttpGzip, DEFLATED),
        ],
    ];
    for (clients, rate) in [(100, 1_000.0), (1_000, 100.0)] {
        let mut table = Table::new(
            &format!("Alike, {clients} clients x {rate} lines/s; times those without"),
            &["", "CPU us a line", "bytes a line", "p50 us"],
        );
        let usual = Shape::paced(clients, rate, session.seconds(2.0));
        for group in &groups {
            let mut all: Vec<Series> = group
                .iter()
                .map(|&(name, ..)| Series {
                    name: name.to_owned(),
                    outcomes: Ok(Vec::new()),
                })
                .collect();
            for _ in 0..session.repeats {
                for (series, &(_, target, wire, _)) in all.iter_mut().zip(group) {
                    let shape = Shape {
                        target: Some(target),
                        wire,
                        ..usual.clone()
                    };
                    let one = compare(session, &[Subject::daemon("")], &shape, 1);
                    for one in one {
                        match (&mut series.outcomes, one.outcomes) {
                            (Ok(outcomes), Ok(more)) => outcomes.extend(more),
                            (outcomes, Err(why)) => *outcomes = Err(why),
                            (Err(_), Ok(_)) => {}
                        }
                    }
                }
            }
            let cpu = figures(&all, Outcome::cpu_us_per_line);
            let bytes = figures(&all, Outcome::bytes_per_line);
            let p50 = figures(&all, Outcome::p50_us);
            for (n, &(name, .., most)) in group.iter().enumerate() {
                let aim = if most > 0.0 {
                    Aim::Ratio(most)
                } else {
                    Aim::None
                };
                table.row(vec![
                    name.to_owned(),
                    figure(cpu[n], aim),
                    figure(bytes[n], Aim::None),
                    figure(p50[n], Aim::None),
                ]);
            }
        }
        table.print();
    }
}
