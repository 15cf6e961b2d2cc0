//! The program without its sockets: the watcher, the hub, and clients that read as a client thread does.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use tailcast::courier::Rounds;
use tailcast::hub::{Hub, Selection, Shelf, Subscriber};
use tailcast::pattern::Wanted;
use tailcast::reader::life::{Happening, State};
use tailcast::reader::{Begin, From, Next, Subscription, note};
use tailcast::source::{Id, Kind, Segment, Source};
use tailcast::stop::Stop;
use tailcast::tail::{Handle, Options, Watcher};

use crate::play::{self, FILES, Program};
use crate::world::{Got, Stored, number_of};

/// Nothing waits that long when it works.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes that a client reads at a time: little, so that much can happen in between.
const CHUNK_BYTES: usize = 512;

/// Bytes of the shelf that a client takes for one write.
const RUN_BYTES: usize = 4 * CHUNK_BYTES;

/// Batches that fill the queues of the clients. The first has all room, so that nothing is left out for it; the last is cut
/// off wherever it is.
const QUEUE_BATCHES: [usize; 3] = [1 << 20, 4, 1];

/// One run of the program, with a shelf of so many bytes that takes the smallest of chunks.
pub(crate) struct Inside<const SHELF_BYTES: usize> {
    /// The files of the script.
    logs: Vec<PathBuf>,
    hub: Arc<Hub>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl<const SHELF_BYTES: usize> Program for Inside<SHELF_BYTES> {
    type Client = Client<SHELF_BYTES>;

    fn start(logs: &[PathBuf], _: Stored) -> Self {
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
            // A pattern brings in others, too.
            logs: logs
                .iter()
                .map(|log| log.with_file_name("app.log"))
                .collect(),
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

impl<const SHELF_BYTES: usize> Inside<SHELF_BYTES> {
    /// Which file of the script a source is, if it is one.
    fn file(&self, source: &Source) -> Option<usize> {
        let path = source.path();
        self.logs.iter().position(|log| **log == *path)
    }
}

#[derive(Debug)]
struct Quiet;

impl Subscriber for Quiet {
    fn carry(&self, _: bool) -> bool {
        false
    }
    fn dropped(&self) {}
    fn done(&self) -> u64 {
        u64::MAX
    }
}

/// A client, over all its connections.
pub(crate) struct Client<const SHELF_BYTES: usize> {
    /// While it is there.
    life: Option<Subscription>,
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

impl<const SHELF_BYTES: usize> play::Client for Client<SHELF_BYTES> {
    type Program = Inside<SHELF_BYTES>;

    fn new(number: usize) -> Self {
        Client {
            life: None,
            stalls: false,
            queue_batches: QUEUE_BATCHES[number],
            files: Default::default(),
        }
    }

    fn can_be_left_behind(&self) -> bool {
        !self.is_away() && self.queue_batches < QUEUE_BATCHES[0]
    }

    fn is_away(&self) -> bool {
        self.life.is_none()
    }

    fn stall(&mut self, stalls: bool) {
        self.stalls = stalls;
        let Some(life) = &mut self.life else {
            return;
        };
        life.happens(match stalls {
            true => Happening::Filled,
            // It may have been left behind meanwhile.
            false if life.is_cut() => Happening::Cut,
            false => Happening::Tried,
        });
    }

    fn stalls(&self) -> bool {
        self.stalls
    }

    fn got(&self, file: usize) -> Vec<Got> {
        self.files[file].got.clone()
    }

    fn come(&mut self, daemon: &Inside<SHELF_BYTES>) {
        let mut pause = |_| ControlFlow::Continue(());
        let from = |source: &Source| {
            let id = daemon.file(source).and_then(|file| self.files[file].id);
            id.map_or(From::All, From::After)
        };
        let reader = Begin::everything(&daemon.hub, &mut pause)
            .reader(note(&daemon.hub, &Selection::All, true), &from)
            .expect("readable")
            .expect("not given up");
        self.life = Some(Subscription::new(reader));
        // The `start` of each file, which names the place from which it can be resumed even if nothing else has come.
        let now = Instant::now();
        while self.files.iter().any(|has| has.id.is_none()) && self.step(daemon, now).is_ok() {}
        // One whose queue has all room reads no file once it has joined.
        while !self.can_be_left_behind() && !matches!(self.state(), State::Live | State::Over) {
            let _ = self.step(daemon, now);
        }
    }

    fn go(&mut self, _: &Inside<SHELF_BYTES>) {
        if let Some(mut life) = self.life.take() {
            if life.is_cut() {
                life.happens(Happening::Cut);
            }
            life.happens(Happening::Ended);
        }
    }

    fn take_until(&mut self, daemon: &Inside<SHELF_BYTES>, last: &[usize]) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while self.lacks(last) {
            self.step(daemon, deadline)
                .map_err(|e| format!("read: {e}"))?;
            if Instant::now() > deadline {
                let have = self.have();
                let sources = daemon.hub.sources();
                let followed: Vec<_> = sources.iter().map(|state| state.source.path()).collect();
                return Err(format!(
                    "lines {last:?} do not come; last {have:?} of {followed:?}"
                ));
            }
        }
        Ok(())
    }

    fn catch_up(&mut self, daemon: &Inside<SHELF_BYTES>) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            let now = Instant::now();
            let live = self.life.as_mut().and_then(|life| life.live());
            let is_empty = live.is_some_and(|queue| queue.is_empty());
            if self.is_away() {
                return Ok(());
            }
            // An empty queue may be one that was dropped: then there is more to read.
            self.step(daemon, now).map_err(|e| format!("read: {e}"))?;
            if is_empty && self.state() == State::Live {
                return Ok(());
            }
        }
        Err(format!("does not catch up; last {:?}", self.have()))
    }
}

impl<const SHELF_BYTES: usize> Client<SHELF_BYTES> {
    fn have(&self) -> Vec<Option<usize>> {
        self.files.iter().map(|has| has.last).collect()
    }

