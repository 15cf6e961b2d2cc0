//! The streams that are open, for those who count them: the status line, `/metrics`, and the log, which says of each that
//! ends whose it was and what it brought.
//!
//! All is added up when somebody asks. What a stream itself keeps for it costs an atomic store a chunk while it reads the
//! files, and nothing while it is live.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::hub::{Hub, Selection};
use crate::metrics::StreamsOf;
use crate::source::{EventKind, Kind, Segment};

use super::peer::Peer;
use super::stream::Ended;
use super::wire::Shape;
use crate::limits::LOG_NAMES_MAX;
use crate::serve::transport::socket::Whom;

/// All streams that are open, counted.
#[derive(Debug)]
pub struct Streams {
    hub: Arc<Hub>,
    open: Mutex<BTreeMap<u64, Arc<Peer>>>,
    /// `--max-clients`.
    max: usize,
    /// Places that are taken: by those that are open, and by those that are about to be.
    places: AtomicUsize,
    /// Bytes that were written to those that have ended. Grows under the lock of `open`.
    ended_bytes: [AtomicU64; KINDS.len()],
    catching_up: AtomicUsize,
    gaps: AtomicU64,
    lost_bytes: AtomicU64,
    /// The watcher is woken by a change, for it tells systemd.
    wakes: bool,
    /// It was woken, and has not counted since.
    woken: AtomicBool,
}

/// A place among the streams, until it is dropped.
#[derive(Debug)]
pub struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Way and format, by [`kind`]: those of [`Shape`] by its number, and the plain listener's.
const KINDS: [(&str, &str); TCP + 1] = [
    ("stream", "text"),
    ("ws", "json"),
    ("ws", "batch"),
    ("events", "text"),
    ("events", "json"),
    ("ws", "text"),
    ("stream", "json"),
    ("tcp", "text"),
];

/// Where the streams of plain listeners stand in [`KINDS`].
const TCP: usize = 7;

/// Which of [`KINDS`] a stream to `peer` is.
fn kind(peer: &Peer) -> usize {
    match peer.shape {
        Shape::Text if peer.visitor.may_half_close() => TCP,
        // Another tailcast's: the same stream, with all bytes.
        Shape::Exact => Shape::Batch as usize,
        shape => shape as usize,
    }
}

impl Streams {
    /// None is open, and at most `max` may be. With `wakes`, the watcher is woken when their number or state has changed since
    /// [`Streams::count`].
    pub fn new(hub: Arc<Hub>, max: usize, wakes: bool) -> Streams {
        Streams {
            hub,
            open: Mutex::default(),
            max,
            places: AtomicUsize::new(0),
            ended_bytes: Default::default(),
            catching_up: AtomicUsize::new(0),
            gaps: AtomicU64::new(0),
            lost_bytes: AtomicU64::new(0),
            wakes,
            woken: AtomicBool::new(false),
        }
    }

    /// How many may be open.
    pub fn max(&self) -> usize {
        self.max
    }

