//! WebSocket (RFC 6455): the handshake, the extension that is spoken, and what a peer says.
//!
//! The frames of the lines themselves are not made here: all clients share them (`delivery::wire`).

pub(crate) mod extension;
pub(crate) mod handshake;

mod inflate;

pub(crate) mod engine;
