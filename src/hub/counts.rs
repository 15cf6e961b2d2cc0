//! What the hub counts, for metrics.

use crate::source::{Began, Generation};

/// What was found in a source since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Lines, or pieces of long ones, that were published.
    pub lines: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// New files under the name.
    pub rotations: u64,
    /// Times that the file began anew.
    pub truncations: u64,
    /// Times that bytes were gone before they were read.
    pub gaps: u64,
    /// How many, where that is known.
    pub lost_bytes: u64,
}

impl SourceCounts {
    pub(super) fn begins(&mut self, generation: &Generation) {
        match generation.began {
            Began::First | Began::Continued => {}
            Began::Rotated | Began::Remade => self.rotations += 1,
            Began::Truncated => self.truncations += 1,
        }
        if let Some(gap) = generation.gap {
            self.gap(gap.lost_bytes);
        }
    }

    pub(super) fn gap(&mut self, lost_bytes: Option<u64>) {
        self.gaps += 1;
        self.lost_bytes += lost_bytes.unwrap_or(0);
    }
}
