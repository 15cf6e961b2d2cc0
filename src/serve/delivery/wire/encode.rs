//! How a segment is encoded: events, and lines one by one, in groups or in batches, framed as they come.

use std::str;

use crate::json;
use crate::limits::{BATCH_MESSAGE_BYTES, CHUNK_FRAME_BYTES};
use crate::serve::delivery::filter::Sifted;
use crate::source::room::room_for;
use crate::source::{Event, EventKind, Kind, Lines, Segment};

use super::framing::{Framing, SHORT_HEADER_BYTES};
use super::payload::{self, Shape};
use super::{FrameEnd, Wire};

impl Wire {
    /// Appends the bytes of a segment to `out`, of its lines those that `sifted` has. After each frame `framed` is called with where it ends in `out`.
    pub fn encode(
        &mut self,
        segment: &Segment,
        sifted: &Sifted,
        out: &mut Vec<u8>,
        framed: &mut dyn FnMut(FrameEnd),
    ) {
        match &segment.kind {
            Kind::Event(event) => {
                self.encode_event(segment, event, out);
                framed(self.frame_ends(out, 0));
            }
            Kind::Lines(lines) if self.shape == Shape::Message && *sifted == Sifted::All => {
                self.encode_messages(lines, out, framed);
            }
            Kind::Lines(lines) if matches!(self.shape, Shape::Batch | Shape::Exact) => {
                self.encode_batches(segment, lines, sifted, out, framed);
            }
            Kind::Lines(lines) => self.encode_lines(segment, lines, sifted, out, framed),
        }
    }

    fn encode_event(&mut self, segment: &Segment, event: &Event, out: &mut Vec<u8>) {
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        self.ended |= event.kind == EventKind::End;
        let ids = self.several.then_some(&mut self.ids);
        self.shape.event(&segment.source, event, ids, &mut payload);
        if !payload.is_empty() {
            self.frame(&payload, out);
        }
        self.scratch = payload;
    }

    /// The most usual one: a text frame a line, in one pass.
    fn encode_messages(
        &mut self,
        lines: &Lines,
        out: &mut Vec<u8>,
        framed: &mut dyn FnMut(FrameEnd),
    ) {
        out.reserve(room_for(
            lines.bytes.len() + lines.len() * SHORT_HEADER_BYTES,
        ));
        for i in 0..lines.len() {
            let line = lines.line(i);
            if str::from_utf8(line).is_ok() {
                self.frame(line, out);
            } else {
                let mut lossy = std::mem::take(&mut self.scratch);
                lossy.clear();
                payload::push_lossy(&mut lossy, line);
                self.frame(&lossy, out);
                self.scratch = lossy;
            }
            framed(self.frame_ends(out, i));
        }
        self.scratch = Vec::new();
    }

    fn encode_lines(
        &mut self,
        segment: &Segment,
        lines: &Lines,
        sifted: &Sifted,
        out: &mut Vec<u8>,
        framed: &mut dyn FnMut(FrameEnd),
    ) {
        let group_bytes = match self.framing {
            // A line is a message, also an empty one.
            Framing::WebSocket => 0,
            Framing::Chunked | Framing::Bare => CHUNK_FRAME_BYTES,
        };
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        let mut has_some = false;
        for i in 0..lines.len() {
            if sifted.has(i) {
                let filtered = self.filter.is_some();
                let ids = self.several.then_some(&mut self.ids);
                self.shape
                    .line(&segment.source, lines, i, filtered, ids, &mut payload);
                has_some = true;
            }
            if has_some && (payload.len() >= group_bytes || i + 1 == lines.len()) {
                self.frame(&payload, out);
                payload.clear();
                has_some = false;
                framed(self.frame_ends(out, i));
            }
        }
        // Lines that did not pass are done with as well.
        framed(self.frame_ends(out, lines.len() - 1));
        self.keep(payload);
    }

    /// Messages of at most [`BATCH_MESSAGE_BYTES`], unless a line alone is longer.
    fn encode_batches(
        &mut self,
        segment: &Segment,
        lines: &Lines,
        sifted: &Sifted,
        out: &mut Vec<u8>,
        framed: &mut dyn FnMut(FrameEnd),
    ) {
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        let filtered = self.filter.is_some();
        let words = match self.shape == Shape::Exact && !lines.are_text(filtered) {
            true => json::Words::Exact { filtered },
            false => json::Words::Text,
        };
        // The batch that is being put together, and its last line.
        let mut open: Option<(json::Batch, usize)> = None;
        for i in 0..lines.len() {
            if !sifted.has(i) {
                continue;
            }
            if let Some((mut batch, last)) = open.take() {
                let before = payload.len();
                batch.line(lines, i, &mut payload);
                if payload.len() + batch.end_bytes() <= BATCH_MESSAGE_BYTES {
                    open = Some((batch, i));
                    continue;
                }
                // One too many: it begins the next message.
                batch.take_back(before, &mut payload);
                batch.end(lines, last, &mut payload);
                self.frame(&payload, out);
                payload.clear();
                framed(self.frame_ends(out, i - 1));
            }
            let mut batch = json::Batch::start(&segment.source, lines, i, words, &mut payload);
            batch.line(lines, i, &mut payload);
            open = Some((batch, i));
        }
        if let Some((batch, last)) = open {
            batch.end(lines, last, &mut payload);
            self.frame(&payload, out);
        }
        // Lines that did not pass are done with as well.
        framed(self.frame_ends(out, lines.len() - 1));
        self.keep(payload);
    }

    /// Keeps the room of `payload` for the next one, unless a long line has made it large.
    fn keep(&mut self, payload: Vec<u8>) {
        if payload.capacity() <= 2 * BATCH_MESSAGE_BYTES {
            self.scratch = payload;
        }
    }

    /// A frame ends with what is now in `out`, and with this line.
    fn frame_ends(&self, out: &[u8], line: usize) -> FrameEnd {
        let at = out.len();
        let sum = self.sum();
        FrameEnd { at, line, sum }
    }
}
