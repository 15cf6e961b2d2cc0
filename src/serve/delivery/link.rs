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

mod engine;
mod inflate;
mod outbox;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::TryRecvError;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message};

use crate::limits::{FRAMES_APART_BYTES, TAKEN_MAX};
use crate::pace::BLOCKED_PATIENCE;
use crate::reader::Subscription;
use crate::reader::life::{Deed, Happening, State};
use crate::source::{Batch, Chunk, Kind, Segment};

use engine::Engine;
use outbox::{Item, Outbox, Place};

use super::filter::Sifted;
use super::wire::{FrameEnd, Sum, Wire};
use crate::serve::transport::socket::Socket;

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
    /// Where the client is in its life; `None` while its thread has taken it out, to read.
    life: Option<Box<Subscription>>,
    outbox: Outbox,
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
            life: Some(Box::new(life)),
            outbox: Outbox::default(),
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

    /// Where it is; over where its thread has it to read.
    pub fn state(&self) -> State {
        self.life.as_ref().map_or(State::Over, |life| life.state())
    }

    /// Takes its life out, to read: nobody else can carry meanwhile. To be put back soon.
    pub fn take_life(&mut self) -> Option<Box<Subscription>> {
        self.life.take()
    }

    /// Puts it back.
    pub fn put_life(&mut self, life: Box<Subscription>) {
        self.life = Some(life);
    }

    /// Its own thread tries to write, whatever others have found.
    pub fn tries(&mut self) {
        self.happens(Happening::Tried);
    }

    /// Its own thread has found the socket full.
    pub fn is_filled(&mut self) {
        self.happens(Happening::Filled);
    }

    /// Falls back if the hub has dropped its sender; whether it has. Takes the hub's lock for a moment.
    pub fn falls_back_if_cut(&mut self) -> bool {
        let is_cut = self.life.as_ref().is_some_and(|life| life.is_cut());
        if is_cut {
            self.falls_back();
        }
        is_cut
    }

    fn happens(&mut self, what: Happening<crate::hub::Queue>) -> Deed {
        match &mut self.life {
            Some(life) => life.happens(what),
            None => Deed::Nothing,
        }
    }

    /// Its queue is gone: it reads on from the end of what is out.
    fn falls_back(&mut self) {
        if self.happens(Happening::Cut) != Deed::LetGo {
            return;
        }
        let gone = self.let_go();
        let reader = self.life.as_mut().and_then(|life| life.reader_mut());
        if let (Some((chunk, Some(line))), Some(reader)) = (gone, reader) {
            reader.has_up_to(&chunk, line);
        }
    }

    /// It ends: nothing of what it was sent is left but the rest of a frame that is half on the wire.
    pub fn ends(&mut self) {
        self.happens(Happening::Ended);
        self.let_go();
    }

    // -- what is to be written

    /// Queues bytes that are no segment: a head, a heartbeat, an ending.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.outbox.own().bytes.extend_from_slice(bytes);
    }

    /// Queues a chunk that its own thread has read, and of its lines those that `sifted` has. Lines that others
    /// read, too, go out in the form that all clients share. Called when nothing of a chunk waits.
    pub fn push_chunk(&mut self, chunk: Chunk, sifted: &Sifted) {
        let is_shared = chunk.is_shared() && self.wire.is_shared() && !self.wire.is_gzipped();
        if !is_shared || !matches!(chunk.kind, Kind::Lines(_)) {
            return self.push_segment(&chunk, sifted);
        }
        // Encoded now, while its thread has a turn.
        self.wire.form(&chunk);
        let header = self.header_for(&chunk, sifted, self.named);
        self.outbox.push(Item {
            bytes: header.unwrap_or_default(),
            chunk: Some(chunk),
            ..Item::default()
        });
    }

    /// The same of a segment, encoded for this client alone.
    pub fn push_segment(&mut self, segment: &Segment, sifted: &Sifted) {
        let header = self.header_for(segment, sifted, self.named);
        if header.is_some() {
            self.named = Some(segment.source.index);
        }
        let before = self.lines;
        if let Kind::Lines(lines) = &segment.kind {
            self.lines += sifted.count(lines.len());
        }
        let own = self.outbox.own();
        own.bytes.extend(header.unwrap_or_default());
        let frames = &mut own.frames;
        let mut remember = |frame: FrameEnd| {
            if let Kind::Lines(lines) = &segment.kind {
                frames.push(Place {
                    end: frame.at,
                    index: segment.source.index,
                    position: lines.after(frame.line),
                    sum: frame.sum,
                    lines: before + sifted.count(frame.line + 1),
                });
            }
        };
        let mut apart = own.bytes.len();
        let mut last = None;
        self.wire
            .encode(segment, sifted, &mut own.bytes, &mut |frame| {
                last = Some(frame);
                if frame.at - apart >= FRAMES_APART_BYTES {
                    apart = frame.at;
                    remember(frame);
                }
            });
        if let Some(last) = last {
            remember(last);
        }
    }

    /// The header that goes before a segment where the stream was last in the file `named`.
    fn header_for(
        &mut self,
        segment: &Segment,
        sifted: &Sifted,
        named: Option<u32>,
    ) -> Option<Vec<u8>> {
        let lines = matches!(segment.kind, Kind::Lines(_)) && sifted.has_any();
        if !lines || !self.wire.has_headers() || named == Some(segment.source.index) {
            return None;
        }
        Some(self.wire.header(&segment.source.name, named.is_none()))
    }

    /// Cuts what it has read down to the frame that is half on the wire, and goes back to the end of that; whether there
    /// was more. Called when its peer takes nothing, so that it does not hold what can be read again.
    pub fn trim(&mut self) -> bool {
        let place = match self.outbox.first_chunk().cloned() {
            Some(chunk) => {
                let Kind::Lines(lines) = &chunk.kind else {
                    return false;
                };
                let line = self.let_go().and_then(|(_, line)| line);
                let position = line.map_or(lines.begin(), |line| lines.after(line));
                Some((chunk.source.index, position))
            }
            None => self.outbox.trim_own().map(|place| {
                // A header of another file may be among what is let go of.
                self.named = Some(place.index);
                self.lines = place.lines;
                self.wire.goes_back(place.sum);
                (place.index, place.position)
            }),
        };
        let reader = self.life.as_mut().and_then(|life| life.reader_mut());
        let (Some((index, position)), Some(reader)) = (place, reader) else {
            return false;
        };
        reader.go_back(index, position);
        true
    }

    /// Lets go of the chunks, all but the rest of a frame that is half on the wire. Returns the chunk of that frame, with
    /// the number of its last line that the peer then has, if there is one.
    fn let_go(&mut self) -> Option<(Chunk, Option<usize>)> {
        let gone = self.outbox.let_go(&self.wire)?;
        self.named = Some(gone.0.source.index);
        self.lines += gone.1.map_or(0, |line| line as u64 + 1);
        self.wire.was_sent_a_part();
        Some(gone)
    }

    // -- writing

    /// Writes what is queued as far as the socket takes it now. `own_thread` says that the caller is the client's
    /// thread. An error ends the client.
    pub fn carry(&mut self, own_thread: bool) -> io::Result<Carried> {
        let may_take = self.wire.is_shared() || own_thread;
        loop {
            // A reply must not go into the middle of one of our frames, and our bytes not into the middle of a reply: ours
            // go out only when the protocol's flush has returned Ok.
            if !self.flush_replies()? {
                return Ok(Carried::Blocked);
            }
            let is_live = self.state() == State::Live;
            let is_cut = is_live && may_take && self.take();
            if self.outbox.is_empty() {
                if is_cut {
                    self.falls_back();
                }
                return match is_cut || (is_live && !may_take) {
                    true => Ok(Carried::OwnThread),
                    false => self.flushed(),
                };
            }
            if !self.write()? {
                return Ok(Carried::Blocked);
            }
        }
    }

    /// Drained, once the kernel has all that was written: a socket that encrypts may hold some of it back.
    fn flushed(&self) -> io::Result<Carried> {
        Ok(if self.socket.flush()? {
            Carried::Drained
        } else {
            Carried::Blocked
        })
    }

    /// Writes the protocol's replies, unless they must wait for the end of a frame of ours; false where the socket is
    /// full.
    fn flush_replies(&mut self) -> io::Result<bool> {
        match &mut self.engine {
            Some(engine) if !self.outbox.is_half() => engine.flush(&self.socket),
            _ => Ok(true),
        }
    }

    /// Takes some batches from the queue; whether the queue is gone.
    fn take(&mut self) -> bool {
        // What it encodes for itself it writes before it takes more.
        let max = if self.wire.is_shared() { TAKEN_MAX } else { 1 };
        while self.outbox.len() < max {
            let Some((_, queue)) = self.life.as_mut().and_then(|life| life.live()) else {
                return false;
            };
            match queue.try_recv() {
                // Race: another one is queued from here on. Whoever carries it finds the lock taken, and wakes the thread.
                Ok(batch) => self.take_in(batch),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    fn take_in(&mut self, batch: Arc<Batch>) {
        let reader = self.life.as_ref().and_then(|life| life.reader());
        let wanted: Vec<usize> = (0..batch.segments.len())
            .filter(|&n| reader.is_some_and(|reader| reader.selects(&batch.segments[n])))
            .collect();
        if !self.wire.is_shared() {
            for n in wanted {
                let segment = &batch.segments[n];
                let sifted = Sifted::of(segment, self.wire.filter());
                self.push_segment(segment, &sifted);
                self.has(segment);
            }
            self.done = batch.sequence;
            return;
        }
        if wanted.is_empty() {
            if self.outbox.is_empty() {
                self.done = batch.sequence;
            }
            return;
        }
        for (i, &segment) in wanted.iter().enumerate() {
            let named = self.outbox.last_file().or(self.named);
            // It counts once it is sent, behind what was taken before.
            let before = self.wire.sum();
            self.wire.goes_back(Sum::default());
            let header = self.header_for(&batch.segments[segment], &Sifted::All, named);
            let header = header.unwrap_or_default();
            let sum = self.wire.sum();
            self.wire.goes_back(before);
            self.outbox.push(Item {
                bytes: header,
                chunk: Some(Chunk::of(&batch, segment)),
                sum,
                done: (i + 1 == wanted.len()).then_some(batch.sequence),
                ..Item::default()
            });
        }
    }

    /// It has all of `segment`, which came by the queue.
    fn has(&mut self, segment: &Segment) {
        if let Some(life) = &mut self.life {
            life.has(segment);
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
            let Some(chunk) = item.chunk else {
                continue;
            };
            // Who reads has it already.
            if self.state() == State::Live {
                self.has(&chunk);
            }
            self.lines += chunk.lines_len();
            self.wire.was_sent(item.sum, &chunk);
            if matches!(chunk.kind, Kind::Lines(_)) {
                self.named = Some(chunk.source.index);
            }
            self.done = item.done.unwrap_or(self.done);
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
