//! One client's delivery: where it is in its life, and what is being written to it. Owned by the client's thread, and
//! lent, by a lock that is nearly always free, to whoever is awake to deliver.
//!
//! Invariant: of every queued batch, either it was written or the client's thread was woken after it was queued; while
//! lines come fast, a client whose socket is full may also be among those that the next round carries to. Where the lock
//! is taken, its holder may have looked into the queue already, so the thread is unparked; every park is followed by a
//! fresh drain.
//!
//! Nothing waits under the lock, and nobody reads a file under it: the thread takes the subscription out to read, and
//! puts it back.

mod outbox;
mod packing;

use std::io::{self, ErrorKind};
use std::mem;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message};

use crate::hub::Queue;
use crate::pace::BLOCKED_PATIENCE;
use crate::reader::Subscription;
use crate::reader::life::{Happening, State};
use crate::source::{Batch, Id, Source};

use outbox::Outbox;

use super::wire::Wire;
use crate::serve::transport::socket::Socket;
use crate::serve::websocket::engine::Engine;

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// All that was queued is written, and in the kernel.
    Drained,
    /// The socket is full.
    Blocked,
    /// Its own thread has to go on: to encode for it, or to read the files.
    OwnThread,
}

/// What is to be written to one client, and what it says.
#[derive(Debug)]
pub struct Link {
    socket: Arc<Socket>,
    /// Of a peer that speaks WebSocket.
    engine: Option<Engine>,
    /// How lines become bytes.
    pub wire: Wire,
    /// Where the client is in its life; over while its thread has taken it out, to read.
    life: Subscription,
    outbox: Outbox,
    /// The next batch of its queue, which was looked at and waits for its own thread, or for what goes out before.
    next: Option<Arc<Batch>>,
    /// The file that the stream was last said to be in.
    named: Option<u32>,
    /// The sequence number of the last batch it is done with.
    done: u64,
    /// Bytes written so far.
    progress: u64,
    /// Lines that were written, or wait among its own bytes.
    lines: u64,
    /// When a courier first found it blocked at this progress.
    blocked: Option<(Instant, u64)>,
}

impl Link {
    /// A link for one who begins with reading; `said` is what a peer that speaks WebSocket has said after its request.
    pub fn new(socket: Arc<Socket>, said: Option<Vec<u8>>, wire: Wire, life: Subscription) -> Link {
        Link {
            socket,
            engine: said.map(|said| Engine::new(said, wire.deflates_messages())),
            wire,
            life,
            outbox: Outbox::default(),
            next: None,
            named: None,
            done: 0,
            progress: 0,
            lines: 0,
            blocked: None,
        }
    }

    /// Its socket is full now, and has taken something not long ago.
    pub fn moves(&mut self) -> bool {
        let now = Instant::now();
        match self.blocked {
            Some((since, progress)) if progress == self.progress => now < since + BLOCKED_PATIENCE,
            _ => {
                self.blocked = Some((now, self.progress));
                true
            }
        }
    }

    /// The sequence number of the last batch it is done with.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Bytes written so far.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Lines written so far. Those that wait to be written for this client alone count as well.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Nothing at all waits to be written: bytes of its own may go out without getting into the middle of a batch.
    pub fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    // -- where it is in its life

    /// Where it is; over while its thread has it to read.
    pub fn state(&self) -> State {
        self.life.state()
    }

    /// The sources and where it stands in each, while it is live and has nothing to send.
    pub fn standing(&self) -> Option<Vec<(Arc<Source>, Id)>> {
        let has_all = self.outbox.is_empty() && self.next.is_none();
        self.life.standing().filter(|_| has_all)
    }

    /// Takes its life out, to read: nobody else can carry meanwhile. To be put back soon.
    pub fn take_life(&mut self) -> Subscription {
        mem::take(&mut self.life)
    }

    /// Puts it back.
    pub fn put_life(&mut self, life: Subscription) {
        self.life = life;
    }

    /// Its own thread has found the socket full, or tries again whatever was found.
    pub fn happens(&mut self, what: Happening<Queue>) {
        self.life.happens(what);
    }

    /// Falls back if the hub has dropped its sender; whether it has. Takes the hub's lock for a moment.
    pub fn falls_back_if_cut(&mut self) -> bool {
        let is_cut = self.life.is_cut();
        if is_cut {
            self.falls_back();
        }
        is_cut
    }

    /// Its queue is gone: it reads on from the end of what is out.
    fn falls_back(&mut self) {
        if !matches!(self.state(), State::Live | State::Full) {
            self.life.happens(Happening::Cut);
            return;
        }
        let held = self.held();
        let half = self.let_go();
        let out = half.and_then(|(_, line)| line).map_or(0, |line| line + 1);
        self.life.falls(held.iter().map(Deref::deref), out);
    }

    /// It ends: nothing of what it was sent is left but the rest of a frame that is half on the wire.
    pub fn ends(&mut self) {
        self.life.happens(Happening::Ended);
        self.let_go();
    }

    // -- writing

    /// Writes what is queued as far as the socket takes it now. `own_thread` says that the caller is the client's
    /// thread. An error ends the client.
    pub fn carry(&mut self, own_thread: bool) -> io::Result<Carried> {
        loop {
            // A reply must not go into the middle of one of our frames, and our bytes not into the middle of a reply: ours
            // go out only when the protocol's flush has returned Ok.
            if !self.flush_replies()? {
                return Ok(Carried::Blocked);
            }
            let may_go_on = self.take(own_thread);
            if self.outbox.is_empty() {
                return Ok(match may_go_on {
                    false => Carried::OwnThread,
                    // A socket that encrypts may hold some of what was written back.
                    true if self.socket.flush()? => Carried::Drained,
                    true => Carried::Blocked,
                });
            }
            if !self.write()? {
                return Ok(Carried::Blocked);
            }
        }
    }

    /// Writes the protocol's replies, unless they must wait for the end of a frame of ours; false where the socket is
    /// full.
    fn flush_replies(&mut self) -> io::Result<bool> {
        match &mut self.engine {
            Some(engine) if !self.outbox.is_half() => engine.flush(&self.socket),
            _ => Ok(true),
        }
    }

    /// Writes what waits with one call; whether the socket took any of it.
    fn write(&mut self) -> io::Result<bool> {
        match self.outbox.write(&self.wire, &self.socket) {
            Ok(n) => self.progress += n as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        while let Some(item) = self.outbox.pop_written(&self.wire) {
            self.done = item.done.unwrap_or(self.done);
            let Some(chunk) = item.chunk else {
                continue;
            };
            let lines = self.wire.count(&chunk, chunk.lines_len());
            self.lines += lines;
            self.wire.was_sent(item.sum, &chunk);
            if lines > 0 {
                self.named = Some(chunk.source.index);
            }
        }
        Ok(true)
    }

    // -- what the peer says

    /// Reads one message of a WebSocket peer; `None` where it has said nothing more for now.
    pub fn read_message(&mut self) -> Result<Option<Message>, Error> {
        match &mut self.engine {
            Some(engine) => engine.read(&self.socket, self.outbox.is_half()),
            None => Ok(None),
        }
    }

    /// Queues a ping.
    pub fn ping(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.ping(&self.socket, self.outbox.is_half());
        }
    }

    /// Queues the close frame, after what is half on the wire.
    pub fn close(&mut self, frame: CloseFrame) {
        if let Some(engine) = &mut self.engine {
            engine.close(&self.socket, self.outbox.is_half(), frame);
        }
    }

    /// Whether the peer speaks WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.engine.is_some()
    }
}
