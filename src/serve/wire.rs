//! Wire formats: how segments become bytes for a peer.
//!
//! A *shape* says what a line looks like, a *framing* what goes around it. Where no client's own state takes part, the
//! bytes of a segment are the same for all clients: they are made once and shared (see [`Segment::form`]). A filter, and
//! SSE ids over several files, make them a client's own.

mod payload;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::json;
use crate::limits::{BATCH_MESSAGE_BYTES, CHUNK_FRAME_BYTES};
use crate::source::{Event, Id, Kind, Lines, Segment};

use super::filter::Filter;
use payload::SourceIds;

pub use payload::Shape;

/// What goes around most lines: the header of a frame of up to 64 KiB (RFC 6455, section 5.2).
const SHORT_HEADER_BYTES: usize = 4;

/// What goes around the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A text frame a message (RFC 6455, section 5.2), not masked.
    WebSocket,
    /// A chunk (RFC 9112, section 7.1).
    Chunked,
    /// Nothing: the end is the end of the connection.
    Bare,
}

/// How one client gets its lines.
#[derive(Debug)]
pub struct Wire {
    shape: Shape,
    framing: Framing,
    /// The stream is of several files.
    several: bool,
    filter: Option<Filter>,
    ids: SourceIds,
    scratch: Vec<u8>,
}

impl Wire {
    /// A stream of `several` files or of one, of the lines that pass `filter`.
    pub fn new(shape: Shape, framing: Framing, several: bool, filter: Option<Filter>) -> Wire {
        Wire {
            shape,
            framing,
            several,
            filter,
            ids: SourceIds::default(),
            scratch: Vec::new(),
        }
    }

    /// The filter, if there is one.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// The bytes of a segment are the same for all clients of this shape and framing.
    pub fn is_shared(&self) -> bool {
        self.filter.is_none() && !(self.several && self.shape == Shape::SseJson)
    }

    /// Where the changes of file are announced by a header.
    pub fn has_headers(&self) -> bool {
        self.several && matches!(self.shape, Shape::Text | Shape::Message)
    }

