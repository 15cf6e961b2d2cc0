//! All sources by index. Indexes are never used again, so that whoever has one never meets another source under it.
//!
//! A source whose file is gone is let go of in two steps. It is no longer listed, so that nobody begins with it; but who
//! stands in it can still read what there is. Once nobody holds it any more, nothing is kept but an empty slot.

use std::sync::Arc;

use crate::source::Source;

use super::registry::Selection;
use super::stream::Stream;

/// The sources.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// By index; `None` where the source is forgotten.
    slots: Vec<Option<Box<Stream>>>,
    /// Bytes that were published of sources that are forgotten.
    forgotten_bytes: u64,
}

impl Streams {
    /// The index that the next source gets: all that there have been have lower ones.
    pub(super) fn next_index(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn add(&mut self, source: &Arc<Source>) {
        self.slots
            .push(Some(Box::new(Stream::new(Arc::clone(source)))));
    }

    /// A source that is not forgotten.
    pub(super) fn get(&self, index: u32) -> Option<&Stream> {
        self.slots.get(index as usize)?.as_deref()
    }

    /// What `deed` does to a source, unless that is forgotten.
    pub(super) fn change<T>(
        &mut self,
        index: u32,
        deed: impl FnOnce(&mut Stream) -> T,
    ) -> Option<T> {
        let stream = self.slots.get_mut(index as usize)?;
        stream.as_deref_mut().map(deed)
    }

    /// Those whose names are followed, by index.
    pub(super) fn followed(&self) -> impl Iterator<Item = &Stream> {
        self.all().filter(|stream| !stream.source().is_parted())
    }

    /// All that are not forgotten, by index.
    pub(super) fn all(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().filter_map(Option::as_deref)
    }

    /// Does `deed` to all that are not forgotten.
    pub(super) fn change_all(&mut self, mut deed: impl FnMut(&mut Stream)) {
        for index in 0..self.next_index() {
            self.change(index, &mut deed);
        }
    }

    /// Bytes that were published of the selected sources, those included that are forgotten.
    pub(super) fn published_bytes(&self, selection: &Selection) -> u64 {
        let selected = self.all().filter(|stream| selection.has(stream.source()));
        let bytes: u64 = selected.map(Stream::published_bytes).sum();
        match selection {
            Selection::All => bytes + self.forgotten_bytes,
            Selection::Only(_) | Selection::Named(_) => bytes,
        }
    }

    /// Whether some are not followed any more, and not forgotten yet.
    pub(super) fn has_parted(&self) -> bool {
        self.all().any(|stream| stream.source().is_parted())
    }

    /// Takes out those that nobody follows or reads any more, to be freed after the lock.
    pub(super) fn take_unheld(&mut self) -> Vec<Stream> {
        let unheld = |stream: &mut Box<Stream>| stream.source().is_parted() && stream.is_unheld();
        let slots = self.slots.iter_mut();
        let taken = slots.filter_map(|slot| slot.take_if(unheld).map(|stream| *stream));
        let taken: Vec<_> = taken.collect();
        let bytes = taken.iter().map(Stream::published_bytes);
        self.forgotten_bytes += bytes.sum::<u64>();
        taken
    }
}
