//! Where a moment is in a file: the first line that is not older, found by halving, with a few small reads.
//!
//! Logs are only nearly in order (an access log has the time at which a request began), so the search goes back from
//! where halving has led, by as much as a line may stand from its place, and forward from there; only where what it finds
//! is out of order, by twice as much. A line without a time belongs to the one before; those at the beginning of a file
//! to the first that has one.

use std::fs::File;
use std::io;
use std::mem;
use std::ops::ControlFlow;

use jiff::Timestamp;
use memchr::memchr_iter;

use crate::limits::{
    DATED_LINE_BYTES_MAX, HALVED_BYTES_MIN, HALVING_READ_BYTES, LIKELY_BACK_BYTES,
    SINCE_READ_BYTES, TIME_VOTE_BYTES, UNSORTED_BYTES_MAX,
};
use crate::time::stamp::{Form, Hints};
use crate::time::{self, nanoseconds};

use super::forward::read_exact;
use super::lines::content;
use super::record::{Grammar, Outlet, grammar_of};

/// A file in which a moment is looked for.
pub struct Since<'a> {
    /// The file, readable by position.
    pub file: &'a File,
    /// Where its first line begins.
    pub start: u64,
    /// The end of the last line or piece that is looked at.
    pub end: u64,
    /// How its stored lines are to be read: the time that a record has wins over one in its text.
    pub grammar: Grammar,
    /// Where the file stood at a moment, for one whose lines have no times; `None` where that is not known.
    pub stood: &'a dyn Fn(i64) -> Option<u64>,
    /// Called between reads with the bytes just read, to let others read, too, or to give up.
    pub pause: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

/// The time of the first line of `file` that has one, as far as the vote on its form looks. Blocks on the disk.
pub fn first_time(file: &File) -> Option<i64> {
    let length = file.metadata().ok()?.len();
    let mut pause = |_| ControlFlow::Continue(());
    let since = Since {
        file,
        start: 0,
        end: length,
        grammar: grammar_of(file, 0).ok()?.unwrap_or(Grammar::Plain),
        stood: &|_| None,
        pause: &mut pause,
    };
    let hints = since.hints().ok()?;
    let (form, head) = since.vote(&hints).ok()?;
    let text = |raw| since.text(raw);
    let time = |raw| {
        let own = since.grammar.read(raw).and_then(|record| record.note.time);
        own.or_else(|| form?.read(text(raw), &hints))
    };
    head.split_inclusive(|&byte| byte == b'\n').find_map(time)
}

/// The lines of a file that can be dated.
struct Lines<'s, 'a> {
    of: &'s mut Since<'a>,
    form: Option<Form>,
    hints: Hints,
    /// What is read, in a buffer that is used again.
    block: Vec<u8>,
}

/// A line's time, and whether it goes on in the next record.
struct Dated {
    at: Option<i64>,
    outlet: Option<Outlet>,
    part: bool,
}

/// The first line of some that is not older than a moment.
#[derive(Debug, Default)]
struct Late {
    place: Option<u64>,
    /// How long the lines before it are that are older; lines without a time don't count.
    older_bytes: u64,
}

impl Late {
    /// `next` is behind it.
    fn and_then(self, next: Late) -> Late {
        match self.place {
            Some(_) => self,
            None => Late {
                older_bytes: self.older_bytes + next.older_bytes,
                ..next
            },
        }
    }
}

impl Since<'_> {
    fn hints(&self) -> io::Result<Hints> {
        let written = self.file.metadata()?.modified();
        let written = written.ok().and_then(|at| Timestamp::try_from(at).ok());
        let latest = written.map_or(i64::MAX, nanoseconds);
        Ok(Hints::new(time::zone(), latest))
    }

    /// The form in which the times of its lines stand, and the bytes that have settled it.
    fn vote(&self, hints: &Hints) -> io::Result<(Option<Form>, Vec<u8>)> {
        let mut head = vec![0; TIME_VOTE_BYTES.min((self.end - self.start) as usize)];
        read_exact(self.file, &mut head, self.start)?;
        let lines = head.split_inclusive(|&byte| byte == b'\n');
        let form = Form::of(lines.map(|raw| self.text(raw)), hints);
        Ok((form, head))
    }

    fn text<'r>(&self, raw: &'r [u8]) -> &'r [u8] {
        let record = self.grammar.read(raw);
        record.map_or_else(|| content(raw), |record| record.text)
    }

    /// Where the first line begins that is not older than `moment`, in nanoseconds since 1970; the end where all are.
    /// `None` where `pause` gave up. Blocks on the disk; a file that changes below is an `UnexpectedEof`.
    pub fn place(mut self, moment: i64) -> io::Result<Option<u64>> {
        let hints = self.hints()?;
        let (form, head) = self.vote(&hints)?;
        let (latest, grammar) = (hints.latest, self.grammar);
        let first = || head.split_inclusive(|&byte| byte == b'\n');
        let has_time = |raw| {
            grammar
                .read(raw)
                .is_some_and(|record| record.note.time.is_some())
        };
        if form.is_none() && !first().any(has_time) {
            // What can't be dated is never left out.
            return Ok(Some(match (self.stood)(moment) {
                // Nothing was written since: that is more exact than what was noted once a second.
                _ if latest < moment => self.end,
                Some(place) => place.clamp(self.start, self.end),
                None => self.start,
            }));
        }
        Lines {
            of: &mut self,
            form,
            hints,
            block: Vec::new(),
        }
        .place(moment)
    }
}

