//! The benchmarks: `make bench`, or `make bench ARGS='latency fanout'`.
//!
//! The release build runs as a process of its own and is driven from others, on loopback: this one appends lines,
//! a load generator is all the clients. Beside it in the same run stands the floor, the least that any program
//! of this kind can do, for absolute times wander on shared machines; ratios don't. Each line carries its number
//! and the time of its append, and each client checks each line: one that is lost, doubled or out of order
//! fails the benchmark.
//!
//! Modules, ground floor first: the numbered line and who writes it; what plays a part as a process of its own
//! (`floor`, `feeder`, `load`); what can be measured and how (`group`, `subject`, `process`, `run`, `compare`); the
//! scenarios; tables and plots.

mod clock;
mod line;
mod writer;

mod feeder;
mod floor;
mod load;

mod group;
mod load_process;
mod peers;
mod process;
mod subject;

#[cfg(feature = "webrtc")]
#[path = "../it/rtc/client.rs"]
mod rtc_client;

mod compare;
mod run;
mod session;

mod plot;
mod table;

mod scenarios;

use std::path::Path;
use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};

use crate::floor::Floor;
use crate::load::LoadSpec;
use crate::scenarios::SCENARIOS;
use crate::session::Session;

/// Enough for 10,000 clients in each process.
const DESCRIPTORS: u64 = 20_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some((role, rest)) = args
        .split_first()
        .filter(|(first, _)| *first == "--role")
        .map(|(_, rest)| rest.split_first().expect("the name of a role"))
    {
        play(role, rest);
        return ExitCode::SUCCESS;
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS) {
        eprintln!(
            "raise the limit on descriptors to {DESCRIPTORS}: {error}; the largest scenarios will fail"
        );
    }
    let mut session = match Session::from_args(args.into_iter()) {
        Ok(session) if session.wanted.iter().all(|name| known(name)) => session,
        Ok(_) => return usage("no such scenario"),
        Err(error) => return usage(&error),
    };
    group::adopt();
    greet();
    for scenario in SCENARIOS {
        let wanted = &session.wanted;
        if wanted.iter().any(|name| name == scenario.name) || (wanted.is_empty() && scenario.usual)
        {
            eprintln!("  … {}", scenario.name);
            (scenario.run)(&mut session);
        }
    }
    if session.failed() {
        eprintln!(
            "failed: lines were lost, doubled or out of order, or clients refused (see above)"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The parts that this program plays as its own child.
fn play(role: &str, args: &[String]) {
    match (role, args) {
        ("guard", [group]) => group::guard(group.parse().expect("a process group")),
        ("load", args) => load::run(&LoadSpec::from_args(args)),
        ("floor", [path, clients, floor]) => {
            let clients = clients.parse().expect("a number of clients");
            floor::run(Path::new(path), clients, Floor::from_arg(floor));
        }
        ("nchan", [configuration, path, address]) => {
            let address = address.parse().expect("an address");
            feeder::run(Path::new(configuration), Path::new(path), address);
        }
        _ => panic!("no such role: {role} {args:?}"),
    }
}

fn known(name: &str) -> bool {
    SCENARIOS.iter().any(|scenario| scenario.name == name)
}

fn usage(error: &str) -> ExitCode {
    eprintln!("{error}");
    eprintln!(
        "usage: bench [--full] [--repeats N] [--stretch TIMES] [--plots FOLDER] [SCENARIO...]"
    );
    for scenario in SCENARIOS {
        eprintln!("  {:10} {}", scenario.name, scenario.about);
    }
    ExitCode::from(2)
}

/// Says where this was measured.
#[expect(clippy::print_stdout, reason = "the report goes to standard output")]
fn greet() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{cores} cores ({}), Linux {}, load {}",
        model.map_or("unknown", |(_, model)| model),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg")
            .split(' ')
            .take(3)
            .collect::<Vec<_>>()
            .join(" "),
    );
    println!(
        "(N x) is times the floor in the same run; lines of {} bytes",
        run::LINE_BYTES
    );
}
