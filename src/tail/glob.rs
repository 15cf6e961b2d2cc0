//! A pattern on the command line: which files match it now, and in which directories to watch for more.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use crate::limits::{
    DIRECTORIES_MAX, FILES_MAX, SAFETY_LOOK, SAFETY_LOOK_TRUSTED, TRAIL_WALKS_MAX,
};
use crate::pattern;
use crate::source::Identity;

use super::identity::Known;
use super::names::Names;
use super::trail::{Step, trail};
use super::watches::{User, Watches};

/// Endings of compressed files: nothing is written to those a line at a time.
const COMPRESSED: [&str; 7] = [".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".Z"];

/// A scan takes at most one part in this many of the watcher's time.
const SCAN_SHARE: u32 = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Glob {
    index: usize,
    path: PathBuf,
    steps: Vec<(i32, User)>,
    /// Files that match and were somebody else's when they were first seen: rotated, or another name of the same.
    others: HashSet<Identity>,
    /// When to scan again, whatever happens.
    pub(super) scan_at: Instant,
    /// Something may have changed.
    pub(super) due: bool,
    /// But not before then.
    not_before: Instant,
    full_said: bool,
}

impl Glob {
    pub(super) fn new(index: usize, path: PathBuf) -> Glob {
        let now = Instant::now();
        Glob {
            index,
            path,
            steps: Vec::new(),
            others: HashSet::new(),
            scan_at: now,
            due: true,
            not_before: now,
            full_said: false,
        }
    }

    /// When it wants to be scanned.
    pub(super) fn wants(&self) -> Instant {
        match self.due {
            true => self.not_before,
            false => self.scan_at,
        }
    }

    /// Somebody waits for it: where something may have changed, it is scanned at once.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.not_before = self.not_before.min(now);
    }

    /// Files that match now and are nobody's yet. Blocks on the disk.
    pub(super) fn scan(
        &mut self,
        watches: &mut Watches,
        known: &Known,
        names: &Names,
    ) -> Vec<PathBuf> {
        let begun = Instant::now();
        self.due = false;
        let (matches, armed) = self.look(watches);
        let mut new = Vec::new();
        let mut others = HashSet::new();
        for path in matches {
            if names.has(&path) || self.is_compressed(&path) {
                continue;
            }
            let Ok(stat) = fs::metadata(&path) else {
                continue;
            };
            let identity = Identity::of(&stat);
            if !stat.is_file() {
                continue;
            }
            // A rotated name of a file that is followed, or another link to it: not a new file, now and later.
            if known.has(&identity) || self.others.contains(&identity) {
                others.insert(identity);
            } else if names.len() + new.len() < FILES_MAX {
                new.push(path);
            } else if !std::mem::replace(&mut self.full_said, true) {
                log::warn!(
                    "{:?} matches more than {FILES_MAX} files: the rest is left out",
                    self.path
                );
            }
        }
        self.others = others;
        let now = Instant::now();
        self.not_before = now + (now - begun) * SCAN_SHARE;
        self.scan_at = now
            + if armed {
                SAFETY_LOOK_TRUSTED
            } else {
                SAFETY_LOOK
            };
        new
    }

    /// Arm first, look second: the last walk finds no directory that was not watched before it. Whether all are.
    fn look(&mut self, watches: &mut Watches) -> (Vec<PathBuf>, bool) {
        let mut watched: HashSet<Step> = HashSet::new();
        let mut steps = Vec::new();
        let mut armed = true;
        let mut matches = Vec::new();
        for _ in 0..TRAIL_WALKS_MAX {
            let (found, lookups) = walk(&self.path);
            matches = found;
            let before = watched.len();
            for (directory, component) in lookups {
                if !watched.insert((directory.clone(), component.clone())) {
                    continue;
                }
                let user = User::Component(self.index, component.clone());
                match watches.directory(user.clone(), &directory) {
                    Some(id) => steps.push((id, user)),
                    None => armed = false,
                }
            }
            if watched.len() == before {
                break;
            }
        }
        let kept: HashSet<&(i32, User)> = steps.iter().collect();
        for step in self.steps.iter().filter(|step| !kept.contains(step)) {
            watches.release(step.0, &step.1);
        }
        self.steps = steps;
        (matches, armed)
    }

    fn is_compressed(&self, path: &Path) -> bool {
        let ends =
            |path: &Path, ending: &str| path.as_os_str().as_bytes().ends_with(ending.as_bytes());
        COMPRESSED
            .iter()
            .any(|ending| ends(path, ending) && !ends(&self.path, ending))
    }
}

