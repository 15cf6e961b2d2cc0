//! Rotated siblings: the files beside a followed one that a rotation named after it (`NAME.1`, `NAME-20261123`,
//! `STEM-20261123.EXT`, `NAME.old`), compressed or not; where it is a link, beside the link and beside each file that
//! the link leads to, and in directories that are called by another time than that file's (see `dated`).
//!
//! Names are only the net; what is caught is verified by inode, birth and content. Links among them are left alone:
//! rotations make none, and whoever may make one must not lead us elsewhere.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::limits::{DIRECTORY_RESTS, DIRECTORY_TIME, LINKS_MAX, NAME_READS_MAX, TRACED_MAX};

use super::dated::Dated;
use super::mark::{Mark, compressed_ending, is_of_another_time, is_rotated_name, mark_of, shape};
use super::order::oldest_first;
use super::{Identity, OpenFile, identity};

/// A file that a rotation left beside the followed one.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// Where it stands now; it may be renamed at any moment.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// When it was last written to.
    pub modified: SystemTime,
    /// When it last got a name, or was written to; `None` before 1970.
    pub changed: Option<SystemTime>,
    /// Its name says that it is compressed.
    pub compressed: bool,
    /// Its place among the others can't be known.
    pub unordered: bool,
}

impl Sibling {
    fn of(path: PathBuf, stat: &fs::Metadata, compressed: bool) -> Sibling {
        Sibling {
            path,
            identity: Identity::of(stat),
            modified: stat.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            changed: changed(stat),
            compressed,
            unordered: false,
        }
    }

    /// When it was created; where the file system does not know, the last write.
    pub fn born(&self) -> SystemTime {
        self.identity.born.unwrap_or(self.modified)
    }
}

/// The time that rename(2) sets, too, on all file systems but a few.
fn changed(stat: &fs::Metadata) -> Option<SystemTime> {
    let seconds = u64::try_from(stat.ctime()).ok()?;
    let nanos = u32::try_from(stat.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// Why a sibling can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Race: it was renamed, compressed or removed since it was listed.
    Renamed,
    /// Who wanted it wants it no more.
    GivenUp,
    /// What it holds is lost for the stream, for this reason, in a few words for the user.
    Lost(&'static str),
}

impl Unreadable {
    /// The reason, in a few words for the user.
    pub fn reason(self) -> &'static str {
        match self {
            Unreadable::Renamed => "renamed meanwhile",
            Unreadable::GivenUp => "given up",
            Unreadable::Lost(reason) => reason,
        }
    }
}

/// Which names a rotation can have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Those that rotators are known to give.
    Known,
    /// And, where that is none of them, those that are like this one, which is known to be rotated.
    Like(&'a OsStr),
    /// Whatever it is called: for who knows the file.
    Any,
}

/// The rotated siblings of the file at `path` that `reach` takes in (itself not among them), oldest first, and whether they
/// are all of one moment. Blocks on the disk.
///
/// Race: a directory that is read while files in it are renamed may leave some out, or show them twice. What two listings
/// agree on is right, and one alone is where the directory has not changed for a while.
pub fn listed(path: &Path, reach: Reach<'_>) -> Listed {
    let family = Family::of(path);
    let before = family.changed();
    let (mut found, mut lost) = family.list(reach);
    let rests = before.is_some_and(|at| at.elapsed().is_ok_and(|since| since > DIRECTORY_RESTS));
    let mut whole = rests && family.changed() == before;
    for _ in 0..NAME_READS_MAX {
        if whole {
            break;
        }
        let (again, why) = family.list(reach);
        let is_same = |(a, b): (&Sibling, &Sibling)| a.path == b.path && a.identity == b.identity;
        whole = again.len() == found.len() && again.iter().zip(&found).all(is_same);
        (found, lost) = (again, why);
    }
    // One that was renamed while they were listed may stand there under both of its names.
    let mut seen = HashSet::new();
    found.retain(|sibling| seen.insert(sibling.identity.inode));
    let marked = found
        .into_iter()
        .map(|sibling| (family.mark_within(&sibling, reach), sibling));
    let siblings = oldest_first(marked.collect());
    if !whole {
        lost = Some(Lost::Renamed);
    }
    Listed { siblings, lost }
}

/// The rotated files of a name, oldest first.
#[derive(Debug)]
pub struct Listed {
    /// Those that were found.
    pub siblings: Vec<Sibling>,
    /// Why these may not be all.
    pub lost: Option<Lost>,
}

/// Why a listing may not have all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// They were renamed all the time: they don't stand for one moment, and have no order.
    Renamed,
    /// There are too many files beside them: any of them may be missing.
    TooMany,
    /// A directory can't be read; what others hold is there.
    Unreadable,
}

