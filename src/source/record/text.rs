//! The text of a record as it is stored, and as the program wrote it.

/// How a text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it was written.
    Bytes,
    /// As the inside of a JSON string.
    Json,
}

impl Coding {
    /// Appends the text that is stored as `stored`. An escape that is none is taken as it lies there.
    pub fn decode(self, stored: &[u8], out: &mut Vec<u8>) {
        let mut rest = stored;
        if self == Coding::Json {
            while let Some(at) = memchr::memchr(b'\\', rest) {
                out.extend_from_slice(&rest[..at]);
                let length = escape(&rest[at..], out);
                rest = &rest[at + length..];
            }
        }
        out.extend_from_slice(rest);
    }

    /// How many bytes of `stored` hold the first `written` bytes of the text. Where that is within an escape, the bytes
    /// before it; where that were nothing, the escape.
    pub fn stored_bytes(self, stored: &[u8], written: usize) -> usize {
        if self == Coding::Bytes {
            return written.min(stored.len());
        }
        let (mut at, mut have) = (0, 0);
        let mut decoded = Vec::new();
        while at < stored.len() && have < written {
            let (length, bytes) = if stored[at] == b'\\' {
                decoded.clear();
                (escape(&stored[at..], &mut decoded), decoded.len())
            } else {
                (1, 1)
            };
            if have + bytes > written && at > 0 {
                break;
            }
            at += length;
            have += bytes;
        }
        at
    }
}

/// Appends what the escape at the beginning of `stored` stands for; returns how long it is.
fn escape(stored: &[u8], out: &mut Vec<u8>) -> usize {
    let byte = match stored.get(1) {
        Some(b'u') => return unicode(stored, out),
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
        _ => {
            out.push(b'\\');
            return 1;
        }
    };
    out.push(byte);
    2
}

/// The same for `\uXXXX`, and for two of them that are one character. Half a pair is U+FFFD.
fn unicode(stored: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(unit) = unit(stored) else {
        out.push(b'\\');
        return 1;
    };
    let (character, length) = match unit {
        0xd800..=0xdbff => match self::unit(&stored[6..]) {
            Some(low @ 0xdc00..=0xdfff) => (
                char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)),
                12,
            ),
            _ => (None, 6),
        },
        unit => (char::from_u32(unit), 6),
    };
    let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length
}

/// The UTF-16 unit of the escape at the beginning of `stored`.
fn unit(stored: &[u8]) -> Option<u32> {
    let digits = stored.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit * 16 + char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(stored: &str) -> String {
        let mut out = Vec::new();
        Coding::Json.decode(stored.as_bytes(), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_escape_of_json_is_read_and_others_are_taken_as_they_lie_there() {
        assert_eq!(
            decoded(r#"a\"\\\/\b\f\n\r\t\u003c\u0000"#),
            "a\"\\/\u{8}\u{c}\n\r\t<\0"
        );
        assert_eq!(
            decoded(r"\u00e9 \u2028 \ud83d\ude00"),
            "\u{e9} \u{2028} \u{1f600}"
        );
        assert_eq!(
            decoded(r"\ud83d \ude00 \ud83d\u0041"),
            "\u{fffd} \u{fffd} \u{fffd}A"
        );
        assert_eq!(decoded(r"\x \u12 \u12g4 \"), r"\x \u12 \u12g4 \");
    }

    proptest! {
        #[test]
        fn what_a_json_writer_wrote_is_read_back(text in "\\PC{0,20}[\\x00-\\x1f\"\\\\]{0,4}\\PC{0,5}") {
            let stored = serde_json::to_string(&text).expect("JSON");
            prop_assert_eq!(decoded(&stored[1..stored.len() - 1]), text);
        }

        #[test]
        fn a_text_can_be_read_in_two_steps(stored in "([a-zä\\\\\"]|\\\\u00e9|\\\\n|\\\\ud83d\\\\ude00){0,12}", at in 0usize..30) {
            let whole = { let mut out = Vec::new(); Coding::Json.decode(stored.as_bytes(), &mut out); out };
            let cut = Coding::Json.stored_bytes(stored.as_bytes(), at);
            prop_assert!(cut > 0 || at == 0 || stored.is_empty());
            let mut steps = Vec::new();
            Coding::Json.decode(&stored.as_bytes()[..cut], &mut steps);
            prop_assert!(steps.len() <= at.max(4));
            Coding::Json.decode(&stored.as_bytes()[cut..], &mut steps);
            prop_assert_eq!(steps, whole);
        }
    }
}
