//! Reading a request head: bytes in, a [`Request`] or a [`Refusal`] out (RFC 9112).
//!
//! A head may come a byte at a time, so [`HeadParser`] only searches what is new for the blank line that ends
//! the head, and parses once, when it is there; only a request line that is nonsense is refused before.
//! [`httparse`] reads the fields. What it leaves to its user is here: the request line, the forms of its
//! target, `Host`, and what announces a body. Bodies are not read: no request that is served has a use for
//! one, and every connection closes after its answer, so that nothing in a body is ever taken for a request.

use std::str;

use http::{Method, Version};

use crate::authority::Authority;
use crate::escape::shown;
use crate::limits::{HEAD_BYTES, HEAD_FIELDS};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::{Request, list};
use crate::serve::http::target::{self, Target};

/// What a buffer holds so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Nothing wrong yet: read more.
    Incomplete,
    /// A head, which is the first `len` bytes of the buffer.
    Complete {
        /// What the head says.
        request: Request,
        /// Where the head ends, its blank line included.
        len: usize,
    },
    /// No head can come of this.
    Bad(Refusal),
}

/// Remembers, for one connection, how far its buffer has been searched.
#[derive(Debug, Default)]
pub struct HeadParser {
    searched: usize,
    line_read: bool,
}

impl HeadParser {
    /// Looks at `buf`: all that has come so far, which is what the last call got and more.
    pub fn look(&mut self, buf: &[u8]) -> Parsed {
        let begin = blank_lines(buf);
        let Some(&first) = buf.get(begin) else {
            return incomplete(buf);
        };
        if first == b'\r' && begin + 1 == buf.len() {
            return incomplete(buf);
        }
        if !is_token_byte(first) {
            // Said at once: TLS and other binary protocols never send the blank line.
            return Parsed::Bad(Refusal::bad_request(
                "this is no HTTP request: HTTP/1.1 is spoken here",
            ));
        }
        let unsearched = self.searched;
        self.searched = buf.len();
        // The newline before a blank line may stand two bytes before what is new.
        if let Some(end) = blank_line(buf, unsearched.saturating_sub(2).max(begin)) {
            if end > HEAD_BYTES {
                return Parsed::Bad(too_large());
            }
            return match read(&buf[begin..end]) {
                Ok(request) => Parsed::Complete { request, len: end },
                Err(refusal) => Parsed::Bad(refusal),
            };
        }
        if !self.line_read && memchr::memchr(b'\n', &buf[unsearched.max(begin)..]).is_some() {
            self.line_read = true;
            let (line, _) = split_line(&buf[begin..]);
            if let Err(refusal) = read_request_line(line) {
                return Parsed::Bad(refusal);
            }
        }
        incomplete(buf)
    }
}

/// Looks at a buffer that is all there is.
pub fn parse(buf: &[u8]) -> Parsed {
    HeadParser::default().look(buf)
}

/// `buf` holds no whole head.
fn incomplete(buf: &[u8]) -> Parsed {
    if buf.len() < HEAD_BYTES {
        Parsed::Incomplete
    } else {
        Parsed::Bad(too_large())
    }
}

fn too_large() -> Refusal {
    Refusal::head_too_large(format!(
        "the request head is over {} KiB",
        HEAD_BYTES / 1024
    ))
}

/// The length of the empty lines at the beginning, which some clients send after the body of an earlier
/// request (RFC 9112, section 2.2).
fn blank_lines(buf: &[u8]) -> usize {
    let mut begin = 0;
    loop {
        begin += match &buf[begin..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return begin,
        };
    }
}

/// Where the first blank line ends, of those whose preceding newline stands at `from` or later. A lone LF
/// ends a line too (RFC 9112, section 2.2), for people who type into `nc`.
fn blank_line(buf: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &buf[from..])
        .map(|at| from + at)
        .find_map(|at| match &buf[at + 1..] {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        })
}

