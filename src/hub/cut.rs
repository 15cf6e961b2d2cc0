//! Where a subscriber stood that was sent back to reading the files.
//!
//! Who is live keeps no place in any source: what the hub has published, it has or finds in its queue. So when the hub drops
//! its sender, it notes for it where every source is published up to. All that are dropped by one publish share that.

use std::sync::Arc;

use crate::source::{Edge, Segment, Source};

use super::streams::Streams;

/// How far each source was published when a subscriber's queue ended.
#[derive(Debug)]
pub struct Cut {
    /// All sources of the time, by index.
    pub edges: Vec<(Arc<Source>, Edge)>,
    /// Sources that came later have this index or a higher one.
    pub next_index: u32,
}

impl Cut {
    /// As the sources stand now.
    pub(super) fn now(streams: &Streams) -> Arc<Cut> {
        Cut::before(streams, &[])
    }

    /// As they stood before `segments` were published, which is what was published last.
    pub(super) fn before(streams: &Streams, segments: &[Segment]) -> Arc<Cut> {
        let all = streams.all();
        let mut edges: Vec<_> = all
            .map(|stream| (Arc::clone(stream.source()), stream.edge()))
            .collect();
        // Of each source the first one counts.
        for segment in segments.iter().rev() {
            let index = segment.source.index;
            let at = edges.binary_search_by_key(&index, |(source, _)| source.index);
            if let (Ok(at), Some(before)) = (at, segment.before()) {
                edges[at].1 = before;
            }
        }
        Arc::new(Cut {
            edges,
            next_index: streams.next_index(),
        })
    }
}
