//! A former generation: one that nobody holds open any more. As long as its file stands beside the followed one, it can
//! be opened again, and so a reader that lags however far behind misses nothing that is still on the disk.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::SIBLING_SCANS_MAX;

use super::forward::Footing;
use super::generation::End;
use super::record::Before;
use super::siblings::Reach;
use super::{Began, Gap, Generation, Identity, Source, identity, siblings};

/// What is remembered of a generation.
#[derive(Debug)]
pub struct Former {
    /// Its number.
    pub number: u64,
    /// Which file it is.
    pub identity: Identity,
    /// How it began.
    pub began: Began,
    /// What was lost before it.
    pub gap: Option<Gap>,
    /// Bytes of all the generations before.
    pub base: u64,
    /// Where its first line begins.
    pub start: u64,
    /// Its length.
    pub sealed: u64,
    /// Where it ended; `None` where it was given up before.
    end: Option<End>,
    gone: AtomicBool,
    /// The lines of records that go on in it, and whether its own end with it.
    before: Before,
    parts_end: bool,
}

impl Former {
    /// What is to be remembered of a generation that is sealed.
    pub fn of(generation: &Generation) -> Former {
        Former {
            number: generation.number,
            identity: generation.identity,
            began: generation.began,
            gap: generation.gap,
            base: generation.base(),
            start: generation.start(),
            sealed: generation.sealed().unwrap_or(generation.start()),
            end: generation.end(),
            gone: AtomicBool::new(generation.is_gone()),
            before: generation.before(),
            parts_end: generation.parts_end(),
        }
    }

    /// True once its bytes are known to be nowhere any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Where it ended; `None` where it was given up before.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Its bytes can't be read any more.
    pub fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Opens it again. `Ok(None)` where it is not to be found: it is gone from then on. Fails where it may be found the
    /// next time. Blocks on the disk.
    pub fn open(&self, source: &Source) -> io::Result<Option<Arc<Generation>>> {
        let mut found = None;
        // A rotation that renames files while their directory is read can hide one.
        for _ in 0..SIBLING_SCANS_MAX {
            if self.is_gone() || found.is_some() {
                break;
            }
            found = self.find(source)?;
        }
        let Some(file) = found else {
            self.set_gone();
            return Ok(None);
        };
        let (identity, file) = (self.identity, Arc::new(file));
        let generation =
            Generation::with_identity(self.number, file, identity, self.began, self.gap)
                .behind(self.before.clone());
        generation.set_base(self.base);
        generation.skip_to(self.start);
        if self.parts_end {
            generation.set_parts_end();
        }
        if let Some(end) = self.end {
            generation.seal(end);
        }
        Ok(Some(Arc::new(generation)))
    }

    /// By birth as well, for its inode may be another file's by now: where births are unknown it is not looked for. And
    /// by content, for births are told by a clock that ticks every few milliseconds.
    ///
    /// Race: a file is deleted and the next made with its inode within one tick (ext4 does that at once). By inode and
    /// birth it would be the same, and its lines would be read twice: as those of the former one, and as its own.
    fn find(&self, source: &Source) -> io::Result<Option<File>> {
        if self.identity.born.is_none() {
            return Ok(None);
        }
        let Some(path) = siblings::by_inode(&source.path(), self.identity.inode, Reach::Any)?
        else {
            return Ok(None);
        };
        match identity::open_beside(&path) {
            Ok((file, identity)) => {
                let is_it = identity == self.identity && self.holds(&file)?;
                Ok(is_it.then_some(file))
            }
            // Renamed just now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether the file holds what was read of this one at its end.
    fn holds(&self, file: &File) -> io::Result<bool> {
        let Some(End { id, .. }) = self.end else {
            return Ok(false);
        };
        Ok(Footing::take(file, id.offset)?.is_at(&self.identity, &id))
    }
}
