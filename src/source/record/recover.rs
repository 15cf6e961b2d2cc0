//! Where a joiner stands at any place of a file: found by looking back for the parts of the lines that are open there.

use std::fs::File;
use std::io;
use std::sync::Arc;

use memchr::{memchr, memrchr};

use crate::limits::{BACK_BLOCK_BYTES, OPEN_LINE_SLACK_BYTES};
use crate::source::forward::{read_exact, read_full};

use super::{Carry, Grammar, Joiner, Made, Outlet, local, open_bytes_max};

/// How to read the records of one file.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Their grammar.
    pub grammar: Grammar,
    /// Where the file's first line begins.
    pub start: u64,
    /// Longer lines are cut.
    pub line_bytes_max: usize,
    /// What is unfinished in the file before.
    pub carry: Arc<Carry>,
}

/// What is known of the line that an outlet has open at some place.
#[derive(Clone, Copy)]
enum Known {
    /// The next record before `0` says more.
    Before(u64),
    /// No more of it stands before.
    All,
}

impl Reading {
    /// A joiner that makes the lines which end behind `place`. Blocks on the disk.
    pub fn joiner_at(&self, file: &File, place: u64) -> io::Result<Joiner> {
        let long = open_bytes_max(self.line_bytes_max) as u64;
        let place = place.max(self.start);
        let Some(begin) = self.stored_line_start(file, place, long)? else {
            let mut joiner =
                Joiner::new(self.grammar, self.line_bytes_max, place, &Carry::default());
            joiner.in_foreign = true;
            return Ok(joiner);
        };
        let sync = self.open_since(file, begin, long)?;
        let mut joiner = self.joiner_from(sync);
        joiner.after = place;
        self.feed(file, &mut joiner, begin, &mut |_| {})?;
        Ok(joiner)
    }

    /// The end of the last line that ends within the file's first `length` bytes, and the joiner that has had all that
    /// stands there. Blocks on the disk.
    pub fn last_end(&self, file: &File, length: u64) -> io::Result<(u64, Joiner)> {
        let long = open_bytes_max(self.line_bytes_max) as u64;
        let end = self.stored_line_start(file, length.max(self.start), u64::MAX)?;
        let end = end.unwrap_or(self.start);
        // The last stored line may end no line: back to where one begins for sure.
        let mut last = self.open_since(file, end, long)?;
        let mut joiner = self.joiner_from(last);
        self.feed(file, &mut joiner, end, &mut |end| last = end)?;
        Ok((last, joiner))
    }

    /// The lines that end behind `begin`, the beginning of a stored line, and up to `end`; their places are counted from
    /// `begin`. Blocks on the disk, and holds all of them.
    pub fn lines_between(&self, file: &File, begin: u64, end: u64) -> io::Result<Made> {
        let mut joiner = self.joiner_at(file, begin)?;
        let mut block = vec![0; (end - begin) as usize];
        read_exact(file, &mut block, begin)?;
        if !block.ends_with(b"\n") {
            // The end is in the middle of a record, or that of an unfinished line.
            let line_end = stored_line_end(file, end, self.line_bytes_max)?;
            block.resize((line_end - begin) as usize, 0);
            read_exact(file, &mut block, begin)?;
        }
        let mut made = Made::default();
        joiner.take(&block, true, begin, &mut made);
        made.up_to((end - begin) as u32);
        Ok(made)
    }

    /// A joiner at a place where no line is open, but for those of the file before at the file's start.
    fn joiner_from(&self, place: u64) -> Joiner {
        let nothing = Carry::default();
        let carry = if place == self.start {
            &self.carry
        } else {
            &nothing
        };
        Joiner::new(self.grammar, self.line_bytes_max, place, carry)
    }

    /// Gives `joiner` what stands up to `end`; the lines are thrown away, but for where they end.
    fn feed(
        &self,
        file: &File,
        joiner: &mut Joiner,
        end: u64,
        ended: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        let mut block = Vec::new();
        let mut want = BACK_BLOCK_BYTES as u64;
        while joiner.at < end {
            let from = joiner.at;
            block.resize(want.min(end - from) as usize, 0);
            read_exact(file, &mut block, from)?;
            let mut made = Made::default();
            joiner.take(&block, false, from, &mut made);
            if let Some(&last) = made.ends.last() {
                ended(from + u64::from(last));
            }
            if joiner.at == from {
                if want >= end - from {
                    break;
                }
                // No stored line ends in it.
                want *= 4;
            }
        }
        Ok(())
    }

