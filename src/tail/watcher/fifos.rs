//! Names under which a FIFO comes to stand, or a file where a FIFO stood: they keep their name and their clients, and are
//! followed by way of a spool, or by themselves.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use super::Watcher;
use crate::hub::Change;
use crate::source::Source;
use crate::tail::follower::Follower;

impl Watcher {
    /// Where a name that led to no file leads to a FIFO now, its lines come by way of a spool from here on.
    pub(super) fn feed_by_fifo(&mut self, index: usize, changes: &mut Vec<(Arc<Source>, Change)>) {
        let Some(on_fifo) = &mut self.options.on_fifo else {
            return;
        };
        let Some(follower) = self.followers.get(&index).filter(|it| it.lacks_a_file()) else {
            return;
        };
        let path = follower.path();
        if !fs::metadata(&path).is_ok_and(|stat| stat.file_type().is_fifo()) {
            return;
        }
        let source = Arc::clone(follower.source());
        match on_fifo(&path, &source.name) {
            Ok(spooled) => {
                self.lead_to(index, &spooled.path, false, changes);
                source.feed_from_fifo(&spooled.path, spooled.rotations);
            }
            // Its follower says what stands there.
            Err(error) => log::debug!("make a spool for {path:?}: {error}"),
        }
    }

    /// Where the FIFO stood that has fed the spool at `path` stands a file now.
    pub(super) fn feed_by_file(&mut self, path: &Path, changes: &mut Vec<(Arc<Source>, Change)>) {
        let mut all = self.followers.iter();
        let Some((&index, follower)) = all.find(|(_, other)| *other.path() == *path) else {
            return;
        };
        let source = Arc::clone(follower.source());
        self.lead_to(index, &source.shown_path(), false, changes);
        source.feed_from_file();
    }
}

impl Follower {
    /// Its name is its own, and leads to no file that could be opened.
    fn lacks_a_file(&self) -> bool {
        !self.is_by_pattern() && self.is_lost() && !self.source().origin().is_spooled()
    }
}
