//! The built program as a child process, and clients that speak to it. Every wait has a deadline; nothing else waits.
#![allow(dead_code, reason = "each program of tests uses a part of it")]

pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod ids;
pub(crate) mod spoken;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod websocket;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Nothing waits that long when it works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Between two looks at a condition that nobody tells of.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds, and says whether it did.
pub(crate) fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        thread::park_timeout(LOOK_EVERY);
    }
    true
}

/// The first program of `names` that is installed, or None where nobody promised one. CI promises them all.
pub(crate) fn tool(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers stand where an ordinary user's PATH does not lead.
    let beside = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(beside);
    let found = places.find_map(|place| {
        let mut files = names.iter().map(|name| place.join(name));
        files.find(|file| file.is_file())
    });
    if found.is_none() {
        assert!(!is_promised(), "none of {names:?} is installed");
        leave_out(names);
    }
    found
}

/// Says that a test leaves something out for want of one of these programs: also in the file that LEFT_OUT names, which
/// `make test` shows at its end.
fn leave_out(names: &[&str]) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let line = format!("left out: {test}: none of {names:?} is installed\n");
    eprint!("{line}");
    let Some(path) = std::env::var_os("LEFT_OUT") else {
        return;
    };
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    let _ = file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
}

/// Whether who started the tests ignores this signal, as a shell does for its background jobs. Programs inherit that.
pub(crate) fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal as i32 - 1)) != 0)
}

/// Whether all that tests use is promised to be there, as in CI.
pub(crate) fn is_promised() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// A directory for the logs of one test.
pub(crate) struct Logs(TempDir);

impl Logs {
    pub(crate) fn new() -> Logs {
        Logs(tempfile::tempdir().expect("a directory"))
    }

    /// The path of `name`, which need not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file `name` that holds `text`.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("write a file");
        path
    }
}

/// One write at the end of `path`, which is made where it is missing.
pub(crate) fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("open a log");
    file.write_all(text.as_ref()).expect("append to a log");
}

/// The program with a clean environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailcast"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TAILCAST_") || text == "RUST_LOG" || text == "JOURNAL_STREAM" {
            command.env_remove(&name);
        }
    }
    command
}

/// What a run that ends by itself leaves behind.
pub(crate) fn run(args: &[&str]) -> Output {
    let mut command = program();
    command.args(args);
    finish(command)
}

/// The same of a command.
pub(crate) fn finish(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Reaped(child.expect("start tailcast"));
    assert!(
        wait_until(DEADLINE, || child.0.try_wait().expect("wait").is_some()),
        "{command:?} did not end"
    );
    let mut output = Output {
        status: child.0.wait().expect("wait"),
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    let (out, err) = (child.0.stdout.take(), child.0.stderr.take());
    std::io::copy(&mut out.expect("a pipe"), &mut output.stdout).expect("read standard output");
    std::io::copy(&mut err.expect("a pipe"), &mut output.stderr).expect("read standard error");
    output
}

/// A child that doesn't outlive its test.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the daemon said on standard error, so far.
#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Said {
    /// The first line for which `pick` finds something.
    fn find<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.find_within(DEADLINE, pick)
    }

    fn find_within<T>(&self, deadline: Duration, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + deadline;
        let mut lines = self.lines.lock().expect("no poison");
        loop {
            if let Some(found) = lines.iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            lines = self.more.wait_timeout(lines, left).expect("no poison").0;
        }
    }
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Reaped,
    said: Arc<Said>,
    pub(crate) port: u16,
}

impl Daemon {
    /// A daemon on a free port of loopback that follows `files`.
    pub(crate) fn follow(files: &[&Path]) -> Daemon {
        Self::with(&[], files)
    }

    /// The same, with options. It serves when this returns.
    pub(crate) fn with(options: &[&str], files: &[&Path]) -> Daemon {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(options).args(files);
        Self::start(command)
    }

