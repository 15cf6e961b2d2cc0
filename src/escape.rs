//! Owns how foreign text is shown: escaped and cut, so that it can stand in a log or an error line.
//!
//! Whatever a client sends could forge log lines with newlines, drive a terminal with control sequences or
//! fill a disk. So it is shown as a string literal would show it, without its quotes, and only its
//! beginning. An apostrophe is no danger within double quotes, and stands in sentences.

use std::fmt::Write;

use crate::limits::SHOWN_CHARS;

/// `bytes` as one short line of printable text: control characters, double quotes, backslashes and invisible
/// characters are escaped, bytes that are no UTF-8 become `\xNN`, and what is beyond the limit becomes `…`.
///
/// ```
/// use tailcast::escape::shown;
///
/// assert_eq!(shown(b"a\nb\xff"), r"a\nb\xff");
/// ```
pub fn shown(bytes: &[u8]) -> String {
    shown_up_to(SHOWN_CHARS, bytes)
}

/// The same of a longer text, cut behind `chars_max` characters.
pub fn shown_up_to(chars_max: usize, bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut left = chars_max;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if left == 0 {
                out.push('…');
                return out;
            }
            left -= 1;
            match character {
                '\'' => out.push('\''),
                _ => out.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            if left == 0 {
                out.push('…');
                return out;
            }
            left -= 1;
            // Writing to a String can't fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_is_shown_as_it_is() {
        for text in ["lines=10 é", "can't be used"] {
            assert_eq!(shown(text.as_bytes()), text);
        }
    }

    #[test]
    fn control_characters_quotes_and_invalid_bytes_are_escaped() {
        assert_eq!(
            shown(b"a\r\n\x1b[31m\"\\\0\xff"),
            "a\\r\\n\\u{1b}[31m\\\"\\\\\\0\\xff"
        );
        assert_eq!(shown("\u{202e}gpj".as_bytes()), "\\u{202e}gpj");
    }

    #[test]
    fn long_text_is_cut() {
        let text = shown(&[b'x'; 1000]);
        assert_eq!(text.chars().count(), SHOWN_CHARS + 1);
        assert!(text.ends_with('…'));
    }

    proptest! {
        #[test]
        fn whatever_comes_stays_one_short_line(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let text = shown(&bytes);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(text.chars().count() <= SHOWN_CHARS * 10 + 1);
        }
    }
}
