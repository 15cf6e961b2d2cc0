//! The hole at the beginning of a file: the run of NULs that a writer without O_APPEND leaves after a truncation.

use std::io;
use std::sync::Arc;

use super::Held;
use crate::limits::{HEAD_CHECKED_BYTES, OVERLAP_BYTES};
use crate::source::forward::{Footing, Overlap, read_full};
use crate::source::nuls::next_data;

impl Held {
    /// Skips NULs at the beginning of a file that was found at the start: where its first line begins.
    pub(in crate::tail) fn skip_holes(&mut self, buf: &mut [u8]) -> io::Result<u64> {
        while let Some(at) = self.hole {
            match self.skip_hole(at, buf)? {
                Some(place) => return Ok(place),
                None if self.at_end => break,
                None => {}
            }
        }
        Ok(0)
    }

    /// Looks for the end of the hole, from `at` on; `None` as long as there is nothing else.
    pub(super) fn skip_hole(&mut self, at: u64, buf: &mut [u8]) -> io::Result<Option<u64>> {
        // It may be room that is filled from its beginning.
        let mut first = [0];
        let is_filled = read_full(&self.file, &mut first, 0)? == 1 && first != [0];
        let at = if is_filled { 0 } else { at };
        let Some(at) = next_data(&self.file, at) else {
            // Nothing but a hole up to the end; or the file is shorter than it was.
            if self.file.metadata()?.len() < at {
                self.hole = Some(0);
            }
            self.at_end = true;
            return Ok(None);
        };
        let n = read_full(&self.file, buf, at)?;
        self.at_end = n < buf.len();
        let Some(first) = buf[..n].iter().position(|&byte| byte != 0) else {
            // At the end they may be bytes that are not there yet, so they are looked at again.
            self.hole = Some(if self.at_end { at } else { at + n as u64 });
            return Ok(None);
        };
        let place = at + first as u64;
        let nuls = |most: usize| vec![0; most.min(usize::try_from(place).unwrap_or(most))];
        let footing = Footing {
            overlap: Overlap::of(&nuls(OVERLAP_BYTES)),
            head: Some(Arc::from(nuls(HEAD_CHECKED_BYTES))),
            joiner: None,
        };
        self.stand_at(place, footing);
        self.start = place;
        Ok(Some(place))
    }
}
