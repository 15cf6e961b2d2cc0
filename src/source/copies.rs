//! Copies of a log that stand beside it (logrotate's `copy` and `renamecopy`, copytruncate, or made by hand): their lines
//! are those of the file that they were made of.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::limits::{COPIES_MAX, COPY_CHECKED_BYTES};

use super::siblings::Sibling;
use super::{identity, nuls, since};

/// Whether `whole` begins with all that `copy` holds, as far as its first and last bytes tell; with nothing it does. What
/// is but room in the copy may have been filled in the file since. Blocks on the disk.
pub fn is_beginning(copy: &File, whole: &File) -> io::Result<bool> {
    let length = nuls::content_end_now(copy, 0)?;
    if length > whole.metadata()?.len() {
        return Ok(false);
    }
    let checked = length.min(COPY_CHECKED_BYTES as u64);
    let (mut one, mut other) = ([0; COPY_CHECKED_BYTES], [0; COPY_CHECKED_BYTES]);
    let (one, other) = (&mut one[..checked as usize], &mut other[..checked as usize]);
    for at in [0, length - checked] {
        copy.read_exact_at(one, at)?;
        whole.read_exact_at(other, at)?;
        if one != other {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `one` is a copy of one of the rotated files in `younger`, which stand behind it, oldest first: that one begins
/// with all that it holds. A log may say the same after each rotation, so that alone is not enough: it was made after a
/// file that is younger by its name, and has got that since, or its lines have times. Blocks on the disk.
pub fn is_copy(one: &Sibling, younger: &[Sibling]) -> bool {
    let had_its_name = |other: &Sibling| {
        let times = other.changed.zip(one.identity.born);
        times.is_some_and(|(changed, born)| changed < born)
    };
    let made_before =
        |other: &&Sibling| !other.compressed && other.born() < one.born() && !had_its_name(other);
    let older = younger.iter().take(COPIES_MAX).find(made_before);
    let next = younger.first().filter(|next| !next.compressed);
    if one.compressed || (older.is_none() && next.is_none()) {
        return false;
    }
    let open = |sibling: &Sibling| identity::open_beside(&sibling.path).ok();
    let Some((copy, _)) = open(one).filter(|(_, of)| of.is_inode(&one.identity)) else {
        return false;
    };
    let is_of = |whole: &Sibling| {
        let whole = open(whole).filter(|(_, of)| of.is_inode(&whole.identity));
        whole.is_some_and(|(whole, _)| is_beginning(&copy, &whole).unwrap_or(false))
    };
    older.is_some_and(is_of) || next.is_some_and(is_of) && since::first_time(&copy).is_some()
}
