//! History that goes back over rotations: where the last N lines begin, in the current file or in one of its rotated
//! siblings, which are read as one long file.
//!
//! The walk goes from the current file to the generations that the hub knows, and then to the files that stand beside it,
//! from the youngest to the oldest. It only finds the place; reading from there on is the reader's.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::hub::Edge;
use crate::source::forward::Footing;
use crate::source::siblings::{Sibling, Unreadable};
use crate::source::{Generation, Source, inflate, since};

use super::past::Past;
use super::row::{Row, nanoseconds};
use super::start::Begin;

/// Where history begins.
#[derive(Debug)]
pub(super) enum Beginning {
    /// In a generation that the hub knows, at this offset.
    Known(Arc<Generation>, u64),
    /// In a file beside the followed one.
    Past(Box<Past>),
}

/// What the walk has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) beginning: Beginning,
    /// Older lines are wanted and can't be read, for this reason.
    pub(super) lost: Option<&'static str>,
}

impl Found {
    /// At a place in a generation that the hub knows.
    pub(super) fn at(generation: &Arc<Generation>, offset: u64) -> Found {
        Found {
            beginning: Beginning::Known(Arc::clone(generation), offset),
            lost: None,
        }
    }

    /// Where a file beside the followed one stands.
    pub(super) fn in_past(past: Past) -> Found {
        Found {
            beginning: Beginning::Past(Box::new(past)),
            lost: None,
        }
    }
}

/// Where the lines of a stream end.
#[derive(Debug)]
pub(super) enum LinesEnd {
    /// In a generation that the hub knows.
    Known(Arc<Generation>, Edge),
    /// Where this file beside the followed one stands.
    Past(Box<Past>),
}

/// Where lines end that are older than all that a file holds.
#[derive(Debug)]
pub(super) enum OlderEnd {
    At(LinesEnd),
    /// All that can be read is later; some that is older, for this reason, can't be.
    Nowhere(Option<&'static str>),
}

impl Begin<'_> {
    /// Where the last `wanted` lines before `end` in `generation` begin, in older files where that one has fewer; `None`
    /// where `pause` gave up. Blocks on the disk.
    pub(super) fn last_of_all(
        &mut self,
        source: &Source,
        generation: &Arc<Generation>,
        end: u64,
        wanted: u64,
    ) -> io::Result<Option<Found>> {
        let mut wanted = wanted;
        let Some(begin) = self.back(source, generation, end, &mut wanted)? else {
            return Ok(None);
        };
        let mut known = vec![Arc::clone(generation)];
        let mut found = Found::at(generation, begin);
        if wanted == 0 || !self.rotated || self.is_within(begin, generation.start()) {
            return Ok(Some(found));
        }
        for older in self.known_before(source, generation.number) {
            let end = older.sealed().unwrap_or(older.start());
            let Some(begin) = self.back(source, &older, end, &mut wanted)? else {
                return Ok(None);
            };
            let is_last = wanted == 0 || self.is_within(begin, older.start());
            if begin < end || !is_last {
                found.beginning = Beginning::Known(Arc::clone(&older), begin);
            }
            if is_last {
                return Ok(Some(found));
            }
            known.insert(0, older);
        }
        let row = Row::before(source, self.hub, &known, self.pause);
        let end = row.files.len();
        self.in_row(source, row, end, found, wanted)
    }

    /// The same where the name leads nowhere and the hub holds nothing of it; `Ok(None)` also where there is none.
    pub(super) fn last_of_rotated(
        &mut self,
        source: &Source,
        wanted: u64,
    ) -> io::Result<Option<Found>> {
        let mut row = Row::before(source, self.hub, &[], self.pause);
        for place in (0..row.files.len()).rev() {
            if row.is_copy(place) {
                continue;
            }
            let Ok(mut past) = Past::open_sibling(source, &mut row, place, self.pause) else {
                continue;
            };
            // Nothing of it is counted yet: the walk begins with it. Where all of it is too old, the stream begins at its
            // end.
            let (_, end) = past.whole();
            past.begin_at(end);
            past.stand_in(Row::default(), place);
            return self.in_row(source, row, place + 1, Found::in_past(past), wanted);
        }
        Ok(None)
    }