    /// A place for one more, if there is any.
    pub fn place(&self) -> Option<Place<'_>> {
        let more = |taken| (taken < self.max).then_some(taken + 1);
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        let taken = self.places.fetch_update(set, fetch, more);
        taken.ok().map(|_| Place(&self.places))
    }

    /// A stream to `peer` begins.
    pub fn opens(&self, peer: &Arc<Peer>) {
        let number = peer.visitor.number;
        self.open.lock().insert(number, Arc::clone(peer));
        self.changed();
    }

    /// It is no more. Called once for each that opened.
    pub fn closes(&self, peer: &Peer) {
        self.is_live(peer);
        let mut open = self.open.lock();
        open.remove(&peer.visitor.number);
        self.ended_bytes[kind(peer)].fetch_add(peer.progress(), Ordering::Relaxed);
        drop(open);
        self.changed();
    }

    /// How many catch up.
    pub fn catching_up(&self) -> usize {
        self.catching_up.load(Ordering::Relaxed)
    }

    /// How many are open, and what the slowest has yet to get, in bytes. A change from now on wakes the watcher again.
    pub fn count(&self) -> (usize, u64) {
        self.woken.store(false, Ordering::SeqCst);
        let open: Vec<_> = self.open.lock().values().cloned().collect();
        (open.len(), self.lag_bytes(&open))
    }

    fn lag_bytes(&self, open: &[Arc<Peer>]) -> u64 {
        // Most streams are of all the files, of which there may be many: they are added up once.
        let all = LazyCell::new(|| self.hub.published_bytes(&Selection::All));
        let behind = open.iter().filter_map(|peer| {
            let reached = peer.reached()?;
            let published = match &peer.selection {
                Selection::All => *all,
                selection => self.hub.published_bytes(selection),
            };
            Some(published.saturating_sub(reached))
        });
        behind.fold(self.hub.queued_bytes(), u64::max)
    }

    /// Those that are alike together, and what the slowest has yet to get, in bytes.
    pub fn read(&self) -> (Vec<StreamsOf>, u64) {
        let mut kinds = KINDS.map(|(stream, format)| StreamsOf {
            stream,
            format,
            live: 0,
            catching_up: 0,
            delivered_bytes: 0,
        });
        // Under one lock, so that one that ends meanwhile is counted once.
        let open: Vec<_> = {
            let open = self.open.lock();
            for (kind, ended) in kinds.iter_mut().zip(&self.ended_bytes) {
                kind.delivered_bytes = ended.load(Ordering::Relaxed);
            }
            open.values().cloned().collect()
        };
        for peer in &open {
            let kind = &mut kinds[kind(peer)];
            kind.delivered_bytes += peer.progress();
            match peer.reached() {
                Some(_) => kind.catching_up += 1,
                None => kind.live += 1,
            }
        }
        let lag = self.lag_bytes(&open);
        (kinds.to_vec(), lag)
    }

    /// Gaps that streams met in the files, and the bytes that they lost by them.
    pub fn gaps(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.gaps), load(&self.lost_bytes))
    }

    /// What the log calls the files of a stream.
    fn names(&self, selection: &Selection) -> String {
        let indexes = match selection {
            Selection::All => return "all files".to_owned(),
            Selection::Named(_) => return "the files of its token".to_owned(),
            Selection::Only(indexes) => indexes,
        };
        let first = indexes.iter().take(LOG_NAMES_MAX);
        let names =
            first.filter_map(|&index| Some(format!("{:?}", self.hub.source(index)?.source.name)));
        let names = names.collect::<Vec<_>>().join(", ");
        match indexes.len().saturating_sub(LOG_NAMES_MAX) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }

    fn changed(&self) {
        // Once until the next count: a thousand clients that come at once are one wake-up.
        if self.wakes && !self.woken.swap(true, Ordering::SeqCst) {
            self.hub.looks.wake();
        }
    }

    // -- what a stream's thread tells of it

    /// It reads the files from now on, and is `bytes` behind.
    pub fn falls_behind(&self, peer: &Peer, bytes: u64) {
        if self.stands_behind(peer, bytes).is_none() {
            let number = peer.visitor.number;
            log::debug!("client {number} reads the files: it is {bytes} bytes behind");
            self.catching_up.fetch_add(1, Ordering::Relaxed);
            self.changed();
        }
    }

    /// It is `bytes` behind. Returns how far it was before.
    pub fn stands_behind(&self, peer: &Peer, bytes: u64) -> Option<u64> {
        let published = self.hub.published_bytes(&peer.selection);
        peer.reaches(Some(published.saturating_sub(bytes)))
    }

    /// It has read `segment` from the file; `behind` says how many bytes it is then behind.
    pub fn has_read(&self, peer: &Peer, segment: &Segment, behind: impl FnOnce() -> u64) {
        match &segment.kind {
            Kind::Lines(lines) => {
                let reached = peer.reached().unwrap_or(0);
                peer.reaches(Some(reached + lines.bytes.len() as u64));
            }
            Kind::Event(event) => {
                if let EventKind::Gap { lost_bytes, reason } = &event.kind {
                    let (number, name) = (peer.visitor.number, &segment.source.name);
                    log::debug!("client {number} meets a gap in {name:?}: {reason}");
                    self.gaps.fetch_add(1, Ordering::Relaxed);
                    let lost = lost_bytes.unwrap_or(0);
                    self.lost_bytes.fetch_add(lost, Ordering::Relaxed);
                }
                // What is lost is not to be read any more. Other events leave that as it is: a client of thousands of files
                // is told of each where it begins, and to ask costs a look at all of them.
                let is_lost = matches!(event.kind, EventKind::Gap { .. });
                if is_lost || peer.reached().is_none() {
                    self.stands_behind(peer, behind());
                }
            }
        }
    }

    /// So many bytes that it has read it reads again.
    pub fn goes_back(&self, peer: &Peer, bytes: u64) {
        if let Some(reached) = peer.reached().filter(|_| bytes > 0) {
            peer.reaches(Some(reached.saturating_sub(bytes)));
        }
    }

    /// It is live from now on.
    pub fn has_caught_up(&self, peer: &Peer) {
        log::debug!("client {} has caught up, and is live", peer.visitor.number);
        self.is_live(peer);
    }

    fn is_live(&self, peer: &Peer) {
        if peer.reaches(None).is_some() {
            self.catching_up.fetch_sub(1, Ordering::Relaxed);
            self.changed();
        }
    }

    /// It has ended: the log is told whose it was, what it brought, and why. One that got all that it asked for is like a
    /// request that was answered: at debug.
    pub fn has_ended(&self, peer: &Peer, ended: Ended) {
        let level = match ended {
            Ended::Complete => log::Level::Debug,
            _ => log::Level::Info,
        };
        if !log::log_enabled!(level) {
            return;
        }
        let visitor = &peer.visitor;
        let whose = match visitor.pass().and_then(|pass| pass.holder()) {
            Some(holder) => format!("{holder}, "),
            None => String::new(),
        };
        let from = match (peer.address, visitor.socket.whom()) {
            (Some(address), _) => address.to_string(),
            (None, Whom::User(user)) => format!("user {user}"),
            (None, Whom::Address(address)) => address.to_string(),
        };
        let (lines, bytes, filtered) = {
            let link = peer.link.lock();
            let filtered = link.wire.filter().is_some();
            (link.lines(), link.progress(), filtered)
        };
        let (stream, format) = KINDS[kind(peer)];
        let files = self.names(&peer.selection);
        let filtered = if filtered { ", filtered" } else { "" };
        let seconds = peer.since.elapsed().as_secs_f64();
        log::log!(
            level,
            "client {} ({whose}{from}) had {stream} ({format}) of {files}{filtered}: {lines} lines, {bytes} bytes in \
             {seconds:.1} s: {ended}",
            visitor.number
        );
    }
}
