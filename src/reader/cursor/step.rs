//! The next step of a stream in one source: what it is told, or the bytes that it reads, or what it waits for.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::hub::{Edge, Found, Hub, Stand};
use crate::limits::READ_TRIES_MAX;
use crate::source::forward::{Footing, Read, Stretch, read_lines};
use crate::source::inflate::Pause;
use crate::source::{Chunk, Event, EventKind, Generation, IdMaker, Kind, Remembered, Segment};

use super::{Awaited, Cursor, Ground};
use crate::reader::{Next, Wait, resume};

/// Looks asked for one read before what stands in the file is taken as it is.
const LOOKS_MAX: u8 = 3;

/// What was tried in vain for one read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
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

/// What came of bytes that are there.
enum Came {
    /// Lines of them.
    Chunk(Chunk),
    /// They are not there any more.
    Gone,
    /// A read of the file that brought none.
    Other(io::Result<Read>),
}

impl Cursor {
    /// What comes next up to `until`, from the shelf or from the file.
    pub(in crate::reader) fn step(
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
        loop {
            if let Some(told) = self.next_pending() {
                return Ok(Next::Chunk(Chunk::read(told)));
            }
            if let Some(past) = &mut self.past {
                let lines = match past.next(&self.source, hub.line_bytes_max(), chunk_bytes) {
                    Ok(lines) => lines,
                    Err(_) if self.tries.may_again() => return Ok(Next::Later(Wait::Moment)),
                    Err(error) => return Err(error),
                };
                if let Some(lines) = lines {
                    let segment = Segment::new(Arc::clone(&self.source), Kind::Lines(lines));
                    return Ok(Next::Chunk(Chunk::read(segment)));
                }
                self.leave_past(hub, &mut |_| ControlFlow::Continue(()));
                let told = self.next_pending().map(Chunk::read);
                return Ok(told.map_or(Next::Nothing, Next::Chunk));
            }
            let (generation, there) = match hub.stand(self.source.index, self.standing, until) {
                Stand::AtEdge => return Ok(Next::Nothing),
                Stand::Events(_) if self.waits() => {
                    self.resume(hub)?;
                    continue;
                }
                Stand::Events(events) => {
                    self.pending = events.into_iter().rev().collect();
                    continue;
                }
                Stand::Bytes(generation, there) => {
                    self.former = None;
                    (generation, there)
                }
                Stand::Former(former, there) => match self.open_former(&former) {
                    Ok(Some(generation)) => (generation, there),
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
            if let Some(next) = self.take(hub, &generation, there, chunk_bytes) {
                return Ok(next);
            }
        }
    }

    /// The lines behind where the stream stands in its file, about `most` bytes of them, as far as there is nothing to be told
    /// before them: chunks of the shelf, and what had to be read and lies there now.
    pub(in crate::reader) fn run(
        &mut self,
        hub: &Hub,
        until: Option<Edge>,
        chunk_bytes: usize,
        most: usize,
    ) -> Vec<Chunk> {
        let mut run = Vec::new();
        if self.is_past() || self.waits() {
            return run;
        }
        let stand = hub.stand(self.source.index, self.standing, until);
        let Stand::Bytes(generation, mut there) = stand else {
            return run;
        };
        let end = there.limit.min(there.from + most as u64);
        while there.from < end && self.standing.position == Some(generation.at(there.from)) {
            // What else there is to say of it is said when it comes next.
            let Came::Chunk(chunk) = self.lines(hub, &generation, there, chunk_bytes) else {
                break;
            };
            there.from = chunk.end().offset;
            run.push(chunk);
        }
        run
    }

    /// The next lines of the bytes that are there, from the shelf or from the file.
    fn lines(
        &mut self,
        hub: &Hub,
        generation: &Generation,
        there: Stretch,
        chunk_bytes: usize,
    ) -> Came {
        let at = generation.at(there.from);
        let found = hub
            .shelf
            .find(self.source.index, at, there.limit, chunk_bytes);
        match found {
            Found::Chunk(_) if generation.is_gone() => Came::Gone,
            Found::Chunk(chunk) => {
                generation.touch();
                self.stands_behind(&chunk);
                Came::Chunk(chunk)
            }
            Found::Nothing { read_bytes } => match self.read(hub, generation, there, read_bytes) {
                // Race: the file was truncated and grown again while it was read. The watcher may have seen it by now; then
                // the bytes are thrown away, and the next stand says what was lost.
                Ok(Read::Lines(_)) if generation.is_gone() => Came::Gone,
                Ok(Read::Lines(lines)) => {
                    generation.touch();
                    let segment = Segment::new(Arc::clone(&self.source), Kind::Lines(lines));
                    self.standing.position = Some(segment.end());
                    Came::Chunk(hub.shelve(Chunk::read(segment)))
                }
                read => Came::Other(read),
            },
        }
    }

    /// The next of the bytes that are there; `None` where they are not any more, which the next stand tells.
    fn take(
        &mut self,
        hub: &Hub,
        generation: &Generation,
        there: Stretch,
        chunk_bytes: usize,
    ) -> Option<Next> {
        let read = match self.lines(hub, generation, there, chunk_bytes) {
            Came::Chunk(chunk) => return Some(Next::Chunk(chunk)),
            Came::Gone => return None,
            Came::Other(read) => read,
        };
        Some(match read {
            Ok(Read::Lines(_)) => return None,
            Ok(Read::Parts) => {
                self.standing.position = Some(generation.at(there.limit));
                return None;
            }
            Ok(Read::Changed) if self.tries.looks < LOOKS_MAX && !there.sealed => {
                self.tries.looks += 1;
                Next::Later(Wait::Look(self.index()))
            }
            // The watcher still takes it for the same file: somebody has edited what stood before. What stands there now
            // is the truth.
            Ok(Read::Changed) if self.tries.looks == LOOKS_MAX && !there.sealed => {
                self.tries.looks += 1;
                self.ground = Ground::Unknown;
                return None;
            }
            Ok(Read::Changed) => self.lost(generation, there.limit, "overwritten"),
            Err(_) if self.tries.may_again() => Next::Later(Wait::Moment),
            Err(error) => {
                log::warn!("read {:?}: {error}", self.source.path());
                self.lost(generation, there.limit, "unreadable")
            }
        })
    }

    /// The name leads to a file: the place that was waited with is looked for again.
    #[inline(never)]
    fn resume(&mut self, hub: &Hub) -> io::Result<()> {
        let (wait, state) = (self.waits.take(), hub.source(self.source.index));
        let Some((wait, state)) = wait.zip(state) else {
            return Ok(());
        };
        let (found, _) = resume::after(hub, state, &wait.id, &mut |_| ControlFlow::Continue(()))?;
        let (until, aside) = (self.until.take(), self.standing.aside);
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
    fn open_former(&mut self, former: &Arc<Remembered>) -> io::Result<Option<Arc<Generation>>> {
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
        there: Stretch,
        chunk_bytes: usize,
    ) -> io::Result<Read> {
        let place = Some(generation.at(there.from));
        if self.standing.position != place {
            self.ground = Ground::Unknown;
            self.standing.position = place;
        }
        if !matches!(self.ground, Ground::Known(_)) {
            let footing = Footing::take(&generation.file, there.from)?;
            if !self.ground.allows(&footing, generation) {
                return Ok(Read::Changed);
            }
            self.ground = Ground::Known(footing);
        }
        let Ground::Known(footing) = &mut self.ground else {
            return Ok(Read::Changed);
        };
        let bytes = (chunk_bytes, hub.line_bytes_max());
        read_lines(&self.source, generation, there, bytes, footing)
    }

    /// Skips what is there: it can't be read.
    #[inline(never)]
    fn lost(&mut self, generation: &Generation, limit: u64, reason: &'static str) -> Next {
        let from = self.standing.position.map_or(0, |position| position.offset);
        let id = Footing::take(&generation.file, limit)
            .map(|footing| footing.id(&self.source, &generation.identity, limit))
            .unwrap_or_else(|_| IdMaker::beginning(self.source.name_hash, &generation.identity));
        let kind = EventKind::Gap {
            lost_bytes: Some(limit - from),
            reason: reason.into(),
        };
        let gap = self.event(Event {
            kind,
            id,
            at: generation.at(limit),
            aside: self.standing.aside,
        });
        Next::Chunk(Chunk::read(gap))
    }

    /// All of a file beside the followed one is read: to the next one, or to what the hub holds. The events that tell of it
    /// are pending then. Where the stream ends with it, it stays.
    #[inline(never)]
    pub(super) fn leave_past(&mut self, hub: &Hub, pause: Pause<'_>) {
        let aside = self.standing.aside;
        let Some(mut past) = self.past.take_if(|past| !past.ends_here()) else {
            let past = self.past.as_mut();
            let gap = past.and_then(|past| past.gap_at_end(&self.source));
            self.pending.extend(gap.map(|gap| Event { aside, ..gap }));
            return;
        };
        let Some((past, mut events)) = past.onwards(&self.source, hub, pause) else {
            let id = past.id(&self.source);
            self.waits = id.map(|id| Box::new(Awaited { id, begun: true }));
            self.standing.position = None;
            return;
        };
        self.past = past.map(Box::new);
        for event in &mut events {
            event.aside = aside;
        }
        self.pending = events.into_iter().rev().collect();
    }

    /// The stream stands at the end of `chunk`, which is of a file that the hub holds.
    pub(in crate::reader) fn stands_behind(&mut self, chunk: &Chunk) {
        let at = chunk.begin();
        if self.standing.position != Some(at) {
            self.ground = Ground::Unknown;
            self.standing.position = Some(at);
        }
        if let Kind::Lines(lines) = &chunk.kind {
            self.has_lines(lines);
        }
    }
}
