//! The gaps in a spool's newest file, kept beside it: nothing in its bytes shows them, and after a restart whoever reads it
//! must be told all the same.
//!
//! One line a gap, `INODE OFFSET BYTES REASON`, with `-` for bytes that nobody knows. The file is written anew for each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hub::SpoolPlace;
use crate::limits::{ASIDES_MAX, REASON_CHARS};
use crate::small_file;
use crate::source::EventKind;

/// The gaps of one spool.
#[derive(Debug)]
pub(super) struct Gaps {
    path: PathBuf,
}

impl Gaps {
    /// Those in `directory`.
    pub(super) fn beside(directory: &Path) -> Gaps {
        Gaps {
            path: directory.join("gaps"),
        }
    }

    /// Those in the file `inode`, oldest first. Blocks on the disk.
    pub(super) fn of(&self, inode: u64) -> Vec<(SpoolPlace, EventKind)> {
        let all = self.lines(inode);
        all.iter().filter_map(|line| parse(line)).collect()
    }

    fn lines(&self, inode: u64) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let is_of_it = |line: &&str| parse(line).is_some_and(|(at, _)| at.inode == inode);
        text.lines().filter(is_of_it).map(str::to_owned).collect()
    }

    /// Keeps one more, and forgets those of other files and the oldest of too many. Blocks on the disk.
    pub(super) fn note(&self, at: SpoolPlace, lost_bytes: Option<u64>, reason: &str) {
        let mut kept = self.lines(at.inode);
        let lost = lost_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        // Another tailcast may have said anything.
        let words = reason.chars().filter(|char| !char.is_control());
        let reason: String = words.take(REASON_CHARS).collect();
        kept.push(format!("{at} {lost} {reason}"));
        let newest = &kept[kept.len().saturating_sub(ASIDES_MAX)..];
        let text = newest.join("\n") + "\n";
        if let Err(error) = small_file::replace(&self.path, &text, |_| Ok(())) {
            log::warn!("write {:?}: {error}", self.path);
        }
    }
}

fn parse(line: &str) -> Option<(SpoolPlace, EventKind)> {
    let (at, rest) = SpoolPlace::parse(line)?;
    let (lost, reason) = rest.split_once(' ')?;
    let (lost_bytes, reason) = (lost.parse().ok(), reason.to_owned().into());
    Some((at, EventKind::Gap { lost_bytes, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_gaps_of_the_newest_file_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let gaps = Gaps::beside(directory.path());
        assert_eq!(gaps.of(7), []);
        let at = |inode, offset| SpoolPlace { inode, offset };
        gaps.note(at(6, 1), None, "of another file");
        for offset in 0..20 {
            let lost = (offset % 2 == 0).then_some(offset);
            gaps.note(at(7, offset), lost, "why\nso?");
        }
        let kept = Gaps::beside(directory.path()).of(7);
        assert_eq!(kept.len(), ASIDES_MAX);
        let kind = |lost_bytes| EventKind::Gap {
            lost_bytes,
            reason: "whyso?".into(),
        };
        assert_eq!(
            kept[ASIDES_MAX - 2..],
            [(at(7, 18), kind(Some(18))), (at(7, 19), kind(None))]
        );
        gaps.note(at(8, 3), None, &"x".repeat(2 * REASON_CHARS));
        let [(_, EventKind::Gap { reason, .. })] = &gaps.of(8)[..] else {
            panic!("one gap");
        };
        assert_eq!((reason.len(), gaps.of(7)), (REASON_CHARS, vec![]));
    }
}
