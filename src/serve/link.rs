//! A live client's connection: socket, queue, and what is being written. Owned by the client's thread, and lent, by a
//! lock that is nearly always free, to whoever is awake to deliver.
//!
//! Invariant: of every queued batch, either it was written or the client's thread was woken after it was queued. Where
//! the lock is taken, its holder may have looked into the queue already, so the thread is unparked; every park is
//! followed by a fresh drain.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError};
use tungstenite::protocol::{CloseFrame, WebSocketContext};
use tungstenite::{Error, Message};

use crate::limits::TAKEN_MAX;
use crate::reader::Reader;
use crate::source::{Batch, Kind, Position, Segment};

use super::socket::Socket;
use super::wire::{Framing, Wire};

/// How a delivery ended.
#[derive(Debug)]
pub enum Carried {
    /// All that was queued is written.
    Drained,
    /// The socket is full.
    Blocked,
    /// The queue is gone: the client reads the file again.
    Lost,
    /// This client encodes for itself, in its own thread.
    OwnThread,
}

/// See the module.
#[derive(Debug)]
pub struct Link {
    socket: Arc<Socket>,
    /// Where the peer speaks WebSocket: the protocol's state.
    context: Option<WebSocketContext>,
    /// Replies of the protocol may wait to be written.
    replies: bool,
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
    /// Bytes of its own that go out first.
    own: Own,
    /// What goes out next, of batches that were taken from the queue.
    items: VecDeque<Item>,
    /// Bytes of the first item that are written.
    written: usize,
    /// The file that the stream was last said to be in.
    named: Option<u32>,
    /// The sequence number of the last batch it is done with.
    done: u64,
    /// Bytes and whether anything was written since last asked.
    progress: u64,
}

#[derive(Debug, Default)]
struct Own {
    bytes: Vec<u8>,
    at: usize,
    /// `bytes` begin with the rest of a frame whose beginning is on the wire.
    half: bool,
    /// The frames in `bytes`: where each ends, and where the stream then stands.
    frames: Vec<(usize, u32, Position)>,
}

#[derive(Debug)]
struct Item {
    batch: Arc<Batch>,
    segment: usize,
    header: Vec<u8>,
    last: bool,
}

impl Item {
    fn segment(&self) -> &Segment {
        &self.batch.segments[self.segment]
    }
}

