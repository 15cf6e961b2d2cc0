//! Rotated siblings: the files beside a followed one that a rotation named after it (`NAME.1`, `NAME-20261123`,
//! `STEM-20261123.EXT`, `NAME.old`), compressed or not.
//!
//! Names are only the net; what is caught is verified by inode, birth and content.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::limits::{LINKS_MAX, NAME_READS_MAX, SIBLING_ENTRIES_MAX};

use super::Identity;
use super::mark::{Mark, is_rotated_name, mark_of};

/// A file that a rotation left beside the followed one.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// Where it stands now; it may be renamed at any moment.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// When it was last written to.
    pub modified: SystemTime,
    /// Its name says that it is compressed.
    pub compressed: bool,
}

impl Sibling {
    /// When it was created; where the file system does not know, the last write.
    pub fn born(&self) -> SystemTime {
        self.identity.born.unwrap_or(self.modified)
    }

    /// Made before, and last written before; compressing makes another file.
    fn is_surely_before(&self, other: &Sibling) -> bool {
        !self.compressed
            && !other.compressed
            && self.born() < other.born()
            && self.modified < other.modified
    }
}

/// The rotated siblings of the file at `path` (itself not among them), oldest first.
///
/// By name, where that agrees with the times that are beyond doubt: numbers count down to the youngest file, or up where
/// they are seen to; dates go up. Times alone mislead. The last write may come late, from a process that was slow to
/// reopen; copytruncate makes a copy, which is older than the file that it was made of; compressing makes a new file. So
/// they have to do only where names are of different kinds, or a ring of numbers is used again and again.
///
/// A directory that can't be read has none. Blocks on the disk.
pub fn rotated(path: &Path) -> Vec<Sibling> {
    let path = &place(path);
    let mut found = list(path);
    // Race: a directory that is read while files in it are renamed may leave some out, or show them twice.
    for _ in 0..NAME_READS_MAX {
        let again = list(path);
        let is_same = |(a, b): (&Sibling, &Sibling)| a.path == b.path && a.identity == b.identity;
        let same = again.len() == found.len() && again.iter().zip(&found).all(is_same);
        found = again;
        if same {
            break;
        }
    }
    oldest_first(found, path)
}

fn list(path: &Path) -> Vec<Sibling> {
    let Some(name) = path.file_name() else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(directory_of(path)) else {
        return Vec::new();
    };
    let mut found: Vec<Sibling> = entries
        .take(SIBLING_ENTRIES_MAX)
        .flatten()
        .filter_map(|entry| sibling(directory_of(path), &entry.file_name(), name))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The file called `other` in `directory`, where that is a name that a rotation of `name` can have left. Blocks on the
/// disk.
pub fn sibling(directory: &Path, other: &OsStr, name: &OsStr) -> Option<Sibling> {
    let (_, compressed) = mark_of(name.as_bytes(), other.as_bytes())?;
    let found = plain(directory.join(other))?;
    Some(Sibling {
        compressed,
        ..found
    })
}

/// The regular file at `path`, not compressed. Blocks on the disk.
pub fn plain(path: PathBuf) -> Option<Sibling> {
    let stat = fs::symlink_metadata(&path)
        .ok()
        .filter(fs::Metadata::is_file)?;
    Some(Sibling {
        identity: Identity::of(&stat),
        modified: stat.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        compressed: false,
        path,
    })
}

fn oldest_first(mut found: Vec<Sibling>, path: &Path) -> Vec<Sibling> {
    let mark = |sibling: &Sibling| Mark::of(&sibling.path, path);
    // The order if numbers count down to the youngest.
    found.sort_by_key(|sibling| (mark(sibling).order(false), sibling.born()));
    let comparable = |two: &[Sibling]| mark(&two[0]).is_like(&mark(&two[1]));
    let (mut as_named, mut against) = (0, 0);
    for two in found.windows(2) {
        as_named += usize::from(two[0].is_surely_before(&two[1]));
        against += usize::from(two[1].is_surely_before(&two[0]));
    }
    let numbered = found
        .iter()
        .all(|sibling| matches!(mark(sibling), Mark::Number(_)));
    match found.windows(2).all(comparable) {
        true if against == 0 => {}
        true if numbered && as_named == 0 => found.reverse(),
        _ => found.sort_by_key(|sibling| (sibling.modified, sibling.born())),
    }
    found
}

/// Where the file itself stands, or would: a rotation leaves its files beside what a link leads to.
pub fn place(path: &Path) -> PathBuf {
    let mut at = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&at) else {
            break;
        };
        at = directory_of(&at).join(target);
    }
    at
}

