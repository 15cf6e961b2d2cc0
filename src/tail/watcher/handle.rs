//! The watcher as those see it who start it, end it, and ask whether it is alive.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::hub::{Hub, OnFifo, Spooled};
use crate::limits::LOOK_WAIT;

use crate::tail::pulse::Pulse;

/// How the watcher is run.
#[derive(Default)]
pub struct Options {
    /// Called by the watcher each time that it has come round, with the time: after a pass, and in a rest. Says when it
    /// is to be called again though nothing happens.
    pub on_round: Option<OnRound>,
    /// How long a deleted file is held that nobody uses; else [`DELETED_KEPT`](crate::limits::DELETED_KEPT).
    pub deleted_kept: Option<Duration>,
    /// How often what nobody needs is let go of, where that is not [`crate::limits::FORGET_EVERY`].
    pub forget_every: Option<Duration>,
    /// Spools that are followed, before any file, so that their names are theirs.
    pub spools: Vec<Spooled>,
    /// Called by the watcher where a FIFO has come to stand under a name that is followed; else that is no file to follow.
    pub on_fifo: Option<OnFifo>,
    /// Data roots of Docker, all of whose containers are followed.
    pub dockers: Vec<PathBuf>,
    /// Files that patterns may bring in all, where descriptors don't allow [`FILES_MAX`](crate::limits::FILES_MAX).
    pub files_max: Option<usize>,
    /// Files that may be held open at once, those included that were rotated away, as far as they can do without.
    pub held_max: Option<usize>,
    /// Never use inotify: every file is looked at every few seconds.
    pub poll_only: bool,
}

/// See [`Options::on_round`].
pub type OnRound = Box<dyn FnMut(Instant) -> Option<Instant> + Send>;

/// Ends the watcher, and tells whether it is alive.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) hub: Arc<Hub>,
    pub(super) quit: Arc<AtomicBool>,
    pub(super) pulse: Arc<Pulse>,
}

impl Handle {
    /// Ends the thread after what it is at. Never blocks.
    pub fn quit(&self) {
        self.quit.store(true, Ordering::Release);
        self.hub.looks.wake();
        // Who waits for a sign of life is let go.
        self.pulse.beat(Instant::now());
    }

    /// Whether the watcher comes round; if not, for how long it has not. It is woken to show it, so this says what the
    /// watchdog would. Blocks until it does, at most [`LOOK_WAIT`].
    pub fn is_alive(&self) -> Result<(), Duration> {
        self.pulse.feel(|| self.hub.looks.wake(), LOOK_WAIT)
    }
}
