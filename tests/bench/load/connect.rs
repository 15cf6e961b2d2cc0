//! The clients of a load generator: connected, answered, and from then on only read.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

use crate::clock::now_ns;

use super::spec::{LoadSpec, Wire};
use super::tally::Tally;
use super::wire::Reader;

/// Clients a source address: one has about 28,000 ports, and some of them may still wait out an earlier run.
const CLIENTS_A_SOURCE: usize = 4_000;
/// Receive buffer of a client that does not read, so that it stalls the server soon.
const STALLED_RECEIVE_BYTES: usize = 16 * 1024;
const HEAD_BYTES_MAX: usize = 16 * 1024;
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// One client.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) reader: Reader,
    /// Number of the line that must come next.
    pub(super) next: u64,
    /// Number of the line at which it stops reading.
    pub(super) end: u64,
    pub(super) done: bool,
}

impl Connection {
    /// Checks the `count` bytes just read into `buffer` behind what the reader had carried over. Says whether
    /// this client now has all the lines that it is to read.
    pub(super) fn take(
        &mut self,
        count: usize,
        buffer: &mut [u8],
        spec: &LoadSpec,
        tally: &mut Tally,
    ) -> bool {
        let now = now_ns();
        let bytes = self.reader.restore(count, buffer);
        let next = &mut self.next;
        self.reader.feed(bytes, spec.form, |number, stamp| {
            tally.line(next, number, stamp, now)
        });
        tally.bytes += count as u64;
        self.next >= self.end
    }

    /// Where it skims: whether the last that has come is the last line that it is to read.
    pub(super) fn skims_to_the_end(&mut self, spec: &LoadSpec, tally: &mut Tally) -> bool {
        let last = self.reader.skimmed(spec.form);
        let has_all = !self.done && last.is_some_and(|last| last + 1 == self.end);
        if has_all {
            tally.delivered += self.end - self.next;
            self.next = self.end;
        }
        has_all
    }
}

/// Connects all clients, the ones that will stall last. An answer that is not a stream is an error.
pub(super) fn connect_all(spec: &LoadSpec) -> Result<Vec<Connection>, String> {
    (0..spec.clients)
        .map(|index| {
            let stalled = index >= spec.clients - spec.stalled && spec.stalled < spec.clients;
            join(spec, index, stalled.then_some(STALLED_RECEIVE_BYTES))
        })
        .collect()
}

/// Joins as client `index`, with this receive buffer where the system's own won't do.
pub(super) fn join(
    spec: &LoadSpec,
    index: usize,
    receive_bytes: Option<usize>,
) -> Result<Connection, String> {
    begin(spec, index, receive_bytes).map_err(|why| format!("client {index}: {why}"))
}

fn begin(
    spec: &LoadSpec,
    index: usize,
    receive_bytes: Option<usize>,
) -> Result<Connection, String> {
    let mut stream =
        open(spec.address, index, receive_bytes).map_err(|error| format!("connect: {error}"))?;
    stream
        .set_read_timeout(Some(ANSWER_WAIT))
        .expect("a receive time-out");
    let host = spec.address;
    let target = &spec.target;
    let fields = match spec.wire {
        Wire::Http => "",
        Wire::HttpGzip => "Accept-Encoding: gzip\r\n",
        Wire::WsText | Wire::WsAny => UPGRADE,
        Wire::WsDeflate => &format!("{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
    };
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|error| format!("ask: {error}"))?;

    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
            break end + 4;
        }
        let mut some = [0; 4096];
        let count = stream
            .read(&mut some)
            .map_err(|error| format!("answer: {error}"))?;
        if count == 0 || head.len() > HEAD_BYTES_MAX {
            return Err("no answer".to_owned());
        }
        head.extend_from_slice(&some[..count]);
    };
    let answer = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
    let wanted = match spec.wire {
        Wire::Http | Wire::HttpGzip => " 200 ",
        Wire::WsText | Wire::WsAny | Wire::WsDeflate => " 101 ",
    };
    let status = answer.lines().next().unwrap_or_default();
    if !status.contains(wanted) {
        return Err(status.to_owned());
    }
    if spec.wire == Wire::HttpGzip && !answer.contains("content-encoding: gzip") {
        return Err("not deflated".to_owned());
    }
    if spec.wire == Wire::WsDeflate && !answer.contains("permessage-deflate") {
        return Err("not deflated".to_owned());
    }
    let chunked = answer.contains("transfer-encoding: chunked");
    stream.set_nonblocking(true).expect("a non-blocking socket");
    let skims = spec.skims && index > 0;
    let reader = Reader::new(spec.wire, chunked, skims, &head[end..]);
    Ok(Connection {
        stream,
        reader,
        next: spec.first,
        end: spec.first + spec.lines,
        done: false,
    })
}

fn open(
    address: SocketAddrV4,
    index: usize,
    receive_bytes: Option<usize>,
) -> nix::Result<TcpStream> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    if let Some(bytes) = receive_bytes {
        setsockopt(&socket, sockopt::RcvBuf, &bytes)?;
    }
    if address.ip().is_loopback() {
        let last = u8::try_from(1 + index / CLIENTS_A_SOURCE).unwrap_or(u8::MAX);
        let source = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
        bind(socket.as_raw_fd(), &SockaddrIn::from(source))?;
    }
    connect(socket.as_raw_fd(), &SockaddrIn::from(address))?;
    // Closing with a reset: thousands of ports that wait out their time would fail the next run.
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, sockopt::Linger, &linger)?;
    Ok(TcpStream::from(socket))
}
