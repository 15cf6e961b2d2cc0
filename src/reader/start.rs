//! Where a stream starts: the last lines, everything, or a place that an id names.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::hub::{Edge, Hub, Selection, SourceState};
use crate::source::back::{Back, Passes};
use crate::source::{Gap, Generation, Id, Position, Source};

use super::cursor::Cursor;
use super::history::{Beginning, Found, LinesEnd};
use super::past::Past;
use super::{Reader, Until, resume};

/// Where a source's stream starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the last lines that pass.
    Last(u64),
    /// With the file's first byte.
    All,
    /// After the line with this id.
    After(Id),
}

/// A stream to be begun.
pub struct Begin<'a> {
    /// The files' hub.
    pub hub: &'a Arc<Hub>,
    /// Which sources.
    pub selection: Selection,
    /// Whether it goes on after what was published when it began.
    pub follow: bool,
    /// The moment before which no history is wanted, in nanoseconds since 1970.
    pub since: Option<i64>,
    /// The moment before which the stream ends; one that goes on has none.
    pub until: Option<i64>,
    /// Whether history goes on into rotated files where the current one has too few lines.
    pub rotated: bool,
    /// Which lines count as lines of history; `None` means all.
    pub passes: Option<Passes<'a>>,
    /// Called between blocks while looking back, with their bytes; see [`Back::pause`].
    pub pause: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

/// The sources as they stand now: what was written before this call is published first, by a look of the watcher. A
/// stream begins here, so this is done before its peer is told that it is connected. Only the files of the stream are
/// waited for; where it `follows`, not for those that are read once the file before them is quiet.
pub fn note(hub: &Hub, selection: &Selection, follows: bool) -> Vec<SourceState> {
    hub.looks.ask_for(selection, follows);
    hub.sources()
}

/// Tries to look back into a file that changes meanwhile; then it starts with what the file holds.
const TRIES_MAX: u32 = 3;

impl<'a> Begin<'a> {
    /// A stream of every source that goes on, from wherever it starts in the current files.
    pub fn everything(
        hub: &'a Arc<Hub>,
        pause: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Begin<'a> {
        Begin {
            hub,
            selection: Selection::All,
            follow: true,
            since: None,
            until: None,
            rotated: false,
            passes: None,
            pause,
        }
    }

    /// A reader that starts, in each selected source, where `from` says, seen from where the sources stood when they
    /// were noted. `None` where `pause` gave up. Blocks on the disk.
    pub fn reader(
        mut self,
        noted: Vec<SourceState>,
        from: &dyn Fn(&Source) -> From,
    ) -> io::Result<Option<Reader>> {
        let mut cursors: Vec<Option<Box<Cursor>>> = Vec::new();
        let mut edges = Vec::new();
        for state in noted {
            cursors.resize_with(state.source.index as usize + 1, || None);
            if !self.selection.has(&state.source) {
                continue;
            }
            let mut state = state;
            if let Some(moment) = self.until {
                let Some(edge) = self.ending(&state, moment)? else {
                    return Ok(None);
                };
                state.edge = edge;
            }
            let from = from(&state.source);
            let last_aside = state.last_aside;
            let Some((cursor, edge)) = self.cursor(state, from)? else {
                return Ok(None);
            };
            if let Some(mut edge) = edge {
                edge.aside = edge.aside.max(last_aside);
                edges.push((cursor.index(), edge));
            }
            if let Some(slot) = cursors.last_mut() {
                *slot = Some(Box::new(cursor));
            }
        }
        // No room for more than there are: each client has these for as long as it stays.
        cursors.shrink_to_fit();
        let mut reader = self.put_together(cursors);
        if !self.follow {
            reader.stop_at(&edges);
        }
        Ok(Some(reader))
    }

