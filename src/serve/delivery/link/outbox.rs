//! What is to be written to one peer, in order: bytes of its own, which its thread has made of what it has read, and
//! chunks that all clients share. What is kept of those is a reference, and the header that this one client needs before
//! it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::limits::TAKEN_MAX;
use crate::serve::delivery::wire::{Sum, Wire};
use crate::serve::transport::socket::Socket;
use crate::source::{Chunk, Position};

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    /// Bytes of the first one that are written.
    written: usize,
    /// The first one begins with the rest of a frame whose beginning is on the wire.
    half: bool,
}

/// Bytes of the client's own, and a shared chunk behind them.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// What is the client's own; before a shared chunk, a header.
    pub(super) bytes: Vec<u8>,
    /// Ends of frames in `bytes`, the last one's among them.
    pub(super) frames: Vec<Place>,
    pub(super) chunk: Option<Chunk>,
    /// Of the header before a chunk.
    pub(super) sum: Sum,
    /// The number of the queued batch that the client is done with when this is written.
    pub(super) done: Option<u64>,
}

/// Where the stream stands with the end of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// In the bytes.
    pub(super) end: usize,
    /// The source.
    pub(super) index: u32,
    /// In the source.
    pub(super) position: Position,
    /// Of all that was sent up to there.
    pub(super) sum: Sum,
    /// Lines up to there, since the stream began.
    pub(super) lines: u64,
}

impl Item {
    fn form<'a>(&'a self, wire: &Wire) -> &'a [u8] {
        self.chunk.as_ref().map_or(&[], |chunk| wire.form(chunk))
    }

    fn has_lines(&self, wire: &Wire) -> bool {
        let chunk = self.chunk.as_ref();
        chunk.is_some_and(|chunk| wire.count(chunk, chunk.lines_len()) > 0)
    }
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A frame is half on the wire.
    pub(super) fn is_half(&self) -> bool {
        self.written > 0 || self.half
    }

    /// Where bytes of the client's own go, behind all that waits.
    pub(super) fn own(&mut self) -> &mut Item {
        if self.items.back().is_none_or(|last| last.chunk.is_some()) {
            self.items.push_back(Item::default());
        }
        let last = self.items.len() - 1;
        &mut self.items[last]
    }

    /// What is written last.
    pub(super) fn last(&mut self) -> Option<&mut Item> {
        self.items.back_mut()
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// The file of the last shared lines.
    pub(super) fn last_file(&self, wire: &Wire) -> Option<u32> {
        let mut last = self.items.iter().rev();
        let last = last.find(|item| item.has_lines(wire))?;
        Some(last.chunk.as_ref()?.source.index)
    }

    /// Writes with one call what the socket takes now; how many bytes.
    pub(super) fn write(&mut self, wire: &Wire, socket: &Socket) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); 2 * TAKEN_MAX];
        let mut len = 0;
        let mut skip = self.written;
        for item in &self.items {
            for bytes in [&item.bytes[..], item.form(wire)] {
                let from = skip.min(bytes.len());
                skip -= from;
                if from < bytes.len() && len < slices.len() {
                    slices[len] = IoSlice::new(&bytes[from..]);
                    len += 1;
                }
            }
        }
        if len == 0 {
            return Ok(0);
        }
        match socket.write_vectored(&slices[..len])? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            n => {
                self.written += n;
                Ok(n)
            }
        }
    }

    /// The next item that is wholly written.
    pub(super) fn pop_written(&mut self, wire: &Wire) -> Option<Item> {
        let Some(item) = self.items.front() else {
            // Most clients are idle most of the time: nothing is kept.
            *self = Outbox::default();
            return None;
        };
        let len = item.bytes.len() + item.form(wire).len();
        if self.written < len {
            return None;
        }
        self.written -= len;
        self.half = false;
        self.items.pop_front()
    }

    /// Takes away the shared chunk that is written last, if another one is written before it.
    pub(super) fn pop_behind(&mut self) -> Option<Chunk> {
        let mut behind = self.items.iter().rev();
        let (last, before) = (behind.next()?, behind.next()?);
        if last.chunk.is_none() || before.chunk.is_none() {
            return None;
        }
        self.items.pop_back()?.chunk
    }

    /// Lets go of the shared chunks, all but the rest of a frame that is half on the wire. Returns the chunk whose frame
    /// that is, with the number of its last line that the peer then has, if there is one.
    pub(super) fn let_go(&mut self, wire: &Wire) -> Option<(Chunk, Option<usize>)> {
        let is_half = self.written > 0;
        let first = self.items.front_mut().filter(|_| is_half);
        let Some((first, chunk)) = first.and_then(|first| {
            let chunk = first.chunk.take()?;
            Some((first, chunk))
        }) else {
            self.items.retain(|item| item.chunk.is_none());
            return None;
        };
        let in_form = self.written.checked_sub(first.bytes.len());
        let (rest, line) = match in_form {
            // The header is not out.
            None => (first.bytes[self.written..].to_vec(), None),
            Some(at) => match wire.frame_end(&chunk, at) {
                Some((end, line)) => (wire.form(&chunk)[at..end].to_vec(), Some(line)),
                None => (Vec::new(), None),
            },
        };
        // Race: a pong or a ping is due before this rest is written. It must not go into the middle of the frame.
        *self = Outbox {
            items: VecDeque::from([Item {
                bytes: rest,
                ..Item::default()
            }]),
            written: 0,
            half: true,
        };
        Some((chunk, line))
    }

    /// The shared chunks, in order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.items.iter().filter_map(|item| item.chunk.as_ref())
    }

    /// The chunk that is written first, where nothing of the client's own is.
    pub(super) fn first_chunk(&self) -> Option<&Chunk> {
        self.items.front()?.chunk.as_ref()
    }

    /// Cuts the client's own bytes down to the frame that is half on the wire, or a few more, and lets go of all behind
    /// them; where the stream then stands, if that is known.
    pub(super) fn trim_own(&mut self) -> Option<Place> {
        let (at, first) = (self.written, self.items.front()?);
        let place = *first.frames.iter().find(|place| place.end >= at)?;
        let item = Item {
            bytes: first.bytes[at..place.end].to_vec(),
            ..Item::default()
        };
        *self = Outbox {
            half: self.is_half(),
            items: VecDeque::from([item]),
            written: 0,
        };
        Some(place)
    }
}