/// The file that has this inode and stands at `path`, or beside it with a name that a rotation of it can have left.
/// Blocks on the disk.
pub fn by_inode(path: &Path, inode: u64) -> Option<PathBuf> {
    let place = place(path);
    // A link to `app-20261123.log` may be called `app.log`.
    let names = [place.file_name()?, path.file_name()?];
    let entries = fs::read_dir(directory_of(&place)).ok()?;
    entries
        .take(SIBLING_ENTRIES_MAX)
        .flatten()
        .filter(|entry| entry.ino() == inode)
        .find(|entry| {
            let other = entry.file_name();
            let may_be = |name| other == name || is_rotated_name(name, &other);
            names.into_iter().any(may_be)
        })
        .map(|entry| entry.path())
}

/// The directory of `path`.
pub fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The marks of files, oldest first; each is given by its mark, the second of its birth and that of its last write.
    fn order(files: &[(&str, u64, u64)]) -> Vec<String> {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let sibling = |&(mark, born, modified): &(&str, u64, u64)| Sibling {
            path: PathBuf::from(format!("a.log{mark}")),
            identity: Identity {
                born: Some(at(born)),
                ..Identity::default()
            },
            modified: at(modified),
            compressed: mark.ends_with(".gz"),
        };
        let found = oldest_first(files.iter().map(sibling).collect(), Path::new("a.log"));
        let mark = |sibling: &Sibling| sibling.path.to_string_lossy()[5..].to_owned();
        found.iter().map(mark).collect()
    }

    #[test]
    fn a_late_write_makes_no_file_younger_than_the_one_that_was_made_after_it() {
        let files = [(".1", 3, 4), (".2", 2, 9), (".3", 1, 2)];
        assert_eq!(order(&files), [".3", ".2", ".1"]);
    }

    #[test]
    fn a_copy_made_at_a_truncation_is_older_than_the_file_it_was_made_of() {
        let files = [(".1", 2, 9), (".2", 4, 5), (".3", 1, 2)];
        assert_eq!(order(&files), [".3", ".2", ".1"]);
    }

    #[test]
    fn a_compressed_file_stands_where_its_name_says() {
        let dated = ["-20261123", "-20261124.gz", "-20261125"];
        let files = [(dated[2], 3, 5), (dated[0], 1, 2), (dated[1], 9, 3)];
        assert_eq!(order(&files), dated);
    }

    #[test]
    fn numbers_count_as_they_are_seen_to() {
        let files = [(".1", 1, 1), (".2", 2, 2), (".3", 3, 3), (".4", 3, 3)];
        assert_eq!(order(&files), [".1", ".2", ".3", ".4"]);
        let files = [(".1", 3, 3), (".2", 3, 3), (".3", 2, 2)];
        assert_eq!(order(&files), [".3", ".2", ".1"]);
        assert_eq!(order(&[(".1", 1, 1), (".2", 1, 1)]), [".2", ".1"]);
    }

    #[test]
    fn where_names_tell_no_order_times_do() {
        let ring = [(".0", 4, 4), (".1", 5, 5), (".2", 2, 2), (".3", 3, 3)];
        assert_eq!(order(&ring), [".2", ".3", ".0", ".1"]);
        let mixed = [(".1", 2, 2), ("-20261123", 1, 1), (".old", 3, 3)];
        assert_eq!(order(&mixed), ["-20261123", ".1", ".old"]);
    }
}
