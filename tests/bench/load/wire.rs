//! Finding the numbered lines in the bytes that a client is sent, across any cut between two reads.

use std::io::Write as _;

use flate2::write::{DeflateDecoder, GzDecoder};

use crate::line::{LineForm, MARK};

use super::spec::Wire;

/// What a reader keeps between two reads at most: less than a frame header and a line's head, or, at the start,
/// what came with the answer's head.
pub(super) const CARRY_BYTES_MAX: usize = 16 * 1024;

/// A frame header at most: flags, length, eight bytes of extended length. A server masks nothing.
const FRAME_HEADER_BYTES_MAX: usize = 10;

/// What a deflated message ends with, and is not sent (RFC 7692, section 7.2.2).
const FLUSH_END: [u8; 4] = [0, 0, 0xff, 0xff];

/// The state of one client's byte stream.
pub(super) struct Reader {
    wire: Wire,
    chunked: bool,
    /// Begun but not whole, to stand before the next read.
    carry: Vec<u8>,
    /// Bytes of the frame or chunk at hand that are still to come.
    left: usize,
    /// The message at hand, where it is deflated.
    message: Option<DeflateDecoder<Vec<u8>>>,
    /// Payload, taken out of its framing, that may hold the beginning of a line's head.
    plain: Vec<u8>,
    /// Where the payload is deflated.
    decoder: Option<GzDecoder<Vec<u8>>>,
    /// The payload of the last frame or chunk, where nothing else is looked at.
    skimmed: Option<Vec<u8>>,
}

impl Reader {
    pub(super) fn new(wire: Wire, chunked: bool, skims: bool, first: &[u8]) -> Reader {
        Reader {
            wire,
            chunked,
            carry: first.to_vec(),
            left: 0,
            message: None,
            plain: Vec::new(),
            decoder: (wire == Wire::HttpGzip).then(|| GzDecoder::new(Vec::new())),
            skimmed: skims.then(Vec::new),
        }
    }

    /// The number of the last line that came, where it does not look for lines. Each frame is deflated by itself.
    pub(super) fn skimmed(&self, form: LineForm) -> Option<u64> {
        let skimmed = self.skimmed.as_ref().filter(|_| self.left == 0)?;
        let mut plain = DeflateDecoder::new(Vec::new());
        let inflated = plain.write_all(skimmed);
        let inflated = inflated.and_then(|()| plain.write_all(&FLUSH_END));
        let inflated = inflated.and_then(|()| plain.flush());
        let plain = match inflated {
            Ok(()) => plain.get_ref(),
            // A message that would not be smaller comes as it is.
            Err(_) => skimmed,
        };
        let last = memchr::memrchr(MARK, plain)?;
        Some(form.read(&plain[last..])?.0)
    }

    /// Where in the buffer the next read must begin.
    pub(super) fn carried(&self) -> usize {
        self.carry.len()
    }

