//! What systemd gives and is told: passed sockets (sd_listen_fds(3)), readiness, status, watchdog (sd_notify(3)).
//! Without systemd all of it does nothing. The words are few, so they are sent from here, also to an abstract socket
//! (`NOTIFY_SOCKET=@…`, as a container manager may have it).
//!
//! The status line and the watchdog are told by the watcher, each time that it comes round, so a watcher that is stuck
//! goes silent. There is no timer for the status: after a change it is due once, and where nothing happens nothing is.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use listenfd::ListenFd;

use crate::error::StartError;
use crate::limits::STATUS_EVERY;
use crate::serve::door::listener::Listener;

/// The sockets that systemd has passed, in its order; none where it has passed none. One named `tcp`
/// (FileDescriptorName=) is a plain one.
pub fn passed_listeners() -> Result<Vec<Listener>, StartError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for n in 0..passed.len() {
        let name = names.get(n).copied().unwrap_or_default();
        let listener = match passed.take_tcp_listener(n) {
            Ok(Some(listener)) if name == "tcp" => Listener::Plain(listener),
            Ok(Some(listener)) => Listener::Http(listener),
            _ => match passed.take_unix_listener(n) {
                Ok(Some(listener)) if name == "tcp" => Listener::PlainUnix(listener),
                Ok(Some(listener)) => Listener::Unix(listener),
                Ok(None) => continue,
                Err(error) => {
                    let deed = format!(
                        "use the passed socket {n} (\"{name}\"): it must be a listening TCP or Unix one"
                    );
                    return Err(StartError::failed(deed, error));
                }
            },
        };
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Whether anybody is told at all.
pub fn is_told() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// What the status line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Followed files.
    pub files: usize,
    /// Those of them whose name leads nowhere now.
    pub missing: usize,
    /// Open streams.
    pub clients: usize,
    /// Those of them that read the files.
    pub catching_up: usize,
    /// What the slowest stream has yet to get.
    pub lag_bytes: u64,
    /// Brokers that are published to.
    pub brokers: usize,
    /// Those of them that can't be, now.
    pub away: usize,
    /// Other tailcasts that are followed.
    pub upstreams: usize,
    /// Those of them that can't be, now.
    pub upstreams_away: usize,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |n: usize, what: &str, some: usize, are: &str| {
            let plural = if n == 1 { "" } else { "s" };
            match some {
                0 => format!("{n} {what}{plural}"),
                some => format!("{n} {what}{plural} ({some} {are})"),
            }
        };
        let files = counted(self.files, "file", self.missing, "missing");
        let clients = counted(self.clients, "client", self.catching_up, "catching up");
        write!(f, "{files}, {clients}, lag {} bytes", self.lag_bytes)?;
        if self.brokers > 0 {
            let brokers = counted(self.brokers, "broker", self.away, "away");
            write!(f, ", {brokers}")?;
        }
        if self.upstreams > 0 {
            let upstreams = counted(self.upstreams, "upstream", self.upstreams_away, "away");
            write!(f, ", {upstreams}")?;
        }
        Ok(())
    }
}

/// Tells systemd of the running daemon.
pub struct Notifier<S> {
    status: S,
    /// The last status line told, and when another one may be.
    told: Option<Status>,
    status_due: Instant,
    /// Half of WATCHDOG_USEC, where it is set.
    beat: Option<Duration>,
    beat_due: Instant,
}

impl<S: FnMut() -> Status> Notifier<S> {
    /// Tells what `status` says, and the watchdog where systemd has one.
    pub fn new(status: S, now: Instant) -> Notifier<S> {
        Notifier {
            status,
            told: None,
            status_due: now,
            beat: watchdog_timeout().map(|timeout| timeout / 2),
            beat_due: now,
        }
    }

