//! Who is to be looked at, and in which order.

use std::collections::{HashMap, VecDeque};

use crate::limits::LATELY_MAX;

/// Whose turn it is. Those whose files were written to have a queue of their own: they cost a read, the others many
/// lookups. So a line waits for no more than the lines of others, also where thousands of names have changed.
#[derive(Debug, Default)]
pub(super) struct Ready {
    written: VecDeque<usize>,
    stirred: VecDeque<usize>,
    queued: HashMap<usize, Queue>,
    /// They can't go on before the events are taken that wait.
    unsure: Vec<usize>,
}

/// Which queue a follower is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Written,
    Stirred,
    Both,
}

/// What a follower does in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Finds out everything.
    Look,
    /// Reads what was written to its file. It is to look yet.
    Read,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.unsure.is_empty()
    }

    /// The follower's file was written to.
    pub(super) fn write(&mut self, index: usize) {
        match self.queued.get(&index) {
            None => self.queued.insert(index, Queue::Written),
            Some(Queue::Stirred) => self.queued.insert(index, Queue::Both),
            Some(Queue::Written | Queue::Both) => return,
        };
        self.written.push_back(index);
    }

    /// The follower's name may lead elsewhere, or its time has come.
    pub(super) fn stir(&mut self, index: usize) {
        if self.is_new_among_stirred(index) {
            self.stirred.push_back(index);
        }
    }

    /// The same, and somebody waits for it: it is the next of those.
    pub(super) fn ask(&mut self, index: usize) {
        self.is_new_among_stirred(index);
        self.stirred.push_front(index);
    }

    /// The follower can't go on before the events are taken that wait.
    pub(super) fn await_events(&mut self, index: usize) {
        self.unsure.push(index);
    }

    /// All events were taken that waited.
    pub(super) fn events_are_taken(&mut self) {
        for index in std::mem::take(&mut self.unsure) {
            self.stir(index);
        }
    }

    fn is_new_among_stirred(&mut self, index: usize) -> bool {
        match self.queued.get(&index) {
            None => self.queued.insert(index, Queue::Stirred),
            Some(Queue::Written) => self.queued.insert(index, Queue::Both),
            Some(Queue::Stirred | Queue::Both) => return false,
        };
        true
    }

    pub(super) fn take_written(&mut self) -> Option<(usize, Deed)> {
        while let Some(index) = self.written.pop_front() {
            match self.queued.get(&index) {
                Some(Queue::Written) => {
                    self.queued.remove(&index);
                    return Some((index, Deed::Look));
                }
                Some(Queue::Both) => {
                    self.queued.insert(index, Queue::Stirred);
                    return Some((index, Deed::Read));
                }
                // It has looked since.
                Some(Queue::Stirred) | None => {}
            }
        }
        None
    }

    pub(super) fn take_stirred(&mut self) -> Option<(usize, Deed)> {
        while let Some(index) = self.stirred.pop_front() {
            // One that somebody waited for stands here twice.
            if matches!(self.queued.get(&index), Some(Queue::Stirred | Queue::Both)) {
                self.queued.remove(&index);
                return Some((index, Deed::Look));
            }
        }
        None
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.queued.remove(&index);
        self.unsure.retain(|other| *other != index);
    }

    /// Whose turn is to come, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        self.queued.keys().copied()
    }
}

/// The followers whose files were written to and have brought something last, the latest last.
#[derive(Debug, Default)]
pub(super) struct Lately {
    indexes: VecDeque<usize>,
}

impl Lately {
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        self.indexes.iter().copied()
    }

    pub(super) fn brought(&mut self, index: usize) {
        self.indexes.retain(|other| *other != index);
        self.indexes.push_back(index);
        if self.indexes.len() > LATELY_MAX {
            self.indexes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_waits_for_no_names_that_have_changed() {
        let mut ready = Ready::default();
        (0..1000).for_each(|index| ready.stir(index));
        ready.write(999);
        ready.write(999);
        assert_eq!(ready.take_written(), Some((999, Deed::Read)));
        assert_eq!(ready.take_written(), None);
        assert_eq!(ready.len(), 1000, "it has not looked yet");
        ready.write(1000);
        ready.stir(1000);
        assert_eq!(ready.take_written(), Some((1000, Deed::Read)));
        ready.write(1001);
        assert_eq!(ready.take_written(), Some((1001, Deed::Look)));
    }

    #[test]
    fn who_brings_lines_all_the_time_is_not_forgotten_for_thousands_that_bring_one() {
        let mut lately = Lately::default();
        for index in 1..10_000 {
            lately.brought(index);
            if index % 100 == 0 {
                lately.brought(0);
            }
            assert!(lately.indexes.len() <= LATELY_MAX);
            assert!(index < 100 || lately.indexes.contains(&0), "{index}");
        }
    }

    #[test]
    fn who_is_waited_for_looks_next_and_once() {
        let mut ready = Ready::default();
        (0..5).for_each(|index| ready.stir(index));
        ready.ask(3);
        ready.write(2);
        let all: Vec<_> = std::iter::from_fn(|| ready.take_stirred()).collect();
        assert_eq!(all, [3, 0, 1, 2, 4].map(|index| (index, Deed::Look)));
        assert_eq!((ready.take_written(), ready.len()), (None, 0));
    }
}
