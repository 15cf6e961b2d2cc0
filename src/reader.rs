//! A reader of the files: where one stream stands in each of its sources, and how it gets from there to the live
//! edge. History, resuming by id, `follow=false` and catching up after a fall-back are all this one code.
//!
//! It reads the bytes itself, never beyond what is published, so it never sees half a line. It can meet a truncation
//! before the watcher has: each read overlaps what it has already given out, and where that differs or is short, the
//! chunk is thrown away, and the reader's answer is that it waits for a look of the watcher ([`Next::Later`]).
//!
//! It holds no file while it is not reading, but for one that stands beside the followed one after a rotation.

mod cursor;
mod fall;
mod history;
pub mod life;
mod past;
mod resume;
mod row;
mod since;
mod start;
mod subscription;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{Edge, Hub, Selection};
use crate::limits::{JOIN_BYTES_MAX, READ_AGAIN};
use crate::source::inflate::Pause;
use crate::source::{Chunk, Event, EventKind, Id, Kind, Position, Segment, Source};

use cursor::Cursor;
use fall::Fall;

pub use start::{Begin, From, note};
#[cfg(test)]
pub(crate) use subscription::tests::from_the_start;
pub use subscription::{Came, Subscription};

/// Where one stream stands in each of its sources, and what it reads next.
#[derive(Debug)]
pub struct Reader {
    hub: Arc<Hub>,
    selection: Selection,
    /// By source index; `None` where the source is not selected, or was let go of. While it is live, there are only those
    /// that wait for a file.
    cursors: Vec<Option<Box<Cursor>>>,
    /// From where it reads on after its queue has ended, until it does.
    fall: Option<Box<Fall>>,
    /// Sources that have told where the stream begins in them.
    begun: usize,
    /// Whose turn it is.
    turn: usize,
    /// Where this turn ends: at the edge that stood when it began, so that a busy source can't keep the turn.
    turn_until: Option<Edge>,
    /// Where the reading ends for good (`follow=false`), or where the queue begins (joined).
    until: Until,
}

/// What a reader reads next.
#[derive(Debug)]
pub enum Next {
    /// About as many bytes of lines as were asked for (or more, where the shelf has more), or one event.
    Chunk(Chunk),
    /// All is read.
    Nothing,
    /// It can't go on just now: to be asked again after this wait, with no turn in hand.
    Later(Wait),
}

/// What a reader waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A look of the watcher at the source of this index, whose file is not what it was.
    Look(u32),
    /// A read that failed may not fail the next time: a disk, a network or memory is short for a moment.
    Moment,
}

impl Wait {
    /// Waits. Until something is looked at, at most `LOOK_WAIT`; else `rest` does, for the moment that it is given.
    pub fn with(self, hub: &Hub, rest: impl FnOnce(Duration)) {
        match self {
            Wait::Look(index) => drop(hub.looks.ask_for(&Selection::Only([index].into()), true)),
            Wait::Moment => rest(READ_AGAIN),
        }
    }
}

/// How far a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// To the live edge, wherever that is.
    Edge,
    /// To the edges noted in the cursors; of sources that have none noted, nothing.
    Noted,
}

impl Reader {
    /// The sources' cursors, for those that have one.
    fn cursors(&self) -> impl Iterator<Item = &Cursor> {
        self.cursors.iter().flatten().map(|cursor| &**cursor)
    }

    /// True when so little is left that it is time to join.
    pub fn is_close(&self) -> bool {
        let mut places = self
            .cursors()
            .map(|cursor| (cursor.index(), cursor.standing.position));
        self.cursors().all(|cursor| !cursor.is_past())
            && self.hub.all_within(&mut places, JOIN_BYTES_MAX)
    }

    /// Sources of which the stream waits for a file to go on in: they can't be had by a queue, which knows nothing of where
    /// it was.
    pub fn awaited(&self) -> Vec<u32> {
        let waits = self.cursors().filter(|cursor| cursor.waits());
        waits.map(Cursor::index).collect()
    }

