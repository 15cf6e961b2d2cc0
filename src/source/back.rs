//! Looking back: where the last N lines of a file begin, without reading more of it than needed.
//!
//! Reads blocks backwards and takes the lines of each from its end. A line that is longer than a block is measured
//! first (backwards to its newline, in constant memory), and if it is over `--max-line`, its pieces are found by
//! hopping from cut to cut. A file that changes below is an `UnexpectedEof`: the caller then asks what became of it.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use memchr::{memchr, memrchr};

use crate::limits::{BACK_BLOCK_BYTES, START_BACK_BYTES};

use super::forward::read_exact;
use super::lines::{self, content, cut_when};
use super::record::{Reading, open_bytes_max};

/// Which lines count, by their content without its ending.
pub type Passes<'a> = &'a dyn Fn(&[u8]) -> bool;

/// How to look back.
pub struct Back<'a> {
    /// The file, readable by position.
    pub file: &'a File,
    /// Where the file's first line begins.
    pub start: u64,
    /// Longest piece of a line.
    pub line_bytes_max: usize,
    /// Which lines count, by their content; `None` means all, and spares the reading of long ones.
    pub passes: Option<Passes<'a>>,
    /// How to read the file's records, where it has any.
    pub records: Option<Reading>,
    /// Called between blocks with the bytes just read, to let others read, too, or to give up.
    pub pause: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

impl Back<'_> {
    /// Where the last `wanted` lines before `end` begin, `end` being the end of a line or piece; the file's start where
    /// there are fewer, and `wanted` is then what is still missing. `None` where `pause` gave up. Blocks on the disk.
    pub fn last(&mut self, end: u64, wanted: &mut u64) -> io::Result<Option<u64>> {
        let reading = self.records.take();
        // No record is longer.
        let long = reading
            .as_ref()
            .map_or(0, |_| open_bytes_max(self.line_bytes_max) as u64);
        let mut end = end;
        let mut bytes = BACK_BLOCK_BYTES as u64;
        let mut block = Vec::new();
        let mut ends = Vec::new();
        while end > self.start && *wanted > 0 {
            let mut begin = self.start.max(end.saturating_sub(bytes));
            let read_bytes = end - begin;
            if begin > self.start || reading.is_none() {
                self.read(begin, end, &mut block)?;
            }
            let mut first = 0;
            if begin > self.start {
                match memchr(b'\n', &block[..block.len() - 1]) {
                    Some(newline) => first = newline + 1,
                    None if read_bytes <= long => {
                        bytes *= 4;
                        continue;
                    }
                    None => {
                        let Some(line) = self.line_start(begin)? else {
                            return Ok(None);
                        };
                        if let Some(place) = self.last_of_long_line(line, end, wanted)? {
                            return Ok(Some(place));
                        }
                        end = line;
                        continue;
                    }
                }
            }
            begin += first as u64;
            let place = match &reading {
                None => {
                    ends.clear();
                    ends.push(0);
                    lines::split(&block[first..], true, self.line_bytes_max, &mut ends);
                    let raw =
                        |pair: &[u32]| &block[first + pair[0] as usize..first + pair[1] as usize];
                    let pairs = ends.windows(2).rev();
                    self.last_that_passes(pairs.map(|pair| (pair[0], raw(pair))), wanted)
                }
                Some(reading) => {
                    let made = reading.lines_between(self.file, begin, end)?;
                    let start = |i: usize| i.checked_sub(1).map_or(0, |before| made.ends[before]);
                    let all = (0..made.ends.len()).rev();
                    let all = all.map(|i| (start(i), made.records.written(i)));
                    self.last_that_passes(all, wanted)
                }
            };
            if let Some(place) = place {
                return Ok(Some(begin + u64::from(place)));
            }
            if (self.pause)(read_bytes).is_break() {
                return Ok(None);
            }
            end = begin;
            // What is open at the beginning of a block of records is looked for before it: large blocks spare that.
            bytes = (bytes * 4).min(long).max(BACK_BLOCK_BYTES as u64);
        }
        Ok(Some(end))
    }

    /// Counts those of `lines`, youngest first, that pass off `wanted`; where that comes to nothing, the place of the one
    /// with which it does.
    fn last_that_passes<'l>(
        &self,
        lines: impl Iterator<Item = (u32, &'l [u8])>,
        wanted: &mut u64,
    ) -> Option<u32> {
        for (place, raw) in lines {
            if self.passes.is_none_or(|passes| passes(content(raw))) {
                *wanted -= 1;
                if *wanted == 0 {
                    return Some(place);
                }
            }
        }
        None
    }

    /// Where the line begins that holds the byte before `end`, scanning backwards.
    fn line_start(&mut self, end: u64) -> io::Result<Option<u64>> {
        let mut end = end;
        let mut block = Vec::new();
        while end > self.start {
            let begin = self.start.max(end.saturating_sub(BACK_BLOCK_BYTES as u64));
            self.read(begin, end, &mut block)?;
            if let Some(newline) = memrchr(b'\n', &block) {
                return Ok(Some(begin + newline as u64 + 1));
            }
            if (self.pause)(end - begin).is_break() {
                return Ok(None);
            }
            end = begin;
        }
        Ok(Some(self.start))
    }

    /// Counts the pieces of the line from `begin` to `end` that pass off `wanted`; where that comes to nothing,
    /// the beginning of the piece with which it does. Two passes, so that no list of pieces is held.
    fn last_of_long_line(
        &mut self,
        begin: u64,
        end: u64,
        wanted: &mut u64,
    ) -> io::Result<Option<u64>> {
        let mut count = 0;
        self.each_piece(begin, end, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        if count < *wanted {
            *wanted -= count;
            return Ok(None);
        }
        let mut skip = count - *wanted;
        let mut place = None;
        self.each_piece(begin, end, &mut |at| {
            if skip == 0 {
                place = Some(at);
                return ControlFlow::Break(());
            }
            skip -= 1;
            ControlFlow::Continue(())
        })?;
        Ok(place)
    }

    /// Calls `each` with the beginning of every piece of the line from `begin` to `end` that passes.
    fn each_piece(
        &self,
        begin: u64,
        end: u64,
        each: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let mut at = begin;
        let mut piece = Vec::new();
        while at < end {
            let next = piece_end(self.file, at, end, self.line_bytes_max)?;
            let passes = match self.passes {
                None => true,
                Some(passes) => {
                    self.read(at, next, &mut piece)?;
                    passes(content(&piece))
                }
            };
            if passes && each(at).is_break() {
                break;
            }
            at = next;
        }
        Ok(())
    }

    fn read(&self, begin: u64, end: u64, block: &mut Vec<u8>) -> io::Result<()> {
        block.resize((end - begin) as usize, 0);
        read_exact(self.file, block, begin)
    }
}