    /// A reader of the `wanted` lines that stand before the place `id` and before the moment at which the stream ends, in the
    /// one source `index`, which was noted, and of nothing more; `Ok(None)` where the place is gone or `pause` gave up.
    #[inline(never)]
    pub fn before(
        mut self,
        index: u32,
        id: &Id,
        wanted: Option<u64>,
    ) -> io::Result<Option<Reader>> {
        let Some(state) = self.hub.source(index) else {
            return Ok(None);
        };
        let mut wanted = wanted;
        let source = Arc::clone(&state.source);
        let aside = state.edge.aside;
        let place = if let Some(generation) = resume::find_held(self.hub, &source, id) {
            let position = generation.at(id.offset.max(generation.start()));
            let end = Edge {
                position,
                id: *id,
                aside,
            };
            LinesEnd::Known(generation, end)
        } else if let Some(past) = Past::find(&source, self.hub, id, self.pause) {
            LinesEnd::Past(Box::new(past))
        } else {
            return Ok(None);
        };
        let (found, edges) = match self.end_by_until(&source, place, &mut wanted)? {
            Some(LinesEnd::Known(generation, end)) => {
                let found = match wanted {
                    Some(wanted) => {
                        self.last_of_all(&source, &generation, end.position.offset, wanted)?
                    }
                    None => Some(Found::at(&generation, generation.start())),
                };
                (found, vec![(index, Edge { aside, ..end })])
            }
            Some(LinesEnd::Past(mut past)) => {
                let found = match wanted {
                    Some(wanted) => self.last_before(&source, *past, wanted)?,
                    None => {
                        past.only_from(0);
                        Some(Found::in_past(*past))
                    }
                };
                (found, Vec::new())
            }
            None => return Ok(None),
        };
        let Some(found) = found else { return Ok(None) };
        let edge = Edge {
            aside,
            ..state.edge
        };
        let cursor = self.cursor_at(source, found, edge)?;
        let mut cursors: Vec<Option<Box<Cursor>>> = (0..index).map(|_| None).collect();
        cursors.push(Some(Box::new(cursor)));
        let mut reader = self.put_together(cursors);
        reader.stop_at(&edges);
        Ok(Some(reader))
    }

    fn put_together(&self, cursors: Vec<Option<Box<Cursor>>>) -> Reader {
        Reader {
            hub: Arc::clone(self.hub),
            selection: self.selection.clone(),
            cursors,
            fall: None,
            begun: 0,
            turn: 0,
            turn_until: None,
            until: Until::Edge,
        }
    }

