//! JSON strings (RFC 8259, section 7) of bytes that may not be UTF-8.

/// Appends `bytes` as a JSON string; each invalid sequence becomes U+FFFD.
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        escaped(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut plain = 0;
    for (i, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[plain..i]);
        plain = i + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&text[plain..]);
}

#[cfg(test)]
mod tests {
    use super::string;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_become_a_string_that_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            string(&bytes, &mut out);
            let read: String = serde_json::from_slice(&out).expect("a JSON string");
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }
    }
}
