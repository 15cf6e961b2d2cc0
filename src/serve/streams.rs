//! The streams that are open, for those who count them: the status line and `/metrics`.
//!
//! All is added up when somebody asks. What a stream itself keeps for it costs an atomic store a chunk while it reads the
//! files, and nothing while it is live.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::hub::{Hub, Selection};
use crate::source::{Kind, Segment};

use super::peer::Peer;

/// See the module.
#[derive(Debug)]
pub struct Streams {
    hub: Arc<Hub>,
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
    catching_up: AtomicUsize,
    /// The watcher is woken by a change, for it tells systemd.
    wakes: bool,
    /// It was woken, and has not counted since.
    woken: AtomicBool,
}

/// One of them.
#[derive(Debug)]
struct Open {
    selection: Selection,
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
            catching_up: AtomicUsize::new(0),
            wakes,
            woken: AtomicBool::new(false),
        }
    }

    /// A stream to `peer` of what `selection` has begins; it is open until what is returned is dropped.
    pub fn open(&self, peer: &Peer, selection: &Selection) -> Opened<'_> {
        let number = peer.visitor.number;
        let open = Arc::new(Open {
            selection: selection.clone(),
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
        let behind = open.iter().filter_map(|open| open.behind_bytes(&self.hub));
        let lag = behind.fold(self.hub.queued_bytes(), u64::max);
        (open.len(), lag)
    }

    fn changed(&self) {
        // Once until the next count: a thousand clients that come at once are one wake-up.
        if self.wakes && !self.woken.swap(true, Ordering::SeqCst) {
            self.hub.looks.wake();
        }
    }
}

impl Open {
    /// What it has yet to get, where it catches up.
    fn behind_bytes(&self, hub: &Hub) -> Option<u64> {
        let reached = self.reached.load(Ordering::Relaxed);
        self.catches_up
            .load(Ordering::Relaxed)
            .then(|| hub.published_bytes(&self.selection).saturating_sub(reached))
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

    /// It has read on in the file by `segment`.
    pub fn has_read(&self, segment: &Segment) {
        if let Kind::Lines(lines) = &segment.kind {
            let bytes = lines.bytes.len() as u64;
            self.open.reached.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// It is live from now on.
    pub fn has_caught_up(&self) {
        if self.open.catches_up.swap(false, Ordering::Relaxed) {
            self.streams.catching_up.fetch_sub(1, Ordering::Relaxed);
            self.streams.changed();
        }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.has_caught_up();
        self.streams.open.lock().remove(&self.number);
        self.streams.changed();
    }
}
