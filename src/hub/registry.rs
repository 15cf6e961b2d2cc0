//! The live subscribers, their queues, and the bound on what is queued in all.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits::QUEUED_BYTES_MAX;
use crate::source::{Batch, Kind, Segment, Source};

use super::{Cut, Stopping};

/// One who takes part: a client, or a publisher. None of these may block; all but `done`, which must take no lock either,
/// are called without any lock held.
pub trait Subscriber: Send + Sync + std::fmt::Debug {
    /// Something may be queued: carry it to the peer as far as that goes without waiting, or see to it that the
    /// subscriber's own thread will. While lines come fast it is `patient`: where the peer takes no more just now, nobody
    /// need be woken for it, and true says that it is to be carried to again soon.
    fn carry(&self, patient: bool) -> bool;
    /// What was carried for it panicked, on whatever thread: it is to end, and nobody else with it.
    fn broke(&self) {}
    /// A queue of it is disconnected, its last one or an earlier one, as [`super::Queue::is_cut`] tells: let go of what is
    /// in it now, or see to it that the subscriber's own thread will.
    fn dropped(&self);
    /// The sequence number of the last batch of its queue that it is done with. Asked under the hub's lock.
    fn done(&self) -> u64;
}

/// The live subscribers at a moment, shared with the round that serves them.
pub type Subscribers = Arc<Vec<Arc<dyn Subscriber>>>;

/// Which sources a stream is of.
#[derive(Clone, Debug)]
pub enum Selection {
    /// All, also those that come later.
    All,
    /// These, by index, ascending.
    Only(Arc<[u32]>),
    /// Those with such a name, also those that come later.
    Named(Arc<dyn Names>),
}

/// Which names are meant. Asked under the hub's lock, so it must be quick.
pub trait Names: Send + Sync + std::fmt::Debug {
    /// Whether the source is.
    fn has(&self, source: &Source) -> bool;
}

