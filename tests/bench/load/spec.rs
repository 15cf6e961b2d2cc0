//! What a load generator is told to do, as it goes over its command line.

use std::fmt;
use std::net::SocketAddrV4;
use std::str::FromStr;

use crate::line::{LineForm, Stored};

/// How lines stand in what a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// One WebSocket text message a line, and nothing but the line in it: checked to the byte count.
    WsText,
    /// WebSocket messages with lines somewhere in them (JSON, batches).
    WsAny,
    /// The same, each message deflated where that makes it smaller.
    WsDeflate,
    /// An HTTP body with lines somewhere in it (events, plain text).
    Http,
    /// The same, deflated.
    HttpGzip,
}

/// The whole task of a load generator.
#[derive(Clone, Debug)]
pub(crate) struct LoadSpec {
    pub(crate) address: SocketAddrV4,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) wire: Wire,
    pub(crate) clients: usize,
    /// So many of the clients read nothing at first. Where all of them do, it is a pause, and their sockets hold as much as
    /// they ever do.
    pub(crate) stalled: usize,
    /// Where every client joins and stops reading while the log grows.
    pub(crate) halts: Option<Halts>,
    /// The first client alone inflates what it is sent. The others go from frame to frame, and look for the last line in
    /// the last one: a hundred that inflate would cost more than what the server does.
    pub(crate) skims: bool,
    /// Number of the first line that each client gets.
    pub(crate) first: u64,
    /// Lines that each client gets.
    pub(crate) lines: u64,
    pub(crate) form: LineForm,
}

/// When clients stop reading: spread over the whole log, most of them near its end, so that all they lack together
/// can be sent in a time that a benchmark has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halts {
    /// The log grows by so many lines at a time.
    pub(crate) part_lines: u64,
    /// So many of the clients have stopped when half of the lines are there.
    pub(crate) by_half: u64,
}

impl Halts {
    /// The line before which client `index` stops.
    pub(crate) fn stop(&self, index: usize, lines: u64) -> u64 {
        let index = index as u64;
        lines * index / (index + self.by_half)
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Wire::WsText => "ws-text",
            Wire::WsAny => "ws-any",
            Wire::WsDeflate => "ws-deflate",
            Wire::Http => "http",
            Wire::HttpGzip => "http-gzip",
        })
    }
}

impl LoadSpec {
    /// The arguments that `from_args` reads.
    pub(crate) fn to_args(&self) -> Vec<String> {
        vec![
            self.address.to_string(),
            self.target.clone(),
            self.wire.to_string(),
            self.clients.to_string(),
            self.stalled.to_string(),
            self.halts.map_or(0, |halts| halts.part_lines).to_string(),
            self.halts.map_or(0, |halts| halts.by_half).to_string(),
            self.skims.to_string(),
            self.first.to_string(),
            self.lines.to_string(),
            self.form.line_bytes.to_string(),
        ]
    }

    /// Panics on anything but what `to_args` makes: both ends are this program.
    pub(crate) fn from_args(args: &[String]) -> LoadSpec {
        let [
            address,
            target,
            wire,
            clients,
            stalled,
            part_lines,
            by_half,
            skims,
            first,
            lines,
            line_bytes,
        ] = args
        else {
            panic!("eleven arguments, got {args:?}");
        };
        let wires = [
            Wire::WsText,
            Wire::WsAny,
            Wire::WsDeflate,
            Wire::Http,
            Wire::HttpGzip,
        ];
        let wire = wires
            .into_iter()
            .find(|known| known.to_string() == *wire)
            .expect("a known wire");
        LoadSpec {
            address: number(address),
            target: target.clone(),
            wire,
            clients: number(clients),
            stalled: number(stalled),
            halts: Some(Halts {
                part_lines: number(part_lines),
                by_half: number(by_half),
            })
            .filter(|halts| halts.part_lines > 0),
            skims: number(skims),
            first: number(first),
            lines: number(lines),
            form: LineForm {
                line_bytes: number(line_bytes),
                // However it is stored, this is how it comes.
                stored: Stored::Plain,
            },
        }
    }
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("not a value: {text}"))
}
