//! Where a stream stands in one source.

mod step;

use std::sync::Arc;

use crate::hub::{Edge, Hub, Standing};
use crate::limits::{OVERLAP_BYTES, PLACE_BYTES};
use crate::source::forward::Footing;
use crate::source::inflate::Pause;
use crate::source::{Event, Gap, Generation, Id, Kind, Lines, Position, Segment, Source};

use super::history::{LinesEnd, OlderEnd};
use super::past::Past;
use step::Tries;

/// Where a stream stands in one source.
#[derive(Debug)]
pub(super) struct Cursor {
    source: Arc<Source>,
    pub(super) standing: Standing,
    /// What is known of the bytes before the place.
    ground: Ground,
    /// Files beside the followed one that are to be read first.
    past: Option<Box<Past>>,
    /// The generation that it reads, where the hub does not hold that any more.
    former: Option<Arc<Generation>>,
    /// Events that are to be told first, last one first.
    pending: Vec<Event>,
    /// The place after which it goes on once the name leads to a file.
    waits: Option<Box<Awaited>>,
    /// Where the reading ends, where that was noted.
    pub(super) until: Option<Box<Edge>>,
    /// What was tried in vain for what it reads next.
    tries: Tries,
}

const _: () = assert!(size_of::<Cursor>() <= PLACE_BYTES);

/// What is known of the bytes before a place, by which a reader sees a truncation that nobody has seen yet.
#[derive(Debug, Default)]
enum Ground {
    /// Nothing: they are taken as they are.
    #[default]
    Unknown,
    /// They are those that this id of the place was made from.
    Claimed(Id),
    /// The bytes themselves.
    Known(Footing),
}

impl Ground {
    /// Whether the bytes that were found before the place in `generation` are those that belong there, as far as is known.
    fn allows(&self, found: &Footing, generation: &Generation) -> bool {
        match self {
            Ground::Claimed(id) if id.inode == generation.identity.inode => {
                found.is_at(&generation.identity, id)
            }
            // One that was compressed is another file.
            Ground::Claimed(id) => id.offset == 0 || found.holds(id),
            Ground::Unknown | Ground::Known(_) => true,
        }
    }
}

/// What a stream waits with for a file.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    /// Of the place that it has come to.
    id: Id,
    /// It was told where it begins.
    begun: bool,
}

impl Cursor {
    /// Before the source's first generation.
    pub(super) fn new(source: Arc<Source>) -> Cursor {
        Cursor {
            source,
            standing: Standing::default(),
            ground: Ground::Unknown,
            past: None,
            former: None,
            pending: Vec::new(),
            waits: None,
            until: None,
            tries: Tries::default(),
        }
    }

    /// After a place that is not to be found as long as the name leads nowhere.
    pub(super) fn waiting(source: Arc<Source>, id: Id) -> Cursor {
        let waits = Some(Box::new(Awaited { id, begun: false }));
        Cursor {
            waits,
            ..Cursor::new(source)
        }
    }

    /// At the place of `start`, or in a file beside the followed one. That is told first, and what is `lost` before it.
    pub(super) fn at(
        source: Arc<Source>,
        past: Option<Box<Past>>,
        start: Event,
        lost: Option<Gap>,
    ) -> Cursor {
        let standing = Standing {
            position: past.is_none().then_some(start.at),
            aside: start.aside,
        };
        let gap = lost.map(|gap| Event {
            kind: gap.told(),
            ..start.clone()
        });
        Cursor {
            standing,
            past,
            pending: gap.into_iter().chain([start]).collect(),
            ..Cursor::new(source)
        }
    }

    /// Right behind what was published up to `edge`.
    pub(super) fn behind(source: Arc<Source>, edge: &Edge) -> Cursor {
        // Before the source's first file it stands nowhere.
        let position = (!edge.id.is_nowhere()).then_some(edge.position);
        Cursor {
            standing: Standing {
                position,
                aside: edge.aside,
            },
            ground: Ground::Claimed(edge.id),
            ..Cursor::new(source)
        }
    }

    /// It has been told the asides up to this one while it waited for a file.
    pub(super) fn was_told(&mut self, aside: u64) {
        self.standing.aside = aside;
    }

    pub(super) fn index(&self) -> u32 {
        self.source.index
    }

    pub(super) fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// The source's name is not followed any more.
    pub(super) fn is_parted(&self) -> bool {
        self.source.is_parted()
    }

