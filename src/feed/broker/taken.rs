//! How far each file that stood under one name was taken, and so what is new of what its publisher says. After a lost
//! connection, or its own restart, a publisher says lines again: in other batches, and with events among them.
//!
//! An id names a file and an offset in it. So the end of what was taken of each file is all there is to remember: lines
//! that end there or before are old, those that begin there are new, those that begin before and end behind are both, and
//! those that begin behind come after a gap. What leads from one file to the next is old where both files are known.
//!
//! A truncated file keeps its inode and begins anew at 0. What was cut off can't be published again, so where several
//! files have one inode, the newest that was taken so far is meant.

use std::collections::VecDeque;

use crate::limits::PUBLISHED_FILES_KEPT;
use crate::source::Id;

/// How far each file under one name was taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Up to where, the newest file last.
    ends: VecDeque<Id>,
    /// Behind what the publisher said last.
    at: Option<Id>,
}

/// What a message is beside all that was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It was taken before.
    Old,
    /// It goes on where the last one ended.
    New,
    /// Something before it never came.
    AfterGap,
    /// Its beginning was taken before.
    Overlaps {
        /// How many of its bytes in the publisher's file those are.
        old_bytes: u64,
        /// How many it has there in all.
        bytes: u64,
    },
    /// It goes on with a file after a younger one was begun.
    Late,
}

impl Taken {
    /// Reads what [`Taken::text`] wrote.
    pub(super) fn read(text: &str) -> Taken {
        let mut ends = VecDeque::new();
        text.split(' ')
            .filter_map(Id::parse)
            .for_each(|end| ends.push_front(end));
        Taken { ends, at: None }
    }

    /// All ends as words, that of the newest file first.
    pub(super) fn text(&self) -> String {
        let ends: Vec<String> = self.ends.iter().rev().map(Id::to_string).collect();
        ends.join(" ")
    }

    /// Nothing was taken yet.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The publisher begins, or begins again, at `at`.
    pub(super) fn starts(&mut self, at: Id) {
        if self.ends.is_empty() {
            self.ends.push_back(at);
        }
        self.at = Some(at);
    }

    /// Takes lines that end at `to`, and begin at `from` where that is said.
    pub(super) fn lines(&mut self, from: Option<Id>, to: Id) -> Verdict {
        if let Some(from) = from {
            self.moves_file(from);
        }
        let verdict = self.judge_lines(from, to);
        match (verdict, self.file_of(&to)) {
            (Verdict::Old, _) => {}
            (Verdict::Late, Some(n)) => self.ends[n] = to,
            (Verdict::New, _) if from.is_some() => self.replace_newest(to),
            _ => self.goes_on(to),
        }
        self.at = Some(to);
        verdict
    }

    /// Takes what leads from one place to another without lines: an event, or the next file of a spool. Where it does not
    /// say from where, it leads from what came before it.
    pub(super) fn leads(&mut self, from: Option<Id>, to: Id) -> Verdict {
        if let Some(from) = from {
            self.moves_file(from);
        }
        let from = from.or(self.at);
        let verdict = self.judge_lead(from, to);
        if !matches!(verdict, Verdict::Old | Verdict::Late) {
            self.goes_on(to);
        }
        self.at = Some(to);
        verdict
    }

    fn judge_lines(&self, from: Option<Id>, to: Id) -> Verdict {
        let Some(newest) = self.newest() else {
            return Verdict::New;
        };
        if from.is_some_and(|from| from.is_same_place(newest)) {
            return Verdict::New;
        }
        let begin = from.map_or(to.offset, |from| from.offset);
        let last = self.ends.len() - 1;
        match self.holder(&to, begin) {
            Some(n) if to.offset <= self.ends[n].offset => Verdict::Old,
            Some(n) if n < last => Verdict::Late,
            Some(_) => Verdict::Overlaps {
                old_bytes: newest.offset - begin,
                bytes: to.offset - begin,
            },
            None if self.file_of(&to).is_some_and(|n| n < last) => Verdict::Late,
            // The format `json` does not say where a line begins.
            None if from.is_none() => Verdict::New,
            None => Verdict::AfterGap,
        }
    }

    fn judge_lead(&self, from: Option<Id>, to: Id) -> Verdict {
        let (Some(newest), Some(from)) = (self.newest(), from) else {
            return Verdict::New;
        };
        if from.is_same_place(newest) {
            return Verdict::New;
        }
        let very_end = self.ends.iter().rposition(|end| end.is_same_place(&from));
        let Some(n) = very_end.or_else(|| self.holder(&from, from.offset)) else {
            return Verdict::AfterGap;
        };
        let is_within = is_of_file(&to, &from) && to.offset >= from.offset;
        let is_last = n == self.ends.len() - 1;
        match is_within {
            true if to.offset <= self.ends[n].offset => Verdict::Old,
            true if !is_last => Verdict::Late,
            true => Verdict::New,
            false => {
                let mut younger = self.ends.iter().skip(n + 1);
                let is_known = younger.any(|end| is_of_file(end, &to) && to.offset <= end.offset);
                match is_known {
                    true => Verdict::Old,
                    false => Verdict::New,
                }
            }
        }
    }

    fn newest(&self) -> Option<&Id> {
        self.ends.back()
    }

    /// The newest file that may be `id`'s.
    fn file_of(&self, id: &Id) -> Option<usize> {
        self.ends.iter().rposition(|end| is_of_file(end, id))
    }

    /// The newest file that is `id`'s and was taken as far as `begin`; where none surely is, the newest that may be.
    fn holder(&self, id: &Id, begin: u64) -> Option<usize> {
        let newest = |is: &dyn Fn(&Id) -> bool| {
            let mut ends = self.ends.iter();
            ends.rposition(|end| begin <= end.offset && is(end))
        };
        newest(&|end| end.is_in_file_of(id) == Some(true))
            .or_else(|| newest(&|end| is_of_file(end, id)))
    }

    /// Where the publisher stands in a file that was copied or compressed meanwhile, it reads on in another one that holds
    /// the same.
    fn moves_file(&mut self, from: Id) {
        let Some(at) = self.at.filter(|at| at.inode != from.inode) else {
            return;
        };
        let holder = self.holder(&at, at.offset);
        if let Some(n) = holder.filter(|_| at.is_same_place(&from)) {
            self.ends[n].inode = from.inode;
        }
    }

    fn replace_newest(&mut self, to: Id) {
        match self.ends.back_mut() {
            Some(newest) => *newest = to,
            None => self.ends.push_back(to),
        }
    }

    /// All up to `to` is taken: in the newest file, or in one that is younger.
    fn goes_on(&mut self, to: Id) {
        let is_newest = |newest: &Id| is_of_file(newest, &to) && newest.offset <= to.offset;
        if self.newest().is_some_and(is_newest) {
            return self.replace_newest(to);
        }
        if self.ends.len() == PUBLISHED_FILES_KEPT {
            self.ends.pop_front();
        }
        self.ends.push_back(to);
    }
}

/// Whether both may be places in one file.
fn is_of_file(one: &Id, other: &Id) -> bool {
    one.is_in_file_of(other) != Some(false)
}

#[cfg(test)]
#[path = "taken_tests.rs"]
mod tests;
