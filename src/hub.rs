//! The meeting place of the watcher and the clients: what is published (the live edges) and who is subscribed, under
//! the program's one shared lock.
//!
//! The watcher publishes changes; each publish moves live edges forward and puts one shared batch into the queue of
//! every live subscriber. A subscriber whose queue is full, or that holds the oldest batch when too many bytes are
//! queued, loses its sender: it finds its queue disconnected, reads the file at its own pace, and joins anew. Only the
//! hub drops a sender.
//!
//! Who is cut off that way finds noted where each source stood at that moment ([`Cut`]): it keeps no places while it is live.
//!
//! Invariant: a reader that joins notes every edge under the same lock under which its queue is added, so its queue
//! begins exactly at those edges.
//!
//! Nothing waits, logs or calls out under the lock; subscribers are woken after it is let go.

mod condition;
mod counts;
mod cut;
mod looks;
mod notices;
mod queue;
mod registry;
mod report;
mod shelf;
mod stream;
mod streams;

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::limits::{DELETED_READ, QUEUED_BYTES_MAX, SHELF_CHUNK_BYTES_MIN};
use crate::source::{
    Chunk, EventKind, Generation, Id, Lines, OpenFile, Origin, Position, Remembered, Source,
};

pub use crate::source::Edge;
pub use condition::Condition;
pub use counts::SourceCounts;
pub use cut::Cut;
pub use looks::{Looks, Question};
pub use notices::{Notice, Notices, OnFifo, SpoolPlace, Spooled};
pub use queue::Queue;
pub use registry::{Names, Selection, Subscriber, Subscribers};
pub use shelf::{Found, Shelf};
pub use stream::{Stand, Standing};

use registry::Registry;
use stream::Stream;
use streams::Streams;

/// Something that the watcher found out about one source.
#[derive(Debug)]
pub enum Change {
    /// A new generation begins; the one before, if any, is sealed at the live edge.
    Begin(Arc<Generation>),
    /// The current generation begins only after a hole that ends here.
    Skip(u64),
    /// Whole lines of the current generation, right after the live edge.
    Lines(Lines),
    /// The current generation's file was deleted, and is not held open any more. With a file that reads as empty.
    LetGo(Arc<OpenFile>),
    /// The file of the generation with this number is read by way of another handle from now on.
    Moved(u64, Arc<OpenFile>),
    /// Something that moves no edge: `Missing`, a `Gap` in a generation that was sealed already, or `Away`, `Back` and
    /// `Closed`, which also settle the source's [`Condition`].
    Aside(EventKind),
}

/// What a subscriber gets when it joins.
#[derive(Debug)]
pub struct Joined {
    /// Its queue; what comes begins exactly at `edges`.
    pub queue: Queue,
    /// The edge of each selected source that has one.
    pub edges: Vec<(u32, Edge)>,
}

/// The daemon is stopping: nobody can join any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping;

/// Where the watcher and the clients meet.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    /// Looks that clients ask the watcher for.
    pub looks: Looks,
    /// What was read or published lately.
    pub shelf: Shelf,
    /// Counts of what was published, for metrics and status.
    pub counts: Counts,
    /// What feeders have told the watcher.
    pub notices: Notices,
    line_bytes_max: usize,
    /// Records are shown as they are stored.
    raw: bool,
}

#[derive(Debug, Default)]
struct State {
    streams: Streams,
    registry: Registry,
}

/// What was published since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Batches published.
    pub batches: AtomicU64,
    /// Subscribers that were sent back to reading the file.
    pub fallbacks: AtomicU64,
}

/// What is known of a source at a moment.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// The source.
    pub source: Arc<Source>,
    /// Its current generation, where it has had any.
    pub generation: Option<Arc<Generation>>,
    /// Its live edge.
    pub edge: Edge,
    /// The last aside that a stream which ends at this edge is told: that the source is away, say.
    pub last_aside: u64,
    /// Its name leads to a file now.
    pub present: bool,
    /// How it fares.
    pub condition: Condition,
    /// What was found in it since the start.
    pub counts: SourceCounts,
}

impl Hub {
    /// A hub without sources; lines over `line_bytes_max` are cut by all who read.
    pub fn new(line_bytes_max: usize) -> std::io::Result<Hub> {
        Ok(Hub {
            state: Mutex::new(State::default()),
            looks: Looks::new()?,
            shelf: Shelf::new(QUEUED_BYTES_MAX, SHELF_CHUNK_BYTES_MIN),
            counts: Counts::default(),
            notices: Notices::default(),
            line_bytes_max,
            raw: false,
        })
    }

