//! Owns the values that options and queries are made of: how each is written, and what it then is.
//!
//! A reader of a value answers with what would be right where it is wrong; whoever asked adds the name and
//! the value.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::authority::{Authority, Origin};
use crate::limits::SOCKET_PATH_BYTES;

/// What would be right instead of the value that was given, to follow "it must be".
pub type Right = &'static str;

/// How much of each file a new client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// The last so many; 0 for none.
    Last(u64),
    /// Everything in the file.
    All,
}

impl Lines {
    /// Reads `N` or `all`.
    pub fn parse(text: &str) -> Result<Self, Right> {
        match text {
            "all" => Ok(Self::All),
            text => digits(text)
                .map(Self::Last)
                .ok_or("a number of lines, or all"),
        }
    }
}

/// How lines are written to peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line as it is, without its ending.
    Text,
    /// A line or an event, as a JSON object.
    Json,
    /// What came together, or an event, as a JSON object.
    Batch,
}

impl Format {
    /// Reads `text`, `json` or `batch`.
    pub fn parse(text: &str) -> Result<Self, Right> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "batch" => Ok(Self::Batch),
            _ => Err("text, json or batch"),
        }
    }
}

/// A number without sign, which the standard library would accept.
pub(super) fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Where peers connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// HTTP over TCP.
    Http(HostPort),
    /// HTTP over a Unix socket at this path.
    Unix(PathBuf),
    /// No protocol: who connects is sent the text of `/stream`.
    Tcp(HostPort),
}

/// A host to resolve and a port, 0 for any free one. [`fmt::Display`] writes it as `ToSocketAddrs` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Listen {
    /// Reads `HOST:PORT`, `unix:PATH` or `tcp:HOST:PORT`.
    pub fn parse(text: &OsStr) -> Result<Self, Right> {
        const RIGHT: Right = "HOST:PORT, [IPV6]:PORT, unix:PATH or tcp:HOST:PORT";
        if let Some(path) = text.as_bytes().strip_prefix(b"unix:") {
            return match path.len() {
                0 => Err(RIGHT),
                1..=SOCKET_PATH_BYTES => Ok(Self::Unix(OsStr::from_bytes(path).into())),
                _ => Err("unix:PATH with at most 107 bytes of path, as the kernel has it"),
            };
        }
        let text = text.to_str().ok_or(RIGHT)?;
        match text.strip_prefix("tcp:") {
            Some(rest) => HostPort::parse(rest).map(Self::Tcp),
            None => HostPort::parse(text).map(Self::Http),
        }
        .ok_or(RIGHT)
    }
}

