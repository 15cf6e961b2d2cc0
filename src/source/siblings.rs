//! Rotated siblings: the files beside a followed one that a rotation named after it (`NAME.1`, `NAME-20261123`,
//! `STEM-20261123.EXT`, `NAME.old`), compressed or not.
//!
//! Names are only the net; what is caught is verified by inode, birth and content. Order is by time, never by name:
//! logrotate counts old files upwards, others count new ones upwards.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::limits::SIBLING_ENTRIES_MAX;

/// A file that a rotation left beside the followed one.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// Where it stands now; it may be renamed at any moment.
    pub path: PathBuf,
    /// Its device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Its length in bytes.
    pub length: u64,
    /// When it was last written to.
    pub modified: SystemTime,
    /// When it was created; where the file system does not know, the last write.
    pub born: SystemTime,
    /// Its name says that it is compressed.
    pub compressed: bool,
}

/// The rotated siblings of the file at `path` (itself not among them), oldest first by last write, then by birth; the
/// kernel's clock is coarse, so by name last.
/// A directory that can't be read has none. Blocks on the disk.
pub fn rotated(path: &Path) -> Vec<Sibling> {
    let Some(name) = path.file_name() else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(directory_of(path)) else {
        return Vec::new();
    };
    let mut found: Vec<Sibling> = entries
        .take(SIBLING_ENTRIES_MAX)
        .flatten()
        .filter_map(|entry| {
            let compressed = rotated_name(name, &entry.file_name())?;
            let stat = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let modified = stat.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some(Sibling {
                path: entry.path(),
                device: stat.dev(),
                inode: stat.ino(),
                length: stat.len(),
                modified,
                born: stat.created().unwrap_or(modified),
                compressed,
            })
        })
        .collect();
    let age = |sibling: &Sibling| age_by_name(&sibling.path, path);
    found.sort_by(|a, b| (a.modified, a.born, age(b)).cmp(&(b.modified, b.born, age(a))));
    found
}

/// Digits of a rotated name that are looked at: as many as a time in nanoseconds has.
const NAME_DIGITS_MAX: usize = 32;

/// How old a file is among the rotated ones of `base`, by its name: more is older. Few digits are a number, and the
/// higher number is the older file, as logrotate has it; many are a date or a time, and the later is the younger.
pub fn age_by_name(name: &Path, base: &Path) -> i128 {
    if name.file_name() == base.file_name() {
        return i128::MIN;
    }
    let file_name = |path: &Path| {
        path.file_name()
            .map(OsStr::to_string_lossy)
            .unwrap_or_default()
            .into_owned()
    };
    let (text, plain) = (file_name(name), file_name(base));
    let digits: String = text
        .strip_prefix(&plain)
        .unwrap_or(&text)
        .chars()
        .filter(char::is_ascii_digit)
        .take(NAME_DIGITS_MAX)
        .collect();
    let number = digits.parse().unwrap_or(0);
    match digits.len() {
        0..=4 => number,
        _ => -number,
    }
}

/// Whether a rotation of `name` can have left a file called `other`.
pub fn is_rotated_name(name: &OsStr, other: &OsStr) -> bool {
    rotated_name(name, other).is_some()
}

/// The file beside `path` that has this inode, whatever its name. Blocks on the disk.
pub fn by_inode(path: &Path, inode: u64) -> Option<PathBuf> {
    let entries = fs::read_dir(directory_of(path)).ok()?;
    entries
        .take(SIBLING_ENTRIES_MAX)
        .flatten()
        .find(|entry| entry.ino() == inode)
        .map(|entry| entry.path())
}

fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether a rotation of `name` can have left a file called `other`: then, whether it is compressed.
fn rotated_name(name: &OsStr, other: &OsStr) -> Option<bool> {
    let (name, mut other) = (name.as_bytes(), other.as_bytes());
    let mut compressed = false;
    for ending in [
        &b".gz"[..],
        b".xz",
        b".zst",
        b".bz2",
        b".lz4",
        b".lzma",
        b".Z",
    ] {
        if let Some(rest) = other.strip_suffix(ending) {
            (other, compressed) = (rest, true);
            break;
        }
    }
    if let Some(mark) = other.strip_prefix(name) {
        return is_mark(mark).then_some(compressed);
    }
    // logrotate's `extension`: the mark stands before it.
    let dot = name
        .iter()
        .rposition(|&byte| byte == b'.')
        .filter(|&dot| dot > 0)?;
    let mark = other
        .strip_prefix(&name[..dot])?
        .strip_suffix(&name[dot..])?;
    is_mark(mark).then_some(compressed)
}

/// What a rotation adds to a name: a separator, then a number, a date, or a word for "old".
fn is_mark(mark: &[u8]) -> bool {
    let [b'.' | b'-' | b'_', rest @ ..] = mark else {
        return false;
    };
    matches!(rest, b"old" | b"prev")
        || rest.first().is_some_and(u8::is_ascii_digit)
            && rest
                .iter()
                .all(|byte| byte.is_ascii_digit() || b".-_:T+Z".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotations_are_known_and_other_logs_are_not() {
        let is = |other: &str| rotated_name(OsStr::new("app.log"), OsStr::new(other));
        for name in [
            "app.log.1",
            "app.log.12",
            "app.log-20261123",
            "app.log.2026-11-23_10:11:12",
            "app.log.old",
        ] {
            assert_eq!(is(name), Some(false), "{name}");
        }
        assert_eq!(is("app-20261123.log"), Some(false));
        assert_eq!(is("app.1.log"), Some(false));
        assert_eq!(is("app.log.2.gz"), Some(true));
        for name in [
            "app.log",
            "app.log2",
            "app.logs.1",
            "app-access.log",
            "app.log.swp",
            "other.log.1",
            "app.log.1x",
        ] {
            assert_eq!(is(name), None, "{name}");
        }
    }
}
