//! The shelf: chunks of files that were read or published lately. Clients that fall behind together, or come back
//! together, read and encode each chunk once and not once each: a chunk keeps the wire forms that were made of it.
//!
//! A reader asks the shelf before it reads the file, and puts there what it had to read. So that readers in the same
//! place find each other's chunks, a reader that stands inside of a chunk reads only to its end, one that stands before
//! a chunk only to its beginning, and where there is no chunk at all a read ends near a multiple of its size.
//!
//! Small chunks are not kept: a reader would have to write each by itself, where one read of the file is cheaper.
//!
//! The memory for queued batches and the shelf's are one: what is published counts from then on until nobody holds it,
//! and what was read as long as it is here. Over the bound the shelf gives way, oldest chunk first; what leaves the
//! queues stays here as long as there is room.
//!
//! What lies here is not compared with the file again. A file may have been truncated and rewritten since, before
//! anybody has seen it, and a reader then gets lines that do not stand in the file any more. They stood there, in that
//! place of that generation, when they were read: the shelf is a longer queue, and what is in a queue isn't compared
//! either. So the reader loses less by the truncation, and nothing comes twice or in another order: it moves on by what
//! it got, its next read of the file finds the change, and the gap that it is told begins behind what it got. Once the
//! truncation is seen its generation is gone, and nothing is taken from here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::source::{Batch, Chunk, Kind, Position, Segment};

/// Chunks by source and position, the oldest of which go when their room is needed.
#[derive(Debug)]
pub struct Shelf {
    kept: Mutex<Kept>,
    /// Bytes of what was published and is still held, and of what was read and is here.
    counted: Arc<AtomicUsize>,
    bytes_max: usize,
    chunk_bytes_min: usize,
}

/// Source, generation, and offset of the first byte.
type Place = (u32, u64, u64);

#[derive(Debug, Default)]
struct Kept {
    chunks: BTreeMap<Place, Book>,
    /// The places in `chunks`, in the order in which they were put there.
    order: VecDeque<Place>,
}

#[derive(Debug)]
struct Book {
    chunk: Chunk,
    end: u64,
    /// So many of its batch were put here.
    of_batch: usize,
    /// Somebody took it since [`Shelf::tidy`] was last called.
    taken: bool,
}

/// What the shelf has for a reader.
#[derive(Debug)]
pub enum Found {
    /// The chunk that begins where the reader stands.
    Chunk(Chunk),
    /// No such chunk: the reader reads about so many bytes of the file.
    Nothing {
        /// At least 1.
        read_bytes: usize,
    },
}

impl Shelf {
    /// An empty shelf for chunks of at least `chunk_bytes_min` bytes each. What is queued and what is here are
    /// `bytes_max` together.
    pub fn new(bytes_max: usize, chunk_bytes_min: usize) -> Shelf {
        Shelf {
            kept: Mutex::default(),
            counted: Arc::default(),
            bytes_max,
            chunk_bytes_min,
        }
    }

    /// `segments` are published from now on, and count until nobody holds them.
    pub(super) fn count(&self, segments: &[Segment]) {
        for segment in segments {
            segment.count_in(Some(&self.counted));
        }
    }

    /// What there is for a reader of source `index` that stands `at` and may read up to `limit`, by reads of about
    /// `chunk_bytes`.
    pub fn find(&self, index: u32, at: Position, limit: u64, chunk_bytes: usize) -> Found {
        let from = at.offset;
        let size = (chunk_bytes as u64).max(1);
        // Not less than half of a chunk: a line that reaches over the multiple would make for two reads a chunk.
        let mut until = ((from + size / 2) / size + 1) * size;
        let place = (index, at.generation, from);
        let mut kept = self.kept.lock();
        if let Some((&(.., begin), book)) = kept
            .chunks
            .range_mut((index, at.generation, 0)..=place)
            .next_back()
        {
            if book.end > from {
                if begin == from && book.end <= limit {
                    book.taken = true;
                    let chunk = book.chunk.clone();
                    // Wire forms may have been added since the last one was put here.
                    let gone = self.make_room(&mut kept);
                    drop(kept);
                    drop(gone);
                    return Found::Chunk(chunk);
                }
                until = until.min(book.end);
            }
        }
        let behind = (index, at.generation, from + 1)..(index, at.generation, until);
        if from + 1 < until {
            if let Some((&(.., begin), _)) = kept.chunks.range(behind).next() {
                until = begin;
            }
        }
        Found::Nothing {
            read_bytes: usize::try_from(until - from).unwrap_or(chunk_bytes),
        }
    }