    /// The cursor of one source, and its edge as it stood.
    #[inline(never)]
    fn cursor(
        &mut self,
        state: SourceState,
        from: From,
    ) -> io::Result<Option<(Cursor, Option<Edge>)>> {
        let source = Arc::clone(&state.source);
        let wanted = match from {
            From::After(id) => return self.after(state, &id),
            From::Last(wanted) => Some(wanted),
            // All that is kept of a spool, and all that is not older than a moment.
            From::All => {
                let everywhere = source.origin().is_spooled() || self.since.is_some();
                everywhere.then_some(u64::MAX)
            }
        };
        let mut state = state;
        for _ in 0..TRIES_MAX {
            let Some(generation) = &state.generation else {
                // The name leads nowhere: its rotated files are history all the same.
                let wanted = wanted.filter(|&wanted| wanted > 0 && self.rotated);
                let found = match (wanted, self.until) {
                    (Some(wanted), Some(moment)) => self
                        .last_before_moment(&source, None, moment, wanted)?
                        .map(|(found, _)| found),
                    (Some(wanted), None) => self.last_of_rotated(&source, wanted)?,
                    (None, _) => None,
                };
                let Some(found) = found else {
                    return Ok(Some((Cursor::new(source), None)));
                };
                let cursor = self.cursor_at(source, found, state.edge)?;
                return Ok(Some((cursor, None)));
            };
            let edge = state.edge;
            // The stream ends before all that the current file holds: its end is in an older one.
            if let (Some(moment), Some(wanted)) = (self.until, wanted) {
                if self.rotated && edge.position.offset <= generation.start() {
                    if let Some((found, end)) =
                        self.last_before_moment(&source, Some(generation), moment, wanted)?
                    {
                        let cursor = self.cursor_at(source, found, edge)?;
                        return Ok(Some((
                            cursor,
                            end.map(|end| Edge {
                                aside: edge.aside,
                                ..end
                            }),
                        )));
                    }
                }
            }
            let found = match wanted {
                _ if generation.is_gone() => Ok(Some(Found::at(generation, edge.position.offset))),
                Some(wanted) => self.last_of_all(&source, generation, edge.position.offset, wanted),
                None => Ok(Some(Found::at(generation, generation.start()))),
            };
            let found = match found {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    // Truncated below us.
                    self.hub.looks.ask_for(&self.selection, self.follow);
                    state = self.hub.source(source.index).unwrap_or(state);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let cursor = self.cursor_at(source, found, edge)?;
            return Ok(Some((cursor, Some(edge))));
        }
        let edge = state.generation.is_some().then_some(state.edge);
        Ok(Some((Cursor::new(source), edge)))
    }

    /// The cursor of a source whose history begins where it was found.
    fn cursor_at(&self, source: Arc<Source>, found: Found, edge: Edge) -> io::Result<Cursor> {
        let (start, past) = match found.beginning {
            Beginning::Known(generation, begin) => {
                let place = Position {
                    generation: generation.number,
                    offset: begin,
                };
                // History shows where its bytes have gaps.
                let told = self.hub.told_before(source.index, place);
                let aside = edge.aside.min(told);
                let edge = Edge { aside, ..edge };
                let start = resume::start_in_current(&source, &generation, begin, edge)?;
                (start, None)
            }
            Beginning::Past(past) => {
                let (generation, begin) = past.place();
                let start = resume::start_event(&source, generation, begin, edge.aside)?;
                (start, Some(past))
            }
        };
        let lost = found.lost.map(|reason| Gap {
            lost_bytes: None,
            reason,
        });
        Ok(Cursor::at(source, past, start, lost))
    }

    /// The cursor of a source that is resumed after the line `id`, and where it ends; `None` where `pause` gave up.
    #[inline(never)]
    fn after(&mut self, state: SourceState, id: &Id) -> io::Result<Option<(Cursor, Option<Edge>)>> {
        let current = state.generation.clone();
        let (mut cursor, edge) = resume::after(self.hub, state, id, self.pause)?;
        let is_older = |current: &Arc<Generation>| {
            edge.is_none_or(|edge| edge.position.offset <= current.start())
        };
        let Some(moment) = self.until.filter(|_| current.as_ref().is_none_or(is_older)) else {
            return Ok(Some((cursor, edge)));
        };
        // It ends before all that the current file holds, and so in an older one.
        let source = cursor.source();
        let Some(end) = self.older_end(&source, current.as_ref(), moment)? else {
            return Ok(None);
        };
        let edge = cursor.end_in_older(end);
        Ok(Some((cursor, edge)))
    }

    /// Where the last `wanted` lines before `end` begin in one file; `wanted` is then what is still missing.
    #[inline(never)]
    pub(super) fn back(
        &mut self,
        source: &Source,
        generation: &Generation,
        end: u64,
        wanted: &mut u64,
    ) -> io::Result<Option<u64>> {
        if *wanted == 0 {
            return Ok(Some(end));
        }
        let mut start = generation.start();
        if let Some(moment) = self.since {
            match self.place_of(source, generation, end, moment)? {
                Some(place) => start = place,
                None => return Ok(None),
            }
        }
        if *wanted == u64::MAX {
            return Ok(Some(start));
        }
        let line_bytes_max = self.hub.line_bytes_max();
        let file = &*generation.file;
        Back {
            file,
            start,
            line_bytes_max,
            passes: self.passes,
            records: generation.reading(source, line_bytes_max)?,
            pause: self.pause,
        }
        .last(end, wanted)
    }
}
