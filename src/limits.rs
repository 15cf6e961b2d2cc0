//! Every bound in the program, its unit last in its name, the reason beside it.

// -- HTTP

/// A request head, from its first byte to its blank line. What browsers send stays under 4 KiB, cookies of
/// other programs on the same host name included; 16 KiB leaves room for long filters.
pub const HEAD_BYTES: usize = 16 * 1024;

/// How long a peer may take over its request head: a person who types it into `nc` makes it, a slow-loris
/// attacker holds a thread no longer than this.
pub const HEAD_TIME_MS: u64 = 10_000;

/// Fields of a request head. Browsers send about 20; without a bound, 16 KiB hold 4,000 empty ones, each
/// of which costs more memory than it has bytes.
pub const HEAD_FIELDS: usize = 100;

/// What is shown of a value that a client or a user gave, in a log or an error line.
pub const SHOWN_CHARS: usize = 80;

/// An id, as INTERFACE.md has it.
pub const ID_BYTES: usize = 64;

/// How long a client that was turned away for want of a place is told to wait before it asks again.
pub const RETRY_AFTER_SECONDS: u64 = 5;

/// How long a browser may remember the answer to a preflight: as long as the shortest cap among browsers.
pub const PREFLIGHT_AGE_SECONDS: u64 = 600;

// A head must have room for the ids of the 64 files that one stream may name, and their separators.
const _: () = assert!(HEAD_BYTES >= 2 * 64 * (ID_BYTES + 1));

// -- Settings

/// Streams at once. One costs a thread and at most 256 KiB of socket buffer when its peer is slow.
pub const CLIENTS_DEFAULT: usize = 1024;

/// The most that `--max-clients` takes: beyond the threads that Linux allows one process by default.
pub const CLIENTS_MAX: usize = 100_000;

/// Batches that wait for one client. At one batch a millisecond, what a peer may sleep before it is served
/// from the file.
pub const QUEUE_DEFAULT_BATCHES: usize = 64;

/// The most that `--queue` takes: a queue's slots are allocated at once, for every client.
pub const QUEUE_MAX_BATCHES: usize = 65_536;

/// The most that `--max-delay` takes: longer, and "live" is the wrong word.
pub const DELAY_MAX_MS: u64 = 60_000;

/// A line that is not cut.
pub const LINE_DEFAULT_BYTES: usize = 1024 * 1024;

/// The most that `--max-line` takes: a line is held whole, once for each form it is sent in.
pub const LINE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The least that `--ping-interval` takes.
pub const PING_MIN_MS: u64 = 10;

/// The most that `--ping-interval` takes: a day.
pub const PING_MAX_SECONDS: u64 = 86_400;

/// The path of a Unix socket, one less than the kernel's `sun_path`, for its NUL.
pub const SOCKET_PATH_BYTES: usize = 107;
