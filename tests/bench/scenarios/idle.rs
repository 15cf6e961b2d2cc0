//! What it costs to be there: memory, context switches, files that don't grow.

use std::fs::File;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{Log, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, value};

/// Resident memory of a server with nobody there, and what 1,000 clients add that are sent nothing.
pub(super) fn memory(_: &mut Session) {
    const CLIENTS: usize = 1_000;
    let heading = format!("Memory, {CLIENTS} idle clients");
    let mut table = Table::new(&heading, &["", "base MiB", "KiB resident a client"]);
    for (subject, aims) in [
        (Subject::floor(), [Aim::None; 2]),
        (Subject::daemon(""), [Aim::Value(3.0), Aim::Value(12.0)]),
    ] {
        let log = Log::new();
        let server = subject
            .start(std::slice::from_ref(&log.path), CLIENTS)
            .expect("the daemon starts");
        process::settle(&server.pids());
        let base_kib = process::resident_kib(&server.pids()) as f64;
        let load = LoadProcess::start(&Shape::paced(CLIENTS, 1.0, 0.0).load(&subject, &server));
        let load = load.expect("idle clients are not refused");
        process::settle(&server.pids());
        let a_client_kib =
            (process::resident_kib(&server.pids()) as f64 - base_kib) / CLIENTS as f64;
        table.row(vec![
            subject.name.clone(),
            value(base_kib / 1024.0, aims[0]),
            value(a_client_kib, aims[1]),
        ]);
        drop(load);
    }
    table.print();
}

/// Nothing is written, nobody says anything, no ping is due: then no thread should ever run.
pub(super) fn switches(_: &mut Session) {
    const CLIENTS: usize = 100;
    const IDLE: Duration = Duration::from_secs(10);
    let heading = format!("Idle for {} s, {CLIENTS} clients", IDLE.as_secs());
    let mut table = Table::new(&heading, &["", "context switches", "CPU us", "by thread"]);
    for (subject, aim) in [
        (Subject::floor(), Aim::None),
        (Subject::daemon(""), Aim::Value(0.0)),
    ] {
        let log = Log::new();
        let server = subject
            .start(std::slice::from_ref(&log.path), CLIENTS)
            .expect("the daemon starts");
        let load = LoadProcess::start(&Shape::paced(CLIENTS, 1.0, 0.0).load(&subject, &server));
        let load = load.expect("idle clients are not refused");
        process::settle(&server.pids());
        let [switches, cpu_us, threads] = rest(&server.pids(), IDLE, aim);
        table.row(vec![subject.name.clone(), switches, cpu_us, threads]);
        drop(load);
    }
    table.print();
}

/// Files that are followed and don't grow cost nothing but their descriptors.
pub(super) fn files(_: &mut Session) {
    const FILES: usize = 1_000;
    const IDLE: Duration = Duration::from_secs(5);
    let log = Log::new();
    let folder = log.path.parent().expect("a file in a folder");
    let files: Vec<PathBuf> = (0..FILES)
        .map(|index| folder.join(format!("{index}.log")))
        .collect();
    for file in &files {
        File::create(file).expect("make a followed file");
    }
    let subject = Subject::daemon("");
    let server = subject.start(&files, 0).expect("the daemon starts");
    process::settle(&server.pids());
    let heading = format!("{FILES} followed files, idle for {} s", IDLE.as_secs());
    let mut table = Table::new(
        &heading,
        &[
            "",
            "ms to listening",
            "MiB resident",
            "context switches",
            "CPU us",
            "by thread",
        ],
    );
    let resident_mib = process::resident_kib(&server.pids()) as f64 / 1024.0;
    let [switches, cpu_us, threads] = rest(&server.pids(), IDLE, Aim::Value(0.0));
    table.row(vec![
        subject.name.clone(),
        value(server.started_in.as_secs_f64() * 1e3, Aim::None),
        value(resident_mib, Aim::None),
        switches,
        cpu_us,
        threads,
    ]);
    table.print();
}

/// Looks at a server that has nothing to do: context switches, CPU time, and which threads ran.
fn rest(pids: &[i32], idle: Duration, aim: Aim) -> [String; 3] {
    // What the start or the last join still had to do is over.
    thread::sleep(Duration::from_millis(500));
    let cpu_before = process::cpu(pids);
    let before = process::context_switches(pids);
    thread::sleep(idle);
    let after = process::context_switches(pids);
    let cpu = process::cpu(pids).saturating_sub(cpu_before);
    let mut switches = 0;
    let mut threads = Vec::new();
    for (name, count) in &after {
        let known = before.iter().find(|(known, _)| known == name);
        let more = count - known.map_or(0, |(_, count)| *count);
        if more > 0 {
            switches += more;
            threads.push(format!("{name} {more}"));
        }
    }
    threads.truncate(4);
    [
        value(switches as f64, aim),
        value(cpu.as_secs_f64() * 1e6, Aim::None),
        threads.join(", "),
    ]
}
