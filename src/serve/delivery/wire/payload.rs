//! What a line and an event look like in each shape, before framing.

use std::str;

use crate::json;
use crate::source::{Event, Id, Lines, Source};

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The line itself; with its newline where it is not a message.
    Text = 0,
    /// One JSON object a line.
    Json = 1,
    /// One JSON object for many lines; WebSocket only.
    Batch = 2,
    /// A server-sent event with the line as data.
    SseText = 3,
    /// A server-sent event with the JSON object as data.
    SseJson = 4,
    /// [`Shape::Text`] as a message: without ending, and UTF-8.
    Message = 5,
    /// [`Shape::Json`] followed by a newline.
    JsonLine = 6,
    /// [`Shape::Batch`] with all bytes of the lines, for another tailcast.
    Exact = 7,
}

/// Where a stream stands in each of its files, for SSE's one id.
#[derive(Debug, Default)]
pub(super) struct SourceIds(Vec<(u32, Id)>);

impl SourceIds {
    pub(super) fn set(&mut self, index: u32, id: Id) {
        match self.0.binary_search_by_key(&index, |&(index, _)| index) {
            Ok(at) => self.0[at].1 = id,
            Err(at) => self.0.insert(at, (index, id)),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (n, (_, id)) in self.0.iter().enumerate() {
            if n > 0 {
                out.push(b'~');
            }
            out.extend_from_slice(id.to_string().as_bytes());
        }
    }
}

impl Shape {
    /// Appends line `i`.
    pub(super) fn line(
        self,
        source: &Source,
        lines: &Lines,
        i: usize,
        filtered: bool,
        ids: Option<&mut SourceIds>,
        out: &mut Vec<u8>,
    ) {
        match self {
            Shape::Text => {
                out.extend_from_slice(lines.raw(i));
                out.extend_from_slice(lines.ending(i, filtered));
            }
            Shape::Message => push_lossy(out, lines.line(i)),
            Shape::Json | Shape::JsonLine | Shape::Batch | Shape::Exact => {
                json::line(source, lines, i, out);
                if self == Shape::JsonLine {
                    out.push(b'\n');
                }
            }
            Shape::SseText | Shape::SseJson => {
                self.sse_id(source, lines.id_after(i), ids, out);
                if self == Shape::SseJson {
                    out.extend_from_slice(b"data: ");
                    json::line(source, lines, i, out);
                    out.extend_from_slice(b"\n\n");
                } else {
                    sse_data(lines.line(i), out);
                }
            }
        }
    }

    fn sse_id(self, source: &Source, id: Id, ids: Option<&mut SourceIds>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"id: ");
        match ids {
            Some(ids) => {
                ids.set(source.index, id);
                ids.write(out);
            }
            None => out.extend_from_slice(id.to_string().as_bytes()),
        }
        out.push(b'\n');
    }

    /// Appends what an event looks like: nothing where the shape has none.
    pub(super) fn event(
        self,
        source: &Source,
        event: &Event,
        ids: Option<&mut SourceIds>,
        out: &mut Vec<u8>,
    ) {
        if !event.kind.is_told() {
            return;
        }
        match self {
            Shape::Text | Shape::Message => {}
            Shape::Json | Shape::Batch | Shape::Exact => json::event(source, event, out),
            Shape::JsonLine => {
                json::event(source, event, out);
                out.push(b'\n');
            }
            Shape::SseText | Shape::SseJson => {
                out.extend_from_slice(format!("event: {}\n", event.kind.name()).as_bytes());
                self.sse_id(source, event.id, ids, out);
                out.extend_from_slice(b"data: ");
                json::event(source, event, out);
                out.extend_from_slice(b"\n\n");
            }
        }
    }
}

/// Appends a line as the data of an event. A `\r` ends a data line (HTML standard, 9.2.6), so the peer sees a newline
/// in its place.
fn sse_data(line: &[u8], out: &mut Vec<u8>) {
    for part in line.split(|&byte| byte == b'\r') {
        out.extend_from_slice(b"data: ");
        push_lossy(out, part);
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// Appends `bytes` with each invalid sequence as U+FFFD.
pub(super) fn push_lossy(out: &mut Vec<u8>, bytes: &[u8]) {
    if str::from_utf8(bytes).is_ok() {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}
