//! A line of Docker's json-file driver: `{"log":"TEXT\n","stream":"stdout","attrs":{…},"time":"TIME"}`.
//!
//! The driver cuts a line that is longer than 16 KiB: all its records but the last have no `\n` in their text. Other
//! programs write such files too, with blanks between the members or with the members in another order. A JSON object
//! that merely begins with "log" is a program's own and no record, unless it has the stream and the time too.

use memchr::{memchr, memchr2, memrchr};

use super::text::Coding;
use super::{Note, Outlet, Record, moment};

const BEGINNING: &[u8] = b"{\"log\":\"";

/// Whether a file's line begins as a record does. What follows may not be there yet.
pub(super) fn begins(line: &[u8]) -> bool {
    let spaced = || {
        let text = value(
            line.strip_prefix(b"{")
                .map(blank)?
                .strip_prefix(b"\"log\"")?,
        )?;
        Some(text.starts_with(b"\""))
    };
    line.starts_with(BEGINNING) || spaced() == Some(true)
}

/// Reads a stored line, which comes without its ending.
pub(super) fn read(line: &[u8]) -> Option<Record<'_>> {
    let (mut text, mut outlet, mut time) = (None, None, None);
    let mut rest = blank(line.strip_prefix(b"{")?);
    if let Some((said, after)) = line.strip_prefix(BEGINNING).and_then(string) {
        // As the driver writes it, byte by byte: the loop would read the same, and compare more.
        text = Some((BEGINNING.len(), said));
        rest = after;
        for (known, begins) in [
            (Outlet::Stdout, &b",\"stream\":\"stdout\""[..]),
            (Outlet::Stderr, b",\"stream\":\"stderr\""),
        ] {
            if let Some(after) = rest.strip_prefix(begins) {
                (outlet, rest) = (Some(known), after);
                break;
            }
        }
        rest = next(rest)?;
    }
    while rest != b"}" {
        let (key, after) = string(rest.strip_prefix(b"\"")?)?;
        let value = value(after)?;
        rest = match key {
            b"log" if text.is_none() => {
                let value = value.strip_prefix(b"\"")?;
                let (said, rest) = string(value)?;
                text = Some((line.len() - value.len(), said));
                rest
            }
            b"stream" if outlet.is_none() => {
                let (name, rest) = string(value.strip_prefix(b"\"")?)?;
                outlet = Some(Outlet::named(name)?);
                rest
            }
            b"time" if time.is_none() => {
                let (when, rest) = string(value.strip_prefix(b"\"")?)?;
                time = Some(moment::read(when)?);
                rest
            }
            b"attrs" => object(value)?,
            _ => return None,
        };
        rest = next(rest)?;
    }
    let (text_at, text) = text?;
    let (text, ended) = one_line(text)?;
    Some(Record {
        text_at,
        text,
        coding: Coding::Json,
        part: !ended,
        note: Note {
            time: time?.nanoseconds(),
            outlet: Some(outlet?),
            priority: None,
        },
    })
}

/// `bytes` behind the blanks that JSON allows between its tokens.
fn blank(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b' ' | b'\t' | b'\r', ..] => bytes.trim_ascii_start(),
        _ => bytes,
    }
}

/// The value that follows the key of a member.
fn value(bytes: &[u8]) -> Option<&[u8]> {
    blank(bytes).strip_prefix(b":").map(blank)
}

/// What follows the value of a member: the next key, or the `}` that ends the object.
fn next(bytes: &[u8]) -> Option<&[u8]> {
    match blank(bytes) {
        b"}" => Some(b"}"),
        [b',', rest @ ..] => match blank(rest) {
            rest @ [b'"', ..] => Some(rest),
            _ => None,
        },
        _ => None,
    }
}

/// The outlet of a record that is not read as a whole, where its end tells it: enough for one that is of no account.
pub(super) fn glance(line: &[u8]) -> Option<Outlet> {
    let rest = line.strip_suffix(b"\"}")?;
    let (rest, _) = rest.split_at(memrchr(b'"', rest)?);
    let rest = rest.strip_suffix(b"\",\"time\":")?;
    let (rest, name) = rest.split_at_checked(rest.len().checked_sub(6)?)?;
    rest.ends_with(b"\"stream\":\"")
        .then(|| Outlet::named(name))?
}

/// What stands before the quote that ends a string, and what stands behind it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some((&bytes[..at], &bytes[at + 1..]));
        }
        at += 2;
    }
}

/// What stands behind an object.
fn object(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"{")?;
    let mut depth = 1;
    while depth > 0 {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b'"' => rest = string(rest)?.1,
            _ => {}
        }
    }
    Some(rest)
}

