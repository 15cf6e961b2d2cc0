//! What a publisher counts, for metrics and status.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::hub::Hub;
use crate::source::Id;

use super::state::Ids;

/// See the module.
#[derive(Debug)]
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
    pub(super) ids: Mutex<Ids>,
}

impl Tally {
    pub(super) fn new(broker: String, ids: Ids) -> Tally {
        Tally {
            broker,
            connected: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            ids: Mutex::new(ids),
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
                of.next().map(|generation| crate::source::Position {
                    generation: generation.number,
                    offset: id.offset,
                })
            });
            hub.behind_bytes(state.source.index, at)
        });
        behind.sum()
    }

    pub(super) fn place(&self, name_hash: u32) -> Option<Id> {
        self.ids.lock().get(&name_hash).map(|(id, _)| *id)
    }
}
