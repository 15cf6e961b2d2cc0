//! Files that a rotation left beside the followed one, and that the hub does not hold (any more): a stream that is
//! resumed in one of them reads it to its end, goes on through the younger ones, and so comes to what the hub holds.
//!
//! Only the file that is being read is open; the next is found when its turn comes, by inode and time, since it may
//! have been renamed meanwhile.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::hub::Hub;
use crate::limits::NAME_READS_MAX;
use crate::source::forward::{Footing, Read, Stretch, read_lines};
use crate::source::inflate::{self, Pause};
use crate::source::record::Before;
use crate::source::siblings::{self, Reach, Sibling, Unreadable};
use crate::source::{
    Began, Event, EventKind, Former, Generation, Id, IdMaker, Identity, Lines, Position, Source,
    identity, nuls,
};

use super::history;

/// Where a stream stands in a file beside the followed one, and where it leaves that.
#[derive(Debug)]
pub(super) struct Past {
    /// What it was called when it was opened.
    name: OsString,
    generation: Generation,
    modified: SystemTime,
    at: u64,
    limit: u64,
    footing: Option<Footing>,
    /// The stream ends at `limit`: nothing younger is read.
    ends_here: bool,
    /// The hub's generation that comes after the last file beside the followed one, where that is settled.
    enter: Option<u64>,
    /// The stream ends in the file with this inode, at this offset.
    ends_at: Option<(u64, u64)>,
}

impl Past {
    /// The file beside `source`'s in which `id` is a place, if there is one. Blocks on the disk.
    ///
    /// Ids come from whoever may connect, and anyone can make one up that names the first byte of any inode: for those that
    /// are not sealed, only files that a rotation of this one can have left are opened, or the whole directory could be
    /// read.
    pub(super) fn find(source: &Source, id: &Id, pause: Pause<'_>) -> Option<Past> {
        let reach = match id.own {
            true => Reach::Any,
            false => Reach::Known,
        };
        let by_inode = siblings::by_inode(&source.path(), id.inode, reach);
        let opened = by_inode
            .ok()
            .flatten()
            .and_then(|path| match inflate::is_inflatable(&path) {
                true => Past::inflated(&path, pause).ok(),
                false => Past::open(&path, id.offset).ok(),
            });
        let at_id = |mut past: Past| {
            past.at = id.offset;
            past.footing = Footing::take(&past.generation.file, id.offset).ok();
            (past.limit >= id.offset).then_some(past)
        };
        let is_it = |past: &Past| {
            let identity = &past.generation.identity;
            past.footing
                .as_ref()
                .is_some_and(|footing| footing.is_at(identity, id))
        };
        if let Some(past) = opened.and_then(at_id).filter(is_it) {
            return Some(past);
        }
        // Compressed since, it is another file: what it holds tells that it is the one.
        let siblings = siblings::each_once(siblings::rotated(&source.path()));
        let compressed = siblings.iter().rev().filter(|sibling| sibling.compressed);
        let mut inflated =
            compressed.filter_map(|sibling| Past::inflated(&sibling.path, pause).ok());
        inflated.find_map(|past| {
            let past = at_id(past)?;
            past.footing
                .as_ref()
                .is_some_and(|footing| footing.holds(id))
                .then_some(past)
        })
    }

    fn open(path: &Path, at: u64) -> io::Result<Past> {
        let (file, _) = identity::open_beside(path)?;
        let stat = file.metadata()?;
        let footing = Some(Footing::take(&file, at)?);
        let limit = nuls::content_end(&file, at, stat.len())?;
        Ok(Past {
            at,
            footing,
            ..Past::new(path, Arc::new(file), &stat, limit)
        })
    }