impl Lost {
    /// The reason, in a few words for the user.
    pub fn reason(self) -> &'static str {
        match self {
            Lost::Renamed => "rotated while it was looked for",
            Lost::TooMany => "its directory is too large",
            Lost::Unreadable => "its directory can't be read",
        }
    }
}

/// The siblings without compressed files whose plain one still stands: those are being made, or were just made.
pub fn each_once(mut siblings: Vec<Sibling>) -> Vec<Sibling> {
    let plain = siblings.iter().filter(|sibling| !sibling.compressed);
    let plain: HashSet<PathBuf> = plain.map(|sibling| sibling.path.clone()).collect();
    siblings
        .retain(|sibling| !sibling.compressed || !plain.contains(&sibling.path.with_extension("")));
    siblings
}

/// The file that has this inode and stands at `path`, or beside it under a name within `reach`. `Ok(None)` where there
/// is none. Blocks on the disk.
pub fn by_inode(path: &Path, inode: u64, reach: Reach<'_>) -> io::Result<Option<PathBuf>> {
    let family = Family::of(path);
    let mut found = None;
    let _ = family.entries(&mut |directory, entry| {
        let is_it = entry.ino() == inode
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && family.may_have(&entry.file_name(), reach);
        if is_it {
            found = Some(directory.join(entry.file_name()));
        }
        !is_it
    })?;
    Ok(found)
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
    Some(Sibling::of(path, &stat, false))
}

/// The files that are numbered from 1 on behind the name of the one at `path`, opened one after the other until one is
/// missing. A file system that remembers what stood in a directory (sshfs does for 20 s) lists those of that time; who opens a
/// name gets the file that has it now. Blocks on the disk.
pub fn counted(path: &Path) -> impl Iterator<Item = (OpenFile, Identity)> {
    let place = place(path);
    let name = place.file_name().unwrap_or_default().to_owned();
    (1..=TRACED_MAX).map_while(move |number| {
        let mut name = name.clone();
        name.push(format!(".{number}"));
        identity::open_beside(&place.with_file_name(name)).ok()
    })
}

/// Whether `other` has a name that rotators are known to give to the file at `path`. Blocks on the disk.
pub fn is_known(path: &Path, other: &Path) -> bool {
    let name = other.file_name();
    name.is_some_and(|name| Family::of(path).may_have(name, Reach::Known))
}

/// Where a followed file stands, and what it is called.
#[derive(Debug)]
struct Family {
    /// Of the file itself, then of the links that lead to it.
    directories: Vec<PathBuf>,
    /// What the file itself is called, then what the links are. A link to `app-20261123.log` may be called `app.log`.
    names: Vec<OsString>,
    /// Where a link leads to directories that are called by a time.
    dated: Option<Dated>,
}

impl Family {
    fn of(path: &Path) -> Family {
        let mut directories = Vec::new();
        let mut names: Vec<OsString> = Vec::new();
        let places = places(path);
        let place = places.last().filter(|_| places.len() > 1);
        let dated = place.and_then(|place| Dated::of(place));
        for place in places.iter().rev() {
            let directory = directory_of(place).to_owned();
            if !directories.contains(&directory) {
                directories.push(directory);
            }
            names.extend(place.file_name().map(OsStr::to_owned));
        }
        Family {
            directories,
            names,
            dated,
        }
    }

    fn may_have(&self, other: &OsStr, reach: Reach<'_>) -> bool {
        let known = || {
            let is_one = |name: &OsString| name == other || is_rotated_name(name, other);
            let is_link = self.names.len() > 1;
            self.names.iter().any(is_one)
                || is_link && is_of_another_time(&self.names[0], other)
                || self.dated.as_ref().is_some_and(|dated| dated.has(other))
        };
        match reach {
            Reach::Any => true,
            Reach::Known => known(),
            // The brothers of `app.log.1` are called by its log, those of `yesterday-1` only by themselves.
            Reach::Like(found) if !self.may_have(found, Reach::Known) => {
                shape(found) == shape(other) || known()
            }
            Reach::Like(_) => known(),
        }
    }

    /// When a file in one of the directories was last made, renamed or removed; `None` where that is not known, as where
    /// there are directories beside these.
    fn changed(&self) -> Option<SystemTime> {
        if self.dated.is_some() {
            return None;
        }
        let changed = |directory: &PathBuf| fs::metadata(directory).ok()?.modified().ok();
        let all: Option<Vec<_>> = self.directories.iter().map(changed).collect();
        all?.into_iter().max()
    }

