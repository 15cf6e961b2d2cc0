//! One connection to another tailcast: the handshake on `/ws`, then what it says, message by message.
//!
//! The thread waits in one poll(2) for the socket, its bell, or the end of the other's time: an other that has said
//! nothing for two ping intervals is silent, and the connection is given up.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

use crate::config::url::HttpUrl;
use crate::escape::shown;
use crate::limits::{
    HEAD_BYTES, HEAD_FIELDS, UPSTREAM_ANSWER_WAIT, UPSTREAM_MESSAGE_BYTES, UPSTREAM_REFUSAL_BYTES,
};
use crate::outward::{Bell, Connection, Lookup, Trust, Unreached, is_not_yet};
use crate::percent;

/// How many files the other has, for the same secret.
pub fn files_len(
    ask: &Ask<'_>,
    trust: Option<&Trust>,
    lookup: &mut Lookup,
    bell: &Arc<Bell>,
) -> Result<usize, Trouble> {
    let (mut connection, until) = connect(ask, trust, lookup, bell)?;
    let mut opening = Opening {
        connection: &mut connection,
        heard: Vec::new(),
        bell,
        until,
    };
    // HTTP/1.0: an answer that ends with the connection, whatever proxy is between us.
    let head = format!(
        "GET {}files HTTP/1.0\r\n{}\r\n",
        ask.url.base_path,
        fields(ask)
    );
    opening.say(head.as_bytes())?;
    let end = loop {
        match opening.answer(200)? {
            Some((end, _)) => break end,
            None => opening.hear().map(drop)?,
        }
    };
    while opening.heard.len() < UPSTREAM_MESSAGE_BYTES {
        match opening.hear() {
            Ok(_) => {}
            Err(Trouble::Ended(_)) => break,
            Err(trouble) => return Err(trouble),
        }
    }
    let files: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&opening.heard[end..])
        .map_err(|error| Trouble::Nonsense(format!("its list of files is none ({error})")))?;
    Ok(files.len())
}

/// Why a stream of another tailcast does not come about, or ends.
#[derive(Debug)]
pub enum Trouble {
    /// It can't be reached.
    Unreached(Unreached),
    /// It refuses, with this status and this line.
    Refused(u16, String),
    /// It sends us to another place, which is not followed: a secret would go along.
    Redirected(String),
    /// What it says is nothing that a tailcast says.
    Nonsense(String),
    /// It has said nothing for so long.
    Silent(Duration),
    /// The connection has ended, or it closed it with this reason.
    Ended(String),
    /// The connection is broken.
    Broken(io::Error),
    /// Not the other: what it says can't be written on.
    Output(io::Error),
    /// We are to come to our end.
    Stopped,
}

