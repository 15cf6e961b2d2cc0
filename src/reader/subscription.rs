//! One subscriber's life: it reads the files, joins, is carried live by its queue, is cut off from that when it is too
//! slow, and reads again. Clients and publishers, and whoever comes later, live it by this one type.
//!
//! That every line comes once, in order, is argued here and nowhere else:
//!
//! - Who reads gets what stands between its place and the live edge, and its place moves with what it gets.
//! - It joins in one step under the hub's lock: its queue is added, and the edges are noted. So what is published before
//!   lies before those edges, and what is published later comes by the queue. It reads exactly up to the edges, and
//!   takes nothing from the queue until then.
//! - While it is live its place moves with what it *has*: what was taken from the queue and has gone out.
//! - When it is cut, whatever came by the queue and is not out is thrown away. Its place is then the end of what is out,
//!   as if it had read that, and it reads on from there.
//!
//! What it had *read* when it was cut is not thrown away: its place is behind that already.

use std::io;
use std::sync::Arc;

use crossbeam_channel::TryRecvError;

use crate::hub::{Hub, Queue, Stopping, Subscriber};
use crate::source::{Batch, Segment};

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

    /// What it reads with, while it lives.
    pub fn reader(&self) -> Option<&Reader> {
        self.life.reader()
    }

    /// The same, where it has not got what was taken from it.
    pub fn reader_mut(&mut self) -> Option<&mut Reader> {
        self.life.reader_mut()
    }

    /// Its queue, while that may be carried.
    pub fn live(&self) -> Option<&Queue> {
        match &self.life {
            Life::Live(_, queue) => Some(queue),
            _ => None,
        }
    }

    /// Something happens to it. What that changes for its reader is done; the rest of the deed is the caller's.
    pub fn happens(&mut self, what: Happening<Queue>) -> Deed {
        let from = self.state();
        let (life, deed) = std::mem::take(&mut self.life).next(what);
        self.life = life;
        life::count(from, self.state());
        match &mut self.life {
            Life::Reads(reader) if matches!(deed, Deed::ReadOn | Deed::LetGo) => {
                reader.stop_nowhere();
            }
            // Where its queue began is of no use any more.
            Life::Live(reader, _) if from == State::Joins => reader.stop_nowhere(),
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

    /// It has all of `segment`, which came by its queue.
    pub fn has(&mut self, segment: &Segment) {
        if let Some(reader) = self.life.reader_mut() {
            reader.has(segment);
        }
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
pub(crate) mod tests;
