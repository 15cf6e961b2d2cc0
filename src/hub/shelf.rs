//! The shelf: chunks of files that were read or published lately. Clients that fall behind together, or come back
//! together, read and encode each chunk once and not once each: a chunk keeps the wire forms that were made of it.
//!
//! A reader asks the shelf before it reads the file, and puts there what it had to read. So that readers in the same
//! place find each other's chunks, a reader that stands inside of a chunk reads only to its end, one that stands before
//! a chunk only to its beginning, and where there is no chunk at all a read ends near a multiple of its size.
//!
//! Small chunks are not kept: a reader would have to write each by itself, where one read of the file is cheaper.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use crate::source::{Chunk, Kind, Position};

/// Chunks by source and position, the oldest of which go when their room is needed.
#[derive(Debug)]
pub struct Shelf {
    kept: Mutex<Kept>,
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
    /// An empty shelf for `bytes_max` bytes of chunks of at least `chunk_bytes_min` each.
    pub fn new(bytes_max: usize, chunk_bytes_min: usize) -> Shelf {
        Shelf {
            kept: Mutex::default(),
            bytes_max,
            chunk_bytes_min,
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
            && book.end > from
        {
            if begin == from && book.end <= limit {
                book.taken = true;
                return Found::Chunk(book.chunk.clone());
            }
            until = until.min(book.end);
        }
        let behind = (index, at.generation, from + 1)..(index, at.generation, until);
        if from + 1 < until
            && let Some((&(.., begin), _)) = kept.chunks.range(behind).next()
        {
            until = begin;
        }
        Found::Nothing {
            read_bytes: usize::try_from(until - from).unwrap_or(chunk_bytes),
        }
    }

    /// Keeps `chunk`, unless it is small or no lines. Returns the one that is kept in its place: another reader may
    /// have been faster.
    pub fn put(&self, chunk: Chunk) -> Chunk {
        let Kind::Lines(lines) = &chunk.kind else {
            return chunk;
        };
        if lines.bytes.len() < self.chunk_bytes_min || chunk.pinned_bytes() > self.bytes_max {
            return chunk;
        }
        let place = (chunk.source.index, lines.generation, lines.from);
        let end = lines.end().offset;
        let mut gone = Vec::new();
        let mut kept = self.kept.lock();
        if let Some(book) = kept.chunks.get(&place) {
            return match book.end == end {
                true => book.chunk.clone(),
                false => chunk,
            };
        }
        let book = Book {
            chunk: chunk.shared(),
            end,
            taken: true,
        };
        kept.chunks.insert(place, book);
        kept.order.push_back(place);
        // Counted anew each time, since wire forms are added behind the shelf's back.
        let mut bytes: usize = kept.chunks.values().map(Book::pinned_bytes).sum();
        while bytes > self.bytes_max {
            let Some(oldest) = kept.order.pop_front() else {
                break;
            };
            if let Some(book) = kept.chunks.remove(&oldest) {
                bytes -= book.pinned_bytes().min(bytes);
                gone.push(book);
            }
        }
        // What goes is freed after the lock.
        drop(kept);
        drop(gone);
        chunk
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
                gone.extend(chunks.remove(place));
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

impl Book {
    fn pinned_bytes(&self) -> usize {
        self.chunk.pinned_bytes()
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
