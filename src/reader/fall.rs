//! From where a stream reads on that was live.
//!
//! While it is live it keeps no places. It has all that was published up to the end of its queue, but for what it lacks: what
//! is still in the queue, and what was taken from that and is not out. Of each source the first of that says where the stream
//! stands; in all others it stands where they stood when the queue ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hub::Cut;
use crate::source::{Edge, Segment, Source};

/// Where a stream stands whose queue has ended.
#[derive(Debug)]
pub(super) struct Fall {
    cut: Arc<Cut>,
    /// Where it stands in the sources of which it lacks something, by index.
    lacks: BTreeMap<u32, Edge>,
}

impl Fall {
    /// One that lacks nothing that was published before `cut`.
    pub(super) fn new(cut: Arc<Cut>) -> Fall {
        Fall {
            cut,
            lacks: BTreeMap::new(),
        }
    }

    /// It lacks `segment`, all but its first `out` lines. To be called in the order in which they were published.
    pub(super) fn lacks(&mut self, segment: &Segment, out: usize) {
        let place = match out.checked_sub(1) {
            Some(last) => Some(segment.edge_after(last)),
            None => segment.before(),
        };
        if let Some(place) = place {
            self.lacks.entry(segment.source.index).or_insert(place);
        }
    }

    /// All sources had a lower index than this when the queue ended.
    pub(super) fn sources_len(&self) -> usize {
        self.cut.next_index as usize
    }

    /// Where it stands in each source, its own or not, by index.
    pub(super) fn places(&self) -> impl Iterator<Item = (&Arc<Source>, &Edge)> {
        let all = self.cut.edges.iter();
        all.map(|(source, edge)| (source, self.lacks.get(&source.index).unwrap_or(edge)))
    }
}
