//! What another tailcast says before its stream: the ids for which its request's head had no room ([`crate::via::PROTOCOL`]).
//!
//! They come as text messages of WebSocket (RFC 6455, section 5), read here since the stream's own engine is made later:
//! each in one frame, masked, of at most [`CLIENT_MESSAGE_BYTES`]. An empty one is the last.

use std::time::{Duration, Instant};

use crate::limits::{CLIENT_MESSAGE_BYTES, FILES_MAX, HEAD_READ_BYTES, HEAD_TIME_MS};

use super::{Client, Heard};

/// What stands at the beginning of what was said.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    /// No whole frame yet.
    Partial,
    /// A text, and how many bytes it took.
    Text(Vec<u8>, usize),
    /// Something else.
    Other,
}

impl Frame {
    fn first_of(said: &[u8]) -> Frame {
        let (head, length) = match *said {
            [0x81, length @ 0x80..=0xfd, ..] => (2, usize::from(length & 0x7f)),
            [0x81, 0xfe, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [] | [0x81] | [0x81, 0xfe] | [0x81, 0xfe, _] => return Frame::Partial,
            _ => return Frame::Other,
        };
        if length > CLIENT_MESSAGE_BYTES {
            return Frame::Other;
        }
        let end = head + 4 + length;
        let (Some(mask), Some(masked)) = (said.get(head..head + 4), said.get(head + 4..end)) else {
            return Frame::Partial;
        };
        let bytes = masked.iter().zip(mask.iter().cycle());
        Frame::Text(bytes.map(|(byte, mask)| byte ^ mask).collect(), end)
    }
}

impl Client<'_> {
    /// Hears the ids, of which `said` may hold some already, and takes them out of it. Blocks for at most as long as a head
    /// may take; `None` where they don't come.
    pub(super) fn hear_places(&self, said: &mut Vec<u8>) -> Option<Vec<String>> {
        let deadline = Instant::now() + Duration::from_millis(HEAD_TIME_MS);
        let mut places = Vec::new();
        loop {
            match Frame::first_of(said) {
                Frame::Text(text, used) => {
                    said.drain(..used);
                    let text = String::from_utf8(text).ok()?;
                    if text.is_empty() {
                        return Some(places);
                    }
                    places.extend(text.split('~').map(str::to_owned));
                    if places.len() > FILES_MAX {
                        return None;
                    }
                    continue;
                }
                Frame::Partial => {}
                Frame::Other => return None,
            }
            match self.read_on(said, HEAD_READ_BYTES, deadline) {
                Heard::More => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_it_is_whole_and_nothing_else_is() {
        let short = [0x81, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, 0x99];
        assert_eq!(Frame::first_of(&short), Frame::Text(b"ab".to_vec(), 8));
        for n in 0..8 {
            assert_eq!(Frame::first_of(&short[..n]), Frame::Partial, "{n} bytes");
        }
        let mut long = vec![0x81, 0xfe, 0x01, 0x00, 0, 0, 0, 0];
        long.extend([b'x'; 256]);
        assert_eq!(Frame::first_of(&long), Frame::Text(vec![b'x'; 256], 264));
        assert_eq!(
            Frame::first_of(&[0x81, 0x80, 1, 2, 3, 4]),
            Frame::Text(Vec::new(), 6)
        );
        // Not masked, a ping, a part of a message, one that is too long.
        for other in [
            &[0x81, 0x02][..],
            &[0x89, 0x80],
            &[0x01, 0x80],
            &[0x81, 0xfe, 0x10, 0x01],
        ] {
            assert_eq!(Frame::first_of(other), Frame::Other, "{other:?}");
        }
    }
}
