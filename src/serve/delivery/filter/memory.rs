//! What matching remembers: the states that a pattern was found in, so that the next line is matched fast. It grows with
//! what is matched, within the share of its filter.

use parking_lot::{Mutex, MutexGuard};
use regex_automata::meta::{Cache, Regex};

use super::Share;
use crate::limits::{FILTER_CACHES_COUNTED_EVERY, FILTER_CACHES_MAX};

/// The memories of one filter, as many as clients use it at once, and its share of the budget.
#[derive(Debug)]
pub(super) struct Memory {
    slots: [Mutex<Slot>; FILTER_CACHES_MAX],
    share: Mutex<Share>,
}

#[derive(Debug, Default)]
struct Slot {
    /// One for each pattern; none where it was not used yet, or was let go of.
    caches: Vec<Cache>,
    /// Bytes of them that are in the share.
    counted: usize,
    /// Lines since they were counted.
    lines: u32,
}

impl Memory {
    /// In `share`, which holds what was compiled.
    pub(super) fn new(share: Share) -> Memory {
        Memory {
            slots: Default::default(),
            share: Mutex::new(share),
        }
    }

    /// Lends a memory of each of `patterns`. Where all are in use it waits for one, for as long as others match a line.
    pub(super) fn lend<T>(&self, patterns: &[Regex], work: impl FnOnce(&mut [Cache]) -> T) -> T {
        let mut slot = self.slot();
        if slot.caches.is_empty() {
            slot.caches = patterns.iter().map(Regex::create_cache).collect();
            slot.lines = FILTER_CACHES_COUNTED_EVERY;
        }
        let done = work(&mut slot.caches);
        slot.lines += 1;
        if slot.lines >= FILTER_CACHES_COUNTED_EVERY {
            self.count(&mut slot);
        }
        done
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        let free = self.slots.iter().find_map(Mutex::try_lock);
        free.unwrap_or_else(|| self.slots[0].lock())
    }

    /// Takes what the slot has grown by into the share; where there is no room for it, the slot begins anew.
    fn count(&self, slot: &mut Slot) {
        slot.lines = 0;
        let bytes = slot.caches.iter().map(Cache::memory_usage).sum::<usize>();
        let mut share = self.share.lock();
        let others = share.bytes() - slot.counted;
        if bytes <= slot.counted {
            share.shrink_to(others + bytes);
        } else if !share.grow_to(others + bytes) {
            share.shrink_to(others);
            *slot = Slot::default();
            return;
        }
        slot.counted = bytes;
    }
}
