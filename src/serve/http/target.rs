//! The target of a request line: its forms (RFC 9112, section 3.2), its path, its query.

use std::str;

use crate::authority::Authority;
use crate::escape::shown;
use crate::percent::{self, Plus};
use crate::serve::http::refusal::Refusal;

/// What a request is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The path, percent-decoded.
    pub path: String,
    /// What follows the `?`, as it came.
    pub query: Vec<u8>,
    /// The authority of an absolute-form target.
    pub authority: Option<Authority>,
}

impl Target {
    /// The `*` of `OPTIONS *`: the server as a whole.
    pub fn asterisk() -> Self {
        Self {
            path: "*".to_owned(),
            ..Self::default()
        }
    }
}

/// Reads an origin-form (`/path?query`) or absolute-form (`http://host/path?query`) target.
///
/// More is accepted than RFC 3986 allows: `curl` sends `|`, `^`, `"` and letters beyond ASCII as they were
/// typed, and a filter is full of them.
pub fn read(text: &[u8]) -> Result<Target, Refusal> {
    let bad = |what: &str| {
        let path = text.split(|&byte| byte == b'?').next().unwrap_or_default();
        Refusal::bad_request(format!("the request target \"{}\" {what}", shown(path)))
    };
    if text
        .iter()
        .any(|&byte| byte <= b' ' || byte == 0x7f || byte == b'#')
    {
        return Err(bad("holds a character that has to be percent-encoded"));
    }
    let (authority, rest) = if text.starts_with(b"/") {
        (None, text)
    } else {
        let (authority, rest) = split_absolute(text).ok_or_else(|| {
            bad("can't be read: it is /PATH or http://HOST/PATH, without a user name")
        })?;
        (Some(authority), rest)
    };
    let (path, query) = match memchr::memchr(b'?', rest) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &b""[..]),
    };
    let path =
        percent::decode(path, Plus::IsItself).map_err(|_| bad("has a broken percent escape"))?;
    let path = String::from_utf8(path).map_err(|_| bad("is not UTF-8"))?;
    if path.contains('\0') {
        return Err(bad("holds a NUL"));
    }
    let path = if path.is_empty() {
        "/".to_owned()
    } else {
        path
    };
    Ok(Target {
        path,
        query: query.to_vec(),
        authority,
    })
}

/// The authority of an absolute-form target, and what follows it. A user name is refused, as RFC 9110,
/// section 4.2.4 advises: it is there to deceive.
fn split_absolute(text: &[u8]) -> Option<(Authority, &[u8])> {
    let colon = memchr::memchr(b':', text)?;
    let known = [&b"http"[..], b"https", b"ws", b"wss"];
    if !known
        .iter()
        .any(|scheme| text[..colon].eq_ignore_ascii_case(scheme))
    {
        return None;
    }
    let rest = text[colon..].strip_prefix(b"://")?;
    let end = rest
        .iter()
        .position(|byte| b"/?".contains(byte))
        .unwrap_or(rest.len());
    let authority = Authority::parse(str::from_utf8(&rest[..end]).ok()?)?;
    Some((authority, &rest[end..]))
}
