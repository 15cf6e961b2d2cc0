//! What lies further back: history over rotated files, compressed or not, and a moment in a file of 10 GB.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::history::live;
use crate::compare::median;
use crate::line::{LineForm, Stored};
use crate::load::{LoadSpec, Wire};
use crate::load_process::LoadProcess;
use crate::process;
use crate::run::{LINE_BYTES, Log, Shape};
use crate::session::Session;
use crate::subject::{Server, Subject};
use crate::table::{Aim, Table, value};
use crate::writer::{self, Pace};

const FILES: usize = 10;
const FILE_LINES: u64 = 100_000_000 / LINE_BYTES as u64;

const HUGE_BLOCKS: u64 = 10_000;
const BLOCK_LINES: usize = 1_000_000 / LINE_BYTES;

const TRIES: usize = 21;

const FORM: LineForm = LineForm {
    line_bytes: LINE_BYTES,
    stored: Stored::Plain,
};

/// Both.
pub(super) fn run(session: &mut Session) {
    rotated(session);
    since(session);
}

/// Ten files as one, read by one client while others get live lines.
fn rotated(session: &mut Session) {
    let mut table = Table::new(
        "History over rotated files of 100 MB each, 10 live clients x 200 lines/s",
        &["", "GB/s", "CPU s a GB", "p99 us live", "peak MiB"],
    );
    for (name, files, compressor, rate_aim) in [
        ("10 files", FILES, None, 1.0),
        ("3 files in gzip", 3, Some("gzip"), 0.25),
        ("3 files in zstd", 3, Some("zstd"), 0.25),
    ] {
        let mut log = Log::new();
        let mut next = 0;
        for older in (1..=files).rev() {
            writer::append(&mut log.file, FORM, next, FILE_LINES, Pace::FlatOut);
            next += FILE_LINES;
            let path = older_path(&log, older);
            fs::rename(&log.path, &path).expect("rotate");
            let new = File::options().create(true).append(true).open(&log.path);
            log.file = new.expect("make the next file");
            if let Some(compressor) = compressor {
                let mut command = Command::new(compressor);
                command
                    .args(["-q", "-1"])
                    .args((compressor == "zstd").then_some("--rm"));
                match command.arg(&path).status() {
                    Ok(status) if status.success() => {}
                    _ => return table.print(),
                }
            }
        }
        let lines = next;
        let subject = Subject::daemon("");
        let server = subject
            .start(std::slice::from_ref(&log.path), 0)
            .expect("the daemon starts");
        let pids = server.pids();
        let quiet = live(session, &subject, &server, &mut log, &mut next, || ());
        let spec = LoadSpec {
            target: "/stream?lines=1000000000".to_owned(),
            wire: Wire::Http,
            lines,
            ..Shape::paced(1, 1.0, 0.0).load(&subject, &server)
        };
        let mut read = Err(String::new());
        let cpu_before = process::cpu(&pids);
        let busy = live(session, &subject, &server, &mut log, &mut next, || {
            read = LoadProcess::start(&spec).map(|mut load| load.live());
        });
        let cpu = process::cpu(&pids).saturating_sub(cpu_before);
        let tally = match read {
            Ok(tally) => tally,
            Err(refusal) => {
                session.fault(format!("{name}: {refusal}"));
                continue;
            }
        };
        session.note_faults(
            &subject,
            &Shape::flat_out(1, lines),
            (tally.lost, tally.again),
        );
        let gigabytes = lines as f64 * LINE_BYTES as f64 / 1e9;
        let rate = gigabytes / tally.took.as_secs_f64();
        let verdict = if rate >= rate_aim { "met" } else { "MISSED" };
        let p99 = busy.p99_ns as f64 / 1e3;
        let times = busy.p99_ns as f64 / quiet.p99_ns.max(1) as f64;
        table.row(vec![
            name.to_owned(),
            format!("{} {verdict} >= {rate_aim}", value(rate, Aim::None)),
            value(cpu.as_secs_f64() / gigabytes, Aim::None),
            format!("{} ({times:.2} x quiet)", value(p99, Aim::None)),
            value(process::peak_kib(&pids) as f64 / 1024.0, Aim::None),
        ]);
        if compressor.is_none() {
            after_a_rotation(&server, &mut log);
        }
    }
    table.print();
}

fn older_path(log: &Log, number: usize) -> PathBuf {
    let mut path = log.path.clone().into_os_string();
    path.push(format!(".{number}"));
    path.into()
}

