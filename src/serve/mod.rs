//! From the hub to the peers.

pub mod escape;
pub mod head;
pub mod percent;
pub mod refusal;
pub mod target;
