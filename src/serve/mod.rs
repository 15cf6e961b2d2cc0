//! From the hub to the peers.

// What is asked and how it is refused: plain functions over bytes.
pub mod percent;
pub mod refusal;

pub mod head;
pub mod target;

pub mod query;

// How it is answered.
pub mod answer;
pub mod cors;

// The web page.
pub mod page;
