//! Connections that tailcast opens: to a broker, or to another tailcast. Addresses, TLS, a socket that never blocks, and
//! when to try again.
//!
//! A thread that waits here waits in one poll(2), for the socket, the next thing due, or its [`Bell`]: so a peer that
//! can't be reached never holds up a stop.

mod bell;

#[cfg_attr(not(feature = "tls"), path = "no_encryption.rs")]
mod encryption;

mod connection;

mod back_off;

mod reach;

use std::fmt;
use std::io;
use std::net::SocketAddr;

pub use back_off::BackOff;
pub use bell::Bell;
pub use connection::{Connection, Way, is_not_yet};
pub use reach::Reach;

/// Why a peer can't be reached. Each is tried again, after a while.
#[derive(Debug)]
pub enum Unreached {
    /// The host, in quotes, has no address.
    Host(String, io::Error),
    /// Nobody lets us connect there.
    Connect(SocketAddr, io::Error),
    /// The host has a name and no address at all.
    Nowhere,
    /// TLS does not come about.
    Tls(io::Error),
}

impl Unreached {
    /// What an error of a read or a write is, where it is one of TLS: something to be mended, and no lost connection.
    pub fn of_tls(error: io::Error) -> Result<Unreached, io::Error> {
        match error.kind() {
            io::ErrorKind::InvalidData => Ok(Unreached::Tls(error)),
            _ => Err(error),
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreached::Host(host, error) => write!(f, "the host {host} is unknown: {error}"),
            Unreached::Connect(address, error) => write!(f, "connect to {address}: {error}"),
            Unreached::Nowhere => f.write_str("the host has no address"),
            Unreached::Tls(error) => {
                write!(f, "TLS with it fails: {error}{}", encryption::hint(error))
            }
        }
    }
}
