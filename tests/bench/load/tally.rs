//! What the clients of a load generator got: counts, faults and latencies.

use std::fmt;
use std::time::Duration;

/// Steps a power of two: 128 keep a percentile within 0.8 %.
const STEPS_LOG2: u32 = 7;
const STEPS: u64 = 1 << STEPS_LOG2;

/// The sum over all clients of a phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    /// As read from the sockets, framing included.
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
    /// Doubled or out of order.
    pub(crate) again: u64,
    pub(crate) took: Duration,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) max_ns: u64,
    latencies: Histogram,
}

impl Tally {
    /// Counts a line that came where `next` was due.
    pub(super) fn line(&mut self, next: &mut u64, number: u64, stamp: Option<u64>, now: u64) {
        if number == *next {
            self.delivered += 1;
        } else if number > *next {
            self.delivered += 1;
            self.lost += number - *next;
        } else {
            self.again += 1;
            return;
        }
        *next = number + 1;
        if let Some(stamp) = stamp {
            self.latencies.add(now.saturating_sub(stamp));
        }
    }

    /// Counts what a client still lacks at the end.
    pub(super) fn end(&mut self, next: u64, end: u64) {
        self.lost += end.saturating_sub(next);
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Tally {
        let field = |key: &str| {
            let value = text
                .split(' ')
                .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            value
                .and_then(|value| value.parse().ok())
                .unwrap_or_else(|| panic!("{key} in {text:?}"))
        };
        Tally {
            delivered: field("delivered"),
            bytes: field("bytes"),
            lost: field("lost"),
            again: field("again"),
            took: Duration::from_nanos(field("took_ns")),
            p50_ns: field("p50_ns"),
            p99_ns: field("p99_ns"),
            max_ns: field("max_ns"),
            latencies: Histogram::default(),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "delivered={} bytes={} lost={} again={} took_ns={} p50_ns={} p99_ns={} max_ns={}",
            self.delivered,
            self.bytes,
            self.lost,
            self.again,
            self.took.as_nanos(),
            self.latencies.at(0.50),
            self.latencies.at(0.99),
            self.latencies.max,
        )
    }
}

/// Counts by value, in steps that grow with the value.
#[derive(Clone, Debug, Default)]
struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    fn add(&mut self, value: u64) {
        let step = step(value);
        if step >= self.counts.len() {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// The value below which this share of the counted ones lies; 0 where none was counted.
    fn at(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return lower_bound(step as u64).min(self.max);
            }
        }
        self.max
    }
}

/// Values below `STEPS` are steps of their own; then each power of two has `STEPS` of them.
fn step(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEPS_LOG2 + 1);
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

fn lower_bound(step: u64) -> u64 {
    if step < 2 * STEPS {
        return step;
    }
    let shift = step / STEPS - 1;
    (step - shift * STEPS) << shift
}
