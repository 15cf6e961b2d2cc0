//! A client's life as a stream: read the file up to the live edge, be carried live from there, fall back to the file
//! when slow, say goodbye.

mod due;
mod ended;
mod goodbye;

use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::{Hub, Subscriber};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNKS_BYTES, STALL_HOLD};
use crate::reader::Reader;
use crate::source::{Chunk, Kind, Segment};

use super::filter::{Filter, Sifted};
use super::link::Carried;
use super::peer::Peer;
use super::streams::{Opened, Streams};
use super::turnstile::{Lane, Turn, Turnstile};
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

/// The next stream that gets to the live edge panics there.
#[cfg(test)]
pub(crate) static PANICS: atomic::AtomicBool = atomic::AtomicBool::new(false);

/// One client's stream, run by its own thread.
pub struct Stream<'a> {
    shared: &'a Shared,
    peer: Arc<Peer>,
    /// Who it is, in line for turns.
    whom: Whom,
    /// Its place among those that are open.
    opened: Opened<'a>,
    reader: Option<Reader>,
    /// Chunks that were read already: events, and at most the last one is of lines.
    first: Vec<Chunk>,
    follow: bool,
    /// How it subscribed, while it is.
    key: Option<u64>,
    ping_due: Instant,
    /// When the peer last showed that it lives.
    sign: Instant,
    progress: u64,
    /// Progress at the last ping, to know a quiet stream by.
    progress_at_ping: u64,
    /// The socket was full since the last sign.
    blocked: bool,
    /// What waited for the peer at the last ping.
    backlog: Option<Backlog>,
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.hub.leave(key);
        }
    }
}

impl<'a> Stream<'a> {
    /// A stream to `peer` of what `reader` reads, beginning with `first`.
    pub fn new(
        shared: &'a Shared,
        peer: Arc<Peer>,
        reader: Reader,
        first: Vec<Chunk>,
        follow: bool,
    ) -> Self {
        let now = Instant::now();
        Stream {
            shared,
            opened: shared.streams.open(&peer, reader.selection()),
            whom: peer.visitor.socket.whom(),
            peer,
            reader: Some(reader),
            first,
            follow,
            key: None,
            ping_due: now + shared.ping_interval,
            sign: now,
            progress: 0,
            progress_at_ping: 0,
            blocked: false,
            backlog: None,
        }
    }

    /// The number of its connection.
    pub fn number(&self) -> u64 {
        self.peer.visitor.number
    }

    /// Runs it to its end, goodbye included. Blocks for as long as the client stays.
    pub fn run(mut self: Box<Self>) -> Ended {
        let ended = loop {
            match self.catch_up() {
                Ok(()) => {}
                Err(ended) => break ended,
            }
            match self.live() {
                Ok(()) => {}
                Err(ended) => break ended,
            }
        };
        self.say_goodbye(ended);
        self.opened.has_ended(ended);
        ended
    }

    // -- reading the file

