//! The JSON of lines and events, as all who pass them on have it (RFC 8259). A line or a name need not be UTF-8: each
//! invalid sequence becomes U+FFFD.

use std::str;

use crate::limits::ID_BYTES;
use crate::source::record::{Note, moment};
use crate::source::{Event, EventKind, Id, Lines, Source};

/// Appends line `i` as an object of its own.
pub fn line(source: &Source, lines: &Lines, i: usize, out: &mut Vec<u8>) {
    file(source, out);
    out.extend_from_slice(format!(",\"id\":\"{}\",\"line\":", lines.id_after(i)).as_bytes());
    string(lines.line(i), out);
    if let Some(note) = lines.note(i) {
        for field in Field::ALL.into_iter().filter(|field| field.is_in(&note)) {
            out.extend_from_slice(field.keys().0);
            field.write(&note, out);
        }
    }
    out.push(b'}');
}

/// Appends an event.
pub fn event(source: &Source, event: &Event, out: &mut Vec<u8>) {
    file(source, out);
    out.extend_from_slice(
        format!(
            ",\"event\":\"{}\",\"id\":\"{}\"",
            event.kind.name(),
            event.id
        )
        .as_bytes(),
    );
    if let EventKind::Gap { lost_bytes, .. } = &event.kind {
        let lost = lost_bytes.map_or_else(|| "null".to_owned(), |lost| lost.to_string());
        out.extend_from_slice(format!(",\"lost\":{lost}").as_bytes());
    }
    if let Some(reason) = event.kind.reason() {
        out.extend_from_slice(b",\"reason\":");
        string(reason.as_bytes(), out);
    }
    out.push(b'}');
}

/// An event as a publisher says it: with the place behind what it said before, where that is known.
pub fn event_from(source: &Source, from: Option<Id>, event: &Event, out: &mut Vec<u8>) {
    self::event(source, event, out);
    if let Some(from) = from {
        out.pop();
        out.extend_from_slice(format!(",\"from\":\"{from}\"}}").as_bytes());
    }
}

/// A batch without lines: it leads from one place to another.
pub fn no_lines(source: &Source, from: Option<Id>, to: Id, out: &mut Vec<u8>) {
    file(source, out);
    if let Some(from) = from {
        out.extend_from_slice(format!(",\"from\":\"{from}\"").as_bytes());
    }
    out.extend_from_slice(format!(",\"id\":\"{to}\",\"lines\":[]}}").as_bytes());
}

/// One object for many lines.
#[derive(Debug)]
pub struct Batch {
    /// Where its own id is to stand, which is known only at its end.
    id_at: usize,
    words: Words,
    /// What is said of each of its lines, where they are records.
    notes: Vec<Note>,
}

/// What of a line a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Its text.
    Text,
    /// All its bytes, with its ending.
    Exact {
        /// A filter may have left out other pieces of its line.
        filtered: bool,
    },
}

impl Batch {
    /// Begins a batch of which line `i` is the first.
    pub fn start(
        source: &Source,
        lines: &Lines,
        i: usize,
        words: Words,
        out: &mut Vec<u8>,
    ) -> Batch {
        file(source, out);
        out.extend_from_slice(format!(",\"from\":\"{}\"", lines.id_before(i)).as_bytes());
        let id_at = out.len();
        out.extend_from_slice(match words {
            Words::Text => b",\"lines\":[",
            Words::Exact { .. } => b",\"exact\":[",
        });
        Batch {
            id_at,
            words,
            notes: Vec::new(),
        }
    }

    /// Appends line `i`.
    pub fn line(&mut self, lines: &Lines, i: usize, out: &mut Vec<u8>) {
        // A batch that has a line already ends with its quote.
        if !out.ends_with(b"[") {
            out.push(b',');
        }
        match self.words {
            Words::Text => string(lines.line(i), out),
            Words::Exact { filtered } => {
                let ending = lines.ending(i, filtered);
                exact_string(&[lines.raw(i), ending].concat(), out);
            }
        }
        self.notes.extend(lines.note(i));
    }

    /// Takes the last line back; without it, `out` had `before` bytes.
    pub fn take_back(&mut self, before: usize, out: &mut Vec<u8>) {
        out.truncate(before);
        self.notes.pop();
    }