    /// The same before a place in a file beside the followed one; the stream ends at that place.
    pub(super) fn last_before(
        &mut self,
        source: &Source,
        mut past: Past,
        wanted: u64,
    ) -> io::Result<Option<Found>> {
        let mut wanted = wanted;
        let lacking = past.lacking();
        let (generation, end) = past.place();
        let (last, start) = (generation.identity, generation.start());
        let Some(begin) = self.back(source, generation, end, &mut wanted)? else {
            return Ok(None);
        };
        past.only_from(begin);
        if wanted == 0 || !self.rotated || self.is_within(begin, start) {
            return Ok(Some(Found::in_past(past)));
        }
        let (row, place) = past.take_row();
        let mut found = self.in_row(source, row, place, Found::in_past(past), wanted)?;
        if let Some(Found {
            beginning: Beginning::Past(older),
            ..
        }) = &mut found
        {
            if !older.is_of(&last) {
                older.ends_in(&last, end);
                older.lacks_behind(lacking);
            }
        }
        Ok(found)
    }

    /// The last `wanted` lines before `moment`, where `current` begins after it or the name leads nowhere: where they begin,
    /// and where they end if that is in a generation that the hub knows. `Ok(None)` where `pause` gave up, and where there
    /// is nothing at all.
    pub(super) fn last_before_moment(
        &mut self,
        source: &Source,
        current: Option<&Arc<Generation>>,
        moment: i64,
        wanted: u64,
    ) -> io::Result<Option<(Found, Option<Edge>)>> {
        Ok(match self.older_end(source, current, moment)? {
            None => None,
            Some(OlderEnd::At(LinesEnd::Known(generation, edge))) => self
                .last_of_all(source, &generation, edge.position.offset, wanted)?
                .map(|found| (found, Some(edge))),
            Some(OlderEnd::At(LinesEnd::Past(past))) => self
                .last_before(source, *past, wanted)?
                .map(|found| (found, None)),
            // The stream has no line.
            Some(OlderEnd::Nowhere(lost)) => current.map(|current| {
                let found = Found::at(current, current.start());
                (Found { lost, ..found }, None)
            }),
        })
    }

    /// Where the lines before `moment` end, which is before all that `current` holds. `None` where `pause` gave up.
    pub(super) fn older_end(
        &mut self,
        source: &Source,
        current: Option<&Arc<Generation>>,
        moment: i64,
    ) -> io::Result<Option<OlderEnd>> {
        let mut known: Vec<_> = current.cloned().into_iter().collect();
        let before = current.map(|current| self.known_before(source, current.number));
        for older in before.into_iter().flatten() {
            let end = older.sealed().unwrap_or(older.start());
            let Some(place) = self.place_of(source, &older, end, moment)? else {
                return Ok(None);
            };
            if place > older.start() {
                let edge = edge_in(source, &older, place)?;
                return Ok(Some(OlderEnd::At(LinesEnd::Known(older, edge))));
            }
            known.insert(0, older);
        }
        let row = Row::before(source, self.hub, &known, self.pause);
        let end = row.files.len();
        self.older_end_in_row(source, row, end, moment)
    }

    /// The same in the files of `row` before the one at `end`.
    pub(super) fn older_end_in_row(
        &mut self,
        source: &Source,
        mut row: Row,
        end: usize,
        moment: i64,
    ) -> io::Result<Option<OlderEnd>> {
        let mut lost = None;
        for place in (0..end).rev() {
            if row.is_copy(place) {
                continue;
            }
            let mut past = match Past::open_sibling(source, &mut row, place, self.pause) {
                Ok(past) => past,
                Err(Unreadable::GivenUp) => return Ok(None),
                Err(why) => {
                    lost = Some(why.reason());
                    continue;
                }
            };
            let (generation, end) = past.whole();
            let Some(found) = self.place_of(source, generation, end, moment)? else {
                return Ok(None);
            };
            if found > 0 {
                past.begin_at(found);
                past.stand_in(row, place);
                // Where lines of it are later, so are those of younger files.
                past.lacks_behind(lost.filter(|_| found == end));
                return Ok(Some(OlderEnd::At(LinesEnd::Past(Box::new(past)))));
            }
            lost = None;
        }
        Ok(Some(OlderEnd::Nowhere(lost.or(row.lost))))
    }