    /// Reads on only up to these edges: where the queue begins, or where the stream ends.
    pub fn stop_at(&mut self, edges: &[(u32, Edge)]) {
        self.take_in_new();
        self.until = Until::Noted;
        for cursor in self.cursors.iter_mut().flatten() {
            cursor.until = None;
        }
        for &(index, edge) in edges {
            if let Some(Some(cursor)) = self.cursors.get_mut(index as usize) {
                cursor.until = Some(Box::new(edge));
            }
        }
        self.turn_until = None;
    }

    /// Reads on only up to what is published now: the stream ends there.
    pub fn stop_here(&mut self) {
        self.take_in_new();
        let has_begun = |cursor: &Cursor| {
            let index = cursor.index();
            self.hub.source(index)?.generation?;
            Some((index, self.hub.edge(index)?))
        };
        let edges: Vec<_> = self.cursors().filter_map(has_begun).collect();
        self.stop_at(&edges);
    }

    /// Reads on to the live edge again: the queue is gone.
    pub fn stop_nowhere(&mut self) {
        self.until = Until::Edge;
        self.turn_until = None;
        for cursor in self.cursors.iter_mut().flatten() {
            cursor.until = None;
        }
    }

    /// Goes on to the next file where one beside a followed one is read to its end, as `next` would. That may take seconds
    /// where the next one has to be inflated: whoever has a turn at reading calls this before it.
    pub fn cross_seams(&mut self, pause: Pause<'_>) {
        for cursor in self.cursors.iter_mut().flatten() {
            cursor.cross_seam(&self.hub, pause);
        }
    }

    /// More lines right behind those that were read last, in the same file: about `most` bytes of them, by reads of about
    /// `chunk_bytes` where they do not lie on the shelf. None where something else comes next. Blocks on the disk.
    pub fn run(&mut self, chunk_bytes: usize, most: usize) -> Vec<Chunk> {
        let Some(Some(cursor)) = self.cursors.get_mut(self.turn) else {
            return Vec::new();
        };
        let until = match self.until {
            Until::Noted if cursor.until.is_none() => return Vec::new(),
            Until::Noted => cursor.until.as_deref().copied(),
            Until::Edge => self.turn_until,
        };
        cursor.run(&self.hub, until, chunk_bytes, most)
    }

    /// What comes next, about `chunk_bytes` of it. Blocks on the disk, and on nothing else.
    pub fn next(&mut self, chunk_bytes: usize) -> io::Result<Next> {
        if self.until == Until::Edge {
            self.take_in_new();
        }
        // Where the stream begins in every source is told before anything else of any: a client that is cut off early
        // can then resume all of them.
        while let Some(cursor) = self.cursors.get_mut(self.begun) {
            if let Some(segment) = cursor.as_mut().and_then(|cursor| cursor.next_pending()) {
                return Ok(Next::Chunk(Chunk::read(segment)));
            }
            self.begun += 1;
        }
        // All sources in a row have nothing: all is read.
        let mut idle = 0;
        while idle <= self.cursors.len() {
            let noted = self.until == Until::Noted;
            if let Some(Some(cursor)) = self.cursors.get_mut(self.turn) {
                let until = if noted {
                    cursor.until.as_deref().copied()
                } else {
                    if self.turn_until.is_none() {
                        self.turn_until = self.hub.edge(cursor.index());
                    }
                    self.turn_until
                };
                if !noted || until.is_some() || cursor.is_past() {
                    match cursor.step(&self.hub, until, chunk_bytes)? {
                        Next::Nothing => {}
                        next => return Ok(next),
                    }
                }
            }
            self.turn_until = None;
            self.turn = if self.turn + 1 < self.cursors.len() {
                self.turn + 1
            } else {
                0
            };
            idle += 1;
        }
        Ok(Next::Nothing)
    }

    /// The stream is live: it has all that stands before its queue. Where it stands in each source is told by what it has of
    /// that, so nothing of it is kept.
    fn is_live(&mut self) {
        self.stop_nowhere();
        for slot in &mut self.cursors {
            drop(slot.take_if(|cursor| !cursor.waits()));
        }
        if self.cursors.iter().all(Option::is_none) {
            self.cursors = Vec::new();
        }
    }