/// The paths that match `path`, sorted, and every lookup that decides it.
fn walk(path: &Path) -> (Vec<PathBuf>, Vec<Step>) {
    let mut lookups = Vec::new();
    let mut at = vec![PathBuf::new()];
    let mut components = path.components().peekable();
    let mut literal = PathBuf::new();
    let mut matched = false;
    while let Some(component) = components.next() {
        let last = components.peek().is_none();
        let name = match component {
            Component::Normal(name) => name,
            other => {
                at.iter_mut().for_each(|path| path.push(other));
                literal.push(other);
                continue;
            }
        };
        if !matched && !pattern::is_pattern(name) {
            at.iter_mut().for_each(|path| path.push(name));
            literal.push(name);
            continue;
        }
        if !matched && literal.components().next().is_some() {
            lookups.extend(trail(&literal).steps);
        }
        matched = true;
        if name == pattern::ANY_DEPTH {
            at = at
                .into_iter()
                .flat_map(|directory| below(directory, &mut lookups))
                .collect();
            if last {
                at = at
                    .iter()
                    .flat_map(|directory| files_in(directory))
                    .collect();
            }
            continue;
        }
        let mut next = Vec::new();
        for directory in &at {
            let real = here_or(directory);
            lookups.push((real.to_owned(), name.to_owned()));
            next.extend(
                entries(real, name)
                    .into_iter()
                    .map(|entry| directory.join(entry))
                    .filter(|path| last || path.is_dir())
                    .take(FILES_MAX),
            );
        }
        at = next;
    }
    at.sort();
    (at, lookups)
}

/// `directory` and all directories below it, without those behind symbolic links, which may lead anywhere and back, and
/// those with a dot. Each is looked up in, for directories that come later.
fn below(directory: PathBuf, lookups: &mut Vec<Step>) -> Vec<PathBuf> {
    let mut found = vec![directory];
    let mut next = 0;
    while next < found.len() && found.len() < DIRECTORIES_MAX {
        let here = found[next].clone();
        let real = here_or(&here);
        lookups.push((real.to_owned(), pattern::ANY_DEPTH.into()));
        let entries = fs::read_dir(real).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let names = directories.map(|entry| entry.file_name());
        let seen = names.filter(|name| pattern::matches(OsStr::new(pattern::ANY_DEPTH), name));
        let mut deeper: Vec<_> = seen.map(|name| here.join(name)).collect();
        deeper.sort();
        found.extend(deeper);
        next += 1;
    }
    if found.len() >= DIRECTORIES_MAX {
        log::warn!(
            "{:?} has more than {DIRECTORIES_MAX} directories: the rest is left out",
            found[0]
        );
        found.truncate(DIRECTORIES_MAX);
    }
    found
}

/// What a pattern that ends with `**` matches in one directory.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let names = entries(here_or(directory), OsStr::new("*"));
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// Where a relative path that is empty yet is looked up.
fn here_or(directory: &Path) -> &Path {
    match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    }
}

/// The entries of `directory` that match the component `name`.
fn entries(directory: &Path, name: &OsStr) -> Vec<OsString> {
    if !pattern::is_pattern(name) {
        let there = fs::symlink_metadata(directory.join(name)).is_ok();
        return there.then(|| name.to_owned()).into_iter().collect();
    }
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|entry| pattern::matches(name, entry))
        .collect()
}
