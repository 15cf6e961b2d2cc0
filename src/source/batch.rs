//! What the watcher publishes and everything downstream passes on: an immutable batch of segments, each the lines of
//! one source or one event, with the wire forms made of it so far.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::part::{Part, Parts};
use super::room::in_its_room;
use super::{Edge, Id, Lines, Position, Source};

/// How many wire forms of a segment can be shared; the forms themselves are named where they are encoded.
pub const FORMS: usize = 32;

/// What was published at once.
#[derive(Debug)]
pub struct Batch {
    /// Counts up from 1 over the hub's life.
    pub sequence: u64,
    /// In the order in which they happened, source by source.
    pub segments: Vec<Segment>,
}

pub(super) type Forms = [OnceLock<Vec<u8>>; FORMS];

/// Lines of one source, or one event.
#[derive(Debug)]
pub struct Segment {
    /// Whose.
    pub source: Arc<Source>,
    /// What.
    pub kind: Kind,
    /// Where a stream stands that has all that was published before it; of what was read, nobody asks.
    before: Option<Edge>,
    /// Made on first use: only what is published has any.
    forms: OnceLock<Box<Forms>>,
    /// Of clients whose filters are equal.
    parts: OnceLock<Box<Parts>>,
    pins: Mutex<Pins>,
}

/// The bytes that a segment pins, and the count of many that they are in.
#[derive(Debug, Default)]
struct Pins {
    bytes: usize,
    counted: Option<Arc<AtomicUsize>>,
}

impl Pins {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        if let Some(all) = &self.counted {
            all.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn count_in(&mut self, all: Option<&Arc<AtomicUsize>>) {
        if let Some(all) = all {
            all.fetch_add(self.bytes, Ordering::Relaxed);
        }
        let before = std::mem::replace(&mut self.counted, all.cloned());
        if let Some(all) = before {
            all.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.count_in(None);
    }
}

/// Lines or an event.
#[derive(Debug)]
pub enum Kind {
    /// Whole lines.
    Lines(Lines),
    /// Something happened to the source.
    Event(Event),
}

/// Something that happened to a source.
#[derive(Clone, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The id of the place where the stream now stands.
    pub id: Id,
    /// The same as a position.
    pub at: Position,
    /// Number of the last aside that a stream which has this event has been told.
    pub aside: u64,
}

impl Event {
    /// The stream begins at this place.
    pub fn start(id: Id, at: Position, aside: u64) -> Event {
        let kind = EventKind::Start;
        Event {
            kind,
            id,
            at,
            aside,
        }
    }
}

/// What can happen to a source, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The stream of this source begins here.
    Start,
    /// A new file under the name.
    Rotated,
    /// The spool goes on in its next file. It moves a stream on to that one, and no client is told.
    Continued,
    /// The file was truncated or rewritten.
    Truncated,
    /// Bytes are gone for good.
    Gap {
        /// How many, where that is known.
        lost_bytes: Option<u64>,
        /// Why: in our words, or in those of another tailcast.
        reason: Cow<'static, str>,
    },
    /// The name has led nowhere for a second.
    Missing,
    /// Where the lines come from can't be reached.
    Away {
        /// Why.
        reason: Arc<str>,
    },
    /// Where the lines come from can be reached again.
    Back,
    /// Standard input has ended: nothing more comes.
    Closed,
    /// The stream of this source ends here, as asked for.
    End,
}

impl EventKind {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            EventKind::Start => "start",
            EventKind::Rotated => "rotated",
            EventKind::Continued => "continued",
            EventKind::Truncated => "truncated",
            EventKind::Gap { .. } => "gap",
            EventKind::Missing => "missing",
            EventKind::Away { .. } => "away",
            EventKind::Back => "back",
            EventKind::Closed => "closed",
            EventKind::End => "end",
        }
    }

    /// Whether clients are told of it.
    pub fn is_told(&self) -> bool {
        *self != EventKind::Continued
    }

    /// Why it happened, where that is told.
    pub fn reason(&self) -> Option<&str> {
        match self {
            EventKind::Gap { reason, .. } => Some(reason),
            EventKind::Away { reason } => Some(reason),
            _ => None,
        }
    }
}

impl Segment {
    /// How many lines it has.
    pub fn lines_len(&self) -> u64 {
        match &self.kind {
            Kind::Lines(lines) => lines.len() as u64,
            Kind::Event(_) => 0,
        }
    }

    /// A segment with no wire form yet.
    pub fn new(source: Arc<Source>, kind: Kind) -> Segment {
        let bytes = match &kind {
            Kind::Lines(lines) => {
                let records = lines.records.as_ref();
                lines.bytes.capacity()
                    + lines.ends.capacity() * size_of::<u32>()
                    + records.map_or(0, |records| records.held_bytes())
            }
            Kind::Event(_) => 0,
        };
        let counted = None;
        Segment {
            source,
            kind,
            before: None,
            forms: OnceLock::new(),
            parts: OnceLock::new(),
            pins: Mutex::new(Pins { bytes, counted }),
        }
    }

    /// The same, published right behind `edge`.
    pub fn behind(self, edge: Edge) -> Segment {
        Segment {
            before: Some(edge),
            ..self
        }
    }

    /// Where a stream stands that has all that was published of the source before it.
    pub fn before(&self) -> Option<Edge> {
        self.before
    }

