//! What a request head says, once it is read (see [`super::head`]).

use std::fmt;

use http::{Method, Version};

use crate::authority::Authority;

/// A request head that follows the rules.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do. Names are case-sensitive (RFC 9110, section 9.1).
    pub method: Method,
    /// 1.0, without chunks and perhaps without `Host`, or 1.1, also for a later 1.x, which is to be taken as the highest
    /// one that is known (RFC 9110, section 2.5).
    pub version: Version,
    /// The path, percent-decoded: `/` and what follows, `*` of `OPTIONS *`, or empty for CONNECT.
    pub path: String,
    /// What follows the `?`, as it came; empty where there is none.
    pub query: Vec<u8>,
    /// The server that is meant: the authority of an absolute-form target, else the `Host` field. `None` for
    /// an empty field, and for HTTP/1.0 without one.
    pub host: Option<Authority>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// The first value of the field `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let field = self
            .fields
            .iter()
            .find(|field| field.0.eq_ignore_ascii_case(name))?;
        Some(&field.1)
    }

    /// All values of the field `name`, in any case, in order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let is_meant = move |field: &&(String, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(is_meant)
            .map(|(_, value)| value.as_slice())
    }

    /// Whether the list of tokens in the field `name` (`Connection`, `Upgrade`) holds `token`, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers(name)
            .flat_map(list)
            .any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Without query and values of fields, for they may hold tokens.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("version", &self.version)
            .field("path", &self.path)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// The members of a comma-separated list (RFC 9110, section 5.6.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
