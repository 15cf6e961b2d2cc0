//! From a client's queue to its peer: how lines become bytes, who may write to its socket, and what a stream waits in.

pub mod filter;
pub mod wire;

pub mod visitor;

pub mod link;
pub mod peer;
pub mod streams;
pub mod turnstile;

pub mod stream;
