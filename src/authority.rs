//! Owns the one spelling of web hosts: what `Host` fields, origins and their options are compared in.
//!
//! The same host can be written in many ways (case, a trailing dot, a default port, longer forms of an IPv6
//! address). Everything that decides by host parses into these types first and compares only them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host and perhaps a port: lower case, without a trailing dot, IPv6 addresses in brackets and in their
/// shortest form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// A registered name, an IPv4 address, or an IPv6 address in brackets. Never empty.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `HOST` or `HOST:PORT` (RFC 3986, section 3.2, without user information).
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']')? + 1;
            (&text[..end], &text[end..])
        } else {
            text.split_at(text.find(':').unwrap_or(text.len()))
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return None,
            Some("") => None,
            // `parse` alone would accept a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Self {
            host: host_name(host)?,
            port,
        })
    }

    /// Whether the host is an address and not a name: no name server can be made to lie about it.
    pub fn is_ip_literal(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A host without a port, in its one spelling.
pub fn host_name(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    // RFC 3986, section 3.2.2: unreserved, sub-delims, and the sign of a percent encoding.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let is_name = name.split('.').all(|label| !label.is_empty()) && name.bytes().all(allowed);
    is_name.then(|| name.to_ascii_lowercase())
}

/// A web origin (RFC 6454): a scheme and an authority, a default port dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Lower case: `https`.
    pub scheme: String,
    /// Its port is `None` where it is the scheme's own.
    pub authority: Authority,
}

impl Origin {
    /// Reads `SCHEME://HOST[:PORT]`, and nothing after it.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let first_is_letter = scheme.bytes().next()?.is_ascii_alphabetic();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !first_is_letter || !scheme.bytes().all(allowed) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let mut authority = Authority::parse(authority)?;
        if authority.port == default_port(&scheme) {
            authority.port = None;
        }
        Some(Self { scheme, authority })
    }

    /// Whether a page of this origin came from the server that is asked as `host`. The scheme is not
    /// compared, since a proxy may have ended TLS; only with it can a default port be told, though.
    pub fn is_of(&self, host: &Authority) -> bool {
        let same_port = match host.port {
            None => self.authority.port.is_none(),
            port => port == self.authority.port.or(default_port(&self.scheme)),
        };
        same_port && self.authority.host == host.host
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spelled(text: &str) -> Option<String> {
        Authority::parse(text).map(|authority| authority.to_string())
    }

    #[test]
    fn every_spelling_of_a_host_becomes_one() {
        assert_eq!(
            spelled("LocalHost.:8080").as_deref(),
            Some("localhost:8080")
        );
        assert_eq!(spelled("localhost").as_deref(), Some("localhost"));
        assert_eq!(spelled("localhost:").as_deref(), Some("localhost"));
        assert_eq!(spelled("[0:0:0::1]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(spelled("127.0.0.1:1").as_deref(), Some("127.0.0.1:1"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let broken = [
            "", ":80", ".", "a b", "a:b", "a:+1", "a:65536", "::1", "[::1", "[::1]x", "[x]", "u@h",
            "a/b", "é", "E..", "a..b", ".a",
        ];
        for text in broken {
            assert_eq!(spelled(text), None, "{text:?}");
        }
    }

    #[test]
    fn addresses_are_told_from_names() {
        let is_literal = |text| Authority::parse(text).expect("a host").is_ip_literal();
        assert!(is_literal("127.0.0.1.:80") && is_literal("[::1]"));
        assert!(!is_literal("localhost") && !is_literal("127.1") && !is_literal("0x7f.0.0.1"));
    }

    #[test]
    fn an_origin_is_of_its_own_server_and_of_no_other() {
        let is_of = |origin, host| {
            Origin::parse(origin)
                .expect("an origin")
                .is_of(&Authority::parse(host).expect("a host"))
        };
        assert!(is_of("http://logs:8080", "LOGS.:8080"));
        assert!(is_of("https://logs", "logs"));
        assert!(is_of("https://logs", "logs:443"));
        assert!(is_of("https://logs:443", "logs"));
        assert!(is_of("http://logs", "logs:80"));
        assert!(is_of("http://[::1]:8080", "[0::1]:8080"));
        assert!(!is_of("http://logs:8081", "logs:8080"));
        assert!(!is_of("http://logs", "logs:8080"));
        assert!(!is_of("http://logs:8080", "logs"));
        assert!(!is_of("http://logs.evil.example", "logs"));
    }

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        for text in [
            "null",
            "logs",
            "//logs",
            "http://",
            "http://logs/",
            "1http://logs",
            "http://u@logs",
        ] {
            assert_eq!(Origin::parse(text), None, "{text:?}");
        }
        assert_eq!(
            Origin::parse("HTTPS://Logs:443")
                .map(|o| o.to_string())
                .as_deref(),
            Some("https://logs")
        );
    }

    proptest! {
        #[test]
        fn one_spelling_stays_as_it_is(text in "\\PC{0,30}") {
            if let Some(authority) = Authority::parse(&text) {
                prop_assert_eq!(Authority::parse(&authority.to_string()), Some(authority));
            }
        }
    }
}
