//! The program without its sockets: the watcher, the hub, and clients that read as a client thread does.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tailcast::courier::Rounds;
use tailcast::hub::{Hub, Selection, Subscriber};
use tailcast::reader::{Begin, From, Reader};
use tailcast::source::{Batch, Id, Kind, Segment};
use tailcast::stop::Stop;
use tailcast::tail::{Handle, Options, Watcher};

use crate::world::Got;

/// Nothing waits that long when it works.
const DEADLINE: Duration = Duration::from_secs(8);

/// Bytes that a client reads at a time: little, so that much can happen in between.
const CHUNK_BYTES: usize = 512;

/// One run of the program.
pub(crate) struct Daemon {
    pub(crate) hub: Arc<Hub>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Daemon {
    pub(crate) fn start(log: &Path) -> Daemon {
        let hub = Arc::new(Hub::new(1 << 20).expect("a hub"));
        let rounds = Arc::new(Rounds::new(Arc::clone(&hub), None));
        let files = [log.to_owned()];
        let watcher = Watcher::new(&files, Arc::clone(&hub), rounds, Options::default());
        let watcher = watcher.expect("a watcher");
        let handle = watcher.handle();
        let thread = watcher.start(Arc::new(Stop::default())).expect("a thread");
        Daemon {
            hub,
            handle,
            thread,
        }
    }

    pub(crate) fn end(self) {
        self.handle.quit();
        self.thread.join().expect("the watcher does not panic");
        self.hub.close();
    }
}

#[derive(Debug)]
struct Quiet;

impl Subscriber for Quiet {
    fn carry(&self) {}
    fn dropped(&self) {}
    fn done(&self) -> u64 {
        u64::MAX
    }
}

/// Where a client is in its life.
enum Life {
    Away,
    Reads(Box<Reader>),
    /// It has joined: what comes by the queue follows what the reader has.
    Live {
        reader: Box<Reader>,
        queue: Receiver<Arc<Batch>>,
        key: u64,
    },
}

/// A client, over all its connections.
pub(crate) struct Client {
    life: Life,
    /// It does not read for now.
    pub(crate) stalls: bool,
    queue_batches: usize,
    /// The place after the last that it got.
    id: Option<Id>,
    pub(crate) got: Vec<Got>,
    last: Option<usize>,
}

impl Client {
    pub(crate) fn new(queue_batches: usize) -> Client {
        Client {
            life: Life::Away,
            stalls: false,
            queue_batches,
            id: None,
            got: Vec::new(),
            last: None,
        }
    }

    /// Files can come and go while it does not read.
    pub(crate) fn can_be_left_behind(&self) -> bool {
        !self.is_away() && self.queue_batches < 1 << 20
    }

    pub(crate) fn is_away(&self) -> bool {
        matches!(self.life, Life::Away)
    }

    /// Connects: with everything there is, or after what it got last.
    pub(crate) fn come(&mut self, daemon: &Daemon) {
        let begin = Begin {
            hub: &daemon.hub,
            selection: Selection::All,
            follow: true,
            passes: None,
            pause: &mut |_| ControlFlow::Continue(()),
        };
        let id = self.id;
        let reader = begin
            .reader(note(&self.hub), &|_| id.map_or(From::All, From::After))
            .expect("readable")
            .expect("not given up");
        self.life = Life::Reads(Box::new(reader));
        // Its `start`, which names the place from which it can be resumed even if nothing else has come.
        let now = Instant::now();
        let _ = self.step(daemon, now);
        // One whose queue has all room reads no file once it has joined.
        while !self.can_be_left_behind() && !matches!(self.life, Life::Live { .. } | Life::Away) {
            let _ = self.step(daemon, now);
        }
    }

    /// Disconnects.
    pub(crate) fn go(&mut self, daemon: &Daemon) {
        if let Life::Live { key, .. } = self.life {
            daemon.hub.leave(key);
        }
        self.life = Life::Away;
    }

    /// Takes what comes until it has line `last`.
    pub(crate) fn take_until(&mut self, daemon: &Daemon, last: usize) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while self.last.is_none_or(|have| have < last) {
            self.step(daemon, deadline)
                .map_err(|e| format!("read: {e}"))?;
            if Instant::now() > deadline {
                return Err(format!("line {last} does not come; last {:?}", self.last));
            }
        }
        Ok(())
    }

    /// Takes what is published.
    pub(crate) fn catch_up(&mut self, daemon: &Daemon) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            let now = Instant::now();
            match &self.life {
                Life::Away => return Ok(()),
                Life::Live { queue, .. } if queue.is_empty() => {
                    // An empty queue may be one that was dropped: then there is more to read.
                    self.step(daemon, now).map_err(|e| format!("read: {e}"))?;
                    if matches!(self.life, Life::Live { .. }) {
                        return Ok(());
                    }
                }
                _ => self.step(daemon, now).map_err(|e| format!("read: {e}"))?,
            }
        }
        Err(format!("does not catch up; last {:?}", self.last))
    }

    fn step(&mut self, daemon: &Daemon, deadline: Instant) -> io::Result<()> {
        match std::mem::replace(&mut self.life, Life::Away) {
            Life::Away => {}
            Life::Reads(mut reader) => {
                if let Some(segment) = reader.next(CHUNK_BYTES)? {
                    self.take_down(&segment);
                } else if reader.is_close() {
                    let joined =
                        daemon
                            .hub
                            .join(Arc::new(Quiet), Selection::All, self.queue_batches);
                    let joined = joined.map_err(|_| io::Error::other("stopping"))?;
                    reader.stop_at(&joined.edges);
                    while let Some(segment) = reader.next(CHUNK_BYTES)? {
                        self.take_down(&segment);
                    }
                    let (queue, key) = (joined.queue, joined.key);
                    self.life = Life::Live { reader, queue, key };
                    return Ok(());
                }
                self.life = Life::Reads(reader);
            }
            Life::Live {
                mut reader,
                queue,
                key,
            } => match queue.recv_deadline(deadline) {
                Ok(batch) => {
                    for segment in &batch.segments {
                        self.take_down(segment);
                        reader.has(segment);
                    }
                    self.life = Life::Live { reader, queue, key };
                }
                Err(RecvTimeoutError::Timeout) => self.life = Life::Live { reader, queue, key },
                Err(RecvTimeoutError::Disconnected) => {
                    reader.stop_nowhere();
                    self.life = Life::Reads(reader);
                }
            },
        }
        Ok(())
    }

    fn take_down(&mut self, segment: &Segment) {
        match &segment.kind {
            Kind::Event(event) => {
                self.id = Some(event.id);
                self.got.push(Got::Event(format!("{:?}", event.kind)));
            }
            Kind::Lines(lines) => {
                self.id = Some(lines.id_after(lines.len() - 1));
                for i in 0..lines.len() {
                    let line = String::from_utf8_lossy(lines.line(i)).into_owned();
                    let number = line.split(' ').nth(1).and_then(|n| n.parse().ok());
                    self.last = number.or(self.last);
                    self.got.push(Got::Line(line));
                }
            }
        }
    }
}