    /// Where a stream stands that has it up to line `last` and including it.
    pub fn edge_after(&self, last: usize) -> Edge {
        let aside = self.before.map_or(0, |before| before.aside);
        match &self.kind {
            Kind::Lines(lines) => Edge {
                position: lines.after(last),
                id: lines.id_after(last),
                aside,
            },
            Kind::Event(event) => Edge {
                position: event.at,
                id: event.id,
                aside: event.aside,
            },
        }
    }

    /// Where a stream stands that has all of this segment.
    pub fn end(&self) -> Position {
        match &self.kind {
            Kind::Lines(lines) => lines.end(),
            Kind::Event(event) => event.at,
        }
    }

    /// Where a stream stands that has nothing of it yet.
    pub fn begin(&self) -> Position {
        match &self.kind {
            Kind::Lines(lines) => lines.begin(),
            Kind::Event(event) => event.at,
        }
    }

    /// The wire form number `form`, made by `make` on first use, once for all clients.
    pub fn form(&self, form: usize, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.form_in(&self.forms, form, make)
    }

    fn form_in<'a>(
        &self,
        forms: &'a OnceLock<Box<Forms>>,
        form: usize,
        make: impl FnOnce() -> Vec<u8>,
    ) -> &'a [u8] {
        let forms = forms.get_or_init(Box::default);
        forms[form].get_or_init(|| {
            let bytes = in_its_room(make());
            self.pins.lock().add(bytes.len());
            bytes
        })
    }

    /// What of it passes the filter of this number, where that is known.
    pub fn part(&self, filter: u64) -> Option<&Part> {
        self.parts.get()?.of(filter)
    }

    /// One more part can be kept.
    pub fn has_room_for_part(&self) -> bool {
        self.parts.get().is_none_or(|parts| parts.has_room())
    }

    /// Keeps what passes the filter of this number for the clients that have the same one; `None` where there is no room
    /// for it.
    pub fn add_part(&self, filter: u64, passes: &[bool]) -> Option<&Part> {
        let parts = self.parts.get_or_init(Box::default);
        if parts.of(filter).is_none() {
            self.pins.lock().add(passes.len());
        }
        parts.add(filter, passes)
    }

    /// A wire form of one of its parts, made as [`Segment::form`] is.
    pub fn part_form<'a>(
        &self,
        part: &'a Part,
        form: usize,
        make: impl FnOnce() -> Vec<u8>,
    ) -> &'a [u8] {
        self.form_in(&part.forms, form, make)
    }

    /// Bytes that this segment pins: its own and those of every wire form made so far.
    pub fn pinned_bytes(&self) -> usize {
        self.pins.lock().bytes
    }

    /// Counts what it pins in `all` and nowhere else, until it is dropped; with `None` it is counted nowhere.
    pub fn count_in(&self, all: Option<&Arc<AtomicUsize>>) {
        self.pins.lock().count_in(all);
    }
}

/// A segment that many may hold: one of a published batch, or what a reader has read of a file.
#[derive(Clone, Debug)]
pub struct Chunk {
    batch: Arc<Batch>,
    /// Its number in the batch.
    segment: usize,
    is_shared: bool,
}

impl Chunk {
    /// A segment that was read, and is in no published batch.
    pub fn read(segment: Segment) -> Chunk {
        let batch = Batch {
            sequence: 0,
            segments: vec![segment],
        };
        Chunk {
            is_shared: false,
            ..Chunk::of(&Arc::new(batch), 0)
        }
    }

    /// Segment number `segment` of `batch`.
    pub fn of(batch: &Arc<Batch>, segment: usize) -> Chunk {
        let batch = Arc::clone(batch);
        Chunk {
            batch,
            segment,
            is_shared: true,
        }
    }

    /// The same for others to take.
    pub fn shared(&self) -> Chunk {
        Chunk::of(&self.batch, self.segment)
    }

    /// Others have it, too: its wire forms are worth making. Who has read it alone encodes it for itself, and need not
    /// hold the lines besides.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// It was published, and not read.
    pub fn is_published(&self) -> bool {
        self.batch.sequence > 0
    }

    /// How many hold its batch, this one included.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.batch)
    }
}

impl Deref for Chunk {
    type Target = Segment;

    fn deref(&self) -> &Segment {
        &self.batch.segments[self.segment]
    }
}

impl Batch {
    /// Bytes that this batch pins as long as anyone holds it.
    pub fn pinned_bytes(&self) -> usize {
        self.segments.iter().map(Segment::pinned_bytes).sum()
    }

    /// Bytes of its lines in the files.
    pub fn line_bytes(&self) -> u64 {
        let lines = self.segments.iter().map(|segment| match &segment.kind {
            Kind::Lines(lines) => lines.bytes.len() as u64,
            Kind::Event(_) => 0,
        });
        lines.sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::source::{IdMaker, Identity, Origin, lines};

    /// A segment of the whole lines of a file that is called `a.log` and holds `text`.
    pub(crate) fn segment(text: &str) -> Segment {
        let bytes = text.as_bytes().to_vec();
        let mut ends = Vec::new();
        lines::split(&bytes, true, 1 << 20, &mut ends);
        let path = PathBuf::from("a.log");
        let source = Arc::new(Source::new(0, "a.log".to_owned(), path, Origin::File));
        let head: Arc<[u8]> = Arc::from(&bytes[..bytes.len().min(256)]);
        let ids = IdMaker::new(source.name_hash, &Identity::default(), head, &[]);
        let lines = Lines {
            generation: 0,
            from: 0,
            bytes,
            ends,
            unfinished: false,
            ids,
            records: None,
        };
        Segment::new(source, Kind::Lines(lines))
    }
}