impl Selection {
    /// Whether `source` is selected.
    pub fn has(&self, source: &Source) -> bool {
        match self {
            Selection::All => true,
            Selection::Only(indexes) => indexes.binary_search(&source.index).is_ok(),
            Selection::Named(names) => names.has(source),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Ascending by key.
    entries: Vec<Entry>,
    /// Where those were cut who have not asked yet.
    cuts: Vec<(u64, Arc<Cut>)>,
    /// `entries`, for rounds; made anew when they have changed.
    live: Option<Subscribers>,
    next_key: u64,
    sequence: u64,
    /// The batches that may still be held by someone, oldest first.
    published: VecDeque<(u64, Weak<Batch>)>,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    key: u64,
    subscriber: Arc<dyn Subscriber>,
    selection: Selection,
    /// Sources, by index, whose next file it has to read itself.
    awaited: Vec<u32>,
    sender: Sender<Arc<Batch>>,
    /// Sequence number of the last batch before it joined.
    joined: u64,
    /// Sequence number of the last batch that was queued for it.
    queued: u64,
}

impl Entry {
    /// The sequence number of the last batch that it is done with.
    fn done(&self) -> u64 {
        self.subscriber.done().max(self.joined)
    }

    /// It waits for a file to go on in, and that begins among `segments`.
    fn gets_awaited(&self, segments: &[Segment]) -> bool {
        let begins = |segment: &Segment| match &segment.kind {
            Kind::Event(event) => !event.id.is_nowhere(),
            Kind::Lines(_) => true,
        };
        let mut of = segments.iter();
        of.any(|segment| self.awaited.contains(&segment.source.index) && begins(segment))
    }
}

/// The outcome of a publish.
pub(super) struct Sent {
    /// What was queued.
    pub(super) batch: Arc<Batch>,
    /// It was queued for somebody, or would have been if that one had had room.
    pub(super) is_queued: bool,
    /// Who is to be carried to.
    pub(super) live: Option<Subscribers>,
    /// Whose sender was dropped.
    pub(super) dropped: Vec<Arc<dyn Subscriber>>,
}

impl Registry {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn add(
        &mut self,
        subscriber: Arc<dyn Subscriber>,
        selection: Selection,
        awaited: Vec<u32>,
        queue_batches: usize,
    ) -> Result<(u64, Receiver<Arc<Batch>>), Stopping> {
        if self.closed {
            return Err(Stopping);
        }
        let (sender, queue) = bounded(queue_batches);
        let key = self.next_key;
        self.next_key += 1;
        self.entries.push(Entry {
            key,
            subscriber,
            selection,
            awaited,
            sender,
            joined: self.sequence,
            queued: self.sequence,
        });
        self.live = None;
        Ok((key, queue))
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Sender<Arc<Batch>>> {
        let at = self.find(key)?;
        self.live = None;
        Some(self.entries.remove(at).sender)
    }

    pub(super) fn find(&self, key: u64) -> Option<usize> {
        let found = self.entries.binary_search_by_key(&key, |entry| entry.key);
        found.ok()
    }

    pub(super) fn close(&mut self, cut: impl FnOnce() -> Arc<Cut>) -> Vec<Arc<dyn Subscriber>> {
        self.closed = true;
        let dropped = self.entries.drain(..);
        let dropped = dropped.map(|entry| (entry.key, entry.subscriber));
        let dropped = dropped.collect();
        self.has_dropped(dropped, cut)
    }

    /// Where the subscription was cut. Asked once.
    pub(super) fn take_cut(&mut self, key: u64) -> Option<Arc<Cut>> {
        let at = self.cuts.iter().position(|(of, _)| *of == key)?;
        Some(self.cuts.swap_remove(at).1)
    }

    /// Notes for those whose sender was dropped where that was; who they are.
    fn has_dropped(
        &mut self,
        dropped: Vec<(u64, Arc<dyn Subscriber>)>,
        cut: impl FnOnce() -> Arc<Cut>,
    ) -> Vec<Arc<dyn Subscriber>> {
        if dropped.is_empty() {
            return Vec::new();
        }
        self.live = None;
        let cut = cut();
        let cuts = dropped.iter().map(|(key, _)| (*key, Arc::clone(&cut)));
        self.cuts.extend(cuts);
        dropped.into_iter().map(|(_, who)| who).collect()
    }

    /// Queues a batch of `segments` for every subscriber that selected one of their sources. `cut` says where the sources
    /// stood before it.
    pub(super) fn send(
        &mut self,
        segments: Vec<Segment>,
        cut: impl FnOnce(&[Segment]) -> Arc<Cut>,
    ) -> Sent {
        self.sequence += 1;
        let sequence = self.sequence;
        let batch = Arc::new(Batch { sequence, segments });
        let mut dropped = Vec::new();
        self.make_room(&mut dropped);
        self.entries.retain_mut(|entry| {
            let mut segments = batch.segments.iter();
            if !segments.any(|segment| entry.selection.has(&segment.source)) {
                return true;
            }
            let is_queued = !entry.gets_awaited(&batch.segments)
                && entry.sender.try_send(Arc::clone(&batch)).is_ok();
            match is_queued {
                true => entry.queued = sequence,
                false => dropped.push((entry.key, Arc::clone(&entry.subscriber))),
            }
            is_queued
        });
        let dropped = self.has_dropped(dropped, || cut(&batch.segments));
        self.published.push_back((sequence, Arc::downgrade(&batch)));
        let subscribers = self.entries.iter().map(|entry| &entry.subscriber);
        let all = || Arc::new(subscribers.cloned().collect());
        let live = (!self.entries.is_empty()).then(|| self.live.get_or_insert_with(all).clone());
        let is_queued = live.is_some() || !dropped.is_empty();
        Sent {
            batch,
            is_queued,
            live,
            dropped,
        }
    }

    /// Bytes of lines that the slowest subscriber has yet to carry.
    pub(super) fn queued_bytes(&self) -> u64 {
        let waits = |entry: &Entry| {
            let done = entry.done();
            (done < entry.queued).then_some(done)
        };
        let Some(oldest) = self.entries.iter().filter_map(waits).min() else {
            return 0;
        };
        let queued = self.published.iter().filter(|(n, _)| *n > oldest);
        let bytes = queued.filter_map(|(_, batch)| Some(batch.upgrade()?.line_bytes()));
        bytes.sum()
    }

    /// Whether most subscribers have not yet carried the batch before the last one.
    pub(super) fn most_lag(&self) -> bool {
        let lags = |entry: &&Entry| entry.done() < entry.queued.saturating_sub(1);
        2 * self.entries.iter().filter(lags).count() > self.entries.len()
    }

    /// Before one more batch is queued: while more than [`QUEUED_BYTES_MAX`] are, whoever holds the oldest batch loses
    /// its sender. With nothing queued, a batch of any size may be.
    fn make_room(&mut self, dropped: &mut Vec<(u64, Arc<dyn Subscriber>)>) {
        self.published.retain(|(_, batch)| batch.strong_count() > 0);
        if self.published.len() < 2 {
            return;
        }
        let pinned = |batch: &Weak<Batch>| batch.upgrade().map_or(0, |batch| batch.pinned_bytes());
        let mut queued: usize = self.published.iter().map(|(_, batch)| pinned(batch)).sum();
        while queued > QUEUED_BYTES_MAX {
            let Some((oldest, batch)) = self.published.pop_front() else {
                break;
            };
            queued -= pinned(&batch).min(queued);
            self.entries.retain(|entry| {
                let holds = entry.done() < oldest && oldest <= entry.queued;
                if holds {
                    dropped.push((entry.key, Arc::clone(&entry.subscriber)));
                }
                !holds
            });
        }
    }
}
