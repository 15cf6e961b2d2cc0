//! One message of another tailcast, read: lines that came together, or an event.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use crate::escape::shown;
use crate::limits::ID_BYTES;
use crate::source::id;
use crate::source::record::moment::{self, Moment};
use crate::source::record::{Note, Outlet, noted};

/// Text that is borrowed from the message where it holds no escape.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// Bytes that are a line as it was written. In JSON a byte that is no part of UTF-8 is the lone surrogate U+DC80 to U+DCFF
/// whose last two digits it is, which no text can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact<'a>(pub Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Exact<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ExactVisitor)
    }
}

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Exact<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Exact<'de>, E> {
        Ok(Exact(Cow::Borrowed(bytes)))
    }

    /// A string with escapes. serde_json makes of a lone surrogate what UTF-8 would, if it had any.
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Exact<'de>, E> {
        let mut line = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(at) = memchr(0xed, rest) {
            let (before, from) = rest.split_at(at);
            line.extend_from_slice(before);
            let used = match *from {
                [0xed, high @ 0xb2..=0xb3, low, ..] => {
                    line.push((high & 3) << 6 | low & 0x3f);
                    3
                }
                _ => {
                    line.push(0xed);
                    1
                }
            };
            rest = &from[used..];
        }
        line.extend_from_slice(rest);
        Ok(Exact(Cow::Owned(line)))
    }
}

/// A message in the format `json` or `batch`: which fields there are says which.
#[derive(Clone, Debug, Deserialize)]
pub struct Message<'a> {
    /// The file's name there.
    #[serde(borrow)]
    pub file: Text<'a>,
    /// Where the stream stands with it.
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    /// Where the first of its lines begins.
    #[serde(borrow)]
    pub from: Option<Text<'a>>,
    /// One line (`json`).
    #[serde(borrow)]
    pub line: Option<Text<'a>>,
    /// Lines (`batch`); none in a heartbeat.
    #[serde(borrow)]
    pub lines: Option<Vec<Text<'a>>>,
    /// Lines with their endings and with all their bytes, instead of `lines`: where text alone would lose some
    /// ([`crate::via::PROTOCOL`]).
    #[serde(borrow)]
    pub exact: Option<Vec<Exact<'a>>>,
    /// The time of one line.
    #[serde(borrow)]
    pub time: Option<Text<'a>>,
    /// The program's stream that one line was written to.
    #[serde(borrow)]
    pub stream: Option<Text<'a>>,
    /// The priority of one line.
    pub priority: Option<u8>,
    /// The times of lines, `null` where one has none.
    #[serde(borrow)]
    pub times: Option<Vec<Option<Text<'a>>>>,
    /// Their streams.
    #[serde(borrow)]
    pub streams: Option<Vec<Option<Text<'a>>>>,
    /// Their priorities.
    pub priorities: Option<Vec<Option<u8>>>,
    /// The name of the event, where it is one.
    #[serde(borrow)]
    pub event: Option<Text<'a>>,
    /// Bytes that a gap has lost, where it is known.
    pub lost: Option<u64>,
    /// Why there is a gap, or why the other's own source is away.
    #[serde(borrow)]
    pub reason: Option<Text<'a>>,
}

