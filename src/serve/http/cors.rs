//! What an allowed foreign origin is told, so that its browser lets its page read the answer (the
//! CORS protocol of the Fetch standard).

use crate::limits::PREFLIGHT_AGE_SECONDS;

/// A foreign origin that may connect. Only the guard makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origin: String,
    named: bool,
}

impl Cors {
    /// `origin` is the header as the browser sent it, for the browser compares by bytes. `named` says that it
    /// is allowed by name and not by `*`.
    pub(crate) fn new(origin: String, named: bool) -> Self {
        Self { origin, named }
    }

    /// The fields of every answer to it. Credentials (cookies of a proxy's login) are for origins that the
    /// operator named: `*` opens what is public, not what a visitor is logged in to.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let credentials = self
            .named
            .then(|| ("Access-Control-Allow-Credentials", "true".to_owned()));
        [
            ("Access-Control-Allow-Origin", self.origin.clone()),
            ("Vary", "Origin".to_owned()),
        ]
        .into_iter()
        .chain(credentials)
    }

    /// The further fields of the answer to a preflight: a token comes in `Authorization`, and a page that
    /// reads `/events` with `fetch` resumes by `Last-Event-ID`.
    pub fn preflight_fields() -> impl Iterator<Item = (&'static str, String)> {
        [
            ("Access-Control-Allow-Methods", "GET, HEAD".to_owned()),
            (
                "Access-Control-Allow-Headers",
                "Authorization, Last-Event-ID, Cache-Control".to_owned(),
            ),
            ("Access-Control-Max-Age", PREFLIGHT_AGE_SECONDS.to_string()),
        ]
        .into_iter()
    }
}