    /// Puts what was carried over before the `count` bytes just read.
    pub(super) fn restore<'a>(&mut self, count: usize, buffer: &'a mut [u8]) -> &'a [u8] {
        let carried = self.carry.len();
        buffer[..carried].copy_from_slice(&self.carry);
        self.carry.clear();
        &buffer[..carried + count]
    }

    /// Calls `on_line` with number and stamp of each line of which the head is whole.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        form: LineForm,
        on_line: impl FnMut(u64, Option<u64>),
    ) {
        match self.wire {
            Wire::WsText => self.feed_text(bytes, form, on_line),
            Wire::WsAny | Wire::WsDeflate => {
                self.take_frames(bytes);
                self.scan(form, on_line);
            }
            Wire::Http | Wire::HttpGzip if self.chunked => {
                self.take_chunks(bytes);
                self.scan(form, on_line);
            }
            Wire::Http | Wire::HttpGzip => {
                self.plain.extend_from_slice(bytes);
                self.scan(form, on_line);
            }
        }
    }

    /// Text frames with a line each: looks at the head of each and skips the rest.
    fn feed_text(
        &mut self,
        bytes: &[u8],
        form: LineForm,
        mut on_line: impl FnMut(u64, Option<u64>),
    ) {
        let mut at = self.left.min(bytes.len());
        self.left -= at;
        while at < bytes.len() {
            let Some((opcode, header, payload)) = frame(&bytes[at..]) else {
                break;
            };
            let begin = at + header;
            if is_text(opcode) {
                // websocat leaves a line's ending in its message.
                assert!(
                    payload + 1 == form.line_bytes || payload == form.line_bytes,
                    "a message of {payload} bytes is not one line"
                );
                if bytes.len() < begin + form.head_bytes() {
                    break;
                }
                let line = form.read(&bytes[begin..]).expect("a numbered line");
                on_line(line.0, line.1);
            }
            let end = (begin + payload).min(bytes.len());
            self.left = begin + payload - end;
            at = end;
        }
        self.carry.extend_from_slice(&bytes[at..]);
    }

    fn take_frames(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if self.left == 0 {
                let Some((_, header, payload)) = frame(&bytes[at..]) else {
                    break;
                };
                match &mut self.skimmed {
                    Some(skimmed) => skimmed.clear(),
                    None => {
                        let is_deflated = is_deflated(bytes[at]);
                        self.message = is_deflated.then(|| DeflateDecoder::new(Vec::new()));
                    }
                }
                self.left = payload;
                at += header;
            }
            let end = (at + self.left).min(bytes.len());
            self.left -= end - at;
            match (&mut self.skimmed, &mut self.message) {
                (Some(skimmed), _) => skimmed.extend_from_slice(&bytes[at..end]),
                (None, None) => self.plain.extend_from_slice(&bytes[at..end]),
                (None, Some(message)) => message.write_all(&bytes[at..end]).expect("deflated"),
            }
            at = end;
            if self.left > 0 {
                continue;
            }
            if let Some(mut message) = self.message.take() {
                let ended = message.write_all(&FLUSH_END).and_then(|()| message.flush());
                ended.expect("a message that is deflated by itself");
                self.plain.append(message.get_mut());
            }
        }
        self.carry.extend_from_slice(&bytes[at..]);
    }

    fn take_chunks(&mut self, bytes: &[u8]) {
        const ENDING_BYTES: usize = 2;
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                // The chunk's own ending is counted with it; to a scan for lines it makes no difference.
                let end = (at + self.left).min(bytes.len());
                self.left -= end - at;
                let payload = (end - at).saturating_sub(ENDING_BYTES.saturating_sub(self.left));
                self.take_payload(&bytes[at..at + payload]);
                at = end;
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', &bytes[at..]) else {
                break;
            };
            let size = String::from_utf8_lossy(&bytes[at..at + end]);
            let size = size.trim().split(';').next().unwrap_or_default().to_owned();
            let size = usize::from_str_radix(&size, 16).expect("the size of a chunk");
            self.left = size + ENDING_BYTES;
            if let Some(skimmed) = &mut self.skimmed {
                skimmed.clear();
            }
            at += end + 1;
        }
        self.carry.extend_from_slice(&bytes[at..]);
    }

    fn take_payload(&mut self, payload: &[u8]) {
        if let Some(skimmed) = &mut self.skimmed {
            return skimmed.extend_from_slice(payload);
        }
        let Some(decoder) = &mut self.decoder else {
            return self.plain.extend_from_slice(payload);
        };
        let decoded = decoder.write_all(payload).and_then(|()| decoder.flush());
        decoded.expect("a gzip member");
        self.plain.append(decoder.get_mut());
    }

    /// Finds the lines in the payload, keeps what may be the beginning of one.
    fn scan(&mut self, form: LineForm, mut on_line: impl FnMut(u64, Option<u64>)) {
        let mut keep = self.plain.len();
        for at in memchr::memchr_iter(MARK, &self.plain) {
            if self.plain.len() - at < form.head_bytes() {
                keep = at;
                break;
            }
            let line = form.read(&self.plain[at..]).expect("a numbered line");
            on_line(line.0, line.1);
        }
        self.plain.drain(..keep);
    }
}

/// Opcode, header length and payload length of the frame that begins here, if its header is whole.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0f;
    let (header, payload) = match bytes.get(1)? & 0x7f {
        126 => (
            4,
            usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)),
        ),
        127 => (
            FRAME_HEADER_BYTES_MAX,
            u64::from_be_bytes(*bytes[2..].first_chunk()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    Some((opcode, header, payload))
}

fn is_text(opcode: u8) -> bool {
    const TEXT: u8 = 1;
    opcode == TEXT
}

fn is_deflated(first: u8) -> bool {
    const RSV1: u8 = 0x40;
    first & RSV1 != 0
}
