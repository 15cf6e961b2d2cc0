//! What is no file becomes one: each origin (standard input, a FIFO, the journal) has one feeder, a thread that appends
//! what comes to a spool, and the spool is followed like any other file.
//!
//! ```text
//! origin --bytes--> feeder --appends--> spool (log, log.1) <--follows-- tail
//!                      +------notices (away, back, closed, gap)----------^
//! ```
//!
//! A feeder never waits for a client: a spool rotates by rename at half its size, and where the disk is full its feeder
//! goes on reading, counts what it drops, and says it. A feeder whose origin has places of its own notes pairs (bytes of
//! the spool, place), and after a crash compares what the spool holds behind the last pair with what the origin says
//! again: the same bytes, so ids stay good, nothing is lost and nothing doubled.
//!
//! | part | owns |
//! | --- | --- |
//! | `store` | the directory of all spools: its lock, what is left behind in it |
//! | `spool` | one spool: appending, rotating, the full disk |
//! | `places` | the pairs beside a spool |
//! | `pipe` | standard input and FIFOs |
//! | `journal` | the journal, by way of journalctl |
//! | `upstream` | another tailcast, and a spool for each of its files |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::config::Config;
use crate::config::followed::{Followed, JournalMatch};
use crate::config::url::HttpUrl;
use crate::error::StartError;
use crate::hub::{Hub, Spooled};
use crate::limits::FIRST_FEED_WAIT;
use crate::outward::Bell;
use crate::source::Origin;
use crate::stop::{Reason, Stop};
use crate::tally::Upstreams;
use crate::upstream::credentials::Credentials;
use crate::via::Via;

mod journal;
mod pipe;
mod places;
mod spool;
mod store;
mod upstream;

#[cfg(feature = "mqtt")]
mod broker;

use journal::Journal;
use pipe::Pipe;
use spool::Spool;
use store::Store;
use upstream::Upstream;

/// What feeds spools from one origin.
trait Feeder: Send {
    /// What its thread is called.
    fn name(&self) -> String;

    /// Feeds until the bell says that the daemon stops, or the origin is at its end.
    fn run(&mut self, bell: &Arc<Bell>, first: &First);
}

/// Says that what an origin had at the start is in its spool, so that it is history to the first client.
#[derive(Debug, Default)]
struct First {
    fed: Mutex<bool>,
    told: Condvar,
}

impl First {
    fn is_fed(&self) {
        *self.fed.lock() = true;
        self.told.notify_all();
    }

    fn wait_until(&self, deadline: Instant) {
        let mut fed = self.fed.lock();
        while !*fed && !self.told.wait_until(&mut fed, deadline).timed_out() {}
    }
}

struct Handle {
    bell: Arc<Bell>,
    first: Arc<First>,
    /// Not started yet.
    feeder: Option<Box<dyn Feeder>>,
    thread: Option<JoinHandle<()>>,
}

/// All feeders, and the directory of their spools.
#[derive(Default)]
pub struct Feeders {
    handles: Vec<Handle>,
    spools: Vec<Spooled>,
    store: Option<Arc<Store>>,
    /// What is known of the other tailcasts.
    pub upstreams: Arc<Upstreams>,
}

impl std::fmt::Debug for Feeders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeders")
            .field("spools", &self.spools)
            .finish_non_exhaustive()
    }
}

