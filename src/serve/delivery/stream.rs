//! A client's life as a stream: read the file up to the live edge, be carried live from there, fall back to the file
//! when slow, say goodbye.

mod due;
mod ended;
mod goodbye;

use std::ops::ControlFlow;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::{Hub, Subscriber};
use crate::limits::{
    CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNKS_BYTES, OPENING_READS, SHELF_RUN_BYTES, STALL_HOLD,
};
use crate::reader::life::{Happening, State};
use crate::reader::{Next, Subscription};
use crate::source::{Kind, Segment};
use crate::via::Passage;

use super::filter::{Filter, Sifted};
use super::link::Carried;
use super::peer::Peer;
use super::streams::{Place, Streams};
use super::turnstile::{GivesWay, Lane, Turn, Turnstile};
use super::visitor::rest;
use crate::serve::transport::socket::{Backlog, Whom};

pub use ended::Ended;

/// What all streams share.
#[derive(Debug)]
pub struct Shared {
    /// The files' hub.
    pub hub: Arc<Hub>,
    /// Turns at reading.
    pub turnstile: Turnstile,
    /// Those that are open.
    pub streams: Arc<Streams>,
    /// `--queue`.
    pub queue_batches: usize,
    /// `--ping-interval`.
    pub ping_interval: Duration,
}

/// The visitor of this number panics when it gets to the live edge.
#[cfg(test)]
pub(crate) static PANICS: atomic::AtomicU64 = atomic::AtomicU64::new(u64::MAX);

/// One client's stream, run by its own thread.
pub struct Stream<'a> {
    shared: &'a Shared,
    peer: Arc<Peer>,
    /// Who it is, in line for turns.
    whom: Whom,
    /// Its place among all.
    _place: Place<'a>,
    /// Where another tailcast follows through us.
    _passage: Option<Passage>,
    follow: bool,
    /// The peer has shut its sending side, and is served all the same.
    deaf: bool,
    ping_due: Instant,
    /// When the peer last showed that it lives.
    sign: Instant,
    /// Progress at the last ping, to know a quiet stream by.
    progress_at_ping: u64,
    /// Progress when the socket was last found full, until the peer takes more.
    blocked: Option<u64>,
    /// What waited for the peer at the last ping.
    backlog: Option<Backlog>,
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // Also after a panic, so nothing is encoded here. It leaves the hub with its queue.
        let mut life = self.peer.link.lock().take_life();
        life.happens(Happening::Ended);
        self.shared.streams.closes(&self.peer);
    }
}

impl<'a> Stream<'a> {
    /// A stream to `peer`, which ends where all is read unless it is to `follow`.
    pub fn new(
        shared: &'a Shared,
        (place, passage): (Place<'a>, Option<Passage>),
        peer: Arc<Peer>,
        follow: bool,
    ) -> Self {
        let now = Instant::now();
        shared.streams.opens(&peer);
        Stream {
            shared,
            whom: peer.visitor.socket.whom(),
            _place: place,
            _passage: passage,
            peer,
            follow,
            deaf: false,
            ping_due: now + shared.ping_interval,
            sign: now,
            progress_at_ping: 0,
            blocked: None,
            backlog: None,
        }
    }

    /// Reads and sends what it begins with, as far as its peer takes that at once. To be done on the stack that it is opened
    /// on: reading takes more of a stack than all that a client does who keeps up.
    pub fn begins(&mut self) -> Result<(), Ended> {
        self.catch_up(Some(OPENING_READS))
    }

    /// Runs it to its end, goodbye included, after it has `begun`. Blocks for as long as the client stays.
    pub fn run(&mut self, begun: Result<(), Ended>) -> Ended {
        let mut so_far = begun;
        let ended = loop {
            match so_far.and_then(|()| self.live()) {
                Ok(()) => so_far = self.catch_up(None),
                Err(ended) => break ended,
            }
        };
        self.say_goodbye(ended);
        self.shared.streams.has_ended(&self.peer, ended);
        ended
    }

    // -- reading the file

    /// Reads and sends until the live edge is reached and the queue begins there; with `most`, after so many reads, or where
    /// its peer has to be waited for, it stops before that.
    #[inline(never)]
    fn catch_up(&mut self, most: Option<u32>) -> Result<(), Ended> {
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

    /// Takes its subscription out of the link, to read with it under no lock, and puts it back.
    fn with_life<T>(&self, read: impl FnOnce(&mut Subscription) -> T) -> T {
        let mut life = self.peer.link.lock().take_life();
        let read = read(&mut life);
        self.peer.link.lock().put_life(life);
        self.falls_back_if_cut();
        read
    }

    fn behind_bytes(&self) -> u64 {
        self.with_life(|life| life.reader().map_or(0, |reader| reader.behind_bytes()))
    }

    /// Falls back if the hub has dropped the sender; whether it has. Called without the link, after it was held and before
    /// this thread waits for anything.
    ///
    /// Race: the hub drops the sender while this thread has the link, and does not wait for it. The hub takes the
    /// subscriber from its list first and then tries the link. So if this thread still finds itself in the list, the hub
    /// tries after this thread let go of the link, and gets it.
    fn falls_back_if_cut(&self) -> bool {
        // At the end what is queued is still sent.
        !self.peer.visitor.is_ended() && self.peer.link.lock().falls_back_if_cut()
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

    // -- live

    /// Carries and waits until it is live no more.
    #[inline(never)]
    fn live(&mut self) -> Result<(), Ended> {
        #[cfg(test)]
        assert_ne!(
            PANICS.load(atomic::Ordering::SeqCst),
            self.peer.visitor.number,
            "a test wants it"
        );
        loop {
            self.peer.carry_here().map_err(|_| Ended::PeerLeft)?;
            self.attend()?;
            let state = self.peer.link.lock().state();
            match state {
                State::Live => {
                    self.has_taken_all();
                    if !self.peer.visitor.has_said() && !self.peer.visitor.is_ended() {
                        let left = self.ping_due.saturating_duration_since(Instant::now());
                        thread::park_timeout(left);
                    }
                }
                State::Full => self.wait_for_room(None)?,
                State::Reads | State::Joins | State::Over => return Ok(()),
            }
        }
    }

    /// Waits until the socket takes more, the peer says something, a ping is due, or `until`; not at all where it falls
    /// back instead. What is queued for it is let go of before it waits, and then only the socket can move it on.
    fn wait_for_room(&mut self, until: Option<Instant>) -> Result<(), Ended> {
        // What it has taken since it was last found full is a sign first.
        self.takes_more();
        self.blocked = Some(self.peer.progress());
        if self.falls_back_if_cut() {
            return Ok(());
        }
        let deadline = until.map_or(self.ping_due, |until| until.min(self.ping_due));
        let visitor = Arc::clone(&self.peer.visitor);
        match visitor.wait(|| visitor.socket.wait(true, deadline)) {
            Some(Err(_)) => return Err(Ended::PeerLeft),
            Some(Ok(ready)) if ready.read => {
                visitor.hears();
                if !ready.write {
                    // Its words are read in `attend`; an end that is no end (a half-closed peer) must not spin.
                    self.attend()?;
                    let wait = || visitor.socket.wait_to_write(deadline);
                    if self.deaf {
                        if let Some(Err(_)) = visitor.wait(wait) {
                            return Err(Ended::PeerLeft);
                        }
                    }
                }
            }
            // It is to end, which `attend` finds, or there is room.
            None | Some(Ok(_)) => {}
        }
        self.attend()
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
