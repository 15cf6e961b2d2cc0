//! The names in directories, listed at most once in a pass of the watcher for all who look: a thousand files that are
//! rotated in one directory cost one listing, not a thousand.
//!
//! A listing is sorted, so that the rotated siblings of a name are a few neighbours in it: they begin as the name does,
//! up to its ending. It may miss a file that was renamed while the directory was read; who must not miss one asks again
//! in a later pass.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::source::mark;
use crate::source::siblings::{self, Sibling};

/// The listings of one pass.
#[derive(Debug, Default)]
pub(super) struct Listings {
    by_directory: HashMap<PathBuf, Vec<OsString>>,
}

impl Listings {
    /// A pass begins: what was listed before may have changed.
    pub(super) fn clear(&mut self) {
        self.by_directory.clear();
    }

    /// Whether none was made.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_directory.is_empty()
    }

    /// The directory of `path` has changed since it was listed.
    pub(super) fn list_again(&mut self, path: &Path) {
        let place = siblings::place(path);
        self.by_directory.remove(siblings::directory_of(&place));
    }

    /// The rotated siblings of `path`, in no order; those included that are called as the file `renamed` that was
    /// rotated just now, but for the digits in it. Blocks on the disk.
    pub(super) fn rotated(&mut self, path: &Path, renamed: &Path) -> Vec<Sibling> {
        let place = siblings::place(path);
        let directory = siblings::directory_of(&place);
        let Some(name) = place.file_name() else {
            return Vec::new();
        };
        let names = self
            .by_directory
            .entry(directory.to_owned())
            .or_insert_with(|| list(directory));
        let stem = stem(name);
        let from = names.partition_point(|other| other.as_bytes() < stem);
        let like = names[from..]
            .iter()
            .take_while(|other| other.as_bytes().starts_with(stem));
        let mut found: Vec<Sibling> = like
            .filter_map(|other| siblings::sibling(directory, other, name))
            .collect();
        let is_beside = renamed.parent() == fs::canonicalize(directory).ok().as_deref();
        if let Some(style) = renamed
            .file_name()
            .filter(|style| is_beside && *style != name)
        {
            if siblings::sibling(directory, style, name).is_none() {
                let shape = mark::shape(style);
                let styled = names.iter().filter(|other| mark::shape(other) == shape);
                found.extend(styled.filter_map(|other| siblings::plain(directory.join(other))));
            }
        }
        found
    }
}

fn list(directory: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

/// What every rotated name of `name` begins with: `extension` puts the mark before the ending.
fn stem(name: &OsStr) -> &[u8] {
    let bytes = name.as_bytes();
    match bytes.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 => &bytes[..dot],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_listed_once_for_all_who_look_in_a_pass() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        for name in [
            "a.log",
            "a.log.1",
            "a-20261128.log",
            "ab.log.1",
            "@1.s",
            "@2.s",
        ] {
            fs::write(path(name), "x").expect("write");
        }
        let mut listings = Listings::default();
        let mut names = |renamed: &str| -> Vec<String> {
            let found =
                listings.rotated(&path("a.log"), &path(renamed).canonicalize().expect("it"));
            let name = |sibling: &Sibling| {
                sibling
                    .path
                    .file_name()
                    .map(|name| name.to_string_lossy().into())
            };
            found.iter().filter_map(name).collect()
        };
        assert_eq!(names("a.log"), ["a-20261128.log", "a.log.1"]);
        assert_eq!(names("@1.s"), ["a-20261128.log", "a.log.1", "@1.s", "@2.s"]);
        fs::write(path("a.log.2"), "x").expect("write");
        assert_eq!(names("a.log").len(), 2);
        listings.clear();
        let again = listings.rotated(&path("a.log"), &path("a.log"));
        assert_eq!(again.len(), 3);
    }
}
