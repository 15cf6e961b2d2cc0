//! From the hub to a broker, which is one more client: a thread for each reads the files from the last acknowledged
//! places on, joins the hub, and falls back to the files when the broker is slow or away. So nothing piles up here, and
//! nothing is lost while the bytes still exist.
//!
//! At least once, in order: a message is done when the broker has acknowledged it, and what was not is published again
//! after a lost connection, with the same ids. The places are kept in the state directory.
//!
//! What waits in a publisher's thread waits in one poll(2), for the socket, the next thing due, or its bell, which the
//! hub and a stop ring.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::publishing::Publishing;
use crate::error::StartError;
use crate::hub::Hub;
use crate::outward::{Bell, Way};
use crate::stop::Stop;
use crate::tally::Tally;

// What is said to a broker: plain functions over bytes.
mod topic;

mod message;

mod session;

// What is kept.
mod state;

mod places;

mod feed;

mod talk;

mod publisher;

use places::Places;
use publisher::Publisher;
use state::State;
use talk::Means;
use topic::Topics;

/// All publishers.
#[derive(Debug, Default)]
pub struct Publishers {
    /// Not started yet.
    publishers: Vec<Publisher>,
    threads: Vec<JoinHandle<()>>,
    bells: Vec<Arc<Bell>>,
    tallies: Vec<Arc<Tally>>,
}

impl Publishers {
    /// Opens the state of each broker. Nothing is published yet. `queue_batches` is `--queue`. Blocks on the disk.
    pub fn open(
        settings: &Publishing,
        host: &str,
        hub: &Arc<Hub>,
        queue_batches: usize,
    ) -> Result<Publishers, StartError> {
        if let Some(path) = &settings.password_file {
            publisher::password(path).map_err(StartError::Failed)?;
        }
        let host = if host.is_empty() { "unknown" } else { host };
        let mut publishers = Publishers::default();
        for broker in &settings.brokers {
            let way = Way::new(broker.at.clone(), broker.tls)?;
            let (state, kept) = State::open(&settings.state_dir, broker)?;
            let bell = Bell::new().map_err(|error| StartError::failed("make an eventfd", error))?;
            let bell = Arc::new(bell);
            let tally = Arc::new(Tally::new(broker.to_string(), kept.ids));
            let means = Means {
                hub: Arc::clone(hub),
                queue_batches,
                bell: Arc::clone(&bell),
                tally: Arc::clone(&tally),
                topics: Topics::new(broker, host, &settings.escape),
                format: settings.format,
            };
            let places = Places::new(Arc::clone(&tally), state, kept.written);
            let publisher = Publisher::new((broker, way), settings, means, places);
            publishers.publishers.push(publisher);
            publishers.bells.push(bell);
            publishers.tallies.push(tally);
        }
        Ok(publishers)
    }

    /// Notes where each file stands now, before anything is read of it: that is where one begins that was never published.
    /// Blocks on the disk.
    pub fn note_start(&mut self) -> Result<(), StartError> {
        let mut publishers = self.publishers.iter_mut();
        publishers.try_for_each(Publisher::note_start)
    }

    /// Starts the threads. `stop` is set if one is lost.
    pub fn start(&mut self, stop: &Arc<Stop>) -> io::Result<()> {
        for (n, publisher) in self.publishers.drain(..).enumerate() {
            let name = format!("publisher-{}", n + 1);
            self.threads
                .push(stop.start(name, move || publisher.run())?);
        }
        Ok(())
    }

    /// What each counts.
    pub fn tallies(&self) -> Vec<Arc<Tally>> {
        self.tallies.clone()
    }

    /// Tells all to come to their end: they publish what there still is, for a moment. Said after the watcher's last
    /// publish.
    pub fn stop(&self) {
        self.bells.iter().for_each(|bell| bell.stop());
    }

    /// Waits for their end.
    pub fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic has set the latch already.
            let _ = thread.join();
        }
    }
}
