//! The protocol engine of a WebSocket peer: what the peer says, and the replies that the engine writes by itself.
//!
//! The engine writes replies while it reads. While a frame of ours is half on the wire it must not: it is then given a
//! socket that takes nothing, and its replies wait.

use std::io::{self, IoSlice, Read, Write};

use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::inflate::Inflater;
use crate::limits::{CLIENT_MESSAGE_BYTES, WS_READ_BUFFER_BYTES, WS_WRITE_BUFFER_BYTES};
use crate::serve::transport::socket::Socket;

/// A WebSocket peer's protocol.
#[derive(Debug)]
pub(crate) struct Engine {
    context: WebSocketContext,
    /// Where the peer may send deflated messages.
    inflater: Option<Box<Inflater>>,
    /// Replies may wait to be written.
    replies: bool,
}

/// The socket as the engine sees it.
struct Tap<'a> {
    socket: &'a Socket,
    /// A frame of ours is half on the wire: it takes nothing.
    is_half: bool,
    /// Has a look at what is read.
    inflater: Option<&'a mut Inflater>,
}

impl Engine {
    /// The protocol of a peer that has `said` something after its request; with `deflates`, permessage-deflate was agreed on.
    pub(crate) fn new(mut said: Vec<u8>, deflates: bool) -> Engine {
        let config = WebSocketConfig::default()
            .read_buffer_size(WS_READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WS_WRITE_BUFFER_BYTES)
            .max_message_size(Some(CLIENT_MESSAGE_BYTES))
            .max_frame_size(Some(CLIENT_MESSAGE_BYTES));
        let mut inflater = deflates.then(Box::<Inflater>::default);
        if let Some(inflater) = &mut inflater {
            inflater.look(&mut said);
        }
        Engine {
            context: WebSocketContext::from_partially_read(said, Role::Server, Some(config)),
            inflater,
            replies: false,
        }
    }

    fn tap<'a>(
        &'a mut self,
        socket: &'a Socket,
        is_half: bool,
    ) -> (&'a mut WebSocketContext, Tap<'a>) {
        let inflater = self.inflater.as_deref_mut();
        let tap = Tap {
            socket,
            is_half,
            inflater,
        };
        (&mut self.context, tap)
    }

    /// Writes the replies that wait, while no frame of ours is half on the wire; whether all are written.
    pub(crate) fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        if !self.replies {
            return Ok(true);
        }
        let (context, mut tap) = self.tap(socket, false);
        match context.flush(&mut tap) {
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
    pub(crate) fn read(
        &mut self,
        socket: &Socket,
        is_half: bool,
    ) -> Result<Option<Message>, Error> {
        self.replies = true;
        let (context, mut tap) = self.tap(socket, is_half);
        let read = context.read(&mut tap);
        let read = match &mut self.inflater {
            Some(inflater) => read.and_then(|message| inflater.inflated(message)),
            None => read,
        };
        match read {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Queues a ping.
    pub(crate) fn ping(&mut self, socket: &Socket, is_half: bool) {
        self.replies = true;
        let (context, mut tap) = self.tap(socket, is_half);
        // A full buffer means that pings wait already; a broken socket shows at the next write.
        let _ = context.write(&mut tap, Message::Ping(tungstenite::Bytes::new()));
    }

    /// Queues the close frame.
    pub(crate) fn close(&mut self, socket: &Socket, is_half: bool, frame: CloseFrame) {
        self.replies = true;
        let (context, mut tap) = self.tap(socket, is_half);
        let _ = context.close(&mut tap, Some(frame));
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.socket.read(buf)?;
        if let Some(inflater) = &mut self.inflater {
            inflater.look(&mut buf[..n]);
        }
        Ok(n)
    }
}

impl Write for Tap<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.is_half {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => self.socket.write_vectored(&[IoSlice::new(buf)]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.is_half {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }
}
