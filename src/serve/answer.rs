//! Owns how answers are written: status line, fields, body, as bytes for the socket.
//!
//! Every answer that is not a stream is an [`Answer`]; the heads of the three streams are [`stream_head`] and
//! [`upgrade_head`]. All of them end their connection, which `Connection: close` says: a stream has no next
//! request, and nothing is gained by keeping the others. So no request can hide behind another one.

use std::fmt::Write;

use http::StatusCode;

use crate::limits::RETRY_AFTER_SECONDS;
use crate::serve::cors::Cors;
use crate::serve::head::Method;
use crate::serve::refusal::Refusal;

/// One line of it, or any other text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Server-Sent Events are UTF-8 by definition.
pub const EVENTS: &str = "text/event-stream";
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
        let answer = Self {
            status,
            fields: Vec::new(),
            body: Some(body.into()),
        };
        answer
            .protected()
            .with("Content-Type", content_type)
            .with("Connection", "close")
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
        let answer = Self {
            status: StatusCode::NO_CONTENT,
            fields: Vec::new(),
            body: None,
        };
        answer
            .protected()
            .with("Cache-Control", "no-store")
            .with("Connection", "close")
    }

    /// 204 to the preflight of an allowed foreign origin.
    pub fn preflight(cors: &Cors) -> Self {
        let answer = Self {
            status: StatusCode::NO_CONTENT,
            fields: Vec::new(),
            body: None,
        };
        let fields = Cors::preflight_fields();
        fields
            .fold(answer.protected(), |answer, (name, value)| {
                answer.with(name, value)
            })
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
    pub fn encode(&self, method: Method) -> Vec<u8> {
        let mut head = status_line(self.status);
        for (name, value) in &self.fields {
            push_field(&mut head, name, value);
        }
        if let Some(body) = &self.body {
            push_field(&mut head, "Content-Length", &body.len().to_string());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if method != Method::Head {
            bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        }
        bytes
    }

    fn protected(self) -> Self {
        PROTECTION
            .into_iter()
            .fold(self, |answer, (name, value)| answer.with(name, value))
    }
}

/// How the end of a streamed body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection, for HTTP/1.0.
    UntilClose,
    /// `Content-Length`.
    Length(u64),
}

/// The head of a 200 whose body streams.
pub fn stream_head(content_type: &str, framing: Framing, cors: Option<&Cors>) -> Vec<u8> {
    let mut head = status_line(StatusCode::OK);
    for (name, value) in PROTECTION {
        push_field(&mut head, name, value);
    }
    push_field(&mut head, "Content-Type", content_type);
    push_field(&mut head, "Cache-Control", "no-store");
    // nginx would hold lines back until its buffer is full.
    push_field(&mut head, "X-Accel-Buffering", "no");
    match framing {
        Framing::Chunked => push_field(&mut head, "Transfer-Encoding", "chunked"),
        Framing::UntilClose => {}
        Framing::Length(bytes) => push_field(&mut head, "Content-Length", &bytes.to_string()),
    }
    push_field(&mut head, "Connection", "close");
    push_cors(&mut head, cors);
    head.push_str("\r\n");
    head.into_bytes()
}

/// The head of a 101 to WebSocket; `accept` is derived from the client's key.
pub fn upgrade_head(accept: &str, cors: Option<&Cors>) -> Vec<u8> {
    let mut head = status_line(StatusCode::SWITCHING_PROTOCOLS);
    push_field(&mut head, "Upgrade", "websocket");
    push_field(&mut head, "Connection", "Upgrade");
    push_field(&mut head, "Sec-WebSocket-Accept", accept);
    for (name, value) in PROTECTION {
        push_field(&mut head, name, value);
    }
    push_field(&mut head, "Cache-Control", "no-store");
    push_field(&mut head, "X-Accel-Buffering", "no");
    push_cors(&mut head, cors);
    head.push_str("\r\n");
    head.into_bytes()
}

fn status_line(status: StatusCode) -> String {
    format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default()
    )
}

fn push_field(head: &mut String, name: &str, value: &str) {
    // Writing to a String can't fail.
    let _ = write!(head, "{name}: {value}\r\n");
}

fn push_cors(head: &mut String, cors: Option<&Cors>) {
    for (name, value) in cors.into_iter().flat_map(Cors::fields) {
        push_field(head, name, &value);
    }
}

