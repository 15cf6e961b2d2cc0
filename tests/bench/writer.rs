//! The writer: appends numbered lines to the followed file at a given pace.

use std::fs::File;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::now_ns;
use crate::line::LineForm;

/// Above this rate lines are written in bursts, for a sleep between two lines would not hold the rate.
const SINGLE_LINES_PER_S_MAX: f64 = 2_000.0;
const BURSTS_PER_S: f64 = 1_000.0;

/// What one write(2) appends when nothing holds the writer back.
const FLAT_OUT_WRITE_BYTES: usize = 256 * 1024;

/// How fast the log grows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each line a write of its own, up to a rate where that is no longer possible.
    LinesPerS(f64),
    /// In large writes, as fast as they go.
    FlatOut,
}

/// Appends the lines `first..first + count` and returns how long that took.
pub(crate) fn append(
    file: &mut File,
    form: LineForm,
    first: u64,
    count: u64,
    pace: Pace,
) -> Duration {
    let lines_a_write = match pace {
        Pace::LinesPerS(rate) if rate <= SINGLE_LINES_PER_S_MAX => 1,
        Pace::LinesPerS(rate) => (rate / BURSTS_PER_S) as u64,
        Pace::FlatOut => (FLAT_OUT_WRITE_BYTES / form.line_bytes).max(1) as u64,
    };
    let began = Instant::now();
    let mut bytes = Vec::new();
    let mut done = 0;
    while done < count {
        if let Pace::LinesPerS(rate) = pace {
            let due = Duration::from_secs_f64(done as f64 / rate);
            // The pace itself: nothing waits for this sleep to be long enough.
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let end = (done + lines_a_write).min(count);
        bytes.clear();
        let now = now_ns();
        for number in first + done..first + end {
            form.store(&mut bytes, number, now);
        }
        file.write_all(&bytes).expect("append to the followed file");
        done = end;
    }
    began.elapsed()
}
