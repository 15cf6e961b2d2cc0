//! Files that a rotation left beside the followed one, and that the hub does not hold (any more): a stream that is
//! resumed in one of them reads it to its end, goes on through the younger ones, and so comes to what the hub holds.
//!
//! Only the file that is being read is open; the next is found when its turn comes, by inode and time, since it may
//! have been renamed meanwhile.

use std::fs::{self, Metadata};
use std::io;
use std::mem;
use std::path::Path;
use std::sync::Arc;

use crate::hub::Hub;
use crate::limits::NAME_READS_MAX;
use crate::source::forward::{Footing, Read, Stretch, read_lines};
use crate::source::inflate::{self, Pause};
use crate::source::record::Before;
use crate::source::siblings::{self, Reach, Sibling, Unreadable};
use crate::source::{
    Began, Event, EventKind, Gap, Generation, Id, IdMaker, Identity, Lines, OpenFile, Position,
    Remembered, Source, identity, nuls,
};

use super::row::Row;

/// Where a stream stands in a file beside the followed one, and where it leaves that.
#[derive(Debug)]
pub(super) struct Past {
    generation: Generation,
    /// The files among which it stands, and where.
    row: Row,
    row_place: usize,
    at: u64,
    limit: u64,
    footing: Option<Footing>,
    /// The stream ends at `limit`: nothing younger is read.
    ends_here: bool,
    /// The stream ends in this file, at this offset.
    ends_at: Option<(Identity, u64)>,
    /// Where the stream ends: lines that belong before that end stand in a younger file that can't be read, for this reason.
    lacking: Option<&'static str>,
    /// The hub's generation that it is a copy of, where it was found for a place in that.
    copied: Option<Arc<Remembered>>,
}

impl Past {
    /// The file beside `source`'s in which `id` is a place, if there is one. Blocks on the disk.
    ///
    /// Ids come from whoever may connect, and anyone can make one up that names the first byte of any inode: for those that
    /// are not sealed, only files that a rotation of this one can have left are opened, or the whole directory could be
    /// read.
    pub(super) fn find(source: &Source, hub: &Hub, id: &Id, pause: Pause<'_>) -> Option<Past> {
        let reach = match id.own {
            true => Reach::Any,
            false => Reach::Known,
        };
        let stands = siblings::by_inode(&source.path(), id.inode, reach);
        let stands = stands.ok().flatten();
        if let Some(path) = &stands {
            if let Some(mut past) = Past::open_at(path, id, pause) {
                // What has come to a name that is not known has brothers that are called alike.
                let mut row = Row::beside(source, hub, path.file_name());
                if let Some(place) = row.position(&past.generation.identity) {
                    row.drop_copies(source, hub, place, &past.generation, pause);
                    past.stand_in(row, place);
                    return Some(past);
                }
            }
        }
        // Compressed since, or copied and truncated, it is another file: what it holds tells that it is the one. A copy
        // holds what the file held that stands there, truncated since.
        let truncated = stands.and_then(|path| fs::symlink_metadata(path).ok());
        let truncated = truncated.map(|stat| Identity::of(&stat));
        let mut row = Row::beside(source, hub, None);
        for place in (0..row.files.len()).rev() {
            let sibling = &row.files[place];
            let is_it = |footing: &Footing| match (sibling.compressed, &truncated) {
                (true, _) => footing.holds(id),
                (false, Some(truncated)) => footing.is_at(truncated, id),
                (false, None) => false,
            };
            if !sibling.compressed && truncated.is_none() {
                continue;
            }
            let past = Past::of(sibling, pause).ok().and_then(|past| past.at(id));
            if let Some(mut past) = past.filter(|past| past.footing().is_some_and(is_it)) {
                past.copied = truncated.and_then(|of| past.copied_of(source, hub, &of, id));
                row.drop_copies(source, hub, place, &past.generation, pause);
                past.stand_in(row, place);
                return Some(past);
            }
        }
        None
    }

    /// The file at `path`, if `id` is a place in it.
    fn open_at(path: &Path, id: &Id, pause: Pause<'_>) -> Option<Past> {
        let past = match inflate::is_inflatable(path) {
            true => Past::inflated(path, pause).ok()?,
            false => Past::open(path, id.offset).ok()?,
        };
        let past = past.at(id)?;
        let is_it = past.footing()?.is_at(&past.generation.identity, id);
        is_it.then_some(past)
    }

