//! What feeders tell the watcher: what happened to an origin, and which spools are new.
//!
//! Only the watcher publishes, so that what a feeder tells stands in its place among the lines.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::source::{EventKind, Origin, SpoolFiles};

/// A spool that is followed under a name of its own.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// What it is called on the wire.
    pub name: String,
    /// The file that its feeder writes to.
    pub path: PathBuf,
    /// What people know it by: the FILE as it was given.
    pub given: PathBuf,
    /// Where its lines come from.
    pub origin: Origin,
    /// The files that its feeder hands over.
    pub files: Arc<SpoolFiles>,
}

/// A place in a spool, as its feeder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolPlace {
    /// The spool's file.
    pub inode: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

impl SpoolPlace {
    /// The place that a line of words begins with, and the rest of the line.
    pub fn parse(line: &str) -> Option<(SpoolPlace, &str)> {
        let (inode, rest) = line.split_once(' ')?;
        let (offset, rest) = rest.split_once(' ')?;
        let (inode, offset) = (inode.parse().ok()?, offset.parse().ok()?);
        Some((SpoolPlace { inode, offset }, rest))
    }
}

impl fmt::Display for SpoolPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.inode, self.offset)
    }
}

/// Makes a spool for the FIFO that has come to stand at this path, which people know by this name, and begins to feed it.
pub type OnFifo = Box<dyn FnMut(&Path, &str) -> io::Result<Spooled> + Send>;

/// Something that a feeder tells.
#[derive(Clone, Debug)]
pub enum Notice {
    /// There is one more spool to follow.
    New(Spooled),
    /// What the feeder of the spool at this path hands over has changed.
    Files(PathBuf),
    /// The spool of this path is no more.
    Gone(PathBuf),
    /// Something happened to what a spool is fed from.
    Event {
        /// The spool's path.
        path: PathBuf,
        /// Behind which of its bytes.
        at: SpoolPlace,
        /// What.
        kind: EventKind,
    },
}

/// Notices that the watcher has not taken yet.
#[derive(Debug, Default)]
pub struct Notices {
    waiting: Mutex<Vec<Notice>>,
}

impl Notices {
    pub(super) fn push(&self, notice: Notice) {
        let mut waiting = self.waiting.lock();
        // Told once is enough: whoever looks sees all that has changed.
        let is_there = match (waiting.last(), &notice) {
            (Some(Notice::Files(last)), Notice::Files(path)) => last == path,
            _ => false,
        };
        if !is_there {
            waiting.push(notice);
        }
    }

    /// Takes what happened to what the spool at that path is fed from, with the places.
    pub fn take_events(&self, spool: &Path) -> Vec<(SpoolPlace, EventKind)> {
        let mut events = Vec::new();
        self.waiting.lock().retain(|notice| match notice {
            Notice::Event { path, at, kind } if path == spool => {
                events.push((*at, kind.clone()));
                false
            }
            _ => true,
        });
        events
    }

    /// Where the next thing is told of the spool at `path` that was not taken yet.
    pub fn next_of(&self, path: &Path) -> Option<SpoolPlace> {
        let waiting = self.waiting.lock();
        waiting.iter().find_map(|notice| match notice {
            Notice::Event { path: of, at, .. } if **of == *path => Some(*at),
            _ => None,
        })
    }

    /// What was told since this was last asked, in order.
    pub fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.waiting.lock())
    }
}
