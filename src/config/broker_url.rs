//! The URL of a broker as a FILE: `mqtt://[USER@]HOST[:PORT]/FILTER`, what tailcasts publish there.

use std::fmt;

use super::value::{HostPort, Right};

/// Where a broker listens, and which of its topics are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// By TLS (`mqtts`).
    pub tls: bool,
    /// Who logs in, where that is said here.
    pub user: Option<String>,
    /// Where it listens.
    pub at: HostPort,
    /// Which topics, with `+` and `#`.
    pub filter: String,
}

/// What every URL of a broker has: whether it is by TLS, who logs in, where it listens, and what is behind that.
pub(super) fn parts(text: &str) -> Option<(bool, Option<&str>, HostPort, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    // The ports of MQTT and of MQTT over TLS (IANA).
    let (tls, port) = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        _ => return None,
    };
    let (authority, rest) = rest.split_once('/')?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    Some((tls, user, HostPort::with_default(host, port)?, rest))
}

impl BrokerUrl {
    /// Reads one. The filter stands there as it is, for a `#` is part of it. A password is refused: everybody on this
    /// machine can read a command line.
    pub fn parse(text: &str) -> Result<Self, Right> {
        const RIGHT: Right =
            "mqtt://[USER@]HOST[:PORT]/FILTER, or mqtts://, with a FILTER as site/#";
        let (tls, user, at, filter) = parts(text).ok_or(RIGHT)?;
        if user.is_some_and(|user| user.contains(':')) {
            return Err(
                "mqtt://USER@HOST/FILTER without a password, which everybody on this machine could read: put a line \
                 \"HOST USER:PASSWORD\" into the file of --credentials-file",
            );
        }
        if user == Some("") || !is_filter(filter) {
            return Err(RIGHT);
        }
        Ok(Self {
            tls,
            user: user.map(str::to_owned),
            at,
            filter: filter.to_owned(),
        })
    }
}

/// As MQTT has it (MQTT 5, section 4.7.1): a `#` is the last level, and `+` and `#` are levels of their own.
fn is_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let is_level = |(n, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => n + 1 == levels.len(),
        level => !level.contains(['+', '#']),
    };
    !filter.is_empty()
        && filter.len() <= usize::from(u16::MAX)
        && !filter.contains(char::is_control)
        && levels.iter().enumerate().all(is_level)
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        let user = self
            .user
            .as_ref()
            .map_or(String::new(), |user| format!("{user}@"));
        write!(f, "{scheme}://{user}{}/{}", self.at, self.filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_a_filter() {
        let shown = |text: &str| BrokerUrl::parse(text).map(|url| url.to_string());
        assert_eq!(
            shown("mqtt://h/site/#").as_deref(),
            Ok("mqtt://h:1883/site/#")
        );
        assert_eq!(shown("MQTTS://u@h:7/#").as_deref(), Ok("mqtts://u@h:7/#"));
        assert_eq!(
            shown("mqtts://[::1]/a/+/b").as_deref(),
            Ok("mqtts://[::1]:8883/a/+/b")
        );
        for text in [
            "mqtt://h",
            "mqtt://h/",
            "mqtt:///a",
            "mqtt://h/a#",
            "mqtt://h/#/a",
            "mqtt://h/a+",
            "mqtt://@h/a",
            "mqtt://u:p@h/a",
            "mqtt://h:x/a",
        ] {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