/// The last ten lines, before a rotation and right behind it, where they stand in the renamed file. Who follows has them at
/// once; who wants no more than there is waits until the renamed file is quiet, as its last lines come before the new one's.
fn after_a_rotation(server: &Server, log: &mut Log) {
    let ask = |query: &str| {
        let began = Instant::now();
        let target = format!("/stream?lines=10{query}");
        let got = get_at_least(server, &target, 10 * LINE_BYTES);
        assert!(got > 10 * (LINE_BYTES - 1), "ten lines: {got}");
        began.elapsed().as_secs_f64() * 1e3
    };
    let mut table = Table::new(
        "lines=10, asked for right after a rotation",
        &["", "ms before, median", "ms right after"],
    );
    for (name, query) in [("follows", ""), ("follow=false", "&follow=false")] {
        let before: Vec<f64> = (0..TRIES).map(|_| ask(query)).collect();
        let mut after = Vec::new();
        for _ in 0..TRIES {
            for older in (1..=FILES).rev() {
                let _ = fs::rename(older_path(log, older), older_path(log, older + 1));
            }
            fs::rename(&log.path, older_path(log, 1)).expect("rotate");
            let new = File::options().create(true).append(true).open(&log.path);
            log.file = new.expect("make the next file");
            writer::append(&mut log.file, FORM, 0, 3, Pace::FlatOut);
            after.push(ask(query));
        }
        let times = [before, after].map(|took| value(median(took), Aim::None));
        table.row([vec![name.to_owned()], times.to_vec()].concat());
    }
    table.print();
}

/// A moment in the middle of a file of 10 GB, beyond what the last ten lines alone take.
fn since(session: &mut Session) {
    let mut log = Log::new();
    let mut line = "2026-11-28T10:00:00.123Z ".to_owned();
    line += &"x".repeat(LINE_BYTES - 1 - line.len());
    line.push('\n');
    let mut block = line.repeat(BLOCK_LINES).into_bytes();
    for number in 0..HUGE_BLOCKS {
        let time = time_of(number);
        for line in block.chunks_exact_mut(LINE_BYTES) {
            line[11..19].copy_from_slice(time.as_bytes());
        }
        log.file.write_all(&block).expect("write the huge file");
    }
    let subject = Subject::daemon("");
    let server = subject
        .start(std::slice::from_ref(&log.path), 0)
        .expect("the daemon starts");
    let pids = server.pids();
    let mut cost = |moment: Option<u64>| {
        let since = moment.map_or(String::new(), |number| {
            format!("&since=2026-11-28T{}Z", time_of(number))
        });
        let target = format!("/stream?follow=false&lines=10{since}");
        let (mut cpu_ms, mut reads) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            let (cpu, read) = (process::cpu(&pids), process::reads(&pids));
            let got = get(&server, &target);
            if got.len() < 10 * (LINE_BYTES - 1) {
                session.fault(format!("{target}: {} bytes", got.len()));
            }
            process::settle(&pids);
            cpu_ms.push((process::cpu(&pids) - cpu).as_secs_f64() * 1e3);
            reads.push((process::reads(&pids) - read) as f64);
        }
        (median(cpu_ms), median(reads))
    };
    let bare = cost(None);
    let mut table = Table::new(
        "since= in a file of 10 GB, beyond what lines=10 takes",
        &["", "CPU ms", "reads"],
    );
    for (name, number) in [("early", 1_234), ("middle", 5_678), ("late", 9_876)] {
        let (cpu_ms, reads) = cost(Some(number));
        table.row(vec![
            name.to_owned(),
            value(cpu_ms - bare.0, Aim::Value(1.0)),
            value(reads - bare.1, Aim::Value(40.0)),
        ]);
    }
    table.print();
}

/// Of a block of the huge file: one a second.
fn time_of(number: u64) -> String {
    let at = 10 * 3600 + number;
    format!("{:02}:{:02}:{:02}", at / 3600, at / 60 % 60, at % 60)
}

/// The whole answer, head and all.
fn get(server: &Server, target: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut stream = asked(server, target);
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}

/// Reads until so many bytes have come behind the head, or the answer ends; how many have.
fn get_at_least(server: &Server, target: &str, bytes: usize) -> usize {
    let mut stream = asked(server, target);
    let mut answer = Vec::new();
    let mut block = [0; 16 * 1024];
    loop {
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
        let body = head.map_or(0, |head| answer.len() - head - 4);
        let got = stream.read(&mut block).expect("an answer");
        answer.extend_from_slice(&block[..got]);
        if got == 0 || body + got >= bytes {
            return body + got;
        }
    }
}

fn asked(server: &Server, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("connect");
    write!(
        stream,
        "GET {target} HTTP/1.0\r\nHost: {}\r\n\r\n",
        server.address
    )
    .expect("ask");
    stream
}
