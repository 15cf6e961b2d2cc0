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
use crate::limits::{COPY_CHECKED_BYTES, HISTORY_FILES_MAX, NAME_READS_MAX};
use crate::source::forward::Footing;
use crate::source::inflate::{self, Pause};
use crate::source::siblings::{self, Sibling, Unreadable};
use crate::source::{Generation, Identity, Position, Source};

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

/// Where lines end that are older than all that the current file holds.
#[derive(Debug)]
pub(super) enum OlderEnd {
    /// In a generation that the hub knows.
    Known(Arc<Generation>, Edge),
    /// Where this file beside the followed one stands.
    Past(Box<Past>),
    /// All that can be read is later.
    Nowhere,
}

/// What a walk through the files beside the followed one has come from.
#[derive(Debug)]
enum Younger<'k> {
    /// Generations that the hub knows, oldest first.
    Known(&'k [Arc<Generation>]),
    /// One of these files, and when that was last written to.
    File(Identity, SystemTime),
    /// Nothing.
    Nothing,
}

impl Younger<'_> {
    /// The files that are older, oldest first.
    fn older(&self, source: &Source, pause: Pause<'_>) -> Vec<Sibling> {
        let (identity, modified) = match self {
            Younger::Known(known) => return older_than(source, known, pause),
            Younger::File(identity, modified) => (identity, *modified),
            Younger::Nothing => return siblings::each_once(siblings::rotated(&source.path())),
        };
        let mut all = siblings::each_once(siblings::rotated(&source.path()));
        let is_it = |sibling: &Sibling| sibling.identity.is_inode(identity);
        match all.iter().position(is_it) {
            Some(own) => all.truncate(own),
            // Compressed or removed since it was read.
            None => all.retain(|sibling| sibling.modified < modified),
        }
        all
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
            let is_last = wanted == 0 || self.is_within(begin, older.start());
            if begin < end || !is_last {
                found.beginning = Beginning::Known(Arc::clone(&older), begin);
            }
            if is_last {
                return Ok(Some(found));
            }
            known.insert(0, older);
        }
        let enter = known[0].number;
        self.in_siblings(source, Younger::Known(&known), Some(enter), found, wanted)
    }

    /// The same where the name leads nowhere and the hub holds nothing of it; `Ok(None)` also where there is none.
    pub(super) fn last_of_rotated(
        &mut self,
        source: &Source,
        wanted: u64,
    ) -> io::Result<Option<Found>> {
        let siblings = siblings::each_once(siblings::rotated(&source.path()));
        for youngest in siblings.iter().rev() {
            let Ok(mut past) = Past::open_sibling(source, youngest, None, self.pause) else {
                continue;
            };
            // Nothing of it is counted yet: the walk begins with it. Where all of it is too old, the stream begins at its
            // end.
            let (_, end) = past.whole();
            past.begin_at(end);
            return self.in_siblings(source, Younger::Nothing, None, Found::in_past(past), wanted);
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
        let (generation, end) = past.place();
        let (last, modified) = (generation.identity, past.modified());
        let Some(begin) = self.back(source, generation, end, &mut wanted)? else {
            return Ok(None);
        };
        past.only_from(begin);
        if wanted == 0 || !self.rotated {
            return Ok(Some(Found::in_past(past)));
        }
        let younger = Younger::File(last, modified);
        let mut found = self.in_siblings(source, younger, None, Found::in_past(past), wanted)?;
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
        Ok(match self.older_end(source, current, moment)? {
            None => None,
            Some(OlderEnd::Known(generation, edge)) => self
                .last_of_all(source, &generation, edge.position.offset, wanted)?
                .map(|found| (found, Some(edge))),
            Some(OlderEnd::Past(past)) => self
                .last_before(source, *past, wanted)?
                .map(|found| (found, None)),
            // The stream has no line.
            Some(OlderEnd::Nowhere) => {
                current.map(|current| (Found::at(current, current.start()), None))
            }
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
                let footing = Footing::take(&older.file, place)?;
                let edge = Edge {
                    position: Position {
                        generation: older.number,
                        offset: place,
                    },
                    id: footing.id(source, &older.identity, place),
                    aside: 0,
                };
                return Ok(Some(OlderEnd::Known(older, edge)));
            }
            known.insert(0, older);
        }
        for sibling in older_than(source, &known, self.pause)
            .iter()
            .rev()
            .take(HISTORY_FILES_MAX)
        {
            let mut past = match Past::open_sibling(source, sibling, None, self.pause) {
                Ok(past) => past,
                Err(Unreadable::GivenUp) => return Ok(None),
                Err(_) => continue,
            };
            let (generation, end) = past.whole();
            let Some(place) = self.place_of(source, generation, end, moment)? else {
                return Ok(None);
            };
            if place > 0 {
                past.begin_at(place);
                return Ok(Some(OlderEnd::Past(Box::new(past))));
            }
        }
        Ok(Some(OlderEnd::Nowhere))
    }

    /// Whether the moment at which history begins is in the file that starts at `start`: no older one is needed.
    fn is_within(&self, begin: u64, start: u64) -> bool {
        self.since.is_some() && begin > start
    }

    /// Goes on through the files that come before `younger`; the hub's generation `enter` comes after them.
    fn in_siblings(
        &mut self,
        source: &Source,
        mut younger: Younger<'_>,
        enter: Option<u64>,
        mut found: Found,
        mut wanted: u64,
    ) -> io::Result<Option<Found>> {
        let (mut listings, mut files) = (0, 0);
        'listing: loop {
            listings += 1;
            for sibling in younger.older(source, self.pause).iter().rev() {
                files += 1;
                // Nothing in it is as late as what is asked for: it is not even opened, which spares inflating it.
                let is_too_old = |moment| nanoseconds(sibling.modified) < moment;
                if files > HISTORY_FILES_MAX || self.since.is_some_and(is_too_old) {
                    return Ok(Some(found));
                }
                let mut past = match Past::open_sibling(source, sibling, enter, self.pause) {
                    Ok(past) => past,
                    Err(Unreadable::GivenUp) => return Ok(None),
                    // Race: it stands under another name now, or compressed.
                    Err(Unreadable::Renamed) if listings <= NAME_READS_MAX => continue 'listing,
                    Err(why) => {
                        found.lost = Some(why.reason());
                        younger = Younger::File(sibling.identity, sibling.modified);
                        continue;
                    }
                };
                younger = Younger::File(sibling.identity, sibling.modified);
                let (generation, end) = past.whole();
                let begin = match self.back(source, generation, end, &mut wanted) {
                    Ok(Some(begin)) => begin,
                    Ok(None) => return Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                    Err(error) => return Err(error),
                };
                let is_last = wanted == 0 || self.is_within(begin, 0);
                if begin < end || !is_last {
                    past.begin_at(begin);
                    found = Found::in_past(past);
                }
                if is_last {
                    return Ok(Some(found));
                }
            }
            return Ok(Some(found));
        }
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
pub(super) fn older_than(
    source: &Source,
    known: &[Arc<Generation>],
    pause: Pause<'_>,
) -> Vec<Sibling> {
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
        let mut is_known = |known: &Arc<Generation>| {
            last.identity.is_inode(&known.identity) || is_copy(last, known, pause)
        };
        // Nothing was written between two rotations: what holds nothing tells not whose copy it is, and is none's loss.
        if !known.iter().any(&mut is_known) && !is_empty(last, pause) {
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

/// Whether it can be read and holds nothing.
fn is_empty(sibling: &Sibling, pause: Pause<'_>) -> bool {
    let length = match sibling.compressed {
        true => inflate::open(&sibling.path, pause).map(|(file, _)| file.metadata()),
        false => Ok(fs::metadata(&sibling.path)),
    };
    matches!(length, Ok(Ok(stat)) if stat.len() == 0)
}

/// Whether the two are of one second: what compresses a file may keep no more of its time.
pub(super) fn is_same_second(one: SystemTime, other: SystemTime) -> bool {
    nanoseconds(one) / 1_000_000_000 == nanoseconds(other) / 1_000_000_000
}

/// Whether `sibling` holds what `known` begins with: a copy that was made while the file stayed (logrotate's `copy`), or its
/// own compressed file. Its lines stand in the generation itself.
pub(super) fn is_copy(sibling: &Sibling, known: &Generation, pause: Pause<'_>) -> bool {
    let file = match sibling.compressed {
        true => inflate::open(&sibling.path, pause)
            .ok()
            .map(|(file, _)| file),
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
