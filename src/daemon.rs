//! Wiring: makes every part, starts every thread, and ends them in order.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use std::time::Instant;

use crate::allowance;
use crate::config::Config;
use crate::courier::Rounds;
use crate::error::StartError;
use crate::hub::Hub;
use crate::limits::PERMIT_TURNS_MIN;
#[cfg(feature = "mqtt")]
use crate::publish::Publishers;
use crate::serve::door::Door;
use crate::serve::guard::Guard;
use crate::serve::listener::{self, SocketFile};
use crate::serve::refusal::Refused;
use crate::serve::routes::Routes;
use crate::serve::shortage::Shortage;
use crate::serve::stream::Shared;
use crate::serve::streams::Streams;
use crate::serve::tls::Certificate;
use crate::serve::turnstile::Turnstile;
use crate::stop::Stop;
use crate::systemd::{self, Notifier, Status};
use crate::tail::{self, Watcher};
use crate::tally::Tally;

/// A daemon that serves.
#[derive(Debug)]
pub struct Daemon {
    hub: Arc<Hub>,
    rounds: Arc<Rounds>,
    door: Arc<Door>,
    routes: Arc<Routes>,
    watcher: tail::Handle,
    watcher_thread: Option<JoinHandle<()>>,
    door_thread: Option<JoinHandle<()>>,
    couriers: Vec<JoinHandle<()>>,
    #[cfg(feature = "mqtt")]
    publishers: Publishers,
    /// Removes the Unix sockets at the end.
    _sockets: Vec<SocketFile>,
}

impl Daemon {
    /// Makes and starts everything; when it returns, the daemon serves. `stop` is set if a core thread is lost.
    pub fn start(config: &Config, stop: &Arc<Stop>) -> Result<Daemon, StartError> {
        allowance::raise_descriptors();
        let failed = |deed: &'static str| move |error: io::Error| StartError::failed(deed, error);
        for file in &config.files {
            tail::check_name(file).map_err(StartError::Usage)?;
        }
        let tokens = match &config.token_file {
            Some(path) => Some(crate::serve::token::Tokens::open(path)?),
            None => None,
        };
        let certificate = match &config.tls {
            Some(tls) => Some(Certificate::open(&tls.cert, &tls.key)?),
            None => None,
        };
        let passed = systemd::passed_listeners()?;
        let is_passed = !passed.is_empty();
        let (listeners, sockets) = if is_passed {
            (passed, Vec::new())
        } else {
            listener::open(&config.listen)?
        };
        listener::check(&listeners, tokens.is_some(), certificate.is_some())?;
        let hub = Arc::new(Hub::new(config.max_line).map_err(failed("make an eventfd"))?);
        let rounds = Arc::new(Rounds::new(Arc::clone(&hub), config.max_delay));
        let streams = Arc::new(Streams::new(Arc::clone(&hub), systemd::is_told()));
        let own_host = nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_default();
        #[cfg(feature = "mqtt")]
        let mut publishers = match &config.publishing {
            Some(settings) => Publishers::open(settings, &own_host, &hub, config.queue)?,
            None => Publishers::default(),
        };
        #[cfg(feature = "mqtt")]
        let tallies = publishers.tallies();
        #[cfg(not(feature = "mqtt"))]
        let tallies = Vec::new();
        let options = tail::Options {
            on_round: tells_systemd(&hub, &streams, &tallies),
            ..tail::Options::default()
        };
        let watcher = Watcher::new(
            &config.files,
            Arc::clone(&hub),
            Arc::clone(&rounds),
            options,
        )
        .map_err(failed("watch the files"))?;
        let handle = watcher.handle();
        #[cfg(feature = "mqtt")]
        publishers.note_start()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let is_pattern = |file: &PathBuf| {
            file.to_string_lossy().contains(['*', '?', '['])
                && std::fs::symlink_metadata(file).is_err()
        };
        let routes = Arc::new(Routes {
            shared: Shared {
                hub: Arc::clone(&hub),
                turnstile: Turnstile::new(cores.max(PERMIT_TURNS_MIN)),
                streams: Arc::clone(&streams),
                queue_batches: config.queue,
                ping_interval: config.ping_interval,
            },
            guard: Guard::new(
                &config.allow_origin,
                &config.allow_host,
                tokens.is_some(),
                &own_host,
            ),
            base_path: config.base_path.clone(),
            lines: config.lines,
            max_clients: config.max_clients,
            several: config.files.len() > 1 || config.files.iter().any(is_pattern),
            streams: AtomicUsize::new(0),
            refused: Refused::default(),
            rounds: Arc::clone(&rounds),
            tallies: tallies.clone(),
            started: std::time::SystemTime::now(),
            shortage: Shortage::new(allowance::descriptors()),
            stopping: AtomicBool::new(false),
            watcher: handle.clone(),
            access: crate::serve::access::Access::new(
                tokens,
                listener::port(&listeners),
                config.base_path.as_str(),
            ),
        });
        let door =
            Arc::new(Door::new(Arc::clone(&routes), certificate).map_err(failed("make an epoll"))?);
        let couriers = rounds.start().map_err(failed("start a courier"))?;
        let watcher_thread = watcher
            .start(Arc::clone(stop))
            .map_err(failed("start the watcher"))?;
        let lines: Vec<_> = listeners
            .iter()
            .map(|listener| listener.url(config.tls.is_some()))
            .collect();
        let door_thread = door
            .open(listeners, Arc::clone(stop))
            .map_err(failed("start the door"))?;
        allowance::check(config.max_clients, hub.sources_len());
        for line in lines {
            log::info!("listening on {line}");
        }
        #[cfg(feature = "mqtt")]
        publishers
            .start(stop)
            .map_err(failed("start a publisher"))?;
        systemd::ready(status(&hub, &streams, &tallies));
        Ok(Daemon {
            hub,
            rounds,
            door,
            routes,
            watcher: handle,
            watcher_thread: Some(watcher_thread),
            door_thread: Some(door_thread),
            couriers,
            #[cfg(feature = "mqtt")]
            publishers,
            _sockets: sockets,
        })
    }

