//! Wiring: makes every part, starts every thread, and ends them in order.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::allowance;
use crate::config::Config;
use crate::config::followed::Followed;
use crate::courier::Rounds;
use crate::error::StartError;
use crate::feed::Feeders;
use crate::hub::Hub;
use crate::pattern::Wanted;
#[cfg(feature = "mqtt")]
use crate::publish::Publishers;
use crate::reader::life;
#[cfg(feature = "webrtc")]
use crate::rtc::Peers;
use crate::serve::access::Access;
use crate::serve::access::guard::Guard;
use crate::serve::access::token::Tokens;
use crate::serve::delivery::filter::Filters;
use crate::serve::delivery::stream::Shared;
use crate::serve::delivery::streams::Streams;
use crate::serve::delivery::turnstile::Turnstile;
use crate::serve::door::Door;
use crate::serve::door::listener::{self, Listener, SocketFile};
use crate::serve::door::routes::Routes;
use crate::serve::door::shortage::Shortage;
use crate::serve::http::refusal::Refused;
use crate::serve::transport::tls::Certificate;
use crate::source::id;
use crate::source::inflate;
use crate::source::seal::Key;
use crate::stop::Stop;
use crate::systemd::{self, Notifier, Status};
use crate::tail::{self, Watcher};
use crate::tally::{Tally, Upstreams};
use crate::time;

/// A daemon that serves.
pub struct Daemon {
    hub: Arc<Hub>,
    rounds: Arc<Rounds>,
    door: Arc<Door>,
    routes: Arc<Routes>,
    told: Arc<Told>,
    feeders: Feeders,
    watcher: tail::Handle,
    watcher_thread: Option<JoinHandle<()>>,
    door_thread: Option<JoinHandle<()>>,
    couriers: Vec<JoinHandle<()>>,
    #[cfg(feature = "mqtt")]
    publishers: Publishers,
    #[cfg(feature = "webrtc")]
    peers: Option<Arc<Peers>>,
    /// Removes the Unix sockets at the end.
    _sockets: Vec<SocketFile>,
}

impl Daemon {
    /// Makes and starts everything; when it returns, the daemon serves. `stop` is set if a core thread is lost.
    pub fn start(config: &Config, stop: &Arc<Stop>) -> Result<Daemon, StartError> {
        time::read_zone();
        let (mut daemon, watcher, listeners) = Daemon::make(config, stop)?;
        let over_tls = config.tls.is_some();
        let urls: Vec<_> = listeners
            .iter()
            .map(|listener| listener.url(over_tls))
            .collect();
        daemon.couriers = daemon
            .rounds
            .start(stop)
            .map_err(failed("start a courier"))?;
        let watches = watcher
            .start(Arc::clone(stop))
            .map_err(failed("start the watcher"))?;
        daemon.watcher_thread = Some(watches);
        let accepts = daemon
            .door
            .open(listeners, Arc::clone(stop))
            .map_err(failed("start the door"))?;
        daemon.door_thread = Some(accepts);
        allowance::check(config.max_clients, daemon.hub.sources_len());
        for url in urls {
            log::info!("listening on {url}");
        }
        #[cfg(feature = "mqtt")]
        daemon
            .publishers
            .start(stop)
            .map_err(failed("start a publisher"))?;
        systemd::ready(daemon.told.status());
        Ok(daemon)
    }