    /// At the place that `id` would be.
    fn at(mut self, id: &Id) -> Option<Past> {
        self.at = id.offset;
        self.footing = Footing::take(&self.generation.file, id.offset).ok();
        (self.limit >= id.offset).then_some(self)
    }

    fn footing(&self) -> Option<&Footing> {
        self.footing.as_ref()
    }

    /// It is the file at `place` of `row`.
    pub(super) fn stand_in(&mut self, row: Row, place: usize) {
        (self.row, self.row_place) = (row, place);
    }

    /// The files among which it stands, and where it does.
    pub(super) fn take_row(&mut self) -> (Row, usize) {
        (mem::take(&mut self.row), self.row_place)
    }

    fn open(path: &Path, at: u64) -> io::Result<Past> {
        let (file, _) = identity::open_beside(path)?;
        let stat = file.metadata()?;
        let footing = Some(Footing::take(&file, at)?);
        let limit = nuls::content_end(&file, at, stat.len())?;
        Ok(Past {
            at,
            footing,
            ..Past::new(Arc::new(file), &stat, limit)
        })
    }

    /// The file at `place` of `row`, to be read from its first byte. Blocks on the disk, and for as long as inflating takes.
    pub(super) fn open_sibling(
        source: &Source,
        row: &mut Row,
        place: usize,
        pause: Pause<'_>,
    ) -> Result<Past, Unreadable> {
        if row.files[place].unordered {
            return Err(Unreadable::Lost(
                "neither names nor times tell the order of rotated files",
            ));
        }
        for _ in 0..NAME_READS_MAX {
            let sibling = &row.files[place];
            match Past::of(sibling, pause) {
                Ok(past) if past.is_of(&sibling.identity) => return Ok(past),
                Ok(_) | Err(Unreadable::Renamed) => {}
                Err(why) => return Err(why),
            }
            // Race: it was renamed since it was listed, and another one may stand there.
            row.find_again(source, place)?;
        }
        Err(Unreadable::Lost("renamed meanwhile"))
    }

