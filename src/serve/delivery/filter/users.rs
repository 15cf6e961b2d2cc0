//! Who uses a filter: whether what passes it is worth keeping for others, and how long sifting takes.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Filter;
use crate::limits::FILTER_QUICK;
use crate::source::{Lines, Segment};

/// The clients of one filter, and what it takes to match a line by it.
#[derive(Debug)]
pub(super) struct Users {
    /// No other filter has had it, so that what was kept for one that is gone is never taken for another one's.
    number: u64,
    clients: AtomicUsize,
    /// Nanoseconds that matching a KiB takes, as of late; 0 where that is not known.
    kib_ns: AtomicU64,
}

impl Default for Users {
    fn default() -> Users {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Users {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            clients: AtomicUsize::new(0),
            kib_ns: AtomicU64::new(0),
        }
    }
}

/// The filter of one client.
#[derive(Debug)]
pub struct InUse(Filter);

impl InUse {
    /// One more client uses `filter`.
    pub fn new(filter: Filter) -> InUse {
        filter.0.users.clients.fetch_add(1, Ordering::Relaxed);
        InUse(filter)
    }
}

impl Deref for InUse {
    type Target = Filter;

    fn deref(&self) -> &Filter {
        &self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.0.users.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Filter {
    /// Its number among all filters that there have been.
    pub fn number(&self) -> u64 {
        self.0.users.number
    }

    /// Which lines pass. Blocks for as long as matching takes.
    pub(super) fn sift(&self, lines: &Lines) -> Vec<bool> {
        let begun = Instant::now();
        let passes = (0..lines.len()).map(|i| self.passes(lines.line(i)));
        let passes = passes.collect();
        let took = begun.elapsed().as_nanos() * 1024 / lines.bytes.len().max(1) as u128;
        let took = u64::try_from(took).unwrap_or(u64::MAX).max(1);
        let kib_ns = &self.0.users.kib_ns;
        // Slower is believed at once, and faster after a while.
        let before = kib_ns.load(Ordering::Relaxed);
        kib_ns.store(took.max(before / 8 * 7), Ordering::Relaxed);
        passes
    }

    /// Others have the same filter, and what of `segment` passes it is not kept for them yet and can be.
    pub fn can_share(&self, segment: &Segment) -> bool {
        let is_alone = self.0.users.clients.load(Ordering::Relaxed) < 2;
        !is_alone && segment.has_room_for_part() && segment.part(self.number()).is_none()
    }

    /// Keeps what of `segment` passes, where other clients have the same filter.
    pub fn share(&self, segment: &Segment, passes: &[bool]) {
        if self.can_share(segment) {
            segment.add_part(self.number(), passes);
        }
    }

    /// Matching lines of so many bytes takes no time that anybody would notice, as far as is known.
    pub fn is_quick(&self, bytes: usize) -> bool {
        let kib_ns = self.0.users.kib_ns.load(Ordering::Relaxed);
        let takes = kib_ns.saturating_mul(bytes as u64) / 1024;
        kib_ns > 0 && Duration::from_nanos(takes) <= FILTER_QUICK
    }
}
