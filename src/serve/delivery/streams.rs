//! The streams that are open, for those who count them: the status line, `/metrics`, and the log, which says of each that
//! ends whose it was and what it brought.
//!
//! All is added up when somebody asks. What a stream itself keeps for it costs an atomic store a chunk while it reads the
//! files, and nothing while it is live.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

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
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
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

/// Way and format, by [`kind`].
const KINDS: [(&str, &str); 8] = [
    ("stream", "text"),
    ("ws", "json"),
    ("ws", "batch"),
    ("events", "text"),
    ("events", "json"),
    ("ws", "text"),
    ("stream", "json"),
    ("tcp", "text"),
];

/// Which of [`KINDS`] a stream to `peer` is.
fn kind(peer: &Peer) -> usize {
    match peer.link.lock().wire.shape() {
        Shape::Text if peer.visitor.may_half_close() => 7,
        shape => shape as usize,
    }
}

/// One of them.
#[derive(Debug)]
struct Open {
    peer: Arc<Peer>,
    kind: usize,
    selection: Selection,
    /// Where its peer is; `None` on a Unix socket. Asked while the peer is there.
    from: Option<SocketAddr>,
    since: Instant,
    catches_up: AtomicBool,
    /// How far it is in all that is published of its sources; kept while it catches up.
    reached: AtomicU64,
}

impl Streams {
    /// None is open. With `wakes`, the watcher is woken when their number or state has changed since
    /// [`Streams::count`].
    pub fn new(hub: Arc<Hub>, wakes: bool) -> Streams {
        Streams {
            hub,
            open: Mutex::default(),
            ended_bytes: Default::default(),
            catching_up: AtomicUsize::new(0),
            gaps: AtomicU64::new(0),
            lost_bytes: AtomicU64::new(0),
            wakes,
            woken: AtomicBool::new(false),
        }
    }

    /// A stream to `peer` of what `selection` has begins; it is open until what is returned is dropped.
    pub fn open(&self, peer: &Arc<Peer>, selection: &Selection) -> Opened<'_> {
        let number = peer.visitor.number;
        let open = Arc::new(Open {
            peer: Arc::clone(peer),
            kind: kind(peer),
            selection: selection.clone(),
            from: peer.visitor.socket.peer_address(),
            since: Instant::now(),
            catches_up: AtomicBool::new(false),
            reached: AtomicU64::new(0),
        });
        self.open.lock().insert(number, Arc::clone(&open));
        self.changed();
        Opened {
            streams: self,
            number,
            open,
        }
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

    fn lag_bytes(&self, open: &[Arc<Open>]) -> u64 {
        // Most streams are of all the files, of which there may be many: they are added up once.
        let all = LazyCell::new(|| self.hub.published_bytes(&Selection::All));
        let behind = open.iter().filter_map(|open| {
            open.behind_bytes(|selection| match selection {
                Selection::All => *all,
                _ => self.hub.published_bytes(selection),
            })
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
        for open in &open {
            let kind = &mut kinds[open.kind];
            kind.delivered_bytes += open.peer.progress();
            match open.catches_up.load(Ordering::Relaxed) {
                true => kind.catching_up += 1,
                false => kind.live += 1,
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
}

impl Open {
    /// What it has yet to get, where it catches up; `published` says how much there is.
    fn behind_bytes(&self, published: impl FnOnce(&Selection) -> u64) -> Option<u64> {
        let reached = self.reached.load(Ordering::Relaxed);
        let catches_up = self.catches_up.load(Ordering::Relaxed);
        catches_up.then(|| published(&self.selection).saturating_sub(reached))
    }
}

/// A stream among those that are open, until it is dropped.
#[derive(Debug)]
pub struct Opened<'a> {
    streams: &'a Streams,
    number: u64,
    open: Arc<Open>,
}

impl Opened<'_> {
    /// It reads the files from now on, and is `bytes` behind.
    pub fn falls_behind(&self, bytes: u64) {
        self.stands_behind(bytes);
        if !self.open.catches_up.swap(true, Ordering::Relaxed) {
            log::debug!(
                "client {} reads the files: it is {bytes} bytes behind",
                self.number
            );
            self.streams.catching_up.fetch_add(1, Ordering::Relaxed);
            self.streams.changed();
        }
    }

    /// It is `bytes` behind.
    pub fn stands_behind(&self, bytes: u64) {
        let published = self.streams.hub.published_bytes(&self.open.selection);
        let reached = published.saturating_sub(bytes);
        self.open.reached.store(reached, Ordering::Relaxed);
    }

    /// It has read `segment` from the file; `behind` says how many bytes it is then behind.
    pub fn has_read(&self, segment: &Segment, behind: impl FnOnce() -> u64) {
        match &segment.kind {
            Kind::Lines(lines) => {
                let bytes = lines.bytes.len() as u64;
                self.open.reached.fetch_add(bytes, Ordering::Relaxed);
            }
            Kind::Event(event) => {
                if let EventKind::Gap { lost_bytes, reason } = &event.kind {
                    log::debug!(
                        "client {} meets a gap in {:?}: {reason}",
                        self.number,
                        segment.source.name
                    );
                    let lost_bytes = lost_bytes.unwrap_or(0);
                    self.streams.gaps.fetch_add(1, Ordering::Relaxed);
                    let lost = &self.streams.lost_bytes;
                    lost.fetch_add(lost_bytes, Ordering::Relaxed);
                }
                // What is lost is not to be read any more.
                self.stands_behind(behind());
            }
        }
    }

    /// It has ended: the log is told whose it was, what it brought, and why. One that got all that it asked for is like a
    /// request that was answered: at debug.
    pub fn has_ended(&self, ended: Ended) {
        let level = match ended {
            Ended::Complete => log::Level::Debug,
            _ => log::Level::Info,
        };
        if !log::log_enabled!(level) {
            return;
        }
        let open = &self.open;
        let visitor = &open.peer.visitor;
        let whose = match visitor.pass().and_then(|pass| pass.holder()) {
            Some(holder) => format!("{holder}, "),
            None => String::new(),
        };
        let from = match (open.from, visitor.socket.whom()) {
            (Some(address), _) => address.to_string(),
            (None, Whom::User(user)) => format!("user {user}"),
            (None, Whom::Address(address)) => address.to_string(),
        };
        let (lines, bytes, filtered) = {
            let link = open.peer.link.lock();
            let filtered = link.wire.filter().is_some();
            (link.lines(), link.progress(), filtered)
        };
        let (stream, format) = KINDS[open.kind];
        let files = self.streams.names(&open.selection);
        let filtered = if filtered { ", filtered" } else { "" };
        let seconds = open.since.elapsed().as_secs_f64();
        log::log!(
            level,
            "client {} ({whose}{from}) had {stream} ({format}) of {files}{filtered}: {lines} lines, {bytes} bytes in \
             {seconds:.1} s: {ended}",
            self.number
        );
    }

    /// It is live from now on.
    pub fn has_caught_up(&self) {
        log::debug!("client {} has caught up, and is live", self.number);
        self.is_live();
    }

    fn is_live(&self) {
        if self.open.catches_up.swap(false, Ordering::Relaxed) {
            self.streams.catching_up.fetch_sub(1, Ordering::Relaxed);
            self.streams.changed();
        }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.is_live();
        let bytes = self.open.peer.progress();
        let mut open = self.streams.open.lock();
        open.remove(&self.number);
        self.streams.ended_bytes[self.open.kind].fetch_add(bytes, Ordering::Relaxed);
        drop(open);
        self.streams.changed();
    }
}
