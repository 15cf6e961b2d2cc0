//! A former generation: one that nobody holds open any more. As long as its file stands beside the followed one, it can
//! be opened again, and so a reader that lags however far behind misses nothing that is still on the disk.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::limits::SIBLING_SCANS_MAX;

use super::forward::Footing;
use super::generation::{End, Remembered};
use super::siblings::Reach;
use super::{Generation, OpenFile, Source, identity, siblings};

impl Remembered {
    /// Opens it again. `Ok(None)` where it is not to be found: it is gone from then on. Fails where it may be found the
    /// next time. Blocks on the disk.
    pub fn open(self: &Arc<Self>, source: &Source) -> io::Result<Option<Arc<Generation>>> {
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
        Ok(Some(Arc::new(Generation::again(
            Arc::clone(self),
            Arc::new(file),
        ))))
    }

    /// By birth as well, for its inode may be another file's by now: where births are unknown it is not looked for. And
    /// by content, for births are told by a clock that ticks every few milliseconds.
    ///
    /// Race: a file is deleted and the next made with its inode within one tick (ext4 does that at once). By inode and
    /// birth it would be the same, and its lines would be read twice: as those of the former one, and as its own.
    fn find(&self, source: &Source) -> io::Result<Option<OpenFile>> {
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
        let Some(End { id, .. }) = self.end() else {
            return Ok(false);
        };
        Ok(Footing::take(file, id.offset)?.is_at(&self.identity, &id))
    }
}
