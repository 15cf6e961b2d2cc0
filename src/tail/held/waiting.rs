//! NULs that wait at the end of the held file: room for what its writer will put there, which the kernel may not tell.

use std::io;
use std::time::{Instant, SystemTime};

use super::Held;
use crate::limits::{NULS_LOOK, NULS_STEP};
use crate::source::forward::read_full;
use crate::source::nuls::next_data;

/// How far the file was looked through behind the NULs, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    look_at: Option<Instant>,
    /// A look that was cut off goes on here.
    goes_on: u64,
    /// What the file was like when it was looked through to its end: when it was last written, and its length.
    through: Option<(SystemTime, u64)>,
}

impl Held {
    /// When the NULs at the end are to be looked at again, where there are any.
    pub(in crate::tail) fn nuls_look_at(&self) -> Option<Instant> {
        self.nuls.as_ref().and_then(|nuls| nuls.look_at)
    }

    /// They go to the end of the file.
    pub(super) fn wait_on_nuls(&mut self, now: Instant) {
        self.nuls.get_or_insert_default().look_at = Some(now + NULS_LOOK);
    }

    /// The hole at the beginning is all that there is, or goes on.
    pub(super) fn wait_at_hole(&mut self, now: Instant) -> io::Result<()> {
        self.nuls = None;
        if self.at_end && self.file.metadata()?.len() > 0 {
            self.wait_on_nuls(now);
        }
        Ok(())
    }

    /// Whether something else than a NUL stands at `from` or behind. Looks as far as `buf` goes, and now and then: NULs
    /// that were written, not left out, cost reading.
    pub(super) fn look_behind(
        &mut self,
        from: u64,
        buf: &mut [u8],
        now: Instant,
    ) -> io::Result<bool> {
        let nuls = self.nuls.get_or_insert_default();
        if nuls.look_at.is_some_and(|at| now < at) {
            return Ok(false);
        }
        nuls.look_at = Some(now + NULS_LOOK);
        let stat = self.file.metadata()?;
        let is_like = stat.modified().ok().map(|at| (at, stat.len()));
        if is_like.is_some() && nuls.through == is_like {
            return Ok(false);
        }
        if let Some(at) = next_data(&self.file, from.max(nuls.goes_on)) {
            let n = read_full(&self.file, buf, at)?;
            if let Some(first) = buf[..n].iter().position(|&byte| byte != 0) {
                // Race: what stands before it may have been written after it was read, so it is read again.
                self.content_to = at + first as u64 + 1;
                self.nuls = None;
                return Ok(true);
            }
            if n == buf.len() {
                nuls.goes_on = at + n as u64;
                nuls.look_at = Some(now + NULS_STEP);
                return Ok(false);
            }
        }
        nuls.goes_on = 0;
        nuls.through = is_like;
        Ok(false)
    }
}
