//! A TCP connection to a TLS listener, read and written as if it carried the bytes themselves. Never blocks.
//!
//! rustls encrypts into a buffer of its own, so bytes can be accepted that the kernel has not taken yet. That buffer is
//! small, and nothing is accepted while anything is left in it: so "would block" means what it means of a plain
//! socket (the kernel is full, and will say when it is not), and what counts as written is never further from the
//! kernel than one buffer. Who has written all must see [`TlsStream::flush`] through before it rests.
//!
//! The lock is held for calls that don't block. Whoever writes does not even wait for it: it is taken while the
//! client's own thread reads, and that thread writes next.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection};

use crate::limits::TLS_BUFFER_BYTES;
use crate::tls::{push, read};

use super::Certificate;

/// A TCP connection that speaks TLS.
pub struct TlsStream {
    tcp: TcpStream,
    session: Mutex<Session>,
}

enum Session {
    /// Nothing has come yet, so nothing is made for it yet.
    New(Arc<ServerConfig>),
    /// The peer speaks TLS.
    Encrypted(Box<ServerConnection>),
    /// The peer does not: it is told so, in the clear.
    Clear,
}

/// What the first byte of a TLS client is: the content type "handshake" (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

impl TlsStream {
    /// A connection that was just accepted.
    pub fn new(tcp: TcpStream, certificate: &Certificate) -> Self {
        Self {
            tcp,
            session: Mutex::new(Session::New(certificate.config())),
        }
    }

    /// What it runs over.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// The peer's first byte was none of TLS: what is read and written is in the clear.
    pub fn is_clear(&self) -> bool {
        matches!(*self.session.lock(), Session::Clear)
    }

    /// Reads what is there now; the handshake is a part of the first reads. An end without TLS's own is an end as well:
    /// many clients just leave.
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.lock();
        if let Session::New(config) = &*session {
            let mut first = [0];
            if self.tcp.peek(&mut first)? == 0 {
                return Ok(0);
            }
            *session = if first[0] == HANDSHAKE {
                let mut tls =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                tls.set_buffer_limit(Some(TLS_BUFFER_BYTES));
                Session::Encrypted(Box::new(tls))
            } else {
                Session::Clear
            };
        }
        match &mut *session {
            Session::Encrypted(tls) => read(tls, &self.tcp, buf),
            Session::New(_) | Session::Clear => (&self.tcp).read(buf),
        }
    }

    /// Writes what the kernel takes now, and a little more.
    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(mut session) = self.session.try_lock() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        match &mut *session {
            Session::Encrypted(tls) => {
                if !push(tls, &self.tcp)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let n = tls.writer().write_vectored(slices)?;
                push(tls, &self.tcp)?;
                Ok(n)
            }
            Session::Clear => (&self.tcp).write_vectored(slices),
            // Nobody is answered before it has said anything.
            Session::New(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Hands what was written to the kernel; whether the kernel has all of it.
    pub fn flush(&self) -> io::Result<bool> {
        match self.session.try_lock().as_deref_mut() {
            Some(Session::Encrypted(tls)) => push(tls, &self.tcp),
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }

    /// A read would give something, or the end, though the kernel may have nothing more: it is decrypted already, and
    /// no poll tells of it.
    pub fn has_unread(&self) -> bool {
        match &mut *self.session.lock() {
            Session::Encrypted(tls) => tls
                .process_new_packets()
                .is_ok_and(|state| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed()),
            _ => false,
        }
    }

    /// Queues TLS's own end (close_notify), and hands it to the kernel as far as that goes now.
    pub fn close_notify(&self) {
        if let Some(mut session) = self.session.try_lock() {
            end(&mut session, &self.tcp);
        }
    }

    /// Shuts the connection under TLS. Where nothing more is to be sent, the peer is told by TLS as well, as far as
    /// that goes without waiting.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.close_notify();
        }
        self.tcp.shutdown(how)
    }
}

/// However a connection ends, its peer can tell that end from a cut.
impl Drop for TlsStream {
    fn drop(&mut self) {
        end(self.session.get_mut(), &self.tcp);
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

fn end(session: &mut Session, tcp: &TcpStream) {
    if let Session::Encrypted(tls) = session {
        tls.send_close_notify();
        // A peer that is gone or full hears nothing.
        let _ = push(tls, tcp);
    }
}
