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
//! | `asked` | which FILEs come by way of a spool |
//! | `threads` | the feeders' threads |
//! | `store` | the directory of all spools: its lock, what is left behind in it |
//! | `spool` | one spool: appending, rotating, the full disk |
//! | `places` | the pairs beside a spool |
//! | `events` | what happened in a spool, over restarts |
//! | `pipe` | standard input and FIFOs |
//! | `later` | FIFOs that appear while the daemon runs |
//! | `journal` | the journal, by way of journalctl |
//! | `spools` | the spools of an origin with many files |
//! | `upstream` | another tailcast |
//! | `broker` | what tailcasts publish to a broker |

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::config::followed::Followed;
use crate::config::url::HttpUrl;
use crate::error::StartError;
use crate::hub::{Hub, OnFifo, Spooled};
use crate::limits::FIRST_FEED_WAIT;
use crate::outward::{Bell, Reach};
use crate::stop::Stop;
use crate::tally::Upstreams;
use crate::upstream::credentials::Credentials;
use crate::via::Via;

mod asked;
mod events;
mod journal;
mod later;
mod pipe;
mod places;
mod spool;
mod spools;
mod store;
mod threads;
mod upstream;

#[cfg(feature = "mqtt")]
mod broker;

use asked::{asked, given, is_fed};
use journal::Journal;
use later::Later;
use pipe::Pipe;
use spool::Spool;
use spools::Ground;
use store::Store;
use threads::{First, Threads};
use upstream::Upstream;

/// What feeds spools from one origin.
trait Feeder: Send {
    /// What its thread is called.
    fn name(&self) -> String;

    /// Feeds until the bell says that the daemon stops, or the origin is at its end.
    fn run(&mut self, bell: &Arc<Bell>, first: &First);
}

