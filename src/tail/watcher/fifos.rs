//! Names under which a FIFO comes to stand: they keep their name and their clients, and are followed by way of a spool from
//! then on.

use std::fs;
use std::os::unix::fs::FileTypeExt;
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
                source.feed_from_fifo(&spooled.path, spooled.files);
            }
            // Its follower says what stands there.
            Err(error) => log::debug!("make a spool for {path:?}: {error}"),
        }
    }
}

impl Follower {
    /// Its name is its own and leads to no file that could be opened, and those that it has led to are begun.
    fn lacks_a_file(&self) -> bool {
        let is_own = !self.is_by_pattern() && !self.source().origin().is_spooled();
        is_own && self.is_lost() && !self.has_more()
    }
}