    /// Bytes that the end adds at most.
    pub fn end_bytes(&self) -> usize {
        let of_each =
            |field: Field| self.notes.len() * field.bytes_max() + "\"priorities\":[],".len();
        let notes = match self.notes.is_empty() {
            true => 0,
            false => Field::ALL.into_iter().map(of_each).sum(),
        };
        "],\"id\":\"\"}".len() + ID_BYTES + notes
    }

    /// Ends the batch, whose last line is `last`.
    pub fn end(self, lines: &Lines, last: usize, out: &mut Vec<u8>) {
        let id = format!(",\"id\":\"{}\"", lines.id_after(last));
        out.splice(self.id_at..self.id_at, id.into_bytes());
        out.push(b']');
        for field in Field::ALL {
            if !self.notes.iter().any(|note| field.is_in(note)) {
                continue;
            }
            out.extend_from_slice(field.keys().1);
            out.push(b'[');
            for (n, note) in self.notes.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                field.write(note, out);
            }
            out.push(b']');
        }
        out.push(b'}');
    }
}

/// A field of a line that is a record.
#[derive(Clone, Copy)]
enum Field {
    Time,
    Stream,
    Priority,
}

impl Field {
    const ALL: [Field; 3] = [Field::Time, Field::Stream, Field::Priority];

    /// What stands before the value of one line, and before those of many.
    fn keys(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Field::Time => (b",\"time\":", b",\"times\":"),
            Field::Stream => (b",\"stream\":", b",\"streams\":"),
            Field::Priority => (b",\"priority\":", b",\"priorities\":"),
        }
    }

    fn is_in(self, note: &Note) -> bool {
        match self {
            Field::Time => note.time.is_some(),
            Field::Stream => note.outlet.is_some(),
            Field::Priority => note.priority.is_some(),
        }
    }

    /// Bytes of one value at most, with the comma behind it.
    fn bytes_max(self) -> usize {
        match self {
            Field::Time => "\"2026-11-28T10:00:00.123456789Z\",".len(),
            Field::Stream => "\"stdout\",".len(),
            Field::Priority => "null,".len(),
        }
    }

    /// Appends the value, or null.
    fn write(self, note: &Note, out: &mut Vec<u8>) {
        match (self, note.time, note.outlet, note.priority) {
            (Field::Time, Some(time), ..) => {
                out.push(b'"');
                moment::write(time, out);
                out.push(b'"');
            }
            (Field::Stream, _, Some(outlet), _) => string(outlet.name().as_bytes(), out),
            (Field::Priority, .., Some(priority)) => {
                out.extend_from_slice(priority.to_string().as_bytes());
            }
            _ => out.extend_from_slice(b"null"),
        }
    }
}

fn file(source: &Source, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":");
    string(source.name.as_bytes(), out);
}

/// Appends `bytes` as a JSON string; each invalid sequence becomes U+FFFD.
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if str::from_utf8(bytes).is_ok() {
        escaped(bytes, out);
        return out.push(b'"');
    }
    for chunk in bytes.utf8_chunks() {
        escaped(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// Appends `bytes` as a JSON string that holds all of them: one that is no part of UTF-8 becomes the lone surrogate U+DC80 to
/// U+DCFF whose last two digits it is.
pub fn exact_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        escaped(chunk.valid().as_bytes(), out);
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\udc{byte:02x}").as_bytes());
        }
    }
    out.push(b'"');
}

