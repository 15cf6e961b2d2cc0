//! The memory that all filters together may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes for all filters: what is compiled, and what matching remembers.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// A budget of `bytes`, none of them taken.
    pub fn new(bytes: usize) -> Budget {
        Budget {
            bytes,
            taken: AtomicUsize::new(0),
        }
    }

    /// A share of `bytes`; `None` where so much is not free.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        let mut share = Share {
            budget: Arc::clone(self),
            bytes: 0,
        };
        share.grow_to(bytes).then_some(share)
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A part of the budget, until it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Takes more, up to `bytes` in all; false where so much is not free, and then it is what it was.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let Budget { bytes: all, taken } = &*self.budget;
        let room = |taken: usize| taken.checked_add(more).filter(|sum| sum <= all);
        let grown = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        self.bytes += grown.map_or(0, |_| more);
        grown.is_ok()
    }

    /// Gives back what is over `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.taken.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back_and_there_is_never_more() {
        let budget = Arc::new(Budget::new(100));
        let mut one = budget.take(60).expect("there is room");
        assert!(budget.take(41).is_none());
        let two = budget.take(40).expect("just as much");
        assert!(!one.grow_to(61));
        one.shrink_to(10);
        assert_eq!((budget.taken(), one.bytes()), (50, 10));
        assert!(one.grow_to(60) && !one.grow_to(61));
        drop((one, two));
        assert_eq!(budget.taken(), 0);
    }
}
