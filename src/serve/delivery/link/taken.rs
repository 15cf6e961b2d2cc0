//! Chunks that were taken from the queue, or read, and are not wholly written yet. They are shared: what is kept of
//! each is a reference, and the header that this one client needs before it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::serve::delivery::wire::{Sum, Wire};
use crate::serve::transport::socket::Socket;
use crate::source::{Chunk, Kind};

/// Shared segments that one client is being sent.
#[derive(Debug, Default)]
pub(super) struct Taken {
    items: VecDeque<Item>,
    /// Bytes of the first one that are written.
    written: usize,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) chunk: Chunk,
    /// What goes before it.
    pub(super) header: Vec<u8>,
    /// Of the header.
    pub(super) sum: Sum,
    /// The number of the queued batch that the client is done with when this is written.
    pub(super) done: Option<u64>,
}

impl Item {
    fn len(&self, wire: &Wire) -> usize {
        self.header.len() + wire.form(&self.chunk).len()
    }
}

impl Taken {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A segment is half on the wire.
    pub(super) fn is_half(&self) -> bool {
        self.written > 0
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// `bytes` of the first item are written.
    pub(super) fn has_written(&mut self, bytes: usize) {
        self.written = bytes;
    }

    /// The file of the last lines.
    pub(super) fn last_file(&self) -> Option<u32> {
        let lines = |item: &&Item| matches!(item.chunk.kind, Kind::Lines(_));
        let last = self.items.iter().rev().find(lines)?;
        Some(last.chunk.source.index)
    }

    /// The first chunk.
    pub(super) fn first(&self) -> Option<&Chunk> {
        self.items.front().map(|item| &item.chunk)
    }

    /// The first item and how many bytes of it are written, where any are; all is let go of.
    pub(super) fn forsake(&mut self) -> Option<(Item, usize)> {
        let mut items = std::mem::take(&mut self.items);
        let written = std::mem::take(&mut self.written);
        items.pop_front().filter(|_| written > 0).zip(Some(written))
    }

    /// Writes with one call what the socket takes now; how many bytes.
    pub(super) fn write(&mut self, wire: &Wire, socket: &Socket) -> io::Result<usize> {
        let mut slices = Vec::with_capacity(self.items.len() * 2);
        let mut skip = self.written;
        for item in &self.items {
            for bytes in [&item.header[..], wire.form(&item.chunk)] {
                let from = skip.min(bytes.len());
                skip -= from;
                if from < bytes.len() {
                    slices.push(IoSlice::new(&bytes[from..]));
                }
            }
        }
        if slices.is_empty() {
            return Ok(0);
        }
        match socket.write_vectored(&slices)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            n => {
                self.written += n;
                Ok(n)
            }
        }
    }

    /// The next item that is wholly written.
    pub(super) fn pop_written(&mut self, wire: &Wire) -> Option<Item> {
        let len = self.items.front()?.len(wire);
        if self.written < len {
            return None;
        }
        self.written -= len;
        self.items.pop_front()
    }
}
