//! What comes by a pipe, beside `cat >file`: the producer's time, which no client may lengthen.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::compare::median;
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{Log, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, value};
use crate::writer;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

/// A quarter of a gigabyte; with `--full`, a whole one.
const LINES: f64 = 2_100_000.0;

/// At most so many times the producer's time with a client that has stopped as without one.
const STOPPED_MAX: f64 = 1.2;

/// What the pipe leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Into {
    Cat,
    Daemon {
        /// A client that takes its answer's head and then nothing.
        stopped: bool,
    },
}

/// What one run took.
struct Took {
    producer_s: f64,
    cpu_s: f64,
    grown_mib: f64,
}

/// A pipe into a file, into the daemon, and into the daemon with a client that has stopped.
pub(super) fn run(session: &mut Session) {
    let shape = Shape::flat_out(1, session.seconds(LINES) as u64);
    let kinds = [
        ("cat >file", Into::Cat),
        ("tailcast -", Into::Daemon { stopped: false }),
        (
            "tailcast -, a client has stopped",
            Into::Daemon { stopped: true },
        ),
    ];
    let mut all = kinds.map(|_| Vec::new());
    for _ in 0..session.repeats {
        for ((_, into), runs) in kinds.into_iter().zip(&mut all) {
            runs.push(feed(&shape, into));
        }
    }
    let heading = format!(
        "{:.2} GB by a pipe, the spool bounded to 64 MB",
        shape.lines as f64 * shape.line_bytes as f64 / 1e9
    );
    let columns = [
        "",
        "producer's s",
        "times without the client",
        "CPU s",
        "MiB grown at most",
    ];
    let mut table = Table::new(&heading, &columns);
    let of = |runs: &[Took], read: fn(&Took) -> f64| median(runs.iter().map(read).collect());
    let alone = of(&all[1], |took| took.producer_s);
    for ((name, into), runs) in kinds.iter().zip(&all) {
        let producer = of(runs, |took| took.producer_s);
        let times = match into {
            Into::Daemon { stopped: true } => value(producer / alone, Aim::Value(STOPPED_MAX)),
            _ => String::new(),
        };
        let cell = |number| value(number, Aim::None);
        table.row(vec![
            (*name).to_owned(),
            cell(producer),
            times,
            cell(of(runs, |took| took.cpu_s)),
            cell(of(runs, |took| took.grown_mib)),
        ]);
    }
    table.print();
}

fn feed(shape: &Shape, into: Into) -> Took {
    let log = Log::new();
    let (input, output) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let mut output = File::from(output);
    let mut write = || writer::append(&mut output, shape.form(), 0, shape.lines, shape.pace);
    let Into::Daemon { stopped } = into else {
        let mut command = Command::new("cat");
        command.stdin(input).stdout(Stdio::from(log.file));
        let mut cat = command.spawn().expect("start cat");
        let pids = [i32::try_from(cat.id()).expect("a process's id")];
        let producer_s = write().as_secs_f64();
        let cpu_s = process::cpu(&pids).as_secs_f64();
        drop(output);
        cat.wait().expect("cat ends");
        return Took {
            producer_s,
            cpu_s,
            grown_mib: 0.0,
        };
    };
    let spools = log.path.with_file_name("spools");
    let subject = Subject::daemon(&format!("--spool-dir {}", spools.display()));
    let server = subject
        .start_fed(&["-".into()], 1, Stdio::from(input))
        .expect("the daemon starts");
    let shape = Shape {
        stalled: 1,
        target: Some("/ws?lines=0"),
        ..shape.clone()
    };
    let load = stopped.then(|| LoadProcess::start(&shape.load(&subject, &server)));
    let load = load.transpose().expect("the client is not refused");
    let pids = server.pids();
    process::settle(&pids);
    let (kib, cpu) = (process::resident_kib(&pids), process::cpu(&pids));
    let producer_s = write().as_secs_f64();
    // What is still in the pipe is taken, too.
    process::settle(&pids);
    let took = Took {
        producer_s,
        cpu_s: process::cpu(&pids).saturating_sub(cpu).as_secs_f64(),
        grown_mib: (process::peak_kib(&pids) as f64 - kib as f64) / 1024.0,
    };
    drop(server);
    drop(load);
    took
}