    /// Reads and sends until the live edge is reached and the queue begins there.
    #[inline(never)]
    fn catch_up(&mut self) -> Result<(), Ended> {
        let shared = self.shared;
        let Some(mut reader) = self.reader.take() else {
            return Err(Ended::PeerLeft);
        };
        self.opened.falls_behind(reader.behind_bytes());
        for segment in std::mem::take(&mut self.first) {
            let filter = self.peer.link.lock().wire.filter().cloned();
            let sifted = Sifted::of(&segment, filter.as_ref());
            self.peer.link.lock().push_chunk(segment, &sifted);
        }
        self.send(&mut reader)?;
        loop {
            self.attend(Some(&reader))?;
            if self.key.is_some() && self.peer.is_lost() {
                self.fell_back(&mut reader);
            }
            if self.follow && self.peer.visitor.is_deaf() && !self.peer.visitor.may_half_close() {
                self.ends_at_edge(&mut reader);
            }
            if self.follow && self.key.is_none() && reader.is_close() {
                self.join(&mut reader)?;
            }
            let filter = self.peer.link.lock().wire.filter().cloned();
            let lane = match filter {
                None => Lane::Reads,
                Some(_) => Lane::Filters,
            };
            let mut turn = shared.turnstile.enter(lane, self.whom);
            let chunk = (CHUNKS_BYTES / shared.streams.catching_up().max(1))
                .clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
            // A power of two: chunks of whatever size then end in places that those in the same place know, too.
            let chunk = 1 << chunk.ilog2();
            let segment = reader.next(chunk).map_err(|error| {
                log::warn!("a client's history can't be read: {error}");
                Ended::PeerLeft
            })?;
            let Some(segment) = segment else {
                drop(turn);
                if self.key.is_some() && !self.peer.is_lost() {
                    let mut link = self.peer.link.lock();
                    link.reader = Some(reader);
                    link.live = true;
                    drop(link);
                    self.opened.has_caught_up();
                    return Ok(());
                }
                if !self.follow {
                    for end in reader.ends() {
                        self.peer.link.lock().push_segment(&end, &Sifted::All);
                    }
                    self.send(&mut reader)?;
                    return Err(Ended::Complete);
                }
                continue;
            };
            let sifted = self.sift(&reader, &segment, filter.as_ref(), &mut turn)?;
            self.opened.has_read(&segment, || reader.behind_bytes());
            self.peer.link.lock().push_chunk(segment, &sifted);
            drop(turn);
            self.send(&mut reader)?;
        }
    }

    /// The lines of `segment` that pass `filter`. Where that takes long, others have their turns in between, and the
    /// peer its pings.
    fn sift(
        &mut self,
        reader: &Reader,
        segment: &Segment,
        filter: Option<&Filter>,
        turn: &mut Turn<'_>,
    ) -> Result<Sifted, Ended> {
        let (Kind::Lines(lines), Some(filter)) = (&segment.kind, filter) else {
            return Ok(Sifted::All);
        };
        let mut these = Vec::with_capacity(lines.len());
        for i in 0..lines.len() {
            if turn.is_over() {
                turn.again(|| self.attend(Some(reader)))?;
            }
            these.push(filter.passes(lines.line(i)));
        }
        Ok(Sifted::These(these))
    }

    /// Subscribes: the rest is read up to where the queue begins.
    fn join(&mut self, reader: &mut Reader) -> Result<(), Ended> {
        self.peer.joins();
        let subscriber: Arc<dyn Subscriber> = Arc::clone(&self.peer) as Arc<dyn Subscriber>;
        let joined = self
            .shared
            .hub
            .join(
                subscriber,
                reader.selection().clone(),
                reader.awaited(),
                self.shared.queue_batches,
            )
            .map_err(|_| Ended::Stopping)?;
        self.key = Some(joined.key);
        self.peer.link.lock().queue = Some(joined.queue);
        // Race: the sender was dropped between the two lines above; the queue is then found disconnected, or `is_lost`.
        reader.stop_at(&joined.edges);
        Ok(())
    }

    /// The peer has shut its sending side before it had its history: it gets what there is now, and no more.
    fn ends_at_edge(&mut self, reader: &mut Reader) {
        self.fell_back(reader);
        self.follow = false;
        let hub = &self.shared.hub;
        let states = hub.sources().into_iter();
        let edges: Vec<_> = states
            .filter(|state| reader.selection().has(&state.source) && state.generation.is_some())
            .filter_map(|state| Some((state.source.index, hub.edge(state.source.index)?)))
            .collect();
        reader.stop_at(&edges);
    }

    fn fell_back(&mut self, reader: &mut Reader) {
        if let Some(key) = self.key.take() {
            self.shared.hub.leave(key);
        }
        self.peer.link.lock().queue = None;
        reader.stop_nowhere();
    }

