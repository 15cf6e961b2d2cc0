//! A good citizen under systemd: what it tells (sd_notify(3)), the sockets that it is passed (sd_listen_fds(3)), what it
//! logs, and the units themselves.

mod log;
mod notify;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
mod units;
