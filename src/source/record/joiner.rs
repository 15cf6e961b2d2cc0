//! Makes lines of records: the parts of a line are joined, those of both outlets side by side.
//!
//! The lines are those that a plain file with the same text would have: cut over `--max-line` at a character boundary.
//! Each ends at a place of its own among the stored bytes, a piece in the middle of a record, so that a stream can be
//! resumed after any of them. What a joiner makes depends on nothing but the stored bytes, so that the watcher, a
//! reader that comes later and one that looks back agree; [`super::recover`] finds its state at any place.
//!
//! A program that writes no more to one of its outlets does not hold back what it wrote there last: an unfinished line
//! that began long ago is shown as it is.

use std::sync::Arc;

use memchr::memchr;

use crate::limits::{OPEN_LINE_BYTES, OPEN_LINE_FACTOR, OPEN_SHARED_BYTES};
use crate::source::lines::{self, content, cut_when};

use super::{Coding, Grammar, Note, Outlet, Record, Records};

/// Stored bytes after which an unfinished line is shown as it is, and a stored line without end is no record.
pub fn open_bytes_max(line_bytes_max: usize) -> usize {
    line_bytes_max * OPEN_LINE_FACTOR + OPEN_LINE_BYTES
}

/// A line of one outlet whose end is not written yet.
#[derive(Clone, Debug, Default)]
struct Open {
    /// What of it is not given out yet.
    text: Vec<u8>,
    /// Of the first part in `text`.
    note: Note,
    /// Where the record of that part begins.
    begun: u64,
}

/// What is unfinished at the end of a file, and goes on in the next one.
#[derive(Clone, Debug, Default)]
pub struct Carry {
    open: [Option<Open>; 2],
}

impl Carry {
    /// Whether the outlet with this number has an unfinished line.
    pub(super) fn has(&self, outlet: usize) -> bool {
        self.open[outlet].is_some()
    }
}

/// Lines that a joiner made.
#[derive(Debug, Default)]
pub struct Made {
    /// Where each ends, counted from where the stretch begins.
    pub ends: Vec<u32>,
    /// What they say.
    pub records: Records,
}

impl Made {
    /// Keeps only the lines that end at `end` or before; whether that were all.
    pub fn up_to(&mut self, end: u32) -> bool {
        let kept = self.ends.partition_point(|&each| each <= end);
        let all = kept == self.ends.len();
        self.ends.truncate(kept);
        self.records.truncate(kept);
        all
    }
}

/// The state between two records: what was read of the lines that are not ended yet.
#[derive(Clone, Debug)]
pub struct Joiner {
    grammar: Grammar,
    line_bytes_max: usize,
    /// Where the next stored line begins: bytes are to be given from here on.
    pub(super) at: u64,
    /// Lines that end here or before are not wanted.
    pub(super) after: u64,
    /// By outlet.
    open: [Option<Open>; 2],
    /// `at` is within a stored line that is too long for a record.
    pub(super) in_foreign: bool,
}

/// Where the lines that are made go.
struct Out<'a> {
    made: &'a mut Made,
    /// Where the stretch begins.
    from: u64,
    after: u64,
}

impl Out<'_> {
    /// A line ends at `end`.
    fn line(&mut self, end: u64, note: Note, write: impl FnOnce(&mut Vec<u8>)) {
        if end > self.after {
            self.made.ends.push((end - self.from) as u32);
            self.made.records.push(note, write);
        }
    }
}

impl Joiner {
    /// At the beginning `at` of a stored line, where what stands in `carry` is unfinished.
    pub fn new(grammar: Grammar, line_bytes_max: usize, at: u64, carry: &Carry) -> Joiner {
        let mut open = carry.open.clone();
        for open in open.iter_mut().flatten() {
            open.begun = at;
        }
        Joiner {
            grammar,
            line_bytes_max,
            at,
            after: at,
            open,
            in_foreign: false,
        }
    }