    /// Writes what the link holds of its own, waiting for the peer where need be. A peer that takes nothing for a moment
    /// keeps only what is half on the wire.
    fn send(&mut self, reader: &mut Reader) -> Result<(), Ended> {
        let mut since = None;
        loop {
            match self.peer.carry_here() {
                Ok(Carried::Blocked) => {}
                Ok(_) => return Ok(()),
                Err(_) => return Err(Ended::PeerLeft),
            }
            let now = Instant::now();
            if self.note_progress() {
                since = None;
            }
            let hold_until = *since.get_or_insert(now) + STALL_HOLD;
            if now >= hold_until
                && let Some((index, position)) = self.peer.link.lock().trim()
            {
                reader.go_back(index, position);
                self.opened.stands_behind(reader.behind_bytes());
            }
            let until = if now >= hold_until {
                None
            } else {
                Some(hold_until)
            };
            self.wait_for_room(until)?;
        }
    }

    // -- live

    /// Carries and waits until the queue is lost.
    #[inline(never)]
    fn live(&mut self) -> Result<(), Ended> {
        #[cfg(test)]
        assert!(
            !PANICS.swap(false, atomic::Ordering::SeqCst),
            "a test wants it"
        );
        loop {
            match self.peer.carry_here() {
                Ok(Carried::Drained | Carried::OwnThread) => {
                    self.attend(None)?;
                    // Race: the socket was full for a ping. Couriers then leave the client to this thread.
                    let waits = self.peer.link.lock().waits;
                    if !waits && !self.peer.visitor.has_said() && !self.peer.visitor.is_ended() {
                        self.note_progress();
                        thread::park_timeout(
                            self.ping_due.saturating_duration_since(Instant::now()),
                        );
                    }
                }
                Ok(Carried::Blocked) => {
                    self.attend(None)?;
                    if self.peer.is_lost() {
                        self.peer.link.lock().forsake();
                    }
                    self.wait_for_room(None)?;
                    self.note_progress();
                }
                Ok(Carried::Lost) => {
                    if self.peer.visitor.is_ended() {
                        return Err(self.why_ended());
                    }
                    let mut link = self.peer.link.lock();
                    link.live = false;
                    let reader = link.reader.take();
                    drop(link);
                    let Some(mut reader) = reader else {
                        return Err(Ended::PeerLeft);
                    };
                    self.fell_back(&mut reader);
                    self.reader = Some(reader);
                    return Ok(());
                }
                Err(_) => return Err(Ended::PeerLeft),
            }
        }
    }

    /// Waits until the socket takes more, the peer says something, a ping is due, or `until`.
    fn wait_for_room(&mut self, until: Option<Instant>) -> Result<(), Ended> {
        self.blocked = true;
        let deadline = until.map_or(self.ping_due, |until| until.min(self.ping_due));
        let socket = Arc::clone(&self.peer.visitor.socket);
        let waited = self.peer.visitor.wait(|| {
            // Race: the sender was dropped since this thread last looked. What is queued is let go of before it waits;
            // where that has been done, only the rest of a frame is left, and only the socket can move it on.
            if self.peer.is_lost() && self.peer.link.lock().queue.is_some() {
                return Ok(None);
            }
            socket.wait(true, deadline).map(Some)
        });
        match waited {
            None => return Err(self.why_ended()),
            Some(Err(_)) => return Err(Ended::PeerLeft),
            Some(Ok(Some(ready))) if ready.read => {
                self.peer.visitor.hears();
                if !ready.write {
                    // Its words are read in `attend`; an end that is no end (a half-closed peer) must not spin.
                    self.attend(None)?;
                    if self.peer.visitor.is_deaf()
                        && let Some(Err(_)) =
                            self.peer.visitor.wait(|| socket.wait_to_write(deadline))
                    {
                        return Err(Ended::PeerLeft);
                    }
                }
            }
            Some(Ok(_)) => {}
        }
        self.attend(None)
    }
}