    /// A file of history beside `source`'s, to be read from its first byte; the hub's generation `enter` comes after the last
    /// of them. Blocks on the disk, and for as long as inflating takes.
    pub(super) fn open_sibling(
        source: &Source,
        sibling: &Sibling,
        enter: Option<u64>,
        pause: Pause<'_>,
    ) -> Result<Past, Unreadable> {
        let mut path = sibling.path.clone();
        for _ in 0..NAME_READS_MAX {
            let opened = match sibling.compressed {
                true => Past::inflated(&path, pause),
                false => Past::open(&path, 0).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Unreadable::Renamed,
                    io::ErrorKind::PermissionDenied => Unreadable::Lost("no permission"),
                    _ => Unreadable::Lost("can't be read"),
                }),
            };
            match opened {
                Ok(past) if past.is_of(&sibling.identity) => return Ok(Past { enter, ..past }),
                Ok(_) | Err(Unreadable::Renamed) => {}
                Err(why) => return Err(why),
            }
            // Race: it was renamed since it was listed, and another one may stand there.
            let inode = sibling.identity.inode;
            match siblings::by_inode(&source.path(), inode, Reach::Any) {
                Ok(Some(now)) => path = now,
                _ => break,
            }
        }
        Err(Unreadable::Renamed)
    }

    fn inflated(path: &Path, pause: Pause<'_>) -> Result<Past, Unreadable> {
        let (file, stat) = inflate::open(path, pause)?;
        let limit = file.metadata();
        let limit = limit.map_err(|_| Unreadable::Lost("can't be read"))?.len();
        Ok(Past::new(path, file, &stat, limit))
    }

    /// What `file` holds of the one at `path`, up to `limit`, from its first byte.
    fn new(path: &Path, file: Arc<File>, stat: &Metadata, limit: u64) -> Past {
        let identity = Identity::of(stat);
        Past {
            name: path.file_name().unwrap_or_default().to_owned(),
            generation: Generation::with_identity(0, file, identity, Began::Rotated, None),
            modified: stat.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            at: 0,
            limit,
            footing: None,
            ends_here: false,
            enter: None,
            ends_at: None,
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
        self.ends_at = Some((last.inode, offset));
    }

    /// The stream ends where `last` stands, which is of the same file or another one of these, or here if that is older.
    pub(super) fn ends_at(&mut self, source: &Source, last: &Past) {
        let (file, offset) = last.place();
        if self.is_of(&file.identity) {
            return self.ends_at_offset(offset);
        }
        let all = siblings::rotated(&source.path());
        let place = |past: &Past| all.iter().position(|sibling| past.is_of(&sibling.identity));
        match place(self) < place(last) {
            true => self.ends_in(&file.identity, offset),
            false => self.ends_at_offset(0),
        }
    }

    /// The stream ends at this offset of this file, or where it stands if that is behind.
    pub(super) fn ends_at_offset(&mut self, offset: u64) {
        self.limit = self.limit.min(offset.max(self.at));
        self.ends_here = true;
    }

    /// When it was last written to.
    pub(super) fn modified(&self) -> SystemTime {
        self.modified
    }

    /// All of it is read.
    pub(super) fn is_read(&self) -> bool {
        self.at >= self.limit
    }

    /// Whether both are of one file.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.generation.identity.is_inode(identity)
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
        let sealed = !self.ends_here;
        let (from, limit) = (self.at, self.limit);
        let read = read_lines(
            source,
            &self.generation,
            Stretch {
                from,
                limit,
                sealed,
                chunk_bytes,
                line_bytes_max,
            },
            &mut footing,
        )?;
        self.footing = Some(footing);
        Ok(match read {
            Read::Lines(lines) => {
                self.at = lines.end().offset;
                Some(lines)
            }
            Read::Parts => {
                self.at = limit;
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

    /// Where the generation begins that comes after the files beside the followed one, and which file it is.
    fn next_known(
        &self,
        source: &Source,
        hub: &Hub,
        held: &[Arc<Generation>],
    ) -> Option<(Position, Identity)> {
        let enter = self.enter;
        let place = |generation, offset, identity| {
            let at = Position { generation, offset };
            Some((at, identity))
        };
        let is_next = |number: u64| enter.is_none_or(|enter| enter == number);
        if let Some(next) = held.iter().find(|held| is_next(held.number)) {
            return place(next.number, next.start(), next.identity);
        }
        let formers = hub.formers(source.index);
        let next = formers.iter().find(|former| Some(former.number) == enter);
        if let Some(next) = next {
            return place(next.number, next.start, next.identity);
        }
        let next = held.first()?;
        place(next.number, next.start(), next.identity)
    }

    /// What comes after this file: the next younger one, or what the hub holds; with the events that say so. `None`
    /// where the hub holds nothing. Blocks for as long as inflating takes.
    pub(super) fn onwards(
        &self,
        source: &Source,
        hub: &Hub,
        pause: Pause<'_>,
    ) -> Option<(Option<Past>, Vec<Event>)> {
        let held = hub.generations(source.index);
        let next = self.next_known(source, hub, &held);
        let at = next.map_or_else(Position::default, |(at, _)| at);
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
        let rest = self.limit.saturating_sub(self.at);
        let mut gap = (rest > 0).then_some(EventKind::Gap {
            lost_bytes: Some(rest),
            reason: "overwritten".into(),
        });
        let mut listings = 0;
        'listing: loop {
            listings += 1;
            for sibling in self.younger(source, hub, &held, pause) {
                let mut next = match Past::open_sibling(source, &sibling, self.enter, pause) {
                    Ok(next) => next,
                    // It stands under another name now, or compressed.
                    Err(Unreadable::Renamed) if listings <= NAME_READS_MAX => continue 'listing,
                    Err(why) => {
                        gap = Some(EventKind::Gap {
                            lost_bytes: None,
                            reason: why.reason().into(),
                        });
                        continue;
                    }
                };
                next.ends_at = self.ends_at;
                if let Some((_, end)) = self.ends_at.filter(|at| at.0 == sibling.identity.inode) {
                    next.ends_at_offset(end);
                }
                next.generation = next.generation.behind(self.unfinished_parts());
                let identity = next.generation.identity;
                let gap = gap.map(|kind| event(kind, &identity));
                let mut events: Vec<Event> = gap.into_iter().collect();
                events.push(event(seam.clone(), &identity));
                return Some((Some(next), events));
            }
            break;
        }
        if self.ends_at.is_some() {
            // The file in which it was to end is gone.
            return None;
        }
        let (_, identity) = next?;
        let gap = gap.map(|kind| event(kind, &identity));
        let mut events: Vec<Event> = gap.into_iter().collect();
        events.push(event(seam.clone(), &identity));
        Some((None, events))
    }

    /// The files that come after this one and before what the hub holds, oldest first.
    fn younger(
        &self,
        source: &Source,
        hub: &Hub,
        held: &[Arc<Generation>],
        pause: Pause<'_>,
    ) -> Vec<Sibling> {
        let is_held = |sibling: &Sibling| {
            held.iter()
                .any(|held| held.identity.is_inode(&sibling.identity))
        };
        // What is merely called alike may be another log.
        let followed = hub.sources();
        let is_other = |sibling: &Sibling| {
            let is_it = |path: &Path| path == sibling.path;
            !siblings::is_known(&source.path(), &sibling.path)
                && followed.iter().any(|other| is_it(&other.source.path()))
        };
        let is_settled = self.enter.is_some() || self.ends_at.is_some();
        let mut younger = match self.enter {
            // What was rotated away before the generation that comes next, and nothing that the hub knows itself.
            Some(enter) => {
                let known = held.iter().filter(|held| held.number >= enter);
                let known: Vec<_> = known.map(Arc::clone).collect();
                let mut older = history::older_than(source, &known, pause);
                // That one may not be held any more, nor those behind it: they are remembered.
                let formers = hub.formers(source.index);
                let is_former = |sibling: &Sibling| {
                    let is_it = |former: &Former| {
                        former.number >= enter && sibling.identity.is_inode(&former.identity)
                    };
                    formers.iter().any(|former| is_it(former))
                };
                let first = older.iter().position(is_former);
                older.truncate(first.unwrap_or(older.len()));
                older
            }
            // What has come to a name that is not known has brothers that are called alike.
            None => {
                let reach = Reach::Like(&self.name);
                siblings::each_once(siblings::rotated_within(&source.path(), reach))
            }
        };
        // Younger is what comes after it on the list: by time alone, two files that were last written within one tick
        // of the kernel's clock would each be the successor of the other.
        let own = younger
            .iter()
            .rposition(|sibling| sibling.identity.is_inode(&self.generation.identity));
        // Compressed since it was opened, it is another file that holds the same.
        let own = own.or_else(|| {
            let is_own = |sibling: &Sibling| {
                sibling.compressed
                    && history::is_same_second(sibling.modified, self.modified)
                    && history::is_copy(sibling, &self.generation, pause)
            };
            younger.iter().rposition(is_own)
        });
        match own {
            Some(own) => drop(younger.drain(..=own)),
            None => younger.retain(|sibling| sibling.modified > self.modified),
        }
        // What was made after the file that comes next is a copy of one that is held: copytruncate leaves such.
        let next_born = held
            .first()
            .and_then(|held| held.file.metadata().ok()?.created().ok());
        let is_copy = |sibling: &Sibling| {
            let made = if sibling.compressed {
                sibling.modified
            } else {
                sibling.born()
            };
            next_born.is_some_and(|born| made > born)
        };
        younger.retain(|sibling| {
            !is_held(sibling) && (is_settled || !is_copy(sibling)) && !is_other(sibling)
        });
        younger
    }
}
