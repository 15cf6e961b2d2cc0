//! What systemd gives and is told: passed sockets (sd_listen_fds(3)), readiness, status, watchdog (sd_notify(3)).
//! Without systemd all of it does nothing.

use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::error::StartError;
use crate::serve::door::Listener;

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

/// How often the watchdog is to be told that the watcher lives: half of WATCHDOG_USEC, where it is set.
pub fn watchdog_beat() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|timeout| timeout / 2)
}

/// The daemon serves.
pub fn ready(files: usize) {
    tell(&[
        NotifyState::Ready,
        NotifyState::Status(&format!("following {files} files")),
    ]);
}

/// The watcher has passed.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// The daemon stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("systemd can't be told: {error}");
    }
}
