//! Files that a rotation left beside the followed one, and that the hub does not hold (any more): a stream that is
//! resumed in one of them reads it to its end, goes on through the younger ones, and so comes to what the hub holds.
//!
//! Only the file that is being read is open; the next is found when its turn comes, by inode and time, since it may
//! have been renamed meanwhile.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::hub::Hub;
use crate::source::forward::{Footing, Read, Stretch, read_lines};
use crate::source::record::Carry;
use crate::source::siblings::{self, Reach, Sibling};
use crate::source::{
    Began, Event, EventKind, Generation, Id, IdMaker, Lines, Position, Source, identity, nuls,
};

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
}

impl Past {
    /// The file beside `source`'s in which `id` is a place, if there is one. Blocks on the disk.
    ///
    /// Ids come from whoever may connect, and anyone can make one up that names the first byte of any inode: for those that
    /// are not sealed, only files that a rotation of this one can have left are opened, or the whole directory could be
    /// read.
    pub(super) fn find(source: &Source, id: &Id) -> Option<Past> {
        let reach = match id.own {
            true => Reach::Any,
            false => Reach::Known,
        };
        let path = siblings::by_inode(&source.path(), id.inode, reach).ok()??;
        let past = Past::open(&path, id.offset).ok()?;
        let found = past.limit >= id.offset
            && past
                .footing
                .as_ref()
                .is_some_and(|footing| footing.is_at(&past.generation.identity, id));
        found.then_some(past)
    }

    fn open(path: &Path, at: u64) -> io::Result<Past> {
        let (file, identity) = identity::open_beside(path)?;
        let stat = file.metadata()?;
        let footing = Some(Footing::take(&file, at)?);
        let limit = nuls::content_end(&file, at, stat.len())?;
        let file = Arc::new(file);
        let generation = Generation::with_identity(0, file, identity, Began::Rotated, None);
        let modified = stat.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Past {
            name: path.file_name().unwrap_or_default().to_owned(),
            generation,
            modified,
            at,
            limit,
            footing,
            ends_here: false,
        })
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

    /// What is unfinished at its end and goes on in the next file.
    fn carry(&self) -> Arc<Carry> {
        let joiner = self
            .footing
            .as_ref()
            .and_then(|footing| footing.joiner.as_ref());
        joiner.and_then(|joiner| joiner.carry()).unwrap_or_default()
    }

    /// What comes after this file: the next younger one, or what the hub holds; with the events that say so. `None`
    /// where the hub holds nothing.
    pub(super) fn onwards(self, source: &Source, hub: &Hub) -> Option<(Option<Past>, Vec<Event>)> {
        let held = hub.generations(source.index);
        let at = held
            .first()
            .map_or_else(Position::default, |front| Position {
                generation: front.number,
                offset: front.start(),
            });
        let event = |kind, identity| Event {
            kind,
            id: IdMaker::beginning(source.name_hash, identity),
            at,
            aside: 0,
        };
        let seam = match source.origin.is_spooled() {
            true => EventKind::Continued,
            false => EventKind::Rotated,
        };
        let rest = self.limit.saturating_sub(self.at);
        let mut gap = (rest > 0).then_some(EventKind::Gap {
            lost_bytes: Some(rest),
            reason: "overwritten",
        });
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
        // What has come to a name that is not known has brothers that are called alike.
        let reach = Reach::Like(&self.name);
        let mut younger = siblings::rotated_within(&source.path(), reach);
        // Younger is what comes after it on the list: by time alone, two files that were last written within one tick
        // of the kernel's clock would each be the successor of the other.
        match younger
            .iter()
            .position(|sibling| sibling.identity.is_inode(&self.generation.identity))
        {
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
        younger.retain(|sibling| !is_held(sibling) && !is_copy(sibling) && !is_other(sibling));
        let compressed = EventKind::Gap {
            lost_bytes: None,
            reason: "compressed",
        };
        for sibling in younger {
            if sibling.compressed {
                gap = Some(compressed.clone());
                continue;
            }
            let Ok(next) = Past::open(&sibling.path, 0) else {
                continue;
            };
            if !next.generation.identity.is_inode(&sibling.identity) {
                // Race: it was renamed since, and another one stands there.
                continue;
            }
            next.generation.goes_on(self.carry());
            let identity = next.generation.identity;
            let gap = gap.map(|kind| event(kind, &identity));
            let mut events: Vec<Event> = gap.into_iter().collect();
            events.push(event(seam.clone(), &identity));
            return Some((Some(next), events));
        }
        let identity = held.first()?.identity;
        let gap = gap.map(|kind| event(kind, &identity));
        let mut events: Vec<Event> = gap.into_iter().collect();
        events.push(event(seam.clone(), &identity));
        Some((None, events))
    }
}
