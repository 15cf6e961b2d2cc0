//! Reading a generation forwards, with the overlap that shows whether the file is still the one we think.

mod records;

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::limits::{HEAD_CHECKED_BYTES, OVERLAP_BYTES, PAGE_BYTES, TAIL_CHECKED_BYTES};

use super::record::Joiner;
use super::room::room_for;
use super::{Generation, Id, IdMaker, Identity, Lines, Source, lines};

/// What a read of a generation found.
#[derive(Debug)]
pub enum Read {
    /// Whole lines, at least one.
    Lines(Lines),
    /// Up to the limit, nothing but parts of lines that end behind it.
    Parts,
    /// The bytes that were there are not there any more, or others are.
    Changed,
}

/// The last bytes before a place: [`OVERLAP_BYTES`], or all there are. In place, since every client has one and moves
/// it with every batch.
#[derive(Clone, Debug)]
pub struct Overlap {
    bytes: [u8; OVERLAP_BYTES],
    len: u8,
}

/// Where a reader stands in one generation, with what it needs to know that the bytes before are still the same.
#[derive(Clone, Debug, Default)]
pub struct Footing {
    /// The last bytes before the place, as they were when they were read.
    pub overlap: Overlap,
    /// The first bytes of the generation, as far as they are read: at most [`HEAD_CHECKED_BYTES`].
    pub head: Option<Arc<[u8]>>,
    /// What stands before the place of lines that end behind it, where that is known.
    pub joiner: Option<Arc<Joiner>>,
}

impl Overlap {
    /// What `bytes` end with.
    pub fn of(bytes: &[u8]) -> Overlap {
        let mut overlap = Overlap::default();
        overlap.move_over(bytes);
        overlap
    }

    /// `bytes` follow.
    pub fn move_over(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(OVERLAP_BYTES)..];
        let have = usize::from(self.len);
        let kept = have.min(OVERLAP_BYTES - new.len());
        self.bytes.copy_within(have - kept..have, 0);
        self.bytes[kept..kept + new.len()].copy_from_slice(new);
        self.len = (kept + new.len()) as u8;
    }
}

impl Default for Overlap {
    fn default() -> Overlap {
        Overlap {
            bytes: [0; OVERLAP_BYTES],
            len: 0,
        }
    }
}

