//! The way to a peer: its addresses, and a socket that never blocks. The bell wakes whatever waits here: a peer that
//! can't be reached must not hold up a stop.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket, sockopt,
};
use parking_lot::Mutex;

use crate::config::value::HostPort;
use crate::error::StartError;
use crate::limits::{CONNECT_WAIT, DRAIN, RESOLVE_WAIT};

use super::Unreached;
use super::bell::Bell;
use super::encryption::{Tls, Trust};

type Found = io::Result<Vec<SocketAddr>>;

/// The way to one peer, over all connections to it.
#[derive(Debug)]
pub struct Way {
    at: HostPort,
    /// Where it is spoken to by TLS.
    trust: Option<Trust>,
    lookup: Lookup,
}

impl Way {
    /// The way to `at`, by TLS where that is asked for: then it reads whom the machine trusts.
    pub fn new(at: HostPort, is_tls: bool) -> Result<Way, StartError> {
        Ok(Way {
            at,
            trust: is_tls.then(Trust::of_machine).transpose()?,
            lookup: Lookup::default(),
        })
    }

    /// A connection. Blocks for at most [`RESOLVE_WAIT`] and [`CONNECT_WAIT`] for each address, and not beyond a stop.
    pub fn connect(&mut self, bell: &Arc<Bell>) -> Result<Connection, Unreached> {
        let addresses = self.lookup.addresses(&self.at, bell)?;
        let host = self.at.bare_host();
        let tls = self.trust.as_ref().map(|trust| trust.begin(host));
        Connection::open(&addresses, bell, tls.transpose()?)
    }
}

/// A question to the resolver that is not answered yet. getaddrinfo(3) can't be interrupted, so a thread of its own
/// asks; there is never more than one, and at stop it is left to itself.
#[derive(Debug, Default)]
struct Lookup(Option<Arc<Mutex<Option<Found>>>>);

impl Lookup {
    /// The addresses of `at`. Blocks for at most [`RESOLVE_WAIT`], and not beyond a stop.
    fn addresses(&mut self, at: &HostPort, bell: &Arc<Bell>) -> Result<Vec<SocketAddr>, Unreached> {
        let host = at.bare_host();
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, at.port)]);
        }
        let unknown = |error| Unreached::Host(format!("\"{host}\""), error);
        let asked = match self.0.take() {
            Some(asked) => asked,
            None => ask(host.to_owned(), at.port, bell).map_err(unknown)?,
        };
        let deadline = Instant::now() + RESOLVE_WAIT;
        loop {
            if let Some(found) = asked.lock().take() {
                return found.map_err(unknown);
            }
            if Instant::now() >= deadline || bell.is_stopping() {
                self.0 = Some(asked);
                return Err(unknown(io::Error::from(io::ErrorKind::TimedOut)));
            }
            bell.wait(None, deadline).map_err(unknown)?;
        }
    }
}

fn ask(host: String, port: u16, bell: &Arc<Bell>) -> io::Result<Arc<Mutex<Option<Found>>>> {
    let answer = Arc::new(Mutex::new(None));
    let (slot, bell) = (Arc::clone(&answer), Arc::clone(bell));
    thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            let found = (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect);
            *slot.lock() = Some(found);
            bell.ring();
        })?;
    Ok(answer)
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    tls: Option<Tls>,
}

impl Connection {
    /// To the first of `addresses` that lets us.
    fn open(
        addresses: &[SocketAddr],
        bell: &Bell,
        tls: Option<Tls>,
    ) -> Result<Connection, Unreached> {
        let mut trouble = None;
        for &address in addresses {
            match open(address, bell) {
                Ok(stream) => return Ok(Connection { stream, tls }),
                Err(error) => trouble = Some(Unreached::Connect(address, error)),
            }
        }
        Err(trouble.unwrap_or(Unreached::Nowhere))
    }

    /// What the peer has sent; 0 at its end. Never blocks.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&self.stream, buf),
            None => self.stream.read(buf),
        }
    }

    /// Writes what the kernel takes now, and by TLS a little more. Never blocks.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&self.stream, bytes),
            None => self.stream.write(bytes),
        }
    }

    /// Hands what was written to the kernel; whether the kernel has all of it.
    pub fn flush(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            Some(tls) => tls.flush(&self.stream),
            None => Ok(true),
        }
    }

    /// What to wait for in poll(2).
    pub fn waits(&self, to_write: bool) -> (BorrowedFd<'_>, PollFlags) {
        let write = match to_write {
            true => PollFlags::POLLOUT,
            false => PollFlags::empty(),
        };
        (self.stream.as_fd(), PollFlags::POLLIN | write)
    }

    /// Shuts it for writing and reads to the peer's end or for a moment: closing with unread bytes resets the
    /// connection, and what was said last would be lost.
    pub fn close(mut self, bell: &Bell, until: Instant) {
        if let Some(tls) = &mut self.tls {
            tls.ends();
            // What the kernel does not take now, a peer that does not read would not hear either.
            let _ = tls.flush(&self.stream);
        }
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let until = until.min(Instant::now() + DRAIN);
        let mut buf = [0; 1024];
        loop {
            match self.stream.read(&mut buf) {
                Ok(0) => return,
                Ok(_) if Instant::now() < until => {}
                Err(error) if is_not_yet(&error) && Instant::now() < until => {
                    if bell.wait(Some(self.waits(false)), until).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

/// The kernel has nothing to give or to take right now.
pub fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn open(address: SocketAddr, bell: &Bell) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket: OwnedFd = socket(family, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    let deadline = Instant::now() + CONNECT_WAIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO || bell.is_stopping() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        bell.wait(Some((stream.as_fd(), PollFlags::POLLOUT)), deadline)?;
        match getsockopt(&stream, sockopt::SocketError)? {
            0 => {}
            code => return Err(io::Error::from_raw_os_error(code)),
        }
        // Connected, or still at it.
        if stream.peer_addr().is_ok() {
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
    }
}
