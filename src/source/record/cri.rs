//! A line of a container's log as CRI has it: `TIME stdout F TEXT`, written by containerd and CRI-O, and by Podman's
//! k8s-file driver. The tag is F where the program's line ends, or P where it goes on; an F with no text ends a line
//! of which all is written already.

use memchr::memchr;

use super::text::Coding;
use super::{Note, Outlet, Record, moment};

/// Whether a file's line, which may not be all there yet, begins as a record does.
pub(super) fn begins(line: &[u8]) -> bool {
    match line.strip_suffix(b"\n") {
        Some(line) => read(line).is_some(),
        // The word that stands at its end may still grow.
        None => read(line).is_some_and(|record| line[..record.text_at].ends_with(b" ")),
    }
}

/// Reads a stored line, which comes without its newline.
pub(super) fn read(line: &[u8]) -> Option<Record<'_>> {
    let (time, rest) = word(line)?;
    let (outlet, rest) = word(rest)?;
    let outlet = Outlet::named(outlet)?;
    let time = moment::read(time)?;
    let (tags, text) = word(rest).unwrap_or((rest, b""));
    // More tags may follow behind a colon.
    let part = match tags {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return None,
    };
    Some(Record {
        text_at: line.len() - text.len(),
        text,
        coding: Coding::Bytes,
        part,
        note: Note {
            time: time.nanoseconds(),
            outlet: Some(outlet),
            priority: None,
        },
    })
}

/// The outlet of a record that is not read as a whole: enough for one that is of no account.
pub(super) fn glance(line: &[u8]) -> Option<Outlet> {
    let (_, rest) = word(line)?;
    Outlet::named(rest.get(..6)?)
}

/// The longest of the words before the text: a time with nanoseconds and an offset has 35 bytes.
const WORD_BYTES: usize = 64;

fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b' ', &bytes[..bytes.len().min(WORD_BYTES)])?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_text_its_stream_and_its_time() {
        let line = b"2026-11-28T11:00:00.123456789+01:00 stderr F  a b\r";
        let record = read(line).expect("a record");
        assert_eq!(record.text, b" a b\r");
        assert_eq!(&line[record.text_at..], record.text);
        assert!(!record.part);
        assert_eq!(record.note.outlet, Some(Outlet::Stderr));
        assert_eq!(record.note.time, Some(1_795_860_000_123_456_789));
    }

    #[test]
    fn tags_say_whether_the_line_goes_on() {
        let part = |rest: &str| {
            let line = format!("2026-11-28T10:00:00Z stdout {rest}");
            read(line.as_bytes()).map(|record| (record.text.to_vec(), record.part))
        };
        assert_eq!(part("P a"), Some((b"a".to_vec(), true)));
        assert_eq!(part("P:x:y a"), Some((b"a".to_vec(), true)));
        assert_eq!(part("F "), Some((Vec::new(), false)));
        assert_eq!(part("F"), Some((Vec::new(), false)));
        assert_eq!(part("F  "), Some((b" ".to_vec(), false)));
        for other in ["", "X a", "FP a", " F a", "Failed"] {
            assert_eq!(part(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_only_resembles_a_record_is_none() {
        for line in [
            "2026-11-28T10:00:00Z host sshd[1]: F",
            "2026-11-28T10:00:00Z stdin F a",
            "yesterday stdout F a",
            "2026-11-28T10:00:00Z stdout",
            "",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }
}
