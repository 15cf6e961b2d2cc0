//! What goes around a payload.

use std::io::Cursor;
use std::str;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// The header of a WebSocket frame of up to 64 KiB (RFC 6455, section 5.2), which most lines have.
pub(super) const SHORT_HEADER_BYTES: usize = 4;

/// What stands around each payload on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A text frame a message (RFC 6455, section 5.2), not masked.
    WebSocket,
    /// A chunk (RFC 9112, section 7.1).
    Chunked,
    /// Nothing: the end is the end of the connection.
    Bare,
}

impl Framing {
    /// Appends `payload` with what goes around it.
    pub(super) fn put(self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Framing::WebSocket => put_message(payload, false, out),
            Framing::Chunked => {
                out.extend_from_slice(format!("{:x}\r\n", payload.len()).as_bytes());
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Bare => out.extend_from_slice(payload),
        }
    }

    /// What the last payload is followed by.
    pub(super) fn ending(self) -> &'static [u8] {
        match self {
            Framing::Chunked => b"0\r\n\r\n",
            Framing::WebSocket | Framing::Bare => b"",
        }
    }
}

/// Appends a text frame; with `is_deflated` it says that `payload` is (RFC 7692, section 6).
pub(super) fn put_message(payload: &[u8], is_deflated: bool, out: &mut Vec<u8>) {
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        rsv1: is_deflated,
        ..FrameHeader::default()
    };
    // Writing to a Vec can't fail.
    let _ = header.format(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// Where each of these frames ends, with its header. They are our own: anything else ends it.
pub(super) fn message_ends(frames: &[u8]) -> impl Iterator<Item = usize> {
    let mut cursor = Cursor::new(frames);
    std::iter::from_fn(move || {
        let (_, len) = FrameHeader::parse(&mut cursor).ok()??;
        let end = cursor.position() + len;
        cursor.set_position(end);
        usize::try_from(end).ok().filter(|&end| end <= frames.len())
    })
}

/// Where each of these chunks ends, with what goes around it. They are our own: anything else ends it.
pub(super) fn chunk_ends(chunks: &[u8]) -> impl Iterator<Item = usize> {
    let mut end = 0;
    std::iter::from_fn(move || {
        let rest = &chunks[end..];
        let line = memchr::memchr(b'\n', rest)? + 1;
        let size = str::from_utf8(rest[..line].trim_ascii()).ok()?;
        end += line + usize::from_str_radix(size, 16).ok()? + b"\r\n".len();
        (end <= chunks.len()).then_some(end)
    })
}