    /// Makes every part, and starts no thread yet but those that feed spools: what they have then is history.
    fn make(
        config: &Config,
        stop: &Arc<Stop>,
    ) -> Result<(Daemon, Watcher, Vec<Listener>), StartError> {
        allowance::raise_descriptors();
        if let Some(dir) = &config.state_dir {
            id::seal_with(Key::open(dir)?);
        }
        let tokens = config.token_file.as_deref().map(Tokens::open).transpose()?;
        if let Some(tokens) = &tokens {
            tokens.warn_of_names(&config.files);
        }
        let certificate = config.tls.as_ref();
        let certificate = certificate.map(|tls| Certificate::open(&tls.cert, &tls.key));
        let certificate = certificate.transpose()?;
        let (listeners, sockets) = listeners(config)?;
        listener::check(&listeners, tokens.is_some(), certificate.is_some())?;
        let hub = Hub::new(config.max_line).map_err(failed("make an eventfd"))?;
        let hub = Arc::new(hub.raw(config.raw));
        let rounds = Arc::new(Rounds::new(Arc::clone(&hub), config.max_delay));
        let streams = Arc::new(Streams::new(
            Arc::clone(&hub),
            config.max_clients,
            systemd::is_told(),
        ));
        #[cfg(feature = "mqtt")]
        let mut publishers = match &config.publishing {
            Some(settings) => Publishers::open(settings, &own_host(), &hub, config.queue)?,
            None => Publishers::default(),
        };
        #[cfg(feature = "mqtt")]
        let tallies = publishers.tallies();
        #[cfg(not(feature = "mqtt"))]
        let tallies = Vec::new();
        let via = Arc::default();
        let mut feeders = Feeders::open(config, &hub, &via)?;
        let places = [&config.spool_dir, &config.state_dir].into_iter().flatten();
        if let Some(place) = places.into_iter().find(|place| place.is_dir()) {
            inflate::place_in(place);
        }
        let paths = paths(config, &feeders);
        feeders.start(stop).map_err(failed("start a feeder"))?;
        let told = Arc::new(Told {
            hub: Arc::clone(&hub),
            streams: Arc::clone(&streams),
            tallies: tallies.clone(),
            upstreams: Arc::clone(&feeders.upstreams),
        });
        let options = tail::Options {
            spools: feeders.spools(),
            on_fifo: Some(feeders.on_fifo(config, &hub, stop)),
            dockers: dockers(config),
            files_max: Some(allowance::files(config.max_clients)),
            held_max: Some(allowance::held(config.max_clients)),
            on_round: tells_systemd(Arc::clone(&told)),
            ..tail::Options::default()
        };
        let watcher = Watcher::new(&paths, Arc::clone(&hub), Arc::clone(&rounds), options);
        let watcher = watcher.map_err(failed("watch the files"))?;
        #[cfg(feature = "mqtt")]
        publishers.note_start()?;
        let port = listener::port(&listeners);
        let access = Access::new(tokens, port, config.base_path.as_str());
        let shared = shared(config, &hub, &streams);
        let mut routes = routes(config, shared, access, &rounds, tallies, watcher.handle());
        routes.via = via;
        routes.upstreams = Arc::clone(&feeders.upstreams);
        #[cfg(feature = "webrtc")]
        let peers = peers(config, stop)?;
        #[cfg(feature = "webrtc")]
        if let Some(peers) = &peers {
            routes.offers = Some(Arc::clone(peers) as _);
        }
        let routes = Arc::new(routes);
        let door = Door::new(Arc::clone(&routes), certificate).map_err(failed("make an epoll"))?;
        let daemon = Daemon {
            hub,
            rounds,
            door: Arc::new(door),
            routes,
            told,
            feeders,
            watcher: watcher.handle(),
            watcher_thread: None,
            door_thread: None,
            couriers: Vec::new(),
            #[cfg(feature = "mqtt")]
            publishers,
            #[cfg(feature = "webrtc")]
            peers,
            _sockets: sockets,
        };
        Ok((daemon, watcher, listeners))
    }

    /// Ends everything, in the order that loses nothing: no new clients; the watcher's last publish; no new
    /// subscribers; the couriers' last round; goodbyes; then what is left is shut.
    pub fn stop(mut self) {
        systemd::stopping();
        self.routes.stopping.store(true, Ordering::SeqCst);
        self.door.close();
        join(self.door_thread.take());
        self.feeders.stop();
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
        #[cfg(feature = "webrtc")]
        if let Some(peers) = &self.peers {
            peers.stop();
        }
        #[cfg(feature = "mqtt")]
        self.publishers.join();
        log::debug!("subscribers moved: {}", life::told());
    }
}