/// Appends `text`, which is UTF-8, with what JSON wants escaped, and with U+0085, U+2028 and U+2029 escaped as well: many
/// clients take those for the end of a line.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    // Those three begin with 0xc2 or 0xe2.
    let is_special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\' | 0xc2 | 0xe2);
    let mut at = 0;
    while at < text.len() {
        // A stretch is looked at as a whole first, which the compiler makes vector instructions of; most have nothing.
        let end = text.len().min(at + 32);
        let stretch = &text[at..end];
        if !stretch
            .iter()
            .fold(false, |any, &byte| any | is_special(byte))
        {
            out.extend_from_slice(stretch);
            at = end;
            continue;
        }
        while at < end {
            let (escape, len): (&[u8], usize) = match text[at..] {
                [b'"', ..] => (b"\\\"", 1),
                [b'\\', ..] => (b"\\\\", 1),
                [b'\t', ..] => (b"\\t", 1),
                [b'\r', ..] => (b"\\r", 1),
                [b'\n', ..] => (b"\\n", 1),
                [0xc2, 0x85, ..] => (b"\\u0085", 2),
                [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
                [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
                [byte, ..] if byte < 0x20 => {
                    out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    (b"", 1)
                }
                _ => (&text[at..=at], 1),
            };
            out.extend_from_slice(escape);
            at += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::source::record::{Outlet, Records};
    use crate::source::{IdMaker, Identity, Origin};

    /// Lines of one byte each that hold what `notes` say.
    fn records(notes: &[Note]) -> (Source, Lines) {
        let source = Source::new(0, "web".to_owned(), PathBuf::from("web"), Origin::File);
        let mut records = Records::default();
        for note in notes {
            records.push(*note, |text| text.extend_from_slice(b"said\n"));
        }
        let lines = Lines {
            generation: 0,
            from: 0,
            bytes: vec![b'\n'; notes.len()],
            ends: (1..=notes.len() as u32).collect(),
            unfinished: false,
            ids: IdMaker::new(1, &Identity::default(), Arc::from([]), &[]),
            records: Some(Box::new(records)),
        };
        (source, lines)
    }

    fn batch(notes: &[Note]) -> Value {
        let (source, lines) = records(notes);
        let mut out = Vec::new();
        let mut batch = Batch::start(&source, &lines, 0, Words::Text, &mut out);
        for i in 0..lines.len() {
            batch.line(&lines, i, &mut out);
        }
        let announced = out.len() + batch.end_bytes();
        batch.end(&lines, lines.len() - 1, &mut out);
        assert!(out.len() <= announced);
        serde_json::from_slice(&out).expect("JSON")
    }

    const OUT: Note = Note {
        time: Some(1_795_860_000_500_000_000),
        outlet: Some(Outlet::Stdout),
        priority: None,
    };
    const NOTHING: Note = Note {
        time: None,
        outlet: None,
        priority: None,
    };

    #[test]
    fn a_record_has_its_time_and_its_stream_beside_its_line() {
        let (source, lines) = records(&[OUT, NOTHING]);
        let object = |i| {
            let mut out = Vec::new();
            line(&source, &lines, i, &mut out);
            serde_json::from_slice::<Value>(&out).expect("JSON")
        };
        let first = object(0);
        assert_eq!(first["line"], "said");
        assert_eq!(first["time"], "2026-11-28T10:00:00.5Z");
        assert_eq!(first["stream"], "stdout");
        assert_eq!(first.get("priority"), None);
        let fields: Vec<String> = object(1)
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        assert_eq!(fields, ["file", "id", "line"]);
    }

    #[test]
    fn a_batch_has_what_is_said_of_its_lines_in_arrays_of_the_same_length() {
        let urgent = Note {
            priority: Some(2),
            ..NOTHING
        };
        let all = batch(&[NOTHING, OUT, urgent]);
        assert_eq!(all["lines"], json!(["said", "said", "said"]));
        assert_eq!(all["times"], json!([null, "2026-11-28T10:00:00.5Z", null]));
        assert_eq!(all["streams"], json!([null, "stdout", null]));
        assert_eq!(all["priorities"], json!([null, null, 2]));
        let none = batch(&[NOTHING]);
        assert!(
            ["times", "streams", "priorities"]
                .iter()
                .all(|key| none.get(key).is_none())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_string_that_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            string(&bytes, &mut out);
            let read: String = serde_json::from_slice(&out).expect("a JSON string");
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn nothing_in_a_string_ends_a_line_for_any_client(
            text in "([a-z\u{20}]{0,40}|[\u{80}-\u{90}\u{2027}-\u{202a}\u{e9}\u{20ac}\n\r\"]){0,9}"
        ) {
            let mut out = Vec::new();
            string(text.as_bytes(), &mut out);
            let written = String::from_utf8(out).expect("UTF-8");
            let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
            prop_assert!(!written.contains(ends));
            let read: String = serde_json::from_str(&written).expect("a JSON string");
            prop_assert_eq!(read, text);
        }

        #[test]
        fn a_batch_ends_within_the_bytes_that_it_announces(
            notes in proptest::collection::vec((any::<Option<i64>>(), any::<bool>(), proptest::option::of(0u8..8)), 1..9),
        ) {
            let notes: Vec<Note> = notes.into_iter().map(|(time, err, priority)| {
                Note { time, outlet: err.then_some(Outlet::Stderr), priority }
            }).collect();
            let read = batch(&notes);
            prop_assert_eq!(read["lines"].as_array().map(Vec::len), Some(notes.len()));
        }
    }
}
