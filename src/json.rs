//! The JSON of lines and events, as all who pass them on have it (RFC 8259). A line or a name need not be UTF-8: each
//! invalid sequence becomes U+FFFD.

use crate::source::{Event, EventKind, Id, Lines, Source};

/// Appends line `i` as an object of its own.
pub fn line(source: &Source, lines: &Lines, i: usize, out: &mut Vec<u8>) {
    file(source, out);
    out.extend_from_slice(format!(",\"id\":\"{}\",\"line\":", lines.id_after(i)).as_bytes());
    string(lines.line(i), out);
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

/// Begins a batch: one object for many lines, of which `i` is the first. Returns where in `out` the batch's own id is to
/// stand, which is known only at its end.
pub fn batch_start(source: &Source, lines: &Lines, i: usize, out: &mut Vec<u8>) -> usize {
    file(source, out);
    out.extend_from_slice(format!(",\"from\":\"{}\"", lines.id_before(i)).as_bytes());
    let id_at = out.len();
    out.extend_from_slice(b",\"lines\":[");
    id_at
}

/// Appends line `i` to a batch.
pub fn batch_line(lines: &Lines, i: usize, out: &mut Vec<u8>) {
    // A batch that has a line already ends with its quote.
    if !out.ends_with(b"[") {
        out.push(b',');
    }
    string(lines.line(i), out);
}

/// Ends a batch whose last line is `last`; its id goes to `id_at`.
pub fn batch_end(lines: &Lines, last: usize, id_at: usize, out: &mut Vec<u8>) {
    let id = format!(",\"id\":\"{}\"", lines.id_after(last));
    out.splice(id_at..id_at, id.into_bytes());
    out.extend_from_slice(b"]}");
}

/// Appends a batch without lines, which says only where the stream stands.
pub fn empty_batch(name: &str, id: &Id, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":");
    string(name.as_bytes(), out);
    out.extend_from_slice(format!(",\"from\":\"{id}\",\"id\":\"{id}\",\"lines\":[]}}").as_bytes());
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

fn escaped(text: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // A stretch is looked at as a whole first, which the compiler makes vector instructions of; most have nothing.
    for stretch in text.chunks(32) {
        if !stretch
            .iter()
            .fold(false, |any, &byte| any | is_special(byte))
        {
            out.extend_from_slice(stretch);
            continue;
        }
        for &byte in stretch {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\n' => out.extend_from_slice(b"\\n"),
                byte if is_special(byte) => {
                    out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                }
                byte => out.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::string;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_become_a_string_that_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            string(&bytes, &mut out);
            let read: String = serde_json::from_slice(&out).expect("a JSON string");
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }
    }
}
