//! What is measured, by name.

mod burst;
mod delivery;
mod formats;
mod growth;
mod hardship;
mod history;
mod hops;
mod idle;
mod peers;
mod pipe;
mod records;
mod rotated;
#[cfg(feature = "webrtc")]
mod rtc;
mod start;
mod together;

use crate::session::Session;

/// A measurement that can be asked for by name.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Session),
    /// Part of a call that names none.
    pub(crate) usual: bool,
}

/// All of them, in the order of the report.
pub(crate) const SCENARIOS: &[Scenario] = &[
    usual(
        "start",
        "size of the program, time until it listens",
        start::run,
    ),
    usual(
        "latency",
        "append to receipt: 1 client, 100 lines/s",
        delivery::latency,
    ),
    usual(
        "fanout",
        "CPU a line and latency: 100 clients x 1,000 lines/s, 1,000 x 100",
        delivery::fanout,
    ),
    usual(
        "flat",
        "CPU seconds a GB: 100 clients, lines as fast as they go",
        delivery::flat_out,
    ),
    usual(
        "formats",
        "the other formats and a filter, 100 clients x 1,000 lines/s",
        formats::run,
    ),
    usual(
        "records",
        "containers' lines beside plain ones, 100 clients x 1,000 lines/s and flat out",
        records::run,
    ),
    usual(
        "pipe",
        "a pipe's producer beside cat >file, with and without a client that has stopped",
        pipe::run,
    ),
    usual(
        "hops",
        "one hop: latency, and a hub over 20 others at 1,000 lines/s with 100 clients",
        hops::run,
    ),
    usual(
        "memory",
        "resident memory: bare, and a client",
        idle::memory,
    ),
    usual(
        "idle",
        "context switches of an idle server with 100 clients",
        idle::switches,
    ),
    usual(
        "files",
        "an idle server that follows 1,000 files",
        idle::files,
    ),
    usual(
        "fallback",
        "CPU seconds a GB where clients fall back: 100 flat out, ten times; a pause of all",
        together::fallback,
    ),
    usual(
        "returning",
        "200 clients that come back at once, 20 MB behind",
        together::returning,
    ),
    asked(
        "returning-1000",
        "the same with 1,000 clients",
        together::thousand_returning,
    ),
    usual(
        "alike",
        "deflated clients, and clients with one filter, beside plain ones",
        together::alike,
    ),
    usual(
        "burst",
        "GB/s of lines flat out to 100 deflated clients",
        burst::run,
    ),
    usual("stalled", "10 of 100 clients never read", hardship::stalled),
    usual(
        "halted",
        "1,000 clients stop reading while 1 GB is appended",
        hardship::halted,
    ),
    usual("crowd", "10,000 clients, a line a second", hardship::crowd),
    usual(
        "history",
        "catching up with 1 GB, the last 10 lines of 10 GB",
        history::run,
    ),
    usual(
        "rotated",
        "history over rotated files, lines=10 after a rotation, since= in 10 GB",
        rotated::run,
    ),
    usual(
        "growth",
        "cost over clients, line rate and line size; writes plots",
        growth::run,
    ),
    #[cfg(feature = "webrtc")]
    usual(
        "rtc",
        "CPU a line by a data channel beside /ws (of a build with the feature webrtc)",
        rtc::run,
    ),
    asked(
        "peers-1",
        "other programs of this kind, where installed: 1 client, 100 lines/s",
        peers::one,
    ),
    asked(
        "peers-100",
        "the same with 100 clients x 1,000 lines/s",
        peers::hundred,
    ),
    asked(
        "peers-1000",
        "the same with 1,000 clients x 100 lines/s",
        peers::thousand,
    ),
    asked(
        "peers-flat",
        "the same with 100 clients, lines as fast as they go",
        peers::flat_out,
    ),
];

/// One that is measured where it is asked for by name.
const fn asked(name: &'static str, about: &'static str, run: fn(&mut Session)) -> Scenario {
    Scenario {
        name,
        about,
        run,
        usual: false,
    }
}

const fn usual(name: &'static str, about: &'static str, run: fn(&mut Session)) -> Scenario {
    Scenario {
        name,
        about,
        run,
        usual: true,
    }
}
