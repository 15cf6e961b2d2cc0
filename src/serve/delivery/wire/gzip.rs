//! The gzip member that the body of a stream can be (RFC 1952): its header, runs of deflated bytes, its trailer. And
//! the messages of a WebSocket, whose runs have neither.
//!
//! A *run* is one frame's payload. It is deflated by itself, without what went before, and ends at a byte's edge (RFC
//! 1951, section 3.2.4), so it can stand behind any other: what is deflated once goes to all clients, wherever each of
//! them came in, and a live line can be read as soon as it is there. The same payload always becomes the same run.
//!
//! Who delivers deflates, and the others wait: while somebody wants gzip, a burst of lines goes to all at no more than
//! what one core deflates, some 290 MB/s. Left to the clients' own threads, those would fall behind such a burst, and
//! each would then deflate by itself what it reads of the file.
//!
//! The trailer has a sum of all that went before it, which is another one for each client. What its own thread encodes
//! is added up here; what is shared has its sum beside it, made once, and the two are put together.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use zlib_rs::crc32::{crc32, crc32_combine};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use crate::limits::{
    DEFLATE_BUFFER_BYTES, DEFLATE_BYTES_MIN, DEFLATE_MEMORY_LEVEL, DEFLATE_MESSAGE_BYTES_MIN,
    DEFLATE_WINDOW_BITS, DEFLATERS_MAX,
};

/// Of lines of system logs, 16 KiB at a time, 0.29 of the bytes are left at level 1 (560 MB/s), 0.23 at 2 (290 MB/s), 0.22
/// at 3 (220 MB/s), 0.21 at 6 (170 MB/s); of 800 bytes 0.68, 0.55, 0.55, 0.55. Of a line alone 0.97, 0.87, and no better.
const LEVEL: i32 = 2;

/// Deflated, no flags, no time, nothing about the level, of an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The last block, which is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// A stored block without bytes, which is not the last one.
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// What a stored block holds at most (RFC 1951, section 3.2.4), and what goes before its bytes.
const STORED_BYTES_MAX: usize = 65_535;
const STORED_HEADER_BYTES: usize = 5;

/// One client's gzip member.
#[derive(Clone, Debug)]
pub(super) struct Gzip {
    deflaters: Arc<Deflaters>,
    /// Of what it is sent.
    pub(super) sum: Sum,
    /// False once it was sent a part of something whose parts have no sums.
    pub(super) is_known: bool,
}

/// What the trailer says of the bytes: their CRC-32, and how many they are, modulo 2^32.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    crc: u32,
    bytes: u32,
}

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip {
            deflaters: Deflaters::of_all(),
            sum: Sum::default(),
            is_known: true,
        }
    }

    /// What goes before the first run.
    pub(super) fn header() -> &'static [u8] {
        &HEADER
    }

    /// Calls `put` with the run that `payload` becomes.
    pub(super) fn run(&mut self, payload: &[u8], put: impl FnOnce(&[u8])) {
        self.sum.add(payload);
        if payload.len() < DEFLATE_BYTES_MIN {
            put(&stored(payload));
        } else {
            self.deflaters.lend(|deflater| match deflater.run(payload) {
                Some(run) => put(run),
                None => put(&stored(payload)),
            });
        }
    }

    /// What goes after the last run.
    pub(super) fn trailer(&self) -> Vec<u8> {
        [&LAST_BLOCK[..], &self.sum.to_bytes()].concat()
    }
}

/// The messages of a WebSocket, each deflated by itself (RFC 7692, without context takeover): what is deflated once goes
/// to all clients, here too.
#[derive(Clone, Debug)]
pub(super) struct Messages(Arc<Deflaters>);

impl Messages {
    pub(super) fn new() -> Messages {
        Messages(Deflaters::of_all())
    }

    /// Calls `put` with what `payload` is sent as, and whether that is deflated: only where it is shorter.
    pub(super) fn message(&self, payload: &[u8], put: impl FnOnce(&[u8], bool)) {
        if payload.len() < DEFLATE_MESSAGE_BYTES_MIN {
            return put(payload, false);
        }
        self.0.lend(|deflater| {
            let run = deflater.run(payload);
            // The end of a flush is not sent (RFC 7692, section 7.2.1).
            match run.and_then(|run| run.strip_suffix(&EMPTY_BLOCK[1..])) {
                Some(run) if run.len() < payload.len() => put(run, true),
                _ => put(payload, false),
            }
        });
    }
}

