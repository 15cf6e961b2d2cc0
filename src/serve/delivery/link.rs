//! A live client's connection: socket, queue, and what is being written. Owned by the client's thread, and lent, by a
//! lock that is nearly always free, to whoever is awake to deliver.
//!
//! Invariant: of every queued batch, either it was written or the client's thread was woken after it was queued; while
//! lines come fast, a client whose socket is full may also be among those that the next round carries to. Where the lock
//! is taken, its holder may have looked into the queue already, so the thread is unparked; every park is followed by a
//! fresh drain.

mod engine;
mod inflate;
mod own;
mod taken;

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, TryRecvError};
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use crate::limits::{FRAMES_APART_BYTES, TAKEN_MAX};
use crate::pace::BLOCKED_PATIENCE;
use crate::reader::Reader;
use crate::source::{Batch, Chunk, Kind, Position, Segment};

use engine::Engine;
use own::{Own, Place};
use taken::{Item, Taken};

use super::filter::Sifted;
use super::wire::{FrameEnd, Framing, Sum, Wire};
use crate::serve::transport::socket::Socket;

/// How a delivery ended.
#[derive(Debug)]
pub enum Carried {
    /// All that was queued is written, and in the kernel.
    Drained,
    /// The socket is full.
    Blocked,
    /// The queue is gone: the client reads the file again.
    Lost,
    /// This client encodes for itself, in its own thread.
    OwnThread,
}

/// What became of the next batch of a queue.
enum One {
    /// It is written, and was the last one.
    Written,
    /// It waits to be written, perhaps with others.
    Taken,
    /// There is none.
    Empty,
    /// The queue is gone.
    Lost,
}

/// One client's connection: what is to be written to it, and what it says.
#[derive(Debug)]
pub struct Link {
    socket: Arc<Socket>,
    engine: Engine,
    /// How lines become bytes.
    pub wire: Wire,
    /// The client is live: its queue may be carried.
    pub live: bool,
    /// Its thread waits for the socket to take more: nobody else needs to try.
    pub waits: bool,
    /// The queue, while it is subscribed.
    pub queue: Option<Receiver<Arc<Batch>>>,
    /// Where it stands, while it is live.
    pub reader: Option<Reader>,
    /// Goes out first.
    own: Own,
    /// Goes out next.
    taken: Taken,
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

/// What the peer speaks once its stream has begun.
#[derive(Debug)]
pub enum Speaks {
    /// Nothing that matters.
    Http,
    /// WebSocket.
    WebSocket {
        /// What it has said after its request.
        rest: Vec<u8>,
        /// Bounds.
        config: WebSocketConfig,
    },
}

impl Link {
    /// A link that is not live yet.
    pub fn new(socket: Arc<Socket>, speaks: Speaks, wire: Wire) -> Link {
        let engine = match speaks {
            Speaks::Http => Engine::new(None),
            Speaks::WebSocket { rest, config } if wire.deflates_messages() => {
                Engine::with_deflate(rest, config)
            }
            Speaks::WebSocket { rest, config } => {
                let context =
                    WebSocketContext::from_partially_read(rest, Role::Server, Some(config));
                Engine::new(Some(context))
            }
        };
        Link {
            socket,
            engine,
            wire,
            live: false,
            waits: false,
            queue: None,
            reader: None,
            own: Own::default(),
            taken: Taken::default(),
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
        self.own.is_clear() && self.taken.is_empty()
    }

    // -- what is to be written

    /// Queues bytes that are no segment: a head, a heartbeat, an ending.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.own.bytes.extend_from_slice(bytes);
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
        self.taken.push(Item {
            chunk,
            header: header.unwrap_or_default(),
            sum: Sum::default(),
            done: None,
        });
    }

