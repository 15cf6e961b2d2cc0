//! One message of another tailcast, read: lines that came together, or an event.

use std::borrow::Cow;

use serde::Deserialize;

use crate::source::record::moment::{self, Moment};
use crate::source::record::{Note, Outlet, noted};

/// Text that is borrowed from the message where it holds no escape.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

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
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// All its lines.
    pub fn all_lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter().flatten();
        self.line.iter().chain(lines).map(|text| &*text.0)
    }

    /// Appends its lines as a spool stores them: what is said of a line stands before it.
    pub fn store(&self, out: &mut Vec<u8>) {
        for (n, line) in self.all_lines().enumerate() {
            noted::write(self.note(n), out);
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
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
    use super::*;

    #[test]
    fn lines_and_events_are_read_in_both_formats() {
        let one = Message::parse(r#"{"file":"a","id":"1","line":"x\ty"}"#).expect("json");
        assert_eq!(one.all_lines().collect::<Vec<_>>(), ["x\ty"]);
        let many = r#"{"file":"a","from":"0","id":"2","lines":["x","y"],"times":[null,null]}"#;
        let many = Message::parse(many).expect("batch");
        assert_eq!(many.all_lines().collect::<Vec<_>>(), ["x", "y"]);
        let gap = r#"{"file":"a","event":"gap","id":"2","lost":null,"reason":"r"}"#;
        let gap = Message::parse(gap).expect("event");
        assert_eq!((gap.event(), gap.lost), (Some("gap"), None));
        let noted = r#"{"file":"a","id":"2","lines":["x","y"],"times":[null,"1970-01-01T00:00:01Z"],
            "priorities":[3,null]}"#;
        let mut stored = Vec::new();
        Message::parse(noted).expect("batch").store(&mut stored);
        assert_eq!(stored, b"<p3>x\n<t1000000000>y\n");
        assert!(Message::parse("[]").is_err() && Message::parse("{}").is_err());
    }
}