    /// The stream was live, and its queue has ended: it reads on from there. Its cursors are made when its own thread reads, for
    /// whoever has ended the queue does not wait for that.
    fn falls(&mut self, fall: Fall) {
        self.fall = Some(Box::new(fall));
    }

    /// Makes the cursors of a stream that was live, now that it reads again.
    fn rises(&mut self) {
        let Some(fall) = self.fall.take() else {
            return;
        };
        self.cursors.resize_with(fall.sources_len(), || None);
        for (source, edge) in fall.places() {
            if !self.selection.has(source) {
                continue;
            }
            match &mut self.cursors[source.index as usize] {
                // Nothing but asides came by the queue of one that waits.
                Some(waiting) => waiting.was_told(edge.aside),
                slot => *slot = Some(Box::new(Cursor::behind(Arc::clone(source), edge))),
            }
        }
    }

    /// Goes back to `position` in the source `index`: what of the last segment was read from there on has not reached
    /// the peer.
    pub fn go_back(&mut self, index: u32, position: Position) {
        if let Some(Some(cursor)) = self.cursors.get_mut(index as usize) {
            cursor.go_back(position);
        }
    }

    /// Goes back to the end of `chunk`: what was read behind it by [`Reader::run`] has not reached the peer.
    pub fn go_back_behind(&mut self, chunk: &Chunk) {
        let index = chunk.source.index as usize;
        if let Some(Some(cursor)) = self.cursors.get_mut(index) {
            cursor.stands_behind(chunk);
        }
    }

    /// Whether the stream is of the source of `segment`.
    pub fn selects(&self, segment: &Segment) -> bool {
        self.selection.has(&segment.source)
    }

    /// The place after which the stream waits for a file of the source `index`, if it does.
    fn awaits(&self, index: u32) -> Option<Id> {
        self.cursors.get(index as usize)?.as_ref()?.awaits()
    }

    /// Which sources the stream is of.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The id of the place where the stream stands in each source. Reads a few hundred bytes of each.
    pub fn ids(&self) -> Vec<(Arc<Source>, Id)> {
        self.cursors()
            .filter_map(|cursor| Some((cursor.source(), cursor.id(&self.hub)?)))
            .collect()
    }

    /// An `end` event for each source.
    pub fn ends(&self) -> Vec<Segment> {
        let end = |cursor: &Cursor| {
            let event = Event {
                kind: EventKind::End,
                id: cursor.id(&self.hub)?,
                at: cursor.standing.position.unwrap_or_default(),
                aside: cursor.standing.aside,
            };
            Some(Segment::new(cursor.source(), Kind::Event(event)))
        };
        self.cursors().filter_map(end).collect()
    }

    /// Bytes that the stream is behind the live edges, where that is known.
    pub fn behind_bytes(&self) -> u64 {
        self.cursors()
            .map(|cursor| {
                self.hub
                    .behind_bytes(cursor.index(), cursor.standing.position)
            })
            .sum()
    }

    /// Sources that have come since are read from their first byte; those whose names are not followed any more, and of
    /// which the stream has all, are let go of.
    fn take_in_new(&mut self) {
        let have = self.cursors.len();
        let next = self.hub.next_index() as usize;
        if matches!(self.selection, Selection::Only(_)) || next <= have {
            return;
        }
        for slot in &mut self.cursors {
            let is_done = |cursor: &mut Box<Cursor>| {
                cursor.is_parted()
                    && !cursor.is_past()
                    && self
                        .hub
                        .behind_bytes(cursor.index(), cursor.standing.position)
                        == 0
            };
            drop(slot.take_if(is_done));
        }
        self.cursors.resize_with(next, || None);
        for state in self.hub.sources() {
            let index = state.source.index as usize;
            if index >= have && self.selection.has(&state.source) {
                if index >= self.cursors.len() {
                    self.cursors.resize_with(index + 1, || None);
                }
                self.cursors[index] = Some(Box::new(Cursor::new(state.source)));
            }
        }
    }
}

#[cfg(test)]
#[path = "reader/shelf_tests.rs"]
mod shelf_tests;
