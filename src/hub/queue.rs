//! A subscriber's queue as its owner sees it.

use std::ops::Deref;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::source::Batch;

use super::Hub;

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
