//! From the hub to the peers: the door lets a connection in, its client thread reads what is asked, the guard and the
//! tokens decide whether it may, and it gets an answer or becomes a stream.
//!
//! A wing for each of these, in reading order: each imports from those before it.

pub mod http;

pub mod access;

pub mod transport;

pub mod websocket;

pub mod delivery;

pub mod door;
