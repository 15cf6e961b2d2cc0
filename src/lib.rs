//! tailcast: follows log files by name and streams every new line, live, to any number of clients.

// Values.
pub mod limits;

pub mod authority;
pub mod error;
pub mod escape;
pub mod percent;

pub mod config;
pub mod stop;
#[cfg(feature = "tls")]
pub mod tls;

// The file as data.
pub mod source;

pub mod json;

// The meeting place, and who reads up to it.
pub mod hub;

pub mod courier;
pub mod reader;

pub mod tally;

pub mod metrics;

// From the hub to the peers.
pub mod serve;

// From the hub to a broker.
#[cfg(feature = "mqtt")]
pub mod publish;

// From the kernel to the hub.
pub mod tail;

// Around it.
pub mod allowance;

pub mod systemd;

pub mod logging;

pub mod daemon;
