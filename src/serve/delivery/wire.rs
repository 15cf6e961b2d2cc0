//! Wire formats: how segments become bytes for a peer.
//!
//! A *shape* says what a line looks like, a *framing* what goes around it. Where no client's own state takes part, the
//! bytes of a segment are the same for all clients: they are made once and shared (see [`Segment::form`]). Clients with the
//! same filter share those of what passes it. SSE ids over several files, and a filter that nobody else has, make them a
//! client's own. A payload can be deflated before it is framed.
//!
//! [`Segment::form`]: crate::source::Segment::form

mod encode;
mod framing;
mod gzip;
mod payload;
mod shared;

use std::sync::Arc;

use crate::json;
use crate::source::{Id, Source};

use super::filter::{Filter, InUse};
use gzip::{Gzip, Messages};
use payload::SourceIds;

pub use framing::Framing;
pub use gzip::Sum;
pub use payload::Shape;

/// Where a frame (what must not be cut) ends.
#[derive(Clone, Copy, Debug)]
pub struct FrameEnd {
    /// In the bytes.
    pub at: usize,
    /// Number of the last line that is then whole.
    pub line: usize,
    /// Of all that the client was sent with it.
    pub sum: Sum,
}

/// What of a client's payloads is deflated.
#[derive(Clone, Debug)]
enum Deflates {
    Nothing,
    /// All of them, as one body.
    Body(Gzip),
    /// Each message by itself.
    Messages(Messages),
}

/// How one client gets its lines.
#[derive(Debug)]
pub struct Wire {
    shape: Shape,
    framing: Framing,
    deflates: Deflates,
    /// The stream is of several files.
    several: bool,
    filter: Option<InUse>,
    ids: SourceIds,
    /// An `end` was encoded.
    ended: bool,
    scratch: Vec<u8>,
}

impl Wire {
    /// A stream of `several` files or of one, of the lines that pass `filter`.
    pub fn new(shape: Shape, framing: Framing, several: bool, filter: Option<Filter>) -> Wire {
        Wire {
            shape,
            framing,
            deflates: Deflates::Nothing,
            several,
            filter: filter.map(InUse::new),
            ids: SourceIds::default(),
            ended: false,
            scratch: Vec::new(),
        }
    }

    /// The same, deflated as one body.
    pub fn gzipped(self) -> Wire {
        Wire {
            deflates: Deflates::Body(Gzip::new()),
            ..self
        }
    }

    /// The same, deflated message by message.
    pub fn with_deflated_messages(self) -> Wire {
        Wire {
            deflates: Deflates::Messages(Messages::new()),
            ..self
        }
    }

    /// Its messages may be deflated, and those of its peer.
    pub fn deflates_messages(&self) -> bool {
        matches!(self.deflates, Deflates::Messages(_))
    }

    /// The filter, if there is one.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_deref()
    }

    /// The bytes of a segment are the same for all clients of this shape and framing, and of this filter.
    pub fn can_share(&self) -> bool {
        !(self.several && self.shape == Shape::SseJson)
    }

    /// Where the changes of file are announced by a header.
    pub fn has_headers(&self) -> bool {
        self.several && matches!(self.shape, Shape::Text | Shape::Message)
    }

    /// What goes before the first line of a file where the stream was in another one (or in none) before, as tail
    /// prints it.
    pub fn header(&mut self, name: &str, first: bool) -> Vec<u8> {
        let text = match self.framing {
            Framing::WebSocket => format!("==> {name} <=="),
            _ if first => format!("==> {name} <==\n"),
            _ => format!("\n==> {name} <==\n"),
        };
        let mut out = Vec::new();
        self.frame(text.as_bytes(), &mut out);
        out
    }

    fn frame(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match &mut self.deflates {
            Deflates::Nothing => self.framing.put(payload, out),
            Deflates::Body(gzip) => gzip.run(payload, |run| self.framing.put(run, out)),
            Deflates::Messages(messages) => messages.message(payload, |payload, is_deflated| {
                framing::put_message(payload, is_deflated, out);
            }),
        }
    }

    /// Of all that was encoded for the client.
    pub fn sum(&self) -> Sum {
        match &self.deflates {
            Deflates::Body(gzip) => gzip.sum,
            Deflates::Nothing | Deflates::Messages(_) => Sum::default(),
        }
    }

    /// What was encoded after the frame that ended with this sum is not sent.
    pub fn goes_back(&mut self, sum: Sum) {
        if let Deflates::Body(gzip) = &mut self.deflates {
            gzip.sum = sum;
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

    /// What a stream that has been quiet sends now and then, where its shape has such a thing; `standing` are its
    /// sources and the ids of the places where it stands in them.
    pub fn heartbeat(&mut self, standing: &[(Arc<Source>, Id)]) -> Vec<u8> {
        let mut out = Vec::new();
        match self.shape {
            Shape::SseText | Shape::SseJson if self.filter.is_some() && !standing.is_empty() => {
                self.stands(standing.iter().map(|(source, id)| (source.index, *id)));
                let mut ids = Vec::new();
                self.ids.write(&mut ids);
                let payload = [
                    b"event: heartbeat\nid: ",
                    &ids[..],
                    b"\ndata: {\"event\":\"heartbeat\",\"id\":\"",
                    &ids[..],
                    b"\"}\n\n",
                ];
                self.frame(&payload.concat(), &mut out);
            }
            // Without a blank line: some clients take that for an event without data.
            Shape::SseText | Shape::SseJson => self.frame(b":\n", &mut out),
            Shape::Batch | Shape::Exact if self.filter.is_some() => {
                // A file that is not there yet has not had its start.
                for (source, id) in standing.iter().filter(|(_, id)| !id.is_nowhere()) {
                    let mut payload = Vec::new();
                    json::no_lines(source, Some(*id), *id, &mut payload);
                    self.frame(&payload, &mut out);
                }
            }
            _ => {}
        }
        out
    }

    /// What a stream begins with, before any segment.
    pub fn preamble(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.is_gzipped() {
            self.framing.put(Gzip::header(), &mut out);
        }
        if matches!(self.shape, Shape::SseText | Shape::SseJson) {
            // Without a blank line, for the same reason.
            self.frame(b"retry: 1000\n", &mut out);
        }
        out
    }

    /// What a stream that is complete says last, where no file has said it.
    pub fn last_event(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if matches!(self.shape, Shape::SseText | Shape::SseJson) && !self.ended {
            self.frame(b"event: end\ndata: {\"event\":\"end\"}\n\n", &mut out);
        }
        out
    }

    /// It can be ended now with what belongs at its end: the sum of all that was sent is known, where it has one.
    pub fn can_end(&self) -> bool {
        match &self.deflates {
            Deflates::Body(gzip) => gzip.is_known,
            Deflates::Nothing | Deflates::Messages(_) => true,
        }
    }

    /// Its payloads are deflated as one body.
    pub fn is_gzipped(&self) -> bool {
        matches!(self.deflates, Deflates::Body(_))
    }

    /// What a body ends with.
    pub fn ending(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Deflates::Body(gzip) = &self.deflates {
            self.framing.put(&gzip.trailer(), &mut out);
        }
        out.extend_from_slice(self.framing.ending());
        out
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}
