//! Owns percent-encoding (RFC 3986, section 2.1), in both directions.

use std::fmt::Write;

/// A `%` that two hexadecimal digits don't follow.
#[derive(Debug, PartialEq, Eq)]
pub struct BrokenEscape;

/// What a `+` stands for: a space in what forms send, itself elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    /// `application/x-www-form-urlencoded`.
    IsSpace,
    /// Paths, and tokens, which are often base64.
    IsItself,
}

/// The bytes that `text` stands for.
pub fn decode(text: &[u8], plus: Plus) -> Result<Vec<u8>, BrokenEscape> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let high = rest
                    .next()
                    .and_then(|&digit| hex(digit))
                    .ok_or(BrokenEscape)?;
                let low = rest
                    .next()
                    .and_then(|&digit| hex(digit))
                    .ok_or(BrokenEscape)?;
                high << 4 | low
            }
            b'+' if plus == Plus::IsSpace => b' ',
            byte => byte,
        });
    }
    Ok(out)
}

/// `bytes` with all but unreserved characters encoded: fit for a URL and for a cookie.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_plus_are_decoded() {
        assert_eq!(
            decode(b"a%20b+c%2b%C3%a9", Plus::IsSpace),
            Ok("a b c+é".into())
        );
        assert_eq!(decode(b"a+b", Plus::IsItself), Ok(b"a+b".into()));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "%zz", "%+1", "a%%20"] {
            assert_eq!(
                decode(text.as_bytes(), Plus::IsSpace),
                Err(BrokenEscape),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes(), Plus::IsSpace), Ok(bytes));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(decoded) = decode(&bytes, Plus::IsSpace) {
                prop_assert!(decoded.len() <= bytes.len());
            }
        }
    }
}
