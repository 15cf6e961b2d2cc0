//! tailcast: follows log files by name and streams every new line, live, to any number of clients.

// Values.
pub mod limits;

pub mod authority;
pub mod error;
pub mod escape;

pub mod config;

// From the hub to the peers.
pub mod serve;
