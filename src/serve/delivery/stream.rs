//! A client's life as a stream: read the file up to the live edge, be carried live from there, fall back to the file
//! when slow, say goodbye.

mod due;
mod ended;
mod goodbye;
mod reading;

use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::Hub;
use crate::limits::OPENING_READS;
use crate::reader::Subscription;
use crate::reader::life::{Happening, State};
use crate::via::Passage;

use super::peer::Peer;
use super::streams::{Place, Streams};
use super::turnstile::Turnstile;
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

    /// Takes its subscription out of the link, to read with it under no lock, and puts it back.
    fn with_life<T>(&self, read: impl FnOnce(&mut Subscription) -> T) -> T {
        let mut life = self.peer.link.lock().take_life();
        let read = read(&mut life);
        self.peer.link.lock().put_life(life);
        self.falls_back_if_cut();
        read
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
