//! The query parameters of the three streams: raw query in, [`StreamQuery`] or [`Refusal`] out.
//!
//! Ids and patterns stay text here: what an id means is the affair of `source`, what a pattern means that of
//! [`crate::serve::delivery::filter`]. Unknown parameters are ignored, so that a page may keep its own beside ours.

use std::str;

use crate::config::value::Lines;
use crate::escape::shown;
use crate::percent::{self, Plus};
use crate::serve::http::refusal::Refusal;
use crate::source::id::has_shape;
use crate::time::asked::Time;

/// Which of the streams is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/ws`
    Ws,
    /// `/events`
    Events,
    /// `/stream`
    Plain,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines as they are.
    Text,
    /// An object a line.
    Json,
    /// An object for what arrived together; `/ws` alone.
    Batch,
}

/// What a client asks of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamQuery {
    /// Names of files; empty for all.
    pub files: Vec<String>,
    /// History; `None` for what `--lines` says.
    pub lines: Option<Lines>,
    /// The time at which history begins.
    pub since: Option<Time>,
    /// The time at which the stream ends.
    pub until: Option<Time>,
    /// Ids to resume after, one a file, of the right shape; empty for a new client.
    pub after: Vec<String>,
    /// The id of the place that ends a piece of history.
    pub before: Option<String>,
    /// Patterns that must all match.
    pub grep: Vec<String>,
    /// Patterns of which none may match.
    pub exclude: Vec<String>,
    /// Whether the patterns ignore case.
    pub ignore_case: bool,
    /// Whether the stream goes on after its history.
    pub follow: bool,
    /// `None` where nothing is said: then it depends on the stream and the number of files.
    pub format: Option<Format>,
}

impl StreamQuery {
    /// Reads the `query` of a request for `stream`. A parameter of one value that is given more than once
    /// counts as it is given last. `last_event_id` is the header of that name; it wins over `after`, unless
    /// it is empty.
    pub fn read(
        query: &[u8],
        last_event_id: Option<&[u8]>,
        stream: Endpoint,
    ) -> Result<Self, Refusal> {
        let mut asked = Self {
            files: Vec::new(),
            lines: None,
            since: None,
            until: None,
            after: Vec::new(),
            before: None,
            grep: Vec::new(),
            exclude: Vec::new(),
            ignore_case: false,
            follow: true,
            format: None,
        };
        for (name, raw) in pairs(query) {
            // A name that can't be decoded is an unknown one.
            let Ok(name) = percent::decode(name, Plus::IsSpace) else {
                continue;
            };
            let Some(parameter) = Parameter::named(&name) else {
                continue;
            };
            let value = decode(parameter, raw)?;
            asked.set(parameter, value, stream).map_err(|right| {
                Refusal::bad_request(format!(
                    "the parameter {}={} can't be used: it must be {right}",
                    parameter.name(),
                    shown(raw)
                ))
            })?;
        }
        if let Some(header) = last_event_id.filter(|value| !value.is_empty()) {
            asked.after = str::from_utf8(header).ok().and_then(ids).ok_or_else(|| {
                Refusal::bad_request(format!(
                    "the header Last-Event-ID: {} can't be used: it must be {RIGHT_IDS}",
                    shown(header)
                ))
            })?;
        }
        Ok(asked)
    }

    /// Takes one value over, or says what would be right.
    fn set(
        &mut self,
        parameter: Parameter,
        value: String,
        stream: Endpoint,
    ) -> Result<(), &'static str> {
        match parameter {
            Parameter::File if value.is_empty() => return Err("the name of a file"),
            Parameter::File => self.files.push(value),
            Parameter::Lines => self.lines = Some(Lines::parse(&value)?),
            Parameter::Since => self.since = Some(Time::parse(&value)?),
            Parameter::Until => self.until = Some(Time::parse(&value)?),
            // An empty one says nothing, as an empty Last-Event-ID does.
            Parameter::After if value.is_empty() => {}
            Parameter::After => self.after.extend(ids(&value).ok_or(RIGHT_IDS)?),
            Parameter::Before if has_shape(&value) => self.before = Some(value),
            Parameter::Before => return Err("one id, as a stream sent it"),
            Parameter::Grep => self.grep.push(value),
            Parameter::Exclude => self.exclude.push(value),
            Parameter::IgnoreCase => self.ignore_case = truth(&value)?,
            Parameter::Follow => self.follow = truth(&value)?,
            Parameter::Format => {
                self.format = Some(match (value.as_str(), stream) {
                    ("text", _) => Format::Text,
                    ("json", _) => Format::Json,
                    ("batch", Endpoint::Ws) => Format::Batch,
                    (_, Endpoint::Ws) => return Err("text, json or batch"),
                    _ => return Err("text or json; batch is for /ws alone"),
                });
            }
        }
        Ok(())
    }
}

/// The value of `token=` in any request's `query`: percent-decoded, but with `+` as itself, since tokens are
/// often base64. `None` where there is none; one that can't be decoded matches no token.
pub fn token(query: &[u8]) -> Option<Vec<u8>> {
    let (_, raw) = pairs(query).find(|(name, _)| *name == b"token")?;
    Some(percent::decode(raw, Plus::IsItself).unwrap_or_default())
}

/// `query` without its token: what may stand in an address bar.
pub fn without_token(query: &[u8]) -> Vec<u8> {
    let others = query
        .split(|&byte| byte == b'&')
        .filter(|pair| split_pair(pair).0 != b"token");
    others.collect::<Vec<_>>().join(&b'&')
}

#[derive(Debug, Clone, Copy)]
enum Parameter {
    File,
    Lines,
    Since,
    Until,
    After,
    Before,
    Grep,
    Exclude,
    IgnoreCase,
    Follow,
    Format,
}

impl Parameter {
    const ALL: [Self; 11] = [
        Self::File,
        Self::Lines,
        Self::Since,
        Self::Until,
        Self::After,
        Self::Before,
        Self::Grep,
        Self::Exclude,
        Self::IgnoreCase,
        Self::Follow,
        Self::Format,
    ];

    fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|parameter| parameter.name().as_bytes() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Lines => "lines",
            Self::Since => "since",
            Self::Until => "until",
            Self::After => "after",
            Self::Before => "before",
            Self::Grep => "grep",
            Self::Exclude => "exclude",
            Self::IgnoreCase => "ignore_case",
            Self::Follow => "follow",
            Self::Format => "format",
        }
    }
}

/// The pairs of a query, nothing decoded. A name without `=` has an empty value.
fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(split_pair)
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', pair) {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, b""),
    }
}

fn decode(parameter: Parameter, raw: &[u8]) -> Result<String, Refusal> {
    let bad = |why| {
        let line = format!("the parameter {}={} {why}", parameter.name(), shown(raw));
        Refusal::bad_request(line)
    };
    let value = percent::decode(raw, Plus::IsSpace)
        .map_err(|_| bad("has a broken percent escape: a % is written %25"))?;
    String::from_utf8(value).map_err(|_| bad("is not UTF-8"))
}

const RIGHT_IDS: &str = "an id as a stream sent it, or several joined by ~";

/// The ids that `~` joins, if each has the shape of one.
fn ids(text: &str) -> Option<Vec<String>> {
    text.split('~')
        .map(|id| has_shape(id).then(|| id.to_owned()))
        .collect()
}

fn truth(value: &str) -> Result<bool, &'static str> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false"),
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