    /// The unfinished lines end at `end`, where the file does, since the next one is another program's. Where there are
    /// no bytes left for places of theirs, they go on all the same.
    pub fn end(&mut self, end: u64, from: u64, made: &mut Made) {
        let ended = made
            .ends
            .last()
            .map_or(from, |&last| from + u64::from(last));
        let mut open: Vec<&mut Option<Open>> = self.open.iter_mut().collect();
        open.retain(|open| open.as_ref().is_some_and(|open| !open.text.is_empty()));
        open.sort_by_key(|open| open.as_ref().map(|open| open.begun));
        let count = open.len() as u64;
        if ended + count > end {
            return;
        }
        let mut out = Out {
            made,
            from,
            after: self.after,
        };
        for (n, open) in open.into_iter().enumerate() {
            if let Some(open) = open.take() {
                out.line(end - count + 1 + n as u64, open.note, |text| {
                    text.extend_from_slice(&open.text);
                    text.push(b'\n');
                });
            }
        }
    }

    /// Where bytes are to be given from.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether it holds so little that it can stay with the lines it made.
    pub fn is_light(&self) -> bool {
        let held: usize = self.open.iter().flatten().map(|open| open.text.len()).sum();
        held <= OPEN_SHARED_BYTES
    }

    /// What is unfinished; `None` where nothing is.
    pub fn carry(&self) -> Option<Arc<Carry>> {
        let open = self.open.clone();
        open.iter()
            .any(Option::is_some)
            .then(|| Arc::new(Carry { open }))
    }

    /// Takes in `bytes`, which stand at [`Joiner::at`], and adds to `made` the lines that end in them; their places are
    /// counted from `from`. What is no whole stored line is left, unless the file is known to end `to_the_end`.
    pub fn take(&mut self, bytes: &[u8], to_the_end: bool, from: u64, made: &mut Made) {
        let mut out = Out {
            made,
            from,
            after: self.after,
        };
        let long = open_bytes_max(self.line_bytes_max);
        let mut rest = bytes;
        while !rest.is_empty() {
            let raw = match memchr(b'\n', rest) {
                Some(newline) => &rest[..=newline],
                None if self.in_foreign || rest.len() >= long => {
                    self.in_foreign = true;
                    match to_the_end {
                        true => self.foreign(rest, &mut out),
                        false => drop(self.pieces(rest, false, &mut out)),
                    }
                    return;
                }
                None if to_the_end => rest,
                None => return,
            };
            match self.grammar.read(raw) {
                Some(record) if !self.in_foreign && raw.len() <= long => {
                    self.record(raw.len(), &record, &mut out);
                }
                _ => self.foreign(raw, &mut out),
            }
            rest = &rest[raw.len()..];
        }
    }

    /// A stored line that is no record, as it lies there.
    fn foreign(&mut self, raw: &[u8], out: &mut Out) {
        let has_room = raw.len() > self.open.len();
        if !self.in_foreign && has_room && raw.len() <= open_bytes_max(self.line_bytes_max) {
            self.show_old(raw.len(), out);
        }
        let left = self.pieces(raw, true, out);
        self.at += (raw.len() - left) as u64;
        out.line(self.at, Note::default(), |text| {
            text.extend_from_slice(&raw[left..]);
        });
        self.in_foreign = false;
    }

    /// Gives out the pieces of a long stored line that is no record, all but the last one; where that begins in it.
    fn pieces(&mut self, raw: &[u8], is_whole: bool, out: &mut Out) -> usize {
        let max = self.line_bytes_max;
        let mut left = 0;
        while raw.len() - left >= cut_when(max) || (is_whole && content(&raw[left..]).len() > max) {
            let cut = lines::cut(&raw[left..], max);
            self.at += cut as u64;
            out.line(self.at, Note::default(), |text| {
                text.extend_from_slice(&raw[left..left + cut]);
            });
            left += cut;
        }
        left
    }