impl Feeders {
    /// Opens a spool for every FILE that is none. Nothing is fed yet. Blocks on the disk.
    pub fn open(config: &Config, hub: &Arc<Hub>, via: &Arc<Via>) -> Result<Feeders, StartError> {
        let mut feeders = Feeders::default();
        // One that can't be read is told even where nobody needs it.
        let credentials = config.credentials_file.as_deref().map(Credentials::open);
        let credentials = credentials.transpose()?.map(Arc::new);
        let wanted = config.files.iter().any(is_fed);
        // What is not asked for any more is looked for where spools can be. A directory that was asked for must be usable.
        let there = config.spool_dir.as_ref().is_some_and(|dir| dir.is_dir());
        if !wanted && !there && !config.spool_dir_asked {
            return Ok(feeders);
        }
        let store = Arc::new(Store::open(config.spool_dir.as_deref())?);
        let mut keys = Vec::new();
        let mut journals = Vec::new();
        for file in &config.files {
            let Some((key, name, origin)) = source_of(file, &feeders.spools) else {
                continue;
            };
            let directory = store.directory(&key)?;
            let spool = Spool::open(&directory, config.spool_size / 2, name.clone(), hub);
            let spool = spool.map_err(failed(&directory))?;
            feeders.spools.push(Spooled {
                name,
                path: spool.path().to_owned(),
                given: given(file),
                origin,
                rotations: spool.rotations(),
            });
            match file {
                Followed::Path(path) => feeders.add(Box::new(Pipe::fifo(path.clone(), spool)))?,
                Followed::Journal(wanted) => journals.push((wanted.clone(), spool)),
                _ => feeders.add(Box::new(Pipe::stdin(spool)))?,
            }
            keys.push(key);
        }
        if !journals.is_empty() {
            let is_all = journals.len() == config.files.len();
            let journal = Journal::open(journals).map_err(failed(Path::new("of the journal")))?;
            if is_all {
                journal::check().map_err(StartError::Failed)?;
            }
            feeders.add(Box::new(journal))?;
        }
        let others = feeders.open_upstreams(config, (&store, hub, via), credentials.clone())?;
        #[cfg(feature = "mqtt")]
        let brokers = feeders.open_brokers(config, (&store, hub), credentials.as_ref())?;
        #[cfg(feature = "mqtt")]
        let others = [others, brokers].concat();
        store.sweep(&keys, &others);
        feeders.store = Some(store);
        Ok(feeders)
    }

    /// The keys that the spools of other tailcasts begin with.
    fn open_upstreams(
        &mut self,
        config: &Config,
        (store, hub, via): (&Arc<Store>, &Arc<Hub>, &Arc<Via>),
        credentials: Option<Arc<Credentials>>,
    ) -> Result<Vec<String>, StartError> {
        let mut hosts: Vec<(String, HttpUrl)> = Vec::new();
        for file in &config.files {
            if let Followed::Upstream { name, url } = file {
                let is_taken = |host: &str| hosts.iter().any(|(taken, _)| taken == host);
                let host = name
                    .clone()
                    .unwrap_or_else(|| url.at.bare_host().to_owned());
                let host = match is_taken(&host) {
                    true => url.at.to_string(),
                    false => host,
                };
                if is_taken(&host) {
                    return Err(StartError::Usage(format!(
                        "two FILEs would have the names {host}/…: give one another name, as NAME={url}"
                    )));
                }
                hosts.push((host, url.clone()));
            }
        }
        let named = hosts.iter().map(|(host, _)| host.clone());
        self.upstreams = Arc::new(Upstreams::new(named.collect()));
        let shared = Arc::new(upstream::Shared {
            store: Arc::clone(store),
            hub: Arc::clone(hub),
            via: Arc::clone(via),
            counts: Arc::clone(&self.upstreams),
            ping_interval: config.ping_interval,
            file_bytes_max: config.spool_size / 2,
            credentials,
        });
        let mut keys = Vec::new();
        for (number, (host, url)) in hosts.into_iter().enumerate() {
            let upstream = Upstream::open(Arc::clone(&shared), host, url, number)?;
            keys.push(upstream.keys());
            self.spools.extend(upstream.spools());
            self.add(Box::new(upstream))?;
        }
        Ok(keys)
    }

    /// The keys that the spools of brokers begin with.
    #[cfg(feature = "mqtt")]
    fn open_brokers(
        &mut self,
        config: &Config,
        (store, hub): (&Arc<Store>, &Arc<Hub>),
        credentials: Option<&Arc<Credentials>>,
    ) -> Result<Vec<String>, StartError> {
        let mut keys = Vec::new();
        for file in &config.files {
            let Followed::Broker { name, url } = file else {
                continue;
            };
            let broker = broker::Broker::open(
                (store, hub),
                config.spool_size / 2,
                (name.clone(), url.clone()),
                credentials.cloned(),
                keys.len(),
            )?;
            if keys.contains(&broker.keys()) {
                return Err(StartError::Usage(format!(
                    "{url} is given twice: leave one out"
                )));
            }
            keys.push(broker.keys());
            self.spools.extend(broker.spools());
            self.add(Box::new(broker))?;
        }
        Ok(keys)
    }