    /// The same, whose files are shown as they are stored, whatever their lines look like.
    pub fn raw(self, raw: bool) -> Hub {
        Hub { raw, ..self }
    }

    /// The same with another shelf.
    pub fn shelving(self, shelf: Shelf) -> Hub {
        Hub { shelf, ..self }
    }

    /// The bound on a line or piece, in bytes.
    pub fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }

    // -- for feeders

    /// Tells the watcher, and wakes it. Never blocks but for a short lock.
    pub fn notify(&self, notice: Notice) {
        self.notices.push(notice);
        self.looks.wake();
    }

    // -- for the watcher

    /// Adds a source that has no generation yet. `name`, `path` and `origin` are settled from here on.
    pub fn add_source(
        &self,
        name: String,
        path: std::path::PathBuf,
        origin: Origin,
    ) -> Arc<Source> {
        let mut state = self.state.lock();
        let index = state.streams.next_index();
        let source = Source::new(index, name, path, origin);
        let source = Arc::new(match self.raw {
            true => source.as_stored(),
            false => source,
        });
        state.streams.add(&source);
        source
    }

    /// The same for a spool, which people know by what it is fed from.
    pub fn add_spool(&self, name: String, spooled: &Spooled) -> Arc<Source> {
        let mut state = self.state.lock();
        let index = state.streams.next_index();
        let source = Source::new(index, name, spooled.path.clone(), spooled.origin);
        let source = Arc::new(source.spooled(spooled.given.clone(), Arc::clone(&spooled.files)));
        state.streams.add(&source);
        source
    }

    /// Gives a source that has no generation yet its first one and an edge in it with its id, without an event: what
    /// stood there when the daemon started.
    pub fn found_at_start(&self, source: &Source, generation: Arc<Generation>, edge: u64, id: Id) {
        let streams = &mut self.state.lock().streams;
        streams.change(source.index, |stream| {
            stream.found_at_start(generation, edge, id);
        });
    }

    /// Says where the source's name leads now: to a file ([`Condition::Ok`]), nowhere, or to what can't be read.
    pub fn set_leads(&self, source: &Source, leads: Condition) {
        let mut state = self.state.lock();
        let before = state.streams.change(source.index, |stream| {
            std::mem::replace(&mut stream.leads, leads)
        });
        drop(state);
        drop(before);
    }

    /// Publishes `changes`, in their order: moves the edges and puts one batch into the queue of every live
    /// subscriber that selected one of the sources. Returns the live subscribers, for a round of delivery, and `None`
    /// where there was nothing to tell or nobody to tell it to. Never blocks but for the lock.
    pub fn publish(&self, changes: Vec<(Arc<Source>, Change)>) -> Option<Subscribers> {
        let mut segments = Vec::with_capacity(changes.len());
        // What is let go of is freed after the lock.
        let mut forgotten = Vec::new();
        let mut state = self.state.lock();
        for (source, change) in changes {
            state.streams.change(source.index, |stream| {
                stream.apply(change, &mut segments, &mut forgotten);
            });
        }
        if segments.is_empty() {
            return None;
        }
        self.shelf.count(&segments);
        let State { streams, registry } = &mut *state;
        let sent = registry.send(segments, |segments| Cut::before(streams, segments));
        drop(state);
        drop(forgotten);
        if sent.is_queued {
            self.shelf.put_batch(&sent.batch);
        }
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        self.counts
            .fallbacks
            .fetch_add(sent.dropped.len() as u64, Ordering::Relaxed);
        for subscriber in &sent.dropped {
            subscriber.dropped();
        }
        report::say(&sent.batch.segments);
        sent.live
    }

    /// Whether most subscribers have not yet carried the batch before the last one. One publish after the other would
    /// soon send them all back to reading the file, where each of them encodes for itself.
    pub fn most_lag(&self) -> bool {
        self.state.lock().registry.most_lag()
    }

    /// Lets go of generations behind the live edge that no reader has moved in for long, of sources that are
    /// parted with and that nobody holds any more, and of chunks on the shelf that nobody takes. Called by the watcher
    /// now and then; whether there may be more to let go of later.
    pub fn forget_old(&self) -> bool {
        let mut forgotten = Vec::new();
        let mut state = self.state.lock();
        state
            .streams
            .change_all(|stream| stream.forget_old(&mut forgotten));
        let unheld = state.streams.take_unheld();
        let has_old = |stream: &Stream| stream.generations_len() > 1;
        let again = state.streams.has_parted() || state.streams.all().any(has_old);
        drop(state);
        drop((forgotten, unheld));
        self.shelf.tidy() || again
    }

    /// Closes up to `most` files that were rotated away and that nobody reads, those first that were read least lately: who
    /// wants them opens them again where they stand. One that was deleted goes once nobody has read it for a while. How
    /// many were closed; of each source it is one at a time. Blocks on the disk, without the lock.
    pub fn give_up_quiet(&self, most: usize) -> usize {
        let mut quiet: Vec<_> = {
            let state = self.state.lock();
            let of = |stream: &Stream| {
                let oldest = stream.oldest_unheld()?;
                let source = stream.source().index;
                Some((oldest.last_read(), source, Arc::clone(oldest)))
            };
            state.streams.all().filter_map(of).collect()
        };
        quiet.sort_unstable_by_key(|(read, source, _)| (*read, *source));
        let may_go = |(read, _, generation): &(Instant, u32, Arc<Generation>)| {
            let has_name = generation
                .file
                .metadata()
                .is_ok_and(|stat| stat.nlink() > 0);
            // Without a birth it is not found again.
            let stands = has_name && generation.identity.born.is_some();
            stands || read.elapsed() >= DELETED_READ
        };
        let going: Vec<_> = quiet.into_iter().filter(may_go).take(most).collect();
        let mut forgotten = Vec::with_capacity(going.len());
        let mut state = self.state.lock();
        for (_, source, generation) in &going {
            state.streams.change(*source, |stream| {
                stream.give_up(generation.number, &mut forgotten);
            });
        }
        drop(state);
        forgotten.len()
    }

    // -- for readers

    /// Every source as it stands now.
    pub fn sources(&self) -> Vec<SourceState> {
        self.state
            .lock()
            .streams
            .followed()
            .map(Stream::state)
            .collect()
    }

    /// How many sources there are.
    pub fn sources_len(&self) -> usize {
        self.state.lock().streams.followed().count()
    }

    /// The index that the next source gets: all that there have been have lower ones.
    pub fn next_index(&self) -> u32 {
        self.state.lock().streams.next_index()
    }

    /// What `ask` finds out about a source, unless that is forgotten.
    fn of<T>(&self, index: u32, ask: impl FnOnce(&Stream) -> T) -> Option<T> {
        self.state.lock().streams.get(index).map(ask)
    }

    /// One source as it stands now; `None` where it is forgotten.
    pub fn source(&self, index: u32) -> Option<SourceState> {
        self.of(index, Stream::state)
    }

    /// The live edge of a source.
    pub fn edge(&self, index: u32) -> Option<Edge> {
        self.of(index, Stream::edge)
    }

    /// What there is for a reader of source `index` that stands `at`; with `until`, no more than up to that edge.
    pub fn stand(&self, index: u32, at: Standing, until: Option<Edge>) -> Stand {
        let stand = self.of(index, |stream| stream.stand(at, until));
        stand.unwrap_or(Stand::AtEdge)
    }

    /// Puts `chunk`, which was read, on the shelf (see [`Shelf::put`]).
    pub fn shelve(&self, chunk: Chunk) -> Chunk {
        let was_empty = self.shelf.is_empty();
        let chunk = self.shelf.put(chunk);
        if was_empty && !self.shelf.is_empty() {
            // The watcher lets go of it in time, and may have nothing else to do.
            self.looks.wake();
        }
        chunk
    }

    /// The generations of a source that are still held, oldest first.
    pub fn generations(&self, index: u32) -> Vec<Arc<Generation>> {
        self.of(index, Stream::generations).unwrap_or_default()
    }

    /// The generations of a source that are not held any more and still remembered, oldest first.
    pub fn formers(&self, index: u32) -> Vec<Arc<Remembered>> {
        self.of(index, Stream::formers).unwrap_or_default()
    }

    /// What is remembered of all generations of a source, held or not, oldest first.
    pub fn remembered(&self, index: u32) -> Vec<Arc<Remembered>> {
        self.of(index, Stream::remembered).unwrap_or_default()
    }

    /// The number of the last aside of source `index` that a stream which resumes `at` a place has been told, as far as
    /// that can be said.
    pub fn told_before(&self, index: u32, at: Position) -> u64 {
        let told = self.of(index, |stream| stream.told_before(at));
        told.unwrap_or(0)
    }

    /// Bytes between `at` and the live edge of source `index`, as far as they are known.
    pub fn behind_bytes(&self, index: u32, at: Option<Position>) -> u64 {
        let behind = self.of(index, |stream| stream.behind_bytes(at));
        behind.unwrap_or(0)
    }

    /// Bytes that were published of the selected sources; what was there before the start counts, and so does what was
    /// lost, where it is known how much. It only grows.
    pub fn published_bytes(&self, selection: &Selection) -> u64 {
        self.state.lock().streams.published_bytes(selection)
    }

    /// Bytes that the slowest of the subscribers has in its queue.
    pub fn queued_bytes(&self) -> u64 {
        self.state.lock().registry.queued_bytes()
    }

    /// How many of the sources have a name that leads nowhere now.
    pub fn missing_len(&self) -> usize {
        let state = self.state.lock();
        state
            .streams
            .followed()
            .filter(|stream| !stream.is_present())
            .count()
    }

    /// True where each of these places is at most `bytes` behind its source's live edge.
    pub fn all_within(
        &self,
        mut places: impl Iterator<Item = (u32, Option<Position>)>,
        bytes: u64,
    ) -> bool {
        let state = self.state.lock();
        places.all(|(index, at)| {
            let stream = state.streams.get(index);
            stream.is_none_or(|stream| stream.behind_bytes(at) <= bytes)
        })
    }

    /// Subscribes: from now on, what is published of the selected sources goes into a queue of `queue_batches`
    /// batches. See [`Joined`].
    pub fn join(
        self: &Arc<Self>,
        subscriber: Arc<dyn Subscriber>,
        selection: Selection,
        awaited: Vec<u32>,
        queue_batches: usize,
    ) -> Result<Joined, Stopping> {
        let mut state = self.state.lock();
        let edges = state
            .streams
            .all()
            .filter(|stream| selection.has(stream.source()) && stream.has_begun())
            .map(|stream| (stream.source().index, stream.edge()))
            .collect();
        let registry = &mut state.registry;
        let (key, batches) = registry.add(subscriber, selection, awaited, queue_batches)?;
        drop(state);
        let queue = Queue::new(Arc::clone(self), key, batches);
        Ok(Joined { queue, edges })
    }

    /// Unsubscribes. What was dropped already is gone already.
    fn leave(&self, key: u64) {
        let mut state = self.state.lock();
        let gone = (state.registry.take_cut(key), state.registry.remove(key));
        drop(state);
        drop(gone);
    }

    /// Ends a subscription, unless it was ended, and says where each source stood then.
    fn cut(&self, key: u64) -> Arc<Cut> {
        let mut state = self.state.lock();
        let (noted, gone) = (state.registry.take_cut(key), state.registry.remove(key));
        let cut = noted.unwrap_or_else(|| Cut::now(&state.streams));
        drop(state);
        drop(gone);
        cut
    }

    /// Where the selected sources stand, if `is_done` says that a subscriber has all that was published of them.
    fn edges_if(
        &self,
        selection: &Selection,
        is_done: impl FnOnce() -> bool,
    ) -> Option<Vec<(Arc<Source>, Edge)>> {
        let state = self.state.lock();
        let selected = state.streams.followed();
        let selected = selected.filter(|stream| selection.has(stream.source()));
        let edges = selected.map(|stream| (Arc::clone(stream.source()), stream.edge()));
        is_done().then(|| edges.collect())
    }

    /// Whether the sender of this subscription is there.
    fn is_subscribed(&self, key: u64) -> bool {
        self.state.lock().registry.find(key).is_some()
    }

    /// How many are subscribed now.
    pub fn live_len(&self) -> usize {
        self.state.lock().registry.len()
    }

    /// Closes the registry: nobody can join, all senders are dropped and those they were for are told, all looks are
    /// answered.
    pub fn close(&self) {
        let mut state = self.state.lock();
        let State { streams, registry } = &mut *state;
        let dropped = registry.close(|| Cut::now(streams));
        drop(state);
        self.looks.close();
        for subscriber in &dropped {
            subscriber.dropped();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
