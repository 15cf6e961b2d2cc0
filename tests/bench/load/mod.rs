//! The load generator: a process of its own with one thread, which reads what any number of clients are sent
//! and checks each line. It is as cheap as can be, for on a small machine it takes its time from the server.
//!
//! It talks to the benchmark over its standard streams: `ready` once every client has its answer, then
//! `live …` once the reading ones have all, and, for each line on standard input from then on, the next step:
//! the stalled ones begin to read and `stalled …` is said; at the end of input it leaves. Clients that join and stop
//! while the log grows have more steps (`halting`).

mod connect;
mod halting;
mod spec;
mod tally;
mod wire;

use std::io::{ErrorKind, Read as _};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

pub(crate) use spec::{Halts, LoadSpec, Wire};
pub(crate) use tally::Tally;

use connect::{Connection, connect_all};

/// What one read(2) takes.
const READ_BYTES: usize = 256 * 1024;
/// A run in which nothing arrives for so long is over.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Clients that skim look for the last line when nothing has come for so long.
const LOOK: Duration = Duration::from_millis(100);
const EVENTS: usize = 512;

/// Runs the whole life of the load generator.
#[expect(clippy::print_stdout, reason = "standard output is how it reports")]
pub(crate) fn run(spec: &LoadSpec) {
    let ran = match &spec.halts {
        Some(halts) => halting::run(spec, halts),
        None => run_usual(spec),
    };
    if let Err(refusal) = ran {
        println!("refused {refusal}");
    }
}

/// Clients that are all there before the first line, some of which stall until they are told.
#[expect(clippy::print_stdout, reason = "standard output is how it reports")]
fn run_usual(spec: &LoadSpec) -> Result<(), String> {
    let began = Instant::now();
    let mut connections = connect_all(spec)?;
    println!("ready");
    let stalled = connections.split_off(spec.clients - spec.stalled);
    let tally = receive(spec, &mut connections, began);
    println!("live {tally}");
    let mut stalled = Some(stalled);
    while told() {
        if let Some(mut stalled) = stalled.take() {
            let tally = receive(spec, &mut stalled, Instant::now());
            println!("stalled {tally}");
        }
    }
    Ok(())
}

/// Waits for the word to go on; false when there is none to come.
fn told() -> bool {
    std::io::stdin()
        .read_line(&mut String::new())
        .is_ok_and(|bytes| bytes > 0)
}

/// Reads until each of these connections has every line, has ended, or nothing has come for too long.
fn receive(spec: &LoadSpec, connections: &mut [Connection], began: Instant) -> Tally {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("epoll");
    for (index, connection) in connections.iter().enumerate() {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        epoll.add(&connection.stream, event).expect("add to epoll");
    }
    let mut tally = Tally::default();
    let mut buffer = vec![0; READ_BYTES + wire::CARRY_BYTES_MAX];
    let mut events = [EpollEvent::empty(); EVENTS];
    let mut open = connections.len();
    let mut silence = Silence::default();
    for connection in connections.iter_mut() {
        // What came in one piece with the answer's head.
        if spec.lines > 0 && connection.take(0, &mut buffer, spec, &mut tally) {
            leave(&epoll, connection, &mut open);
        }
    }
    while open > 0 && spec.lines > 0 {
        let wait = if spec.skims { LOOK } else { SILENCE_MAX };
        let wait_ms = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
        let count = match epoll.wait(&mut events, wait_ms) {
            Ok(0) if !spec.skims || silence.lasts() => break,
            Ok(0) => {
                for connection in connections.iter_mut() {
                    if connection.skims_to_the_end(spec, &mut tally) {
                        leave(&epoll, connection, &mut open);
                    }
                }
                continue;
            }
            Ok(count) => {
                silence.ends();
                count
            }
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => panic!("wait for the server: {error}"),
        };
        for event in &events[..count] {
            let connection = &mut connections[event.data() as usize];
            let carried = connection.reader.carried();
            let done = match connection
                .stream
                .read(&mut buffer[carried..carried + READ_BYTES])
            {
                Ok(0) => true,
                Ok(count) => connection.take(count, &mut buffer, spec, &mut tally),
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(_) => true,
            };
            if done {
                leave(&epoll, connection, &mut open);
            }
        }
    }
    for connection in connections.iter() {
        tally.end(connection.next, connection.end);
    }
    tally.took = match silence.between {
        Some((first, last)) if spec.skims => last - first,
        _ => began.elapsed(),
    };
    tally
}

/// When something came.
#[derive(Default)]
struct Silence {
    /// First, and last.
    between: Option<(Instant, Instant)>,
}

impl Silence {
    fn ends(&mut self) {
        let now = Instant::now();
        let first = self.between.map_or(now, |(first, _)| first);
        self.between = Some((first, now));
    }

    fn lasts(&self) -> bool {
        self.between
            .is_some_and(|(_, last)| last.elapsed() >= SILENCE_MAX)
    }
}

fn leave(epoll: &Epoll, connection: &mut Connection, open: &mut usize) {
    if !connection.done {
        connection.done = true;
        *open -= 1;
        epoll.delete(&connection.stream).expect("remove from epoll");
    }
}
