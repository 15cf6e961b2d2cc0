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
    slots: Vec<Slot>,
    /// Bytes that were published of sources that are forgotten.
    forgotten_bytes: u64,
}

#[derive(Debug)]
enum Slot {
    /// Its name is followed.
    Followed(Box<Stream>),
    /// Its name is not followed any more, and somebody may still read it.
    Parted(Box<Stream>),
    Forgotten,
}

impl Streams {
    /// The index that the next source gets: all that there have been have lower ones.
    pub(super) fn next_index(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn add(&mut self, source: &Arc<Source>) {
        self.slots
            .push(Slot::Followed(Box::new(Stream::new(Arc::clone(source)))));
    }

    /// A source that is not forgotten.
    pub(super) fn get(&self, index: u32) -> Option<&Stream> {
        match self.slots.get(index as usize)? {
            Slot::Followed(stream) | Slot::Parted(stream) => Some(stream),
            Slot::Forgotten => None,
        }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Stream> {
        match self.slots.get_mut(index as usize)? {
            Slot::Followed(stream) | Slot::Parted(stream) => Some(stream),
            Slot::Forgotten => None,
        }
    }

    /// Those whose names are followed, by index.
    pub(super) fn followed(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Followed(stream) => Some(&**stream),
            Slot::Parted(_) | Slot::Forgotten => None,
        })
    }

    /// All that are not forgotten, by index.
    pub(super) fn all(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Followed(stream) | Slot::Parted(stream) => Some(&**stream),
            Slot::Forgotten => None,
        })
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Followed(stream) | Slot::Parted(stream) => Some(&mut **stream),
            Slot::Forgotten => None,
        })
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

    /// The source's name is not followed any more.
    pub(super) fn part(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize)
            && let Slot::Followed(stream) = std::mem::replace(slot, Slot::Forgotten)
        {
            *slot = Slot::Parted(stream);
        }
    }

    /// Whether some are not followed any more, and not forgotten yet.
    pub(super) fn has_parted(&self) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|slot| matches!(slot, Slot::Parted(_)))
    }

    /// Takes out those that nobody follows or reads any more, to be freed after the lock.
    pub(super) fn take_unheld(&mut self) -> Vec<Stream> {
        let mut unheld = Vec::new();
        for slot in &mut self.slots {
            if let Slot::Parted(stream) = slot
                && stream.is_unheld()
                && let Slot::Parted(stream) = std::mem::replace(slot, Slot::Forgotten)
            {
                self.forgotten_bytes += stream.published_bytes();
                unheld.push(*stream);
            }
        }
        unheld
    }
}
