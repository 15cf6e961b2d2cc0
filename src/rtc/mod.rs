//! Data channels (WebRTC), the feature `webrtc`: lines for a browser that reaches this machine by no other way, or
//! end-to-end encryption without a certificate.
//!
//! ```text
//! door --offer--> Peers ----------------> peer (a thread each) <--frames of /ws-- client
//!                   |  table of peers       |   ^
//! UDP socket <------|-----------------------+   |
//!     +---datagrams-> courier of datagrams -----+
//! ```
//!
//! One thread reads the one socket and hands each datagram to its peer: one of ICE by the name that it calls (the user
//! fragment of our answer), any other by its address, which a peer has once ICE has answered it with the right
//! password. A peer's thread owns its `Rtc`, the state machine of ICE, DTLS and SCTP, and carries what its stream of
//! `/ws` is sent into the data channel. While the data channel takes nothing, the stream's socket fills, and its client
//! falls back to reading the file as everybody does.
//!
//! Not here: relays (TURN) and candidates that come later. ICE-lite: the browser finds the way.

mod datagrams;
mod parts;
mod peer;
mod table;
mod window;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{setsockopt, sockopt};
use parking_lot::Mutex;
use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::{Candidate, IceCreds, Rtc};

use crate::config::value::HostPort;
use crate::error::StartError;
use crate::limits::{
    RTC_BUFFER_BYTES, RTC_CANDIDATES_MAX, RTC_PART_BYTES, RTC_SOCKET_BYTES, RTC_UNOPENED_MAX,
};
use crate::outward::Bell;
use crate::serve::door::offers::{Answered, Offers};
use crate::serve::http::refusal::Refusal;
use crate::stop::{Reason, Stop};

use peer::Peer;
use table::{Seat, Table};

