//! Where connections come from: opens the listeners, says what they are, accepts.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::Backlog;
use nix::sys::stat::{Mode, umask};

use crate::config::value::{HostPort, Listen};
use crate::error::StartError;

use crate::serve::transport::socket::Socket;
use crate::serve::transport::tls::{Certificate, TlsStream};

/// A place where connections come in.
#[derive(Debug)]
pub enum Listener {
    /// HTTP over TCP, or over TLS where there is a certificate.
    Http(TcpListener),
    /// HTTP over a Unix socket.
    Unix(UnixListener),
    /// The text of `/stream`, without HTTP.
    Plain(TcpListener),
    /// The same over a Unix socket, which only systemd passes.
    PlainUnix(UnixListener),
}

impl Listener {
    /// It speaks no HTTP.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Listener::Plain(_) | Listener::PlainUnix(_))
    }
}

/// The name of a Unix socket, which goes with it, also where the start fails later.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Race: the next server may have taken the name over since the listener was closed.
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|stat| (stat.dev(), stat.ino()))
}

/// Listens at `places`; with the names that are to be removed at the end.
pub fn open(places: &[Listen]) -> Result<(Vec<Listener>, Vec<SocketFile>), StartError> {
    let mut listeners = Vec::new();
    let mut names = Vec::new();
    for place in places {
        listeners.push(match place {
            Listen::Http(at) => Listener::Http(listen(at)?),
            Listen::Tcp(at) => Listener::Plain(listen(at)?),
            Listen::Unix(path) => {
                let deed = |error: io::Error| {
                    StartError::failed(format!("listen on unix:{}", path.display()), error)
                };
                let listener = listen_unix(path).map_err(|error| match error.raw_os_error() {
                    // `clear` says what would be right.
                    None => deed(error),
                    Some(_) => deed(io::Error::other(format!(
                        "{error}: the path must be in a directory that is there and that this user can write in"
                    ))),
                })?;
                names.push(SocketFile::at(path).map_err(deed)?);
                Listener::Unix(listener)
            }
        });
    }
    Ok((listeners, names))
}

/// Listens at the first address of the host that can be had. Blocks while a name is looked up.
fn listen(at: &HostPort) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(at.to_string()).map_err(|error| {
        let right = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "stop what listens there, or give --listen another port (0 = any free one)"
            }
            io::ErrorKind::AddrNotAvailable => {
                "it must be an address of this machine, or 0.0.0.0 or [::] for all of them"
            }
            io::ErrorKind::PermissionDenied => {
                "a port below 1024 needs CAP_NET_BIND_SERVICE; give --listen another one"
            }
            _ => "give --listen an address of this machine, or a name that leads to one",
        };
        StartError::failed(format!("listen on {at}"), format!("{error}: {right}"))
    })?;
    // The standard library's 128 is too few for a thousand at once.
    let _ = nix::sys::socket::listen(&listener, Backlog::MAXCONN);
    Ok(listener)
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
            clear(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

fn clear(path: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::other(
            "a file that is no socket stands there: remove it, or give --listen another path",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        // Also one that is too busy to answer, or that we may not ask.
        _ => Err(io::Error::other(
            "another server answers there: stop it, or give --listen another path",
        )),
    }
}

/// Refuses what would let in everybody though a token is asked for, and warns of what may not be meant. Passed sockets
/// are among `listeners` too, and no option says what they are.
pub fn check(
    listeners: &[Listener],
    asks_for_token: bool,
    over_tls: bool,
) -> Result<(), StartError> {
    if asks_for_token && listeners.iter().any(Listener::is_plain) {
        let line = "a passed socket named tcp can't be used with --token-file, since it can't ask for a token: leave \
                    one out";
        return Err(StartError::Usage(line.to_owned()));
    }
    let is_http = |listener: &Listener| matches!(listener, Listener::Http(_));
    if over_tls && !listeners.iter().any(is_http) {
        log::warn!("--tls-cert is of no use here: unix: and tcp: listeners don't speak TLS");
    }
    let reachable = listeners.iter().filter_map(|listener| {
        let address = listener.tcp()?.local_addr().ok()?;
        (!asks_for_token && !address.ip().to_canonical().is_loopback()).then_some(address)
    });
    for address in reachable {
        log::warn!(
            "{address} can be reached from other machines, and whoever reaches it may read the files: add \
             --token-file PATH, or listen on 127.0.0.1"
        );
    }
    Ok(())
}

/// The port of the first that serves HTTP over TCP; 0 where none does.
pub fn port(listeners: &[Listener]) -> u16 {
    let port = |listener: &Listener| match listener {
        Listener::Http(listener) => listener.local_addr().ok().map(|address| address.port()),
        _ => None,
    };
    listeners.iter().find_map(port).unwrap_or(0)
}

impl Listener {
    /// Where it can be reached, as it is said at the start.
    pub fn url(&self, over_tls: bool) -> String {
        let scheme = match self {
            Listener::Http(_) if over_tls => "https",
            Listener::Http(_) => "http",
            Listener::Plain(_) => "tcp",
            Listener::Unix(listener) | Listener::PlainUnix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                let path = path.unwrap_or(Path::new("?")).display();
                return match self.is_plain() {
                    true => format!("tcp:unix:{path}"),
                    false => format!("unix:{path}"),
                };
            }
        };
        let address = self.tcp().and_then(|listener| listener.local_addr().ok());
        let address = address.map_or_else(|| "?".to_owned(), |address| address.to_string());
        format!("{scheme}://{address}")
    }

    fn tcp(&self) -> Option<&TcpListener> {
        match self {
            Listener::Http(listener) | Listener::Plain(listener) => Some(listener),
            Listener::Unix(_) | Listener::PlainUnix(_) => None,
        }
    }

    /// The next connection. With a certificate, HTTP over TCP speaks TLS.
    pub(crate) fn accept(&self, certificate: Option<&Certificate>) -> io::Result<Socket> {
        match self {
            Listener::Http(listener) => {
                let (tcp, _) = listener.accept()?;
                Ok(match certificate {
                    Some(certificate) => Socket::Tls(TlsStream::new(tcp, certificate)),
                    None => Socket::Tcp(tcp),
                })
            }
            Listener::Plain(listener) => listener.accept().map(|(tcp, _)| Socket::Tcp(tcp)),
            Listener::Unix(listener) | Listener::PlainUnix(listener) => {
                listener.accept().map(|(unix, _)| Socket::Unix(unix))
            }
        }
    }

    /// Accepts only what is there already.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match self {
            Listener::Http(listener) | Listener::Plain(listener) => listener.set_nonblocking(true),
            Listener::Unix(listener) | Listener::PlainUnix(listener) => {
                listener.set_nonblocking(true)
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Http(listener) | Listener::Plain(listener) => listener.as_fd(),
            Listener::Unix(listener) | Listener::PlainUnix(listener) => listener.as_fd(),
        }
    }
}
