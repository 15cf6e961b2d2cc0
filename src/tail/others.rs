//! All followers, as one of them or a pattern sees the others: whose copy a file may be.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::limits::{COPY_LOOK, COPY_LOOK_MAX};
use crate::source::identity;
use crate::source::mark::plain_names;

use super::follower::Follower;
use super::names::Names;

/// The followers by number. Each stands in a box, for it is taken out while it has its turn.
pub(super) type Followers = BTreeMap<usize, Box<Follower>>;

/// The followers but for the one that looks, and what they are called.
#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    pub(super) names: &'a Names,
    pub(super) followers: &'a Followers,
}

impl Others<'_> {
    /// Whether the file at `path`, which has so many `bytes`, is called as a rotated file of another's log, and holds nothing
    /// else than that. An empty one may be a copy that is being made. Blocks on the disk.
    pub(super) fn may_be_copied_to(&self, path: &Path, bytes: u64) -> bool {
        let logs = self.logs_of(path).into_iter();
        let logs: Vec<_> = logs.filter_map(|log| self.followers.get(&log)).collect();
        if logs.is_empty() || bytes == 0 {
            return !logs.is_empty();
        }
        let opened = identity::open_beside(path);
        opened.is_ok_and(|(file, _)| logs.iter().any(|log| log.is_copied_to(&file)))
    }

    /// Whether both `path` and the name that `follower` follows are called as rotated files of one log that is followed, too.
    pub(super) fn stand_beside(&self, path: &Path, follower: usize) -> bool {
        let Some(other) = self.followers.get(&follower) else {
            return false;
        };
        let logs = self.logs_of(path);
        !logs.is_empty()
            && self
                .logs_of(&other.path())
                .iter()
                .any(|log| logs.contains(log))
    }

    /// Who follows the logs whose rotated files are called as `path` is.
    fn logs_of(&self, path: &Path) -> Vec<usize> {
        let names = path.file_name().map(plain_names).unwrap_or_default();
        let follower = |plain| self.names.of_path(&path.with_file_name(plain));
        names.into_iter().filter_map(follower).collect()
    }
}

/// How long to wait with the next look at a file that may be a copy in the making, where nothing was written to it for `quiet`.
pub(super) fn until_copy_look(quiet: Duration) -> Duration {
    (quiet / 8).clamp(COPY_LOOK, COPY_LOOK_MAX)
}
