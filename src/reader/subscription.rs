//! One subscriber's life: it reads the files, joins, is carried live by its queue, is cut off from that when it is too
//! slow, and reads again. Clients and publishers, and whoever comes later, live it by this one type.
//!
//! That every line comes once, in order, is argued here and nowhere else:
//!
//! - Who reads gets what stands between its place and the live edge, and its place moves with what it gets.
//! - It joins in one step under the hub's lock: its queue is added, and the edges are noted. So what is published before
//!   lies before those edges, and what is published later comes by the queue. It reads exactly up to the edges, and
//!   takes nothing from the queue until then.
//! - While it is live it has no place: it has all that was published before its queue, then what was taken from that and
//!   has gone out, in order. So what it lacks is in its queue, or in the hands of whoever sends for it.
//! - It is cut in one step under the hub's lock: its queue ends, and the edges are noted as they stood before what it
//!   did not get any more. Whatever came by the queue and is not out is thrown away then, and the beginning of the first
//!   of that in each source is its place there; in all other sources it is the edge that was noted ([`Fall`]). It reads
//!   on from there.
//!
//! What it had *read* when it was cut is not thrown away: its place is behind that already.

use std::io;
use std::sync::Arc;

use crossbeam_channel::TryRecvError;

use crate::hub::{Hub, Queue, Stopping, Subscriber};
use crate::source::{Batch, Edge, Id, Segment, Source};

use super::fall::Fall;
use super::life::{self, Deed, Happening, Life, State};
use super::{Next, Reader};

/// A subscriber of the hub, wherever it is in its life: it is sent every line once.
#[derive(Debug, Default)]
pub struct Subscription {
    life: Life<Reader, Queue>,
}

/// What came by the queue.
#[derive(Debug)]
pub enum Came {
    /// The next batch.
    Batch(Arc<Batch>),
    /// Nothing more for now.
    Nothing,
    /// It is not live: it has to read.
    NotLive,
}

impl Subscription {
    /// One that reads.
    pub fn new(reader: Reader) -> Subscription {
        Subscription {
            life: Life::Reads(reader),
        }
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.life.state()
    }

    /// What it reads with, while it lives. May take a moment for each source after a fall.
    pub fn reader(&mut self) -> Option<&mut Reader> {
        let reader = self.life.reader_mut()?;
        reader.rises();
        Some(reader)
    }

    /// Whether it is of the source of `segment`.
    pub fn selects(&self, segment: &Segment) -> bool {
        let reader = self.life.reader();
        reader.is_some_and(|reader| reader.selects(segment))
    }

    /// Its queue, while that may be carried.
    pub fn live(&self) -> Option<&Queue> {
        match &self.life {
            Life::Live(_, queue) => Some(queue),
            _ => None,
        }
    }

    /// Something happens to it. What that changes for its reader is done; the rest of the deed is the caller's. Where
    /// something is held that was taken from its queue, its cut is told by [`Subscription::falls`].
    pub fn happens(&mut self, what: Happening<Queue>) -> Deed {
        match what {
            Happening::Cut => self.falls([], 0),
            what => self.moves(what),
        }
    }

    /// It is cut. `held` is what was taken from its queue and is not all out, oldest first; of the first of that, `out`
    /// lines are, or the event. Whoever has ended the queue may wait for this, so nothing is read.
    pub fn falls<'a>(&mut self, held: impl IntoIterator<Item = &'a Segment>, out: usize) -> Deed {
        let fall = match &self.life {
            Life::Live(_, queue) | Life::Full(_, queue) => {
                let mut fall = Fall::new(queue.cut());
                for (n, segment) in held.into_iter().enumerate() {
                    fall.lacks(segment, if n == 0 { out } else { 0 });
                }
                for batch in queue.try_iter() {
                    batch.segments.iter().for_each(|one| fall.lacks(one, 0));
                }
                Some(fall)
            }
            _ => None,
        };
        let deed = self.moves(Happening::Cut);
        if let (Some(fall), Life::Reads(reader)) = (fall, &mut self.life) {
            reader.falls(fall);
        }
        deed
    }

    fn moves(&mut self, what: Happening<Queue>) -> Deed {
        let from = self.state();
        let (life, deed) = std::mem::take(&mut self.life).next(what);
        self.life = life;
        life::count(from, self.state());
        match &mut self.life {
            Life::Reads(reader) if matches!(deed, Deed::ReadOn | Deed::LetGo) => {
                reader.stop_nowhere();
            }
            Life::Live(reader, _) if from == State::Joins => reader.is_live(),
            _ => {}
        }
        deed
    }

    /// Whether the hub has dropped its sender, without having told it yet.
    pub fn is_cut(&self) -> bool {
        self.life.queue().is_some_and(Queue::is_cut)
    }

    /// Joins, if little is left to be read. `subscriber` is who is carried to.
    pub fn join_if_close(
        &mut self,
        hub: &Arc<Hub>,
        subscriber: impl FnOnce() -> Arc<dyn Subscriber>,
        queue_batches: usize,
    ) -> Result<(), Stopping> {
        let Life::Reads(reader) = &mut self.life else {
            return Ok(());
        };
        reader.rises();
        if !reader.is_close() {
            return Ok(());
        }
        let (selection, awaited) = (reader.selection().clone(), reader.awaited());
        let joined = hub.join(subscriber(), selection, awaited, queue_batches)?;
        reader.stop_at(&joined.edges);
        self.happens(Happening::Joined(joined.queue));
        Ok(())
    }

    /// Leaves its queue, if it has one, and reads no further than to what is published now.
    pub fn ends_here(&mut self) {
        self.happens(Happening::Cut);
        if let Life::Reads(reader) = &mut self.life {
            reader.rises();
            reader.stop_here();
        }
    }

    /// What it reads next (see [`Reader::next`]). Where it has read all and has joined, it is live then.
    pub fn read(&mut self, chunk_bytes: usize) -> io::Result<Next> {
        if self.is_cut() {
            self.happens(Happening::Cut);
        }
        let (Life::Reads(reader) | Life::Joins(reader, _)) = &mut self.life else {
            return Ok(Next::Nothing);
        };
        reader.rises();
        let next = reader.next(chunk_bytes)?;
        if matches!(next, Next::Nothing) {
            self.happens(Happening::ReadAll);
        }
        Ok(next)
    }

    /// What came next by its queue. Called when nothing waits that was taken from it before.
    pub fn take(&mut self) -> Came {
        match self.live().map(|queue| queue.try_recv()) {
            Some(Ok(batch)) => return Came::Batch(batch),
            Some(Err(TryRecvError::Empty)) => return Came::Nothing,
            Some(Err(TryRecvError::Disconnected)) => drop(self.happens(Happening::Cut)),
            None => {}
        }
        Came::NotLive
    }

    /// The sources that it is of and where it stands in each, if it is live with an empty queue and whoever sends for it
    /// holds nothing of it.
    pub fn standing(&self) -> Option<Vec<(Arc<Source>, Id)>> {
        let reader = self.life.reader()?;
        let edges = self.live()?.edges_if_empty(reader.selection())?;
        let place = |(source, edge): (Arc<Source>, Edge)| {
            let id = reader.awaits(source.index).unwrap_or(edge.id);
            (source, id)
        };
        Some(edges.into_iter().map(place).collect())
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
pub(crate) mod tests;