    /// Starts `command`, which ends up as a daemon that serves HTTP on loopback.
    pub(crate) fn start(command: Command) -> Daemon {
        Self::spawn(command).serves()
    }

    /// The same with the standard input that `command` has.
    pub(crate) fn start_with_input(command: Command) -> Daemon {
        Self::spawn_with_input(command).serves()
    }

    /// Waits until it listens.
    fn serves(self) -> Daemon {
        let mut daemon = self;
        let port = daemon.said.find(|line| {
            let (_, url) = line.split_once("listening on http")?;
            url.rsplit_once(':')?.1.trim_end_matches('/').parse().ok()
        });
        daemon.port = port.unwrap_or_else(|| panic!("never listened: {:?}", daemon.said_so_far()));
        daemon
    }

    /// Starts `command`, which ends up as a daemon, and does not wait until it serves: its port is not known.
    pub(crate) fn spawn(mut command: Command) -> Daemon {
        command.stdin(Stdio::null());
        Self::spawn_with_input(command)
    }

    /// The same, with the standard input that `command` has.
    pub(crate) fn spawn_with_input(mut command: Command) -> Daemon {
        command.stdout(Stdio::null());
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = Reaped(child.expect("start tailcast"));
        let stderr = child.0.stderr.take().expect("a pipe");
        let said = Arc::new(Said::default());
        let hears = Arc::clone(&said);
        // Ends with the pipe, and so with the child.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                hears.lines.lock().expect("no poison").push(line);
                hears.more.notify_all();
            }
        });
        Daemon {
            child,
            said,
            port: 0,
        }
    }

    /// The lines that it has said up to now.
    pub(crate) fn said_so_far(&self) -> Vec<String> {
        self.said.lines.lock().expect("no poison").clone()
    }

    /// A connection to it, whose reads and writes end by the deadline.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    /// Whether it says a line that holds `text` within `deadline`.
    pub(crate) fn says_within(&self, deadline: Duration, text: &str) -> bool {
        self.said
            .find_within(deadline, |line| line.contains(text).then_some(()))
            .is_some()
    }

    /// The lines that it has said so far and that hold `text`.
    pub(crate) fn said_with(&self, text: &str) -> Vec<String> {
        let lines = self.said.lines.lock().expect("no poison");
        lines
            .iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// Whether it says a line that holds `text`, by the deadline.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.said
            .find(|line| line.contains(text).then_some(()))
            .is_some()
    }

    /// Its resident memory in KiB, counted by page: VmRSS in its status can be off by 128 KiB a core.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.kib("smaps_rollup", "Rss:")
    }

    /// The most that was ever resident, in KiB, as the kernel's own mark has it (proc_pid_status(5)).
    pub(crate) fn peak_kib(&self) -> u64 {
        self.kib("status", "VmHWM:")
    }

    fn kib(&self, file: &str, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid()));
        let text = text.expect("what the kernel says of it");
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let text = line.and_then(|line| line.split_whitespace().next());
        text.and_then(|text| text.parse().ok()).expect(key)
    }

    /// Time on the CPU so far, in the kernel's ticks (proc_pid_stat(5): fields 14 and 15).
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("its stat");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let fields: Vec<&str> = fields.split(' ').collect();
        [fields[11], fields[12]]
            .map(|field| field.parse::<u64>().expect("a number"))
            .iter()
            .sum()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        entries.expect("its descriptors").count()
    }

    /// How many files below a directory it has open, those included that were deleted there.
    pub(crate) fn open_below(&self, directory: &Path) -> usize {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        let leads = entries.expect("its descriptors").flatten();
        let leads = leads.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        leads.filter(|to| to.starts_with(directory)).count()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("send a signal");
    }

    /// How it ended, if it does so in time.
    pub(crate) fn ended(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let child = &mut self.child.0;
        wait_until(deadline, || child.try_wait().expect("wait").is_some())
            .then(|| child.wait().expect("wait"))
    }
}