impl HostPort {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Authority { host, port } = Authority::parse(text)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[:]".contains(&byte);
        host.bytes()
            .all(allowed)
            .then_some(Self { host, port: port? })
    }

    /// The host as resolvers and certificates have it: an IPv6 address without its brackets.
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The same where the port may be left out.
    pub(super) fn with_default(text: &str, port: u16) -> Option<Self> {
        let port = Authority::parse(text)?.port.unwrap_or(port);
        let host = Authority::parse(text)?.host;
        Self::parse(&format!("{host}:{port}"))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A web origin that may connect beside our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowOrigin {
    /// `*`, also those that browsers call `null`.
    Any,
    /// This one.
    One(Origin),
}

impl AllowOrigin {
    /// Reads `*` or `SCHEME://HOST[:PORT]`; a slash at the end is what address bars add.
    pub fn parse(text: &str) -> Result<Self, Right> {
        match text {
            "*" => Ok(Self::Any),
            text => Origin::parse(text.strip_suffix('/').unwrap_or(text))
                .filter(|origin| !is_pattern(&origin.authority.host))
                .map(Self::One)
                .ok_or("one origin, as https://HOST or https://HOST:PORT, or * for every one"),
        }
    }
}

/// Reads a host name to compare `Host` with, in its one spelling.
pub fn allow_host(text: &str) -> Result<String, Right> {
    crate::authority::host_name(text)
        .filter(|host| !is_pattern(host))
        .ok_or("one host name alone, without scheme and port, and no pattern")
}

/// Whether somebody means many hosts by this. A URL may have a `*` in its host, no name server has one: an option that
/// took it would allow nobody.
fn is_pattern(host: &str) -> bool {
    host.contains('*')
}

/// The prefix of every URL: empty, or `/` and more without a slash at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Reads a path with or without slashes at its ends. Only characters that mean themselves in a URL, in a
    /// cookie's `Path` and in HTML may be in it.
    pub fn parse(text: &str) -> Result<Self, Right> {
        const RIGHT: Right = "a path as /logs, of letters, digits and -._~";
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let inner = text.strip_prefix('/').unwrap_or(text);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() {
            return if text.is_empty() {
                Err(RIGHT)
            } else {
                Ok(Self::default())
            };
        }
        let is_name = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(allowed);
        inner
            .split('/')
            .all(is_name)
            .then(|| Self(format!("/{inner}")))
            .ok_or(RIGHT)
    }

    /// The prefix: empty where URLs begin at `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the prefix in `path`: empty for the prefix itself, `None` for a path that is not under
    /// it.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&self.0)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_number_or_all() {
        assert_eq!(Lines::parse("0"), Ok(Lines::Last(0)));
        assert_eq!(Lines::parse("all"), Ok(Lines::All));
        for text in ["", "-1", "+1", "x", "1 ", "18446744073709551616"] {
            assert!(Lines::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_listener_is_http_unix_or_tcp() {
        let shown = |text: &str| match Listen::parse(OsStr::new(text)) {
            Ok(Listen::Http(at)) => format!("http {at}"),
            Ok(Listen::Unix(path)) => format!("unix {}", path.display()),
            Ok(Listen::Tcp(at)) => format!("tcp {at}"),
            Err(_) => "wrong".to_owned(),
        };
        assert_eq!(shown("127.0.0.1:0"), "http 127.0.0.1:0");
        assert_eq!(shown("[::]:8080"), "http [::]:8080");
        assert_eq!(shown("localhost:80"), "http localhost:80");
        assert_eq!(shown("tcp:0.0.0.0:9"), "tcp 0.0.0.0:9");
        assert_eq!(shown("unix:run/a b"), "unix run/a b");
        let long = format!("unix:{}", "x".repeat(SOCKET_PATH_BYTES + 1));
        for text in [
            "",
            "8080",
            ":8080",
            "localhost",
            "localhost:",
            "::1:80",
            "a:65536",
            "a:-1",
            "http://a:80",
            "a:80/",
            "tcp:",
            "tcp:9",
            "unix:",
            "*:80",
            &long,
        ] {
            assert_eq!(shown(text), "wrong", "{text:?}");
        }
    }

    #[test]
    fn an_allowed_origin_has_one_spelling() {
        assert_eq!(AllowOrigin::parse("*"), Ok(AllowOrigin::Any));
        assert_eq!(
            AllowOrigin::parse("HTTPS://A.example:443/"),
            AllowOrigin::parse("https://a.example")
        );
        for text in [
            "",
            "null",
            "a.example",
            "https://a/b",
            "https://*.a",
            "https://a b",
        ] {
            let parsed = AllowOrigin::parse(text);
            assert!(parsed.is_err(), "{text:?} {parsed:?}");
        }
    }

    #[test]
    fn an_allowed_host_has_no_port() {
        assert_eq!(allow_host("Logs.Example."), Ok("logs.example".to_owned()));
        for text in ["", "logs:80", "http://logs", "a/b", "*", "*.logs"] {
            assert!(allow_host(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_base_path_is_normalised() {
        let base = |text| BasePath::parse(text).map(|base| base.as_str().to_owned());
        assert_eq!(base("/"), Ok(String::new()));
        for text in ["logs/a", "/logs/a", "/logs/a/", "logs/a/"] {
            assert_eq!(base(text), Ok("/logs/a".to_owned()));
        }
        for text in [
            "", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/a;b", "/%41", "/é",
        ] {
            assert!(base(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_what_is_under_the_base_path_is_ours() {
        let base = BasePath::parse("/logs").expect("a path");
        assert_eq!(base.strip("/logs/ws"), Some("/ws"));
        assert_eq!(base.strip("/logs"), Some(""));
        assert_eq!(base.strip("/logsx"), None);
        assert_eq!(base.strip("/ws"), None);
        assert_eq!(BasePath::default().strip("/ws"), Some("/ws"));
    }
}
