//! What lies further back: history over rotated files, compressed or not, and a moment in a file of 10 GB.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::history::{History, Rounds};
use crate::compare::median;
use crate::line::{LineForm, Stored};
use crate::load::Wire;
use crate::process;
use crate::run::{LINE_BYTES, Log};
use crate::session::Session;
use crate::subject::{Server, Subject};
use crate::table::{Aim, Table, value};
use crate::writer::{self, Pace};

const FILES: usize = 10;
const FILE_LINES: u64 = 100_000_000 / LINE_BYTES as u64;

const HUGE_BLOCKS: u64 = 10_000;
const BLOCK_LINES: usize = 1_000_000 / LINE_BYTES;

const TRIES: usize = 21;

/// A file that was not written to for so long is at rest.
const RESTS: Duration = Duration::from_millis(400);

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
        &[
            "",
            "GB/s",
            "CPU s a GB",
            "p99 us live",
            "times quiet",
            "peak MiB",
        ],
    );
    for (name, files, compressor, rate_aim) in [
        ("10 files", FILES, None, 1.0),
        ("3 files in gzip", 3, Some("gzip"), 0.25),
        ("3 files in zstd", 3, Some("zstd"), 0.25),
    ] {
        let mut log = Log::new();
        let path = log.path.clone();
        let mut next = 0;
        for older in (1..=files).rev() {
            writer::append(&mut log.file, FORM, next, FILE_LINES, Pace::FlatOut);
            next += FILE_LINES;
            let path = older_path(&path, older);
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
        let subject = Subject::daemon("");
        let history = History {
            target: "/stream?lines=1000000000",
            wire: Wire::Http,
            lines: next,
            before_each: &|| {
                if let Some(compressor) = compressor {
                    inflate_again(&path, files, compressor);
                }
            },
        };
        let mut rounds = Rounds::default();
        for _ in 0..session.repeats {
            rounds.add(session, &subject, &mut log, &mut next, &history);
        }
        let mut row = vec![name.to_owned()];
        row.extend(rounds.costs(Some(rate_aim)));
        row.push(value(median(rounds.busy_p99_us.clone()), Aim::None));
        row.push(rounds.times_quiet());
        row.push(value(rounds.peak_kib as f64 / 1024.0, Aim::None));
        table.row(row);
        if compressor.is_none() {
            let server = subject
                .start(std::slice::from_ref(&log.path), 0)
                .expect("the daemon starts");
            after_a_rotation(&server, &mut log);
        }
    }
    table.print();
}

/// Makes the daemon inflate the files once more: it takes those with another time for other ones.
fn inflate_again(path: &Path, files: usize, compressor: &str) {
    for older in 1..=files {
        let mut path = older_path(path, older).into_os_string();
        path.push(if compressor == "gzip" { ".gz" } else { ".zst" });
        let file = File::options()
            .append(true)
            .open(path)
            .expect("it is there");
        file.set_modified(SystemTime::now()).expect("a time");
    }
}

fn older_path(path: &Path, number: usize) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(format!(".{number}"));
    path.into()
}

/// The last ten lines, before a rotation and right behind it, where seven of them stand in the renamed file. Who follows
/// has those at once. Who wants no more than there is waits until the renamed file is quiet, as its last lines come before
/// the new one's: not at all where nothing was written to it of late, else for a quarter of a second since the last line.
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
        &["", "ms before, median", "ms right after", "ms, worst"],
    );
    for (name, query, rest) in [
        ("follows", "", Duration::ZERO),
        ("follow=false, the file was at rest", "&follow=false", RESTS),
        ("follow=false, it was not", "&follow=false", Duration::ZERO),
    ] {
        let before: Vec<f64> = (0..TRIES).map(|_| ask(query)).collect();
        let mut after = Vec::new();
        for _ in 0..TRIES {
            // The rest itself: nothing waits for this sleep to be long enough.
            thread::sleep(rest);
            if rest.is_zero() {
                writer::append(&mut log.file, FORM, 0, 1, Pace::FlatOut);
            }
            for older in (1..=FILES).rev() {
                let _ = fs::rename(
                    older_path(&log.path, older),
                    older_path(&log.path, older + 1),
                );
            }
            fs::rename(&log.path, older_path(&log.path, 1)).expect("rotate");
            let new = File::options().create(true).append(true).open(&log.path);
            log.file = new.expect("make the next file");
            writer::append(&mut log.file, FORM, 0, 3, Pace::FlatOut);
            after.push(ask(query));
        }
        let worst = after.iter().copied().fold(0.0, f64::max);
        let times = [median(before), median(after), worst].map(|ms| value(ms, Aim::None));
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
    // Or the kernel writes it back meanwhile, on the time of whoever runs.
    log.file.sync_data().expect("written to the disk");
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
