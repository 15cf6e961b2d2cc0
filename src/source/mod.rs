//! The file as data: names, generations, positions and ids, lines, batches. Plain values and functions over bytes
//! and files; no thread and no socket.

pub mod arrivals;
pub mod back;
pub mod batch;
pub mod copies;
mod dated;
pub mod former;
pub mod forward;
pub mod generation;
pub mod id;
pub mod identity;
pub mod inflate;
pub mod lines;
pub mod mark;
pub mod nuls;
pub mod open_file;
mod order;
pub mod part;
pub mod record;
pub mod room;
pub mod seal;
pub mod siblings;
pub mod since;
pub mod spool_files;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

pub use batch::{Batch, Chunk, Event, EventKind, Kind, Segment};
pub use generation::{Began, End, Gap, Generation, Remembered};
pub use id::{Id, IdMaker};
pub use identity::Identity;
pub use lines::Lines;
pub use open_file::OpenFile;
pub use part::Part;
pub use record::Grammar;
pub use spool_files::{SpoolFile, SpoolFiles};

/// A place in a source: a generation by number, and a byte offset in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The generation's number.
    pub generation: u64,
    /// Bytes from the beginning of that generation's file.
    pub offset: u64,
}

/// How far a source is published at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The place after the last published line.
    pub position: Position,
    /// Its id; that of nowhere before the source's first generation.
    pub id: Id,
    /// The number of the last aside told.
    pub aside: u64,
}

/// Where the lines of a source come from, as `/files` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of this machine.
    File,
    /// Standard input.
    Stdin,
    /// A FIFO.
    Fifo,
    /// systemd's journal.
    Journal,
    /// A container of this machine's Docker.
    Container,
    /// Another tailcast.
    Upstream,
    /// A broker.
    Broker,
}

impl Origin {
    /// Whether its lines come by way of a spool.
    pub fn is_spooled(self) -> bool {
        match self {
            Origin::File | Origin::Container => false,
            Origin::Stdin | Origin::Fifo | Origin::Journal | Origin::Upstream | Origin::Broker => {
                true
            }
        }
    }

    /// What the stored lines of such a source hold, where that is known beforehand.
    fn grammar(self) -> Option<Grammar> {
        match self {
            Origin::File | Origin::Container | Origin::Stdin | Origin::Fifo => None,
            Origin::Journal | Origin::Upstream | Origin::Broker => Some(Grammar::Noted),
        }
    }

    /// Its word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Origin::File => "file",
            Origin::Stdin => "stdin",
            Origin::Fifo => "fifo",
            Origin::Journal => "journal",
            Origin::Container => "container",
            Origin::Upstream => "upstream",
            Origin::Broker => "broker",
        }
    }
}

/// A followed name. Everything in it but where its bytes lie is settled when the name is first seen.
#[derive(Debug)]
pub struct Source {
    /// Its place in the hub's list.
    pub index: u32,
    /// What it is called on the wire: its base name, or the path as given where that was taken.
    pub name: String,
    leads: Mutex<Leads>,
    /// What people know it by: the same path, or for a spool what it is fed from.
    given: PathBuf,
    /// What its stored lines hold; `None` where that is found by each file's first lines.
    pub grammar: Option<Grammar>,
    /// Tells the sources of ids apart.
    pub name_hash: u32,
    /// The name is not followed any more.
    parted: AtomicBool,
}

/// Where a source's bytes lie. That of a container's log, which is made again under its name, changes; and a name may
/// lead to a file first and to a FIFO later.
#[derive(Clone, Debug)]
struct Leads {
    path: Arc<Path>,
    origin: Origin,
    /// The files that its feeder hands over, where it is a spool.
    spool: Option<Arc<SpoolFiles>>,
}

impl Source {
    /// The same as a spool: known to people by what it is fed from, and to its feeder.
    pub fn spooled(self, given: PathBuf, spool: Arc<SpoolFiles>) -> Source {
        self.leads.lock().spool = Some(spool);
        Source { given, ..self }
    }

    /// A source called `name` that follows `path`, a file whose lines come from `origin`.
    pub fn new(index: u32, name: String, path: PathBuf, origin: Origin) -> Source {
        let name_hash = id::name_hash(&name);
        Source {
            index,
            name,
            given: path.clone(),
            leads: Mutex::new(Leads {
                path: Arc::from(path),
                origin,
                spool: None,
            }),
            grammar: origin.grammar(),
            name_hash,
            parted: AtomicBool::new(false),
        }
    }

    /// The name is not followed any more: nobody begins with it from now on, and the hub forgets it once nobody holds it.
    pub fn set_parted(&self) {
        self.parted.store(true, Ordering::Release);
    }

    /// Whether the name is not followed any more, and never will be by this source.
    pub fn is_parted(&self) -> bool {
        self.parted.load(Ordering::Acquire)
    }

    /// The path that is followed now.
    pub fn path(&self) -> Arc<Path> {
        Arc::clone(&self.leads.lock().path)
    }

    /// Where its lines come from.
    pub fn origin(&self) -> Origin {
        self.leads.lock().origin
    }

    /// The files that its feeder hands over, where it is a spool.
    pub fn spool(&self) -> Option<Arc<SpoolFiles>> {
        self.leads.lock().spool.clone()
    }

    /// From now on the name stands for the file at `path`.
    pub fn lead_to(&self, path: &Path) {
        self.leads.lock().path = Arc::from(path);
    }

    /// Under the name stands a FIFO now: its lines come by way of the spool at `path`.
    pub fn feed_from_fifo(&self, path: &Path, spool: Arc<SpoolFiles>) {
        *self.leads.lock() = Leads {
            path: Arc::from(path),
            origin: Origin::Fifo,
            spool: Some(spool),
        };
    }

    /// Under the name stands a file now: it is followed by that name.
    pub fn feed_from_file(&self) {
        *self.leads.lock() = Leads {
            path: Arc::from(&*self.given),
            origin: Origin::File,
            spool: None,
        };
    }

    /// What people know it by: where it comes by way of a spool, what that is fed from.
    pub fn shown_path(&self) -> PathBuf {
        match self.origin() {
            Origin::Container => self.path().to_path_buf(),
            _ => self.given.clone(),
        }
    }

    /// The same, whose stored lines are shown as they lie there, whatever they look like.
    pub fn as_stored(self) -> Source {
        Source {
            grammar: Some(Grammar::Plain),
            ..self
        }
    }
}
