//! The program's own log lines, on standard error, and what it inherits of signals.

mod limiter;

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Instant;

use log::kv::Key;
use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use parking_lot::Mutex;

use crate::error::StartError;

use limiter::{Limiter, Said};

/// Starts logging at `level`, where RUST_LOG does not say otherwise. Under journald (JOURNAL_STREAM is set) lines carry
/// the priority (sd-daemon(3)) and no time stamp, since the journal has its own.
///
/// What is logged from one place in the code again and again is cut to a line now and then, with the number of those
/// that were left out; all but what `-v` adds. A line that says which `file` it is about, as
/// `log::info!(file:? = path; "…")`, is limited for that file alone.
pub fn start(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level);
    builder.parse_default_env();
    let journal = to_journal();
    builder.format(move |out, record| {
        if journal {
            let priority = match record.level() {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            writeln!(out, "<{priority}>{}", record.args())
        } else {
            let level = record.level().as_str().to_lowercase();
            writeln!(out, "tailcast: {level}: {}", record.args())
        }
    });
    let lines = builder.build();
    let filter = lines.filter();
    let limited = Limited {
        lines,
        limiter: Mutex::default(),
    };
    // A second call, in tests, changes nothing.
    if log::set_boxed_logger(Box::new(limited)).is_ok() {
        log::set_max_level(filter);
    }
}

/// Says on standard error why the program does not start, whatever is logged otherwise.
pub fn say_why_not(error: &StartError) {
    let before = if to_journal() { "<3>" } else { "tailcast: " };
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "{before}{error}");
}

/// Standard error leads to journald.
fn to_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}

/// Standard error takes a line without waiting: of a pipe the kernel says so while there is room for a page.
fn takes_a_line() -> bool {
    let log = std::io::stderr();
    let mut fds = [PollFd::new(log.as_fd(), PollFlags::POLLOUT)];
    nix::poll::poll(&mut fds, PollTimeout::ZERO) != Ok(0)
}

/// The log, without what is repeated too often.
struct Limited {
    lines: env_logger::Logger,
    limiter: Mutex<Limiter>,
}

impl Log for Limited {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.lines.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() > Level::Info || !self.lines.matches(record) {
            return self.lines.log(record);
        }
        // Whoever started us may read no more of the log: nothing else is to wait for it.
        if !takes_a_line() {
            return;
        }
        let place = (
            record.module_path_static().unwrap_or_default(),
            record.line().unwrap_or_default(),
        );
        let file = record.key_values().get(Key::from_str("file"));
        let file = file.map(|file| file.to_string());
        // A statement of its own: standard error may block, and nobody else is to wait for it.
        let said = {
            let mut limiter = self.limiter.lock();
            limiter.ask(place, file.as_deref(), Instant::now())
        };
        let text = record.args();
        let about = |note: std::fmt::Arguments<'_>| {
            let mut noted = Record::builder();
            noted.metadata(record.metadata().clone()).args(note);
            self.lines.log(&noted.build());
        };
        match said {
            None => {}
            Some(Said::Plain) => self.lines.log(record),
            Some(Said::LastForNow) => {
                about(format_args!(
                    "{text} (more like it are only counted for now)"
                ));
            }
            Some(Said::After(left_out)) => {
                about(format_args!("{text} (and {left_out} more like it before)"));
            }
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

/// A signal that was ignored when the program was started (SIGHUP under nohup(1)) stays ignored: it is blocked in this
/// thread and so in all that it starts, before a handler is set. Called first, by the main thread.
pub fn keep_ignored_signals_ignored() {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return;
    };
    let Some(ignored) = status.lines().find_map(|line| line.strip_prefix("SigIgn:")) else {
        return;
    };
    let Ok(ignored) = u64::from_str_radix(ignored.trim(), 16) else {
        return;
    };
    let mut blocked = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        if ignored & (1 << (signal as u64 - 1)) != 0 {
            blocked.add(signal);
        }
    }
    // It can only fail for a signal that does not exist.
    let _ = blocked.thread_block();
}