    /// It goes on as soon as the name leads to a file.
    pub(super) fn waits(&self) -> bool {
        self.waits.is_some()
    }

    /// The place after which it goes on then.
    pub(super) fn awaits(&self) -> Option<Id> {
        self.waits.as_ref().map(|wait| wait.id)
    }

    /// Files beside the followed one are still to be read, or what was found behind them is still to be told.
    pub(super) fn is_past(&self) -> bool {
        self.past.is_some() || !self.pending.is_empty()
    }

    /// The next event that is to be told before anything is read.
    pub(super) fn next_pending(&mut self) -> Option<Segment> {
        let event = self.pending.pop()?;
        if self.pending.is_empty() {
            // Most of a stream's files have nothing more to tell, however long it lasts.
            self.pending = Vec::new();
        }
        Some(self.event(event))
    }

    fn event(&mut self, event: Event) -> Segment {
        self.has_event(&event);
        Segment::new(Arc::clone(&self.source), Kind::Event(event))
    }

    /// Ends the stream at `end`, which is in a file older than the current one, or where it stands if that is behind; the
    /// edge that says so, where the end is in what the hub knows.
    pub(super) fn end_in_older(&mut self, end: OlderEnd) -> Option<Edge> {
        match (&mut self.past, end) {
            (Some(_), OlderEnd::At(LinesEnd::Known(_, edge))) => Some(edge),
            (Some(past), OlderEnd::At(LinesEnd::Past(last))) => {
                past.ends_at(&last);
                None
            }
            (Some(past), OlderEnd::Nowhere(_)) => {
                past.ends_at_offset(0);
                None
            }
            (None, OlderEnd::At(LinesEnd::Known(_, edge))) => Some(edge),
            // The stream stands behind it.
            (None, OlderEnd::At(LinesEnd::Past(_)) | OlderEnd::Nowhere(_)) => None,
        }
    }

    /// Goes on behind a file beside the followed one, where all of that is read, before the next step does: the next file
    /// may have to be inflated.
    pub(super) fn cross_seam(&mut self, hub: &Hub, pause: Pause<'_>) {
        let is_read = self.past.as_ref().is_some_and(|past| past.is_read());
        if is_read && self.pending.is_empty() {
            self.leave_past(hub, pause);
        }
    }

    /// The stream has the event.
    pub(super) fn has_event(&mut self, event: &Event) {
        if self.standing.position != Some(event.at) {
            self.ground = Ground::Unknown;
        }
        self.standing = Standing {
            // Before the source's first file it stands nowhere, whatever happens.
            position: (!event.id.is_nowhere()).then_some(event.at),
            aside: event.aside,
        };
    }

    /// The stream has `lines`.
    fn has_lines(&mut self, lines: &Lines) {
        let mut footing = match std::mem::take(&mut self.ground) {
            Ground::Known(footing) if self.standing.position.is_some() => footing,
            _ => Footing::default(),
        };
        let records = lines.records.as_ref();
        footing.joiner = records.and_then(|records| records.next.clone());
        footing.overlap.move_over(&lines.bytes);
        let at = lines.end();
        // Else the bytes before were never known here: to be taken when they are needed.
        if (footing.overlap.len() as u64) >= at.offset.min(OVERLAP_BYTES as u64) {
            self.ground = Ground::Known(footing);
        }
        self.standing.position = Some(at);
    }

    pub(super) fn go_back(&mut self, position: Position) {
        if let Some(past) = &mut self.past {
            past.go_back(position.offset);
        } else if self.standing.position != Some(position) {
            self.ground = Ground::Unknown;
            self.standing.position = Some(position);
        }
    }

    /// The id of the place.
    pub(super) fn id(&self, hub: &Hub) -> Option<Id> {
        if let Some(past) = &self.past {
            return past.id(&self.source);
        }
        let Some(position) = self.standing.position else {
            let nowhere = Id::nowhere(self.source.name_hash);
            return Some(self.waits.as_ref().map_or(nowhere, |wait| wait.id));
        };
        let generations = hub.generations(self.source.index);
        let generation = generations
            .iter()
            .find(|generation| generation.number == position.generation)?;
        if generation.is_gone() {
            let edge = hub.edge(self.source.index)?;
            return (edge.position == position).then_some(edge.id);
        }
        let footing = Footing::take(&generation.file, position.offset).ok()?;
        Some(footing.id(&self.source, &generation.identity, position.offset))
    }
}
