//! Why a stream of another tailcast does not come about, or ends, in words for the log.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::outward::Unreached;

/// Why a stream of another tailcast does not come about, or ends.
#[derive(Debug)]
pub enum Trouble {
    /// It can't be reached.
    Unreached(Unreached),
    /// It refuses, with this status and this line.
    Refused(u16, String),
    /// It sends us to another place, which is not followed: a secret would go along.
    Redirected(String),
    /// What it says is nothing that a tailcast says.
    Nonsense(String),
    /// It has said nothing for so long.
    Silent(Duration),
    /// The connection has ended, or it closed it with this reason.
    Ended(String),
    /// The connection is broken.
    Broken(io::Error),
    /// Not the other: what it says can't be written on.
    Output(io::Error),
    /// We are to come to our end.
    Stopped,
}

impl Trouble {
    /// Trying again changes nothing: somebody must do something about it.
    pub fn is_refusal(&self) -> bool {
        match self {
            // Too many clients, a request that took too long, too many requests: later it may go.
            Trouble::Refused(status, _) => *status < 500 && ![408, 429].contains(status),
            Trouble::Redirected(_) | Trouble::Nonsense(_) => true,
            Trouble::Unreached(Unreached::Tls(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unreached(why) => why.fmt(f),
            Trouble::Refused(401, line) => write!(
                f,
                "it refuses with 401: {line} (here a line HOST[:PORT] TOKEN in --credentials-file)"
            ),
            Trouble::Refused(status, line) if line.is_empty() => {
                write!(f, "it refuses with {status}")
            }
            Trouble::Refused(status, line) => write!(f, "it refuses with {status}: {line}"),
            Trouble::Redirected(place) => {
                write!(
                    f,
                    "it redirects to {place}, which is not followed: give that URL"
                )
            }
            Trouble::Nonsense(what) => write!(f, "it doesn't answer as a tailcast does: {what}"),
            Trouble::Silent(wait) => write!(f, "it has said nothing for {} s", wait.as_secs()),
            Trouble::Ended(why) => write!(f, "it ended the connection{why}"),
            Trouble::Broken(error) => write!(f, "the connection is lost: {error}"),
            Trouble::Output(error) => write!(f, "what it says can't be written on: {error}"),
            Trouble::Stopped => f.write_str("stopped"),
        }
    }
}

impl From<Unreached> for Trouble {
    fn from(why: Unreached) -> Trouble {
        Trouble::Unreached(why)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Broken(error)
    }
}
