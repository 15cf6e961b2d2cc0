//! Wiring: makes every part, starts every thread, and ends them in order.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use nix::sys::stat::{Mode, umask};
use std::time::Instant;

use crate::allowance;
use crate::config::Config;
use crate::config::value::Listen;
use crate::courier::Rounds;
use crate::error::StartError;
use crate::hub::Hub;
use crate::limits::PERMIT_TURNS_MIN;
#[cfg(feature = "mqtt")]
use crate::publish::Publishers;
use crate::serve::door::{Door, Listener};
use crate::serve::guard::Guard;
use crate::serve::refusal::Refused;
use crate::serve::routes::Routes;
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
            listen(config)?
        };
        let is_plain = |listener: &Listener| matches!(listener, Listener::Plain(_));
        if tokens.is_some() && listeners.iter().any(is_plain) {
            return Err(StartError::Usage(
                "a passed socket named tcp can't be used with --token-file, since it can't ask for a token: leave one out"
                    .to_owned(),
            ));
        }
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
            stopping: AtomicBool::new(false),
            watcher: handle.clone(),
            access: crate::serve::access::Access::new(
                tokens,
                &listeners,
                config.base_path.as_str(),
            ),
        });
        let door =
            Arc::new(Door::new(Arc::clone(&routes), certificate).map_err(failed("make an epoll"))?);
        let couriers = rounds.start().map_err(failed("start a courier"))?;
        let watcher_thread = watcher
            .start(Arc::clone(stop))
            .map_err(failed("start the watcher"))?;
        let lines = announce(&listeners, routes.access.asks(), config.tls.is_some());
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

/// The name of a Unix socket, which goes with it, also where the start fails later.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn listen(config: &Config) -> Result<(Vec<Listener>, Vec<SocketFile>), StartError> {
    let mut listeners = Vec::new();
    let mut sockets = Vec::new();
    for at in &config.listen {
        match at {
            Listen::Http(at) | Listen::Tcp(at) => {
                let deed = |error: io::Error| StartError::failed(format!("listen on {at}"), error);
                let mut addresses = at.to_string().to_socket_addrs().map_err(deed)?;
                let address = addresses
                    .next()
                    .ok_or_else(|| deed(io::Error::other("the name has no address")))?;
                let listener = TcpListener::bind(address).map_err(deed)?;
                // The standard library's 128 is too few for a thousand at once.
                let backlog = nix::sys::socket::Backlog::MAXCONN;
                let _ = nix::sys::socket::listen(&listener, backlog);
                listeners.push(match at_kind(config, at) {
                    true => Listener::Plain(listener),
                    false => Listener::Http(listener),
                });
            }
            Listen::Unix(path) => {
                let deed = |error: io::Error| {
                    StartError::failed(format!("listen on unix:{}", path.display()), error)
                };
                listeners.push(Listener::Unix(listen_unix(path).map_err(deed)?));
                sockets.push(SocketFile(path.clone()));
            }
        }
    }
    Ok((listeners, sockets))
}

fn at_kind(config: &Config, at: &crate::config::value::HostPort) -> bool {
    config
        .listen
        .iter()
        .any(|listen| matches!(listen, Listen::Tcp(plain) if std::ptr::eq(plain, at)))
}

/// A stale socket file (nobody answers) is replaced, a live one is not.
fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    // Race: with the mode changed only after bind, anybody could connect in between. No other thread makes files yet.
    let usual = umask(Mode::from_bits_truncate(0o117));
    let listener = bind_unix(path);
    umask(usual);
    listener
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(path).is_ok() {
                return Err(io::Error::other("another server answers there"));
            }
            use std::os::unix::fs::FileTypeExt;
            if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
                return Err(io::Error::other("a file that is no socket stands there"));
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// What is said of each listener once it serves.
fn announce(listeners: &[Listener], asks_for_token: bool, over_tls: bool) -> Vec<String> {
    let is_http = |listener: &Listener| matches!(listener, Listener::Http(_));
    if over_tls && !listeners.iter().any(is_http) {
        log::warn!("--tls-cert is of no use here: unix: and tcp: listeners don't speak TLS");
    }
    let scheme = if over_tls { "https" } else { "http" };
    let reachable = |listener: &TcpListener| {
        let address = listener.local_addr().ok();
        if let Some(address) = address
            && !address.ip().is_loopback()
            && !asks_for_token
        {
            log::warn!(
                "{address} can be reached from other machines, and whoever reaches it may read the files: add \
                 --token-file PATH, or listen on 127.0.0.1"
            );
        }
        address.map_or_else(|| "?".to_owned(), |address| address.to_string())
    };
    listeners
        .iter()
        .map(|listener| match listener {
            Listener::Http(listener) => format!("{scheme}://{}", reachable(listener)),
            Listener::Plain(listener) => format!("tcp://{}", reachable(listener)),
            Listener::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                format!("unix:{}", path.unwrap_or(Path::new("?")).display())
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;
