//! Sockets that don't block: TCP and Unix, plain or under TLS, with one way to read, write, wait and end.

// TLS, or what stands in for it.
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub mod tls;

pub mod socket;

pub mod words;
