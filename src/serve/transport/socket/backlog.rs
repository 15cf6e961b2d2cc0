//! How far the peer's machine has taken what was written to a TCP socket (tcp(7), TCP_INFO).
//!
//! What a write takes tells little of that: the kernel's buffer has room again in steps of some 64 KiB and says so in
//! steps of a third of it, which a peer behind a slow line empties in minutes.

use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};

/// The beginning of the kernel's `struct tcp_info`, up to `tcpi_notsent_bytes`. Later kernels append to it.
type TcpInfoBytes = [u8; 148];

const UNACKED_AT: usize = 24;
const BYTES_ACKED_AT: usize = 120;
const NOTSENT_BYTES_AT: usize = 144;

sockopt_impl!(
    /// The state of a TCP connection.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    TcpInfoBytes
);

/// What a peer's machine has not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes that the peer's machine has acknowledged so far.
    acknowledged: u64,
    /// More was written than that.
    waits: bool,
}

impl Backlog {
    pub(super) fn of(socket: &impl AsFd) -> Option<Backlog> {
        let info = getsockopt(socket, TcpInfo).ok()?;
        let u32_at =
            |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        let (acknowledged, _) = info[BYTES_ACKED_AT..].split_first_chunk()?;
        Some(Backlog {
            acknowledged: u64::from_ne_bytes(*acknowledged),
            waits: u32_at(UNACKED_AT) > 0 || u32_at(NOTSENT_BYTES_AT) > 0,
        })
    }

    /// Bytes wait for the peer.
    pub fn waits(self) -> bool {
        self.waits
    }

    /// Bytes waited for the peer then, and it has taken some of them by `now`. Where none waited, an acknowledgement is
    /// its kernel's alone.
    pub fn moved(self, now: Backlog) -> bool {
        self.waits && now.acknowledged > self.acknowledged
    }
}
