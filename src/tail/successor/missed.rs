//! Files that stood under a name between two looks, found where the kernel hasn't told of them.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::limits::SIBLING_SCANS_MAX;
use crate::source::{Gap, Identity, OpenFile, identity, mark, siblings};

use super::name_of;
use crate::tail::listing::Listings;
use crate::tail::trust::Ground;

/// What is known where not all was told that happened to a name since it was last seen to lead to a file.
pub(in crate::tail) struct Missed<'a> {
    /// The name.
    pub(in crate::tail) path: &'a Path,
    /// The file that it led to.
    pub(in crate::tail) held: &'a File,
    /// When it was last seen to.
    pub(in crate::tail) since: SystemTime,
    pub(in crate::tail) is_ours: &'a dyn Fn(&File, &Identity) -> bool,
    /// Whether a file holds a copy of what was read.
    pub(in crate::tail) is_copy: &'a dyn Fn(&File) -> bool,
    /// What its system tells.
    pub(in crate::tail) ground: Ground,
}

impl Missed<'_> {
    /// The files that stood under the name since then, by their names and births; and whether others are known to be
    /// lost. A rotator's style of names is known from what it has made of the held file, too. Blocks on the disk.
    pub(in crate::tail) fn find(
        &self,
        listings: &mut Listings,
    ) -> (Vec<(Arc<OpenFile>, Identity)>, Option<Gap>) {
        let mut found: Vec<(Arc<OpenFile>, Identity)> = Vec::new();
        let mut compressed = 0;
        let name = name_of(self.held);
        for _ in 0..SIBLING_SCANS_MAX {
            let before = found.len();
            let mut escaped = false;
            compressed = 0;
            let siblings = listings.rotated(self.path, &name);
            for sibling in &siblings {
                if sibling.born() < self.since {
                    continue;
                }
                if sibling.compressed {
                    // Race: what it is made of stands beside it until it is whole, and is read there.
                    let origin = mark::without_compressed_ending(&sibling.path);
                    let is_whole = siblings.iter().all(|other| other.path != origin);
                    compressed += usize::from(is_whole && sibling.modified >= self.since);
                    continue;
                }
                match identity::open_beside(&sibling.path) {
                    Ok((file, identity)) => {
                        let file = Arc::new(file);
                        let seen = found.iter().any(|(_, other)| other.is_inode(&identity));
                        let young = identity.born.is_none_or(|born| born >= self.since);
                        let is_new = |file| !(self.is_ours)(file, &identity);
                        if !seen && young && is_new(&file) && !(self.is_copy)(&file) {
                            found.push((file, identity));
                        }
                    }
                    Err(e) => escaped |= e.kind() == ErrorKind::NotFound,
                }
            }
            if !escaped && found.len() == before {
                break;
            }
            listings.list_again(self.path);
        }
        if self.ground == Ground::Paths {
            self.count(&mut found);
        }
        // The held file was compressed itself where it is gone.
        let held_is_gone = identity::is_deleted(self.held);
        let gap = (compressed > usize::from(held_is_gone)).then_some(Gap {
            lost_bytes: None,
            reason: "compressed",
        });
        (found, gap)
    }

    /// Adds the numbered ones that were not listed, or with times of the file that was called so before.
    fn count(&self, found: &mut Vec<(Arc<OpenFile>, Identity)>) {
        let written = |file: &File| file.metadata().and_then(|stat| stat.modified()).ok();
        let is_young = |file: &File| written(file).is_none_or(|at| at >= self.since);
        let counted = siblings::counted(self.path).take_while(|(file, _)| is_young(file));
        for (file, identity) in counted {
            let is_listed = found.iter().any(|(_, other)| other.is_inode(&identity));
            if !is_listed && !(self.is_ours)(&file, &identity) && !(self.is_copy)(&file) {
                found.push((Arc::new(file), identity));
            }
        }
    }
}
