//! Reading a generation forwards whose stored lines are records.

use std::io;
use std::sync::Arc;

use crate::source::record::{Made, Reading, stored_line_end};
use crate::source::{Generation, IdMaker, Lines, Source};

use super::{Footing, Overlap, Read, Stretch, head_up_to, is_of_one_moment, read_full};

/// As [`super::read_lines`].
pub(super) fn read_lines(
    source: &Source,
    generation: &Generation,
    reading: &Reading,
    stretch: Stretch,
    chunk_bytes: usize,
    footing: &mut Footing,
) -> io::Result<Read> {
    let Stretch {
        from,
        limit,
        sealed,
    } = stretch;
    let file = &*generation.file;
    let mut joiner = match footing.joiner.take() {
        Some(joiner) => Arc::unwrap_or_clone(joiner),
        None => reading.joiner_at(file, from)?,
    };
    let lead = footing.overlap.len();
    // The record that `from` is in may begin before what is read over.
    let begin = joiner.at().min(from - lead as u64);
    let before = (from - begin) as usize;
    let left = usize::try_from(limit - from).unwrap_or(usize::MAX);
    // The joiner may have had the parts of lines that are still to be ended.
    let had = joiner.at().saturating_sub(from) as usize;
    let mut want = left.min(had + chunk_bytes);
    let mut buf = vec![0; before + want];
    let mut have = 0;
    let mut made = Made::default();
    loop {
        have += read_full(file, &mut buf[have..], begin + have as u64)?;
        if have < buf.len() || buf[before - lead..before] != footing.overlap[..] {
            return Ok(Read::Changed);
        }
        let to_limit = want == left;
        if to_limit && !sealed && !buf.ends_with(b"\n") {
            // The limit is that of a piece in the middle of a record: the rest of that is needed to read it.
            let end = stored_line_end(file, limit, reading.line_bytes_max)?;
            buf.resize((end - begin) as usize, 0);
            have += read_full(file, &mut buf[have..], begin + have as u64)?;
            buf.truncate(have);
        }
        let taken = (joiner.at() - begin) as usize;
        joiner.take(&buf[taken.min(have)..], to_limit && sealed, from, &mut made);
        if to_limit && sealed && generation.parts_end() {
            joiner.end(limit, from, &mut made);
        }
        if !made.ends.is_empty() || to_limit {
            break;
        }
        want = left.min(want * 4);
        buf.resize(before + want, 0);
    }
    let overlap_at = from - lead as u64;
    if !is_of_one_moment(file, &buf[before - lead..], overlap_at, lead)? {
        return Ok(Read::Changed);
    }
    let within = u32::try_from(left).unwrap_or(u32::MAX);
    let is_next = made.up_to(within);
    let used = match made.ends.last() {
        Some(&end) => end as usize,
        None => left,
    };
    let head = head_up_to(generation, footing, from, &buf[before..before + used])?;
    let ids = IdMaker::new(
        source.name_hash,
        &generation.identity,
        Arc::clone(&head),
        &buf[before - lead..before],
    );
    buf.truncate(before + used);
    *footing = Footing {
        overlap: Overlap::of(&buf),
        head: Some(head),
        joiner: is_next.then(|| Arc::new(joiner)),
    };
    made.records.next = footing.joiner.clone().filter(|joiner| joiner.is_light());
    let Some(last) = made.ends.len().checked_sub(1) else {
        return Ok(Read::Parts);
    };
    let is_ended = made.records.written(last).ends_with(b"\n");
    buf.drain(..before);
    Ok(Read::Lines(Lines {
        generation: generation.number,
        from,
        unfinished: sealed && used == left && !is_ended,
        bytes: buf,
        ends: made.ends,
        ids,
        records: Some(Box::new(made.records)),
    }))
}