/// What all peers share.
#[derive(Debug)]
struct Shared {
    socket: UdpSocket,
    /// It takes IPv4 as mapped addresses.
    is_v6: bool,
    /// Addresses of the socket, as peers are told.
    candidates: Vec<SocketAddr>,
    provider: Arc<CryptoProvider>,
    /// One certificate for all: a peer knows it by its print in the answer.
    certificate: DtlsCert,
    ping_interval: Duration,
    table: Table,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// All data channels.
#[derive(Debug)]
pub struct Peers {
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

impl Peers {
    /// Opens the socket and starts the thread that reads it; `stop` is set if that is lost.
    pub fn open(
        at: &HostPort,
        ping_interval: Duration,
        stop: &Arc<Stop>,
    ) -> Result<Peers, StartError> {
        let failed = |error: io::Error| StartError::failed(format!("listen on udp {at}"), error);
        let socket = UdpSocket::bind((at.bare_host(), at.port)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        // What the kernel does not give is lost and sent again.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &RTC_SOCKET_BYTES);
        let _ = setsockopt(&socket, sockopt::SndBuf, &RTC_SOCKET_BYTES);
        let own = socket.local_addr().map_err(failed)?;
        let provider = str0m::crypto::from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate();
        let certificate = certificate.ok_or_else(|| {
            StartError::Failed("can't make a certificate for data channels".to_owned())
        })?;
        let candidates = candidates(own);
        log::info!("data channels by udp://{own}");
        let shared = Arc::new(Shared {
            socket,
            is_v6: own.is_ipv6(),
            candidates,
            provider: Arc::new(provider),
            certificate,
            ping_interval,
            table: Table::default(),
            threads: Mutex::default(),
        });
        let bell = Bell::new().map_err(|error| StartError::failed("make an eventfd", error))?;
        let bell = Arc::new(bell);
        let (own_shared, own_bell, latch) =
            (Arc::clone(&shared), Arc::clone(&bell), Arc::clone(stop));
        let read = move || {
            if let Err(error) = datagrams::read(&own_shared, &own_bell) {
                let lost = format!("the socket of data channels has failed: {error}");
                latch.set(Reason::Lost(lost));
            }
        };
        let reader = stop
            .start("rtc".to_owned(), read)
            .map_err(|error| StartError::failed("start the thread of data channels", error))?;
        Ok(Peers {
            shared,
            bell,
            reader: Mutex::new(Some(reader)),
        })
    }

    /// Ends all: peers that have had their goodbye from their streams first. Blocks for a moment.
    pub fn stop(&self) {
        self.shared.table.end_all();
        let threads = std::mem::take(&mut *self.shared.threads.lock());
        for thread in threads {
            // A panic was that peer's alone.
            let _ = thread.join();
        }
        self.bell.stop();
        if let Some(reader) = self.reader.lock().take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Peers {
    /// Ends what was started, where the start fails after that.
    fn drop(&mut self) {
        self.stop();
    }
}

impl Offers for Peers {
    fn read(&self, offer: &str) -> Result<Box<dyn Answered>, Refusal> {
        let shared = &self.shared;
        if !shared.table.has_room(Instant::now()) {
            return Err(Refusal::unavailable(format!(
                "{RTC_UNOPENED_MAX} offers wait for their data channels already; try again later"
            )));
        }
        let unreadable = || Refusal::bad_request("the body is no SDP offer that can be read");
        // A data channel, and nothing else: media would be agreed to and never come.
        if !offer.contains("m=application ") {
            return Err(Refusal::bad_request("the offer has no data channel"));
        }
        let credentials = IceCreds::new();
        let name = credentials.ufrag.clone();
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .set_ice_lite(true)
            .set_local_ice_credentials(credentials)
            .set_crypto_provider(Arc::clone(&shared.provider))
            .set_dtls_cert(shared.certificate.clone())
            .set_sctp_max_buffered_amount(RTC_BUFFER_BYTES)
            .build(Instant::now());
        for &address in &shared.candidates {
            if let Ok(candidate) = Candidate::host(address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        let part_bytes_max = part_bytes_max(offer);
        let offer = SdpOffer::from_sdp_string(offer).map_err(|_| unreadable())?;
        let answer = rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|_| unreadable())?.to_sdp_string();
        Ok(Box::new(Read {
            shared: Arc::clone(shared),
            rtc,
            name,
            id: IceCreds::new().pass,
            answer,
            part_bytes_max,
        }))
    }

    fn end(&self, id: &str) -> bool {
        self.shared.table.end(id)
    }
}

/// An offer that was read.
struct Read {
    shared: Arc<Shared>,
    rtc: Rtc,
    /// Our user fragment.
    name: String,
    id: String,
    answer: String,
    part_bytes_max: usize,
}

impl Answered for Read {
    fn answer(&self) -> &str {
        &self.answer
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn carry(self: Box<Self>, stream: UnixStream, rest: Vec<u8>) -> Result<(), Refusal> {
        let shared = Arc::clone(&self.shared);
        let failed = |error: io::Error| {
            Refusal::unavailable(format!(
                "no data channel can be opened ({error}); try again later"
            ))
        };
        let bell = Arc::new(Bell::new().map_err(failed)?);
        let (seat, datagrams) = Seat::new(self.id, Arc::clone(&bell));
        shared.table.sit(&self.name, &seat);
        let peer = Peer::new(
            Arc::clone(&shared),
            (self.rtc, self.name, seat),
            datagrams,
            (stream, rest),
            self.part_bytes_max,
        );
        let spawned = peer.and_then(|peer| {
            std::thread::Builder::new()
                .name("rtc peer".to_owned())
                .spawn(move || peer.run())
        });
        let mut threads = shared.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(spawned.map_err(failed)?);
        Ok(())
    }
}

/// The longest part of a message that the peer takes: what the offer says (RFC 8841: 64 KiB where it says nothing, as
/// much as you like where it says 0), or less.
fn part_bytes_max(offer: &str) -> usize {
    let line = offer
        .lines()
        .find_map(|line| line.strip_prefix("a=max-message-size:"));
    let bytes = line.and_then(|bytes| bytes.trim().parse::<usize>().ok());
    match bytes.unwrap_or(64 * 1024) {
        0 => RTC_PART_BYTES,
        // Parts end between characters.
        bytes => bytes.clamp(4, RTC_PART_BYTES),
    }
}

/// Where a socket that is bound to `own` can be reached: there, or by the addresses of this machine.
fn candidates(own: SocketAddr) -> Vec<SocketAddr> {
    if !own.ip().is_unspecified() {
        return vec![own];
    }
    let is_usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => own.is_ipv6() && !ip.is_unicast_link_local(),
    };
    let mut found: Vec<IpAddr> = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else {
            continue;
        };
        let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        let v6 = address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip()));
        if interface.flags.contains(InterfaceFlags::IFF_UP) {
            if let Some(ip) = v4.or(v6).filter(is_usable) {
                found.push(ip);
            }
        }
    }
    // Loopback is of use to this machine alone.
    found.sort_by_key(IpAddr::is_loopback);
    found.truncate(RTC_CANDIDATES_MAX);
    let at = |ip| SocketAddr::new(ip, own.port());
    found.into_iter().map(at).collect()
}
