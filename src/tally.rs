//! What is published to one broker, and how far: written by its publisher, read for metrics and status.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::hub::Hub;
use crate::source::Id;

/// The last acknowledged place of each file, by the hash of its name, and that name as it is shown.
pub type Ids = BTreeMap<u32, (Id, String)>;

/// What one publisher counts: lines and messages that its broker has acknowledged, and how far.
#[derive(Debug, Default)]
pub struct Tally {
    /// The broker, as in `--publish` but without its user.
    pub broker: String,
    /// The broker has welcomed us and the connection stands.
    pub connected: AtomicBool,
    /// Connections that the broker has welcomed.
    pub connections: AtomicU64,
    /// Lines that it has acknowledged.
    pub lines: AtomicU64,
    /// Messages that it has acknowledged.
    pub messages: AtomicU64,
    /// Messages that it has not acknowledged.
    pub in_flight: AtomicUsize,
    /// How far it has acknowledged.
    pub ids: Mutex<Ids>,
}

impl Tally {
    /// Nothing is counted yet; `ids` is how far it had acknowledged before.
    pub fn new(broker: String, ids: Ids) -> Tally {
        Tally {
            broker,
            ids: Mutex::new(ids),
            ..Tally::default()
        }
    }

    /// Whether the broker is published to now.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Bytes between what the broker has acknowledged and the live edges, as far as they are known.
    pub fn behind_bytes(&self, hub: &Hub) -> u64 {
        let sources = hub.sources();
        let behind = sources.iter().map(|state| {
            let place = self.place(state.source.name_hash);
            let generations = hub.generations(state.source.index);
            let at = place.and_then(|id| {
                let of = generations.iter().rev();
                let mut of = of.filter(|generation| generation.identity.inode == id.inode);
                of.next().map(|generation| generation.at(id.offset))
            });
            hub.behind_bytes(state.source.index, at)
        });
        behind.sum()
    }

    /// How far it has acknowledged the file whose name has that hash.
    pub fn place(&self, name_hash: u32) -> Option<Id> {
        self.ids.lock().get(&name_hash).map(|(id, _)| *id)
    }
}

/// What is known of the other tailcasts that are followed: written by their feeders, read for metrics and status.
#[derive(Debug, Default)]
pub struct Upstreams(Vec<UpstreamCount>);

/// What is known of one.
#[derive(Debug, Default)]
pub struct UpstreamCount {
    /// What stands before the `/` of its files' names.
    pub host: String,
    /// Its stream is open.
    pub up: AtomicBool,
    /// Streams of it that were opened.
    pub connections: AtomicU64,
}

impl Upstreams {
    /// None of them is reached yet.
    pub fn new(hosts: Vec<String>) -> Upstreams {
        let count = |host| UpstreamCount {
            host,
            ..UpstreamCount::default()
        };
        Upstreams(hosts.into_iter().map(count).collect())
    }

    /// All of them, in the order of their FILEs.
    pub fn all(&self) -> &[UpstreamCount] {
        &self.0
    }

    /// How many streams are open now.
    pub fn reached(&self) -> usize {
        let is_up = |count: &&UpstreamCount| count.up.load(Ordering::Relaxed);
        self.0.iter().filter(is_up).count()
    }

    /// How many can't be reached now.
    pub fn away(&self) -> usize {
        self.0.len() - self.reached()
    }

    /// The stream of that one is open, or is not.
    pub fn is_up(&self, number: usize, up: bool) {
        let count = &self.0[number];
        if up {
            count.connections.fetch_add(1, Ordering::Relaxed);
        }
        count.up.store(up, Ordering::Relaxed);
    }
}