/// The first line without its ending, and what follows it.
fn split_line(head: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let (line, rest) = head.split_at(end);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Reads a whole head, which begins with its request line and ends with its blank line.
fn read(head: &[u8]) -> Result<Request, Refusal> {
    let (line, rest) = split_line(head);
    let (method, target, version) = read_request_line(line)?;
    // On the heap, for the stack of a client's thread is kept for as long as the client stays.
    let mut fields = vec![httparse::EMPTY_HEADER; HEAD_FIELDS];
    let fields: Vec<_> = match httparse::parse_headers(rest, &mut fields) {
        Ok(httparse::Status::Complete((_, fields))) => fields
            .iter()
            .map(|field| (field.name.to_owned(), field.value.to_vec()))
            .collect(),
        Ok(httparse::Status::Partial) => {
            return Err(Refusal::bad_request("the request head ends too early"));
        }
        Err(httparse::Error::TooManyHeaders) => {
            let line = format!("the request head has more than {HEAD_FIELDS} fields");
            return Err(Refusal::head_too_large(line));
        }
        // Spaces before a colon and folded lines are both names that can't be read. Both have smuggled
        // requests past proxies (RFC 9112, sections 5.1 and 5.2).
        Err(httparse::Error::HeaderName) => {
            let line = "a header field can't be read: it is NAME: VALUE, on one line, without a space before \
                        the colon";
            return Err(Refusal::bad_request(line));
        }
        Err(_) => {
            return Err(Refusal::bad_request(
                "a header value holds a control character",
            ));
        }
    };
    let mut request = Request {
        method,
        version,
        path: target.path,
        query: target.query,
        host: None,
        fields,
    };
    let host = read_host(&request)?;
    // RFC 9112, section 3.2.2: the authority of the target replaces the field, which must be there still.
    request.host = target.authority.or(host);
    check_body(&request)?;
    Ok(request)
}

/// `METHOD TARGET HTTP/1.x`, one space between (RFC 9112, section 3).
fn read_request_line(line: &[u8]) -> Result<(Method, Target, Version), Refusal> {
    let bad = || {
        Refusal::bad_request(format!(
            "the request line \"{}\" can't be read: it is METHOD TARGET HTTP/1.1, one space between",
            shown_line(line)
        ))
    };
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(name), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad());
    };
    let method = Method::from_bytes(name).map_err(|_| bad())?;
    let version = match version {
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::HTTP_11,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            let line = format!("{} is not spoken here: use HTTP/1.1", shown(version));
            return Err(Refusal::bad_request(line));
        }
        _ => return Err(bad()),
    };
    let target = match method {
        Method::CONNECT => Target::default(),
        Method::OPTIONS if target == b"*" => Target::asterisk(),
        _ => target::read(target)?,
    };
    Ok((method, target, version))
}

/// The request line up to its query, which may hold a token.
fn shown_line(line: &[u8]) -> String {
    match memchr::memchr(b'?', line) {
        Some(at) => format!("{}?…", shown(&line[..at])),
        None => shown(line),
    }
}

/// The `Host` field, by RFC 9112, section 3.2.
fn read_host(request: &Request) -> Result<Option<Authority>, Refusal> {
    let mut values = request.headers("host");
    match (values.next(), values.next()) {
        (None, _) if request.version == Version::HTTP_10 => Ok(None),
        (None, _) => Err(Refusal::bad_request(
            "HTTP/1.1 needs a Host field, and there is none",
        )),
        (Some(_), Some(_)) => Err(Refusal::bad_request("there is more than one Host field")),
        (Some(b""), None) => Ok(None),
        (Some(value), None) => match str::from_utf8(value).ok().and_then(Authority::parse) {
            Some(host) => Ok(Some(host)),
            None => Err(Refusal::bad_request(format!(
                "the Host \"{}\" can't be read: it is NAME or NAME:PORT",
                shown(value)
            ))),
        },
    }
}

/// Refuses a body that is announced in a way that can be misread (RFC 9112, section 6.3).
fn check_body(request: &Request) -> Result<(), Refusal> {
    let mut lengths = request.headers("content-length").flat_map(list);
    let length = lengths.next();
    if let Some(length) = length {
        let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        if !is_number || lengths.any(|other| other != length) {
            return Err(Refusal::bad_request(format!(
                "the Content-Length \"{}\" can't be used: it is one number",
                shown(length)
            )));
        }
    }
    let Some(last_coding) = request.headers("transfer-encoding").flat_map(list).last() else {
        return Ok(());
    };
    if length.is_some() {
        return Err(Refusal::bad_request(
            "Content-Length and Transfer-Encoding exclude each other",
        ));
    }
    if !last_coding.eq_ignore_ascii_case(b"chunked") {
        return Err(Refusal::bad_request(
            "the last Transfer-Encoding of a request must be chunked",
        ));
    }
    Ok(())
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
