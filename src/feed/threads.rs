//! The threads of all feeders: each is started with a bell of its own, and all end together.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::outward::Bell;
use crate::stop::Stop;

use super::Feeder;

/// Says that what an origin had at the start is in its spool, so that it is history to the first client.
#[derive(Debug, Default)]
pub(super) struct First {
    fed: Mutex<bool>,
    told: Condvar,
}

impl First {
    pub(super) fn is_fed(&self) {
        *self.fed.lock() = true;
        self.told.notify_all();
    }

    pub(super) fn wait_until(&self, deadline: Instant) {
        let mut fed = self.fed.lock();
        while !*fed && !self.told.wait_until(&mut fed, deadline).timed_out() {}
    }
}

/// The feeders that run.
#[derive(Debug, Default)]
pub(super) struct Threads {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<(Arc<Bell>, JoinHandle<()>)>,
    /// No more are started.
    is_stopping: bool,
}

impl Threads {
    /// Starts a feeder's thread. `stop` is set if it is lost.
    pub(super) fn start(
        &self,
        mut feeder: Box<dyn Feeder>,
        stop: &Arc<Stop>,
    ) -> io::Result<Arc<First>> {
        let bell = Arc::new(Bell::new()?);
        let first = Arc::<First>::default();
        let (own_bell, own_first) = (Arc::clone(&bell), Arc::clone(&first));
        let mut state = self.state.lock();
        if state.is_stopping {
            return Err(io::Error::other("the daemon stops"));
        }
        let thread = stop.start(feeder.name(), move || {
            feeder.run(&own_bell, &own_first);
            own_first.is_fed();
        })?;
        state.running.retain(|(_, thread)| !thread.is_finished());
        state.running.push((bell, thread));
        Ok(first)
    }

    /// Ends all and waits for it: what they have read is in the spools then.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopping = true;
        let running = std::mem::take(&mut state.running);
        drop(state);
        for (bell, _) in &running {
            bell.stop();
        }
        for (_, thread) in running {
            // A panic has set the latch already.
            let _ = thread.join();
        }
    }
}