    /// Keeps a chunk that was read, unless it is small or no lines. Returns the one that is kept in its place: another
    /// reader may have been faster.
    pub fn put(&self, chunk: Chunk) -> Chunk {
        let Some((place, end)) = self.place(&chunk) else {
            return chunk;
        };
        let mut kept = self.kept.lock();
        if let Some(book) = kept.chunks.get(&place) {
            return match book.end == end {
                true => book.chunk.clone(),
                false => chunk,
            };
        }
        chunk.count_in(Some(&self.counted));
        kept.insert(place, end, chunk.shared(), 1);
        let gone = self.make_room(&mut kept);
        // What goes is freed after the lock.
        drop(kept);
        drop(gone);
        chunk
    }

    /// Keeps what was published in `batch`, as far as it is no small chunk.
    pub(super) fn put_batch(&self, batch: &Arc<Batch>) {
        let chunks = (0..batch.segments.len()).map(|n| Chunk::of(batch, n));
        let large: Vec<_> = chunks
            .filter_map(|chunk| Some((self.place(&chunk)?, chunk)))
            .collect();
        let len = large.len();
        let mut kept = self.kept.lock();
        for ((place, end), chunk) in large {
            kept.insert(place, end, chunk, len);
        }
        let gone = self.make_room(&mut kept);
        drop(kept);
        drop(gone);
    }

    /// Where `chunk` would stand, and where it ends; `None` where it is not kept.
    fn place(&self, chunk: &Chunk) -> Option<(Place, u64)> {
        let Kind::Lines(lines) = &chunk.kind else {
            return None;
        };
        let is_kept = lines.bytes.len() >= self.chunk_bytes_min && self.bytes_max > 0;
        let place = (chunk.source.index, lines.generation, lines.from);
        is_kept.then_some((place, lines.end().offset))
    }

    /// Takes the oldest away while too much is counted; what is still queued stays, for that would free nothing.
    fn make_room(&self, kept: &mut Kept) -> Vec<Book> {
        let mut gone = Vec::new();
        // Of what was published: not before that is freed is it counted no more.
        let mut freed = 0;
        let mut at = 0;
        while let Some(place) = kept.order.get(at) {
            if self.counted.load(Ordering::Relaxed) <= self.bytes_max + freed {
                break;
            }
            if kept.chunks.get(place).is_some_and(Book::is_queued) {
                at += 1;
                continue;
            }
            let book = kept.chunks.remove(place);
            kept.order.remove(at);
            if let Some(book) = book {
                book.leaves();
                if book.chunk.is_published() {
                    freed += book.chunk.pinned_bytes();
                }
                gone.push(book);
            }
        }
        gone
    }

    /// Lets go of what nobody took since this was last called, so that an idle program holds no chunk. Returns
    /// whether there are some left.
    pub fn tidy(&self) -> bool {
        // Freed after the lock, since it was made before that was taken.
        let mut gone = Vec::new();
        let mut kept = self.kept.lock();
        let Kept { chunks, order } = &mut *kept;
        order.retain(|place| {
            let is_taken = chunks
                .get_mut(place)
                .is_some_and(|book| std::mem::take(&mut book.taken));
            if !is_taken {
                if let Some(book) = chunks.remove(place) {
                    book.leaves();
                    gone.push(book);
                }
            }
            is_taken
        });
        !order.is_empty()
    }

    /// Whether there is nothing on it.
    pub fn is_empty(&self) -> bool {
        self.kept.lock().order.is_empty()
    }
}

impl Kept {
    fn insert(&mut self, place: Place, end: u64, chunk: Chunk, of_batch: usize) {
        let book = Book {
            chunk,
            end,
            of_batch,
            taken: true,
        };
        match self.chunks.insert(place, book) {
            None => self.order.push_back(place),
            // Race: a reader has read what was just published, before it was put here.
            Some(before) => before.leaves(),
        }
    }
}

impl Book {
    /// It is here no more. What was read then counts as its reader's own.
    fn leaves(&self) {
        if !self.chunk.is_published() {
            self.chunk.count_in(None);
        }
    }

    /// It was published, and others than the shelf hold it.
    fn is_queued(&self) -> bool {
        self.chunk.is_published() && self.chunk.holders() > self.of_batch
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
