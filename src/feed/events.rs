//! What happened in a spool's newest file (gaps, rotations and truncations where its lines come from), kept beside it: nothing
//! in its bytes shows that, and after a restart whoever reads it must be told all the same.
//!
//! One line an event: `INODE OFFSET rotated`, `INODE OFFSET truncated`, or `INODE OFFSET BYTES REASON` for a gap, with `-` for
//! bytes that nobody knows. The file is written anew for each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hub::SpoolPlace;
use crate::limits::{ASIDES_MAX, REASON_CHARS};
use crate::small_file;
use crate::source::EventKind;

/// The events of one spool.
#[derive(Debug)]
pub(super) struct Events {
    path: PathBuf,
}

impl Events {
    /// Those in `directory`.
    pub(super) fn beside(directory: &Path) -> Events {
        Events {
            path: directory.join("events"),
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

    /// Keeps one more, unless it is told live only, and forgets those of other files and the oldest of too many. Blocks on
    /// the disk.
    pub(super) fn note(&self, at: SpoolPlace, kind: &EventKind) {
        let words = match kind {
            EventKind::Rotated => ROTATED.to_owned(),
            EventKind::Truncated => TRUNCATED.to_owned(),
            EventKind::Gap { lost_bytes, reason } => {
                let lost = lost_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
                // Another tailcast may have said anything.
                let words = reason.chars().filter(|char| !char.is_control());
                format!("{lost} {}", words.take(REASON_CHARS).collect::<String>())
            }
            _ => return,
        };
        let mut kept = self.lines(at.inode);
        kept.push(format!("{at} {words}"));
        let newest = &kept[kept.len().saturating_sub(ASIDES_MAX)..];
        let text = newest.join("\n") + "\n";
        if let Err(error) = small_file::replace(&self.path, &text, |_| Ok(())) {
            log::warn!("write {:?}: {error}", self.path);
        }
    }
}

const ROTATED: &str = "rotated";
const TRUNCATED: &str = "truncated";

fn parse(line: &str) -> Option<(SpoolPlace, EventKind)> {
    let (at, rest) = SpoolPlace::parse(line)?;
    let kind = match rest {
        ROTATED => EventKind::Rotated,
        TRUNCATED => EventKind::Truncated,
        gap => {
            let (lost, reason) = gap.split_once(' ')?;
            let (lost_bytes, reason) = (lost.parse().ok(), reason.to_owned().into());
            EventKind::Gap { lost_bytes, reason }
        }
    };
    Some((at, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(lost_bytes: Option<u64>, reason: &str) -> EventKind {
        let reason = reason.to_owned().into();
        EventKind::Gap { lost_bytes, reason }
    }

    #[test]
    fn the_newest_events_of_the_newest_file_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let events = Events::beside(directory.path());
        assert_eq!(events.of(7), []);
        let at = |inode, offset| SpoolPlace { inode, offset };
        events.note(at(6, 1), &gap(None, "of another file"));
        for offset in 0..20 {
            let lost = (offset % 2 == 0).then_some(offset);
            events.note(at(7, offset), &gap(lost, "why\nso?"));
        }
        events.note(at(7, 20), &EventKind::Rotated);
        events.note(at(7, 20), &EventKind::Back);
        events.note(at(7, 21), &EventKind::Truncated);
        let kept = Events::beside(directory.path()).of(7);
        assert_eq!(kept.len(), ASIDES_MAX);
        let want = [
            (at(7, 18), gap(Some(18), "whyso?")),
            (at(7, 19), gap(None, "whyso?")),
            (at(7, 20), EventKind::Rotated),
            (at(7, 21), EventKind::Truncated),
        ];
        assert_eq!(kept[ASIDES_MAX - want.len()..], want);
        events.note(at(8, 3), &gap(None, &"x".repeat(2 * REASON_CHARS)));
        let [(_, EventKind::Gap { reason, .. })] = &events.of(8)[..] else {
            panic!("one gap");
        };
        assert_eq!((reason.len(), events.of(7)), (REASON_CHARS, vec![]));
    }
}
