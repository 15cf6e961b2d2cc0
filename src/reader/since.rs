//! Streams that begin or end at a moment: where that is in each file.

use std::io;

use crate::hub::{Edge, SourceState};
use crate::source::forward::Footing;
use crate::source::since::Since;
use crate::source::{Generation, Grammar, Position, Source};

use super::start::Begin;

impl Begin<'_> {
    /// Where the first line of `generation` before `end` begins that is not older than `moment`; `end` where all are.
    /// `None` where `pause` gave up. Blocks on the disk.
    pub(super) fn place_of(
        &mut self,
        source: &Source,
        generation: &Generation,
        end: u64,
        moment: i64,
    ) -> io::Result<Option<u64>> {
        let (start, file) = (generation.start(), &*generation.file);
        if start >= end {
            return Ok(Some(end));
        }
        let reading = generation.reading(source, self.hub.line_bytes_max())?;
        Since {
            file,
            start,
            end,
            grammar: reading.map_or(Grammar::Plain, |reading| reading.grammar),
            stood: &|moment| generation.arrivals.stood(moment),
            pause: self.pause,
        }
        .place(moment)
    }

    /// The edge at which a stream ends that has no line as late as `moment`; `None` where `pause` gave up.
    pub(super) fn ending(&mut self, state: &SourceState, moment: i64) -> io::Result<Option<Edge>> {
        let edge = state.edge;
        let Some(generation) = state.generation.as_ref().filter(|held| !held.is_gone()) else {
            return Ok(Some(edge));
        };
        let place = self.place_of(&state.source, generation, edge.position.offset, moment);
        let offset = match place {
            Ok(Some(offset)) => offset,
            Ok(None) => return Ok(None),
            // Truncated below us: nothing that it held then can be read.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => generation.start(),
            Err(error) => return Err(error),
        };
        if offset >= edge.position.offset {
            return Ok(Some(edge));
        }
        let footing = Footing::take(&generation.file, offset)?;
        Ok(Some(Edge {
            position: Position {
                offset,
                ..edge.position
            },
            id: footing.id(&state.source, &generation.identity, offset),
            ..edge
        }))
    }
}
