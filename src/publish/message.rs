//! What a segment becomes: messages of a line each, or of what came together.

use crate::config::value::Format;
use crate::json;
use crate::limits::BATCH_MESSAGE_BYTES;
use crate::source::{Event, EventKind, Id, Kind, Lines, Segment, Source};

/// One message, or nothing to be said of some lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The place after it.
    pub(super) id: Id,
    /// The last line that it takes.
    pub(super) last: usize,
    /// The segment has no more.
    pub(super) ends: bool,
    /// How many lines are in it.
    pub(super) lines: usize,
    /// Bytes of a line that the broker does not take, and that are left out.
    pub(super) left_out_bytes: Option<usize>,
    /// There is nothing to be published: text has no events.
    pub(super) silent: bool,
    /// It says where a stream starts.
    pub(super) is_start: bool,
}

/// Appends to `payload` the message that begins with line `first` of `segment`, of at most `bytes_max` bytes. `before` is
/// the place behind the message before it, as far as it is known.
pub(super) fn write(
    format: Format,
    segment: &Segment,
    first: usize,
    (bytes_max, before): (usize, Option<Id>),
    payload: &mut Vec<u8>,
) -> Message {
    match &segment.kind {
        Kind::Event(event) => {
            let silent = match event.kind {
                // No event, but the next lines begin at a place that nothing has led to.
                EventKind::Continued => format != Format::Batch,
                _ => format == Format::Text,
            };
            match event.kind {
                _ if silent => {}
                EventKind::Continued => json::no_lines(&segment.source, before, event.id, payload),
                // Whoever follows finds by its `from` what is missing before it.
                EventKind::Start => json::event(&segment.source, event, payload),
                _ => json::event_from(&segment.source, before, event, payload),
            }
            Message {
                id: event.id,
                last: 0,
                ends: true,
                lines: 0,
                left_out_bytes: None,
                silent,
                is_start: event.kind == EventKind::Start,
            }
        }
        Kind::Lines(lines) => {
            let (source, start) = (&segment.source, payload.len());
            let last = match format {
                Format::Text => {
                    payload.extend_from_slice(lines.line(first));
                    first
                }
                Format::Json => {
                    json::line(source, lines, first, payload);
                    first
                }
                Format::Batch => batch(source, lines, first, bytes_max, payload),
            };
            let mut message = Message {
                id: lines.id_after(last),
                last,
                ends: last + 1 == lines.len(),
                lines: last + 1 - first,
                left_out_bytes: None,
                silent: false,
                is_start: false,
            };
            if payload.len() - start > bytes_max {
                payload.truncate(start);
                message.is_too_large(format, source, (lines, first), payload);
            }
            message
        }
    }
}

/// Appends as many lines from `first` on as fit; the first one always. Returns the last one.
fn batch(
    source: &Source,
    lines: &Lines,
    first: usize,
    bytes_max: usize,
    payload: &mut Vec<u8>,
) -> usize {
    let start = payload.len();
    let mut batch = json::Batch::start(source, lines, first, json::Words::Text, payload);
    let mut last = first;
    batch.line(lines, first, payload);
    while last + 1 < lines.len() && payload.len() - start < BATCH_MESSAGE_BYTES {
        let before = payload.len();
        batch.line(lines, last + 1, payload);
        if payload.len() - start + batch.end_bytes() > bytes_max {
            batch.take_back(before, payload);
            break;
        }
        last += 1;
    }
    batch.end(lines, last, payload);
    last
}

