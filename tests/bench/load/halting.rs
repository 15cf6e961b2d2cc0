//! Clients that stop reading, each at a moment of its own, while the log grows; in the end all of them read on.
//!
//! The log grows part by part. Before each part the clients join that will stop in it, live from there on; each
//! reads up to its own line and no further. A client that was there from the beginning and stopped late would have
//! been sent nearly all of it: a thousand of them a terabyte.

use std::time::Instant;

use super::connect::{Connection, join};
use super::spec::{Halts, LoadSpec};
use super::{receive, told};

/// Receive buffer: less than what any of them lacks in the end, so that none has it all in its socket.
const RECEIVE_BYTES: usize = 256 * 1024;

/// Runs it: for each part `ready`, then `live …` when its clients have stopped; at a line on standard input the next
/// one, and after the last all read on, and `stalled …` is said. An `Err` is the server's refusal.
#[expect(clippy::print_stdout, reason = "standard output is how it reports")]
pub(super) fn run(spec: &LoadSpec, halts: &Halts) -> Result<(), String> {
    let mut halted: Vec<Connection> = Vec::with_capacity(spec.clients);
    let mut begin = 0;
    while begin < spec.lines {
        let end = spec.lines.min(begin + halts.part_lines);
        let mut joined = Vec::new();
        for index in halted.len()..spec.clients {
            let stop = halts.stop(index, spec.lines);
            if stop >= end {
                break;
            }
            let mut connection = join(spec, index, Some(RECEIVE_BYTES))?;
            (connection.next, connection.end) = (begin, stop);
            joined.push(connection);
        }
        println!("ready");
        let tally = receive(spec, &mut joined, Instant::now());
        println!("live {tally}");
        halted.append(&mut joined);
        begin = end;
        if !told() {
            return Ok(());
        }
    }
    for connection in &mut halted {
        connection.end = spec.lines;
        connection.done = false;
    }
    let tally = receive(spec, &mut halted, Instant::now());
    println!("stalled {tally}");
    // Leaving ends the connections: not before it is told to.
    while told() {}
    Ok(())
}