    /// Shows the unfinished lines that began long before the end of the stored line of `length` bytes that comes now.
    /// They end within it, at places that no line of its own has.
    fn show_old(&mut self, length: usize, out: &mut Out) {
        let end = self.at + length as u64;
        let long = open_bytes_max(self.line_bytes_max) as u64;
        let mut place = self.at;
        for open in &mut self.open {
            if let Some(old) =
                open.take_if(|open| end - open.begun >= long && !open.text.is_empty())
            {
                place += 1;
                out.line(place, old.note, |text| {
                    text.extend_from_slice(&old.text);
                    text.push(b'\n');
                });
            }
        }
    }

    /// A record that is stored in `length` bytes.
    fn record(&mut self, length: usize, record: &Record, out: &mut Out) {
        if self.open.iter().any(Option::is_some) {
            self.show_old(length, out);
        }
        let slot = usize::from(record.note.outlet == Some(Outlet::Stderr));
        let end = self.at + length as u64;
        // Decoding makes no text longer.
        if self.open[slot].is_none() && !record.part && record.text.len() <= self.line_bytes_max {
            out.line(end, record.note, |text| {
                record.coding.decode(record.text, text);
                text.push(b'\n');
            });
            self.at = end;
            return;
        }
        let mut open = self.open[slot].take().unwrap_or_else(|| Open {
            text: Vec::new(),
            note: record.note,
            begun: self.at,
        });
        if open.text.is_empty() {
            (open.note, open.begun) = (record.note, self.at);
        }
        let decoded;
        let text = match record.coding {
            Coding::Bytes => record.text,
            Coding::Json => {
                let mut bytes = Vec::with_capacity(record.text.len());
                record.coding.decode(record.text, &mut bytes);
                decoded = bytes;
                &decoded[..]
            }
        };
        let begin = self.at;
        let place = |done: usize| {
            begin + (record.text_at + record.coding.stored_bytes(record.text, done)) as u64
        };
        let anew = |text: &[u8]| Open {
            text: text.to_vec(),
            note: record.note,
            begun: begin,
        };
        let mut done = 0;
        while let Some(cut) = self.cut(&open.text, &text[done..], record.part) {
            let piece = &text[done..done + cut];
            done += cut;
            out.line(place(done), open.note, |line| {
                line.extend_from_slice(&open.text);
                line.extend_from_slice(piece);
            });
            open = anew(&[]);
        }
        open.text.extend_from_slice(&text[done..]);
        if record.part {
            // Its last character goes over the bound, whatever follows: the piece ends before it.
            let half = half_character(&open.text[open.text.len() - (text.len() - done)..]);
            let bytes = open.text.len() - half.0;
            if half.0 > 0 && bytes > 0 && bytes + half.1 > self.line_bytes_max {
                out.line(place(text.len() - half.0), open.note, |line| {
                    line.extend_from_slice(&open.text[..bytes]);
                });
                open = anew(&open.text[bytes..]);
            }
            self.open[slot] = Some(open);
        } else {
            out.line(end, open.note, |line| {
                line.extend_from_slice(&open.text);
                line.push(b'\n');
            });
        }
        self.at = end;
    }

    /// How much of `text`, which goes on what is `open`, belongs to a piece of its own, since both are too long for a
    /// line.
    fn cut(&self, open: &[u8], text: &[u8], part: bool) -> Option<usize> {
        let max = self.line_bytes_max;
        let last = text.last().or(open.last());
        let ending = usize::from(!part && last == Some(&b'\r'));
        if open.len() + text.len() - ending <= max {
            return None;
        }
        let byte = |at: usize| match at.checked_sub(open.len()) {
            Some(at) => text[at],
            None => open[at],
        };
        // A cut is at most three bytes before the bound, and never at the beginning.
        let back = 4.min(max);
        let mut around = [0; 5];
        for (n, place) in around[..=back].iter_mut().enumerate() {
            *place = byte(max - back + n);
        }
        let cut = max - back + lines::cut(&around[..=back], back);
        Some(cut.saturating_sub(open.len()))
    }
}

/// How many bytes of a character that is not all there `text` ends with, and how many it will have.
fn half_character(text: &[u8]) -> (usize, usize) {
    for back in 1..=3.min(text.len()) {
        let length = match text[text.len() - back] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > back {
            (back, length)
        } else {
            (0, 0)
        };
    }
    (0, 0)
}
