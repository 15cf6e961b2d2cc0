//! Messages of a client that come deflated (RFC 7692). The engine knows no extensions: it is shown the frames without
//! the mark that says so, and what was in them is looked at once they are whole.

use std::collections::VecDeque;
use std::io::Cursor;

use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::{Message, Utf8Bytes};
use zlib_rs::{Inflate, InflateFlush};

use crate::limits::CLIENT_MESSAGE_BYTES;

/// The bit of a frame's first byte that marks a deflated message, and its opcode (RFC 6455, section 5.2).
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// What a deflated message is sent without (RFC 7692, section 7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// How a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Plain,
    DeflatedText,
    DeflatedBinary,
}

/// Follows the frames of one client, byte by byte as they come.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    /// What has come of a frame's header that is not whole yet.
    header: Vec<u8>,
    /// Bytes of its payload that are still to come.
    payload: u64,
    /// The messages that have begun and that the engine has not given yet, oldest first.
    sent: VecDeque<Sent>,
}

impl Inflater {
    /// Looks at the next bytes that the client has sent, and takes the marks off.
    pub(super) fn look(&mut self, mut bytes: &mut [u8]) {
        loop {
            let skip = self.payload.min(bytes.len() as u64);
            self.payload -= skip;
            let Some((byte, rest)) = bytes[skip as usize..].split_first_mut() else {
                return;
            };
            if self.header.is_empty() {
                self.begin(byte);
            }
            self.header.push(*byte);
            match FrameHeader::parse(&mut Cursor::new(&self.header)) {
                Ok(Some((_, payload))) => {
                    self.payload = payload;
                    self.header.clear();
                }
                Ok(None) => {}
                // The engine refuses it, too.
                Err(_) => self.header.clear(),
            }
            bytes = rest;
        }
    }

    /// A frame begins. A mark where there must be none stays, and the engine refuses it.
    fn begin(&mut self, first: &mut u8) {
        let opcode = *first & OPCODE;
        let sent = match (opcode, *first & RSV1 != 0) {
            (TEXT, true) => Sent::DeflatedText,
            (BINARY, true) => Sent::DeflatedBinary,
            (TEXT | BINARY, false) => Sent::Plain,
            _ => return,
        };
        if sent != Sent::Plain {
            // Deflated bytes are no text.
            *first = *first & !(RSV1 | OPCODE) | BINARY;
        }
        // The engine refuses all but one at a time; bounded, until it has come to that.
        if self.sent.len() < 2 + CLIENT_MESSAGE_BYTES {
            self.sent.push_back(sent);
        }
    }

    /// The message that `given`, which the engine gives, was sent as.
    pub(super) fn inflated(&mut self, given: Message) -> Result<Message, Error> {
        let (Message::Binary(_) | Message::Text(_)) = &given else {
            return Ok(given);
        };
        match (self.sent.pop_front(), given) {
            (Some(Sent::DeflatedText), Message::Binary(bytes)) => {
                let text = Utf8Bytes::try_from(inflate(&bytes)?);
                Ok(Message::Text(
                    text.map_err(|error| Error::Utf8(error.to_string()))?,
                ))
            }
            (Some(Sent::DeflatedBinary), Message::Binary(bytes)) => {
                Ok(Message::Binary(inflate(&bytes)?.into()))
            }
            (_, plain) => Ok(plain),
        }
    }
}

/// What `bytes` hold, in bounded memory whatever they promise.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut inflate = Inflate::new(false, 15);
    let mut out = vec![0; CLIENT_MESSAGE_BYTES + 1];
    let bytes = [bytes, &FLUSHED].concat();
    // One pass: what has no room is too much in any case.
    let read = inflate.decompress(&bytes, &mut out, InflateFlush::SyncFlush);
    read.map_err(|_| Error::Protocol(ProtocolError::NonZeroReservedBits))?;
    let made = inflate.total_out() as usize;
    if made > CLIENT_MESSAGE_BYTES {
        return Err(Error::Capacity(CapacityError::MessageTooLong {
            size: made,
            max_size: CLIENT_MESSAGE_BYTES,
        }));
    }
    out.truncate(made);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use tungstenite::Bytes;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("deflate");
        encoder.flush().expect("flush");
        let out = encoder.get_ref().clone();
        out.strip_suffix(&FLUSHED).expect("a flush").to_vec()
    }

    /// A masked frame; the mask is zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend((long as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn the_marks_are_taken_off_however_the_bytes_are_cut() {
        let text = deflated("h\u{e9}llo".as_bytes());
        let long = deflated(&[7; 3000]);
        let parts = [
            frame(0xc1, &text),
            frame(0x89, b"a ping"),
            frame(0x42, &long[..5]),
            frame(0x8a, b""),
            frame(0x80, &long[5..]),
            frame(0x81, &[b'x'; 300]),
        ];
        let sent = parts.concat();
        let expected = [
            frame(0x82, &text),
            frame(0x89, b"a ping"),
            frame(0x02, &long[..5]),
            frame(0x8a, b""),
            frame(0x80, &long[5..]),
            frame(0x81, &[b'x'; 300]),
        ]
        .concat();
        for size in [1, 2, 3, 7, sent.len()] {
            let mut inflater = Inflater::default();
            let mut bytes = sent.clone();
            bytes.chunks_mut(size).for_each(|part| inflater.look(part));
            assert_eq!(bytes, expected, "{size}");
            let mut give = |message| inflater.inflated(message).expect("a message");
            assert_eq!(
                give(Message::Binary(text.clone().into())),
                Message::text("h\u{e9}llo")
            );
            assert_eq!(
                give(Message::Ping(Bytes::new())),
                Message::Ping(Bytes::new())
            );
            let binary = give(Message::Binary(long.clone().into()));
            assert_eq!(binary, Message::Binary(vec![7; 3000].into()));
            assert_eq!(give(Message::text("x")), Message::text("x"));
        }
    }

    #[test]
    fn what_is_too_large_or_no_text_or_not_deflated_is_refused() {
        let refused = |first: u8, payload: Vec<u8>| {
            let mut inflater = Inflater::default();
            inflater.look(&mut frame(first, &payload));
            inflater
                .inflated(Message::Binary(payload.into()))
                .expect_err("refused")
        };
        let bomb = deflated(&vec![0; 10_000_000]);
        assert!(matches!(refused(0xc1, bomb), Error::Capacity(_)));
        let one_too_many = deflated(&[b'x'; CLIENT_MESSAGE_BYTES + 1]);
        assert!(matches!(refused(0xc2, one_too_many), Error::Capacity(_)));
        assert!(matches!(refused(0xc1, deflated(b"\xff")), Error::Utf8(_)));
        assert!(matches!(refused(0xc1, vec![0xff; 20]), Error::Protocol(_)));
        assert!(inflate(&deflated(&[b'x'; CLIENT_MESSAGE_BYTES])).is_ok());
        assert_eq!(inflate(&[0]).expect("nothing"), b"");
    }
}
