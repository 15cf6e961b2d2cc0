//! The program without its sockets: the watcher, the hub, and clients that read as a client thread does.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tailcast::courier::Rounds;
use tailcast::hub::{Hub, Selection, Shelf, Subscriber};
use tailcast::pattern::Wanted;
use tailcast::reader::{Begin, From, Reader, note};
use tailcast::source::{Batch, Id, Kind, Segment, Source};
use tailcast::stop::Stop;
use tailcast::tail::{Handle, Options, Watcher};

use crate::play::{self, FILES, Program};
use crate::world::{Got, Stored, number_of};

/// Nothing waits that long when it works.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes that a client reads at a time: little, so that much can happen in between.
const CHUNK_BYTES: usize = 512;

/// Bytes on the shelf: a dozen reads.
const SHELF_BYTES: usize = 8 * 1024;

/// Batches that fill the queue of all clients but the first: it has all room, so that nothing is left out for it.
const QUEUE_BATCHES: usize = 4;

/// One run of the program.
pub(crate) struct Inside {
    hub: Arc<Hub>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Program for Inside {
    type Client = Client;

    fn start(logs: &[PathBuf], _: Stored) -> Inside {
        // A shelf so small that chunks are thrown away all the time, and takes the smallest of them.
        let hub = Hub::new(1 << 20).expect("a hub");
        let hub = Arc::new(hub.shelving(Shelf::new(SHELF_BYTES, 1)));
        let rounds = Arc::new(Rounds::new(Arc::clone(&hub), None));
        let wanted = |log: &PathBuf| Wanted::read(log.as_os_str()).expect("a path");
        let wanted: Vec<_> = logs.iter().map(wanted).collect();
        let watcher = Watcher::new(&wanted, Arc::clone(&hub), rounds, Options::default());
        let watcher = watcher.expect("a watcher");
        let handle = watcher.handle();
        let thread = watcher.start(Arc::new(Stop::default())).expect("a thread");
        Inside {
            hub,
            handle,
            thread,
        }
    }

    fn end(self) {
        self.handle.quit();
        self.thread.join().expect("the watcher does not panic");
        self.hub.close();
    }

    fn look(&self) -> Result<(), String> {
        match self.hub.looks.ask() {
            true => Ok(()),
            false => Err("no look in time".to_owned()),
        }
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
    stalls: bool,
    queue_batches: usize,
    files: [Has; FILES],
}

/// What a client has of a file.
#[derive(Default)]
struct Has {
    /// The place after the last that it got.
    id: Option<Id>,
    got: Vec<Got>,
    last: Option<usize>,
}

impl play::Client for Client {
    type Program = Inside;

    fn new(number: usize) -> Client {
        Client {
            life: Life::Away,
            stalls: false,
            queue_batches: if number == 0 { 1 << 20 } else { QUEUE_BATCHES },
            files: Default::default(),
        }
    }

    fn can_be_left_behind(&self) -> bool {
        !self.is_away() && self.queue_batches < 1 << 20
    }

    fn is_away(&self) -> bool {
        matches!(self.life, Life::Away)
    }

    fn stall(&mut self, stalls: bool) {
        self.stalls = stalls;
    }

    fn stalls(&self) -> bool {
        self.stalls
    }

    fn got(&self, file: usize) -> Vec<Got> {
        self.files[file].got.clone()
    }

    fn come(&mut self, daemon: &Inside) {
        let begin = Begin {
            hub: &daemon.hub,
            selection: Selection::All,
            follow: true,
            since: None,
            until: None,
            rotated: false,
            passes: None,
            pause: &mut |_| ControlFlow::Continue(()),
        };
        let from = |source: &Source| {
            let id = self.files[source.index as usize].id;
            id.map_or(From::All, From::After)
        };
        let reader = begin
            .reader(note(&daemon.hub, &Selection::All, true), &from)
            .expect("readable")
            .expect("not given up");
        self.life = Life::Reads(Box::new(reader));
        // The `start` of each file, which names the place from which it can be resumed even if nothing else has come.
        let now = Instant::now();
        while self.files.iter().any(|has| has.id.is_none()) && self.step(daemon, now).is_ok() {}
        // One whose queue has all room reads no file once it has joined.
        while !self.can_be_left_behind() && !matches!(self.life, Life::Live { .. } | Life::Away) {
            let _ = self.step(daemon, now);
        }
    }

    fn go(&mut self, daemon: &Inside) {
        if let Life::Live { key, .. } = self.life {
            daemon.hub.leave(key);
        }
        self.life = Life::Away;
    }

    fn take_until(&mut self, daemon: &Inside, last: &[usize]) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while self.lacks(last) {
            self.step(daemon, deadline)
                .map_err(|e| format!("read: {e}"))?;
            if Instant::now() > deadline {
                let have = self.have();
                return Err(format!("lines {last:?} do not come; last {have:?}"));
            }
        }
        Ok(())
    }

    fn catch_up(&mut self, daemon: &Inside) -> Result<(), String> {
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
        Err(format!("does not catch up; last {:?}", self.have()))
    }
}

impl Client {
    fn have(&self) -> Vec<Option<usize>> {
        self.files.iter().map(|has| has.last).collect()
    }

    fn lacks(&self, last: &[usize]) -> bool {
        let lacks = |(has, last): (&Has, &usize)| has.last.is_none_or(|have| have < *last);
        self.files.iter().zip(last).any(lacks)
    }

    fn step(&mut self, daemon: &Inside, deadline: Instant) -> io::Result<()> {
        match std::mem::replace(&mut self.life, Life::Away) {
            Life::Away => {}
            Life::Reads(mut reader) => {
                if let Some(segment) = reader.next(CHUNK_BYTES)? {
                    self.take_down(&segment);
                } else if reader.is_close() {
                    let (subscriber, awaited) = (Arc::new(Quiet), reader.awaited());
                    let queue_batches = self.queue_batches;
                    let hub = &daemon.hub;
                    let joined = hub.join(subscriber, Selection::All, awaited, queue_batches);
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
        let has = &mut self.files[segment.source.index as usize];
        match &segment.kind {
            Kind::Event(event) => {
                has.id = Some(event.id);
                let name = event.kind.name();
                has.got.push(Got::Event(format!("{name} {:?}", event.kind)));
            }
            Kind::Lines(lines) => {
                has.id = Some(lines.id_after(lines.len() - 1));
                for i in 0..lines.len() {
                    let line = String::from_utf8_lossy(lines.line(i)).into_owned();
                    has.last = number_of(&line).or(has.last);
                    has.got.push(Got::Line(line));
                }
            }
        }
    }
}