    /// Ends everything, in the order that loses nothing: no new clients; the watcher's last publish; no new
    /// subscribers; the couriers' last round; goodbyes; then what is left is shut.
    pub fn stop(mut self) {
        systemd::stopping();
        self.routes.stopping.store(true, Ordering::SeqCst);
        self.door.close();
        join(self.door_thread.take());
        self.watcher.quit();
        join(self.watcher_thread.take());
        self.rounds.stop();
        for courier in self.couriers.drain(..) {
            join(Some(courier));
        }
        #[cfg(feature = "mqtt")]
        self.publishers.stop();
        self.door.end_all();
        self.hub.close();
        self.door.say_goodbye();
        #[cfg(feature = "mqtt")]
        self.publishers.join();
    }
}

/// What the watcher does for systemd when it comes round, if there is one.
fn tells_systemd(
    hub: &Arc<Hub>,
    streams: &Arc<Streams>,
    tallies: &[Arc<Tally>],
) -> Option<tail::OnRound> {
    if !systemd::is_told() {
        return None;
    }
    let (hub, streams, tallies) = (Arc::clone(hub), Arc::clone(streams), tallies.to_vec());
    let mut notifier = Notifier::new(move || status(&hub, &streams, &tallies), Instant::now());
    Some(Box::new(move |now| notifier.come_round(now)))
}

fn status(hub: &Hub, streams: &Streams, tallies: &[Arc<Tally>]) -> Status {
    let (clients, lag_bytes) = streams.count();
    Status {
        files: hub.sources_len(),
        missing: hub.missing_len(),
        clients,
        catching_up: streams.catching_up(),
        lag_bytes,
        brokers: tallies.len(),
        away: tallies.iter().filter(|tally| !tally.is_connected()).count(),
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // A panic has set the latch already.
        let _ = thread.join();
    }
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;
