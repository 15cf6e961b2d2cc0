//! What a line and an event look like in each shape, before framing.

use crate::source::{Event, EventKind, Id, Lines, Source};

use super::json;

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
}

/// Where a stream of several files stands in each of them, for SSE's one id.
#[derive(Debug, Default)]
pub(super) struct SourceIds(Vec<(u32, Id)>);

impl SourceIds {
    fn set(&mut self, index: u32, id: Id) {
        match self.0.binary_search_by_key(&index, |&(index, _)| index) {
            Ok(at) => self.0[at].1 = id,
            Err(at) => self.0.insert(at, (index, id)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
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
                let raw = lines.raw(i);
                out.extend_from_slice(raw);
                // The pieces of a cut line get no newline, unless a filter may have left out the others.
                let unfinished = lines.unfinished && i + 1 == lines.len();
                if !raw.ends_with(b"\n") && (unfinished || filtered) {
                    out.push(b'\n');
                }
            }
            Shape::Message => push_lossy(out, lines.line(i)),
            Shape::Json | Shape::JsonLine | Shape::Batch => {
                object(source, lines, i, out);
                if self == Shape::JsonLine {
                    out.push(b'\n');
                }
            }
            Shape::SseText | Shape::SseJson => {
                self.sse_id(source, lines.id_after(i), ids, out);
                if self == Shape::SseJson {
                    out.extend_from_slice(b"data: ");
                    object(source, lines, i, out);
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
        match self {
            Shape::Text | Shape::Message => {}
            Shape::Json | Shape::Batch => event_object(source, event, out),
            Shape::JsonLine => {
                event_object(source, event, out);
                out.push(b'\n');
            }
            Shape::SseText | Shape::SseJson => {
                if event.kind == EventKind::Start {
                    // An id alone: no event is dispatched, but a reconnect knows where it was (HTML standard, 9.2.6).
                    self.sse_id(source, event.id, ids, out);
                } else {
                    out.extend_from_slice(format!("event: {}\n", event.kind.name()).as_bytes());
                    self.sse_id(source, event.id, ids, out);
                    out.extend_from_slice(b"data: ");
                    event_object(source, event, out);
                    out.push(b'\n');
                }
                out.push(b'\n');
            }
        }
    }

    /// Appends line `i` to a batch message, which it begins where it is the `first`.
    pub(super) fn batch_line(
        self,
        source: &Source,
        lines: &Lines,
        i: usize,
        first: bool,
        out: &mut Vec<u8>,
    ) {
        if first {
            out.extend_from_slice(b"{\"file\":");
            json::string(source.name.as_bytes(), out);
            // The message's own id is known only at its end, so it stands there.
            out.extend_from_slice(
                format!(",\"from\":\"{}\",\"lines\":[", lines.id_before(i)).as_bytes(),
            );
        } else {
            out.push(b',');
        }
        json::string(lines.line(i), out);
    }

    /// Ends a batch message whose last line is `last`.
    pub(super) fn batch_end(self, lines: &Lines, last: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("],\"id\":\"{}\"}}", lines.id_after(last)).as_bytes());
    }
}

/// A batch message without lines, which says only where the stream stands.
pub(super) fn empty_batch(name: &str, id: &Id, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":");
    json::string(name.as_bytes(), out);
    out.extend_from_slice(format!(",\"from\":\"{id}\",\"id\":\"{id}\",\"lines\":[]}}").as_bytes());
}

fn object(source: &Source, lines: &Lines, i: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":");
    json::string(source.name.as_bytes(), out);
    out.extend_from_slice(format!(",\"id\":\"{}\",\"line\":", lines.id_after(i)).as_bytes());
    json::string(lines.line(i), out);
    out.push(b'}');
}

fn event_object(source: &Source, event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":");
    json::string(source.name.as_bytes(), out);
    out.extend_from_slice(
        format!(
            ",\"event\":\"{}\",\"id\":\"{}\"",
            event.kind.name(),
            event.id
        )
        .as_bytes(),
    );
    if let EventKind::Gap { lost_bytes, reason } = &event.kind {
        let lost = lost_bytes.map_or_else(|| "null".to_owned(), |lost| lost.to_string());
        out.extend_from_slice(format!(",\"lost\":{lost},\"reason\":").as_bytes());
        json::string(reason.as_bytes(), out);
    }
    out.push(b'}');
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
fn push_lossy(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}