    /// Where the stored line begins that `place` is in or at the beginning of; `None` where it is too long for a record.
    fn stored_line_start(&self, file: &File, place: u64, long: u64) -> io::Result<Option<u64>> {
        let mut end = place;
        let mut block = Vec::new();
        while end > self.start {
            if place - end > long {
                return Ok(None);
            }
            let begin = self.start.max(end.saturating_sub(BACK_BLOCK_BYTES as u64));
            block.resize((end - begin) as usize, 0);
            read_exact(file, &mut block, begin)?;
            if let Some(newline) = memrchr(b'\n', &block) {
                let start = begin + newline as u64 + 1;
                return Ok((place - start <= long).then_some(start));
            }
            end = begin;
        }
        Ok((place - self.start <= long).then_some(self.start))
    }

    /// Where the first part stands of a line that is open at `end`, the beginning of a stored line; `end` where none is.
    fn open_since(&self, file: &File, end: u64, long: u64) -> io::Result<u64> {
        if !self.grammar.has_parts() {
            return Ok(end);
        }
        let bound = long + OPEN_LINE_SLACK_BYTES as u64;
        let mut since = end;
        let mut known = [Known::Before(end); 2];
        let mut block = Vec::new();
        let mut bytes = BACK_BLOCK_BYTES as u64;
        let mut end = end;
        while end > self.start {
            for known in &mut known {
                if let Known::Before(place) = known {
                    if *place - end > bound {
                        *known = Known::All;
                    }
                }
            }
            if known.iter().all(|known| matches!(known, Known::All)) {
                break;
            }
            let begin = self.start.max(end.saturating_sub(bytes));
            block.resize((end - begin) as usize, 0);
            read_exact(file, &mut block, begin)?;
            let first = match begin == self.start {
                true => 0,
                false => match memchr(b'\n', &block[..block.len() - 1]) {
                    Some(newline) => newline + 1,
                    None if block.len() as u64 > long => break,
                    None => {
                        bytes *= 4;
                        continue;
                    }
                },
            };
            bytes = BACK_BLOCK_BYTES as u64;
            let mut stop = block.len();
            while stop > first {
                let line =
                    memrchr(b'\n', &block[first..stop - 1]).map_or(first, |at| first + at + 1);
                let raw = &block[line..stop];
                let slot = |outlet| usize::from(outlet == Some(Outlet::Stderr));
                // Of an outlet of which all is known, or no record: of no account.
                let is_over = |outlet| matches!(known[slot(Some(outlet))], Known::All);
                if self.grammar.glance(raw).is_some_and(is_over) {
                    stop = line;
                    continue;
                }
                if let Some(record) = self.grammar.read(raw) {
                    let known = &mut known[slot(record.note.outlet)];
                    match (&known, record.part) {
                        (Known::All, _) => {}
                        (Known::Before(_), false) => *known = Known::All,
                        (Known::Before(place), true) => {
                            let at = begin + line as u64;
                            match *place - at > bound {
                                true => *known = Known::All,
                                false => {
                                    since = at;
                                    *known = Known::Before(at);
                                }
                            }
                        }
                    }
                }
                stop = line;
            }
            end = begin + first as u64;
        }
        let is_open = |slot: usize| matches!(known[slot], Known::Before(_)) && self.carry.has(slot);
        match end <= self.start && (is_open(0) || is_open(1)) {
            true => Ok(self.start),
            false => Ok(since),
        }
    }
}

/// Where the stored line ends that `place` is in: at most so far behind it that it can be a record. Blocks on the disk.
pub fn stored_line_end(file: &File, place: u64, line_bytes_max: usize) -> io::Result<u64> {
    let long = open_bytes_max(line_bytes_max) as u64;
    let mut block = vec![0; BACK_BLOCK_BYTES];
    let mut end = place;
    while end - place < long {
        let n = read_full(file, &mut block, end)?;
        if let Some(newline) = memchr(b'\n', &block[..n]) {
            return Ok(end + newline as u64 + 1);
        }
        end += n as u64;
        if n < block.len() {
            break;
        }
    }
    Ok(end)
}

/// The grammar of a file whose first line begins at `start`; `None` as long as that is not known; an error where the file
/// is known to be binary. Blocks on the disk.
pub fn grammar_of(file: &File, start: u64) -> io::Result<Option<Grammar>> {
    let mut head = [0; super::ASKED_BYTES];
    let n = read_full(file, &mut head, start)?;
    match local::is_local(&head[..n]) {
        true => Err(io::Error::other(local::REFUSAL)),
        false => Ok(Grammar::found(&head[..n])),
    }
}