    /// The same of a segment, encoded for this client alone.
    pub fn push_segment(&mut self, segment: &Segment, sifted: &Sifted) {
        if let Some(header) = self.header_for(segment, sifted, self.named) {
            self.own.bytes.extend_from_slice(&header);
            self.named = Some(segment.source.index);
        }
        let own = &mut self.own;
        let before = self.lines;
        if let Kind::Lines(lines) = &segment.kind {
            self.lines += sifted.count(lines.len());
        }
        let mut frames = std::mem::take(&mut own.frames);
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
        own.frames = frames;
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

    /// Cuts its own bytes down to the frame that is half on the wire; where the stream then stands, where that is
    /// known. Called when its peer takes nothing, so that it does not hold what can be read again.
    pub fn trim(&mut self) -> Option<(u32, Position)> {
        if self.own.is_clear() {
            let chunk = self.taken.first()?.clone();
            let Kind::Lines(lines) = &chunk.kind else {
                return None;
            };
            let begin = Position {
                generation: lines.generation,
                offset: lines.from,
            };
            let line = self.let_go();
            let position = line.map_or(begin, |line| lines.after(line));
            return Some((chunk.source.index, position));
        }
        let place = self.own.trim()?;
        // A header of another file may be among what is let go of.
        self.named = Some(place.index);
        self.lines = place.lines;
        self.wire.goes_back(place.sum);
        Some((place.index, place.position))
    }

    /// Lets go of the queue and of all that is not half on the wire already. The stream then stands at the end of that.
    pub fn forsake(&mut self) {
        self.queue = None;
        let first = self.taken.first().cloned();
        if let (Some(chunk), Some(line), Some(reader)) = (first, self.let_go(), &mut self.reader) {
            reader.has_up_to(&chunk, line);
        }
    }

    /// Lets go of the chunks, all but the rest of a frame that is half on the wire. Returns the last line of the first
    /// chunk that the peer then has, if there is one.
    fn let_go(&mut self) -> Option<usize> {
        let (first, written) = self.taken.forsake()?;
        self.named = Some(first.chunk.source.index);
        self.wire.was_sent_a_part();
        // Race: a pong or a ping is due before this rest is written. It must not go into the middle of the frame.
        if written < first.header.len() {
            self.own.push_rest(&first.header[written..]);
            return None;
        }
        let in_form = written - first.header.len();
        let (end, line) = self.wire.frame_end(&first.chunk, in_form)?;
        let rest = &self.wire.form(&first.chunk)[in_form..end];
        self.own.push_rest(rest);
        self.lines += line as u64 + 1;
        Some(line)
    }

    // -- writing

    /// Writes what is queued as far as the socket takes it now. `own_thread` says that the caller is the client's
    /// thread. An error ends the client.
    pub fn carry(&mut self, own_thread: bool) -> io::Result<Carried> {
        loop {
            if !self.write_own()? {
                return Ok(Carried::Blocked);
            }
            if self.live && !self.wire.is_shared() && !own_thread {
                return Ok(Carried::OwnThread);
            }
            let next = if self.live {
                self.take_one()?
            } else {
                // What it has read goes out, and the queue stays as it is.
                One::Empty
            };
            let lost = match next {
                One::Written => return self.flushed(),
                One::Empty => false,
                One::Lost => true,
                One::Taken => self.take(),
            };
            if !self.own.is_clear() {
                continue;
            }
            if self.taken.is_empty() {
                return if lost {
                    Ok(Carried::Lost)
                } else {
                    self.flushed()
                };
            }
            if !self.write_taken()? {
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

    /// Writes the protocol's replies and the link's own bytes; whether all are written.
    fn write_own(&mut self) -> io::Result<bool> {
        // A reply must not go into the middle of one of our frames, and our bytes not into the middle of a reply: ours go
        // out only when the protocol's flush has returned Ok.
        if !self.flush_replies()? {
            return Ok(false);
        }
        if self.own.is_unused() {
            return Ok(true);
        }
        let (written, all) = self.own.write(&self.socket)?;
        self.progress += written as u64;
        Ok(all && self.flush_replies()?)
    }

    /// A frame of ours is half on the wire.
    fn is_half(&self) -> bool {
        self.own.is_half() || self.taken.is_half()
    }

    /// Writes the protocol's replies, unless they must wait for the end of a frame of ours; false where the socket is
    /// full.
    fn flush_replies(&mut self) -> io::Result<bool> {
        if !self.engine.has_replies() || self.is_half() {
            return Ok(true);
        }
        self.engine.flush(engine::Wire {
            socket: &self.socket,
            is_half: false,
        })
    }

    /// Takes the next batch from the queue. If nothing else waits and it is of one segment, as nearly always, it is
    /// written from where it lies; what the socket doesn't take of it is kept like any other.
    fn take_one(&mut self) -> io::Result<One> {
        if !self.taken.is_empty() {
            return Ok(One::Taken);
        }
        let Some(queue) = &self.queue else {
            return Ok(One::Lost);
        };
        let batch = match queue.try_recv() {
            Ok(batch) => batch,
            Err(TryRecvError::Empty) => return Ok(One::Empty),
            Err(TryRecvError::Disconnected) => return Ok(One::Lost),
        };
        // Race: another batch is queued from here on. Whoever carries it finds the lock taken, and wakes the thread.
        let [segment] = &batch.segments[..] else {
            self.take_in(batch);
            return Ok(One::Taken);
        };
        if !queue.is_empty() || self.wire.has_headers() || !self.wire.is_shared() {
            self.take_in(batch);
            return Ok(One::Taken);
        }
        let Some(reader) = self.reader.as_mut().filter(|r| r.selects(segment)) else {
            self.done = batch.sequence;
            return Ok(One::Written);
        };
        let bytes = self.wire.form(segment);
        let written = match bytes {
            // An event, in a format that has none.
            [] => 0,
            // Errors are dropped here: the next write on this socket reports them again, to the thread that can act.
            bytes => self
                .socket
                .write_vectored(&[IoSlice::new(bytes)])
                .unwrap_or_default(),
        };
        self.progress += written as u64;
        if written == bytes.len() {
            reader.has(segment);
            self.lines += segment.lines_len();
            self.wire.was_sent(Sum::default(), segment);
            self.done = batch.sequence;
            return Ok(One::Written);
        }
        self.take_in(batch);
        self.taken.has_written(written);
        Ok(One::Taken)
    }

    /// Takes some batches from the queue; whether the queue is gone.
    fn take(&mut self) -> bool {
        while self.taken.len() < TAKEN_MAX && self.own.is_clear() {
            let Some(queue) = &self.queue else {
                return true;
            };
            match queue.try_recv() {
                Ok(batch) => self.take_in(batch),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    fn take_in(&mut self, batch: Arc<Batch>) {
        let reader = self.reader.as_ref();
        let wanted: Vec<usize> = (0..batch.segments.len())
            .filter(|&n| reader.is_some_and(|reader| reader.selects(&batch.segments[n])))
            .collect();
        if !self.wire.is_shared() {
            for n in wanted {
                let segment = &batch.segments[n];
                let sifted = Sifted::of(segment, self.wire.filter());
                self.push_segment(segment, &sifted);
                if let Some(reader) = &mut self.reader {
                    reader.has(&batch.segments[n]);
                }
            }
            self.done = batch.sequence;
            return;
        }
        if wanted.is_empty() {
            if self.taken.is_empty() {
                self.done = batch.sequence;
            }
            return;
        }
        for (i, &segment) in wanted.iter().enumerate() {
            let named = self.taken.last_file().or(self.named);
            // It counts once it is sent, behind what was taken before.
            let before = self.wire.sum();
            self.wire.goes_back(Sum::default());
            let header = self.header_for(&batch.segments[segment], &Sifted::All, named);
            let header = header.unwrap_or_default();
            let sum = self.wire.sum();
            self.wire.goes_back(before);
            self.taken.push(Item {
                chunk: Chunk::of(&batch, segment),
                header,
                sum,
                done: (i + 1 == wanted.len()).then_some(batch.sequence),
            });
        }
    }

    /// Writes what was taken with one call; whether the socket took any of it.
    fn write_taken(&mut self) -> io::Result<bool> {
        match self.taken.write(&self.wire, &self.socket) {
            Ok(n) => self.progress += n as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        while let Some(item) = self.taken.pop_written(&self.wire) {
            if let Some(reader) = &mut self.reader {
                reader.has(&item.chunk);
            }
            self.lines += item.chunk.lines_len();
            self.wire.was_sent(item.sum, &item.chunk);
            if matches!(item.chunk.kind, Kind::Lines(_)) {
                self.named = Some(item.chunk.source.index);
            }
            self.done = item.done.unwrap_or(self.done);
        }
        if !self.live && self.taken.is_empty() {
            // Most clients are idle from here on: nothing is kept.
            self.taken = Taken::default();
        }
        Ok(true)
    }

    // -- what the peer says

    /// Reads one message of a WebSocket peer; `None` where it has said nothing more for now.
    pub fn read_message(&mut self) -> Result<Option<Message>, Error> {
        let is_half = self.is_half();
        let socket = &self.socket;
        self.engine.read(engine::Wire { socket, is_half })
    }

    /// Queues a ping.
    pub fn ping(&mut self) {
        let is_half = self.is_half();
        let socket = &self.socket;
        self.engine.ping(engine::Wire { socket, is_half });
    }

    /// Queues the close frame, after what is half on the wire.
    pub fn close(&mut self, frame: CloseFrame) {
        let is_half = self.is_half();
        let socket = &self.socket;
        self.engine.close(engine::Wire { socket, is_half }, frame);
    }

    /// Whether the peer speaks WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.wire.framing() == Framing::WebSocket
    }
}