impl Sum {
    /// The sum of what this is of and then what `next` is of.
    pub(super) fn then(self, next: Sum) -> Sum {
        Sum {
            crc: crc32_combine(self.crc, next.crc, u64::from(next.bytes)),
            bytes: self.bytes.wrapping_add(next.bytes),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.crc.to_le_bytes();
        let [e, f, g, h] = self.bytes.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Sum {
        let number = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
            u32::from_le_bytes(four.unwrap_or_default())
        };
        Sum {
            crc: number(0),
            bytes: number(4),
        }
    }

    fn add(&mut self, payload: &[u8]) {
        self.crc = crc32(self.crc, payload);
        self.bytes = self.bytes.wrapping_add(payload.len() as u32);
    }
}

/// A run that is not deflated: blocks that are not the last one and hold the bytes as they are, then an empty one. zlib
/// ends every flush with such an empty block, and some decoders (Go's, and so Caddy) hand out nothing before it.
fn stored(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored_bytes(payload.len()));
    for part in payload.chunks(STORED_BYTES_MAX) {
        let len = part.len() as u16;
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&EMPTY_BLOCK);
    out
}

fn stored_bytes(len: usize) -> usize {
    len + len.div_ceil(STORED_BYTES_MAX) * STORED_HEADER_BYTES + EMPTY_BLOCK.len()
}

/// Deflaters for whoever encodes. They are made when they are wanted, and go with the last client that may want them.
#[derive(Default)]
struct Deflaters([Mutex<Option<Box<Deflater>>>; DEFLATERS_MAX]);

/// Those of all clients, as long as there is one.
static DEFLATERS: Mutex<Weak<Deflaters>> = Mutex::new(Weak::new());

impl Deflaters {
    fn of_all() -> Arc<Deflaters> {
        let mut known = DEFLATERS.lock();
        known.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *known = Arc::downgrade(&new);
            new
        })
    }

    /// Lends one. Where all are at work it waits for one, for as long as a run takes: nobody waits for anything else
    /// with one in hand.
    fn lend<T>(&self, work: impl FnOnce(&mut Deflater) -> T) -> T {
        let free = self.0.iter().find_map(Mutex::try_lock);
        let mut lent = free.unwrap_or_else(|| self.0[0].lock());
        work(lent.get_or_insert_with(Box::default))
    }
}

impl fmt::Debug for Deflaters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflaters").finish_non_exhaustive()
    }
}

/// A compressor, and where it puts its output.
struct Deflater {
    deflate: Deflate,
    out: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Deflater {
        let config = DeflateConfig {
            level: LEVEL,
            // Negative: without zlib's own header.
            window_bits: -DEFLATE_WINDOW_BITS,
            mem_level: DEFLATE_MEMORY_LEVEL,
            ..DeflateConfig::default()
        };
        Deflater {
            deflate: Deflate::new_with_config(config),
            out: Vec::new(),
        }
    }
}

impl Deflater {
    /// The run that `payload` becomes; `None` where it is not shorter than what is stored.
    fn run(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let room = stored_bytes(payload.len());
        if self.out.len() < room || self.out.len() > room.max(DEFLATE_BUFFER_BYTES) {
            self.out = vec![0; room.max(DEFLATE_BUFFER_BYTES)];
        }
        // What an earlier run left must not be referred to.
        self.deflate.reset();
        let out = &mut self.out[..room];
        let deflated = self.deflate.compress(payload, out, DeflateFlush::SyncFlush);
        let made = self.deflate.total_out() as usize;
        // Room that is left says that the flush is whole, too.
        let is_whole = self.deflate.total_in() == payload.len() as u64 && made < room;
        (deflated.is_ok() && is_whole).then(|| &self.out[..made])
    }
}

#[cfg(test)]
#[path = "gzip_tests.rs"]
mod tests;