impl Message {
    /// One line alone is too much for the broker: a gap says so in its place.
    fn is_too_large(
        &mut self,
        format: Format,
        source: &Source,
        (lines, line): (&Lines, usize),
        payload: &mut Vec<u8>,
    ) {
        let line_bytes = lines.raw(line).len();
        self.lines = 0;
        self.left_out_bytes = Some(line_bytes);
        self.silent = format == Format::Text;
        if !self.silent {
            let kind = EventKind::Gap {
                lost_bytes: Some(line_bytes as u64),
                reason: "larger than the broker takes".into(),
            };
            let event = Event {
                kind,
                id: self.id,
                at: crate::source::Position::default(),
                aside: 0,
            };
            json::event_from(source, Some(lines.id_before(line)), &event, payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use crate::source::batch::tests::segment;

    use super::*;

    /// All messages of a segment.
    fn messages(format: Format, segment: &Segment, bytes_max: usize) -> Vec<(Message, Vec<u8>)> {
        let (mut first, mut all) = (0, Vec::new());
        loop {
            let mut payload = Vec::new();
            let message = write(format, segment, first, (bytes_max, None), &mut payload);
            assert!(message.last >= first, "every message goes on");
            first = message.last + 1;
            all.push((message, payload));
            if message.ends {
                return all;
            }
        }
    }

    fn json(payload: &[u8]) -> Value {
        serde_json::from_slice(payload).expect("JSON")
    }

    #[test]
    fn text_and_json_are_a_message_a_line_and_batch_takes_what_came_together() {
        let segment = segment("one\ntwo \"2\"\n\n");
        let text: Vec<_> = messages(Format::Text, &segment, 100)
            .into_iter()
            .map(|(_, payload)| payload)
            .collect();
        assert_eq!(text, [&b"one"[..], b"two \"2\"", b""]);
        let lines = messages(Format::Json, &segment, 1000);
        assert_eq!(lines.len(), 3);
        for (message, payload) in &lines {
            assert_eq!(json(payload)["id"], message.id.to_string());
        }
        let batch = messages(Format::Batch, &segment, 1000);
        assert_eq!(batch.len(), 1);
        let object = json(&batch[0].1);
        assert_eq!(object["lines"], serde_json::json!(["one", "two \"2\"", ""]));
        assert_eq!(object["id"], batch[0].0.id.to_string());
    }

    #[test]
    fn an_event_says_from_where_it_leads_and_the_next_file_of_a_spool_is_a_batch_without_lines() {
        let source = &segment("one\n").source;
        let [before, id] = [10, 0].map(|offset| Id {
            offset,
            ..Id::nowhere(source.name_hash)
        });
        let said = |kind: EventKind, format: Format| {
            let event = Event {
                kind,
                id,
                at: crate::source::Position::default(),
                aside: 0,
            };
            let segment = Segment::new(std::sync::Arc::clone(source), Kind::Event(event));
            let mut payload = Vec::new();
            let message = write(format, &segment, 0, (1000, Some(before)), &mut payload);
            assert_eq!(message.silent, payload.is_empty());
            (!message.silent).then(|| json(&payload))
        };
        for format in [Format::Json, Format::Batch] {
            let rotated = said(EventKind::Rotated, format).expect("it is said");
            assert_eq!(rotated["from"], before.to_string());
            assert_eq!(rotated["id"], id.to_string());
            let start = said(EventKind::Start, format).expect("it is said");
            assert!(start["from"].is_null(), "{start}");
        }
        let next = said(EventKind::Continued, Format::Batch).expect("it is said");
        assert_eq!(next["from"], before.to_string());
        assert_eq!(
            (&next["lines"], &next["event"]),
            (&serde_json::json!([]), &Value::Null)
        );
        assert_eq!(said(EventKind::Continued, Format::Json), None);
        assert_eq!(said(EventKind::Rotated, Format::Text), None);
    }

    #[test]
    fn a_line_that_the_broker_does_not_take_is_a_gap() {
        let long = "x".repeat(500);
        let segment = segment(&format!("one\n{long}\ntwo\n"));
        for format in [Format::Json, Format::Batch] {
            let messages = messages(format, &segment, 300);
            let gap = json(&messages[1].1);
            assert_eq!(
                (&gap["event"], &gap["lost"]),
                (&"gap".into(), &501.into()),
                "{format:?}"
            );
            assert_eq!(messages[1].0.left_out_bytes, Some(501));
            assert_eq!(messages.len(), 3);
        }
    }

    proptest! {
        #[test]
        fn batches_keep_the_bound_and_chain_without_a_hole(
            text in proptest::collection::vec("[a-z\"]{0,40}", 1..60), bytes_max in 300usize..2000,
        ) {
            let segment = segment(&(text.join("\n") + "\n"));
            let (mut all, mut from) = (Vec::new(), None);
            for (message, payload) in messages(Format::Batch, &segment, bytes_max) {
                prop_assert!(payload.len() <= bytes_max);
                let object = json(&payload);
                if let Some(from) = from {
                    prop_assert_eq!(&object["from"], &from);
                }
                from = Some(object["id"].clone());
                let lines = object["lines"].as_array().expect("lines").clone();
                prop_assert_eq!(lines.len(), message.lines);
                all.extend(lines.into_iter().map(|line| line.as_str().expect("a line").to_owned()));
            }
            prop_assert_eq!(all, text);
        }
    }
}
