//! FIFOs that come to stand under a followed name while the daemon runs: each gets a spool and a feeder then.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::hub::{Hub, Spooled};
use crate::source::Origin;
use crate::stop::Stop;

use super::asked::fifo_key;
use super::pipe::Pipe;
use super::spool::Spool;
use super::store::Store;
use super::threads::Threads;

/// What such a FIFO needs.
pub(super) struct Later {
    /// Opened with the first FIFO, where nothing else has wanted it.
    pub(super) store: Option<Arc<Store>>,
    spool_dir: Option<PathBuf>,
    file_bytes_max: u64,
    hub: Arc<Hub>,
    threads: Arc<Threads>,
    stop: Arc<Stop>,
}

impl Later {
    pub(super) fn new(
        config: &Config,
        hub: &Arc<Hub>,
        store: Option<Arc<Store>>,
        threads: &Arc<Threads>,
        stop: &Arc<Stop>,
    ) -> Later {
        Later {
            store,
            spool_dir: config.spool_dir.clone(),
            file_bytes_max: config.spool_size / 2,
            hub: Arc::clone(hub),
            threads: Arc::clone(threads),
            stop: Arc::clone(stop),
        }
    }

    /// Makes the spool of the FIFO at `path` and begins to feed it. Blocks on the disk.
    pub(super) fn open(&mut self, path: &Path, name: &str) -> io::Result<Spooled> {
        let store = match &self.store {
            Some(store) => store,
            None => {
                let store = Store::open(self.spool_dir.as_deref()).map_err(io::Error::other)?;
                self.store.insert(Arc::new(store))
            }
        };
        let directory = store.make_directory(&fifo_key(path))?;
        let mut spool = Spool::open(&directory, self.file_bytes_max, name.to_owned(), &self.hub)?;
        // What an earlier FIFO has brought was delivered, or is history.
        spool.begin_anew()?;
        let spooled = spool.spooled(path.to_owned(), Origin::Fifo);
        let feeder = Pipe::fifo(path.to_owned(), spool);
        self.threads.start(Box::new(feeder), &self.stop)?;
        log::info!("{path:?} is a FIFO: it is read");
        Ok(spooled)
    }
}
