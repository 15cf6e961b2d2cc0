//! What a spool holds behind the last place that was noted: after a crash its origin says that again, and it is compared,
//! so that nothing stands in the spool twice and ids stay good.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::hub::SpoolPlace;

use super::Spool;

/// Bytes of a file, to be compared.
#[derive(Debug)]
pub(super) struct Stretch {
    file: File,
    inode: u64,
    from: u64,
    to: u64,
}

impl Spool {
    /// Its files, the older one first, each with its inode and length. What can't be opened is left out.
    fn open_files(&self) -> VecDeque<(File, u64, u64)> {
        let mut files = VecDeque::new();
        if let Ok(file) = File::open(self.rotated()) {
            if let Ok(stat) = file.metadata() {
                files.push_back((file, stat.ino(), stat.len()));
            }
        }
        if let Ok(file) = self.file.try_clone() {
            files.push_back((file, self.inode, self.length));
        }
        files
    }

    /// The last `bytes` before the place where it stands; fewer where it holds fewer.
    #[cfg(feature = "mqtt")]
    pub(in crate::feed) fn tail(&self, bytes: usize) -> Vec<u8> {
        let place = self.place();
        let mut tail = Vec::new();
        let files = self.open_files().into_iter().rev();
        for (file, inode, length) in files.skip_while(|(_, inode, _)| *inode != place.inode) {
            let end = match inode == place.inode {
                true => place.offset,
                false => length,
            };
            let left = (bytes - tail.len()) as u64;
            let from = end.saturating_sub(left);
            let mut part = vec![0; (end - from) as usize];
            if file.read_exact_at(&mut part, from).is_err() {
                break;
            }
            part.append(&mut tail);
            tail = part;
        }
        tail
    }

    /// What the spool holds behind a place is said again: it is compared. False where it does not hold that place.
    pub(super) fn goes_back(&mut self, at: SpoolPlace) -> bool {
        let mut files = self.open_files();
        while files
            .front()
            .is_some_and(|&(_, inode, _)| inode != at.inode)
        {
            files.pop_front();
        }
        if files
            .front()
            .is_none_or(|&(_, _, length)| at.offset > length)
        {
            return false;
        }
        self.unchecked.clear();
        let mut from = at.offset;
        for (file, inode, to) in files {
            self.unchecked.push_back(Stretch {
                file,
                inode,
                from,
                to,
            });
            from = 0;
        }
        self.unchecked.retain(|stretch| stretch.from < stretch.to);
        true
    }

    /// Where the spool stands: everything that the origin has said so far is before it.
    pub(in crate::feed) fn place(&self) -> SpoolPlace {
        match self.unchecked.front() {
            Some(stretch) => SpoolPlace {
                inode: stretch.inode,
                offset: stretch.from,
            },
            None => self.end(),
        }
    }

    /// What the spool holds already is left out. Where it holds something else, it goes on in a new file.
    pub(super) fn compare<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some(stretch) = self.unchecked.front_mut() {
            if bytes.is_empty() {
                break;
            }
            let left = usize::try_from(stretch.to - stretch.from).unwrap_or(usize::MAX);
            let (again, more) = bytes.split_at(left.min(bytes.len()));
            let mut there = vec![0; again.len()];
            let read = stretch.file.read_exact_at(&mut there, stretch.from);
            if read.is_err() || there != again {
                log::warn!(
                    "the spool of {} holds other lines than its origin: it begins anew",
                    self.name
                );
                self.unchecked.clear();
                if let Err(error) = self.rotate() {
                    self.loses(bytes.len() as u64, &error);
                    return &[];
                }
                return bytes;
            }
            stretch.from += again.len() as u64;
            if stretch.from == stretch.to {
                self.unchecked.pop_front();
            }
            bytes = more;
        }
        bytes
    }
}
