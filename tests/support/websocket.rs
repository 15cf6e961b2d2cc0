//! A WebSocket client that reads with a deadline and can also misbehave.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tungstenite::error::Error;
use tungstenite::{Message, WebSocket};

use super::Daemon;

/// A client of `/ws`.
pub(crate) struct Client(WebSocket<TcpStream>);

impl Daemon {
    /// Opens `target`, which begins with `/ws`.
    pub(crate) fn websocket(&self, target: &str) -> Client {
        match self.try_websocket(target) {
            Ok(client) => client,
            Err(status) => panic!("{target} was answered {status}"),
        }
    }

    /// The same, or the status of the refusal.
    pub(crate) fn try_websocket(&self, target: &str) -> Result<Client, u16> {
        let url = format!("ws://127.0.0.1:{}{target}", self.port);
        match tungstenite::client::client(url, self.connect()) {
            Ok((socket, _)) => Ok(Client(socket)),
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("the handshake for {target} failed: {error}"),
        }
    }
}

impl Client {
    /// The next message that is not a ping.
    pub(crate) fn message(&mut self) -> Message {
        loop {
            match self.0.read() {
                Ok(Message::Ping(_)) => {}
                Ok(message) => return message,
                Err(error) => panic!("no message by the deadline: {error}"),
            }
        }
    }

    /// The next text.
    pub(crate) fn text(&mut self) -> String {
        match self.message() {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next `count` texts.
    pub(crate) fn texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.text()).collect()
    }

    /// The next text, which is JSON.
    pub(crate) fn json(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next JSON object that has `key`; others are skipped.
    pub(crate) fn json_with(&mut self, key: &str) -> Value {
        loop {
            let object = self.json();
            if object.get(key).is_some() {
                return object;
            }
        }
    }

    /// The code of the close that comes, whatever comes before it.
    pub(crate) fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message() {
                return frame.map_or(1005, |frame| frame.code.into());
            }
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.0.send(message).expect("send a message");
    }

    /// Starts the close handshake.
    pub(crate) fn close(&mut self) {
        self.0.close(None).expect("send a close");
    }

    /// Whether the connection ends without another message.
    pub(crate) fn is_shut(&mut self) -> bool {
        matches!(
            self.0.read(),
            Err(Error::ConnectionClosed | Error::AlreadyClosed)
        )
    }

    /// The connection alone.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.0.into_inner()
    }

    /// Sends bytes as they are; whether the peer takes them all within `deadline`.
    pub(crate) fn takes(&mut self, bytes: &[u8], deadline: Duration) -> bool {
        let stream = self.0.get_mut();
        let limited = stream.set_write_timeout(Some(deadline));
        limited.and_then(|()| stream.write_all(bytes)).is_ok()
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("send bytes");
    }
}

/// A masked frame. The first byte is FIN, the reserved bits and the opcode (RFC 6455, section 5.2). The mask is of
/// zeros, so that the payload stands there as it is.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => bytes.push(0x80 | length),
        _ => {
            bytes.push(0x80 | 126);
            let length = u16::try_from(payload.len()).expect("a payload under 64 KiB");
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The bit of a frame's first byte that marks a deflated message (RFC 7692).
pub(crate) const RSV1: u8 = 0x40;

/// Asks on `stream` for `target` and offers an extension; the stream, and the head of the answer.
pub(crate) fn offering(mut stream: TcpStream, target: &str, offer: &str) -> (TcpStream, String) {
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {offer}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("ask");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).expect("ASCII");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (stream, answer.to_ascii_lowercase())
}

/// The next frame: its first byte and its payload.
pub(crate) fn next_frame(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut bytes = |count: u64| {
        let mut bytes = vec![0; usize::try_from(count).expect("a length")];
        stream.read_exact(&mut bytes).map(|()| bytes)
    };
    let head = bytes(2)?;
    let long = match head[1] {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let len = bytes(long)?
        .iter()
        .fold(0, |len, &byte| len << 8 | u64::from(byte));
    let len = if long == 0 { u64::from(head[1]) } else { len };
    Ok((head[0], bytes(len)?))
}

/// What a message holds whose end of a flush was left out.
pub(crate) fn inflated(payload: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut decoder = flate2::write::DeflateDecoder::new(&mut bytes);
    decoder.write_all(payload).expect("deflated");
    decoder.write_all(&[0, 0, 0xff, 0xff]).expect("deflated");
    decoder.flush().expect("deflated");
    drop(decoder);
    String::from_utf8(bytes).expect("UTF-8")
}
