//! Why a stream of another tailcast does not come about, or ends, in words for the log.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::outward::Unreached;

/// Why a stream of another tailcast does not come about, or ends.
#[derive(Debug, Error)]
pub enum Trouble {
    /// It can't be reached.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// It refuses, with this status and this line.
    #[error("{line}", line = refused(*.0, .1))]
    Refused(u16, String),
    /// It sends us to another place, which is not followed: a secret would go along.
    #[error("it redirects to {0}, which is not followed: give that URL")]
    Redirected(String),
    /// What it says is nothing that a tailcast says.
    #[error("it doesn't answer as a tailcast does: {0}")]
    Nonsense(String),
    /// It has said nothing for so long.
    #[error("it has said nothing for {seconds} s", seconds = .0.as_secs())]
    Silent(Duration),
    /// The connection has ended, or it closed it with this reason.
    #[error("it ended the connection{0}")]
    Ended(String),
    /// The connection is broken.
    #[error("the connection is lost: {0}")]
    Broken(#[from] io::Error),
    /// Not the other: what it says can't be written on.
    #[error("what it says can't be written on: {0}")]
    Output(io::Error),
    /// We are to come to our end.
    #[error("stopped")]
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

/// How a refusal is told, where it comes from a token that is missing or wrong with what to do about it.
fn refused(status: u16, line: &str) -> String {
    match (status, line) {
        (401, line) => format!(
            "it refuses with 401: {line} (here a line HOST[:PORT] TOKEN in --credentials-file)"
        ),
        (status, "") => format!("it refuses with {status}"),
        (status, line) => format!("it refuses with {status}: {line}"),
    }
}
