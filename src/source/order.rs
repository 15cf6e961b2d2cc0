//! The order in which rotated files were written, oldest first: by their names where those agree with the times that are
//! beyond doubt, else by those times; where two tie, by the times of their lines. Where none of it tells, it is said of each.
//!
//! Numbers count down to the youngest file, or up where they are seen to; dates go up. Times alone mislead. The last write may
//! come late, from a process that was slow to reopen; copytruncate makes a copy, which is older than the file that it was made
//! of; compressing makes a new file. So they have to do only where names are of different kinds, or a ring of numbers is used
//! again and again.

use std::slice;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::COPY_TIME;

use super::mark::{Mark, TIME_DIGITS_MIN, compressed_ending, without_compressed_ending};
use super::siblings::Sibling;
use super::{copies, identity, since};

/// Puts files into their order, each given with the mark of its name. Blocks on the disk where two tie.
pub(super) fn oldest_first(mut found: Vec<(Mark, Sibling)>) -> Vec<Sibling> {
    // The order if numbers count down to the youngest.
    found.sort_by_key(|(mark, sibling)| (mark.order(false), sibling.born()));
    let (as_named, mut against) = evidence(&found, is_surely_before);
    let numbered = found
        .iter()
        .all(|(mark, _)| matches!(mark, Mark::Number(_)));
    if numbered && !as_named && !against {
        // What is not beyond doubt has to do.
        let (may_be_named, may_be_against) = evidence(&found, is_likely_before);
        against = may_be_against && !may_be_named;
    }
    let comparable = found.windows(2).all(|two| two[0].0.is_like(&two[1].0));
    let counts_up = numbered && !as_named && (against || found.iter().all(is_backup));
    let by_name = comparable && (!against || counts_up);
    if by_name && counts_up {
        found.sort_by_key(|(mark, sibling)| (mark.order(true), sibling.born()));
    } else if !by_name {
        found.sort_by_key(|(_, sibling)| (sibling.modified, sibling.born()));
    }
    let may_tie = |a: &(Mark, Sibling), b: &(Mark, Sibling)| match by_name {
        true => a.0.order(false) == b.0.order(false),
        false => is_same_moment(a.1.modified, b.1.modified),
    };
    for tied in found.chunk_by_mut(may_tie) {
        if tied.len() > 1 {
            settle(tied, by_name);
        }
    }
    found.into_iter().map(|(_, sibling)| sibling).collect()
}

/// Whether the times of two files that stand beside each other say the same as their names; and whether those of any say the
/// contrary.
fn evidence(found: &[(Mark, Sibling)], is_before: fn(&Sibling, &Sibling) -> bool) -> (bool, bool) {
    let against = is_against(found, is_before);
    let is_as_named = |two: &[(Mark, Sibling)]| {
        let (one, other) = (&two[0].1, &two[1].1);
        // A copy that was made before the file was rotated is younger than that by all its times.
        let is_copy = || against && copies::is_copy(other, slice::from_ref(one));
        is_before(one, other) && !is_copy()
    };
    (found.windows(2).any(is_as_named), against)
}

/// Whether a file is older than one that stands before it, and is not what that was copied from. A copy hides nothing: what
/// stands before it is looked at instead; so with one that holds nothing, which is a copy of any.
fn is_against(found: &[(Mark, Sibling)], is_before: fn(&Sibling, &Sibling) -> bool) -> bool {
    let mut before: Vec<&(Mark, Sibling)> = Vec::new();
    for one in found {
        while let Some(&last) = before.last() {
            match is_before(&one.1, &last.1) {
                true if is_older_copy(last, one) => before.pop(),
                true => return true,
                false => break,
            };
        }
        before.push(one);
    }
    false
}

/// Made before, and last written before; compressing makes another file.
fn is_surely_before(one: &Sibling, other: &Sibling) -> bool {
    is_likely_before(one, other) && one.modified < other.modified
}

/// Made before: a process may be slow to reopen, so that the last write comes in the tick of the clock in which the next file
/// has its only line, or after that. But what was made later, and all at once before that write, may be a copy.
fn is_likely_before(one: &Sibling, other: &Sibling) -> bool {
    !one.compressed
        && !other.compressed
        && one.born() < other.born()
        && (one.modified <= other.modified || !may_be_copy(other))
}

/// It may have been written all at once, or have got the times of another file.
fn may_be_copy(sibling: &Sibling) -> bool {
    let took = sibling.modified.duration_since(sibling.born());
    took.unwrap_or_default() <= COPY_TIME
}