    /// Calls `each` with the entries of the directories until it has enough and says false, or the time is up. There may
    /// be any number of them. A directory that can't be read is an error, unless it is gone.
    fn entries(
        &self,
        each: &mut dyn FnMut(&Path, &DirEntry) -> bool,
    ) -> io::Result<ControlFlow<()>> {
        let mut entries = Entries {
            until: Instant::now() + DIRECTORY_TIME,
            seen: 0,
            each,
        };
        for directory in &self.directories {
            if entries.of(directory)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let Some(dated) = &self.dated else {
            return Ok(ControlFlow::Continue(()));
        };
        dated.each(&mut |directory| match self.has_directory(directory) {
            true => Ok(ControlFlow::Continue(())),
            false => entries.of(directory),
        })
    }

    fn has_directory(&self, directory: &Path) -> bool {
        self.directories.iter().any(|own| own == directory)
    }

    /// What is there, and why there may be more.
    fn list(&self, reach: Reach<'_>) -> (Vec<Sibling>, Option<Lost>) {
        let mut found = Vec::new();
        let outcome = self.entries(&mut |directory, entry| {
            let other = entry.file_name();
            let is_own = directory == self.directories[0] && Some(&other) == self.names.first();
            if self.may_have(&other, reach) && !is_own {
                found.extend(self.sibling(directory, entry, &other));
            }
            true
        });
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let lost = match outcome {
            Ok(ControlFlow::Continue(())) => None,
            Ok(ControlFlow::Break(())) => Some(Lost::TooMany),
            Err(_) => Some(Lost::Unreadable),
        };
        (found, lost)
    }

    fn sibling(&self, directory: &Path, entry: &DirEntry, other: &OsStr) -> Option<Sibling> {
        let stat = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        let mark = |name: &OsString| mark_of(name.as_bytes(), other.as_bytes());
        let compressed = match self.names.iter().find_map(mark) {
            Some((_, compressed)) => compressed,
            None => !compressed_ending(other.as_bytes()).is_empty(),
        };
        Some(Sibling::of(directory.join(other), &stat, compressed))
    }

    /// The names of a style that is not known tell their order by their digits, too.
    fn mark_within(&self, sibling: &Sibling, reach: Reach<'_>) -> Mark {
        let name = sibling.path.file_name().unwrap_or_default();
        match (self.mark(sibling), reach) {
            (Mark::None, Reach::Like(found)) if shape(found) == shape(name) => {
                Mark::of_digits(name.as_bytes())
            }
            (mark, _) => mark,
        }
    }

    fn mark(&self, sibling: &Sibling) -> Mark {
        let dated = self.dated.as_ref();
        if let Some(mark) = dated.and_then(|dated| dated.mark(&sibling.path)) {
            return mark;
        }
        let mark = |name: &OsString| Mark::of(&sibling.path, Path::new(name));
        let mut marks = self.names.iter().map(mark);
        marks.find(|mark| *mark != Mark::None).unwrap_or(Mark::None)
    }
}

/// The entries of directories, as far as the time reaches.
struct Entries<'e> {
    until: Instant,
    seen: usize,
    /// Says false once it has enough.
    each: &'e mut dyn FnMut(&Path, &DirEntry) -> bool,
}

impl Entries<'_> {
    fn of(&mut self, directory: &Path) -> io::Result<ControlFlow<()>> {
        let entries = match fs::read_dir(directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(ControlFlow::Continue(())),
            entries => entries?,
        };
        for entry in entries {
            if !(self.each)(directory, &entry?) {
                return Ok(ControlFlow::Break(()));
            }
            self.seen += 1;
            if self.seen % 1024 == 0 && Instant::now() > self.until {
                log::warn!(
                    "{directory:?} is too large to be looked through for rotated files within {DIRECTORY_TIME:?}: some \
                     may not be found"
                );
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Where the file itself stands, or would: a rotation leaves its files beside what a link leads to.
pub fn place(path: &Path) -> PathBuf {
    places(path).pop().unwrap_or_default()
}

/// The path, and what it leads to from link to link; last where the file itself stands, or would.
fn places(path: &Path) -> Vec<PathBuf> {
    let mut places = vec![path.to_owned()];
    let mut at = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&at) else {
            break;
        };
        at = directory_of(&at).join(target);
        places.push(at.clone());
    }
    places
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

    #[test]
    fn a_directory_that_cannot_be_read_is_no_empty_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let lost = |path: &str| listed(&dir.path().join(path), Reach::Known).lost;
        fs::write(dir.path().join("file"), "").expect("write");
        assert_eq!(lost("file/app.log"), Some(Lost::Unreadable));
        assert_eq!(lost("nowhere/app.log"), None);
        assert_eq!(lost("app.log"), None);
    }
}
