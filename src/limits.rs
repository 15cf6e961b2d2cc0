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
