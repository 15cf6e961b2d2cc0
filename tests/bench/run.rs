//! One run: a subject is started on an empty file, clients join, lines are appended, what it cost is noted.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::line::{LineForm, Stored};
use crate::load::{LoadSpec, Tally, Wire};
use crate::load_process::LoadProcess;
use crate::process;
use crate::subject::{Server, Subject};
use crate::writer::{self, Pace};

/// Size of a line where a scenario has no other wish; its ending included.
pub(crate) const LINE_BYTES: usize = 120;

/// What a run does, whatever the subject.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) clients: usize,
    /// So many of the clients do not read while lines are written.
    pub(crate) stalled: usize,
    pub(crate) lines: u64,
    pub(crate) line_bytes: usize,
    pub(crate) stored: Stored,
    pub(crate) pace: Pace,
    /// Path and query, where it is not the subject's usual stream.
    pub(crate) target: Option<&'static str>,
    pub(crate) wire: Wire,
}

impl Shape {
    /// Clients that read WebSocket text, for some seconds at this rate.
    pub(crate) fn paced(clients: usize, lines_per_s: f64, seconds: f64) -> Shape {
        let lines = (lines_per_s * seconds).ceil() as u64;
        Shape::of(clients, lines, Pace::LinesPerS(lines_per_s))
    }

    /// The same, all lines as fast as they go.
    pub(crate) fn flat_out(clients: usize, lines: u64) -> Shape {
        Shape::of(clients, lines, Pace::FlatOut)
    }

    fn of(clients: usize, lines: u64, pace: Pace) -> Shape {
        let wire = Wire::WsText;
        Shape {
            clients,
            stalled: 0,
            lines,
            line_bytes: LINE_BYTES,
            stored: Stored::Plain,
            pace,
            target: None,
            wire,
        }
    }

    pub(crate) fn form(&self) -> LineForm {
        LineForm {
            line_bytes: self.line_bytes,
            stored: self.stored,
        }
    }

    /// The load generator's part of it.
    pub(crate) fn load(&self, subject: &Subject, server: &Server) -> LoadSpec {
        LoadSpec {
            address: server.address,
            target: self.target.unwrap_or(subject.target()).to_owned(),
            wire: self.wire,
            clients: self.clients,
            stalled: self.stalled,
            halts: None,
            skims: false,
            first: 0,
            lines: self.lines,
            form: self.form(),
        }
    }
}

/// What a run showed.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// CPU time of the server's process tree from the first append to the last receipt.
    pub(crate) cpu: Duration,
    /// Of the clients that read.
    pub(crate) live: Tally,
    /// Of the stalled ones, once they read.
    pub(crate) stalled: Option<Tally>,
    /// Before the first client, with all clients joined, and when the readers had everything.
    pub(crate) resident_kib: [u64; 3],
}

impl Outcome {
    pub(crate) fn cpu_us_per_line(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.live.delivered.max(1) as f64
    }

    /// On the wire.
    pub(crate) fn bytes_per_line(&self) -> f64 {
        self.live.bytes as f64 / self.live.delivered.max(1) as f64
    }

    pub(crate) fn cpu_s_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.live.bytes.max(1) as f64 / 1e9)
    }

    pub(crate) fn p50_us(&self) -> f64 {
        self.live.p50_ns as f64 / 1e3
    }

    pub(crate) fn p99_us(&self) -> f64 {
        self.live.p99_ns as f64 / 1e3
    }

    /// Lines that were lost, and lines that were doubled or out of order.
    pub(crate) fn faults(&self) -> (u64, u64) {
        let stalled = self.stalled.as_ref();
        let lost = self.live.lost + stalled.map_or(0, |tally| tally.lost);
        let again = self.live.again + stalled.map_or(0, |tally| tally.again);
        (lost, again)
    }
}

/// A folder of its own with an empty log in it, removed when dropped.
pub(crate) struct Log {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl Log {
    pub(crate) fn new() -> Log {
        let folder = tempfile::Builder::new()
            .prefix("tailcast-bench-")
            // Not /tmp: whoever else makes files there wakes a watcher that looks after the folders on its way.
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let path = folder.path().join("some.log");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .expect("make the followed file");
        Log {
            file,
            path,
            _folder: folder,
        }
    }
}

/// Runs it once; an `Err` is the server's refusal of a stream.
pub(crate) fn run(subject: &Subject, shape: &Shape) -> Result<Outcome, String> {
    let mut log = Log::new();
    let server = subject.start(std::slice::from_ref(&log.path), shape.clients)?;
    let bare_kib = process::resident_kib(&server.pids());
    let mut load = LoadProcess::start(&shape.load(subject, &server))?;
    // Helpers that a peer starts for each client are there by now.
    let pids = server.pids();
    process::settle(&pids);
    let joined_kib = process::resident_kib(&pids);
    let cpu_before = process::cpu(&pids);
    writer::append(&mut log.file, shape.form(), 0, shape.lines, shape.pace);
    let live = load.live();
    let cpu = process::cpu(&pids).saturating_sub(cpu_before);
    let after_kib = process::resident_kib(&pids);
    let stalled = (shape.stalled > 0).then(|| load.resume_stalled());
    let resident_kib = [bare_kib, joined_kib, after_kib];
    Ok(Outcome {
        cpu,
        live,
        stalled,
        resident_kib,
    })
}
