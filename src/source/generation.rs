//! A generation: the bytes under a name, from the moment they begin anew (another inode, or a truncation) until they
//! begin anew once more.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::arrivals::Arrivals;
use super::record::{self, Before, Grammar, Reading};
use super::{EventKind, Id, Identity, OpenFile, Position, Source};

/// How a generation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// The first one under this name: it stood there at the start, or appeared later.
    First,
    /// A new file under the name.
    Rotated,
    /// The same, and another program writes it: no line of the file before goes on in it.
    Remade,
    /// The next file of a spool: what came in goes on, so nobody is told.
    Continued,
    /// The same file, truncated or rewritten.
    Truncated,
}

/// Bytes that are gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many, where that is known.
    pub lost_bytes: Option<u64>,
    /// Why, in a few words for the user.
    pub reason: &'static str,
}

impl Gap {
    /// What a stream is told of it.
    pub fn told(self) -> EventKind {
        EventKind::Gap {
            lost_bytes: self.lost_bytes,
            reason: self.reason.into(),
        }
    }
}

/// Where a generation ends of which nothing more is taken.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Its length, in bytes.
    pub length: u64,
    /// The place where its last line ends, by content.
    pub id: Id,
}

/// What is remembered of a generation, also once nobody holds its file.
#[derive(Debug)]
pub struct Remembered {
    /// Counts up from 0 in each source, without holes.
    pub number: u64,
    /// Which file it is.
    pub identity: Identity,
    /// How it began.
    pub began: Began,
    /// What was lost between the generation before and this one.
    pub gap: Option<Gap>,
    /// Bytes of all the generations before, so that what a straggler lost can be told in bytes. Set by the hub.
    base: AtomicU64,
    /// Where its first line begins: 0, or the end of a run of NULs that a writer without O_APPEND left after a
    /// truncation.
    start: AtomicU64,
    /// Where it ends, once nothing more of it is taken.
    sealed: OnceLock<End>,
    /// Its bytes can't be read any more: they were overwritten, cut off, let go of, or are nowhere to be found.
    gone: AtomicBool,
    last_read: Mutex<Instant>,
    /// What its stored lines hold, once that is known.
    grammar: OnceLock<Grammar>,
    /// The lines that are unfinished at the end of the file before, and go on in this one.
    before: Before,
    /// Its unfinished lines end with it.
    parts_end: AtomicBool,
}

/// One generation of a source, whose file is held. It never knows its successor: a chain would be kept whole by one
/// straggler, and its release recurses.
#[derive(Debug)]
pub struct Generation {
    remembered: Arc<Remembered>,
    /// Opened with O_NONBLOCK and known to be a regular file.
    pub file: Arc<OpenFile>,
    /// Where it stood at moments at which it was looked at.
    pub arrivals: Arc<Arrivals>,
}

impl Deref for Generation {
    type Target = Remembered;

    fn deref(&self) -> &Remembered {
        &self.remembered
    }
}

impl Generation {
    /// A generation of `file`, not yet sealed. One fstat(2).
    pub fn new(
        number: u64,
        file: Arc<OpenFile>,
        began: Began,
        gap: Option<Gap>,
    ) -> std::io::Result<Generation> {
        let identity = Identity::of(&file.metadata()?);
        Ok(Generation::with_identity(
            number, file, identity, began, gap,
        ))
    }

    /// The same where it is known which file it is.
    pub fn with_identity(
        number: u64,
        file: Arc<OpenFile>,
        identity: Identity,
        began: Began,
        gap: Option<Gap>,
    ) -> Generation {
        let remembered = Remembered {
            number,
            identity,
            began,
            gap,
            base: AtomicU64::new(0),
            start: AtomicU64::new(0),
            sealed: OnceLock::new(),
            gone: AtomicBool::new(false),
            last_read: Mutex::new(Instant::now()),
            grammar: OnceLock::new(),
            before: Before::default(),
            parts_end: AtomicBool::new(false),
        };
        Generation::again(Arc::new(remembered), file)
    }

