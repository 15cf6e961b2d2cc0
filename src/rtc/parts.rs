//! A message on its way into a data channel: whole where the peer takes it, else in parts.
//!
//! Every part but the last goes as a binary message, and the last as text: together they are the message. Parts end
//! between characters. An empty message, an empty line, comes as a newline, which no line has in it.

use tungstenite::Utf8Bytes;

/// What stands for an empty message. The package does not send one: it counts it, and all that follow wait for it.
const EMPTY: &str = "\n";

/// A message, as far as it is not sent yet.
#[derive(Debug)]
pub(super) struct Parts {
    text: Utf8Bytes,
    /// Bytes that are sent.
    sent: usize,
    part_bytes_max: usize,
}

impl Parts {
    pub(super) fn new(text: Utf8Bytes, part_bytes_max: usize) -> Parts {
        Parts {
            text: if text.is_empty() {
                Utf8Bytes::from_static(EMPTY)
            } else {
                text
            },
            sent: 0,
            part_bytes_max,
        }
    }

    /// The next part, and whether it is the last one.
    pub(super) fn next(&self) -> (&str, bool) {
        let rest = &self.text.as_str()[self.sent..];
        let longest = self.part_bytes_max.min(rest.len());
        let end = (0..=longest).rev().find(|&end| rest.is_char_boundary(end));
        let end = end.unwrap_or(0);
        (&rest[..end], end == rest.len())
    }

    /// The next part was taken; whether there is more.
    pub(super) fn is_taken(&mut self) -> bool {
        let (part, is_last) = self.next();
        self.sent += part.len();
        !is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, part_bytes_max: usize) -> Vec<(String, bool)> {
        let mut parts = Parts::new(text.into(), part_bytes_max);
        let mut all = Vec::new();
        loop {
            let (part, is_last) = parts.next();
            all.push((part.to_owned(), is_last));
            if !parts.is_taken() {
                return all;
            }
        }
    }

    #[test]
    fn a_message_that_fits_is_one_and_a_longer_one_comes_in_parts_between_characters() {
        assert_eq!(cut("abcd", 4), [("abcd".to_owned(), true)]);
        assert_eq!(cut("", 4), [(EMPTY.to_owned(), true)]);
        let parts = cut("a\u{20ac}\u{20ac}bc", 4);
        let text: String = parts.iter().map(|(part, _)| part.as_str()).collect();
        assert_eq!(text, "a\u{20ac}\u{20ac}bc");
        assert!(
            parts
                .iter()
                .all(|(part, _)| part.len() <= 4 && !part.is_empty())
        );
        assert_eq!(parts.iter().filter(|(_, is_last)| *is_last).count(), 1);
    }
}
