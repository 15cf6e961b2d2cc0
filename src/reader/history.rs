//! History that goes back over rotations: where the last N lines begin, in the current file or in one of its rotated
//! siblings, which are read as one long file.
//!
//! The walk goes from the current file to the generations that the hub knows, and then to the files that stand beside it,
//! from the youngest to the oldest. It only finds the place; reading from there on is the reader's.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::hub::Edge;
use crate::limits::{COPY_CHECKED_BYTES, HISTORY_FILES_MAX};
use crate::source::forward::Footing;
use crate::source::siblings::{self, Sibling};
use crate::source::{Generation, Position, Source, inflate};

use super::past::Past;
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
            if self.is_within(begin, older.start()) && begin == end {
                return Ok(Some(found));
            }
            found.beginning = Beginning::Known(Arc::clone(&older), begin);
            let start = older.start();
            known.insert(0, older);
            if wanted == 0 || self.is_within(begin, start) {
                return Ok(Some(found));
            }
        }
        let enter = known[0].number;
        let siblings = older_than(source, &known);
        self.in_siblings(source, siblings, Some(enter), found, wanted)
    }

    /// The same where the name leads nowhere and the hub holds nothing of it; `Ok(None)` also where there is none.
    pub(super) fn last_of_rotated(
        &mut self,
        source: &Source,
        wanted: u64,
    ) -> io::Result<Option<Found>> {
        let siblings = siblings::each_once(siblings::rotated(&source.path()));
        let Some(youngest) = siblings.last() else {
            return Ok(None);
        };
        let Ok(mut past) = Past::open_sibling(youngest, None) else {
            return Ok(None);
        };
        // Nothing of it is counted yet: the walk begins with it. Where all of it is too old, the stream begins at its end.
        let (_, end) = past.whole();
        past.begin_at(end);
        self.in_siblings(source, siblings, None, Found::in_past(past), wanted)
    }

    /// The same before a place in a file beside the followed one; the stream ends at that place.
    pub(super) fn last_before(
        &mut self,
        source: &Source,
        mut past: Past,
        wanted: u64,
    ) -> io::Result<Option<Found>> {
        let mut wanted = wanted;
        let (generation, end) = past.place();
        let last = generation.identity;
        let Some(begin) = self.back(source, generation, end, &mut wanted)? else {
            return Ok(None);
        };
        past.only_from(begin);
        if wanted == 0 || !self.rotated {
            return Ok(Some(Found::in_past(past)));
        }
        let mut siblings = siblings::each_once(siblings::rotated(&source.path()));
        let own = siblings
            .iter()
            .position(|sibling| past.is_of(&sibling.identity));
        siblings.truncate(own.unwrap_or(0));
        let mut found = self.in_siblings(source, siblings, None, Found::in_past(past), wanted)?;
        if let Some(Found {
            beginning: Beginning::Past(older),
            ..
        }) = &mut found
            && !older.is_of(&last)
        {
            older.ends_in(&last, end);
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
        let mut known: Vec<_> = current.cloned().into_iter().collect();
        let before = current.map(|current| self.known_before(source, current.number));
        for older in before.into_iter().flatten() {
            let end = older.sealed().unwrap_or(older.start());
            let Some(place) = self.place_of(source, &older, end, moment)? else {
                return Ok(None);
            };
            if place > older.start() {
                let found = self.last_of_all(source, &older, place, wanted)?;
                let position = Position {
                    generation: older.number,
                    offset: place,
                };
                let footing = Footing::take(&older.file, place)?;
                let end = Edge {
                    position,
                    id: footing.id(source, &older.identity, place),
                    aside: 0,
                };
                return Ok(found.map(|found| (found, Some(end))));
            }
            known.insert(0, older);
        }
        for sibling in older_than(source, &known)
            .iter()
            .rev()
            .take(HISTORY_FILES_MAX)
        {
            let Ok(mut past) = Past::open_sibling(sibling, None) else {
                continue;
            };
            let (generation, end) = past.whole();
            let Some(place) = self.place_of(source, generation, end, moment)? else {
                return Ok(None);
            };
            if place > 0 {
                past.begin_at(place);
                let found = self.last_before(source, past, wanted)?;
                return Ok(found.map(|found| (found, None)));
            }
        }
        // All that can be read is later: the stream has no line.
        Ok(current.map(|current| (Found::at(current, current.start()), None)))
    }

    /// Whether the moment at which history begins is in the file that starts at `start`: no older one is needed.
    fn is_within(&self, begin: u64, start: u64) -> bool {
        self.since.is_some() && begin > start
    }

    /// Goes on through `siblings`, which are given oldest first; the hub's generation `enter` comes after them.
    fn in_siblings(
        &mut self,
        source: &Source,
        siblings: Vec<Sibling>,
        enter: Option<u64>,
        mut found: Found,
        mut wanted: u64,
    ) -> io::Result<Option<Found>> {
        for sibling in siblings.iter().rev().take(HISTORY_FILES_MAX) {
            // Nothing in it is as late as what is asked for: it is not even opened, which spares inflating it.
            if self
                .since
                .is_some_and(|moment| nanoseconds(sibling.modified) < moment)
            {
                break;
            }
            let mut past = match Past::open_sibling(sibling, enter) {
                Ok(past) => past,
                Err(why) => {
                    found.lost = Some(why.reason());
                    continue;
                }
            };
            let (generation, end) = past.whole();
            let begin = match self.back(source, generation, end, &mut wanted) {
                Ok(Some(begin)) => begin,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(error),
            };
            if self.is_within(begin, 0) && begin == end {
                break;
            }
            past.begin_at(begin);
            found = Found::in_past(past);
            if self.is_within(begin, 0) {
                break;
            }
            if wanted == 0 {
                break;
            }
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

/// The siblings that are older than all of `known`, which are given oldest first and not empty; oldest first, too.
///
/// What the hub knows may stand there as well, under its own inode, or compressed since, with the time of the last write cut
/// to a second: only what it holds tells that one.
pub(super) fn older_than(source: &Source, known: &[Arc<Generation>]) -> Vec<Sibling> {
    let mut all = siblings::each_once(siblings::rotated(&source.path()));
    let (Some(oldest), Some(youngest)) = (known.first(), known.last()) else {
        return all;
    };
    let own = all
        .iter()
        .position(|sibling| sibling.identity.is_inode(&oldest.identity));
    if let Some(own) = own {
        all.truncate(own);
        return all;
    }
    let stat = youngest.file.metadata().ok();
    let modified = stat.and_then(|stat| stat.modified().ok());
    // Numbers that count up: a file that was made and written after the last write to the current one was not rotated away
    // before it. Compressing, copying and restoring make new files, too, but keep the time of the last write.
    all.retain(|sibling| {
        let made = sibling.born().min(sibling.modified);
        modified.is_none_or(|modified| made <= modified)
    });
    while let Some(last) = all.last() {
        let is_known = |known: &Arc<Generation>| {
            last.identity.is_inode(&known.identity) || is_copy(last, known)
        };
        if !known.iter().any(is_known) {
            break;
        }
        all.pop();
    }
    all
}

/// Nanoseconds since 1970.
fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Whether `sibling` holds what `known` begins with: a copy that was made while the file stayed (logrotate's `copy`), or its
/// own compressed file. Its lines stand in the generation itself.
fn is_copy(sibling: &Sibling, known: &Generation) -> bool {
    let file = match sibling.compressed {
        true => inflate::open(&sibling.path).ok().map(|(file, _)| file),
        false => fs::File::open(&sibling.path).ok().map(Arc::new),
    };
    let Some(file) = file else {
        return false;
    };
    let lengths = (file.metadata(), known.file.metadata());
    let (Ok(copy), Ok(whole)) = lengths else {
        return false;
    };
    let length = copy.len();
    if length == 0 || length > whole.len() || known.is_gone() {
        return false;
    }
    let is_same = |at: u64, bytes: usize| {
        let (mut one, mut other) = (vec![0; bytes], vec![0; bytes]);
        let read = file
            .read_exact_at(&mut one, at)
            .and(known.file.read_exact_at(&mut other, at));
        read.is_ok() && one == other
    };
    let checked = length.min(COPY_CHECKED_BYTES as u64);
    let bytes = usize::try_from(checked).unwrap_or(COPY_CHECKED_BYTES);
    is_same(0, bytes) && is_same(length - checked, bytes)
}
