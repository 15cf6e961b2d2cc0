//! One message of another tailcast, read: lines that came together, or an event.

use std::borrow::Cow;

use serde::Deserialize;

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
        assert!(Message::parse("[]").is_err() && Message::parse("{}").is_err());
    }
}
