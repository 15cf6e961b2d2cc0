//! What a load generator is told to do, as it goes over its command line.

use std::fmt;
use std::net::SocketAddrV4;
use std::str::FromStr;

use crate::line::LineForm;

/// How lines stand in what a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// One WebSocket text message a line, and nothing but the line in it: checked to the byte count.
    WsText,
    /// WebSocket messages with lines somewhere in them (JSON, batches).
    WsAny,
    /// An HTTP body with lines somewhere in it (events, plain text).
    Http,
}

/// The whole task of a load generator.
#[derive(Clone, Debug)]
pub(crate) struct LoadSpec {
    pub(crate) address: SocketAddrV4,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) wire: Wire,
    pub(crate) clients: usize,
    /// So many of the clients read nothing at first.
    pub(crate) stalled: usize,
    /// If not 0, every client stops reading, at a moment of its own within so many lines; some of them read on later.
    pub(crate) halts: u64,
    /// Number of the first line that each client gets.
    pub(crate) first: u64,
    /// Lines that each client gets.
    pub(crate) lines: u64,
    pub(crate) form: LineForm,
}

impl fmt::Display for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Wire::WsText => "ws-text",
            Wire::WsAny => "ws-any",
            Wire::Http => "http",
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
            self.halts.to_string(),
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
            halts,
            first,
            lines,
            line_bytes,
        ] = args
        else {
            panic!("nine arguments, got {args:?}");
        };
        let wire = [Wire::WsText, Wire::WsAny, Wire::Http]
            .into_iter()
            .find(|known| known.to_string() == *wire)
            .expect("a known wire");
        LoadSpec {
            address: number(address),
            target: target.clone(),
            wire,
            clients: number(clients),
            stalled: number(stalled),
            halts: number(halts),
            first: number(first),
            lines: number(lines),
            form: LineForm {
                line_bytes: number(line_bytes),
            },
        }
    }
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("not a value: {text}"))
}