    fn of(sibling: &Sibling, pause: Pause<'_>) -> Result<Past, Unreadable> {
        if sibling.compressed {
            return Past::inflated(&sibling.path, pause);
        }
        Past::open(&sibling.path, 0).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Unreadable::Renamed,
            io::ErrorKind::PermissionDenied => Unreadable::Lost("no permission"),
            _ => Unreadable::Lost("can't be read"),
        })
    }

    fn inflated(path: &Path, pause: Pause<'_>) -> Result<Past, Unreadable> {
        let (file, stat) = inflate::open(path, pause)?;
        let limit = file.metadata();
        let limit = limit.map_err(|_| Unreadable::Lost("can't be read"))?.len();
        Ok(Past::new(file, &stat, limit))
    }

    /// What `file` holds up to `limit`, from its first byte.
    fn new(file: Arc<OpenFile>, stat: &Metadata, limit: u64) -> Past {
        let identity = Identity::of(stat);
        Past {
            generation: Generation::with_identity(0, file, identity, Began::Rotated, None),
            row: Row::default(),
            row_place: 0,
            at: 0,
            limit,
            footing: None,
            ends_here: false,
            ends_at: None,
            lacking: None,
            copied: None,
        }
    }

    /// The file and its end.
    pub(super) fn whole(&self) -> (&Generation, u64) {
        (&self.generation, self.limit)
    }

    /// Reads from `begin` on.
    pub(super) fn begin_at(&mut self, begin: u64) {
        self.at = begin;
        self.footing = None;
    }

    /// The stream that begins here ends in the file `last`, at this offset.
    pub(super) fn ends_in(&mut self, last: &Identity, offset: u64) {
        self.ends_at = Some((*last, offset));
    }

    /// Where the stream ends, lines are missing for this reason.
    pub(super) fn lacks_behind(&mut self, reason: Option<&'static str>) {
        self.lacking = reason;
    }

    /// Why lines are missing where the stream ends.
    pub(super) fn lacking(&self) -> Option<&'static str> {
        self.lacking
    }

    /// What is to be told of that once the stream has come to its end. Once.
    pub(super) fn gap_at_end(&mut self, source: &Source) -> Option<Event> {
        let reason = self.lacking.take()?;
        let gap = Gap {
            lost_bytes: None,
            reason,
        };
        Some(Event {
            kind: gap.told(),
            id: self.id(source)?,
            at: Position::default(),
            aside: 0,
        })
    }

    /// The stream ends where `last` stands, which is of the same file or another one of these, or here if that is older.
    pub(super) fn ends_at(&mut self, last: &Past) {
        let (file, offset) = last.place();
        self.lacking = last.lacking;
        if self.is_of(&file.identity) {
            return self.ends_at_offset(offset);
        }
        match Some(self.row_place) < self.row.position(&file.identity) {
            true => self.ends_in(&file.identity, offset),
            false => {
                self.lacking = None;
                self.ends_at_offset(0);
            }
        }
    }

    /// The stream ends at this offset of this file, or where it stands if that is behind.
    pub(super) fn ends_at_offset(&mut self, offset: u64) {
        self.limit = self.limit.min(offset.max(self.at));
        self.ends_here = true;
    }

    /// All of it is read.
    pub(super) fn is_read(&self) -> bool {
        self.at >= self.limit
    }

    /// Whether both are of one file.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.generation.identity.is_file(identity)
    }

    /// The file and the place in it.
    pub(super) fn place(&self) -> (&Generation, u64) {
        (&self.generation, self.at)
    }

    /// Reads only from `begin` to where it stands now, and nothing younger.
    pub(super) fn only_from(&mut self, begin: u64) {
        self.limit = self.at;
        self.at = begin;
        self.footing = None;
        self.ends_here = true;
    }

    pub(super) fn ends_here(&self) -> bool {
        self.ends_here
    }

    /// The next lines; `None` at the file's end, or where it has been changed.
    pub(super) fn next(
        &mut self,
        source: &Source,
        line_bytes_max: usize,
        chunk_bytes: usize,
    ) -> io::Result<Option<Lines>> {
        if self.at >= self.limit {
            return Ok(None);
        }
        let mut footing = match self.footing.take() {
            Some(footing) => footing,
            None => Footing::take(&self.generation.file, self.at)?,
        };
        let stretch = Stretch {
            from: self.at,
            limit: self.limit,
            sealed: !self.ends_here,
        };
        let bytes = (chunk_bytes, line_bytes_max);
        let read = read_lines(source, &self.generation, stretch, bytes, &mut footing)?;
        self.footing = Some(footing);
        Ok(match read {
            Read::Lines(lines) => {
                self.at = lines.end().offset;
                Some(lines)
            }
            Read::Parts => {
                self.at = self.limit;
                None
            }
            Read::Changed => None,
        })
    }

    pub(super) fn go_back(&mut self, offset: u64) {
        if self.at != offset {
            self.at = offset;
            self.footing = None;
        }
    }

    pub(super) fn id(&self, source: &Source) -> Option<Id> {
        let footing = Footing::take(&self.generation.file, self.at).ok()?;
        Some(footing.id(source, &self.generation.identity, self.at))
    }

    /// What is unfinished at its end, and goes on in the next file.
    fn unfinished_parts(&self) -> Before {
        let footing = self.footing.as_ref();
        match footing.and_then(|footing| footing.joiner.as_ref()) {
            Some(joiner) => Before::told(joiner.carry().unwrap_or_default()),
            // Nothing of it was read here, or it has no records.
            None => Before::default(),
        }
    }

    /// The hub's generation that this file is a copy of, where what it held was truncated: copytruncate leaves such.
    fn copy_of(&self, source: &Source, hub: &Hub) -> Option<Arc<Remembered>> {
        let enter = self.row.enter?;
        let is_it = |known: &Arc<Remembered>| {
            known.number >= enter
                && known.is_gone()
                && known.end().is_some_and(|end| end.id.offset == self.at)
                && self.has_end_of(known) == Some(true)
        };
        hub.remembered(source.index).into_iter().find(is_it)
    }

    /// The same for a copy of `truncated` in which `id` was found, a place in that file: more may have been written to it
    /// than the copy has. The oldest, where several may be it.
    fn copied_of(
        &self,
        source: &Source,
        hub: &Hub,
        truncated: &Identity,
        id: &Id,
    ) -> Option<Arc<Remembered>> {
        // A compressed file is found by its lines alone, which may be those of another.
        self.footing()?.is_at(truncated, id).then_some(())?;
        let is_it = |known: &Arc<Remembered>| {
            known.is_gone()
                && known.identity.is_file(truncated)
                && known.length() >= id.offset
                && self.has_end_of(known) != Some(false)
        };
        hub.remembered(source.index).into_iter().find(is_it)
    }

    /// Whether it holds the last line of `known`; `None` where it does not reach so far, or that has none.
    fn has_end_of(&self, known: &Remembered) -> Option<bool> {
        let id = known.end()?.id;
        let is_within = id.offset > 0 && id.offset <= self.limit;
        let footing = is_within.then(|| Footing::take(&self.generation.file, id.offset).ok());
        Some(footing??.holds(&id))
    }

    /// Where the generation begins that comes after the files beside the followed one, and which file it is; and whether
    /// those between are forgotten.
    fn next_known(&self, source: &Source, hub: &Hub) -> Option<(Position, Identity, bool)> {
        // Where the hub held nothing, its first one comes next.
        let enter = self.row.enter.unwrap_or(0);
        let mut known = hub.remembered(source.index).into_iter();
        let next = known.find(|known| known.number >= enter)?;
        Some((next.begin(), next.identity, next.number > enter))
    }

    /// What comes after this file: the next younger one, or what the hub holds; with the events that say so. `None`
    /// where the hub holds nothing. Blocks for as long as inflating takes.
    pub(super) fn onwards(
        &mut self,
        source: &Source,
        hub: &Hub,
        pause: Pause<'_>,
    ) -> Option<(Option<Past>, Vec<Event>)> {
        let enter = self.row.enter;
        let copied = self.copied.take();
        let copied = copied.filter(|of| enter.is_some_and(|enter| of.number >= enter));
        let copied = copied.or_else(|| self.copy_of(source, hub));
        if let Some(of) = &copied {
            // All that it held up to here has been read.
            self.row.enter = Some(of.number + 1);
        }
        let known = self.next_known(source, hub);
        let at = known.map_or_else(Position::default, |(at, ..)| at);
        let event = |kind, identity| Event {
            kind,
            id: IdMaker::beginning(source.name_hash, identity),
            at,
            aside: 0,
        };
        let seam = match source.origin().is_spooled() {
            true => EventKind::Continued,
            false => EventKind::Rotated,
        };
        let lost = |lost_bytes, reason| Gap { lost_bytes, reason }.told();
        let rest = self.limit.saturating_sub(self.at);
        let cut = copied.map_or(0, |of| of.length().saturating_sub(self.limit));
        let mut gap = match (rest, cut) {
            (0, 0) => None,
            (0, cut) => Some(lost(Some(cut), "truncated")),
            (rest, _) => Some(lost(Some(rest), "overwritten")),
        };
        let (mut row, place) = self.take_row();
        for place in place + 1..row.files.len() {
            if row.is_copy(place) {
                continue;
            }
            let mut next = match Past::open_sibling(source, &mut row, place, pause) {
                Ok(next) => next,
                Err(why) => {
                    gap = Some(lost(None, why.reason()));
                    continue;
                }
            };
            (next.ends_at, next.lacking) = (self.ends_at, self.lacking);
            let identity = next.generation.identity;
            if let Some((_, end)) = self.ends_at.filter(|(last, _)| last.is_file(&identity)) {
                next.ends_at_offset(end);
            }
            next.generation = next.generation.behind(self.unfinished_parts());
            next.stand_in(row, place);
            let gap = gap.map(|kind| event(kind, &identity));
            let mut events: Vec<Event> = gap.into_iter().collect();
            events.push(event(seam, &identity));
            return Some((Some(next), events));
        }
        if self.ends_at.is_some() {
            // The file in which it was to end is gone.
            return None;
        }
        let (_, identity, forgotten) = known?;
        if forgotten {
            gap = Some(lost(None, "rotated away"));
        }
        let gap = gap.map(|kind| event(kind, &identity));
        let mut events: Vec<Event> = gap.into_iter().collect();
        events.push(event(seam, &identity));
        Some((None, events))
    }
}