impl Deref for Overlap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Reads from `file` at `offset` until `buf` is full or the file ends; returns how many bytes. Blocks on the disk.
pub fn read_full(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// The same where less than `buf` holds is an `UnexpectedEof`.
pub fn read_exact(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    if read_full(file, buf, offset)? < buf.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

impl Footing {
    /// Takes the place `offset` in `file` on trust: reads the head and the bytes before it.
    pub fn take(file: &File, offset: u64) -> io::Result<Footing> {
        let mut head =
            vec![0; HEAD_CHECKED_BYTES.min(usize::try_from(offset).unwrap_or(usize::MAX))];
        let n = read_full(file, &mut head, 0)?;
        head.truncate(n);
        let mut before = [0; OVERLAP_BYTES];
        let before =
            &mut before[..OVERLAP_BYTES.min(usize::try_from(offset).unwrap_or(usize::MAX))];
        let from = offset - before.len() as u64;
        let n = read_full(file, before, from)?;
        Ok(Footing {
            overlap: Overlap::of(&before[..n]),
            head: Some(Arc::from(head)),
            joiner: None,
        })
    }

    /// The id of the place.
    pub fn id(&self, source: &Source, identity: &Identity, offset: u64) -> Id {
        let head = self.head.clone().unwrap_or_else(|| Arc::from([]));
        IdMaker::new(source.name_hash, identity, head, &self.overlap).id(offset, &[])
    }

    /// True where a compressed file holds, at this footing, what `id` was made from.
    pub fn holds(&self, id: &Id) -> bool {
        let head: &[u8] = self.head.as_deref().unwrap_or_default();
        let tail = &self.overlap[self.overlap.len().saturating_sub(TAIL_CHECKED_BYTES)..];
        id.matches_content(head, tail)
    }

    /// True where this footing in that file is what `id` was made from.
    pub fn is_at(&self, identity: &Identity, id: &Id) -> bool {
        let head: &[u8] = self.head.as_deref().unwrap_or_default();
        id.matches(
            identity,
            head,
            &self.overlap[self.overlap.len().saturating_sub(TAIL_CHECKED_BYTES)..],
        )
    }
}

/// What there is to be read of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where to begin: where a line or piece begins.
    pub from: u64,
    /// Where to end at the latest: where a line or piece ends.
    pub limit: u64,
    /// The generation ends at `limit`.
    pub sealed: bool,
}

/// Reads whole lines of a stretch of `generation`: about `chunk_bytes`, but at least one line, which is cut where it is
/// over `line_bytes_max`. `footing` moves along. Blocks on the disk.
pub fn read_lines(
    source: &Source,
    generation: &Generation,
    stretch: Stretch,
    (chunk_bytes, line_bytes_max): (usize, usize),
    footing: &mut Footing,
) -> io::Result<Read> {
    if let Some(reading) = generation.reading(source, line_bytes_max)? {
        return records::read_lines(source, generation, &reading, stretch, chunk_bytes, footing);
    }
    let Stretch {
        from,
        limit,
        sealed,
    } = stretch;
    let left = usize::try_from(limit - from).unwrap_or(usize::MAX);
    let mut want = left.min(chunk_bytes);
    let lead = footing.overlap.len();
    let mut buf = Vec::with_capacity(room_for(lead + want));
    buf.resize(lead + want, 0);
    let mut have = 0;
    let mut ends = Vec::new();
    let used = loop {
        let n = read_full(
            &generation.file,
            &mut buf[have..],
            from - lead as u64 + have as u64,
        )?;
        have += n;
        if have < lead + want || buf[..lead] != footing.overlap[..] {
            return Ok(Read::Changed);
        }
        ends.clear();
        let used = lines::split(&buf[lead..], want == left, line_bytes_max, &mut ends);
        if used > 0 {
            break used;
        }
        // Not even one line: take more at once. A line or a piece is never longer than `cut_when`.
        want = left.min((want * 4).min(lines::cut_when(line_bytes_max).max(want + 1)));
        buf.resize(lead + want, 0);
    };
    if !is_of_one_moment(&generation.file, &buf, from - lead as u64, lead)? {
        return Ok(Read::Changed);
    }
    let head = head_up_to(generation, footing, from, &buf[lead..lead + used])?;
    let ids = IdMaker::new(
        source.name_hash,
        &generation.identity,
        Arc::clone(&head),
        &buf[..lead],
    );
    let end = lead + used;
    let unfinished = sealed && from + used as u64 == limit && buf[end - 1] != b'\n';
    *footing = Footing {
        overlap: Overlap::of(&buf[..end]),
        head: Some(head),
        joiner: None,
    };
    buf.truncate(end);
    buf.drain(..lead);
    Ok(Read::Lines(Lines {
        generation: generation.number,
        from,
        bytes: buf,
        ends,
        unfinished,
        ids,
        records: None,
    }))
}

/// Whether `read`, which stood at `from` and begins with an overlap of `lead` bytes, is what the file held at one moment.
///
/// Race: between two pages of a read the file may be truncated and rewritten to more. Then the overlap is another one
/// after the read. The watcher will find that out, but what was read would lie on the shelf until then.
pub fn is_of_one_moment(file: &File, read: &[u8], from: u64, lead: usize) -> io::Result<bool> {
    if read.len() <= PAGE_BYTES {
        return Ok(true);
    }
    let mut again = [0; OVERLAP_BYTES];
    let have = read_full(file, &mut again[..lead], from)?;
    Ok(again[..have] == read[..lead])
}

/// The generation's first bytes, at least up to the end of `bytes`, which stand at `from`.
fn head_up_to(
    generation: &Generation,
    footing: &Footing,
    from: u64,
    bytes: &[u8],
) -> io::Result<Arc<[u8]>> {
    let known = footing.head.clone().unwrap_or_else(|| Arc::from([]));
    let end = from + bytes.len() as u64;
    if known.len() >= HEAD_CHECKED_BYTES || known.len() as u64 >= end {
        return Ok(known);
    }
    if known.len() as u64 >= from {
        // The new bytes continue what is known.
        let mut head = known.to_vec();
        let have = known.len() - from as usize;
        head.extend(bytes[have..].iter().take(HEAD_CHECKED_BYTES - head.len()));
        return Ok(Arc::from(head));
    }
    let mut head = vec![0; HEAD_CHECKED_BYTES.min(usize::try_from(end).unwrap_or(usize::MAX))];
    let n = read_full(&generation.file, &mut head, 0)?;
    head.truncate(n);
    Ok(Arc::from(head))
}

#[cfg(test)]
#[path = "forward/tests.rs"]
mod tests;
