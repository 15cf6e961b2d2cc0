//! The clock that the processes of a benchmark share.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot: the writer stamps a line with it, the load generator compares.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC is always there");
    let now = Duration::from(now);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
