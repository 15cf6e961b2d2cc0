//! TLS to a peer that we connect to, checked against whom the machine trusts: the authorities in /etc/ssl, or in the files that
//! SSL_CERT_FILE and SSL_CERT_DIR name.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};

use crate::error::StartError;
use crate::limits::TLS_BUFFER_BYTES;
use crate::tls::{push, read};

use super::Unreached;

/// Whom the machine trusts.
#[derive(Clone, Debug)]
pub(super) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Reads the certificates of the authorities, once: all that connect share them.
    pub(super) fn of_machine() -> Result<Trust, StartError> {
        static READ: OnceLock<Trust> = OnceLock::new();
        if let Some(trust) = READ.get() {
            return Ok(trust.clone());
        }
        let trust = Trust::read()?;
        Ok(READ.get_or_init(|| trust).clone())
    }

    fn read() -> Result<Trust, StartError> {
        let deed = "find the authorities that certificates are checked against (package ca-certificates, or \
                    SSL_CERT_FILE)";
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (good, _) = roots.add_parsable_certificates(found.certs);
        if good == 0 {
            let cause = found.errors.first();
            let cause = cause.map_or_else(|| "there are none".to_owned(), ToString::to_string);
            return Err(StartError::failed(deed, cause));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| StartError::failed("use TLS", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust(Arc::new(config)))
    }

    /// The beginning of a connection to `host`, a name or an address.
    pub(super) fn begin(&self, host: &str) -> Result<Tls, Unreached> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| Unreached::Tls(io::Error::other(error)))?;
        let connection = ClientConnection::new(Arc::clone(&self.0), name);
        let mut connection = connection.map_err(|error| Unreached::Tls(io::Error::other(error)))?;
        connection.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        Ok(Tls(Box::new(connection)))
    }
}

/// What can be done about a connection that failed so, in brackets; nothing where nobody knows.
pub(super) fn hint(error: &io::Error) -> &'static str {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    match error {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => {
            " (no authority that this machine trusts has signed its certificate: SSL_CERT_FILE=PATH names others)"
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            " (its certificate is an authority's own: openssl makes one for a server with -addext \
             basicConstraints=critical,CA:FALSE)"
        }
        Some(rustls::Error::InvalidMessage(_)) => " (it seems to speak no TLS: is it http://?)",
        _ => "",
    }
}

/// One connection's TLS.
#[derive(Debug)]
pub(super) struct Tls(Box<ClientConnection>);

impl Tls {
    /// What the peer has said, in plain; 0 at its end. Never blocks.
    pub(super) fn read(&mut self, tcp: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        read(&mut self.0, tcp, buf)
    }

    /// Nothing is accepted while anything is left, so that "would block" means what it means of a plain socket.
    pub(super) fn write(&mut self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        if !push(&mut self.0, tcp)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.0.writer().write(bytes)?;
        push(&mut self.0, tcp)?;
        if n == 0 {
            // In the handshake, and what is to be said after it fills the buffer.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(n)
    }

    /// Hands what is encrypted to the kernel; whether the kernel has all of it.
    pub(super) fn flush(&mut self, tcp: &TcpStream) -> io::Result<bool> {
        push(&mut self.0, tcp)
    }

    /// Nothing more is written.
    pub(super) fn ends(&mut self) {
        self.0.send_close_notify();
    }
}
