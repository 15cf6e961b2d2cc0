//! Owns the settings of publishing: which brokers, in what form, and where the places are kept.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::path;
use super::broker_url;
use super::value::{Format, HostPort, Right};
use crate::limits::TOPIC_PREFIX_BYTES;
use crate::percent::{self, Plus};

/// What is published, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publishing {
    /// The brokers, at least one, none twice.
    pub brokers: Vec<Broker>,
    /// Where the password of their users is.
    pub password_file: Option<PathBuf>,
    /// What a message holds.
    pub format: Format,
    /// Further characters that are escaped in topics.
    pub escape: String,
    /// A file that was never published begins with its first byte, not at the live edge.
    pub from_start: bool,
    /// Where it is kept how far each file is published.
    pub state_dir: PathBuf,
}

/// Where a broker is, and below which topic it is published to. [`fmt::Display`] writes it without its user, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// By TLS (`mqtts`).
    pub tls: bool,
    /// Who logs in, where anybody does.
    pub user: Option<String>,
    /// Where it listens.
    pub at: HostPort,
    /// What all topics begin with; no slash at either end.
    pub prefix: String,
    /// A password was written into the URL, where everybody on the machine can read it.
    shows_password: bool,
}

/// The options.
#[derive(Debug, Args)]
pub(super) struct PublishingArguments {
    /// Publish to a broker: mqtt://[USER@]HOST[:PORT]/PREFIX; repeatable
    #[arg(long, value_name = "URL", value_parser = Broker::parse)]
    publish: Vec<Broker>,

    /// File with the password for the brokers
    #[arg(long, value_name = "PATH", value_parser = path())]
    publish_password_file: Option<PathBuf>,

    /// What a message holds: text or json (a line), or batch (what came together)
    #[arg(long, value_name = "FORMAT", default_value = "batch", value_parser = Format::parse)]
    publish_format: Format,

    /// Publish also what a file holds already when it is published for the first time
    #[arg(long)]
    publish_from_start: bool,

    /// Further characters that are percent-escaped in topics, for brokers that refuse them
    #[arg(long, value_name = "CHARS", value_parser = characters, default_value = "", hide_default_value = true)]
    publish_escape: String,
}

impl PublishingArguments {
    /// The settings, where anything is to be published.
    pub(super) fn check(self, state_dir: Option<&Path>) -> Result<Option<Publishing>, String> {
        let brokers = self.publish;
        for (n, broker) in brokers.iter().enumerate() {
            if broker.shows_password {
                return Err(format!(
                    "--publish {broker}: a password in the URL can be read by everybody on this machine; put it into a \
                     file, and give that as --publish-password-file PATH"
                ));
            }
            if broker.tls && !cfg!(feature = "tls") {
                return Err(format!(
                    "--publish {broker}: this build has no TLS: it must be mqtt://"
                ));
            }
            if brokers[..n].iter().any(|other| other.is_same(broker)) {
                return Err(format!(
                    "--publish {broker} is given twice: each broker and prefix must be given once"
                ));
            }
        }
        if brokers.is_empty() {
            return Ok(None);
        }
        if self.publish_password_file.is_some()
            && brokers.iter().all(|broker| broker.user.is_none())
        {
            return Err(format!(
                "--publish-password-file is given, but no user: --publish must then be {}://USER@{}/{}",
                brokers[0].scheme(),
                brokers[0].at,
                brokers[0].prefix
            ));
        }
        let state_dir = state_dir.ok_or(
            "--publish needs a directory that outlives a restart, where it is kept how far each file is published: give \
             --state-dir PATH (in a systemd unit StateDirectory=tailcast)",
        )?;
        Ok(Some(Publishing {
            brokers,
            password_file: self.publish_password_file,
            format: self.publish_format,
            escape: self.publish_escape,
            from_start: self.publish_from_start,
            state_dir: state_dir.to_owned(),
        }))
    }
}

/// The characters of a name that are escaped, too. Letters and digits are refused: every broker takes them, and a word here
/// is a slip.
fn characters(text: &str) -> Result<String, Right> {
    let is_wrong = |c: char| c.is_control() || c.is_ascii_alphanumeric();
    match text.contains(is_wrong) {
        false => Ok(text.to_owned()),
        true => Err("characters as \". \", without letters, digits and control characters"),
    }
}

impl Broker {
    /// Reads `mqtt://[USER@]HOST[:PORT]/PREFIX`, or `mqtts://`.
    pub fn parse(text: &str) -> Result<Self, Right> {
        const RIGHT: Right = "mqtt://[USER@]HOST[:PORT]/PREFIX, or mqtts://";
        let (tls, user, at, prefix) = broker_url::parts(text).ok_or(RIGHT)?;
        let (user, password) = match user.and_then(|user| user.split_once(':')) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (user, None),
        };
        let user = match user {
            Some(user) => Some(decoded(user).filter(|user| !user.is_empty()).ok_or(RIGHT)?),
            None => None,
        };
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let prefix = decoded(prefix).ok_or(RIGHT)?;
        if prefix.contains(['+', '#']) || prefix.split('/').any(str::is_empty) {
            return Err("mqtt://HOST/PREFIX with a PREFIX as logs or site/logs, without + and #");
        }
        if prefix.len() > TOPIC_PREFIX_BYTES {
            return Err("mqtt://HOST/PREFIX with at most 64 bytes of PREFIX");
        }
        Ok(Self {
            tls,
            user,
            at,
            prefix,
            shows_password: password.is_some(),
        })
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "mqtts" } else { "mqtt" }
    }

    /// Whether both are the same topics of the same listener.
    fn is_same(&self, other: &Self) -> bool {
        (&self.at, &self.prefix) == (&other.at, &other.prefix)
    }
}

/// What a part of the URL stands for: text without control characters, which MQTT advises against (MQTT 5, 1.5.4).
fn decoded(part: &str) -> Option<String> {
    let bytes = percent::decode(part.as_bytes(), Plus::IsItself).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme(), self.at, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Broker::parse(text) {
            Ok(broker) => format!("{broker} {:?}", broker.user),
            Err(right) => right.to_owned(),
        }
    }

    #[test]
    fn a_broker_has_a_host_and_a_prefix_and_perhaps_a_user_and_a_port() {
        assert_eq!(shown("mqtt://h/logs"), "mqtt://h:1883/logs None");
        assert_eq!(shown("MQTTS://h/a/b/"), "mqtts://h:8883/a/b None");
        assert_eq!(
            shown("mqtt://me%40home@[::1]:7/a%20b"),
            "mqtt://[::1]:7/a b Some(\"me@home\")"
        );
    }

    #[test]
    fn what_is_no_broker_is_refused() {
        let broken = [
            "",
            "h",
            "mqtt:h/p",
            "http://h/p",
            "mqtt://h",
            "mqtt:///p",
            "mqtt://h:x/p",
            "mqtt://h:99999/p",
            "mqtt://@h/p",
            "mqtt://h/",
            "mqtt://h//p",
            "mqtt://h/p//q",
            "mqtt://h/p+",
            "mqtt://h/%23",
            "mqtt://h/%00",
            "mqtt://h/%f",
            "mqtt://h /p",
        ];
        for text in broken {
            assert!(Broker::parse(text).is_err(), "{text:?}");
        }
        let long = format!("mqtt://h/{}", "p".repeat(TOPIC_PREFIX_BYTES + 1));
        assert!(Broker::parse(&long).is_err());
    }
}