impl Trouble {
    /// Trying again changes nothing: somebody must do something about it.
    pub fn is_refusal(&self) -> bool {
        match self {
            // Too many clients, a request that took too long, too many requests: later it may go.
            Trouble::Refused(status, _) => *status < 500 && ![408, 429].contains(status),
            Trouble::Redirected(_) | Trouble::Nonsense(_) => true,
            #[cfg(feature = "tls")]
            Trouble::Unreached(Unreached::Tls(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unreached(why) => why.fmt(f),
            Trouble::Refused(status, line) => write!(f, "it refuses with {status}: {line}"),
            Trouble::Redirected(place) => {
                write!(
                    f,
                    "it redirects to {place}, which is not followed: give that URL"
                )
            }
            Trouble::Nonsense(what) => write!(f, "it doesn't answer as a tailcast does: {what}"),
            Trouble::Silent(wait) => write!(f, "it has said nothing for {} s", wait.as_secs()),
            Trouble::Ended(why) => write!(f, "it ended the connection{why}"),
            Trouble::Broken(error) => write!(f, "the connection is lost: {error}"),
            Trouble::Output(error) => write!(f, "what it says can't be written on: {error}"),
            Trouble::Stopped => f.write_str("stopped"),
        }
    }
}

impl From<Unreached> for Trouble {
    fn from(why: Unreached) -> Trouble {
        Trouble::Unreached(why)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Broken(error)
    }
}

/// What is asked of the other.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Where it answers.
    pub url: &'a HttpUrl,
    /// The parameters of the stream.
    pub parameters: &'a [(String, String)],
    /// The token it asks for.
    pub secret: Option<&'a str>,
    /// More fields of the head.
    pub fields: &'a [(&'a str, String)],
}

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
    /// Opens a stream. Blocks until the other has answered, for at most [`UPSTREAM_ANSWER_WAIT`] beside the time to
    /// connect, and not beyond a stop.
    pub fn open(
        ask: &Ask<'_>,
        trust: Option<&Trust>,
        lookup: &mut Lookup,
        bell: &Arc<Bell>,
        ping_interval: Duration,
    ) -> Result<Session, Trouble> {
        let (mut connection, until) = connect(ask, trust, lookup, bell)?;
        let key = generate_key();
        let mut opening = Opening {
            connection: &mut connection,
            heard: Vec::new(),
            bell,
            until,
        };
        opening.say(request(ask, &key).as_bytes())?;
        let rest = opening.hear_answer(&key)?;
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(UPSTREAM_MESSAGE_BYTES);
        config.max_frame_size = Some(UPSTREAM_MESSAGE_BYTES);
        let now = Instant::now();
        Ok(Session {
            connection,
            context: WebSocketContext::from_partially_read(rest, Role::Client, Some(config)),
            heard: now,
            pinged: now,
            ping_interval,
            speaks: false,
        })
    }

    /// The next thing that the other says; nothing, once, where all is said for now. Then it blocks until there is more,
    /// until somebody rings, until `besides` is ready, or for `at_most` so long.
    pub fn next(
        &mut self,
        bell: &Bell,
        besides: Option<(BorrowedFd<'_>, PollFlags)>,
        at_most: Duration,
    ) -> Result<Said, Trouble> {
        if let Some(said) = self.read()? {
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
        if bell.is_stopping() {
            return Err(Trouble::Stopped);
        }
        let said = self.read()?;
        self.speaks = said.is_some();
        Ok(said.unwrap_or(Said::Nothing))
    }

    /// One message, where there is one now.
    fn read(&mut self) -> Result<Option<Said>, Trouble> {
        loop {
            let read = self.context.read(&mut Stream(&mut self.connection));
            if read.is_ok() {
                self.heard = Instant::now();
            }
            match read {
                Ok(Message::Text(text)) => return Ok(Some(Said::Text(text))),
                Ok(Message::Close(frame)) => {
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
                Ok(_) => {}
                Err(Error::Io(error)) if is_not_yet(&error) => return Ok(None),
                Err(Error::Io(error)) => return Err(Trouble::Broken(error)),
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    return Err(Trouble::Ended(String::new()));
                }
                Err(Error::Protocol(
                    tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
                )) => return Err(Trouble::Ended(String::new())),
                Err(error) => return Err(Trouble::Nonsense(error.to_string())),
            }
        }
    }

    /// Writes what waits to be written; whether some of it still waits.
    fn flush(&mut self) -> Result<bool, Trouble> {
        match self.context.flush(&mut Stream(&mut self.connection)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Ok(false),
            Err(Error::Io(error)) if is_not_yet(&error) => Ok(true),
            Err(Error::Io(error)) => Err(Trouble::Broken(error)),
            Err(error) => Err(Trouble::Nonsense(error.to_string())),
        }
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

fn connect(
    ask: &Ask<'_>,
    trust: Option<&Trust>,
    lookup: &mut Lookup,
    bell: &Arc<Bell>,
) -> Result<(Connection, Instant), Trouble> {
    let at = &ask.url.at;
    let addresses = lookup.addresses(at, bell)?;
    let tls = trust.map(|trust| trust.begin(at.bare_host())).transpose()?;
    let connection = Connection::open(&addresses, bell, tls)?;
    Ok((connection, Instant::now() + UPSTREAM_ANSWER_WAIT))
}

/// The head of the opening handshake (RFC 6455, section 4.1).
fn request(ask: &Ask<'_>, key: &str) -> String {
    let mut query = String::new();
    for (name, value) in ask.parameters {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(&percent::encode(name.as_bytes()));
        query.push('=');
        query.push_str(&percent::encode(value.as_bytes()));
    }
    format!(
        "GET {}ws{query} HTTP/1.1\r\n{}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n\r\n",
        ask.url.base_path,
        fields(ask),
    )
}

/// The fields that every request has.
fn fields(ask: &Ask<'_>) -> String {
    let mut fields = format!(
        "Host: {}\r\nUser-Agent: tailcast/{}\r\n",
        ask.url.host(),
        env!("CARGO_PKG_VERSION")
    );
    if let Some(secret) = ask.secret {
        fields.push_str(&format!("Authorization: Bearer {secret}\r\n"));
    }
    for (name, value) in ask.fields {
        fields.push_str(&format!("{name}: {value}\r\n"));
    }
    fields
}

/// A connection in its opening handshake.
struct Opening<'a> {
    connection: &'a mut Connection,
    heard: Vec<u8>,
    bell: &'a Bell,
    until: Instant,
}

impl Opening<'_> {
    /// Writes all of `bytes`. Blocks until the kernel has them.
    fn say(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            match self.connection.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                // In TLS's handshake it is the other's turn once the kernel has all: only what it says moves us on.
                Err(error) if is_not_yet(&error) => match self.connection.flush() {
                    Ok(true) => {
                        self.hear()?;
                    }
                    Ok(false) => self.wait(true)?,
                    Err(error) => return Err(self.failed(error)),
                },
                Err(error) => return Err(self.failed(error)),
            }
        }
        while !self.connection.flush()? {
            self.wait(true)?;
        }
        Ok(())
    }

    /// Hears what the other says next; false where it only moved the handshake of TLS on. Blocks until then.
    fn hear(&mut self) -> Result<bool, Trouble> {
        let mut buf = [0; 4096];
        match self.connection.read(&mut buf) {
            Ok(0) => Err(Trouble::Ended(" without an answer".to_owned())),
            Ok(n) => {
                self.heard.extend_from_slice(&buf[..n]);
                Ok(true)
            }
            Err(error) if is_not_yet(&error) => self.wait(false).map(|()| false),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn wait(&self, to_write: bool) -> Result<(), Trouble> {
        self.bell
            .wait(Some(self.connection.waits(to_write)), self.until)?;
        if self.bell.is_stopping() {
            return Err(Trouble::Stopped);
        }
        if Instant::now() >= self.until {
            return Err(Trouble::Silent(UPSTREAM_ANSWER_WAIT));
        }
        Ok(())
    }

    /// An error of TLS is something to be mended, and no lost connection.
    fn failed(&self, error: io::Error) -> Trouble {
        #[cfg(feature = "tls")]
        if error.kind() == io::ErrorKind::InvalidData && self.connection.is_tls() {
            return Unreached::Tls(error).into();
        }
        Trouble::Broken(error)
    }

    /// Hears the answer to the handshake; what came behind it.
    fn hear_answer(&mut self, key: &str) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some((end, accept)) = self.answer(101)? {
                if accept != Some(derive_accept_key(key.as_bytes())) {
                    return Err(Trouble::Nonsense("its accept key is wrong".to_owned()));
                }
                return Ok(self.heard.split_off(end));
            }
            self.hear()?;
        }
    }

    /// Where the head of the answer ends and its accept key, once the head has come and has the status that is `wanted`.
    fn answer(&mut self, wanted: u16) -> Result<Option<(usize, Option<String>)>, Trouble> {
        let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let end = match answer.parse(&self.heard) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) if self.heard.len() <= HEAD_BYTES => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(Trouble::Nonsense("its head is over 16 KiB".to_owned()));
            }
            Err(error) => return Err(Trouble::Nonsense(format!("no HTTP ({error})"))),
        };
        let field = |name: &str| {
            let mut fields = answer.headers.iter();
            let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| String::from_utf8_lossy(field.value).trim().to_owned())
        };
        match answer.code.unwrap_or_default() {
            status if status == wanted => Ok(Some((end, field("Sec-WebSocket-Accept")))),
            status @ 300..400 => {
                let place = field("Location").unwrap_or_else(|| format!("nowhere, with {status}"));
                Err(Trouble::Redirected(shown(place.as_bytes())))
            }
            status => {
                self.heard.drain(..end);
                Err(Trouble::Refused(status, self.refusal_line()))
            }
        }
    }

    /// The line of a refusal: what of its body comes, as far as a log wants it.
    fn refusal_line(&mut self) -> String {
        while self.heard.len() < UPSTREAM_REFUSAL_BYTES && !self.heard.contains(&b'\n') {
            if self.hear().is_err() {
                break;
            }
        }
        self.heard.truncate(UPSTREAM_REFUSAL_BYTES);
        let line = self.heard.split(|&byte| byte == b'\n').next();
        shown(line.unwrap_or_default().trim_ascii())
    }
}
