//! A good citizen under systemd: what it tells (sd_notify(3)), the sockets that it is passed (sd_listen_fds(3)), what it
//! logs, and the units themselves.

mod log;
mod notify;
mod sockets;
mod units;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

/// An address of loopback that is free, and stays so: it is this program's own, where others ask for any free port of
/// 127.0.0.1.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., c, d] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 1 + c % 250, d, NEXT.fetch_add(1, Ordering::Relaxed));
    let listener = TcpListener::bind((ip, 0)).expect("a port");
    listener.local_addr().expect("its address")
}