impl Lines<'_, '_> {
    fn place(&mut self, moment: i64) -> io::Result<Option<u64>> {
        let (mut low, mut high) = (self.of.start, self.of.end);
        while high - low > HALVED_BYTES_MIN {
            let middle = low + (high - low) / 2;
            let mut older = None;
            // The line that begins at the middle counts: one is skipped from the byte before.
            let read_bytes = HALVING_READ_BYTES;
            let whole =
                self.each(
                    middle - 1,
                    true,
                    high,
                    read_bytes,
                    &mut |place, dated| match dated.at {
                        Some(at) => {
                            older = (at < moment).then_some(place);
                            ControlFlow::Break(())
                        }
                        None => ControlFlow::Continue(()),
                    },
                )?;
            if !whole {
                return Ok(None);
            }
            match older {
                Some(place) => low = place,
                None => high = middle,
            }
        }
        // A line that stands too late by that much may have led here past one that stands too early by that much. Of a line
        // that does, no more bytes of older ones stand behind than that: where there are more, none stands before them.
        let mut late = Late::default();
        let mut to = self.of.end;
        for back in [LIKELY_BACK_BYTES, 2 * UNSORTED_BYTES_MAX] {
            let from = low.saturating_sub(back).max(self.of.start);
            let Some(before) = self.late(moment, from, to)? else {
                return Ok(None);
            };
            late = before.and_then(late);
            if from == self.of.start {
                let is_first = late.older_bytes == 0 && late.place.is_some();
                return Ok(Some(match is_first {
                    true => from,
                    false => late.place.unwrap_or(self.of.end),
                }));
            }
            if late.older_bytes > UNSORTED_BYTES_MAX {
                break;
            }
            to = from;
        }
        Ok(Some(late.place.unwrap_or(self.of.end)))
    }

    /// The first line that is not older than `moment`, of those that begin from `from` on and before `to`. `None` where
    /// `pause` gave up.
    fn late(&mut self, moment: i64, from: u64, to: u64) -> io::Result<Option<Late>> {
        let (at, inside) = match from > self.of.start {
            true => (from - 1, true),
            false => (from, false),
        };
        let mut late = Late::default();
        let mut older = None;
        let mut open = Vec::new();
        let whole = self.each(at, inside, to, SINCE_READ_BYTES, &mut |place, dated| {
            late.older_bytes += older.take().map_or(0, |begin| place - begin);
            // The time of a line is that of its first part.
            let goes_on = open.contains(&dated.outlet);
            open.retain(|outlet| *outlet != dated.outlet);
            if dated.part {
                open.push(dated.outlet);
            }
            match dated.at.filter(|_| !goes_on) {
                Some(at) if at >= moment => {
                    late.place = Some(place);
                    return ControlFlow::Break(());
                }
                Some(_) => older = Some(place),
                None => {}
            }
            ControlFlow::Continue(())
        })?;
        late.older_bytes += older.map_or(0, |begin| to - begin);
        Ok(whole.then_some(late))
    }

    /// Calls `seen` with the lines that begin from `from` on and before `to`, and where they begin; `inside`, where the
    /// first of them begins behind the next newline. Reads so many bytes first, then more. False where `pause` gave up.
    fn each(
        &mut self,
        from: u64,
        inside: bool,
        to: u64,
        read_bytes: u64,
        seen: &mut dyn FnMut(u64, Dated) -> ControlFlow<()>,
    ) -> io::Result<bool> {
        let mut buffer = mem::take(&mut self.block);
        let whole = self.each_in(&mut buffer, from, inside, to, read_bytes, seen);
        self.block = buffer;
        whole
    }

    fn each_in(
        &mut self,
        buffer: &mut Vec<u8>,
        from: u64,
        inside: bool,
        to: u64,
        read_bytes: u64,
        seen: &mut dyn FnMut(u64, Dated) -> ControlFlow<()>,
    ) -> io::Result<bool> {
        let (mut at, mut inside, mut want) = (from, inside, read_bytes);
        while at < to {
            let got = want.min(self.of.end - at);
            if buffer.len() < got as usize {
                buffer.resize(got as usize, 0);
            }
            let block = &mut buffer[..got as usize];
            read_exact(self.of.file, block, at)?;
            let mut begin = 0;
            for end in memchr_iter(b'\n', block) {
                let place = at + begin as u64;
                if inside {
                    inside = false;
                } else if place >= to || seen(place, self.dated(&block[begin..=end])).is_break() {
                    return Ok(true);
                }
                begin = end + 1;
            }
            if (self.of.pause)(got).is_break() {
                return Ok(false);
            }
            let is_last = at + got == self.of.end;
            if begin > 0 {
                at += begin as u64;
            } else if inside {
                at += got;
            } else if is_last || got >= DATED_LINE_BYTES_MAX {
                // A piece of a long line, whose time stands in what is read of it.
                if seen(at, self.dated(block)).is_break() {
                    return Ok(true);
                }
                (at, inside) = (at + got, true);
            }
            want = match begin > 0 {
                true => (want * 2).min(SINCE_READ_BYTES),
                false => (want * 4).min(DATED_LINE_BYTES_MAX),
            };
        }
        Ok(true)
    }

    fn dated(&self, raw: &[u8]) -> Dated {
        let in_text = |text| self.form?.read(text, &self.hints);
        if self.of.grammar == Grammar::Plain {
            return Dated {
                at: in_text(content(raw)),
                outlet: None,
                part: false,
            };
        }
        let record = self.of.grammar.read(raw);
        let text = record.map_or_else(|| content(raw), |record| record.text);
        let own = record.and_then(|record| record.note.time);
        let at = own.or_else(|| in_text(text));
        Dated {
            at,
            outlet: record.and_then(|record| record.note.outlet),
            part: record.is_some_and(|record| record.part),
        }
    }
}

#[cfg(test)]
#[path = "since_tests.rs"]
mod tests;
