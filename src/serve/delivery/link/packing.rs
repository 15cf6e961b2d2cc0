//! What is to be written: how what was read, or came by the queue, gets into the outbox, and out of it again where the peer
//! does not take it.

use std::sync::Arc;

use crossbeam_channel::TryRecvError;

use crate::limits::{FRAMES_APART_BYTES, TAKEN_MAX};
use crate::serve::delivery::filter::Sifted;
use crate::serve::delivery::wire::{FrameEnd, Sum};
use crate::source::{Batch, Chunk, Kind, Segment};

use super::Link;
use super::outbox::{Item, Place};

impl Link {
    /// Queues bytes that are no segment: a head, a heartbeat, an ending.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.outbox.own().bytes.extend_from_slice(bytes);
    }

    /// Queues a chunk that its own thread has read, and of its lines those that `sifted` has. Lines that others
    /// read, too, go out in the form that all clients share. Called when nothing of a chunk waits.
    pub fn push_chunk(&mut self, chunk: Chunk, sifted: &Sifted) {
        let is_shared = chunk.is_shared() && self.wire.shares(&chunk) && !self.wire.is_gzipped();
        if !is_shared || !matches!(chunk.kind, Kind::Lines(_)) {
            return self.push_segment(&chunk, sifted);
        }
        // Encoded now, while its thread has a turn.
        self.wire.form(&chunk);
        self.push_shared(chunk);
    }

    /// Queues a chunk in the form that all clients share, behind its header, where it needs one.
    fn push_shared(&mut self, chunk: Chunk) {
        let named = self.outbox.last_file(&self.wire).or(self.named);
        let sifted = match self.wire.has_headers() {
            true => self.wire.sifted(&chunk),
            false => Sifted::All,
        };
        // The header counts once it is sent, behind what was taken before.
        let before = self.wire.sum();
        self.wire.goes_back(Sum::default());
        let header = self.header_for(&chunk, &sifted, named);
        let sum = self.wire.sum();
        self.wire.goes_back(before);
        self.outbox.push(Item {
            bytes: header.unwrap_or_default(),
            chunk: Some(chunk),
            sum,
            ..Item::default()
        });
    }

    /// What was pushed last is a chunk that others have, too, and not bytes of its own.
    pub fn sends_shared(&mut self) -> bool {
        self.outbox.last().is_some_and(|item| item.chunk.is_some())
    }

    /// The same of a segment, encoded for this client alone.
    pub fn push_segment(&mut self, segment: &Segment, sifted: &Sifted) {
        let header = self.header_for(segment, sifted, self.named);
        if header.is_some() {
            self.named = Some(segment.source.index);
        }
        let before = self.lines;
        if let Kind::Lines(lines) = &segment.kind {
            self.lines += sifted.count(lines.len());
        }
        let own = self.outbox.own();
        own.bytes.extend(header.unwrap_or_default());
        let frames = &mut own.frames;
        let mut remember = |frame: FrameEnd| {
            if let Kind::Lines(lines) = &segment.kind {
                frames.push(Place {
                    end: frame.at,
                    index: segment.source.index,
                    position: lines.after(frame.line),
                    sum: frame.sum,
                    lines: before + sifted.count(frame.line + 1),
                });
            }
        };
        let mut apart = own.bytes.len();
        let mut last = None;
        self.wire
            .encode(segment, sifted, &mut own.bytes, &mut |frame| {
                last = Some(frame);
                if frame.at - apart >= FRAMES_APART_BYTES {
                    apart = frame.at;
                    remember(frame);
                }
            });
        if let Some(last) = last {
            remember(last);
        }
    }

    /// The header that goes before a segment where the stream was last in the file `named`.
    fn header_for(
        &mut self,
        segment: &Segment,
        sifted: &Sifted,
        named: Option<u32>,
    ) -> Option<Vec<u8>> {
        let lines = matches!(segment.kind, Kind::Lines(_)) && sifted.has_any();
        if !lines || !self.wire.has_headers() || named == Some(segment.source.index) {
            return None;
        }
        Some(self.wire.header(&segment.source.name, named.is_none()))
    }

    /// Cuts what it has read down to the frame that is half on the wire, and goes back to the end of that; whether there
    /// was more. Called when its peer takes nothing, so that it does not hold what can be read again.
    pub fn trim(&mut self) -> bool {
        let place = match self.outbox.first_chunk().cloned() {
            Some(chunk) => {
                let Kind::Lines(lines) = &chunk.kind else {
                    return false;
                };
                let line = self.let_go().and_then(|(_, line)| line);
                let position = line.map_or(lines.begin(), |line| lines.after(line));
                Some((chunk.source.index, position))
            }
            None => self.outbox.trim_own().map(|place| {
                // A header of another file may be among what is let go of.
                self.named = Some(place.index);
                self.lines = place.lines;
                self.wire.goes_back(place.sum);
                (place.index, place.position)
            }),
        };
        let (Some((index, position)), Some(reader)) = (place, self.life.reader()) else {
            return false;
        };
        reader.go_back(index, position);
        true
    }

    /// Lets go of the shared chunks behind the first of what waits, and goes back to the end of that: they can be had again,
    /// and many whose peers take nothing more just now would hold many of them. Returns how many bytes of lines that were.
    /// Called while it reads.
    pub fn shed(&mut self) -> u64 {
        let mut bytes = 0;
        while let Some(chunk) = self.outbox.pop_behind() {
            if let Kind::Lines(lines) = &chunk.kind {
                bytes += lines.bytes.len() as u64;
            }
        }
        let kept = self.outbox.last().and_then(|item| item.chunk.as_ref());
        let reader = self.life.reader();
        if let (Some(kept), Some(reader)) = (kept.filter(|_| bytes > 0), reader) {
            reader.go_back_behind(kept);
        }
        bytes
    }

    /// What of a live client's queue was taken and is not all out, oldest first.
    pub(super) fn held(&self) -> Vec<Chunk> {
        let next = self.next.iter();
        let next = next.flat_map(|batch| (0..batch.segments.len()).map(|n| Chunk::of(batch, n)));
        self.outbox.chunks().cloned().chain(next).collect()
    }

    /// Lets go of the chunks, all but the rest of a frame that is half on the wire. Returns the chunk of that frame, with
    /// the number of its last line that the peer then has, if there is one.
    pub(super) fn let_go(&mut self) -> Option<(Chunk, Option<usize>)> {
        self.next = None;
        let gone = self.outbox.let_go(&self.wire)?;
        self.named = Some(gone.0.source.index);
        let lines = gone.1.map_or(0, |line| line as u64 + 1);
        self.lines += self.wire.count(&gone.0, lines);
        self.wire.was_sent_a_part();
        Some(gone)
    }

    /// Takes some batches from the queue of one who is live, as many as may be taken on this thread and written at once.
    /// False where its own thread has to go on once those are written: to encode what comes, or to read the files.
    pub(super) fn take(&mut self, own_thread: bool) -> bool {
        while self.outbox.len() < TAKEN_MAX {
            let Some(queue) = self.life.live() else {
                return true;
            };
            let next = self.next.take().map_or_else(|| queue.try_recv(), Ok);
            let batch = match next {
                // Race: another one is queued from here on. Whoever carries it finds the lock taken, and wakes the thread.
                Ok(batch) => batch,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    // What was taken before goes out first.
                    if self.outbox.is_empty() {
                        self.falls_back();
                    }
                    return false;
                }
            };
            let may_sift = own_thread || self.sifts_quickly(&batch);
            if may_sift && self.shares(&batch) {
                self.take_in(&batch);
            } else if may_sift && self.outbox.is_empty() {
                // What it encodes for itself it writes before it takes more.
                self.take_in_own(&batch);
                return true;
            } else {
                self.next = Some(batch);
                return false;
            }
        }
        true
    }

    /// The stream is of the source of `segment`.
    fn wants(&self, segment: &Segment) -> bool {
        self.life.selects(segment)
    }

    /// Encoding a batch for this client takes so little that whoever delivers may do it.
    fn sifts_quickly(&self, batch: &Batch) -> bool {
        let mut bytes = 0;
        for segment in batch.segments.iter().filter(|one| self.wants(one)) {
            match &segment.kind {
                _ if self.wire.shares(segment) => {}
                Kind::Lines(lines) if self.wire.can_share() => bytes += lines.bytes.len(),
                Kind::Lines(_) | Kind::Event(_) => return false,
            }
        }
        let filter = self.wire.filter();
        bytes == 0 || filter.is_some_and(|filter| filter.is_quick(bytes))
    }

    /// Whether a batch is sent in forms that others have, too; sifts it where that is to be known.
    fn shares(&self, batch: &Batch) -> bool {
        let mut wanted = batch.segments.iter().filter(|one| self.wants(one));
        wanted.all(|segment| {
            let filter = self.wire.filter().filter(|_| self.wire.can_share());
            if filter.is_some_and(|filter| filter.can_share(segment)) {
                Sifted::of(segment, filter);
            }
            self.wire.shares(segment)
        })
    }

    /// Takes a batch in as bytes of its own, which hold nothing of it.
    fn take_in_own(&mut self, batch: &Batch) {
        for segment in &batch.segments {
            if self.wants(segment) {
                let sifted = Sifted::of(segment, self.wire.filter());
                self.push_segment(segment, &sifted);
            }
        }
        self.done = batch.sequence;
    }

    /// Takes a batch in, whose bytes others are sent, too.
    fn take_in(&mut self, batch: &Arc<Batch>) {
        for (n, segment) in batch.segments.iter().enumerate() {
            if self.wants(segment) {
                self.push_shared(Chunk::of(batch, n));
            }
        }
        match self.outbox.last() {
            Some(last) => last.done = Some(batch.sequence),
            None => self.done = batch.sequence,
        }
    }
}
