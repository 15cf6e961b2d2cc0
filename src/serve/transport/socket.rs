//! A client's socket: TCP, TLS over it, or Unix; read and written without blocking, shut from any thread.

mod backlog;

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::socket::{MsgFlags, getsockopt, recv, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use crate::limits::SEND_BUFFER_BYTES;
use crate::serve::transport::tls::TlsStream;

pub use backlog::Backlog;

/// A client's socket, whatever it speaks.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(TlsStream),
    /// A Unix socket.
    Unix(UnixStream),
}

impl Socket {
    /// Bounds and delays: non-blocking, no Nagle, a bounded send buffer.
    pub fn prepare(&self) -> io::Result<()> {
        if let Socket::Unix(stream) = self {
            stream.set_nonblocking(true)?;
        }
        if let Some(stream) = self.tcp() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
        }
        setsockopt(&self.as_fd(), sockopt::SndBuf, &SEND_BUFFER_BYTES)?;
        Ok(())
    }

    /// By what its requests come.
    pub fn transport(&self) -> Transport {
        match self {
            Socket::Tls(_) => Transport::Tls,
            Socket::Tcp(_) => Transport::Tcp,
            Socket::Unix(_) => Transport::Unix,
        }
    }

    /// The peer speaks no TLS to a listener of TLS.
    pub fn is_clear_where_tls_is_spoken(&self) -> bool {
        matches!(self, Socket::Tls(stream) if stream.is_clear())
    }

    /// Who is at the other end, as far as that can be told: those behind one proxy are one.
    pub fn whom(&self) -> Whom {
        match self {
            Socket::Unix(stream) => {
                let peer = getsockopt(stream, sockopt::PeerCredentials);
                Whom::User(peer.map_or(u32::MAX, |peer| peer.uid()))
            }
            Socket::Tcp(_) | Socket::Tls(_) => {
                let address = self.tcp().and_then(|stream| stream.peer_addr().ok());
                Whom::of(address.map_or(Ipv6Addr::UNSPECIFIED.into(), |address| address.ip()))
            }
        }
    }

    /// Where the peer is, as long as it is there; `None` on a Unix socket.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        let address = self.tcp()?.peer_addr().ok()?;
        Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Socket::Tcp(stream) => Some(stream),
            Socket::Tls(stream) => Some(stream.tcp()),
            Socket::Unix(_) => None,
        }
    }

    /// Lets the kernel find out within about two `interval`s that a peer has vanished to which nothing is sent. Where
    /// something is, [`Socket::backlog`] tells; TCP_USER_TIMEOUT would not do, for it also ends a peer that reads slowly
    /// all the time, where its window stays shorter than what the kernel would send next.
    pub fn keep_alive(&self, interval: Duration) {
        if let Some(stream) = self.tcp() {
            let seconds = u32::try_from(interval.as_secs().max(1)).unwrap_or(u32::MAX);
            let fd = stream.as_fd();
            // An option that can't be set leaves the kernel's own, slower ways.
            let _ = setsockopt(&fd, sockopt::KeepAlive, &true);
            let _ = setsockopt(&fd, sockopt::TcpKeepIdle, &seconds);
            let _ = setsockopt(&fd, sockopt::TcpKeepInterval, &seconds);
            let _ = setsockopt(&fd, sockopt::TcpKeepCount, &1);
        }
    }

    /// Writes what the kernel takes now. What was written may be short of the kernel until [`Socket::flush`] says that
    /// it is not.
    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            // send(2) is cheaper than writev(2), and most writes are of one piece.
            let written = match (self, slices) {
                (Socket::Tcp(stream), [one]) => (&*stream).write(one),
                (Socket::Tcp(stream), _) => (&*stream).write_vectored(slices),
                (Socket::Tls(stream), _) => stream.write_vectored(slices),
                (Socket::Unix(stream), [one]) => (&*stream).write(one),
                (Socket::Unix(stream), _) => (&*stream).write_vectored(slices),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    /// Hands what was written to the kernel, without waiting; whether the kernel has all of it.
    pub fn flush(&self) -> io::Result<bool> {
        match self {
            Socket::Tls(stream) => stream.flush(),
            Socket::Tcp(_) | Socket::Unix(_) => Ok(true),
        }
    }

    /// How far the peer's machine has taken what was written, where that can be told.
    pub fn backlog(&self) -> Option<Backlog> {
        self.tcp().and_then(Backlog::of)
    }

    /// Reads what is there now.
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Socket::Tcp(stream) => (&*stream).read(buf),
                Socket::Tls(stream) => stream.read(buf),
                Socket::Unix(stream) => (&*stream).read(buf),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Whether its peer has said something that was not read, or has left. Does not wait.
    pub fn has_unread(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.as_fd().as_raw_fd(), &mut [0], flags) != Err(Errno::EAGAIN)
    }

    /// Shuts it; an already closed one is as good.
    pub fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Socket::Tcp(stream) => stream.shutdown(how),
            Socket::Tls(stream) => stream.shutdown(how),
            Socket::Unix(stream) => stream.shutdown(how),
        };
    }

    /// Says that nothing more comes, and throws away what the peer still sends, until its end or `deadline`: closing with
    /// unread bytes resets the connection, and the peer would never see what it was told.
    pub fn drain(&self, deadline: Instant) {
        if let Socket::Tls(stream) = self {
            stream.close_notify();
        }
        while matches!(self.flush(), Ok(false)) {
            match self.wait_to_write(deadline) {
                Ok(ready) if ready.write => {}
                _ => break,
            }
        }
        self.shutdown(Shutdown::Write);
        let mut buf = [0; 1024];
        loop {
            match self.read_unread(&mut buf) {
                Ok(0) => return,
                Ok(_) if Instant::now() < deadline => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.poll(PollFlags::POLLIN, deadline) {
                        Ok(ready) if ready.read => {}
                        _ => return,
                    }
                }
                _ => return,
            }
        }
    }

    /// Reads what nobody wants to know: as it came, under TLS.
    fn read_unread(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self.tcp() {
            Some(mut stream) => stream.read(buf),
            None => self.read(buf),
        }
    }

    /// Waits until it can be read (or, with `to_write`, written) or `deadline` has come; whether it can. Woken by the
    /// peer, and by a shutdown of the socket.
    pub fn wait(&self, to_write: bool, deadline: Instant) -> io::Result<Ready> {
        let wanted = if to_write {
            PollFlags::POLLIN | PollFlags::POLLOUT
        } else {
            PollFlags::POLLIN
        };
        if let Socket::Tls(stream) = self {
            if stream.has_unread() {
                let ready = self.poll(wanted, Instant::now())?;
                return Ok(Ready {
                    read: true,
                    ..ready
                });
            }
        }
        self.poll(wanted, deadline)
    }

    /// Waits until it can be written or `deadline` has come.
    pub fn wait_to_write(&self, deadline: Instant) -> io::Result<Ready> {
        self.poll(PollFlags::POLLOUT, deadline)
    }

    /// Whether its peer is gone; with `half`, also where it has only shut its sending side. Does not wait.
    pub fn is_left(&self, half: bool) -> bool {
        let left = if half {
            // nix has no name for it.
            PollFlags::from_bits_retain(nix::libc::POLLRDHUP)
        } else {
            PollFlags::empty()
        };
        let mut fds = [PollFd::new(self.as_fd(), left)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    fn poll(&self, wanted: PollFlags, deadline: Instant) -> io::Result<Ready> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(self.as_fd(), wanted)];
            match ppoll(&mut fds, Some(TimeSpec::from(left)), None) {
                Ok(0) => return Ok(Ready::default()),
                Ok(_) => {
                    let got = fds[0].revents().unwrap_or(PollFlags::empty());
                    let broken = got
                        .intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
                    return Ok(Ready {
                        read: broken || got.contains(PollFlags::POLLIN),
                        write: broken || got.contains(PollFlags::POLLOUT),
                    });
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// By what a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, in the clear.
    Tcp,
    /// TLS.
    Tls,
    /// A Unix socket: from this machine, by who may open its file.
    Unix,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever has this address.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

impl Whom {
    /// Whoever has `address`: of IPv6 the network, in which one machine has as many as it likes.
    pub fn of(address: IpAddr) -> Whom {
        Whom::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 => v4,
        })
    }
}

/// What a wait ended with; both false at its deadline.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// There is something to read, or an end.
    pub read: bool,
    /// There is room to write, or an end.
    pub write: bool,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Tls(stream) => stream.tcp().as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn pair() -> (Socket, TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let peer = TcpStream::connect(listener.local_addr().expect("an address"));
        let (socket, _) = listener.accept().expect("accept");
        (Socket::Tcp(socket), peer.expect("connect"))
    }

    #[test]
    fn a_peer_that_has_left_is_known_whatever_it_left_unread() {
        let (socket, mut peer) = pair();
        peer.write_all(b"some words").expect("write");
        assert!(!socket.is_left(true));
        peer.shutdown(Shutdown::Write).expect("shut");
        let ready = socket.wait(false, Instant::now() + Duration::from_secs(10));
        assert!(ready.expect("a poll").read);
        assert!(socket.is_left(true), "it sends no more");
        assert!(!socket.is_left(false), "it may still read");
        // Closed with bytes unread, its end is a reset.
        if let Socket::Tcp(stream) = &socket {
            (&*stream).write_all(b"unread").expect("write");
        }
        drop(peer);
        let end = Instant::now() + Duration::from_secs(10);
        while !socket.is_left(false) && Instant::now() < end {
            let _ = socket.wait(false, Instant::now() + Duration::from_millis(5));
        }
        assert!(socket.is_left(false), "it is gone");
    }

    #[test]
    fn a_peer_that_vanishes_is_given_two_intervals() {
        let (socket, _peer) = pair();
        socket.keep_alive(Duration::from_secs(7));
        let fd = socket.as_fd();
        let idle = nix::sys::socket::getsockopt(&fd, sockopt::TcpKeepIdle);
        let interval = nix::sys::socket::getsockopt(&fd, sockopt::TcpKeepInterval);
        assert_eq!((idle, interval), (Ok(7), Ok(7)));
    }
}
