//! One file that a host publishes: its spool, and what is new of that which comes.

use std::io;
use std::time::Instant;

use crate::escape::shown;
use crate::feed::spool::Spool;
use crate::feed::spools::Fed;
use crate::feed::upstream::event;
use crate::source::{EventKind, Id};
use crate::upstream::message::Message;

use super::taken::{Taken, Verdict};

/// The spool of one file.
pub(in crate::feed) struct File {
    spool: Spool,
    /// What the spool holds of it.
    taken: Taken,
    /// Something came since its place was last noted.
    unnoted: bool,
    /// Lines came after younger ones: said.
    was_late: bool,
    /// The publisher has no such file since then.
    gone: Option<Instant>,
}

impl Fed for File {
    fn resume(mut spool: Spool) -> io::Result<File> {
        let place = spool.resume()?;
        Ok(File {
            spool,
            taken: place.as_deref().map(Taken::read).unwrap_or_default(),
            unnoted: false,
            was_late: false,
            gone: None,
        })
    }

    fn spool(&self) -> &Spool {
        &self.spool
    }

    fn gone_since(&self) -> Option<Instant> {
        self.gone
    }
}

/// The places that a message leads between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Not said of a line in the format `json`, of a start, and of events by older publishers.
    from: Option<Id>,
    to: Id,
}

impl Step {
    /// That of a message; `None` where no tailcast publishes such a one.
    pub(super) fn of(message: &Message<'_>) -> Option<Step> {
        let from = message.from.as_ref().map(|from| Id::parse(&from.0));
        let to = Id::parse(&message.id.as_ref()?.0)?;
        match from {
            Some(None) => None,
            from => Some(Step {
                from: from.flatten(),
                to,
            }),
        }
    }
}

impl File {
    /// Takes what was published; it counts once [`File::note`] was called.
    pub(super) fn take(&mut self, message: &Message<'_>, step: Step) {
        self.unnoted = true;
        match message.event() {
            Some("start") => self.taken.starts(step.to),
            None if message.all_lines().next().is_some() => self.has_lines(message, step),
            _ => self.happens(message, step),
        }
    }

    fn has_lines(&mut self, message: &Message<'_>, step: Step) {
        let mut stored = Vec::new();
        message.store(false, &mut stored);
        let mut new = 0;
        match self.taken.lines(step.from, step.to) {
            Verdict::Old => return,
            Verdict::New => {}
            Verdict::AfterGap => self.tell_gap("the broker did not deliver it"),
            Verdict::Late => {
                if !std::mem::replace(&mut self.was_late, true) {
                    log::warn!(
                        "{}: lines of an older file come after younger ones and are left out: do two publishers have one \
                         host name?",
                        shown(self.spool.name().as_bytes())
                    );
                }
                return self.tell_gap("lines came after younger ones");
            }
            Verdict::Overlaps { old_bytes, bytes } => {
                new = self.first_new(message, &stored, old_bytes as f64, bytes as f64);
            }
        }
        self.spool.append(&stored[new..]);
    }

    /// Where in the stored lines those begin that the spool does not hold, where `old_bytes` of their `bytes` in the
    /// publisher's file are old. Each line is taken to be longer there than its text by as much: by nothing, or by a CR, that
    /// is the very place; by what stands around the text of a record, it is near it. Near it, the spool ends as what is left
    /// out does.
    fn first_new(&self, message: &Message<'_>, stored: &[u8], old_bytes: f64, bytes: f64) -> usize {
        let lengths = message.all_lines().map(|(line, _)| line.len() + 1);
        let lengths: Vec<usize> = lengths.collect();
        let text_bytes: usize = lengths.iter().sum();
        let around = (bytes - text_bytes as f64) / lengths.len() as f64;
        let tail = self.spool.tail(stored.len());
        let ends_so = |end: usize| {
            let least = end.min(tail.len());
            stored[..end].ends_with(&tail[tail.len() - least..])
        };
        let newlines = memchr::memchr_iter(b'\n', stored).map(|at| at + 1);
        let mut at = 0.0;
        let ends = newlines.zip(lengths).map(|(end, length)| {
            at += length as f64 + around;
            (!ends_so(end), (at - old_bytes).abs(), end)
        });
        let nearest = ends.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        nearest.map_or(0, |(_, _, end)| end)
    }

    fn happens(&mut self, message: &Message<'_>, step: Step) {
        let verdict = self.taken.leads(step.from, step.to);
        if matches!(verdict, Verdict::Old | Verdict::Late) {
            return;
        }
        let kind = event(message);
        if verdict == Verdict::AfterGap && !matches!(kind, Some(EventKind::Gap { .. })) {
            self.tell_gap("the broker did not deliver it");
        }
        if let Some(kind) = kind {
            self.gone = matches!(kind, EventKind::Missing).then(Instant::now);
            self.spool.tell(kind);
        }
    }

    fn tell_gap(&self, reason: &'static str) {
        self.spool.tell(EventKind::Gap {
            lost_bytes: None,
            reason: reason.into(),
        });
    }

    /// Notes how far the spool has got, where something has come.
    pub(super) fn note(&mut self) {
        if std::mem::take(&mut self.unnoted) && !self.taken.is_empty() {
            self.spool.note(&self.taken.text());
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
