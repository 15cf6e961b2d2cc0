//! Directories that are called by a time, into which a rotator writes behind a link: `current.log` leads to
//! `logs/2026/11/29/app.log` today, and yesterday it led to `logs/2026/11/28/app.log` (cronolog, rotatelogs).
//!
//! Only names tell which directories those are, and an id that somebody made up must not open another log. So the run of
//! directories begins with a year, each differs from its counterpart in digits alone, and the file has the same name, or
//! one that is a time itself. Links are not gone through.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::mark::{Mark, TIME_DIGITS_MIN, compressed_ending, digits, is_in_time, shape};

/// Where the directories stand, and what they and the file are called at one time.
#[derive(Debug)]
pub(super) struct Dated {
    /// What holds the directories of all years.
    base: PathBuf,
    /// The directories in which the file stands, from the year on.
    directories: Vec<OsString>,
    name: OsString,
}

impl Dated {
    /// The directories of the file at `place`; `None` where they are not called by a time.
    pub(super) fn of(place: &Path) -> Option<Dated> {
        let name = place.file_name()?.to_owned();
        let above = place.parent()?.ancestors();
        let run: Vec<&Path> = above
            .take_while(|at| at.file_name().is_some_and(is_time))
            .collect();
        let component = |at: usize| run[at].file_name().unwrap_or_default();
        let mut years = (0..run.len()).filter(|&at| is_year(component(at)));
        // The lowest year: what stands above it may be a number that tells two logs apart, such as a user's. But 20:15 may
        // stand below a year and a month.
        let lowest = years.next()?;
        let year = years
            .find(|&at| digits(component(at).as_bytes()) == 4 && is_month(component(at - 1)))
            .unwrap_or(lowest);
        let directories = (0..=year).rev().map(|at| component(at).to_owned());
        Some(Dated {
            base: run[year].parent()?.to_owned(),
            directories: directories.collect(),
            name,
        })
    }

    /// Calls `each` with all directories of that kind that there are, the latest first, until it breaks. Blocks on the
    /// disk. One that can't be read is an error, unless it is gone.
    pub(super) fn each(
        &self,
        each: &mut dyn FnMut(&Path) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        self.each_in(&self.base, 0, each)
    }

