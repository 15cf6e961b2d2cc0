//! What stands for TLS in a build without it: nothing can be made, so nothing can be called.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;

use crate::error::StartError;

use super::Unreached;

/// There is none.
#[derive(Clone, Debug)]
pub struct Trust(Infallible);

/// There is none.
#[derive(Debug)]
pub struct Tls(Infallible);

impl Trust {
    /// Fails: this build has no TLS.
    pub fn of_machine() -> Result<Trust, StartError> {
        Err(StartError::failed("use TLS", "this build has none"))
    }

    /// Can't be called: there is no [`Trust`].
    pub fn begin(&self, _: &str) -> Result<Tls, Unreached> {
        match self.0 {}
    }
}

impl Tls {
    /// Can't be called: there is no [`Tls`].
    pub fn read(&mut self, _: &TcpStream, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Can't be called: there is no [`Tls`].
    pub fn write(&mut self, _: &TcpStream, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Can't be called: there is no [`Tls`].
    pub fn flush(&mut self, _: &TcpStream) -> io::Result<bool> {
        match self.0 {}
    }

    /// Can't be called: there is no [`Tls`].
    pub fn ends(&mut self) {
        match self.0 {}
    }
}
