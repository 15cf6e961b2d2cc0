//! The journal's sources, and how far each of them is in the journal.
//!
//! All are fed from one cursor. A source that is new, or that was further than the others when the daemon ended, passes
//! entries until its own place has come. Now and then each place is noted beside the spool: after a crash the oldest of
//! them is where reading begins.

use std::io;
use std::time::Instant;

use jiff::tz::TimeZone;

use crate::config::journal_match::JournalMatch;
use crate::feed::spool::Spool;
use crate::limits::NOTE_EVERY;
use crate::source::EventKind;
use crate::time;

use super::export::Entry;
use super::{Step, entry};

/// All journal sources.
pub(super) struct Sources {
    all: Vec<Of>,
    /// The last entry that was taken.
    cursor: Option<String>,
    /// That one is still to be taken: a crash came before it was in the spool.
    inclusive: bool,
    /// The last entry of the first step, where that was not for all sources.
    first_end: Option<String>,
    /// Counts the times that places were noted, so that after a crash they can be told apart by age.
    round: u64,
    noted: Instant,
    zone: TimeZone,
}

/// One source.
struct Of {
    wanted: JournalMatch,
    spool: Spool,
    /// The last entry that it has passed.
    at: Option<String>,
    /// It has everything before this entry, which is still to come, or up to it.
    skips_to: Option<Place>,
    /// It has nothing yet.
    fresh: bool,
    /// Lines to be appended.
    out: Vec<u8>,
}

/// A place in the journal, as it is noted: `CURSOR` is behind that entry, `=CURSOR` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    cursor: String,
    /// The entry itself is still to be taken.
    inclusive: bool,
}

impl Place {
    fn after(cursor: String) -> Place {
        Place {
            cursor,
            inclusive: false,
        }
    }

    fn parse(text: &str) -> Place {
        let (cursor, inclusive) = match text.strip_prefix('=') {
            Some(cursor) => (cursor, true),
            None => (text, false),
        };
        Place {
            cursor: cursor.to_owned(),
            inclusive,
        }
    }
}

impl Sources {
    /// Sources with their spools. Blocks on the disk.
    pub(super) fn open(sources: Vec<(JournalMatch, Spool)>) -> io::Result<Sources> {
        let mut all = Sources {
            all: Vec::new(),
            cursor: None,
            inclusive: false,
            first_end: None,
            round: 0,
            noted: Instant::now(),
            zone: time::zone(),
        };
        let mut oldest: Option<(u64, Place)> = None;
        for (wanted, mut spool) in sources {
            let place = spool.resume()?;
            let place = place.as_deref().and_then(|place| place.split_once(' '));
            let place =
                place.and_then(|(round, at)| Some((round.parse::<u64>().ok()?, Place::parse(at))));
            if let Some((round, at)) = &place {
                all.round = all.round.max(*round);
                if oldest.as_ref().is_none_or(|(oldest, _)| round < oldest) {
                    oldest = Some((*round, at.clone()));
                }
            }
            let skips_to = place.map(|(_, place)| place);
            let passed = skips_to.as_ref().filter(|place| !place.inclusive);
            all.all.push(Of {
                wanted,
                spool,
                fresh: skips_to.is_none(),
                at: passed.map(|place| place.cursor.clone()),
                skips_to,
                out: Vec::new(),
            });
        }
        let Some((_, oldest)) = oldest else {
            return Ok(all);
        };
        for source in &mut all.all {
            source.skips_to.take_if(|place| *place == oldest);
        }
        all.inclusive = oldest.inclusive;
        all.cursor = Some(oldest.cursor);
        Ok(all)
    }

    /// Whether one of them has nothing yet.
    pub(super) fn has_fresh(&self) -> bool {
        self.all.iter().any(|source| source.fresh)
    }

    /// The last entry that was taken.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// What each of them wants.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &JournalMatch> {
        self.all.iter().map(|source| &source.wanted)
    }

    /// Takes an entry of a journalctl.
    pub(super) fn take(&mut self, step: Step, entry: &Entry) {
        let Some(cursor) = entry.word("__CURSOR") else {
            return;
        };
        if step != Step::First && self.cursor.as_deref() == Some(cursor) {
            // The one that this step began with.
            if !std::mem::take(&mut self.inclusive) {
                return;
            }
        }
        let round = self.round;
        for source in &mut self.all {
            if step == Step::First && !source.fresh {
                continue;
            }
            if let Some(to) = &source.skips_to {
                let is_it = to.cursor == cursor;
                let inclusive = to.inclusive;
                if is_it {
                    source.skips_to = None;
                }
                if !is_it || !inclusive {
                    continue;
                }
            }
            if source.at.is_none() && self.cursor.is_none() {
                // Before anything is in the spool, so that a crash can't leave lines there without a place. Not beside
                // sources that have one: it could not be told which is the older.
                source.spool.note(&format!("{round} ={cursor}"));
            }
            if entry::belongs(entry, &source.wanted) {
                entry::write(entry, &self.zone, &mut source.out);
            }
            source.at = Some(cursor.to_owned());
        }
        let end = match step {
            Step::First => &mut self.first_end,
            _ => &mut self.cursor,
        };
        *end = Some(cursor.to_owned());
    }

    /// Appends what was taken to the spools.
    pub(super) fn append(&mut self) {
        for source in &mut self.all {
            source.spool.append(&source.out);
            source.out.clear();
        }
    }

    /// What was taken is in the spools, and all sources are fed from the same place on.
    pub(super) fn whole(&mut self, step: Step) {
        if step == Step::First {
            let end = self.first_end.take();
            if self.cursor.is_none() {
                self.cursor = end;
            } else {
                for source in self.all.iter_mut().filter(|source| source.fresh) {
                    source.skips_to = end.clone().map(Place::after);
                }
            }
            if self.cursor.is_some() {
                self.all.iter_mut().for_each(|source| source.fresh = false);
            }
        } else {
            // An entry that did not come is gone.
            self.all
                .iter_mut()
                .for_each(|source| source.skips_to = None);
        }
    }

    /// When places are to be noted, where that is due.
    pub(super) fn note_at(&self) -> Option<Instant> {
        self.is_to_note().then(|| self.noted + NOTE_EVERY)
    }

    /// Notes the places, where they were not noted for a while.
    pub(super) fn note_now_and_then(&mut self) {
        if self.noted.elapsed() >= NOTE_EVERY {
            self.note();
        }
    }

    /// Nothing more comes: what was taken is in the spools, with its places.
    pub(super) fn finish(&mut self) {
        self.append();
        self.note();
        for source in &mut self.all {
            source.spool.finish();
        }
    }

    fn is_to_note(&self) -> bool {
        self.all.iter().all(|source| source.skips_to.is_none())
            && self.all.iter().any(|source| source.at.is_some())
    }

    /// Notes how far each source is. Not while one of them is ahead: its place could not be told from an older one.
    fn note(&mut self) {
        self.noted = Instant::now();
        if !self.is_to_note() {
            return;
        }
        let changed = self.all.iter_mut().any(|source| match &source.at {
            Some(at) => !source.spool.has_noted(at),
            None => false,
        });
        if !changed {
            return;
        }
        self.round += 1;
        for source in &mut self.all {
            if let Some(at) = &source.at {
                source.spool.note(&format!("{} {at}", self.round));
            }
        }
    }

    /// Tells the clients of all of them.
    pub(super) fn tell(&self, kind: &EventKind) {
        for source in &self.all {
            source.spool.tell(kind.clone());
        }
    }
}