fn is_one_line(value: &str) -> bool {
    !value.contains(['\r', '\n', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head as a strict client reads it, its names in lower case, and the body.
    fn read(bytes: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(len)) = response.parse(bytes) else {
            panic!("no head: {:?}", String::from_utf8_lossy(bytes));
        };
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("UTF-8");
        let fields = response
            .headers
            .iter()
            .map(|f| (f.name.to_ascii_lowercase(), text(f.value)))
            .collect();
        (
            response.code.expect("a code"),
            fields,
            bytes[len..].to_vec(),
        )
    }

    fn has(fields: &[(String, String)], name: &str, value: &str) -> bool {
        fields
            .iter()
            .filter(|field| field.0 == name)
            .map(|field| field.1.as_str())
            .eq([value])
    }

    #[test]
    fn a_refusal_is_one_line_of_plain_text() {
        let answer = Answer::refusal(&Refusal::bad_request("no")).encode(Method::Get);
        let (code, fields, body) = read(&answer);
        assert_eq!((code, body.as_slice()), (400, &b"no\n"[..]));
        assert!(has(&fields, "content-type", TEXT));
        assert!(has(&fields, "content-length", "3"));
        assert!(has(&fields, "connection", "close"));
        assert!(has(&fields, "x-content-type-options", "nosniff"));
        assert!(has(&fields, "referrer-policy", "no-referrer"));
    }

    #[test]
    fn refusals_carry_the_fields_of_their_status() {
        let fields = |refusal: Refusal| read(&Answer::refusal(&refusal).encode(Method::Get)).1;
        assert!(has(
            &fields(Refusal::unauthorized()),
            "www-authenticate",
            "Bearer"
        ));
        assert!(has(
            &fields(Refusal::method_not_allowed()),
            "allow",
            "GET, HEAD"
        ));
        assert!(has(
            &fields(Refusal::unavailable("full")),
            "retry-after",
            "5"
        ));
        let upgrade = fields(Refusal::upgrade_required("no Upgrade field"));
        assert!(has(&upgrade, "upgrade", "websocket"));
        assert!(has(&upgrade, "connection", "Upgrade, close"));
        assert!(has(&upgrade, "sec-websocket-version", "13"));
    }

    #[test]
    fn head_gets_the_head_of_get_alone() {
        let answer = Answer::line(StatusCode::OK, "ok");
        let (get, head) = (answer.encode(Method::Get), answer.encode(Method::Head));
        assert_eq!(get, [head.as_slice(), b"ok\n"].concat());
        assert!(head.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn nothing_is_said_about_the_length_of_no_content() {
        let (code, fields, body) = read(&Answer::no_content().encode(Method::Get));
        assert_eq!((code, body.len()), (204, 0));
        assert!(!fields.iter().any(|field| field.0 == "content-length"));
    }

    #[test]
    fn streams_are_neither_stored_nor_held_back() {
        let cors = Cors::new("https://a".into(), true);
        for head in [
            stream_head(EVENTS, Framing::Chunked, Some(&cors)),
            upgrade_head("key", Some(&cors)),
        ] {
            let (_, fields, _) = read(&head);
            assert!(has(&fields, "cache-control", "no-store"));
            assert!(has(&fields, "x-accel-buffering", "no"));
            assert!(has(&fields, "x-content-type-options", "nosniff"));
            assert!(has(&fields, "access-control-allow-origin", "https://a"));
        }
        let framing = |framing| read(&stream_head(TEXT, framing, None)).1;
        assert!(has(
            &framing(Framing::Chunked),
            "transfer-encoding",
            "chunked"
        ));
        assert!(has(&framing(Framing::Length(7)), "content-length", "7"));
        assert!(
            !framing(Framing::UntilClose)
                .iter()
                .any(|field| field.0 == "transfer-encoding")
        );
    }

    #[test]
    fn credentials_are_for_named_origins() {
        let preflight = |named| {
            read(&Answer::preflight(&Cors::new("https://a".into(), named)).encode(Method::Options))
        };
        let (code, fields, _) = preflight(true);
        assert_eq!(code, 204);
        assert!(has(&fields, "access-control-allow-origin", "https://a"));
        assert!(has(&fields, "vary", "Origin"));
        assert!(has(&fields, "access-control-allow-credentials", "true"));
        assert!(
            fields
                .iter()
                .any(|f| f.0 == "access-control-allow-headers" && f.1.contains("Authorization"))
        );
        assert!(
            !preflight(false)
                .1
                .iter()
                .any(|f| f.0 == "access-control-allow-credentials")
        );
    }

    #[test]
    fn a_field_is_set_once() {
        let answer =
            Answer::line(StatusCode::OK, "").with("Content-Security-Policy", "default-src 'self'");
        let (_, fields, _) = read(&answer.encode(Method::Get));
        assert!(has(
            &fields,
            "content-security-policy",
            "default-src 'self'"
        ));
    }
}
