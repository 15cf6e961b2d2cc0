//! A stream that catches up: it reads the files up to the live edge, in turns with all others that do, and sends what it
//! reads as its peer takes it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::hub::Subscriber;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNKS_BYTES, SHELF_RUN_BYTES, STALL_HOLD};
use crate::reader::life::State;
use crate::reader::{Next, Subscription};
use crate::serve::delivery::filter::{Filter, Sifted};
use crate::serve::delivery::link::Carried;
use crate::serve::delivery::turnstile::{GivesWay, Lane, Turn};
use crate::serve::delivery::visitor::rest;
use crate::source::{Kind, Segment};

use super::{Ended, Stream};

impl Stream<'_> {
    /// Reads and sends until the live edge is reached and the queue begins there; with `most`, after so many reads, or where
    /// its peer has to be waited for, it stops before that.
    #[inline(never)]
    pub(super) fn catch_up(&mut self, most: Option<u32>) -> Result<(), Ended> {
        let shared = self.shared;
        let behind = self.behind_bytes();
        shared.streams.falls_behind(&self.peer, behind);
        let mut left = most;
        let gives_way = GivesWay::from_now();
        loop {
            if !self.sends(left.as_mut())? {
                return Ok(());
            }
            gives_way.now_and_then();
            self.attend()?;
            if self.follow && self.deaf && !self.peer.visitor.may_half_close() {
                // It gets what there is now, and no more.
                self.follow = false;
                self.with_life(Subscription::ends_here);
            }
            let filter = self.peer.link.lock().wire.filter().cloned();
            let lane = filter.as_ref().map_or(Lane::Reads, |_| Lane::Filters);
            self.with_life(|life| {
                let reader = life.reader();
                let mut pause = |_| {
                    gives_way.now_and_then();
                    match self.peer.visitor.is_ended() {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                };
                reader.map(|reader| reader.cross_seams(&mut pause))
            });
            let mut turn = shared.turnstile.enter(lane, self.whom);
            if turn.has_waited() {
                gives_way.rested();
            }
            let chunk = (CHUNKS_BYTES / shared.streams.catching_up().max(1))
                .clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
            // A power of two: chunks of whatever size then end in places that those in the same place know, too.
            let chunk = 1 << chunk.ilog2();
            let segment = match self.with_life(|life| self.read(life, chunk))? {
                Next::Chunk(segment) => segment,
                Next::Later(wait) => {
                    drop(turn);
                    let visitor = &self.peer.visitor;
                    wait.with(&shared.hub, |time| rest(time, || visitor.is_ended()));
                    continue;
                }
                Next::Nothing => {
                    drop(turn);
                    if !self.follow {
                        return Err(self.complete()?);
                    }
                    if self.peer.link.lock().state() == State::Live {
                        shared.streams.has_caught_up(&self.peer);
                        return Ok(());
                    }
                    continue;
                }
            };
            let sifted = self.sift(&segment, filter.as_ref(), &mut turn)?;
            // Another one is in the same place. Who is alone in its place need not hold what nobody else wants.
            let is_of_many = segment.is_shared();
            let is_run = filter.is_none() && matches!(segment.kind, Kind::Lines(_));
            self.peer.link.lock().push_chunk(segment, &sifted);
            if is_run {
                self.carry_run(chunk, is_of_many, &turn)?;
            }
            drop(turn);
        }
    }

    /// Sends what the link holds of its own, between two reads; false where no more is to be read now, since there are none
    /// `left` or its peer takes no more.
    fn sends(&mut self, left: Option<&mut u32>) -> Result<bool, Ended> {
        let Some(left) = left else {
            return self.send().map(|()| true);
        };
        let is_out = self.carry()? != Carried::Blocked;
        let may_read = is_out && *left > 0;
        *left = left.saturating_sub(1);
        Ok(may_read)
    }

    /// Writes the chunk that was read last and more lines behind it, a run of them in all: where many read, chunks are
    /// small, and a turn for each would cost more than the chunk. Whoever has a turn gets on by as much if its peer takes
    /// it: were those who find nothing on the shelf slower than those who do, they would never find anything again.
    ///
    /// Chunks that many are sent go out with one write, and what a peer does not take of them is let go of at once; of
    /// others there is only one at a time. It is all of one file and nothing is told in between, so a peer that takes
    /// nothing can be cut down to the first frame.
    fn carry_run(
        &self,
        chunk_bytes: usize,
        is_of_many: bool,
        turn: &Turn<'_>,
    ) -> Result<(), Ended> {
        let mut left = SHELF_RUN_BYTES.saturating_sub(chunk_bytes);
        if is_of_many && self.peer.link.lock().sends_shared() {
            self.take_run(chunk_bytes, left);
            left = 0;
        }
        // Nobody waits under it. Who has a turn is done with this much when the next one has it, so that all stay together,
        // and only those who have one hold more than one chunk.
        while matches!(self.carry()?, Carried::Drained)
            && left >= chunk_bytes
            && !turn.is_over()
            && self.take_run(chunk_bytes, chunk_bytes)
        {
            left -= chunk_bytes;
        }
        Ok(())
    }

    /// Takes along about `most` bytes of lines behind what was read last; whether there are any.
    fn take_run(&self, chunk_bytes: usize, most: usize) -> bool {
        let run = self.with_life(|life| {
            let reader = life.reader();
            reader.map(|reader| reader.run(chunk_bytes, most))
        });
        let run = run.unwrap_or_default();
        let any = !run.is_empty();
        for chunk in run {
            self.shared.streams.has_read(&self.peer, &chunk, || 0);
            // In a run of several all go out in the form that many are sent.
            let chunk = if most > chunk_bytes {
                chunk.shared()
            } else {
                chunk
            };
            self.peer.link.lock().push_chunk(chunk, &Sifted::All);
        }
        any
    }

    /// All is read, and nothing more is to come: says so of each source.
    fn complete(&mut self) -> Result<Ended, Ended> {
        let ends = self.with_life(|life| life.reader().map(|reader| reader.ends()));
        for end in ends.into_iter().flatten() {
            self.peer.link.lock().push_segment(&end, &Sifted::All);
        }
        self.send()?;
        Ok(Ended::Complete)
    }

    fn behind_bytes(&self) -> u64 {
        self.with_life(|life| life.reader().map_or(0, |reader| reader.behind_bytes()))
    }

    /// What is to be sent next. With little left it joins, and the rest is read up to where the queue begins.
    fn read(&self, life: &mut Subscription, chunk_bytes: usize) -> Result<Next, Ended> {
        let shared = self.shared;
        if self.follow {
            let subscriber = || Arc::clone(&self.peer) as Arc<dyn Subscriber>;
            life.join_if_close(&shared.hub, subscriber, shared.queue_batches)
                .map_err(|_| Ended::Stopping)?;
        }
        let next = life.read(chunk_bytes).map_err(|error| {
            log::warn!("a client's history can't be read: {error}");
            Ended::PeerLeft
        })?;
        if let (Next::Chunk(chunk), Some(reader)) = (&next, life.reader()) {
            let behind = || reader.behind_bytes();
            shared.streams.has_read(&self.peer, chunk, behind);
        }
        Ok(next)
    }

    /// The lines of `segment` that pass `filter`. Where that takes long, others have their turns in between, and the
    /// peer its pings.
    fn sift(
        &mut self,
        segment: &Segment,
        filter: Option<&Filter>,
        turn: &mut Turn<'_>,
    ) -> Result<Sifted, Ended> {
        let (Kind::Lines(lines), Some(filter)) = (&segment.kind, filter) else {
            return Ok(Sifted::All);
        };
        if let Some(part) = segment.part(filter.number()) {
            return Ok(Sifted::These(part.passes().to_vec()));
        }
        let mut these = Vec::with_capacity(lines.len());
        for i in 0..lines.len() {
            if turn.is_over() {
                turn.again(|| self.attend())?;
            }
            these.push(filter.passes(lines.line(i)));
        }
        filter.share(segment, &these);
        Ok(Sifted::These(these))
    }

    /// Writes what the link holds of its own as far as the socket takes it; of the rest, a chunk is kept.
    fn carry(&self) -> Result<Carried, Ended> {
        let carried = self.peer.carry_here().map_err(|_| Ended::PeerLeft)?;
        if matches!(carried, Carried::Blocked) {
            let shed = self.peer.link.lock().shed();
            self.shared.streams.goes_back(&self.peer, shed);
        }
        Ok(carried)
    }

    /// Writes what the link holds of its own, waiting for the peer where need be. A peer that takes nothing for a moment
    /// keeps only what is half on the wire.
    fn send(&mut self) -> Result<(), Ended> {
        let mut since = None;
        loop {
            match self.carry()? {
                Carried::Blocked => {}
                Carried::Drained | Carried::OwnThread => return Ok(()),
            }
            let now = Instant::now();
            if self.takes_more() {
                since = None;
            }
            let hold_until = *since.get_or_insert(now) + STALL_HOLD;
            if now >= hold_until && self.peer.link.lock().trim() {
                let behind = self.behind_bytes();
                self.shared.streams.stands_behind(&self.peer, behind);
            }
            self.wait_for_room(Some(hold_until).filter(|&until| now < until))?;
        }
    }
}