    /// The shared bytes of a segment.
    pub fn form<'a>(&self, segment: &'a Segment) -> &'a [u8] {
        // WebSocket and HTTP have no shape in common, so two framings a shape are enough.
        let slot = self.shape as usize * 2 + usize::from(self.framing == Framing::Bare);
        segment.form(slot, || {
            let mut shared = Wire::new(self.shape, self.framing, self.several, None);
            let mut bytes = Vec::new();
            shared.encode(segment, &mut bytes, &mut |_, _| {});
            bytes
        })
    }

    /// What goes before the first line of a file where the stream was in another one (or in none) before, as tail
    /// prints it.
    pub fn header(&self, name: &str, first: bool) -> Vec<u8> {
        let text = match self.framing {
            Framing::WebSocket => format!("==> {name} <=="),
            _ if first => format!("==> {name} <==\n"),
            _ => format!("\n==> {name} <==\n"),
        };
        let mut out = Vec::new();
        self.frame(text.as_bytes(), &mut out);
        out
    }

    /// Appends the bytes of a segment to `out`. After each frame (what must not be cut) `framed` is called with the
    /// length of `out` and the number of the last line that is then whole.
    pub fn encode(
        &mut self,
        segment: &Segment,
        out: &mut Vec<u8>,
        framed: &mut dyn FnMut(usize, usize),
    ) {
        match &segment.kind {
            Kind::Event(event) => {
                self.encode_event(segment, event, out);
                framed(out.len(), 0);
            }
            Kind::Lines(lines) if self.shape == Shape::Message && self.filter.is_none() => {
                self.encode_messages(lines, out, framed);
            }
            Kind::Lines(lines) => self.encode_lines(segment, lines, out, framed),
        }
    }

    fn encode_event(&mut self, segment: &Segment, event: &Event, out: &mut Vec<u8>) {
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
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
        framed: &mut dyn FnMut(usize, usize),
    ) {
        out.reserve(lines.bytes.len() + lines.len() * SHORT_HEADER_BYTES);
        for i in 0..lines.len() {
            let line = lines.line(i);
            if str::from_utf8(line).is_ok() {
                self.frame(line, out);
            } else {
                self.scratch.clear();
                payload::push_lossy(&mut self.scratch, line);
                self.frame(&self.scratch, out);
            }
            framed(out.len(), i);
        }
        self.scratch = Vec::new();
    }

    fn encode_lines(
        &mut self,
        segment: &Segment,
        lines: &Lines,
        out: &mut Vec<u8>,
        framed: &mut dyn FnMut(usize, usize),
    ) {
        let group_bytes = match (self.framing, self.shape) {
            (Framing::WebSocket, Shape::Batch) => BATCH_MESSAGE_BYTES,
            (Framing::WebSocket, _) => 1,
            _ => CHUNK_FRAME_BYTES,
        };
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        // The lines of the frame that is being put together, for `batch`.
        let mut first = None;
        let (mut last_of_batch, mut id_at) = (0, 0);
        for i in 0..lines.len() {
            let passes = self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.passes(lines.line(i)));
            if passes {
                if self.shape == Shape::Batch {
                    if first.is_none() {
                        id_at = json::batch_start(&segment.source, lines, i, &mut payload);
                    }
                    json::batch_line(lines, i, &mut payload);
                    last_of_batch = i;
                } else {
                    let filtered = self.filter.is_some();
                    let ids = self.several.then_some(&mut self.ids);
                    self.shape
                        .line(&segment.source, lines, i, filtered, ids, &mut payload);
                }
                first.get_or_insert(i);
            }
            if first.is_some()
                && (payload.len() >= group_bytes || i + 1 == lines.len() || group_bytes == 1)
            {
                if self.shape == Shape::Batch {
                    json::batch_end(lines, last_of_batch, id_at, &mut payload);
                }
                self.frame(&payload, out);
                payload.clear();
                first = None;
                framed(out.len(), i);
            }
        }
        // Lines that did not pass are done with as well.
        framed(out.len(), lines.len() - 1);
        self.scratch = payload;
        if self.scratch.capacity() > BATCH_MESSAGE_BYTES {
            self.scratch = Vec::new();
        }
    }

    fn frame(&self, payload: &[u8], out: &mut Vec<u8>) {
        match self.framing {
            Framing::WebSocket => {
                let header = FrameHeader {
                    opcode: OpCode::Data(Data::Text),
                    ..FrameHeader::default()
                };
                // Writing to a Vec can't fail.
                let _ = header.format(payload.len() as u64, out);
                out.extend_from_slice(payload);
            }
            Framing::Chunked => {
                out.extend_from_slice(format!("{:x}\r\n", payload.len()).as_bytes());
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Bare => out.extend_from_slice(payload),
        }
    }

    /// Notes where the stream stands in each of its files, so that its very first SSE id names all of them: a client
    /// that is cut off then resumes them all.
    pub fn stands(&mut self, places: impl IntoIterator<Item = (u32, Id)>) {
        if matches!(self.shape, Shape::SseText | Shape::SseJson) {
            for (index, id) in places {
                self.ids.set(index, id);
            }
        }
    }

    /// What a stream that has been quiet sends now and then, where its shape has such a thing; `standing` are the ids
    /// of the places where it stands, with the sources' names and indexes.
    pub fn heartbeat(&mut self, standing: &[(u32, String, Id)]) -> Vec<u8> {
        let mut out = Vec::new();
        match self.shape {
            Shape::SseText | Shape::SseJson if self.filter.is_some() && !standing.is_empty() => {
                self.stands(standing.iter().map(|&(index, _, id)| (index, id)));
                let mut payload = b"id: ".to_vec();
                self.ids.write(&mut payload);
                payload.extend_from_slice(b"\n\n");
                self.frame(&payload, &mut out);
            }
            Shape::SseText | Shape::SseJson => self.frame(b":\n\n", &mut out),
            Shape::Batch if self.filter.is_some() => {
                // A file that is not there yet has not had its start.
                for (_, name, id) in standing.iter().filter(|(_, _, id)| !id.is_nowhere()) {
                    let mut payload = Vec::new();
                    json::empty_batch(name, id, &mut payload);
                    self.frame(&payload, &mut out);
                }
            }
            _ => {}
        }
        out
    }

    /// What a stream begins with, before any segment.
    pub fn preamble(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if matches!(self.shape, Shape::SseText | Shape::SseJson) {
            self.frame(b"retry: 1000\n\n", &mut out);
        }
        out
    }

    /// What an HTTP body ends with.
    pub fn ending(&self) -> &'static [u8] {
        if self.framing == Framing::Chunked {
            b"0\r\n\r\n"
        } else {
            b""
        }
    }

    /// The framing.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}