impl Link {
    /// A link that is not live yet.
    pub fn new(socket: Arc<Socket>, context: Option<WebSocketContext>, wire: Wire) -> Link {
        Link {
            socket,
            context,
            replies: false,
            wire,
            live: false,
            waits: false,
            queue: None,
            reader: None,
            own: Own::default(),
            items: VecDeque::new(),
            written: 0,
            named: None,
            done: 0,
            progress: 0,
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

    /// Nothing at all waits to be written: bytes of its own may go out without getting into the middle of a batch.
    pub fn is_idle(&self) -> bool {
        self.is_clear() && self.items.is_empty()
    }

    /// Nothing of its own waits to be written.
    pub fn is_clear(&self) -> bool {
        self.own.at == self.own.bytes.len()
    }

    /// Queues bytes that are no segment: a head, a heartbeat, an ending.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.own.bytes.extend_from_slice(bytes);
    }

    /// Queues a segment that its own thread has read.
    pub fn push_segment(&mut self, segment: &Segment) {
        if let Some(header) = self.header_for(segment, self.named) {
            self.own.bytes.extend_from_slice(&header);
            self.named = Some(segment.source.index);
        }
        let index = segment.source.index;
        let frames = &mut self.own.frames;
        self.wire
            .encode(segment, &mut self.own.bytes, &mut |end, line| {
                if let Kind::Lines(lines) = &segment.kind {
                    frames.push((end, index, lines.after(line)));
                }
            });
    }

    /// The header that goes before a segment where the stream was last in the file `named`.
    fn header_for(&self, segment: &Segment, named: Option<u32>) -> Option<Vec<u8>> {
        let lines = matches!(segment.kind, Kind::Lines(_));
        if !lines || !self.wire.has_headers() || named == Some(segment.source.index) {
            return None;
        }
        if let (Kind::Lines(lines), Some(filter)) = (&segment.kind, self.wire.filter())
            && !(0..lines.len()).any(|i| filter.passes(lines.line(i)))
        {
            return None;
        }
        Some(self.wire.header(&segment.source.name, named.is_none()))
    }

    /// Cuts its own bytes down to the frame that is half on the wire; where the stream then stands, where that is
    /// known. Called when its peer takes nothing, so that it does not hold what can be read again.
    pub fn trim(&mut self) -> Option<(u32, Position)> {
        let at = self.own.at;
        let next = self.own.frames.iter().position(|&(end, _, _)| end >= at)?;
        let (end, index, position) = self.own.frames[next];
        let rest = self.own.bytes[at..end.max(at)].to_vec();
        // A header of another file may be among what is let go of.
        self.named = Some(index);
        self.own = Own {
            bytes: rest,
            at: 0,
            half: at > 0 || self.own.half,
            frames: Vec::new(),
        };
        Some((index, position))
    }

    /// Lets go of the queue and of all that is not half on the wire already. The stream then stands at the end of that.
    pub fn forsake(&mut self) {
        self.queue = None;
        let items = std::mem::take(&mut self.items);
        let Some(first) = items.front() else { return };
        let written = std::mem::take(&mut self.written);
        if written == 0 {
            return;
        }
        // Race: a pong or a ping is due before this rest is written. It must not go into the middle of the frame.
        self.own.half = true;
        if written < first.header.len() {
            self.own.bytes.extend_from_slice(&first.header[written..]);
            self.named = Some(first.segment().source.index);
            return;
        }
        self.named = Some(first.segment().source.index);
        let in_form = written - first.header.len();
        // The end of the frame that is half written is found by encoding once more: frames are not remembered for all.
        let mut bytes = Vec::new();
        let mut cut = None;
        self.wire
            .encode(first.segment(), &mut bytes, &mut |end, line| {
                if cut.is_none() && end >= in_form {
                    cut = Some((end, line));
                }
            });
        if let Some((end, line)) = cut {
            self.own.bytes.extend_from_slice(&bytes[in_form..end]);
            if let Some(reader) = &mut self.reader {
                reader.has_up_to(first.segment(), line);
            }
        }
    }

    /// Writes what is queued as far as the socket takes it now. `own_thread` says that the caller is the client's
    /// thread. An error ends the client.
    pub fn carry(&mut self, own_thread: bool) -> io::Result<Carried> {
        loop {
            match self.write_own()? {
                true => {}
                false => return Ok(Carried::Blocked),
            }
            if !self.live {
                return Ok(Carried::Drained);
            }
            if !self.wire.is_shared() && !own_thread {
                return Ok(Carried::OwnThread);
            }
            let lost = self.take();
            if !self.is_clear() {
                continue;
            }
            if self.items.is_empty() {
                return Ok(if lost {
                    Carried::Lost
                } else {
                    Carried::Drained
                });
            }
            if !self.write_items()? {
                return Ok(Carried::Blocked);
            }
        }
    }

    /// Writes the protocol's replies and the link's own bytes; whether all are written.
    fn write_own(&mut self) -> io::Result<bool> {
        // A reply must not go into the middle of one of our frames, and our bytes not into the middle of a reply: ours go
        // out only when the protocol's flush has returned Ok.
        if self.replies && !self.is_half() && !self.flush_replies()? {
            return Ok(false);
        }
        while self.own.at < self.own.bytes.len() {
            match self
                .socket
                .write_vectored(&[IoSlice::new(&self.own.bytes[self.own.at..])])
            {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.own.at += n;
                    self.progress += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if !self.own.bytes.is_empty() || self.own.half {
            // Most clients are idle most of the time: nothing is kept.
            self.own = Own::default();
        }
        if self.replies && !self.is_half() {
            return self.flush_replies();
        }
        Ok(true)
    }

    /// A frame of ours is half on the wire.
    fn is_half(&self) -> bool {
        let begun = self.own.at > 0 || self.own.half;
        begun && !self.is_clear() || self.written > 0
    }

    fn flush_replies(&mut self) -> io::Result<bool> {
        let Some(context) = &mut self.context else {
            return Ok(true);
        };
        match context.flush(&mut Plain(&self.socket)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                self.replies = false;
                Ok(true)
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(Error::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Takes some batches from the queue; whether the queue is gone.
    fn take(&mut self) -> bool {
        while self.items.len() < TAKEN_MAX {
            let Some(queue) = &self.queue else {
                return true;
            };
            match queue.try_recv() {
                Ok(batch) => self.take_in(batch),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
            if !self.is_clear() {
                return false;
            }
        }
        false
    }

    fn take_in(&mut self, batch: Arc<Batch>) {
        let reader = self.reader.as_ref();
        let wanted: Vec<usize> = (0..batch.segments.len())
            .filter(|&n| {
                reader.is_some_and(|reader| reader.selects(batch.segments[n].source.index))
            })
            .collect();
        if !self.wire.is_shared() {
            for n in wanted {
                self.push_segment(&batch.segments[n]);
                if let Some(reader) = &mut self.reader {
                    reader.has(&batch.segments[n]);
                }
            }
            self.done = batch.sequence;
            return;
        }
        if wanted.is_empty() {
            if self.items.is_empty() {
                self.done = batch.sequence;
            }
            return;
        }
        for (i, &segment) in wanted.iter().enumerate() {
            let lines = |item: &&Item| matches!(item.segment().kind, Kind::Lines(_));
            let queued = self
                .items
                .iter()
                .rev()
                .find(lines)
                .map(|item| item.segment().source.index);
            let named = queued.or(self.named);
            let header = self
                .header_for(&batch.segments[segment], named)
                .unwrap_or_default();
            let last = i + 1 == wanted.len();
            self.items.push_back(Item {
                batch: Arc::clone(&batch),
                segment,
                header,
                last,
            });
        }
    }

    /// Writes the items with one call; whether the socket took any of it.
    fn write_items(&mut self) -> io::Result<bool> {
        let mut slices = Vec::with_capacity(self.items.len() * 2);
        let mut skip = self.written;
        for item in &self.items {
            for bytes in [&item.header[..], self.wire.form(item.segment())] {
                let from = skip.min(bytes.len());
                skip -= from;
                if from < bytes.len() {
                    slices.push(IoSlice::new(&bytes[from..]));
                }
            }
        }
        let mut n = 0;
        if !slices.is_empty() {
            n = match self.socket.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
        }
        self.progress += n as u64;
        self.written += n;
        while let Some(item) = self.items.front() {
            let len = item.header.len() + self.wire.form(item.segment()).len();
            if self.written < len {
                break;
            }
            self.written -= len;
            if let Some(item) = self.items.pop_front() {
                if let Some(reader) = &mut self.reader {
                    reader.has(item.segment());
                }
                if matches!(item.segment().kind, Kind::Lines(_)) {
                    self.named = Some(item.segment().source.index);
                }
                if item.last {
                    self.done = item.batch.sequence;
                }
            }
        }
        Ok(true)
    }

    // -- what the peer says

    /// Reads one message of a WebSocket peer; `None` where it has said nothing more for now.
    pub fn read_message(&mut self) -> Result<Option<Message>, Error> {
        let half = self.is_half();
        let Some(context) = &mut self.context else {
            return Ok(None);
        };
        self.replies = true;
        // The engine writes replies while it reads; while a frame of ours is half on the wire it must not.
        let read = if half {
            context.read(&mut ReadOnly(&self.socket))
        } else {
            context.read(&mut Plain(&self.socket))
        };
        match read {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Queues a ping.
    pub fn ping(&mut self) {
        let half = self.is_half();
        let Some(context) = &mut self.context else {
            return;
        };
        self.replies = true;
        // A full buffer means that pings wait already; a broken socket shows at the next write.
        let ping = Message::Ping(tungstenite::Bytes::new());
        let _ = if half {
            context.write(&mut ReadOnly(&self.socket), ping)
        } else {
            context.write(&mut Plain(&self.socket), ping)
        };
    }

    /// Queues the close frame, after what is half on the wire.
    pub fn close(&mut self, frame: CloseFrame) {
        let half = self.is_half();
        let Some(context) = &mut self.context else {
            return;
        };
        self.replies = true;
        let _ = if half {
            context.close(&mut ReadOnly(&self.socket), Some(frame))
        } else {
            context.close(&mut Plain(&self.socket), Some(frame))
        };
    }

    /// Whether the peer speaks WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.wire.framing() == Framing::WebSocket
    }
}

/// The socket as the protocol engine sees it.
struct Plain<'a>(&'a Socket);

impl Read for Plain<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Plain<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write_vectored(&[IoSlice::new(buf)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same while a frame of ours is half on the wire.
struct ReadOnly<'a>(&'a Socket);

impl Read for ReadOnly<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for ReadOnly<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
