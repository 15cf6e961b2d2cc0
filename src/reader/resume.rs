//! Where a stream goes on that was interrupted: the place that its id names, wherever its file stands by now.

use std::io;
use std::sync::Arc;

use crate::hub::{Edge, Hub, SourceState};
use crate::source::forward::Footing;
use crate::source::inflate::Pause;
use crate::source::{Event, Gap, Generation, Id, IdMaker, Position, Source};

use super::cursor::Cursor;
use super::past::Past;

/// The cursor of a source that is resumed after the line `id`.
#[inline(never)]
pub(super) fn after(
    hub: &Hub,
    state: SourceState,
    id: &Id,
    pause: Pause<'_>,
) -> io::Result<(Cursor, Option<Edge>)> {
    let source = Arc::clone(&state.source);
    let aside = state.edge.aside;
    let edge = state.generation.is_some().then_some(state.edge);
    if id.is_nowhere() {
        // It was not there then: whatever it has held since is new.
        return Ok((Cursor::new(source), edge));
    }
    if let Some(generation) = find_held(hub, &source, id) {
        let place = generation.at(id.offset);
        let aside = aside.min(hub.told_before(source.index, place));
        let start = start_event(&source, &generation, id.offset, aside)?;
        return Ok((Cursor::at(source, None, start, None), edge));
    }
    if let Some(edge) = edge.filter(|edge| edge.id == *id) {
        // In a deleted file that was let go of: there is nothing that the stream lacks.
        let start = Event::start(edge.id, edge.position, aside);
        return Ok((Cursor::at(source, None, start, None), Some(edge)));
    }
    if let Some(past) = Past::find(&source, hub, id, pause) {
        let start = Event::start(*id, Position::default(), aside);
        let past = Some(Box::new(past));
        return Ok((Cursor::at(source, past, start, None), edge));
    }
    // Its place is gone: a gap, then everything that the current file holds.
    let Some(generation) = &state.generation else {
        // Whether it is gone is known when the name leads to a file again.
        return Ok((Cursor::waiting(source, *id), None));
    };
    let start = start_in_current(&source, generation, generation.start(), state.edge)?;
    let lost = Gap {
        lost_bytes: lost_bytes(hub, &source, generation, id),
        reason: "id not found",
    };
    Ok((Cursor::at(source, None, start, Some(lost)), edge))
}

/// The generation in which `id` is a place, among those that are held or remembered; the youngest if several are.
/// From there on the order of rotations is known.
pub(super) fn find_held(hub: &Hub, source: &Source, id: &Id) -> Option<Arc<Generation>> {
    let has = |generation: &Arc<Generation>| {
        let footing = Footing::take(&generation.file, id.offset);
        footing.is_ok_and(|footing| footing.is_at(&generation.identity, id))
    };
    let held = hub.generations(source.index).into_iter().rev();
    let held = held.filter(|held| held.identity.inode == id.inode && !held.is_gone());
    let formers = hub.formers(source.index).into_iter().rev();
    let formers = formers
        .filter(|former| former.identity.inode == id.inode && id.offset <= former.length())
        .filter_map(|former| former.open(source).ok().flatten());
    held.chain(formers).find(has)
}

/// How many bytes a stream misses that goes on at the beginning of `current` instead of at `id`, where that place
/// was in a generation that is known.
fn lost_bytes(hub: &Hub, source: &Source, current: &Generation, id: &Id) -> Option<u64> {
    let generations = hub.generations(source.index);
    let of = generations.iter().rev().find(|generation| {
        generation.identity.inode == id.inode
            && generation
                .sealed()
                .is_some_and(|sealed| id.offset <= sealed)
    })?;
    current
        .base()
        .checked_sub(of.base() + id.offset.saturating_sub(of.start()))
}

/// The start in the current generation; at its end, where its file was deleted and let go of.
pub(super) fn start_in_current(
    source: &Source,
    generation: &Generation,
    offset: u64,
    edge: Edge,
) -> io::Result<Event> {
    if generation.is_gone() {
        return Ok(Event::start(edge.id, edge.position, edge.aside));
    }
    start_event(source, generation, offset, edge.aside)
}

#[inline(never)]
pub(super) fn start_event(
    source: &Source,
    generation: &Generation,
    offset: u64,
    aside: u64,
) -> io::Result<Event> {
    let id = if offset == 0 {
        IdMaker::beginning(source.name_hash, &generation.identity)
    } else {
        Footing::take(&generation.file, offset)?.id(source, &generation.identity, offset)
    };
    Ok(Event::start(id, generation.at(offset), aside))
}
