//! How answers are written: status line, fields, body, as bytes for the socket.
//!
//! Every answer that is not a stream is an [`Answer`]; the heads of the three streams are [`stream_head`] and
//! [`upgrade_head`]. All of them end their connection, which `Connection: close` says: a stream has no next
//! request, and nothing is gained by keeping the others. So no request can hide behind another one.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};

use crate::limits::RETRY_AFTER_SECONDS;
use crate::serve::http::coding::Coding;
use crate::serve::http::cors::Cors;
use crate::serve::http::refusal::Refusal;

/// One line of it, or any other text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Server-Sent Events are UTF-8 by definition; some clients decode them otherwise unless the type says so.
pub const EVENTS: &str = "text/event-stream; charset=utf-8";
/// An object a line.
pub const JSON_LINES: &str = "application/x-ndjson";

/// What protects the browser that gets the answer: nothing in it is taken for another type, runs, or is
/// framed by a page that wants clicks, and no URL, which may hold a token, leaves as a referrer.
const PROTECTION: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// An answer that is whole before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    fields: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Answer {
    /// An answer with a body.
    pub fn new(status: StatusCode, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let answer = Self::bare(status)
            .dated()
            .with("Content-Type", content_type)
            .with("Connection", "close");
        Self {
            body: Some(body.into()),
            ..answer
        }
    }

    /// No field, and no body.
    fn bare(status: StatusCode) -> Self {
        Self {
            status,
            fields: Vec::new(),
            body: None,
        }
    }

    /// One line of text.
    pub fn line(status: StatusCode, line: &str) -> Self {
        Self::new(status, TEXT, format!("{line}\n"))
    }

    /// What a refused request is told.
    pub fn refusal(refusal: &Refusal) -> Self {
        let answer = Self::line(refusal.status, &refusal.line);
        match refusal.status {
            StatusCode::UNAUTHORIZED => answer.with("WWW-Authenticate", "Bearer"),
            StatusCode::METHOD_NOT_ALLOWED => answer.with("Allow", "GET, HEAD"),
            StatusCode::UPGRADE_REQUIRED => answer
                .with("Upgrade", "websocket")
                .with("Connection", "Upgrade, close")
                .with("Sec-WebSocket-Version", "13"),
            StatusCode::SERVICE_UNAVAILABLE => {
                answer.with("Retry-After", RETRY_AFTER_SECONDS.to_string())
            }
            _ => answer,
        }
    }

    /// 204: there is nothing to say, which tells an `EventSource` to stop.
    pub fn no_content() -> Self {
        Self::bare(StatusCode::NO_CONTENT)
            .dated()
            .with("Cache-Control", "no-store")
            .with("Connection", "close")
    }

    /// 204 to the preflight of an allowed foreign origin.
    pub fn preflight(cors: &Cors) -> Self {
        let answer = Self::bare(StatusCode::NO_CONTENT).dated();
        Cors::preflight_fields()
            .fold(answer, |answer, (name, value)| answer.with(name, value))
            .with("Connection", "close")
            .with_cors(Some(cors))
    }

    /// Sends the client to `location`, a valid URL reference without its token.
    pub fn redirect(status: StatusCode, location: &str) -> Self {
        Self::line(status, location)
            .with("Location", location)
            .with("Cache-Control", "no-store")
    }

    /// Sets a field, in place of one of that name.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        debug_assert!(
            is_one_line(&value),
            "{name} has a value that would end its line"
        );
        match self.fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
        self
    }

    /// Adds what an allowed foreign origin needs.
    pub fn with_cors(self, cors: Option<&Cors>) -> Self {
        let fields = cors.into_iter().flat_map(Cors::fields);
        fields.fold(self, |answer, (name, value)| answer.with(name, value))
    }

    /// The bytes for the socket. HEAD gets the head that GET would, and no body.
    pub fn encode(&self, method: &Method) -> Vec<u8> {
        let mut head = status_line(self.status);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if *method != Method::HEAD {
            bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        }
        bytes
    }

    fn protected(self) -> Self {
        PROTECTION
            .into_iter()
            .fold(self, |answer, (name, value)| answer.with(name, value))
    }

    fn dated(self) -> Self {
        self.protected().with("Date", date())
    }
}

/// How the end of a streamed body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection, for HTTP/1.0.
    UntilClose,
}

/// The head of a 200 whose body streams.
pub fn stream_head(
    content_type: &str,
    coding: Coding,
    framing: BodyLength,
    cors: Option<&Cors>,
) -> Vec<u8> {
    let mut answer = Answer::bare(StatusCode::OK)
        .dated()
        .with("Content-Type", content_type)
        .with("Cache-Control", "no-store")
        // nginx would hold lines back until its buffer is full.
        .with("X-Accel-Buffering", "no");
    if coding == Coding::Gzip {
        answer = answer.with("Content-Encoding", "gzip");
    }
    if framing == BodyLength::Chunked {
        answer = answer.with("Transfer-Encoding", "chunked");
    }
    answer = answer.with("Connection", "close").with_cors(cors);
    // The body depends on Accept-Encoding even where it is plain. Beside CORS's there may be two (RFC 9110, section 5.3).
    answer.fields.push(("Vary", "Accept-Encoding".to_owned()));
    answer.encode(&Method::GET)
}

/// The head of a 101 to WebSocket; `accept` is derived from the client's key, `extension` and `protocol` are what was
/// agreed on.
pub fn upgrade_head(
    accept: &str,
    extension: Option<&str>,
    protocol: Option<&str>,
    cors: Option<&Cors>,
) -> Vec<u8> {
    let mut answer = Answer::bare(StatusCode::SWITCHING_PROTOCOLS)
        .with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .with("Sec-WebSocket-Accept", accept);
    if let Some(extension) = extension {
        answer = answer.with("Sec-WebSocket-Extensions", extension);
    }
    if let Some(protocol) = protocol {
        answer = answer.with("Sec-WebSocket-Protocol", protocol);
    }
    answer
        .protected()
        .with("Cache-Control", "no-store")
        .with("X-Accel-Buffering", "no")
        .with_cors(cors)
        .encode(&Method::GET)
}

/// Who has a clock says when it answered (RFC 9110, section 6.6.1).
fn date() -> String {
    date_of(SystemTime::now())
}

/// The same of a clock that stands at `now`; before 1970 and after 9999, where there are no such dates, the nearest one.
fn date_of(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs().min(LAST_SECOND));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The last one of the year 9999, since 1970.
const LAST_SECOND: u64 = 253_402_300_799;

fn status_line(status: StatusCode) -> String {
    format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default()
    )
}

fn is_one_line(value: &str) -> bool {
    !value.contains(['\r', '\n', '\0'])
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
