//! What a request is told when it is not served: a status and one line.
//!
//! The parser, the query, the guard, the tokens and the filters all end in a [`Refusal`]; how it becomes
//! bytes is the affair of [`super::answer`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// Why a request is not served. An ordinary ending, not a failure of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What was wrong and what would be right: one line, with nothing in it from the client that is not
    /// escaped, and never a token.
    pub line: String,
}

impl Refusal {
    /// A refusal with any status.
    pub fn new(status: StatusCode, line: impl Into<String>) -> Self {
        Self {
            status,
            line: line.into(),
        }
    }

    /// 400: a value or a request that can't be read.
    pub fn bad_request(line: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, line)
    }

    /// 400: a request in the clear where TLS is spoken.
    pub fn clear_where_tls_is_spoken() -> Self {
        Self::bad_request("this port speaks TLS: ask it by https:// (or wss://)")
    }

    /// 401: a token is missing or wrong. The line says nothing about which.
    pub fn unauthorized() -> Self {
        let line = "a valid token is needed: as `Authorization: Bearer TOKEN` or as ?token=TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, line)
    }

    /// 403: Origin or Host not allowed.
    pub fn forbidden(line: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, line)
    }

    /// 404: no such path, file or place.
    pub fn not_found(line: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, line)
    }

    /// 405: the answer's `Allow` names the methods that would do.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed: use GET or HEAD",
        )
    }

    /// 408: the request head took too long.
    pub fn too_slow() -> Self {
        let seconds = crate::limits::HEAD_TIME_MS / 1000;
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the request head took longer than {seconds} s"),
        )
    }

    /// 426: `why` names what the upgrade lacks.
    pub fn upgrade_required(why: &str) -> Self {
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            format!(
                "{why}: /ws speaks WebSocket, version 13; plain HTTP is served at /stream and /events"
            ),
        )
    }

    /// 431: the request head is too large.
    pub fn head_too_large(line: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, line)
    }

    /// 503: no place, no thread or no health at the moment.
    pub fn unavailable(line: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, line)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.line)
    }
}

/// What each status means, in a word.
const REASONS: [(StatusCode, &str); 10] = [
    (StatusCode::BAD_REQUEST, "bad_request"),
    (StatusCode::UNAUTHORIZED, "unauthorized"),
    (StatusCode::FORBIDDEN, "forbidden"),
    (StatusCode::NOT_FOUND, "not_found"),
    (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
    (StatusCode::REQUEST_TIMEOUT, "head_too_slow"),
    (StatusCode::CONFLICT, "circle"),
    (StatusCode::UPGRADE_REQUIRED, "upgrade_required"),
    (
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
    ),
    (StatusCode::SERVICE_UNAVAILABLE, "too_many_clients"),
];

/// How many requests were refused, by reason.
#[derive(Debug, Default)]
pub struct Refused([AtomicU64; REASONS.len()]);

impl Refused {
    /// One more was refused with `status`.
    pub fn count(&self, status: StatusCode) {
        if let Some(n) = REASONS.iter().position(|(known, _)| *known == status) {
            self.0[n].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many, by reason.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        REASONS
            .iter()
            .map(|(_, reason)| *reason)
            .zip(counts)
            .collect()
    }
}
