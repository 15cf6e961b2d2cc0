//! Promises of the program, seen from outside: one program of tests, so that it is linked once and its tests run side
//! by side. Each module says what it is about.

#[path = "../browser/mod.rs"]
mod browser;
#[path = "../support/mod.rs"]
mod support;

mod cat;
mod clients;
mod command;
mod containers;
mod delivery;
mod events;
mod eventsource;
mod exhaustion;
mod filters;
mod following;
mod formats;
mod generations;
mod guard;
mod gzip;
mod history;
mod http;
mod journal;
mod listeners;
mod many;
mod metrics;
mod mounts;
mod origin;
mod package;
mod proxy;
mod readme;
mod records;
mod refusals;
mod requests;
mod resume;
mod rotators;
#[cfg(feature = "webrtc")]
mod rtc;
mod since;
mod slow;
mod spools;
mod stop;
mod systemd;
mod tidy;
#[cfg(feature = "tls")]
mod tls;
mod tokens;
mod upstream;
mod weather;
mod websocket;
mod websocket_protocol;
