//! The query parameters of the three streams: raw query in, [`StreamQuery`] or [`Refusal`] out.
//!
//! Ids and patterns stay text here: what an id means is the affair of `source`, what a pattern means that of
//! [`crate::serve::delivery::filter`]. Unknown parameters are ignored, so that a page may keep its own beside ours.

use std::str;

use crate::config::value::{Format, Lines};
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

/// What a client asks of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
            follow: true,
            ..Self::default()
        };
        for (name, raw) in pairs(query) {
            // A name that can't be decoded is an unknown one.
            let name = percent::decode(name, Plus::IsSpace).unwrap_or_default();
            let mut known = PARAMETERS.into_iter();
            let Some(name) = known.find(|known| known.as_bytes() == name) else {
                continue;
            };
            let value = decode(name, raw)?;
            asked.set(name, value, stream).map_err(|right| {
                Refusal::bad_request(format!(
                    "the parameter {name}={} can't be used: it must be {right}",
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
    fn set(&mut self, name: &str, value: String, stream: Endpoint) -> Result<(), &'static str> {
        match name {
            "file" if value.is_empty() => return Err("the name of a file"),
            // Once more is not several.
            "file" if self.files.contains(&value) => {}
            "file" => self.files.push(value),
            "lines" => self.lines = Some(Lines::parse(&value)?),
            "since" => self.since = Some(Time::parse(&value)?),
            "until" => self.until = Some(Time::parse(&value)?),
            // An empty one says nothing, as an empty Last-Event-ID does.
            "after" if value.is_empty() => {}
            "after" => self.after.extend(ids(&value).ok_or(RIGHT_IDS)?),
            "before" if has_shape(&value) => self.before = Some(value),
            "before" => return Err("one id, as a stream sent it"),
            "grep" => self.grep.push(value),
            "exclude" => self.exclude.push(value),
            "ignore_case" => self.ignore_case = truth(&value)?,
            "follow" => self.follow = truth(&value)?,
            _ => {
                let format = Format::parse(&value);
                self.format = Some(match (format, stream) {
                    (format, Endpoint::Ws) => format?,
                    (Ok(format @ (Format::Text | Format::Json)), _) => format,
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

/// The parameters that a stream takes. Others are ignored.
const PARAMETERS: [&str; 11] = [
    "file",
    "lines",
    "since",
    "until",
    "after",
    "before",
    "grep",
    "exclude",
    "ignore_case",
    "follow",
    "format",
];

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

fn decode(name: &str, raw: &[u8]) -> Result<String, Refusal> {
    let bad = |why| {
        let line = format!("the parameter {name}={} {why}", shown(raw));
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
