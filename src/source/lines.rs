//! A stretch of whole lines of one generation, and the one rule by which bytes become lines.
//!
//! A line ends at `\n`; one `\r` before it belongs to the ending. A longer line than `--max-line` is cut in pieces,
//! at a character boundary where there is one. The cuts depend only on where the line begins, so that the watcher,
//! a reader that comes later and one that looks back all find the same ones.

use std::str;

use memchr::memchr_iter;

use super::record::{Note, Records};
use super::{Id, IdMaker, Position};

/// Whole lines of one generation.
#[derive(Debug)]
pub struct Lines {
    /// The generation's number.
    pub generation: u64,
    /// Offset of the first byte.
    pub from: u64,
    /// The lines with their endings, as they are stored.
    pub bytes: Vec<u8>,
    /// Where each line ends in `bytes`, its ending included; ascending, the last one is `bytes.len()`.
    pub ends: Vec<u32>,
    /// The last line has no ending because its generation was sealed without one.
    pub unfinished: bool,
    /// Makes the ids of its places.
    pub ids: IdMaker,
    /// What the lines say, where that is not what is stored.
    pub records: Option<Box<Records>>,
}

impl Lines {
    /// How many lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Never true of published lines.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Line `i` as it was written, with its ending.
    pub fn raw(&self, i: usize) -> &[u8] {
        if let Some(records) = &self.records {
            return records.written(i);
        }
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    /// Line `i` without its ending.
    pub fn line(&self, i: usize) -> &[u8] {
        content(self.raw(i))
    }

    /// The newline that goes behind line `i` where it has none of its own and gets one: an unfinished line, and, where a
    /// filter may have left out the others, a piece of a cut one.
    pub fn ending(&self, i: usize, filtered: bool) -> &'static [u8] {
        let unfinished = self.unfinished && i + 1 == self.len();
        match !self.raw(i).ends_with(b"\n") && (unfinished || filtered) {
            true => b"\n",
            false => b"",
        }
    }

    /// Each line is text that ends with a newline alone: then its text says all of it.
    pub fn are_text(&self, filtered: bool) -> bool {
        (0..self.len()).all(|i| {
            let (raw, line) = (self.raw(i), self.line(i));
            let ending = &raw[line.len()..];
            (ending == b"\n" || self.ending(i, filtered) == b"\n") && str::from_utf8(line).is_ok()
        })
    }

    /// What is said of line `i`, where it is a record.
    pub fn note(&self, i: usize) -> Option<Note> {
        self.records.as_ref().map(|records| records.note(i))
    }

    /// The place where line `i` begins.
    pub fn id_before(&self, i: usize) -> Id {
        if i == 0 {
            self.ids.id(self.from, &[])
        } else {
            self.id_after(i - 1)
        }
    }

    /// The place just after line `i`: its id.
    pub fn id_after(&self, i: usize) -> Id {
        self.ids.id(self.from, &self.bytes[..self.ends[i] as usize])
    }

    /// The place just after line `i`, as a position.
    pub fn after(&self, i: usize) -> Position {
        self.at(self.ends[i] as usize)
    }

    /// The place just before the first line.
    pub fn begin(&self) -> Position {
        self.at(0)
    }

    /// The place just after the last line.
    pub fn end(&self) -> Position {
        self.at(self.bytes.len())
    }

    fn at(&self, bytes: usize) -> Position {
        Position {
            generation: self.generation,
            offset: self.from + bytes as u64,
        }
    }
}

/// A line without its ending.
pub fn content(raw: &[u8]) -> &[u8] {
    match raw {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        line => line,
    }
}

/// Bytes without a newline that must be there before a line is known to be too long: its ending may be two.
pub fn cut_when(line_bytes_max: usize) -> usize {
    line_bytes_max + 2
}

