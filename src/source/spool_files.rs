//! The files of a spool that its follower has not come to yet, handed over by the feeder, who alone knows their order.
//!
//! Names, births and inodes can't tell it: a spool may rotate several times between two looks, and within one tick of the
//! clock that births are told by.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Identity, OpenFile};

/// How many files of a spool are there: the one that grows, and the one before it.
const THERE: usize = 2;

/// What a feeder hands over to the follower of its spool.
#[derive(Debug, Default)]
pub struct SpoolFiles {
    /// Oldest first; only files that are there.
    to_come: Mutex<VecDeque<SpoolFile>>,
    /// Its feeder has ended, and a file stands where the origin stood.
    ended: AtomicBool,
}

/// One file of a spool.
#[derive(Clone, Debug)]
pub struct SpoolFile {
    /// Open for reading, at least.
    pub file: Arc<OpenFile>,
    /// Which file it is.
    pub identity: Identity,
    /// Bytes of the files before it that were deleted before their turn came.
    pub lost_bytes: u64,
}

impl SpoolFile {
    /// A file that the feeder has opened.
    pub fn of(file: &File) -> io::Result<SpoolFile> {
        Ok(SpoolFile {
            identity: Identity::of(&file.metadata()?),
            file: Arc::new(file.try_clone()?.into()),
            lost_bytes: 0,
        })
    }
}

impl SpoolFiles {
    /// The feeder goes on in `next`, and the one before the last is deleted.
    ///
    /// Invariant: said before anything is appended to it, and nothing is appended to the one before after that. So
    /// whoever finds it here and then comes to the end of the one before has read all of that.
    pub fn begin(&self, next: SpoolFile) {
        let mut to_come = self.to_come.lock();
        to_come.push_back(next);
        if to_come.len() > THERE {
            if let Some(deleted) = to_come.pop_front() {
                let bytes = deleted.file.metadata().map_or(0, |stat| stat.len());
                if let Some(oldest) = to_come.front_mut() {
                    oldest.lost_bytes = deleted.lost_bytes + bytes;
                }
            }
        }
    }

    /// Those before the one that grows are history, or are not wanted any more.
    pub fn skip_to_newest(&self) {
        let mut to_come = self.to_come.lock();
        let older = to_come.len().saturating_sub(1);
        to_come.drain(..older);
        if let Some(newest) = to_come.front_mut() {
            newest.lost_bytes = 0;
        }
    }

    /// The feeder has ended, and a file stands where the origin stood. Said after the last append.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether nothing more comes than what is there.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether there is a file to go on to.
    pub fn has_next(&self) -> bool {
        !self.to_come.lock().is_empty()
    }

    /// Whether the file with this inode is to come.
    pub fn has_inode(&self, inode: u64) -> bool {
        let to_come = self.to_come.lock();
        to_come.iter().any(|next| next.identity.inode == inode)
    }

    /// The file to go on to.
    pub fn next(&self) -> Option<SpoolFile> {
        self.to_come.lock().pop_front()
    }

    /// The last one to come, and how long it is.
    pub fn newest(&self) -> Option<(u64, Identity)> {
        let newest = self.to_come.lock().back().cloned()?;
        let bytes = newest.file.metadata().map_or(0, |stat| stat.len());
        Some((bytes, newest.identity))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A feeder's files of ten bytes each.
    fn begin(files: &SpoolFiles, count: usize) -> Vec<u64> {
        let begun = (0..count).map(|_| {
            let mut file = tempfile::tempfile().expect("a file");
            files.begin(SpoolFile::of(&file).expect("open"));
            file.write_all(b"ten bytes\n").expect("written");
            Identity::of(&file.metadata().expect("there")).inode
        });
        begun.collect()
    }

    fn next(files: &SpoolFiles) -> Option<(u64, u64)> {
        let next = files.next()?;
        Some((next.identity.inode, next.lost_bytes))
    }

    #[test]
    fn files_come_in_the_order_in_which_they_were_written() {
        let files = SpoolFiles::default();
        let inodes = begin(&files, 2);
        assert!(files.has_inode(inodes[0]) && files.has_next());
        assert_eq!(next(&files), Some((inodes[0], 0)));
        assert!(!files.has_inode(inodes[0]));
        assert_eq!(next(&files), Some((inodes[1], 0)));
        assert!(next(&files).is_none() && !files.has_next());
    }

    #[test]
    fn what_was_deleted_before_its_turn_is_counted() {
        let files = SpoolFiles::default();
        let inodes = begin(&files, 5);
        assert_eq!(next(&files), Some((inodes[3], 30)));
        let more = begin(&files, 2);
        assert_eq!(next(&files), Some((more[0], 10)));
        assert_eq!(next(&files), Some((more[1], 0)));
    }

    #[test]
    fn who_begins_begins_in_the_file_that_grows() {
        let files = SpoolFiles::default();
        let inodes = begin(&files, 3);
        files.skip_to_newest();
        assert_eq!(next(&files), Some((inodes[2], 0)));
        assert!(!files.has_next());
    }
}
