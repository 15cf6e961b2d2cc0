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

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

pub use bell::Bell;
pub use connection::{Connection, Way, is_not_yet};
pub use reach::Reach;

/// Why a peer can't be reached. Each is tried again, after a while.
#[derive(Debug, Error)]
pub enum Unreached {
    /// The host, in quotes, has no address.
    #[error("the host {0} is unknown: {1}")]
    Host(String, io::Error),
    /// Nobody lets us connect there.
    #[error("connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// The host has a name and no address at all.
    #[error("the host has no address")]
    Nowhere,
    /// TLS does not come about.
    #[error("TLS with it fails: {0}{hint}", hint = encryption::hint(.0))]
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
