//! NULs at the end of a file: room that its writer has made (posix_fallocate, ftruncate, a memory map) and not filled
//! yet. They are not content, however many they are. Holes are hopped over: a sparse file of a TiB costs some forty
//! lseek(2).

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use crate::limits::{BACK_BLOCK_BYTES, NULS_BACK_BYTES};

use super::forward::read_full;

/// Where data stands at `at` or behind it; `None` where there is but a hole up to the end. A file system that knows no
/// holes has data everywhere.
pub fn next_data(file: &File, at: u64) -> Option<u64> {
    match lseek(
        file,
        i64::try_from(at).unwrap_or(i64::MAX),
        Whence::SeekData,
    ) {
        Ok(data) => u64::try_from(data).ok(),
        Err(Errno::ENXIO) => None,
        Err(_) => Some(at),
    }
}

/// Where the last byte ends between `from` and `length` that is no NUL; the lesser of the two where there is none. Looks through
/// [`NULS_BACK_BYTES`] of written NULs at most: what stands before them then counts as content. Blocks on the disk.
pub fn content_end(file: &File, from: u64, length: u64) -> io::Result<u64> {
    let mut last = [0];
    if length <= from || read_full(file, &mut last, length - 1)? == 1 && last != [0] {
        return Ok(length);
    }
    let mut end = length;
    let mut left = NULS_BACK_BYTES;
    let mut block = vec![0; BACK_BLOCK_BYTES];
    while end > from && left > 0 {
        let begin = from.max(end.saturating_sub(BACK_BLOCK_BYTES as u64));
        let block = &mut block[..(end - begin) as usize];
        let n = read_full(file, block, begin)?;
        if let Some(last) = block[..n].iter().rposition(|&byte| byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        left = left.saturating_sub(n as u64);
        end = data_end(file, from, begin);
    }
    Ok(end)
}

/// The same from `from` on, as far as the file reaches now. Blocks on the disk.
pub fn content_end_now(file: &File, from: u64) -> io::Result<u64> {
    content_end(file, from, file.metadata()?.len())
}

/// Where the last data ends between `from` and `end`; `from` where there is but a hole.
fn data_end(file: &File, from: u64, end: u64) -> u64 {
    let is_before_end = |at: u64| next_data(file, at).is_some_and(|data| data < end);
    if from >= end || !is_before_end(from) {
        return from;
    }
    // There is data behind `low` and none behind `high`.
    let (mut low, mut high) = (from, end);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match is_before_end(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_sparse_file_of_a_tebibyte_ends_with_its_last_line_at_once() {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(1 << 40).expect("sparse files");
        assert_eq!(content_end(&file, 0, 1 << 40).expect("readable"), 0);
        file.write_all_at(b"one\n", 1 << 30).expect("write");
        let begun = std::time::Instant::now();
        assert_eq!(
            content_end(&file, 0, 1 << 40).expect("readable"),
            (1 << 30) + 4
        );
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn content_ends_with_the_last_byte_that_is_no_nul(
            at in proptest::collection::vec(0u64..500_000, 0..6), length in 0u64..600_000, from in 0u64..500_000,
        ) {
            let file = tempfile::tempfile().expect("a temporary file");
            file.set_len(length).expect("sparse files");
            let within = || at.iter().filter(|&&at| at < length);
            for &at in within() {
                file.write_all_at(b"x", at).expect("write");
            }
            let last = within().filter(|&&at| at >= from).max();
            let last = last.map_or(from.min(length), |last| last + 1);
            prop_assert_eq!(content_end(&file, from, length).expect("readable"), last);
        }
    }
}