/// Where the first piece of the line that stands from `at` to `end` (its ending included) ends. Reads a few bytes.
fn piece_end(file: &File, at: u64, end: u64, line_bytes_max: usize) -> io::Result<u64> {
    let mut last = [0; 2];
    let look = &mut last[..2.min((end - at) as usize)];
    let from = end - look.len() as u64;
    read_exact(file, look, from)?;
    let ending = look.len() - content(look).len();
    if end - at - ending as u64 <= line_bytes_max as u64 {
        return Ok(end);
    }
    // `cut` looks at the byte at the bound and at most three before it, and cuts nothing off the beginning.
    let back = 4.min(line_bytes_max);
    let mut around = [0; 5];
    let around = &mut around[..back + 1];
    let from = at + (line_bytes_max - back) as u64;
    read_exact(file, around, from)?;
    Ok(from + lines::cut(around, back) as u64)
}

/// Where the whole lines (or pieces) of `file` end that are within `length` bytes: what follows is a fragment. A line
/// that is longer than [`START_BACK_BYTES`] counts as ended there: nobody is kept waiting for where a file of a TiB has
/// its last newline. Blocks on the disk.
pub fn last_boundary(file: &File, length: u64, line_bytes_max: usize) -> io::Result<u64> {
    let mut left = START_BACK_BYTES;
    let mut pause = |bytes| {
        left = left.saturating_sub(bytes);
        match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let mut back = Back {
        file,
        start: 0,
        line_bytes_max,
        passes: None,
        records: None,
        pause: &mut pause,
    };
    let Some(mut at) = back.line_start(length)? else {
        return Ok(length);
    };
    while length - at >= cut_when(line_bytes_max) as u64 {
        at = piece_end(file, at, length, line_bytes_max)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("write");
        file
    }

    fn starts(bytes: &[u8], max: usize) -> Vec<u64> {
        let mut ends = vec![0];
        lines::split(bytes, true, max, &mut ends);
        ends.iter().map(|&end| u64::from(end)).collect()
    }

    #[test]
    fn a_line_without_an_end_keeps_nobody_waiting() {
        let file = file(b"first\n");
        let length = 1 << 40;
        file.set_len(length).expect("a sparse file");
        assert_eq!(
            last_boundary(&file, length, 1000).expect("readable"),
            length
        );
        assert_eq!(last_boundary(&file, 9, 1000).expect("readable"), 6);
    }

    fn last(bytes: &[u8], max: usize, wanted: u64, passes: Option<Passes<'_>>) -> u64 {
        let file = file(bytes);
        let mut pause = |_| ControlFlow::Continue(());
        let mut back = Back {
            file: &file,
            start: 0,
            line_bytes_max: max,
            passes,
            records: None,
            pause: &mut pause,
        };
        back.last(bytes.len() as u64, &mut { wanted })
            .expect("readable")
            .expect("not given up")
    }

    #[test]
    fn lines_longer_than_blocks_are_counted_by_their_pieces() {
        let mut bytes = b"first\n".to_vec();
        bytes.extend(vec![b'x'; 3 * BACK_BLOCK_BYTES + 17]);
        bytes.extend(b"\nlast\n");
        for max in [1000, BACK_BLOCK_BYTES, 10 * BACK_BLOCK_BYTES] {
            let starts = starts(&bytes, max);
            for wanted in 0..starts.len() + 2 {
                let want = starts[starts.len().saturating_sub(wanted + 1)];
                assert_eq!(
                    last(&bytes, max, wanted as u64, None),
                    want,
                    "{wanted} of at most {max}"
                );
                assert_eq!(last(&bytes, max, wanted as u64, Some(&|_| true)), want);
            }
        }
    }

    proptest! {
        #[test]
        fn the_last_lines_are_found_as_a_forward_reader_sees_them(
            pieces in proptest::collection::vec("[aä€😀\n]{0,6}", 0..30), max in 1usize..7, wanted in 0u64..40,
        ) {
            let mut bytes = pieces.concat().into_bytes();
            let starts = starts(&bytes, max);
            let want = starts[starts.len().saturating_sub(wanted as usize + 1)];
            prop_assert_eq!(last(&bytes, max, wanted, None), want);
            // The fragment is what a splitter leaves.
            let mut ends = Vec::new();
            bytes.extend(b"zz");
            let used = lines::split(&bytes, false, max, &mut ends);
            prop_assert_eq!(last_boundary(&file(&bytes), bytes.len() as u64, max).expect("readable"), used as u64);
        }
    }
}
