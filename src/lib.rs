//! tailcast: follows log files by name and streams every new line, live, to any number of clients.
//!
//! # The one idea
//!
//! The file is the buffer. A log file already is a durable, ordered queue that can be read from anywhere, so history is
//! never kept in memory, no line is dropped for a slow client, and no client waits for another. Every client reads the
//! file itself until it has come to the live edge, is carried live from there, and reads the file again when its queue
//! is full. History, resuming by id, `follow=false` and catching up are the same code: [`reader`].
//!
//! # What flows
//!
//! ```text
//! kernel --events--> tail --changes--> hub --batches--> queue of each client --> serve --frames--> peers
//!                     |                 ^                                          |
//!                     +---- reads ----> files <---- reads, up to the live edge ----+
//! ```
//!
//! `tail` finds whole lines and publishes them; `hub` moves the live edge and puts one shared batch into the bounded
//! queue of every live client; `serve` makes its wire forms, once for all who want the same, and writes them. `publish`
//! stands beside `serve`, with a broker for a peer. `tail` and `serve` never import each other.
//!
//! What is no file becomes one: each origin (standard input, a FIFO, the journal, another tailcast, a broker) has a feeder
//! ([`feed`]), a thread that appends what comes to a spool, and the spool is followed like any other file.
//!
//! # From inotify to the socket
//!
//! 1. The kernel tells of a change; `tail::watches` knows which followers it concerns.
//! 2. `tail::watcher::pass` gives those their turns: what was written is read first, names are looked at after that.
//! 3. `tail::follower::reading` goes on in the held file.
//! 4. `tail::held` reads its new bytes up to the last whole line, and sees by the bytes before them that it is still the
//!    same file.
//! 5. `tail::held::form` makes lines of them ([`source::lines`], or a grammar, where there is one): a [`hub::Change`].
//! 6. [`hub`] moves the live edge and puts one shared batch into the queue of every live subscriber.
//! 7. [`courier`] begins a round: the watcher and the couriers share the list of subscribers ([`pace`] says when).
//! 8. [`serve::delivery::peer`] takes the client's link; where somebody else has it, it wakes the client's thread.
//! 9. [`serve::delivery::wire`] makes the batch's wire form, once for all who want the same.
//! 10. [`serve::delivery::link`] writes it to the socket, as far as that takes it without waiting.
//!
//! Beside it, `tail::follower::lookup` finds where the name leads now, and `tail::follower::handover` says when the next
//! file begins. `tail::watcher::newcomers` brings in what patterns find.
//!
//! Some files hold more than lines. A *grammar* ([`source::record`]) makes lines of the records of containers and of
//! spools, wherever bytes are read: from there on a line is what a program wrote, while places and ids stay those of the
//! bytes in the file.
//!
//! # What runs
//!
//! | thread | does | waits in | is woken for stop by |
//! | --- | --- | --- | --- |
//! | main | starts, waits, stops | the latch of [`stop`] | a signal, or a core thread that ended |
//! | `watcher` | events, reading, publishing; carries, too | poll(2) | an eventfd |
//! | `courier-N`, one a core but the first | carry queued batches to the sockets of clients that keep up | park | unpark |
//! | `door` | accepts, starts client threads, tells them that their peers have said something | epoll(7) | an eventfd |
//! | `client-N`, one a connection | request head, answer, history, slow writes, pings, goodbye | park; poll(2) while its peer is slow | unpark, `shutdown(SHUT_RD)` |
//! | `publisher-N`, one a broker | the same, in MQTT | poll(2) | its bell, an eventfd |
//! | `rtc`, and an `rtc peer` for each data channel (feature `webrtc`) | datagrams; what a stream is sent into its data channel | poll(2) | an eventfd |
//! | feeders, one an origin (`feeder stdin`, `upstream-N`, …) | append what comes to a spool | poll(2) | the bell, an eventfd |
//!
//! Three kinds of thread live for a moment: `opener-N` opens a client's stream on a stack that an idle client need not
//! keep, `filter` compiles a client's patterns on a large one, `resolver` looks up a broker's name.
//!
//! # What a connection is
//!
//! | type | is | is there |
//! | --- | --- | --- |
//! | [`serve::delivery::visitor::Visitor`] | the socket, and how its thread is woken and ended | from accept to close |
//! | [`serve::delivery::peer::Peer`] | the stream as the hub and the couriers see it; under its lock lies the [`Link`](serve::delivery::link::Link): where the client is in its life, and what is being written | while it is a stream |
//! | [`serve::delivery::stream::Stream`] | the loop of its own thread: read, carry, hear, ping, wait | while it is a stream |
//!
//! By what it speaks is settled in [`serve::transport`], and nobody above asks: a socket of TCP, of TLS or of Unix; a data
//! channel is the other end of a pair of those.
//!
//! # What always holds
//!
//! - A reader reads up to the live edge and no further, and that stands at the end of a line: nobody sees half a line.
//! - A subscriber, client or publisher, is in one of five states and holds exactly what that state needs
//!   ([`reader::life`]). One that joins notes the edges under the same lock under which its queue is added, so its queue
//!   begins exactly where its reading ends: every line once, which is argued in [`reader::Subscription`].
//! - Of every queued batch, either it was written or its client's thread was woken after it was queued
//!   ([`serve::delivery::link`]).
//! - Whoever reads on keeps no turn at reading while it waits for a look of the watcher, for a file that can't be read just
//!   now, or for its peer.
//! - No shared lock is held while anything is written, read, logged or waited for.
//! - Only the hub drops a sender; only a client's thread closes its socket; one client's trouble ends that client alone,
//!   and a core thread that is lost ends the program.
//! - Everything that grows has a bound, and all bounds stand in [`limits`], each with its reason.
//!
//! # Why it is as it is
//!
//! Each of these looks like more than is needed, until one takes it away.
//!
//! - **Overlap** ([`source::forward`]): a reader reads the last bytes that it has sent once more. A client's thread can meet a
//!   truncated file before the watcher has seen it, and a file that was rewritten may be longer than before, so neither
//!   size nor event tells. Bytes that differ do.
//! - **Asides** ([`hub`]): `missing`, `away` and a gap in what was sealed before move no edge. They are numbered at the edge
//!   where they happened, so a client that reads the file is told at the same place as one that is live, and once.
//! - **Formers** ([`source`]): a generation that nobody reads is let go of, for each open file holds its disk space and a
//!   descriptor. What it looked like is remembered, so that a client which is many rotations behind finds it under whatever
//!   name it has now.
//! - **Couriers** ([`courier`]): a thread a client is simple, and waking it for each line is not cheap: a wake-up and a switch
//!   cost more than the write that they lead to. So who publishes also writes, and one thread a core helps; a client's own
//!   thread works only when its peer is slow.
//! - **The shelf** ([`hub::Shelf`]): lines that are published are encoded once for all, but a hundred clients that fall behind
//!   together would each read and encode for themselves, at six times the cost. Chunks that were published or read lately
//!   are kept, with their wire forms, as long as the memory for queued batches has room for them.
//! - **Spools** ([`feed`]): a pipe can't be read again from anywhere. Instead of a second kind of buffer, with its own ways of
//!   being full, slow and lost, what it brings becomes a file.
//! - **A place in the file as the id**: nothing is kept for a client that is gone, so any number may come back, also after a
//!   restart, and also to another tailcast that follows the same file.
//!
//! # As a library
//!
//! The daemon is a value, for tests and for programs that want one inside:
//!
//! ```
//! use std::ffi::OsString;
//! use std::sync::Arc;
//! use tailcast::config::{Asked, Config};
//! use tailcast::daemon::Daemon;
//! use tailcast::stop::{Reason, Stop};
//!
//! # fn main() -> Result<(), tailcast::error::StartError> {
//! let arguments = ["tailcast", "--listen", "127.0.0.1:0", "app.log"].map(OsString::from);
//! if let Asked::Run(config) = Config::parse_from(arguments, |_| None)? {
//!     let stop = Arc::new(Stop::default());
//!     let daemon = Daemon::start(&config, &stop)?;
//!     stop.set(Reason::Signal); // another thread does, at the end
//!     stop.wait();
//!     daemon.stop();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # In reading order
//!
//! The modules below stand ground floor first: each imports only from those before it.

// Values.
pub mod limits;

pub mod allowance;
pub mod authority;
pub mod error;
pub mod escape;
pub mod pattern;
pub mod percent;
pub mod secrets;
pub mod small_file;
pub mod time;

pub mod config;
pub mod stop;
#[cfg(feature = "tls")]
pub mod tls;
pub mod via;

// The file as data.
pub mod source;

pub mod json;

// The meeting place, and who reads up to it.
pub mod hub;

pub mod pace;

pub mod courier;
pub mod reader;

pub mod tally;

pub mod metrics;

// From the hub to the peers.
pub mod page;

pub mod serve;

// Connections that we open.
pub mod outward;

// The words of a broker.
#[cfg(feature = "mqtt")]
pub mod mqtt;

// Other tailcasts.
pub mod upstream;

pub mod cat;

// From what is no file to files.
pub mod feed;

// From the hub to browsers by data channels.
#[cfg(feature = "webrtc")]
pub mod rtc;

// From the hub to a broker.
#[cfg(feature = "mqtt")]
pub mod publish;

// From the kernel to the hub.
pub mod tail;

// Around it.

pub mod systemd;

pub mod logging;

pub mod daemon;
