//! Why a broker is of no use to us just now, in words for the log.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::escape::shown;
use crate::outward::Unreached;

use super::packet::Version;

/// What keeps us from publishing or subscribing. Each is tried again, after a while.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The password's file can't be read.
    Password(String),
    /// It can't be reached.
    Unreached(Unreached),
    /// The broker says nothing.
    Silent(&'static str, Duration),
    /// It ended the connection without a word to the greeting.
    Unwelcome(Version),
    /// It does not speak this version.
    Version(Version),
    /// It refuses us.
    Refused(String),
    /// It refuses a message.
    NotTaken(String),
    /// It does not let us subscribe to this filter.
    NotGranted(String, String),
    /// It ended the connection, and says why.
    Dismissed(String),
    /// The connection has ended.
    Ended,
    /// It ended the connection with the first message to this topic.
    EndedAt(String),
    /// The connection is broken.
    Broken(io::Error),
    /// It speaks something else.
    Nonsense,
    /// It can't do what is needed.
    Lacks(&'static str),
    /// Not the broker: the files can't be read.
    Files(io::Error),
    /// Not the broker: what it sends can't be kept.
    Spool(io::Error),
}

impl Trouble {
    /// Somebody must do something about it: it is not just a broker that is away.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Trouble::Password(_)
            | Trouble::Version(_)
            | Trouble::Refused(_)
            | Trouble::NotTaken(_)
            | Trouble::NotGranted(..)
            | Trouble::Nonsense
            | Trouble::Lacks(_)
            | Trouble::Files(_)
            | Trouble::Spool(_) => true,
            Trouble::Unreached(Unreached::Tls(_)) => true,
            Trouble::Unreached(_)
            | Trouble::Silent(..)
            | Trouble::Unwelcome(_)
            | Trouble::Dismissed(_)
            | Trouble::Ended
            | Trouble::EndedAt(_)
            | Trouble::Broken(_) => false,
        }
    }

    /// An older version of MQTT may do.
    pub(crate) fn is_of_version(&self) -> bool {
        matches!(
            self,
            Trouble::Version(Version::Five) | Trouble::Unwelcome(Version::Five)
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Password(line) => f.write_str(line),
            Trouble::Unreached(why) => why.fmt(f),
            Trouble::Silent(what, wait) => {
                write!(f, "it accepts, but {what} within {} s", wait.as_secs())
            }
            Trouble::Unwelcome(version) => {
                write!(f, "it ended the connection without an answer to {version}")
            }
            Trouble::Version(version) => write!(f, "it does not speak {version}"),
            Trouble::Refused(why) => write!(f, "it refuses the connection: {why}"),
            Trouble::NotTaken(why) => write!(f, "it refuses a message: {why}"),
            Trouble::NotGranted(filter, why) => {
                write!(f, "it does not let us subscribe to {filter}: {why}")
            }
            Trouble::Dismissed(why) => write!(f, "it ended the connection: {why}"),
            Trouble::Ended => f.write_str("it ended the connection"),
            Trouble::EndedAt(topic) => write!(
                f,
                "it ended the connection with the first message, to the topic \"{}\" (if it takes no such topic, \
                 --publish-escape CHARS escapes characters of it)",
                shown(topic.as_bytes())
            ),
            Trouble::Broken(error) => write!(f, "the connection is lost: {error}"),
            Trouble::Nonsense => f.write_str("what it says is no MQTT"),
            Trouble::Lacks(what) => write!(f, "it does not offer {what}, which is needed"),
            Trouble::Files(error) => write!(f, "the files can't be read: {error}"),
            Trouble::Spool(error) => write!(f, "make a spool: {error}"),
        }
    }
}

impl From<Unreached> for Trouble {
    fn from(why: Unreached) -> Trouble {
        Trouble::Unreached(why)
    }
}
