//! How the bytes of the held file become lines.

use std::io;
use std::sync::Arc;

use memchr::memchr;

use crate::limits::TAIL_CHECKED_BYTES;
use crate::source::record::{Before, Joiner, Made, grammar_of};
use crate::source::{Grammar, IdMaker, Lines, Source, lines};

use super::Held;

/// How bytes become lines.
#[derive(Debug)]
pub(super) enum Form {
    /// Not known before there is more of the file: its lines are no records so far.
    Unknown,
    /// A stored line is a line.
    Plain,
    /// Lines are made of records. The joiner has had the parts in the fragment.
    Records(Box<Joiner>),
}

/// How far the bytes are known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// More may come.
    Now,
    /// The file ends here; and so do its unfinished lines, or they go on in the next.
    End { parts_end: bool },
}

impl Held {
    /// What is unfinished at its end, and goes on in the next file.
    pub(in crate::tail) fn unfinished_parts(&self) -> Before {
        match &self.form {
            Form::Records(joiner) => Before::told(joiner.carry().unwrap_or_default()),
            // It has had no record.
            Form::Unknown | Form::Plain => self.before.clone(),
        }
    }

    pub(super) fn find_form(&mut self, source: &Source, line_bytes_max: usize) -> io::Result<()> {
        let found = match source.grammar {
            Some(grammar) => Some(grammar),
            None => grammar_of(&self.file, self.start)?,
        };
        self.form = match found {
            None => Form::Unknown,
            Some(Grammar::Plain) => Form::Plain,
            Some(grammar) => {
                let before = &self.before;
                let carry = before.carry(
                    grammar,
                    source,
                    (&self.file, &self.identity),
                    line_bytes_max,
                );
                let joiner = Joiner::new(grammar, line_bytes_max, self.edge, &carry);
                Form::Records(Box::new(joiner))
            }
        };
        Ok(())
    }

    /// Takes the lines out of the fragment that its records make.
    pub(super) fn take_records(&mut self, until: Until, name_hash: u32) -> Option<Lines> {
        let Form::Records(joiner) = &mut self.form else {
            return None;
        };
        let fragment = &self.tail[self.lead..];
        let fresh = fragment.get((joiner.at() - self.edge) as usize..)?;
        let mut made = Made::default();
        let to_the_end = matches!(until, Until::End { .. });
        joiner.take(fresh, to_the_end, self.edge, &mut made);
        if let Until::End { parts_end: true } = until {
            joiner.end(self.edge + fragment.len() as u64, self.edge, &mut made);
        }
        let used = *made.ends.last()? as usize;
        made.records.next = joiner.is_light().then(|| Arc::new(Joiner::clone(joiner)));
        let bytes = fragment[..used].to_vec();
        let rest = fragment[used..].to_vec();
        self.tail.truncate(self.lead);
        let lead = std::mem::take(&mut self.tail);
        let from = self.edge;
        self.pass(&lead, &bytes);
        self.tail.extend_from_slice(&rest);
        let is_ended = made.records.written(made.ends.len() - 1).ends_with(b"\n");
        Some(Lines {
            unfinished: to_the_end && !is_ended,
            records: Some(Box::new(made.records)),
            ..self.lines(name_hash, (from, &lead), bytes, made.ends)
        })
    }

    /// Appends `new` to the fragment and takes the whole lines out.
    pub(super) fn take(
        &mut self,
        new: &[u8],
        name_hash: u32,
        line_bytes_max: usize,
    ) -> Option<Lines> {
        let fragment = self.tail.len() - self.lead;
        let too_short = fragment + new.len() < lines::cut_when(line_bytes_max);
        if new.is_empty() || (too_short && memchr(b'\n', new).is_none()) {
            self.tail.extend_from_slice(new);
            return None;
        }
        let mut ends = Vec::new();
        let lead = self.tail[..self.lead].to_vec();
        let (bytes, rest) = if fragment == 0 {
            let used = lines::split(new, false, line_bytes_max, &mut ends);
            (new[..used].to_vec(), new[used..].to_vec())
        } else {
            let mut bytes = Vec::with_capacity(fragment + new.len());
            bytes.extend_from_slice(&self.tail[self.lead..]);
            bytes.extend_from_slice(new);
            let used = lines::split(&bytes, false, line_bytes_max, &mut ends);
            let rest = bytes.split_off(used);
            (bytes, rest)
        };
        let from = self.edge;
        self.pass(&lead, &bytes);
        self.tail.extend_from_slice(&rest);
        if ends.is_empty() {
            return None;
        }
        Some(self.lines(name_hash, (from, &lead), bytes, ends))
    }

    /// Stored lines that are `bytes`, which stand at `from` behind `lead`, and end at `ends`.
    fn lines(
        &self,
        name_hash: u32,
        (from, lead): (u64, &[u8]),
        bytes: Vec<u8>,
        ends: Vec<u32>,
    ) -> Lines {
        Lines {
            generation: self.number,
            from,
            bytes,
            ends,
            unfinished: false,
            ids: IdMaker::new(name_hash, &self.identity, Arc::clone(&self.head), lead),
            records: None,
        }
    }

    /// Moves the edge over `bytes`, which stood after `lead`; the fragment is empty then.
    fn pass(&mut self, lead: &[u8], bytes: &[u8]) {
        self.edge += bytes.len() as u64;
        let more = TAIL_CHECKED_BYTES.saturating_sub(bytes.len());
        let mut tail = lead[lead.len().saturating_sub(more)..].to_vec();
        tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_CHECKED_BYTES)..]);
        self.lead = tail.len();
        self.tail = tail;
    }

    /// The fragment, as the last line of a generation that is about to be sealed.
    /// Where `parts_end`, so are the lines of records whose end is not written.
    pub(in crate::tail) fn unfinished(
        &mut self,
        name_hash: u32,
        line_bytes_max: usize,
        parts_end: bool,
    ) -> Option<Lines> {
        if matches!(self.form, Form::Records(_)) {
            return self.take_records(Until::End { parts_end }, name_hash);
        }
        let bytes = self.tail.split_off(self.lead);
        if bytes.is_empty() {
            return None;
        }
        let mut ends = Vec::new();
        lines::split(&bytes, true, line_bytes_max, &mut ends);
        let lead = std::mem::take(&mut self.tail);
        let from = self.edge;
        self.pass(&lead, &bytes);
        Some(Lines {
            unfinished: true,
            ..self.lines(name_hash, (from, &lead), bytes, ends)
        })
    }
}
