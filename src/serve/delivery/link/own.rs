//! Bytes of a client's own: what its thread has read of a file, and what is no segment (a head, a heartbeat, an
//! ending). They go out before anything that is shared.

use std::io::{self, IoSlice};

use crate::serve::delivery::wire::Sum;
use crate::serve::transport::socket::Socket;
use crate::source::Position;

/// Bytes that one client alone is sent.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) bytes: Vec<u8>,
    at: usize,
    /// `bytes` begin with the rest of a frame whose beginning is on the wire.
    half: bool,
    /// Ends of frames in `bytes`, the last one's among them.
    pub(super) frames: Vec<Place>,
}

/// Where the stream stands with the end of a frame.
#[derive(Debug)]
pub(super) struct Place {
    /// In the bytes.
    pub(super) end: usize,
    /// The source.
    pub(super) index: u32,
    /// In the source.
    pub(super) position: Position,
    /// Of all that was sent up to there.
    pub(super) sum: Sum,
    /// Lines up to there, since the stream began.
    pub(super) lines: u64,
}

impl Own {
    /// Nothing waits to be written.
    pub(super) fn is_clear(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// There is nothing, and nothing is remembered.
    pub(super) fn is_unused(&self) -> bool {
        self.bytes.is_empty() && !self.half
    }

    /// A frame is half on the wire.
    pub(super) fn is_half(&self) -> bool {
        (self.at > 0 || self.half) && !self.is_clear()
    }

    /// `rest` is the end of a frame whose beginning is on the wire.
    pub(super) fn push_rest(&mut self, rest: &[u8]) {
        self.half = true;
        self.bytes.extend_from_slice(rest);
    }

    /// Writes as far as the socket takes it; how many bytes, and whether that was all.
    pub(super) fn write(&mut self, socket: &Socket) -> io::Result<(usize, bool)> {
        let begin = self.at;
        while self.at < self.bytes.len() {
            match socket.write_vectored(&[IoSlice::new(&self.bytes[self.at..])]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.at += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((self.at - begin, false));
                }
                Err(error) => return Err(error),
            }
        }
        let written = self.at - begin;
        // Most clients are idle most of the time: nothing is kept.
        *self = Own::default();
        Ok((written, true))
    }

    /// Cuts the bytes down to the frame that is half on the wire, or a few more; where the stream then stands, where
    /// that is known.
    pub(super) fn trim(&mut self) -> Option<Place> {
        let at = self.at;
        let next = self.frames.iter().position(|place| place.end >= at)?;
        let place = self.frames.swap_remove(next);
        *self = Own {
            bytes: self.bytes[at..place.end].to_vec(),
            at: 0,
            half: at > 0 || self.half,
            frames: Vec::new(),
        };
        Some(place)
    }
}
