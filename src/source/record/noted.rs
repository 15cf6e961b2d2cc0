//! A line of a spool whose origin says more of its lines than their text: `<tNANOSECONDS p6 se>TEXT`, each word left out
//! where nothing is known.

use std::fmt;
use std::io::Write;
use std::str;

use memchr::memchr;

use super::text::Coding;
use super::{Note, Outlet, Record};

/// The longest of the words before the text, and then some.
const NOTE_BYTES: usize = 64;

/// Reads a stored line, which comes without its newline.
pub(super) fn read(line: &[u8]) -> Option<Record<'_>> {
    let rest = line.strip_prefix(b"<")?;
    let end = memchr(b'>', &rest[..rest.len().min(NOTE_BYTES)])?;
    let (words, text) = (str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]);
    let mut note = Note::default();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let (kind, value) = word.split_at_checked(1)?;
        match (kind, value) {
            ("t", time) => note.time = Some(time.parse().ok()?),
            ("p", priority) => note.priority = Some(priority.parse().ok().filter(|&p| p < 8)?),
            ("s", "o") => note.outlet = Some(Outlet::Stdout),
            ("s", "e") => note.outlet = Some(Outlet::Stderr),
            _ => return None,
        }
    }
    Some(Record {
        text_at: end + 2,
        text,
        coding: Coding::Bytes,
        part: false,
        note,
    })
}

/// Appends what stands before a text of which this is known.
pub fn write(note: Note, out: &mut Vec<u8>) {
    out.push(b'<');
    let begin = out.len();
    let mut word = |word: fmt::Arguments<'_>| {
        if out.len() > begin {
            out.push(b' ');
        }
        // Writing to a Vec can't fail.
        let _ = out.write_fmt(word);
    };
    if let Some(time) = note.time {
        word(format_args!("t{time}"));
    }
    if let Some(priority) = note.priority {
        word(format_args!("p{priority}"));
    }
    match note.outlet {
        Some(Outlet::Stdout) => word(format_args!("so")),
        Some(Outlet::Stderr) => word(format_args!("se")),
        None => {}
    }
    out.push(b'>');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            time in proptest::option::of(any::<i64>()),
            priority in proptest::option::of(0u8..8),
            outlet in proptest::option::of(prop_oneof![Just(Outlet::Stdout), Just(Outlet::Stderr)]),
            text in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let note = Note { time, outlet, priority };
            let mut line = Vec::new();
            write(note, &mut line);
            line.extend_from_slice(&text);
            let record = read(&line).expect("a record");
            prop_assert_eq!(record.note, note);
            prop_assert_eq!(record.text, &text[..]);
            prop_assert_eq!(&line[record.text_at..], &text[..]);
        }
    }

    #[test]
    fn other_lines_are_no_records() {
        for line in ["", "<", "plain", "<p8>x", "<x>y", "<p6 q>y", "<t>y"] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }
}
