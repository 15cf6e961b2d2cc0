//! A pattern on the command line: which files match it now, and in which directories to watch for more.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use crate::limits::{FILES_MAX, SAFETY_LOOK, SAFETY_LOOK_TRUSTED, TRAIL_WALKS_MAX};
use crate::source::Identity;

use super::identity::Known;
use super::names::Names;
use super::pattern;
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
    others: Vec<Identity>,
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
            others: Vec::new(),
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
        let mut others = Vec::new();
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
                others.push(identity);
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
        let mut watched: Vec<Step> = Vec::new();
        let mut steps = Vec::new();
        let mut armed = true;
        let mut matches = Vec::new();
        for _ in 0..TRAIL_WALKS_MAX {
            let (found, lookups) = walk(&self.path);
            matches = found;
            let before = watched.len();
            for (directory, component) in lookups {
                if watched
                    .iter()
                    .any(|step| step.0 == directory && step.1 == component)
                {
                    continue;
                }
                let user = User::Component(self.index, component.clone());
                match watches.directory(user.clone(), &directory) {
                    Some(id) => steps.push((id, user)),
                    None => armed = false,
                }
                watched.push((directory, component));
            }
            if watched.len() == before {
                break;
            }
        }
        for (id, user) in &self.steps {
            if !steps.contains(&(*id, user.clone())) {
                watches.release(*id, user);
            }
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
        let mut next = Vec::new();
        for directory in &at {
            let real = if directory.as_os_str().is_empty() {
                Path::new(".")
            } else {
                directory
            };
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
