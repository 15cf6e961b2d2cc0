//! A stream of another tailcast over one connection: what it says, message by message.
//!
//! The thread waits in one poll(2) for the socket, its bell, or the end of the other's time: an other that has said
//! nothing for two ping intervals is silent, and the connection is given up.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

use crate::escape::shown;
use crate::limits::{UPSTREAM_MESSAGE_BYTES, UPSTREAM_PINGS_MAX, UPSTREAM_WRITE_BYTES};
use crate::outward::{Bell, Connection, Way, is_not_yet};

use super::opening::{self, Ask, Opened};
use super::trouble::Trouble;

/// What the other says.
#[derive(Debug)]
pub enum Said {
    /// A message: JSON, as asked for.
    Text(Utf8Bytes),
    /// All that was asked for is sent (1000).
    Complete,
    /// Nothing for now.
    Nothing,
}

/// An open stream.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    context: WebSocketContext,
    /// When the other last said anything.
    heard: Instant,
    pinged: Instant,
    ping_interval: Duration,
    /// What it said last was something.
    speaks: bool,
}

impl Session {
    /// Opens a stream. Blocks until the other has answered, as [`opening::open`] does.
    pub fn open(
        ask: &Ask<'_>,
        way: &mut Way,
        bell: &Arc<Bell>,
        ping_interval: Duration,
    ) -> Result<Session, Trouble> {
        let Opened {
            connection,
            said,
            to_say,
        } = opening::open(ask, way, bell)?;
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(UPSTREAM_MESSAGE_BYTES);
        config.max_frame_size = Some(UPSTREAM_MESSAGE_BYTES);
        // One that pings without end and reads no answer must not fill our memory with them.
        config.max_write_buffer_size = UPSTREAM_WRITE_BYTES;
        let now = Instant::now();
        let mut session = Session {
            connection,
            context: WebSocketContext::from_partially_read(said, Role::Client, Some(config)),
            heard: now,
            pinged: now,
            ping_interval,
            speaks: false,
        };
        for text in to_say {
            let mut stream = Stream(&mut session.connection);
            // Where it is not written yet, it is queued: `next` writes it on.
            so_far(session.context.write(&mut stream, Message::text(text)))?;
        }
        Ok(session)
    }

    /// The next thing that the other says; nothing, once, where all is said for now. Then it blocks until there is more,
    /// until somebody rings, until `besides` is ready, or for `at_most` so long.
    pub fn next(
        &mut self,
        bell: &Bell,
        besides: Option<(BorrowedFd<'_>, PollFlags)>,
        at_most: Duration,
    ) -> Result<Said, Trouble> {
        if let Some(said) = self.read(bell)? {
            self.speaks = true;
            return Ok(said);
        }
        if std::mem::take(&mut self.speaks) {
            return Ok(Said::Nothing);
        }
        let now = Instant::now();
        let silence = self.ping_interval * 2;
        if now >= self.heard + silence {
            return Err(Trouble::Silent(silence));
        }
        if now >= self.pinged + self.ping_interval {
            self.pinged = now;
            let ping = Message::Ping(tungstenite::Bytes::new());
            // A full buffer: then a ping waits already. A broken connection shows at the next read.
            let _ = self.context.write(&mut Stream(&mut self.connection), ping);
        }
        let to_write = self.flush()?;
        let until = (self.heard + silence).min(self.pinged + self.ping_interval);
        let until = until.min(now + at_most);
        let waits = std::iter::once(self.connection.waits(to_write)).chain(besides);
        bell.wait(waits, until)?;
        let said = self.read(bell)?;
        self.speaks = said.is_some();
        Ok(said.unwrap_or(Said::Nothing))
    }

    /// One message, where there is one now. Also one that talks without end can't keep us from our end.
    fn read(&mut self, bell: &Bell) -> Result<Option<Said>, Trouble> {
        if bell.is_stopping() {
            return Err(Trouble::Stopped);
        }
        // Each round that does not return brought a ping, a pong, or a message that nobody asked for.
        for _ in 0..UPSTREAM_PINGS_MAX {
            let read = self.context.read(&mut Stream(&mut self.connection));
            let Some(message) = so_far(read)? else {
                return Ok(None);
            };
            self.heard = Instant::now();
            match message {
                Message::Text(text) => return Ok(Some(Said::Text(text))),
                Message::Close(frame) => {
                    // The answer to it goes out, as far as the kernel takes it.
                    let _ = self.flush();
                    return match frame {
                        Some(frame) if u16::from(frame.code) == 1000 => Ok(Some(Said::Complete)),
                        Some(frame) => {
                            let (code, why) =
                                (u16::from(frame.code), shown(frame.reason.as_bytes()));
                            Err(Trouble::Ended(format!(" with {code} \"{why}\"")))
                        }
                        None => Err(Trouble::Ended(String::new())),
                    };
                }
                _ => {}
            }
        }
        Err(Trouble::Nonsense("it pings without end".to_owned()))
    }

    /// Writes what waits to be written; whether some of it still waits.
    fn flush(&mut self) -> Result<bool, Trouble> {
        let flushed = so_far(self.context.flush(&mut Stream(&mut self.connection)))?;
        Ok(flushed.is_none())
    }
}

/// What the protocol engine gives; `None` where the socket has nothing to give, or takes nothing, just now.
fn so_far<T>(given: Result<T, Error>) -> Result<Option<T>, Trouble> {
    match given {
        Ok(given) => Ok(Some(given)),
        Err(Error::Io(error)) if is_not_yet(&error) => Ok(None),
        Err(Error::Io(error)) => Err(Trouble::Broken(error)),
        Err(
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
        ) => Err(Trouble::Ended(String::new())),
        Err(error) => Err(Trouble::Nonsense(error.to_string())),
    }
}

/// The connection as the protocol engine sees it.
struct Stream<'a>(&'a mut Connection);

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush()? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