    /// Whether the moment at which history begins is in the file that starts at `start`: no older one is needed.
    fn is_within(&self, begin: u64, start: u64) -> bool {
        self.since.is_some() && begin > start
    }

    /// Goes on through the files of `row` before the one at `end`.
    fn in_row(
        &mut self,
        source: &Source,
        mut row: Row,
        end: usize,
        mut found: Found,
        mut wanted: u64,
    ) -> io::Result<Option<Found>> {
        let mut is_last = false;
        for place in (0..end).rev() {
            if row.is_copy(place) {
                continue;
            }
            if self
                .since
                .is_some_and(|moment| is_known_older(&row.files[place], moment))
            {
                is_last = true;
                break;
            }
            let mut past = match Past::open_sibling(source, &mut row, place, self.pause) {
                Ok(past) => past,
                Err(Unreadable::GivenUp) => return Ok(None),
                Err(why) => {
                    found.lost = Some(why.reason());
                    continue;
                }
            };
            let (generation, end) = past.whole();
            let begin = match self.back(source, generation, end, &mut wanted) {
                Ok(Some(begin)) => begin,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    found.lost = Some("truncated while it was read");
                    continue;
                }
                Err(error) => return Err(error),
            };
            is_last = wanted == 0 || self.is_within(begin, 0);
            if begin < end || !is_last {
                past.begin_at(begin);
                past.stand_in(Row::default(), place);
                found = Found::in_past(past);
            }
            if is_last {
                break;
            }
        }
        if !is_last {
            found.lost = found.lost.or(row.lost);
        }
        if let Beginning::Past(past) = &mut found.beginning {
            let (_, place) = past.take_row();
            past.stand_in(row, place);
        }
        Ok(Some(found))
    }

    /// The generations of the source before number `number` that can still be read without a gap, youngest first.
    fn known_before(&self, source: &Source, number: u64) -> Vec<Arc<Generation>> {
        let held = self.hub.generations(source.index).into_iter().rev();
        let held: Vec<_> = held.filter(|held| held.number < number).collect();
        let oldest = held.last().map_or(number, |held| held.number);
        let formers = self.hub.formers(source.index).into_iter().rev();
        let formers = formers.filter(|former| former.number < oldest);
        let opened = formers.map_while(|former| former.open(source).ok().flatten());
        // What was truncated is gone; a copy of it may stand beside, which is found there.
        let stands = |generation: &Arc<Generation>| !generation.is_gone();
        held.into_iter().chain(opened).take_while(stands).collect()
    }
}

/// The edge at `offset` in a generation.
pub(super) fn edge_in(source: &Source, generation: &Generation, offset: u64) -> io::Result<Edge> {
    let footing = Footing::take(&generation.file, offset)?;
    Ok(Edge {
        position: generation.at(offset),
        id: footing.id(source, &generation.identity, offset),
        aside: 0,
    })
}

/// Whether nothing in the compressed file is as late as `moment`, as far as its last write tells: it is not inflated then. A
/// plain file costs some small reads: the times of its lines count, for its clock may have been another than ours. So may that
/// of lines which are asked for though their time has not come yet; and a file whose lines are all later than its last write
/// was copied without its time, or has been given another.
fn is_known_older(sibling: &Sibling, moment: i64) -> bool {
    let written = nanoseconds(sibling.modified);
    // logrotate gives a file that it compresses the time of its last write in whole seconds (utime): a line may be later by
    // nearly one.
    let is_older =
        written.saturating_add(1_000_000_000) <= moment && moment <= nanoseconds(SystemTime::now());
    let first = || inflate::beginning(&sibling.path).and_then(|file| since::first_time(&file));
    sibling.compressed && is_older && first().is_none_or(|first| first <= written)
}
