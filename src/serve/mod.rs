//! From the hub to the peers: the door lets a connection in, its client thread reads what is asked, the guard and the
//! tokens decide whether it may, and it gets an answer or becomes a stream.
//!
//! Heads, queries, filters and wire forms are plain functions over bytes, without a socket or a thread. What a stream
//! waits in, and who may write to its socket, is in [`stream`], [`peer`] and [`link`].

// What is asked and how it is refused: plain functions over bytes.
pub mod refusal;

pub mod request;

pub mod head;
pub mod target;

pub mod filter;
pub mod query;

// How it is answered.
pub mod answer;
pub mod coding;
pub mod cors;

// Who may ask.
pub mod guard;
pub mod stamp;
pub mod token;

pub mod access;

// TLS, or what stands in for it.
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub mod tls;

// The page.
mod assets;
pub mod page;

// How lines become bytes, and bytes reach a peer.
pub mod wire;

pub mod link;
pub mod peer;
pub mod socket;
pub mod streams;
pub mod turnstile;

// A client's life.
pub mod stream;

pub mod plan;
pub mod shortage;

pub mod routes;

mod handshake;

mod client;

pub mod listener;

pub mod door;
