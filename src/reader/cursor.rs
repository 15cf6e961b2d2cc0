//! Where a stream stands in one source, and its next step from there.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::hub::{Edge, Found, Hub, Stand, Standing};
use crate::limits::{OVERLAP_BYTES, READ_TRIES_MAX};
use crate::source::forward::{Footing, Overlap, Read, Stretch, read_lines};
use crate::source::inflate::Pause;
use crate::source::{
    Chunk, Event, EventKind, Former, Generation, Id, Kind, Lines, Position, Segment, Source,
};

use super::history::OlderEnd;
use super::past::Past;
use super::{Next, Wait, resume};

/// Looks asked for one read before what stands in the file is taken as it is.
const LOOKS_MAX: u8 = 3;

#[derive(Debug)]
pub(super) struct Cursor {
    source: Arc<Source>,
    pub(super) standing: Standing,
    /// The bytes before the place, where they are known.
    footing: Option<Footing>,
    /// Files beside the followed one that are to be read first.
    past: Option<Box<Past>>,
    /// The generation that it reads, where the hub does not hold that any more.
    former: Option<Arc<Generation>>,
    /// Events that are to be told first, last one first.
    pending: Vec<Event>,
    /// The place after which it goes on once the name leads to a file.
    waits: Option<Awaited>,
    /// Where the reading ends, where that was noted.
    pub(super) until: Option<Edge>,
    /// What was tried in vain for what it reads next.
    tries: Tries,
}

/// What was tried in vain for one read.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    /// Reads that failed.
    failures: u8,
    /// Looks that were asked for.
    looks: u8,
}

impl Tries {
    /// Whether a read that failed is tried once more.
    fn may_again(&mut self) -> bool {
        let may = self.failures < READ_TRIES_MAX;
        self.failures += u8::from(may);
        may
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
            footing: None,
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
        let waits = Some(Awaited { id, begun: false });
        Cursor {
            waits,
            ..Cursor::new(source)
        }
    }