    fn each_in(
        &self,
        directory: &Path,
        level: usize,
        each: &mut dyn FnMut(&Path) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        let Some(own) = self.directories.get(level) else {
            return each(directory);
        };
        let entries = match fs::read_dir(directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(ControlFlow::Continue(())),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let is_one = is_alike(own, &name) && (level > 0 || is_year(&name));
            if is_one && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.push(name);
            }
        }
        names.sort();
        for name in names.iter().rev() {
            if self.each_in(&directory.join(name), level + 1, each)? == ControlFlow::Break(()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the file called `other` in one of the directories is the log of its time.
    pub(super) fn has(&self, other: &OsStr) -> bool {
        let other = plain(other);
        other == self.name || (is_time(&self.name) && is_alike(&self.name, other))
    }

    /// The time by which the file at `path` is called, if it is the log of one.
    pub(super) fn mark(&self, path: &Path) -> Option<Mark> {
        let below = path.strip_prefix(&self.base).ok()?;
        let directories = below.parent()?;
        let all = self.directories.iter();
        let is_one = self.has(below.file_name()?)
            && directories.components().count() == all.len()
            && all
                .zip(directories)
                .all(|(own, other)| is_alike(own, other));
        if !is_one {
            return None;
        }
        let below = [directories.as_os_str(), plain(below.file_name()?)];
        let bytes = below.iter().flat_map(|part| part.as_bytes());
        let time: String = bytes
            .filter(|byte| byte.is_ascii_digit())
            .map(|&byte| char::from(byte))
            .collect();
        let number = time.parse().ok()?;
        Some(Mark::Time(time.len(), number))
    }
}

/// The name without the ending that says that the file is compressed.
fn plain(name: &OsStr) -> &OsStr {
    let bytes = name.as_bytes();
    OsStr::from_bytes(&bytes[..bytes.len() - compressed_ending(bytes).len()])
}

/// The two differ in digits alone, and have as many.
fn is_alike(own: &OsStr, other: &OsStr) -> bool {
    let count = |name: &OsStr| digits(name.as_bytes());
    count(own) == count(other) && shape(own) == shape(other)
}

/// `2026`, `11`, `2026-11-29`, `log-20261129`; and `29.log`, of a file.
fn is_time(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let stem = bytes.split(|&byte| byte == b'.').next().unwrap_or(bytes);
    let is_bare = stem.first().is_some_and(u8::is_ascii_digit) && stem.iter().all(is_in_time);
    is_bare || digits(bytes) >= TIME_DIGITS_MIN
}

fn is_month(name: &OsStr) -> bool {
    let month: Option<u8> = name.to_str().and_then(|name| name.parse().ok());
    name.len() == 2 && month.is_some_and(|month| (1..=12).contains(&month))
}

/// Whether a name that is a time begins with the year.
fn is_year(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let from = bytes.iter().position(u8::is_ascii_digit).unwrap_or(0);
    let year = bytes[from..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let has_century = bytes[from..].starts_with(b"19") || bytes[from..].starts_with(b"20");
    has_century && matches!(year.count(), 4 | 6 | 8..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logs that are found beside `own`, the latest first.
    fn found(own: &str, others: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        for name in others.iter().chain([&own]) {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
            fs::write(path, "x\n").expect("write");
        }
        let Some(dated) = Dated::of(&dir.path().join(own)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let outcome = dated.each(&mut |directory| {
            for entry in fs::read_dir(directory)?.flatten() {
                if dated.has(&entry.file_name()) && dated.mark(&entry.path()).is_some() {
                    let path = entry.path();
                    let below = path.strip_prefix(dir.path()).expect("below");
                    found.push(below.to_string_lossy().into_owned());
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        assert!(outcome.is_ok());
        found
    }

    #[test]
    fn directories_of_other_times_are_found_and_no_other_log() {
        let all = [
            "2026/11/28/app.log.gz",
            "2025/12/31/app.log",
            "2026/11/29/other.log",
            "2026/11/2/app.log",
            "1000/11/29/app.log",
            "2026/11/29/app2.log",
        ];
        let want = [
            "2026/11/29/app.log",
            "2026/11/28/app.log.gz",
            "2025/12/31/app.log",
        ];
        assert_eq!(found("2026/11/29/app.log", &all), want);
        for (own, other) in [
            ("2026-11/29.log", "2026-10/30.log"),
            ("log-20261129/app.log", "log-20261128/app.log"),
            ("20261129T10/a.log", "20261128T23/a.log"),
            ("u/2001/2026/11/a.log", "u/2001/2025/12/a.log"),
            ("2026/11/29/2015/a.log", "2025/12/31/1830/a.log"),
        ] {
            assert_eq!(found(own, &[other]), [own, other]);
        }
    }

    #[test]
    fn what_may_be_another_log_is_none_of_them() {
        for (own, other) in [
            ("1000/app.log", "1001/app.log"),
            ("a/11/29/app.log", "a/11/28/app.log"),
            ("v1/app.log", "v2/app.log"),
        ] {
            assert!(found(own, &[other]).is_empty(), "{other}");
        }
        for (own, other) in [
            ("u/2001/2026/11/a.log", "u/2002/2026/11/a.log"),
            ("2026/11/app1.log", "2026/11/app2.log"),
        ] {
            assert_eq!(found(own, &[other]), [own], "{other}");
        }
    }

    #[test]
    fn the_latest_has_the_latest_mark() {
        let dated = Dated::of(Path::new("l/2026/11/29/app.log")).expect("dated");
        let mark = |path: &str| dated.mark(Path::new(path));
        assert_eq!(
            mark("l/2026/11/29/app.log"),
            Some(Mark::Time(8, 20_261_129))
        );
        assert_eq!(
            mark("l/2025/12/31/app.log.gz"),
            Some(Mark::Time(8, 20_251_231))
        );
        assert_eq!(mark("l/2026/11/app.log"), None);
        assert_eq!(mark("l/2026/11/29/app.log.1"), None);
    }
}
