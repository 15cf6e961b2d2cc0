//! A subscriber's queue as its owner sees it.

use std::ops::Deref;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::source::{Batch, Edge, Source};

use super::{Cut, Hub, Selection};

/// The batches that were queued for one subscriber. Dropping it is leaving.
#[derive(Debug)]
pub struct Queue {
    hub: Arc<Hub>,
    /// What the hub calls this subscription. Keys are not used again.
    key: u64,
    batches: Receiver<Arc<Batch>>,
}

impl Queue {
    pub(super) fn new(hub: Arc<Hub>, key: u64, batches: Receiver<Arc<Batch>>) -> Queue {
        Queue { hub, key, batches }
    }

    /// Whether the hub has dropped the sender, whatever is still in the queue. Takes the hub's lock for a moment.
    pub fn is_cut(&self) -> bool {
        !self.hub.is_subscribed(self.key)
    }

    /// Ends it, and says where each source stood when it ended: nothing that was published later is in it.
    pub fn cut(&self) -> Arc<Cut> {
        self.hub.cut(self.key)
    }

    /// Where the selected sources stand, if nothing is left in it: so does whoever has all that came by it. `None` where
    /// something is, or where it has ended.
    pub fn edges_if_empty(&self, selection: &Selection) -> Option<Vec<(Arc<Source>, Edge)>> {
        let edges = self.hub.edges_if(selection, || self.batches.is_empty());
        edges.filter(|_| !self.is_cut())
    }
}

impl Deref for Queue {
    type Target = Receiver<Arc<Batch>>;

    fn deref(&self) -> &Self::Target {
        &self.batches
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.hub.leave(self.key);
    }
}