    /// At a place, with events to be told first, in order.
    pub(super) fn at(
        source: Arc<Source>,
        standing: Standing,
        past: Option<Past>,
        events: Vec<Event>,
    ) -> Cursor {
        let pending = events.into_iter().rev().collect();
        Cursor {
            source,
            standing,
            footing: None,
            past: past.map(Box::new),
            former: None,
            pending,
            waits: None,
            until: None,
            tries: Tries::default(),
        }
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

    /// Files beside the followed one are still to be read, or what was found behind them is still to be told.
    pub(super) fn is_past(&self) -> bool {
        self.past.is_some() || !self.pending.is_empty()
    }

    /// The next event that is to be told before anything is read.
    pub(super) fn next_pending(&mut self) -> Option<Segment> {
        let event = self.pending.pop()?;
        Some(self.event(event))
    }

    fn next_told(&mut self) -> Option<Next> {
        Some(Next::Chunk(Chunk::read(self.next_pending()?)))
    }

    /// What comes next up to `until`, from the shelf or from the file.
    pub(super) fn step(
        &mut self,
        hub: &Hub,
        until: Option<Edge>,
        chunk_bytes: usize,
    ) -> io::Result<Next> {
        let next = self.try_step(hub, until, chunk_bytes)?;
        if !matches!(next, Next::Later(_)) {
            self.tries = Tries::default();
        }
        Ok(next)
    }

    fn try_step(&mut self, hub: &Hub, until: Option<Edge>, chunk_bytes: usize) -> io::Result<Next> {
        if let Some(next) = self.next_told() {
            return Ok(next);
        }
        if let Some(past) = &mut self.past {
            match past.next(&self.source, hub.line_bytes_max(), chunk_bytes) {
                Ok(Some(lines)) => {
                    let segment = Segment::new(Arc::clone(&self.source), Kind::Lines(lines));
                    return Ok(Next::Chunk(Chunk::read(segment)));
                }
                Ok(None) => {}
                Err(_) if self.tries.may_again() => return Ok(Next::Later(Wait::Moment)),
                Err(error) => return Err(error),
            }
            self.leave_past(hub, &mut |_| ControlFlow::Continue(()));
            return Ok(self.next_told().unwrap_or(Next::Nothing));
        }
        loop {
            let (generation, from, limit, sealed) =
                match hub.stand(self.source.index, self.standing, until) {
                    Stand::AtEdge => return Ok(Next::Nothing),
                    Stand::Events(_) if self.waits() => {
                        self.resume(hub)?;
                        return self.try_step(hub, until, chunk_bytes);
                    }
                    Stand::Events(events) => {
                        self.pending = events.into_iter().rev().collect();
                        return Ok(self.next_told().unwrap_or(Next::Nothing));
                    }
                    Stand::Bytes {
                        generation,
                        from,
                        limit,
                        sealed,
                    } => {
                        self.former = None;
                        (generation, from, limit, sealed)
                    }
                    Stand::Former {
                        former,
                        from,
                        limit,
                    } => match self.open_former(&former) {
                        Ok(Some(generation)) => (generation, from, limit, limit == former.sealed),
                        // It is gone: the next stand says what was lost.
                        Ok(None) => continue,
                        Err(_) if self.tries.may_again() => return Ok(Next::Later(Wait::Moment)),
                        Err(error) => {
                            log::warn!("read a rotated {:?}: {error}", self.source.path());
                            former.set_gone();
                            continue;
                        }
                    },
                };
            let at = Position {
                generation: generation.number,
                offset: from,
            };
            let read_bytes = match hub.shelf.find(self.source.index, at, limit, chunk_bytes) {
                Found::Chunk(_) if generation.is_gone() => continue,
                Found::Chunk(chunk) => {
                    generation.touch();
                    self.has_chunk(&chunk, at);
                    return Ok(Next::Chunk(chunk));
                }
                Found::Nothing { read_bytes } => read_bytes,
            };
            match self.read(hub, &generation, (from, limit, sealed), read_bytes) {
                // Race: the file was truncated and grown again while it was read. The watcher may have seen
                // it by now; then the bytes are thrown away, and the next stand says what was lost.
                Ok(Read::Lines(_)) if generation.is_gone() => {}
                Ok(Read::Lines(lines)) => {
                    generation.touch();
                    let segment = Segment::new(Arc::clone(&self.source), Kind::Lines(lines));
                    self.standing.position = Some(segment.end());
                    return Ok(Next::Chunk(hub.shelve(Chunk::read(segment))));
                }
                Ok(Read::Parts) => {
                    self.standing.position = Some(Position {
                        generation: generation.number,
                        offset: limit,
                    });
                }
                Ok(Read::Changed) if self.tries.looks < LOOKS_MAX && !sealed => {
                    self.tries.looks += 1;
                    return Ok(Next::Later(Wait::Look(self.index())));
                }
                // The watcher still takes it for the same file: somebody has edited what stood before. What stands there
                // now is the truth.
                Ok(Read::Changed) if self.tries.looks == LOOKS_MAX && !sealed => {
                    self.tries.looks += 1;
                    self.footing = None;
                }
                Ok(Read::Changed) => {
                    let lost = self.lost(&generation, limit, "overwritten");
                    return Ok(Next::Chunk(Chunk::read(lost)));
                }
                Err(_) if self.tries.may_again() => return Ok(Next::Later(Wait::Moment)),
                Err(error) => {
                    log::warn!("read {:?}: {error}", self.source.path());
                    let lost = self.lost(&generation, limit, "unreadable");
                    return Ok(Next::Chunk(Chunk::read(lost)));
                }
            }
        }
    }

    /// The name leads to a file: the place that was waited with is looked for again.
    #[inline(never)]
    fn resume(&mut self, hub: &Hub) -> io::Result<()> {
        let (wait, state) = (self.waits.take(), hub.source(self.source.index));
        let Some((wait, state)) = wait.zip(state) else {
            return Ok(());
        };
        let (found, _) = resume::after(hub, state, &wait.id, &mut |_| ControlFlow::Continue(()))?;
        let (until, aside) = (self.until, self.standing.aside);
        *self = Cursor { until, ..found };
        if wait.begun {
            // The first event is the start, which comes once.
            self.pending.pop();
        }
        self.standing.aside = self.standing.aside.max(aside);
        for event in &mut self.pending {
            event.aside = event.aside.max(aside);
        }
        Ok(())
    }

    /// Held open as long as it is read.
    fn open_former(&mut self, former: &Former) -> io::Result<Option<Arc<Generation>>> {
        let own = self.former.take();
        self.former = own.filter(|own| own.number == former.number && !former.is_gone());
        if self.former.is_none() {
            self.former = former.open(&self.source)?;
        }
        Ok(self.former.clone())
    }

    #[inline(never)]
    fn read(
        &mut self,
        hub: &Hub,
        generation: &Generation,
        (from, limit, sealed): (u64, u64, bool),
        chunk_bytes: usize,
    ) -> io::Result<Read> {
        let place = Some(Position {
            generation: generation.number,
            offset: from,
        });
        if self.standing.position != place || self.footing.is_none() {
            self.footing = Some(Footing::take(&generation.file, from)?);
            self.standing.position = place;
        }
        let Some(footing) = &mut self.footing else {
            return Ok(Read::Changed);
        };
        let line_bytes_max = hub.line_bytes_max();
        let source = &self.source;
        read_lines(
            source,
            generation,
            Stretch {
                from,
                limit,
                sealed,
                chunk_bytes,
                line_bytes_max,
            },
            footing,
        )
    }

    /// Skips to `limit`: what is before it can't be read.
    #[inline(never)]
    fn lost(&mut self, generation: &Generation, limit: u64, reason: &'static str) -> Segment {
        let from = self.standing.position.map_or(0, |position| position.offset);
        let at = Position {
            generation: generation.number,
            offset: limit,
        };
        let id = Footing::take(&generation.file, limit)
            .map(|footing| footing.id(&self.source, &generation.identity, limit))
            .unwrap_or_else(|_| {
                crate::source::IdMaker::beginning(self.source.name_hash, &generation.identity)
            });
        let kind = EventKind::Gap {
            lost_bytes: Some(limit - from),
            reason: reason.into(),
        };
        self.event(Event {
            kind,
            id,
            at,
            aside: self.standing.aside,
        })
    }

    fn event(&mut self, event: Event) -> Segment {
        self.has_event(&event);
        Segment::new(Arc::clone(&self.source), Kind::Event(event))
    }

    /// Ends the stream at `end`, which is in a file older than the current one, or where it stands if that is behind; the
    /// edge that says so, where the end is in what the hub knows.
    pub(super) fn end_in_older(&mut self, end: OlderEnd) -> Option<Edge> {
        match (&mut self.past, end) {
            (Some(_), OlderEnd::Known(_, edge)) => Some(edge),
            (Some(past), OlderEnd::Past(last)) => {
                past.ends_at(&last);
                None
            }
            (Some(past), OlderEnd::Nowhere) => {
                past.ends_at_offset(0);
                None
            }
            (None, OlderEnd::Known(_, edge)) => Some(edge),
            // The stream stands behind it.
            (None, OlderEnd::Past(_) | OlderEnd::Nowhere) => None,
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

    /// All of a file beside the followed one is read: to the next one, or to what the hub holds. The events that tell of it
    /// are pending then.
    #[inline(never)]
    fn leave_past(&mut self, hub: &Hub, pause: Pause<'_>) {
        let Some(mut past) = self.past.take_if(|past| !past.ends_here()) else {
            return;
        };
        let Some((past, mut events)) = past.onwards(&self.source, hub, pause) else {
            let id = past.id(&self.source);
            self.waits = id.map(|id| Awaited { id, begun: true });
            self.standing.position = None;
            return;
        };
        self.past = past.map(Box::new);
        for event in &mut events {
            event.aside = self.standing.aside;
        }
        self.pending = events.into_iter().rev().collect();
    }

    /// The stream has the event.
    pub(super) fn has_event(&mut self, event: &Event) {
        if self.standing.position != Some(event.at) {
            self.footing = None;
        }
        self.standing = Standing {
            // Before the source's first file it stands nowhere, whatever happens.
            position: (!event.id.is_nowhere()).then_some(event.at),
            aside: event.aside,
        };
    }

    /// The stream has `chunk` of the shelf, which begins `at` a place.
    fn has_chunk(&mut self, chunk: &Chunk, at: Position) {
        if self.standing.position != Some(at) {
            self.footing = None;
            self.standing.position = Some(at);
        }
        if let Kind::Lines(lines) = &chunk.kind {
            self.has_lines(lines, lines.len() - 1);
        }
    }

    /// The stream has `lines` up to `last` and including it, from its queue.
    pub(super) fn has_lines(&mut self, lines: &Lines, last: usize) {
        // Kept so that a fall-back to reading sees a truncation that nobody has seen yet.
        let footing = self.footing.get_or_insert_default();
        let is_all = last + 1 == lines.len();
        let records = lines.records.as_ref().filter(|_| is_all);
        footing.joiner = records.and_then(|records| records.next.clone());
        if self.standing.position.is_none() {
            footing.overlap = Overlap::default();
        }
        footing
            .overlap
            .move_over(&lines.bytes[..lines.ends[last] as usize]);
        let at = lines.after(last);
        if (footing.overlap.len() as u64) < at.offset.min(OVERLAP_BYTES as u64) {
            // The bytes before were never known here: to be taken when they are needed.
            self.footing = None;
        }
        self.standing.position = Some(at);
    }

    pub(super) fn go_back(&mut self, position: Position) {
        if let Some(past) = &mut self.past {
            past.go_back(position.offset);
        } else if self.standing.position != Some(position) {
            self.footing = None;
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
            return Some(self.waits.map_or(nowhere, |wait| wait.id));
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
