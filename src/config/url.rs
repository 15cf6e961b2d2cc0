//! The URL of another tailcast, as a FILE or behind `tailcast cat`.

use std::fmt;

use super::value::HostPort;
use crate::percent::{self, Plus};

/// Where another tailcast answers, and what is asked of it. [`fmt::Display`] writes it without its query, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// By TLS (`https`).
    pub tls: bool,
    /// Where it listens.
    pub at: HostPort,
    /// Its base path: begins and ends with `/`.
    pub base_path: String,
    /// The parameters, decoded, in their order.
    pub query: Vec<(String, String)>,
}

/// What is wrong with a URL.
pub type Wrong = String;

/// The endpoints that stand at the end of a URL that was copied from elsewhere.
const ENDPOINTS: [&str; 4] = ["ws", "events", "stream", "files"];

impl HttpUrl {
    /// Reads `http://HOST[:PORT]/[PATH/][?QUERY]`, or `https://`. A `token=` is refused: everybody on this machine can
    /// read a command line.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let right = || "http://HOST[:PORT]/PATH/, or https://".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(right)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(right()),
        };
        if rest.contains('#') {
            return Err("a URL without #, which only a browser knows".to_owned());
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        if authority.contains('@') {
            return Err(
                "a URL without a user: what the host asks for belongs into the credentials file"
                    .to_owned(),
            );
        }
        let at = HostPort::with_default(authority, if tls { 443 } else { 80 }).ok_or_else(right)?;
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if !path.bytes().all(allowed) || !query.bytes().all(allowed) {
            return Err(
                "a URL whose other characters are percent-encoded (a space as %20)".to_owned(),
            );
        }
        Ok(Self {
            tls,
            at,
            base_path: base_path(path),
            query: parameters(query)?,
        })
    }

    /// The value of the `Host` field: the port is left out where it is the scheme's own.
    pub fn host(&self) -> String {
        match (self.tls, self.at.port) {
            (false, 80) | (true, 443) => self.at.host.clone(),
            _ => self.at.to_string(),
        }
    }
}

fn base_path(path: &str) -> String {
    let path = path.trim_matches('/');
    let base = match path.rsplit_once('/') {
        Some((base, end)) if ENDPOINTS.contains(&end) => base,
        None if ENDPOINTS.contains(&path) => "",
        _ => path,
    };
    match base {
        "" => "/".to_owned(),
        base => format!("/{base}/"),
    }
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, Wrong> {
    let decode = |part: &str, plus| {
        let bytes = percent::decode(part.as_bytes(), plus).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| format!("a URL whose \"{part}\" is percent-encoded UTF-8"))
    };
    let mut parameters = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = decode(name, Plus::IsSpace)?;
        if name == "token" {
            return Err(
                "a URL without token=, which everybody on this machine could read: put a line \"HOST TOKEN\" into the \
                 file of --credentials-file"
                    .to_owned(),
            );
        }
        parameters.push((name, decode(value, Plus::IsSpace)?));
    }
    Ok(parameters)
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host(), self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match HttpUrl::parse(text) {
            Ok(url) => format!("{url} {:?}", url.query),
            Err(wrong) => wrong,
        }
    }

    #[test]
    fn a_url_has_a_host_a_base_path_and_parameters() {
        assert_eq!(shown("http://h"), "http://h/ []");
        assert_eq!(shown("HTTPS://h:443/logs"), "https://h/logs/ []");
        assert_eq!(shown("http://[::1]:8080/a/b/"), "http://[::1]:8080/a/b/ []");
        assert_eq!(
            shown("http://h/stream?file=a%20b+c&lines=3&x"),
            "http://h/ [(\"file\", \"a b c\"), (\"lines\", \"3\"), (\"x\", \"\")]"
        );
        assert_eq!(shown("http://h/logs/ws"), "http://h/logs/ []");
    }

    #[test]
    fn a_url_that_shows_a_secret_or_is_none_is_refused() {
        for text in [
            "http://u@h/",
            "http://h/?token=x",
            "http://h/?lines=1&%74oken=x",
        ] {
            assert!(
                shown(text).contains("credentials"),
                "{text}: {}",
                shown(text)
            );
        }
        for text in [
            "",
            "h",
            "ftp://h/",
            "http://",
            "http://h:x/",
            "http://h/a b",
            "http://h/?a=%ff",
            "http://h/#x",
        ] {
            assert!(HttpUrl::parse(text).is_err(), "{text}");
        }
    }
}
