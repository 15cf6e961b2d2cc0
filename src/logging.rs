//! The program's own log lines, on standard error, and what it inherits of signals.

use std::io::Write;

use log::LevelFilter;
use nix::sys::signal::{SigSet, Signal};

/// Starts logging at `level`, where RUST_LOG does not say otherwise. Under journald (JOURNAL_STREAM is set) lines carry
/// the priority (sd-daemon(3)) and no time stamp, since the journal has its own.
pub fn start(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level);
    builder.parse_default_env();
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    builder.format(move |out, record| {
        if journal {
            let priority = match record.level() {
                log::Level::Error => 3,
                log::Level::Warn => 4,
                log::Level::Info => 6,
                log::Level::Debug | log::Level::Trace => 7,
            };
            writeln!(out, "<{priority}>{}", record.args())
        } else {
            let level = record.level().as_str().to_lowercase();
            writeln!(out, "tailcast: {level}: {}", record.args())
        }
    });
    // A second call, in tests, changes nothing.
    let _ = builder.try_init();
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