    /// The watcher has come round at `now`; when it must do so again at the latest.
    pub fn come_round(&mut self, now: Instant) -> Option<Instant> {
        let mut due = None;
        if let Some(beat) = self.beat {
            if now >= self.beat_due {
                tell("WATCHDOG=1");
                self.beat_due = now + beat;
            }
            due = Some(self.beat_due);
        }
        if now < self.status_due {
            // It came round for a reason: what that has changed is told when its time has come.
            return Some(due.map_or(self.status_due, |due| due.min(self.status_due)));
        }
        let status = (self.status)();
        if self.told != Some(status) {
            tell(&format!("STATUS={status}"));
            self.told = Some(status);
        }
        self.status_due = now + STATUS_EVERY;
        due
    }
}

/// The daemon serves.
pub fn ready(status: Status) {
    tell(&format!("READY=1\nSTATUS={status}"));
}

/// The daemon stops.
pub fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

/// The watchdog's patience with this process, where it has one (sd_watchdog_enabled(3)).
fn watchdog_timeout() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let of_another = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
    let micros = number("WATCHDOG_USEC").filter(|&micros| micros > 0 && !of_another);
    micros.map(Duration::from_micros)
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = tell_at(&socket, state) {
        log::debug!("systemd can't be told at {socket:?}: {error}");
    }
}

/// Sends `state` to a socket by its path, or to an abstract one, whose name begins with `@` instead of a NUL.
fn tell_at(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(state.as_bytes(), &address)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_status_is_due_once_after_a_change_and_never_again_by_itself() {
        let clients = Cell::new(0);
        let asked = Cell::new(0);
        let status = || {
            asked.set(asked.get() + 1);
            Status {
                clients: clients.get(),
                ..Status::default()
            }
        };
        let start = Instant::now();
        let mut notifier = Notifier::new(status, start);
        notifier.beat = None;
        assert_eq!(notifier.come_round(start), None);
        clients.set(1);
        let soon = start + STATUS_EVERY / 2;
        assert_eq!(notifier.come_round(soon), Some(start + STATUS_EVERY));
        assert_eq!(asked.get(), 1);
        assert_eq!(notifier.come_round(start + STATUS_EVERY), None);
        assert_eq!(notifier.told.map(|told| told.clients), Some(1));
    }

    #[test]
    fn the_watchdog_is_told_at_each_beat_whatever_the_status() {
        let start = Instant::now();
        let mut notifier = Notifier::new(Status::default, start);
        let beat = Duration::from_secs(15);
        notifier.beat = Some(beat);
        assert_eq!(notifier.come_round(start), Some(start + beat));
        let late = start + beat + STATUS_EVERY;
        assert_eq!(notifier.come_round(late), Some(late + beat));
    }

    #[test]
    fn an_abstract_socket_is_told_as_well_as_one_with_a_path() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let name = format!("tailcast-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let by_path = UnixDatagram::bind(&path).expect("a socket");
        let by_name = UnixDatagram::bind_addr(&address).expect("a socket");
        let name = format!("@{name}");
        for (told, at) in [(by_path, path.as_os_str()), (by_name, OsStr::new(&name))] {
            tell_at(at, "READY=1").expect("told");
            let mut buf = [0; 16];
            assert_eq!(told.recv(&mut buf).expect("a word"), 7);
            assert_eq!(&buf[..7], b"READY=1");
        }
    }

    #[test]
    fn the_status_counts_in_words() {
        let mut status = Status {
            files: 1,
            ..Status::default()
        };
        assert_eq!(status.to_string(), "1 file, 0 clients, lag 0 bytes");
        status = Status {
            files: 3,
            missing: 1,
            clients: 12,
            catching_up: 2,
            lag_bytes: 4096,
            brokers: 2,
            away: 1,
            upstreams: 2,
            upstreams_away: 1,
        };
        let line = "3 files (1 missing), 12 clients (2 catching up), lag 4096 bytes, 2 brokers (1 away), 2 upstreams (1 away)";
        assert_eq!(status.to_string(), line);
    }
}
