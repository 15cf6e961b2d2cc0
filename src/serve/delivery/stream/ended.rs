//! Why a stream ended.

use std::fmt;

use tungstenite::Error;
use tungstenite::protocol::frame::coding::CloseCode;

/// Why a stream ended. None of these is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All that was asked for is sent.
    Complete,
    /// The peer has left, or is broken.
    PeerLeft,
    /// The peer has sent a close frame, and has its answer.
    PeerClosed,
    /// The peer neither answers nor takes anything.
    Silent,
    /// The daemon stops.
    Stopping,
    /// Its token was withdrawn.
    Withdrawn,
    /// The peer broke the protocol: to be closed with this code.
    Refused(CloseCode, &'static str),
}

/// As the log says it of a client.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Complete => f.write_str("it has all that it asked for"),
            Ended::PeerLeft => f.write_str("it has left"),
            Ended::PeerClosed => f.write_str("it has closed the connection"),
            Ended::Silent => f.write_str("it has been silent for two ping intervals"),
            Ended::Stopping => f.write_str("tailcast stops"),
            Ended::Withdrawn => f.write_str("its token was withdrawn"),
            Ended::Refused(_, why) => write!(f, "it broke the protocol: {why}"),
        }
    }
}

impl Ended {
    /// Why it ends where the peer's words can't be read.
    pub(super) fn by(error: &Error) -> Ended {
        match error {
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Ended::PeerLeft
            }
            Error::Protocol(_) => Ended::Refused(CloseCode::Protocol, "protocol error"),
            Error::Utf8(_) => Ended::Refused(CloseCode::Invalid, "text is not UTF-8"),
            Error::Capacity(_) => Ended::Refused(CloseCode::Size, "message over 4 KiB"),
            Error::ConnectionClosed | Error::AlreadyClosed => Ended::PeerClosed,
            _ => Ended::PeerLeft,
        }
    }
}
