//! The directories in which names are looked up for a pattern, and the watches on them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::limits::{DIRECTORIES_MAX, SAFETY_LOOK};
use crate::pattern;

use super::{Glob, Todo};
use crate::tail::trust::{self, Ground};
use crate::tail::watches::{User, Watches};

/// A directory in which names are looked up that must match the component of that number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) part: usize,
}

impl Directory {
    /// Where it is looked up: a relative path that is empty yet is here.
    pub(super) fn real(&self) -> &Path {
        match self.path.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.path,
        }
    }
}

impl Glob {
    /// Looks names up in a further directory. Where a pattern goes to any depth, what comes behind that is looked up
    /// there, too.
    pub(super) fn enter(&mut self, directory: Directory) {
        if self.directories.contains_key(&directory) {
            return;
        }
        if self.directories.len() >= DIRECTORIES_MAX {
            if !std::mem::replace(&mut self.full_said, true) {
                log::warn!(
                    "{:?} matches more than {DIRECTORIES_MAX} directories: the rest is left out",
                    self.path
                );
            }
            return;
        }
        self.directories.insert(directory.clone(), None);
        if self.goes_deep(directory.part) && directory.part + 1 < self.parts.len() {
            self.enter(Directory {
                path: directory.path.clone(),
                part: directory.part + 1,
            });
        }
        self.todo.push_back(Todo::All(directory));
    }

    /// Whether a component stands for any number of directories.
    pub(super) fn goes_deep(&self, part: usize) -> bool {
        self.parts[part] == pattern::ANY_DEPTH
    }

    pub(super) fn watch(&mut self, directory: &Directory, watches: &mut Watches) {
        let user = User::Component(self.index, self.parts[directory.part].clone());
        let id = watches.directory(user, directory.real());
        let is_told = id.is_some() && trust::ground_at(directory.real()) == Ground::Local;
        if !is_told && watches.fd().is_some() {
            self.scan_at = self.scan_at.min(Instant::now() + SAFETY_LOOK);
        }
        let before = self.directories.insert(directory.clone(), id).flatten();
        if before == id {
            return;
        }
        if let Some(before) = before {
            self.unwatch(directory, before, watches);
        }
        if let Some(id) = id {
            self.by_watch.entry(id).or_default().push(directory.clone());
        }
    }

    fn unwatch(&mut self, directory: &Directory, id: i32, watches: &mut Watches) {
        let component = &self.parts[directory.part];
        let Some(all) = self.by_watch.get_mut(&id) else {
            return;
        };
        all.retain(|other| other != directory);
        // Another path may lead to the same directory.
        if all.iter().all(|other| self.parts[other.part] != *component) {
            watches.release(id, &User::Component(self.index, component.clone()));
        }
        if all.is_empty() {
            self.by_watch.remove(&id);
        }
    }

    /// The directory is gone.
    pub(super) fn forget(&mut self, directory: &Directory, watches: &mut Watches) {
        if let Some(Some(id)) = self.directories.remove(directory) {
            self.unwatch(directory, id, watches);
        }
    }
}
