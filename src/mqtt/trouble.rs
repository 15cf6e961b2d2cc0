//! Why a broker is of no use to us just now, in words for the log.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::escape::shown;
use crate::outward::Unreached;

use super::packet::Version;

/// What keeps us from publishing or subscribing. Each is tried again, after a while.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// The password's file can't be read.
    #[error("{0}")]
    Password(String),
    /// It can't be reached.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// The broker says nothing.
    #[error("it accepts, but {0} within {seconds} s", seconds = .1.as_secs())]
    Silent(&'static str, Duration),
    /// It ended the connection without a word to the greeting.
    #[error("it ended the connection without an answer to {0}")]
    Unwelcome(Version),
    /// It does not speak this version.
    #[error("it does not speak {0}")]
    Version(Version),
    /// It refuses us.
    #[error("it refuses the connection: {0}")]
    Refused(String),
    /// It refuses a message.
    #[error("it refuses a message: {0}")]
    NotTaken(String),
    /// It does not let us subscribe to this filter.
    #[error("it does not let us subscribe to {0}: {1}")]
    NotGranted(String, String),
    /// It ended the connection, and says why.
    #[error("it ended the connection: {0}")]
    Dismissed(String),
    /// The connection has ended.
    #[error("it ended the connection")]
    Ended,
    /// It ended the connection with the first message to this topic.
    #[error(
        "it ended the connection with the first message, to the topic \"{topic}\" (if it takes no such topic, \
         --publish-escape CHARS escapes characters of it)", topic = shown(.0.as_bytes())
    )]
    EndedAt(String),
    /// The connection is broken.
    #[error("the connection is lost: {0}")]
    Broken(io::Error),
    /// It speaks something else.
    #[error("what it says is no MQTT")]
    Nonsense,
    /// It can't do what is needed.
    #[error("it does not offer {0}, which is needed")]
    Lacks(&'static str),
    /// Not the broker: the files can't be read.
    #[error("the files can't be read: {0}")]
    Files(io::Error),
    /// Not the broker: what it sends can't be kept.
    #[error("make a spool: {0}")]
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
