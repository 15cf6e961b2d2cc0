//! Streams that begin or end at a moment: where that is in each file.

use std::io;

use crate::hub::{Edge, SourceState};
use crate::source::since::Since;
use crate::source::{Generation, Grammar, Source};

use super::history::{LinesEnd, OlderEnd, edge_in};
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

    /// The end of the lines that stand before `place` and are older than the moment at which the stream ends; that may be in
    /// an older file. Where all of them are later, none are `wanted`. `None` where `pause` gave up.
    pub(super) fn end_by_until(
        &mut self,
        source: &Source,
        place: LinesEnd,
        wanted: &mut Option<u64>,
    ) -> io::Result<Option<LinesEnd>> {
        let Some(moment) = self.until else {
            return Ok(Some(place));
        };
        match place {
            LinesEnd::Known(generation, end) => {
                let whole = end.position.offset;
                let Some(offset) = self.place_of(source, &generation, whole, moment)? else {
                    return Ok(None);
                };
                if offset >= whole {
                    return Ok(Some(LinesEnd::Known(generation, end)));
                }
                if offset <= generation.start() && self.rotated {
                    match self.older_end(source, Some(&generation), moment)? {
                        Some(OlderEnd::At(older)) => return Ok(Some(older)),
                        Some(OlderEnd::Nowhere(_)) => *wanted = Some(0),
                        None => return Ok(None),
                    }
                }
                let end = edge_in(source, &generation, offset)?;
                Ok(Some(LinesEnd::Known(generation, end)))
            }
            LinesEnd::Past(mut past) => {
                let (generation, whole) = past.place();
                let start = generation.start();
                let Some(offset) = self.place_of(source, generation, whole, moment)? else {
                    return Ok(None);
                };
                if offset < whole {
                    past.begin_at(offset);
                }
                if offset < whole && offset <= start && self.rotated {
                    let (row, at) = past.take_row();
                    match self.older_end_in_row(source, row, at, moment)? {
                        Some(OlderEnd::At(older)) => return Ok(Some(older)),
                        Some(OlderEnd::Nowhere(lost)) => {
                            past.lacks_behind(lost);
                            *wanted = Some(0);
                        }
                        None => return Ok(None),
                    }
                }
                Ok(Some(LinesEnd::Past(past)))
            }
        }
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
        let end = edge_in(&state.source, generation, offset)?;
        Ok(Some(Edge {
            aside: edge.aside,
            ..end
        }))
    }
}
