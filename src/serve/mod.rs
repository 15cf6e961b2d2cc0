//! From the hub to the peers.

// What is asked and how it is refused: plain functions over bytes.
pub mod refusal;

pub mod request;

pub mod head;
pub mod target;

pub mod filter;
pub mod query;

// How it is answered.
pub mod answer;
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
