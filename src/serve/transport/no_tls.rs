//! What stands in for TLS in a build without it: no certificate can be opened, so the rest is never called, which the
//! types without values say.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use crate::error::StartError;

/// No certificate.
#[derive(Debug)]
pub struct Certificate(Infallible);

impl Certificate {
    /// Says that this build can't.
    pub fn open(_: &Path, _: &Path) -> Result<Self, StartError> {
        Err(StartError::Usage(
            "--tls-cert can't be used: this tailcast was built without TLS (cargo build --features tls); a reverse \
             proxy can serve https for it"
                .to_owned(),
        ))
    }

    /// Never.
    pub fn refresh(&self) {
        match self.0 {}
    }
}

/// No connection.
#[derive(Debug)]
pub struct TlsStream(Infallible);

#[expect(missing_docs, reason = "none of them can be called")]
impl TlsStream {
    pub fn new(_: TcpStream, certificate: &Certificate) -> Self {
        match certificate.0 {}
    }

    pub fn tcp(&self) -> &TcpStream {
        match self.0 {}
    }

    pub fn is_clear(&self) -> bool {
        match self.0 {}
    }

    pub fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn write_vectored(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn flush(&self) -> io::Result<bool> {
        match self.0 {}
    }

    pub fn has_unread(&self) -> bool {
        match self.0 {}
    }

    pub fn close_notify(&self) {
        match self.0 {}
    }

    pub fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        match self.0 {}
    }
}
