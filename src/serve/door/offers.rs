//! What takes offers of data channels: the door speaks HTTP with who offers, and hands the rest over.

use std::os::unix::net::UnixStream;

use crate::serve::http::refusal::Refusal;

/// Takes offers, and serves the data channels that come of them.
pub trait Offers: Send + Sync {
    /// Reads an offer (SDP). Nothing is begun yet.
    fn read(&self, offer: &str) -> Result<Box<dyn Answered>, Refusal>;

    /// Ends the data channel that is called `id`; false where there is none.
    fn end(&self, id: &str) -> bool;
}

/// An offer that was read.
pub trait Answered: Send {
    /// The answer (SDP).
    fn answer(&self) -> &str;

    /// What its data channel is called.
    fn id(&self) -> &str;

    /// Carries what comes by `stream`, the server's side of a WebSocket of which `rest` was read already, into the data
    /// channel that opens.
    fn carry(self: Box<Self>, stream: UnixStream, rest: Vec<u8>) -> Result<(), Refusal>;
}