/// Whether `one` is older than `other` though it was made later: a copy of a log that was rotated later holds no younger lines,
/// and what renamecopy makes, once the next file has begun, holds older ones. The times of the lines tell, and where there
/// are none, names that are dates.
fn is_older_copy((mark, one): &(Mark, Sibling), (_, other): &(Mark, Sibling)) -> bool {
    if copies::is_copy(one, slice::from_ref(other)) {
        return true;
    }
    if !may_be_copy(one) {
        return false;
    }
    match (first_time(one), first_time(other)) {
        (Some(one), Some(other)) if one != other => one < other,
        // Fewer digits may be a process's number.
        _ => matches!(mark, Mark::Time(digits, _) if *digits >= TIME_DIGITS_MIN),
    }
}

/// `app.log.~1~`: numbers of `mv --backup` count up, always.
fn is_backup((_, sibling): &(Mark, Sibling)) -> bool {
    let plain = without_compressed_ending(&sibling.path);
    plain.as_os_str().as_encoded_bytes().ends_with(b"~")
}

/// Nobody can tell the two by the time of their last write: it is of one tick of the clock, or what compressed one of them has
/// kept no more of it than the second.
fn is_same_moment(one: SystemTime, other: SystemTime) -> bool {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (one, other) = (since(one), since(other));
    let is_cut = one.subsec_nanos() == 0 || other.subsec_nanos() == 0;
    one == other || is_cut && one.as_secs() == other.as_secs()
}

/// Orders files whose names don't tell the order. Of one style, the one that was made first is older, however late it was
/// written to; compressing makes a new file, and keeps the time of the last write, or the second of it.
fn settle(files: &mut [(Mark, Sibling)], by_name: bool) {
    let by_birth = by_name && !files.iter().any(|(_, of)| of.compressed);
    let since = |of: &Sibling| {
        let at = if by_birth { of.born() } else { of.modified };
        at.duration_since(UNIX_EPOCH).unwrap_or_default()
    };
    let is_cut = files.iter().any(|(_, of)| since(of).subsec_nanos() == 0);
    let moment = |of: &Sibling| match is_cut {
        true => Duration::from_secs(since(of).as_secs()),
        false => since(of),
    };
    files.sort_by_key(|(_, of)| moment(of));
    for tied in files.chunk_by_mut(|(_, one), (_, other)| moment(one) == moment(other)) {
        if tied.len() > 1 && !by_lines(tied) && !by_births(tied) {
            tied.iter_mut().for_each(|(_, of)| of.unordered = true);
        }
    }
}

/// Orders them by the times of their lines, if all have one of their own.
fn by_lines(tied: &mut [(Mark, Sibling)]) -> bool {
    let times: Option<Vec<i64>> = tied.iter().map(|(_, of)| first_time(of)).collect();
    let Some(times) = times else { return false };
    let mut places: Vec<usize> = (0..tied.len()).collect();
    places.sort_by_key(|&place| times[place]);
    let sorted: Vec<_> = places.iter().map(|&place| tied[place].clone()).collect();
    tied.clone_from_slice(&sorted);
    places.windows(2).all(|two| times[two[0]] < times[two[1]])
}

/// Orders them by their births, if those tell.
fn by_births(tied: &mut [(Mark, Sibling)]) -> bool {
    tied.sort_by_key(|(_, of)| of.born());
    let is_before = |two: &[(Mark, Sibling)]| {
        let (one, other) = (&two[0].1, &two[1].1);
        let is_plain = !one.compressed && !other.compressed;
        is_plain && one.born() < other.born()
            || is_made_of(one, other)
            || is_empty(one)
            || is_empty(other)
    };
    tied.windows(2).all(is_before)
}

/// One is the other, compressed.
fn is_made_of(one: &Sibling, other: &Sibling) -> bool {
    let plain = |of: &Sibling| without_compressed_ending(&of.path);
    let is_compressed =
        |of: &Sibling| !compressed_ending(of.path.as_os_str().as_encoded_bytes()).is_empty();
    plain(one) == plain(other) && (is_compressed(one) || is_compressed(other))
}

/// No line of it can stand in the wrong place.
fn is_empty(sibling: &Sibling) -> bool {
    !sibling.compressed && sibling.path.metadata().is_ok_and(|stat| stat.len() == 0)
}

/// The time of its first line that has one; a compressed file would have to be inflated for it.
fn first_time(sibling: &Sibling) -> Option<i64> {
    if sibling.compressed {
        return None;
    }
    let (file, _) = identity::open_beside(&sibling.path).ok()?;
    since::first_time(&file)
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
