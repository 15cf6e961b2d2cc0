//! The protocol engine of a WebSocket peer: what the peer says, and the replies that the engine writes by itself.
//!
//! The engine writes replies while it reads. While a frame of ours is half on the wire it must not: it is then given a
//! socket that takes nothing, and its replies wait.

use std::io::{self, IoSlice, Read, Write};

use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::inflate::Inflater;
use crate::serve::transport::socket::Socket;

/// A WebSocket peer's protocol. Without a context the peer doesn't speak WebSocket.
#[derive(Debug)]
pub(super) struct Engine {
    context: Option<WebSocketContext>,
    /// Where the peer may send deflated messages.
    inflater: Option<Box<Inflater>>,
    /// Replies may wait to be written.
    replies: bool,
}

/// The socket as the engine sees it.
pub(super) struct Wire<'a> {
    pub(super) socket: &'a Socket,
    /// A frame of ours is half on the wire.
    pub(super) is_half: bool,
}

/// The same, with a look at what is read.
struct Looked<'a> {
    wire: Wire<'a>,
    inflater: &'a mut Inflater,
}

impl Engine {
    pub(super) fn new(context: Option<WebSocketContext>) -> Engine {
        Engine {
            context,
            inflater: None,
            replies: false,
        }
    }

    /// The peer of a handshake in which permessage-deflate was agreed on; `rest` is what it has said after its request.
    pub(super) fn with_deflate(mut rest: Vec<u8>, config: WebSocketConfig) -> Engine {
        let mut inflater = Box::<Inflater>::default();
        inflater.look(&mut rest);
        let context = WebSocketContext::from_partially_read(rest, Role::Server, Some(config));
        Engine {
            context: Some(context),
            inflater: Some(inflater),
            replies: false,
        }
    }

    /// Replies may wait to be written.
    pub(super) fn has_replies(&self) -> bool {
        self.replies
    }

    /// Writes the replies; whether all are written.
    pub(super) fn flush(&mut self, mut wire: Wire<'_>) -> io::Result<bool> {
        let Some(context) = &mut self.context else {
            return Ok(true);
        };
        match context.flush(&mut wire) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                self.replies = false;
                Ok(true)
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(Error::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// One message of the peer; `None` where it has said nothing more for now.
    pub(super) fn read(&mut self, mut wire: Wire<'_>) -> Result<Option<Message>, Error> {
        let Some(context) = &mut self.context else {
            return Ok(None);
        };
        self.replies = true;
        let read = match &mut self.inflater {
            None => context.read(&mut wire),
            Some(inflater) => {
                let inflater = &mut **inflater;
                let read = context.read(&mut Looked { wire, inflater });
                read.and_then(|message| inflater.inflated(message))
            }
        };
        match read {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Queues a ping.
    pub(super) fn ping(&mut self, mut wire: Wire<'_>) {
        let Some(context) = &mut self.context else {
            return;
        };
        self.replies = true;
        // A full buffer means that pings wait already; a broken socket shows at the next write.
        let _ = context.write(&mut wire, Message::Ping(tungstenite::Bytes::new()));
    }

    /// Queues the close frame.
    pub(super) fn close(&mut self, mut wire: Wire<'_>, frame: CloseFrame) {
        let Some(context) = &mut self.context else {
            return;
        };
        self.replies = true;
        let _ = context.close(&mut wire, Some(frame));
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buf)
    }
}

impl Read for Looked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.wire.read(buf)?;
        self.inflater.look(&mut buf[..n]);
        Ok(n)
    }
}

impl Write for Looked<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wire.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.is_half {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.socket.write_vectored(&[IoSlice::new(buf)])
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_half {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}