/// All feeders, and the directory of their spools.
#[derive(Default)]
pub struct Feeders {
    /// Not started yet.
    feeders: Vec<Box<dyn Feeder>>,
    threads: Arc<Threads>,
    spools: Vec<Spooled>,
    store: Option<Arc<Store>>,
    /// What is known of the other tailcasts.
    pub upstreams: Arc<Upstreams>,
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
            let is_taken = |name: &str| feeders.spools.iter().any(|other| other.name == name);
            let Some(asked) = asked(file, &store, is_taken) else {
                continue;
            };
            let directory = store.directory(&asked.key)?;
            let spool = Spool::open(&directory, config.spool_size / 2, asked.name, hub);
            let spool = spool.map_err(failed(&directory))?;
            feeders
                .spools
                .push(spool.spooled(given(file), asked.origin));
            match file {
                Followed::Path(path) => feeders.add(Pipe::fifo(path.clone(), spool)),
                Followed::Journal(wanted) => journals.push((wanted.clone(), spool)),
                _ => feeders.add(Pipe::stdin(spool)),
            }
            keys.push(asked.key);
        }
        if !journals.is_empty() {
            let is_all = journals.len() == config.files.len();
            let journal = Journal::open(journals).map_err(failed(Path::new("of the journal")))?;
            if is_all {
                journal::check().map_err(StartError::Failed)?;
            }
            feeders.add(journal);
        }
        let ground = Ground {
            store: Arc::clone(&store),
            hub: Arc::clone(hub),
            file_bytes_max: config.spool_size / 2,
        };
        let others = feeders.open_upstreams(config, (ground.clone(), via), credentials.clone())?;
        #[cfg(feature = "mqtt")]
        let brokers = feeders.open_brokers(config, &ground, credentials.as_ref())?;
        #[cfg(feature = "mqtt")]
        let others = [others, brokers].concat();
        // A FIFO that is not there now may come back.
        let paths = config.files.iter().filter_map(|file| match file {
            Followed::Path(path) => Some(asked::fifo_key(path)),
            _ => None,
        });
        keys.extend(paths);
        store.sweep(&keys, &others);
        feeders.store = Some(store);
        Ok(feeders)
    }

    /// The keys that the spools of other tailcasts begin with.
    fn open_upstreams(
        &mut self,
        config: &Config,
        (ground, via): (Ground, &Arc<Via>),
        credentials: Option<Arc<Credentials>>,
    ) -> Result<Vec<String>, StartError> {
        let mut hosts: Vec<(String, HttpUrl)> = Vec::new();
        let is_name = |host: &str| {
            let mut files = config.files.iter();
            files.any(
                |file| matches!(file, Followed::Upstream { name: Some(name), .. } if name == host),
            )
        };
        for file in &config.files {
            if let Followed::Upstream { name, url } = file {
                let is_host = |host: &str| hosts.iter().any(|(taken, _)| taken == host);
                let is_taken = |host: &str| is_host(host) || (name.is_none() && is_name(host));
                let host = match name {
                    Some(name) => name.clone(),
                    None if is_taken(url.at.bare_host()) => url.at.to_string(),
                    None => url.at.bare_host().to_owned(),
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
            ground,
            via: Arc::clone(via),
            counts: Arc::clone(&self.upstreams),
            ping_interval: config.ping_interval,
            max_delay: config.max_delay,
            credentials,
        });
        let mut keys = Vec::new();
        for (number, (host, url)) in hosts.into_iter().enumerate() {
            let upstream = Upstream::open(Arc::clone(&shared), host, url, number)?;
            keys.push(upstream.files.key().to_owned());
            self.spools.extend(upstream.files.all());
            self.add(upstream);
        }
        Ok(keys)
    }

    /// The keys that the spools of brokers begin with.
    #[cfg(feature = "mqtt")]
    fn open_brokers(
        &mut self,
        config: &Config,
        ground: &Ground,
        credentials: Option<&Arc<Credentials>>,
    ) -> Result<Vec<String>, StartError> {
        let mut keys = Vec::new();
        for file in &config.files {
            let Followed::Broker { name, url } = file else {
                continue;
            };
            let broker = broker::Broker::open(
                ground.clone(),
                (name.clone(), url.clone()),
                credentials.cloned(),
                keys.len(),
            )?;
            let key = broker.files.key().to_owned();
            if keys.contains(&key) {
                return Err(StartError::Usage(format!(
                    "{url} is given twice: leave one out"
                )));
            }
            keys.push(key);
            self.spools.extend(broker.files.all());
            self.add(broker);
        }
        Ok(keys)
    }

    fn add(&mut self, feeder: impl Feeder + 'static) {
        self.feeders.push(Box::new(feeder));
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

    /// What makes a spool of a FIFO that appears later.
    pub fn on_fifo(&self, config: &Config, hub: &Arc<Hub>, stop: &Arc<Stop>) -> OnFifo {
        let mut later = Later::new(config, hub, self.store.clone(), &self.threads, stop);
        Box::new(move |path, name| later.open(path, name))
    }

    /// Starts the threads, and waits a moment for what their origins have already. `stop` is set if one is lost.
    pub fn start(&mut self, stop: &Arc<Stop>) -> io::Result<()> {
        let start = |feeder| self.threads.start(feeder, stop);
        let firsts: Vec<_> = self
            .feeders
            .drain(..)
            .map(start)
            .collect::<Result<_, _>>()?;
        let deadline = Instant::now() + FIRST_FEED_WAIT;
        firsts.iter().for_each(|first| first.wait_until(deadline));
        Ok(())
    }

    /// Ends all feeders and waits for it: what they have read is in the spools then. Said before the watcher's last
    /// publish.
    pub fn stop(&mut self) {
        self.threads.stop();
    }
}

impl Drop for Feeders {
    /// Ends what was started, where the start fails after that.
    fn drop(&mut self) {
        self.stop();
    }
}

/// One that was not tried yet, of an origin on another machine.
fn reach(origin: &impl Display) -> Reach {
    let away = [
        format!("{origin} is away"),
        ": trying until it is back".to_owned(),
    ];
    Reach::new(origin, away)
}

fn failed(spool: &Path) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::failed(format!("open the spool {}", spool.display()), error)
}
