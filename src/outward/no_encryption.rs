//! What stands for TLS in a build without it: nothing can be made, so nothing can be called.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;

use crate::error::StartError;

use super::Unreached;

/// There is none.
#[derive(Clone, Debug)]
pub(super) struct Trust(Infallible);

/// There is none.
#[derive(Debug)]
pub(super) struct Tls(Infallible);

impl Trust {
    /// Fails: this build has no TLS.
    pub(super) fn of_machine() -> Result<Trust, StartError> {
        Err(StartError::failed("use TLS", "this build has none"))
    }

    /// Can't be called: there is no [`Trust`].
    pub(super) fn begin(&self, _: &str) -> Result<Tls, Unreached> {
        match self.0 {}
    }
}

/// There is none.
pub(super) fn hint(_: &io::Error) -> &'static str {
    ""
}

impl Tls {
    /// Can't be called: there is no [`Tls`].
    pub(super) fn read(&mut self, _: &TcpStream, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Can't be called: there is no [`Tls`].
    pub(super) fn write(&mut self, _: &TcpStream, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Can't be called: there is no [`Tls`].
    pub(super) fn flush(&mut self, _: &TcpStream) -> io::Result<bool> {
        match self.0 {}
    }

    /// Can't be called: there is no [`Tls`].
    pub(super) fn ends(&mut self) {
        match self.0 {}
    }
}