impl<'a> Message<'a> {
    /// Reads one; what it lacks or what is wrong with it, in words.
    pub fn parse(text: &'a str) -> Result<Message<'a>, String> {
        let message: Message<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for id in message.id.iter().chain(&message.from) {
            if !id::has_shape(&id.0) {
                let shown = shown(&id.0.as_bytes()[..id.0.len().min(ID_BYTES)]);
                return Err(format!("\"{shown}\" is no id"));
            }
        }
        Ok(message)
    }

    /// All its lines, each with what ends it: a piece of a line may have no ending.
    pub fn all_lines(&self) -> impl Iterator<Item = (&[u8], &'static [u8])> {
        let lines = self.lines.iter().flatten();
        let text = self.line.iter().chain(lines);
        let text = text.map(|text| (text.0.as_bytes(), &b"\n"[..]));
        let exact = self.exact.iter().flatten();
        text.chain(exact.map(|line| (&*line.0, &b""[..])))
    }

    /// Appends its lines as a spool stores them: what is said of a line stands before it. `is_within` says whether the
    /// first one goes on with a line; whether the last one is to be gone on with is returned.
    pub fn store(&self, is_within: bool, out: &mut Vec<u8>) -> bool {
        let mut is_within = is_within;
        for (n, (line, ending)) in self.all_lines().enumerate() {
            if !is_within {
                noted::write(self.note(n), out);
            }
            out.extend_from_slice(line);
            out.extend_from_slice(ending);
            is_within = !out.ends_with(b"\n");
        }
        is_within
    }

    /// What is said of line `n`.
    fn note(&self, n: usize) -> Note {
        fn of<'m>(
            n: usize,
            one: &'m Option<Text<'_>>,
            many: &'m Option<Vec<Option<Text<'_>>>>,
        ) -> Option<&'m [u8]> {
            let many = many.as_ref().and_then(|many| many.get(n)?.as_ref());
            many.or(one.as_ref()).map(|text| text.0.as_bytes())
        }
        let priorities = self.priorities.as_ref();
        let priority = priorities.and_then(|all| *all.get(n)?).or(self.priority);
        Note {
            time: of(n, &self.time, &self.times)
                .and_then(moment::read)
                .and_then(Moment::nanoseconds),
            outlet: of(n, &self.stream, &self.streams).and_then(Outlet::named),
            priority: priority.filter(|&priority| priority < 8),
        }
    }

    /// The event's name.
    pub fn event(&self) -> Option<&str> {
        self.event.as_ref().map(|text| &*text.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    fn stored(message: &Message<'_>) -> String {
        let mut bytes = Vec::new();
        message.store(false, &mut bytes);
        String::from_utf8(bytes).expect("UTF-8")
    }

    proptest! {
        #[test]
        fn a_line_comes_with_all_its_bytes(line in proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(0xed), 0xb2u8..=0xb3, 0x80u8..=0xbf, Just(b'\r'), Just(b'\n'), Just(b'a'),
        ], 0..40)) {
            let mut text = br#"{"file":"a","exact":["#.to_vec();
            json::exact_string(&line, &mut text);
            text.extend_from_slice(b"]}");
            let text = String::from_utf8(text).expect("UTF-8");
            let message = Message::parse(&text).expect("a message");
            prop_assert_eq!(message.all_lines().collect::<Vec<_>>(), [(&line[..], &b""[..])]);
        }
    }

    #[test]
    fn what_is_said_of_a_line_stands_before_its_first_piece_alone() {
        let text = r#"{"file":"a","exact":["a\r\n","b"],"priorities":[3,4]}"#;
        let mut bytes = Vec::new();
        let message = Message::parse(text).expect("a message");
        assert!(message.store(false, &mut bytes));
        assert!(message.store(true, &mut bytes));
        assert_eq!(bytes, b"<p3>a\r\n<p4>ba\r\n<p4>b");
    }

    #[test]
    fn lines_and_events_are_read_in_both_formats() {
        let one = Message::parse(r#"{"file":"a","id":"1","line":"x\ty"}"#).expect("json");
        assert_eq!(stored(&one), "<>x\ty\n");
        let many = r#"{"file":"a","from":"0","id":"2","lines":["x","y"],"times":[null,null]}"#;
        let many = Message::parse(many).expect("batch");
        assert_eq!(stored(&many), "<>x\n<>y\n");
        let gap = r#"{"file":"a","event":"gap","id":"2","lost":null,"reason":"r"}"#;
        let gap = Message::parse(gap).expect("event");
        assert_eq!((gap.event(), gap.lost), (Some("gap"), None));
        let noted = r#"{"file":"a","id":"2","lines":["x","y"],"times":[null,"1970-01-01T00:00:01Z"],
            "priorities":[3,null]}"#;
        let noted = Message::parse(noted).expect("batch");
        assert_eq!(stored(&noted), "<p3>x\n<t1000000000>y\n");
        assert!(Message::parse("[]").is_err() && Message::parse("{}").is_err());
        for id in [String::new(), "a b".to_owned(), "x".repeat(ID_BYTES + 1)] {
            let text = format!(r#"{{"file":"a","id":"{id}","line":"x"}}"#);
            let refused = Message::parse(&text);
            assert!(refused.expect_err("no id").contains("is no id"), "{id}");
        }
    }
}