    fn add(&mut self, feeder: Box<dyn Feeder>) -> Result<(), StartError> {
        let bell = Bell::new().map_err(|error| StartError::failed("make an eventfd", error))?;
        self.handles.push(Handle {
            bell: Arc::new(bell),
            first: Arc::default(),
            feeder: Some(feeder),
            thread: None,
        });
        Ok(())
    }

    /// Whether this FILE comes by way of a spool.
    pub fn feeds(&self, file: &Followed) -> bool {
        let given = given(file);
        self.spools.iter().any(|spool| spool.given == given)
    }

    /// The spools to follow.
    pub fn spools(&self) -> Vec<Spooled> {
        self.spools.clone()
    }

    /// Starts the threads, and waits a moment for what their origins have already. `stop` is set if one is lost.
    pub fn start(&mut self, stop: &Arc<Stop>) -> io::Result<()> {
        for handle in &mut self.handles {
            let Some(mut feeder) = handle.feeder.take() else {
                continue;
            };
            let (bell, first) = (Arc::clone(&handle.bell), Arc::clone(&handle.first));
            let stop = Arc::clone(stop);
            let thread = std::thread::Builder::new()
                .name(feeder.name())
                .spawn(move || {
                    let run = std::panic::AssertUnwindSafe(|| feeder.run(&bell, &first));
                    if std::panic::catch_unwind(run).is_err() {
                        stop.set(Reason::Lost("a feeder has panicked".to_owned()));
                    }
                    first.is_fed();
                })?;
            handle.thread = Some(thread);
        }
        let deadline = Instant::now() + FIRST_FEED_WAIT;
        for handle in &self.handles {
            handle.first.wait_until(deadline);
        }
        Ok(())
    }

    /// Ends all feeders and waits for it: what they have read is in the spools then. Said before the watcher's last
    /// publish.
    pub fn stop(&mut self) {
        for handle in &self.handles {
            handle.bell.stop();
        }
        for handle in &mut self.handles {
            if let Some(thread) = handle.thread.take() {
                // A panic has set the latch already.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Feeders {
    /// Ends what was started, where the start fails after that.
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether FILE comes by way of a spool.
fn is_fed(file: &Followed) -> bool {
    match file {
        Followed::Path(path) => is_fifo(path),
        Followed::Stdin { .. }
        | Followed::Journal(_)
        | Followed::Upstream { .. }
        | Followed::Broker { .. } => true,
        _ => false,
    }
}

fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|stat| stat.file_type().is_fifo())
}

fn failed(spool: &Path) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::failed(format!("open the spool {}", spool.display()), error)
}

/// The key of its spool, its name and its origin, where FILE comes by way of a spool.
fn source_of(file: &Followed, others: &[Spooled]) -> Option<(String, String, Origin)> {
    match file {
        Followed::Stdin { name } => Some((format!("stdin {name}"), name.clone(), Origin::Stdin)),
        Followed::Journal(wanted) => {
            let key = match wanted {
                JournalMatch::Unit { unit, .. } => format!("journal {unit}"),
                other => format!("journal:{}", other.name()),
            };
            Some((key, wanted.name(), Origin::Journal))
        }
        Followed::Path(path) if is_fifo(path) => {
            let whole = path.to_string_lossy().into_owned();
            let base = path
                .file_name()
                .map(|base| base.to_string_lossy().into_owned());
            let base = base.filter(|base| others.iter().all(|other| other.name != *base));
            let name = base.unwrap_or_else(|| whole.clone());
            Some((format!("fifo {whole}"), name, Origin::Fifo))
        }
        _ => None,
    }
}

/// What people know the source by, as a path.
fn given(file: &Followed) -> PathBuf {
    match file {
        Followed::Path(path) => path.clone(),
        other => other.to_string().into(),
    }
}