/// Pushes onto `ends` where each line of `bytes` ends; `bytes` begin where a line (or a piece of one) begins.
/// Returns how many bytes those lines are; the rest is a fragment. With `to_the_end`, `bytes` end where a line or a
/// piece is known to end, and there is no fragment.
pub fn split(bytes: &[u8], to_the_end: bool, line_bytes_max: usize, ends: &mut Vec<u32>) -> usize {
    let mut start = 0;
    for newline in memchr_iter(b'\n', bytes) {
        while content(&bytes[start..=newline]).len() > line_bytes_max {
            start += cut(&bytes[start..], line_bytes_max);
            ends.push(start as u32);
        }
        start = newline + 1;
        ends.push(start as u32);
    }
    while bytes.len() - start >= cut_when(line_bytes_max)
        || (to_the_end && bytes.len() - start > line_bytes_max)
    {
        start += cut(&bytes[start..], line_bytes_max);
        ends.push(start as u32);
    }
    if to_the_end && start < bytes.len() {
        start = bytes.len();
        ends.push(start as u32);
    }
    start
}

/// Where a line that is longer than `line_bytes_max` is cut: there, or before the character that stands across it.
/// Looks at no more than `line_bytes_max + 1` bytes.
pub fn cut(line: &[u8], line_bytes_max: usize) -> usize {
    let continues = |byte: u8| byte & 0xc0 == 0x80;
    if !continues(line[line_bytes_max]) {
        return line_bytes_max;
    }
    for back in 1..=3.min(line_bytes_max) {
        let byte = line[line_bytes_max - back];
        if continues(byte) {
            continue;
        }
        let length = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > back && back < line_bytes_max {
            line_bytes_max - back
        } else {
            line_bytes_max
        };
    }
    line_bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(bytes: &[u8], to_the_end: bool, max: usize) -> Vec<&[u8]> {
        let mut ends = Vec::new();
        split(bytes, to_the_end, max, &mut ends);
        let mut start = 0;
        ends.iter()
            .map(|&end| {
                let piece = &bytes[start..end as usize];
                start = end as usize;
                piece
            })
            .collect()
    }

    #[test]
    fn a_line_ends_at_its_newline_and_one_carriage_return_belongs_to_it() {
        let lines: Vec<_> = pieces(b"a\r\nb\r\r\n\n\xff\nrest", false, 100)
            .into_iter()
            .map(content)
            .collect();
        assert_eq!(lines, [&b"a"[..], b"b\r", b"", b"\xff"]);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_and_one_of_just_the_bound_is_not() {
        assert_eq!(pieces(b"abcd\r\n", false, 4), [b"abcd\r\n"]);
        assert_eq!(pieces(b"abcde\n", false, 4), [&b"abcd"[..], b"e\n"]);
        assert_eq!(
            pieces("abcäef\n".as_bytes(), false, 4),
            ["abc".as_bytes(), "äef\n".as_bytes()].map(|x| x)
        );
        assert_eq!(
            pieces(b"\x80\x80\x80\x80\x80\x80\n", false, 4),
            [&b"\x80\x80\x80\x80"[..], b"\x80\x80\n"]
        );
        assert!(
            pieces(b"abcde", false, 4).is_empty(),
            "its ending may be two bytes"
        );
        assert_eq!(pieces(b"abcdef", false, 4), [b"abcd"]);
        assert_eq!(pieces(b"abcde", true, 4), [&b"abcd"[..], b"e"]);
    }

    proptest! {
        #[test]
        fn cuts_depend_only_on_where_the_line_begins(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), Just(0xc3), Just(0xa4), Just(0x80)], 0..80),
            at in 0usize..80, max in 1usize..9,
        ) {
            let whole = pieces(&bytes, true, max);
            // Split in two steps, as a writer or a reader in chunks would see it.
            let at = at.min(bytes.len());
            let mut ends = Vec::new();
            let used = split(&bytes[..at], false, max, &mut ends);
            let mut steps: Vec<usize> = ends.iter().map(|&end| end as usize).collect();
            let mut rest = Vec::new();
            split(&bytes[used..], true, max, &mut rest);
            steps.extend(rest.iter().map(|&end| used + end as usize));
            let mut sum = 0;
            let want: Vec<usize> = whole.iter().map(|piece| { sum += piece.len(); sum }).collect();
            prop_assert_eq!(steps, want);
            for piece in whole {
                prop_assert!(content(piece).len() <= max);
            }
        }
    }
}