/// The stored text without the newline that ends it, and whether there is one; `None` where there is another one.
fn one_line(text: &[u8]) -> Option<(&[u8], bool)> {
    let mut at = 0;
    while let Some(escape) = memchr(b'\\', &text[at..]) {
        at += escape;
        match &text[at..] {
            b"\\n" => return Some((&text[..at], true)),
            [_, b'n', ..] | [_, b'u', b'0', b'0', b'0', b'a' | b'A', ..] => return None,
            rest => at += rest.len().min(2),
        }
    }
    Some((text, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(line: &str) -> Option<(&[u8], bool)> {
        read(line.as_bytes()).map(|record| (record.text, record.part))
    }

    #[test]
    fn a_record_has_its_text_its_stream_and_its_time() {
        let line = br#"{"log":"a \"b\"\n","stream":"stderr","attrs":{"a}\"":"{","tag":"x"},"time":"2026-11-28T10:00:00.123456789Z"}"#;
        let record = read(line).expect("a record");
        assert_eq!(record.text, br#"a \"b\""#);
        assert!(!record.part);
        assert_eq!(record.note.outlet, Some(Outlet::Stderr));
        assert_eq!(record.note.time, Some(1_795_860_000_123_456_789));
    }

    #[test]
    fn blanks_and_the_order_of_the_members_are_free() {
        let time = r#""time": "2026-11-28T10:00:00.123456789Z""#;
        for line in [
            format!(r#"{{"log": "a \"b\"\n", "stream": "stderr", {time}}}"#),
            format!(r#"{{ "log" : "a \"b\"\n" , "attrs" : {{}} , "stream" : "stderr" , {time} }}"#),
            format!(r#"{{{time},"stream":"stderr","log":"a \"b\"\n"}}"#),
        ] {
            let record = read(line.as_bytes()).expect("a record");
            assert_eq!(record.text, br#"a \"b\""#);
            assert_eq!(&line.as_bytes()[record.text_at..][..7], record.text);
            assert_eq!(record.note.outlet, Some(Outlet::Stderr));
            assert_eq!(record.note.time, Some(1_795_860_000_123_456_789));
        }
    }

    #[test]
    fn a_beginning_is_known_before_its_line_has_ended() {
        for (line, known) in [
            (r#"{"log":""#, true),
            (r#"{ "log" : "a"#, true),
            (r#"{"log":{"#, false),
            (r#"{"log""#, false),
            (r#"{"time": "2026"#, false),
        ] {
            assert_eq!(begins(line.as_bytes()), known, "{line}");
        }
    }

    #[test]
    fn a_glance_tells_the_outlet() {
        let line = |rest: &str| glance(format!(r#"{{"log":"a\n",{rest}"#).as_bytes());
        let time = r#""time":"2026-11-28T10:00:00Z"}"#;
        assert_eq!(
            line(&format!(r#""stream":"stderr",{time}"#)),
            Some(Outlet::Stderr)
        );
        assert_eq!(line(&format!(r#""stream":"stdin",{time}"#)), None);
        assert_eq!(line(time), None);
        assert_eq!(line(r#""attrs":{}}"#), None);
    }

    #[test]
    fn a_text_without_its_newline_is_a_part() {
        let of = |text: &str| {
            format!(r#"{{"log":"{text}","stream":"stdout","time":"2026-11-28T10:00:00Z"}}"#)
        };
        assert_eq!(read_text(&of("a")), Some((&b"a"[..], true)));
        assert_eq!(read_text(&of(r"\n")), Some((&b""[..], false)));
        assert_eq!(read_text(&of(r"a\\n")), Some((&br"a\\n"[..], true)));
        assert_eq!(read_text(&of(r"a\\\n")), Some((&br"a\\"[..], false)));
        assert_eq!(read_text(&of("")), Some((&b""[..], true)));
    }

    #[test]
    fn what_only_resembles_a_record_is_none() {
        for line in [
            r#"{"log":"a program's own JSON"}"#,
            r#"{"log":"a\n","stream":"stdout"}"#,
            r#"{"log":"a\n","stream":"stdin","time":"2026-11-28T10:00:00Z"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"yesterday"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"2026-11-28T10:00:00Z","more":1}"#,
            r#"{"log":"a\n","stream":"stdout","time":"2026-11-28T10:00:00Z"}}"#,
            r#"{"log":"a\n","stream":"stdout","time":"2026-11-2"#,
            r#"{"log":"a\nb\n","stream":"stdout","time":"2026-11-28T10:00:00Z"}"#,
            r#"{"log":"a\u000ab","stream":"stdout","time":"2026-11-28T10:00:00Z"}"#,
            r#"{"log":"a\"#,
            r#"{"log":"#,
            "",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }
}