    /// One that is remembered, whose file is held again.
    pub(super) fn again(remembered: Arc<Remembered>, file: Arc<OpenFile>) -> Generation {
        Generation {
            remembered,
            file,
            arrivals: Arc::default(),
        }
    }

    /// The same, in which these lines go on. Said before anybody else has it.
    pub fn behind(mut self, before: Before) -> Generation {
        if let Some(remembered) = Arc::get_mut(&mut self.remembered) {
            remembered.before = before;
        }
        self
    }

    /// The same, read by way of `file`.
    pub fn moved(&self, file: Arc<OpenFile>) -> Generation {
        Generation {
            remembered: self.remembered(),
            file,
            arrivals: Arc::clone(&self.arrivals),
        }
    }

    /// What is remembered of it.
    pub fn remembered(&self) -> Arc<Remembered> {
        Arc::clone(&self.remembered)
    }

    /// How to read its records; `None` where its stored lines are none. Blocks on the disk.
    pub fn reading(
        &self,
        source: &Source,
        line_bytes_max: usize,
    ) -> std::io::Result<Option<Reading>> {
        let known = source.grammar.or_else(|| self.grammar.get().copied());
        let grammar = match known {
            Some(grammar) => grammar,
            None => match record::grammar_of(&self.file, self.start())? {
                Some(grammar) => *self.grammar.get_or_init(|| grammar),
                None => Grammar::Plain,
            },
        };
        let reading = || Reading {
            grammar,
            start: self.start(),
            line_bytes_max,
            carry: self.before.carry(
                grammar,
                source,
                (&self.file, &self.identity),
                line_bytes_max,
            ),
        };
        Ok((grammar != Grammar::Plain).then(reading))
    }
}

impl Remembered {
    /// The place at this offset.
    pub fn at(&self, offset: u64) -> Position {
        Position {
            generation: self.number,
            offset,
        }
    }

    /// The place where its first line begins.
    pub fn begin(&self) -> Position {
        self.at(self.start())
    }

    /// Its unfinished lines end with it. Said before it is sealed.
    pub fn set_parts_end(&self) {
        self.parts_end.store(true, Ordering::Release);
    }

    /// Whether its unfinished lines end with it.
    pub fn parts_end(&self) -> bool {
        self.parts_end.load(Ordering::Acquire)
    }

    /// Bytes of all the generations before, those that were lost included where their number is known.
    pub fn base(&self) -> u64 {
        self.base.load(Ordering::Acquire)
    }

    /// Says what [`Remembered::base`] is. Said by the hub, as it takes the generation in.
    pub fn set_base(&self, base: u64) {
        self.base.store(base, Ordering::Release);
    }

    /// Where its first line begins.
    pub fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    /// Its first line begins only at `offset`, after a hole. Said by the watcher before it publishes a line of it.
    pub fn skip_to(&self, offset: u64) {
        self.start.store(offset, Ordering::Release);
    }

    /// Its length, once it is known that nothing more of it is taken.
    pub fn sealed(&self) -> Option<u64> {
        self.end().map(|end| end.length)
    }

    /// Where what can be taken of it ends: nowhere, where it was given up before.
    pub fn length(&self) -> u64 {
        self.sealed().unwrap_or(self.start())
    }

    /// Where it ends, once nothing more of it is taken.
    pub fn end(&self) -> Option<End> {
        self.sealed.get().copied()
    }

    /// Nothing beyond `end` is taken of it. Said by the hub, once.
    pub fn seal(&self, end: End) {
        let first = self.sealed.set(end);
        debug_assert!(first.is_ok(), "a generation is sealed once");
    }

    /// True once its bytes can't be read any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Its bytes can't be read any more.
    pub fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// A reader has just taken bytes of it.
    pub fn touch(&self) {
        *self.last_read.lock() = Instant::now();
    }

    /// When a reader last took bytes of it.
    pub fn last_read(&self) -> Instant {
        *self.last_read.lock()
    }
}