/// The paths and patterns that are followed.
fn paths(config: &Config, feeders: &Feeders) -> Vec<Wanted> {
    let mut paths = Vec::new();
    for file in &config.files {
        match file {
            Followed::Path(path) if !feeders.feeds(file) => paths.push(Wanted::Path(path.clone())),
            Followed::Pattern(pattern) => paths.push(Wanted::Pattern(pattern.clone())),
            // A container, or a spool.
            _ => {}
        }
    }
    paths
}

/// The data roots of Docker whose containers are followed.
fn dockers(config: &Config) -> Vec<PathBuf> {
    let root = |file: &Followed| match file {
        Followed::Docker { root } => Some(root.clone()),
        _ => None,
    };
    config.files.iter().filter_map(root).collect()
}

fn failed(deed: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::failed(deed, error)
}

/// Those that systemd has passed, or else those of the settings, with the names that go with them.
fn listeners(config: &Config) -> Result<(Vec<Listener>, Vec<SocketFile>), StartError> {
    let passed = systemd::passed_listeners()?;
    if passed.is_empty() {
        return listener::open(&config.listen);
    }
    Ok((passed, Vec::new()))
}

/// The name of this machine; empty where it has none that can be read.
fn own_host() -> String {
    let name = nix::unistd::gethostname().ok();
    name.and_then(|name| name.into_string().ok())
        .unwrap_or_default()
}

/// What streams share.
fn shared(config: &Config, hub: &Arc<Hub>, streams: &Arc<Streams>) -> Shared {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Shared {
        hub: Arc::clone(hub),
        turnstile: Turnstile::new(cores),
        streams: Arc::clone(streams),
        queue_batches: config.queue,
        ping_interval: config.ping_interval,
    }
}

/// What all clients share.
fn routes(
    config: &Config,
    shared: Shared,
    access: Access,
    rounds: &Arc<Rounds>,
    tallies: Vec<Arc<Tally>>,
    watcher: tail::Handle,
) -> Routes {
    let (origins, hosts) = (&config.allow_origin, &config.allow_host);
    Routes {
        shared,
        filters: Filters::default(),
        guard: Guard::new(origins, hosts, access.asks(), &own_host()),
        base_path: config.base_path.clone(),
        lines: config.lines,
        since: config.since,
        rotated: !config.no_rotated,
        several: config.files.len() > 1 || config.files.iter().any(Followed::is_several),
        via: Arc::default(),
        upstreams: Arc::default(),
        refused: Refused::default(),
        rounds: Arc::clone(rounds),
        tallies,
        started: std::time::SystemTime::now(),
        shortage: Shortage::new(allowance::descriptors()),
        stopping: AtomicBool::new(false),
        alive: Box::new(move || watcher.is_alive()),
        access,
        #[cfg(feature = "webrtc")]
        offers: None,
    }
}

/// What takes offers of data channels, where that is asked for.
#[cfg(feature = "webrtc")]
fn peers(config: &Config, stop: &Arc<Stop>) -> Result<Option<Arc<Peers>>, StartError> {
    let at = config.rtc_listen.as_ref();
    let peers = at.map(|at| Peers::open(at, config.ping_interval, stop));
    Ok(peers.transpose()?.map(Arc::new))
}

/// What is told to systemd.
struct Told {
    hub: Arc<Hub>,
    streams: Arc<Streams>,
    tallies: Vec<Arc<Tally>>,
    upstreams: Arc<Upstreams>,
}

impl Told {
    fn status(&self) -> Status {
        let (clients, lag_bytes) = self.streams.count();
        let is_away = |tally: &&Arc<Tally>| !tally.is_connected();
        Status {
            files: self.hub.sources_len(),
            missing: self.hub.missing_len(),
            clients,
            catching_up: self.streams.catching_up(),
            lag_bytes,
            brokers: self.tallies.len(),
            away: self.tallies.iter().filter(is_away).count(),
            upstreams: self.upstreams.all().len(),
            upstreams_away: self.upstreams.away(),
        }
    }
}

/// What the watcher does for systemd when it comes round, if there is one.
fn tells_systemd(told: Arc<Told>) -> Option<tail::OnRound> {
    if !systemd::is_told() {
        return None;
    }
    let mut notifier = Notifier::new(move || told.status(), Instant::now());
    Some(Box::new(move |now| notifier.come_round(now)))
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