    fn lacks(&self, last: &[usize]) -> bool {
        let lacks = |(has, last): (&Has, &usize)| has.last.is_none_or(|have| have < *last);
        self.files.iter().zip(last).any(lacks)
    }

    fn state(&self) -> State {
        self.life.as_ref().map_or(State::Over, Subscription::state)
    }

    fn step(&mut self, daemon: &Inside<SHELF_BYTES>, deadline: Instant) -> io::Result<()> {
        let Some(life) = &mut self.life else {
            return Ok(());
        };
        if let Some(queue) = life.live() {
            match queue.recv_deadline(deadline) {
                Ok(batch) => {
                    for segment in &batch.segments {
                        self.take_down(daemon, segment);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => drop(life.happens(Happening::Cut)),
            }
            return Ok(());
        }
        let subscriber = || Arc::new(Quiet) as Arc<dyn Subscriber>;
        life.join_if_close(&daemon.hub, subscriber, self.queue_batches)
            .map_err(|_| io::Error::other("stopping"))?;
        match life.read(CHUNK_BYTES)? {
            Next::Chunk(chunk) => {
                let mut run = match life.reader() {
                    Some(reader) if matches!(chunk.kind, Kind::Lines(_)) => {
                        reader.run(CHUNK_BYTES, RUN_BYTES)
                    }
                    _ => Vec::new(),
                };
                // Its peer takes less than what was found.
                run.truncate(run.len().div_ceil(2));
                if let Some(reader) = life.reader().filter(|_| !run.is_empty()) {
                    reader.go_back_behind(&run[run.len() - 1]);
                }
                for chunk in [chunk].iter().chain(&run) {
                    self.take_down(daemon, chunk);
                }
            }
            Next::Nothing => {}
            Next::Later(wait) => wait.with(&daemon.hub, std::thread::park_timeout),
        }
        Ok(())
    }

    fn take_down(&mut self, daemon: &Inside<SHELF_BYTES>, segment: &Segment) {
        let Some(file) = daemon.file(&segment.source) else {
            return;
        };
        let has = &mut self.files[file];
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
