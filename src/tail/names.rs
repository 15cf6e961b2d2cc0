//! What followed files are called on the wire: settled when a file is first seen, never changed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::hub::{Hub, Spooled};
use crate::source::{Origin, Source};

use super::pod::Pod;

/// The names and paths that are taken.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: HashSet<String>,
    /// With who follows them.
    paths: HashMap<PathBuf, usize>,
    /// The followers of containers, by Docker and name.
    containers: HashMap<(usize, String), usize>,
    /// The same of pods, by their keys.
    pods: HashMap<String, usize>,
}

impl Names {
    /// Adds a source for `path` to the hub, that the follower number `follower` is to follow; `None` where that path is
    /// followed already.
    pub(super) fn add(&mut self, path: &Path, follower: usize, hub: &Hub) -> Option<Arc<Source>> {
        if self.has(path) {
            return None;
        }
        self.paths.insert(path.to_owned(), follower);
        let name = self.settle(path);
        Some(hub.add_source(name, path.to_owned(), Origin::File))
    }

    /// Adds a source for a spool to the hub, under its own name; `None` where that spool is followed already.
    pub(super) fn add_spool(
        &mut self,
        spooled: &Spooled,
        follower: usize,
        hub: &Hub,
    ) -> Option<Arc<Source>> {
        if self.has(&spooled.path) {
            return None;
        }
        self.paths.insert(spooled.path.clone(), follower);
        if spooled.origin == Origin::Fifo {
            // A file may come to stand in its place: that one is followed under the same name.
            self.paths.insert(spooled.given.clone(), follower);
        }
        let mut name = spooled.name.clone();
        while !self.names.insert(name.clone()) {
            name.push('\u{fffd}');
        }
        Some(hub.add_spool(name, spooled))
    }

    /// Adds a source for the container that the Docker number `docker` calls `name`, and that the follower number
    /// `follower` is to follow.
    pub(super) fn add_container(
        &mut self,
        docker: usize,
        name: &str,
        log: &Path,
        follower: usize,
        hub: &Hub,
    ) -> Option<Arc<Source>> {
        self.containers.insert((docker, name.to_owned()), follower);
        Some(self.add_named(name, log, hub))
    }

    fn add_named(&mut self, name: &str, log: &Path, hub: &Hub) -> Arc<Source> {
        let own = match self.names.insert(name.to_owned()) {
            true => name.to_owned(),
            false => self.settle(log),
        };
        hub.add_source(own, log.to_owned(), Origin::Container)
    }

    /// The same for the container of a pod whose log `link` leads to.
    pub(super) fn add_pod(
        &mut self,
        pod: &Pod,
        link: &Path,
        follower: usize,
        hub: &Hub,
    ) -> Option<Arc<Source>> {
        self.pods.insert(pod.key.clone(), follower);
        self.paths.insert(link.to_owned(), follower);
        Some(self.add_named(&pod.name, link, hub))
    }

    /// Who follows the container of a pod.
    pub(super) fn of_pod(&self, pod: &Pod) -> Option<usize> {
        self.pods.get(&pod.key).copied()
    }

    /// What was followed as `old` is followed as `new` now.
    pub(super) fn lead(&mut self, old: &Path, new: &Path) {
        if let Some(follower) = self.paths.remove(old) {
            self.paths.insert(new.to_owned(), follower);
        }
    }

    /// Who follows the container that the Docker number `docker` calls `name`.
    pub(super) fn of_container(&self, docker: usize, name: &str) -> Option<usize> {
        self.containers.get(&(docker, name.to_owned())).copied()
    }

    /// The follower of that source is no more: what it was called may be used again.
    pub(super) fn remove(&mut self, source: &Source, follower: usize) {
        self.names.remove(&source.name);
        self.paths.remove(&*source.path());
        self.paths.remove(&source.shown_path());
        if source.origin() == Origin::Container {
            self.containers.retain(|_, other| *other != follower);
            self.pods.retain(|_, other| *other != follower);
        }
    }

    /// Whether that path is followed.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.paths.contains_key(path)
    }

    /// Who follows that path.
    pub(super) fn of_path(&self, path: &Path) -> Option<usize> {
        self.paths.get(path).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.paths.len() + self.containers.len()
    }

    /// The base name; where another file has that already, the path as given.
    fn settle(&mut self, path: &Path) -> String {
        let whole = path.to_string_lossy();
        let base = path
            .file_name()
            .map_or(whole.clone(), |base| base.to_string_lossy());
        let mut name = match self.names.contains(&*base) {
            true => whole.into_owned(),
            false => base.into_owned(),
        };
        // Two paths can still look the same once what is not UTF-8 in them is replaced.
        while !self.names.insert(name.clone()) {
            name.push('\u{fffd}');
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_file_is_called_by_its_base_name_and_by_its_path_where_that_is_taken() {
        let hub = Hub::new(100).expect("a hub");
        let mut names = Names::default();
        let mut name = |path: &[u8]| {
            names
                .add(Path::new(OsStr::from_bytes(path)), 0, &hub)
                .map(|source| source.name.clone())
        };
        assert_eq!(name(b"/a/x y%.log").as_deref(), Some("x y%.log"));
        assert_eq!(name(b"/b/x y%.log").as_deref(), Some("/b/x y%.log"));
        assert_eq!(name(b"/b/x y%.log"), None);
        assert_eq!(name(b"\xff.log").as_deref(), Some("\u{fffd}.log"));
        assert_eq!(name(b"\xfe.log").as_deref(), Some("\u{fffd}.log\u{fffd}"));
        assert_eq!(name("gr\u{fc}n".as_bytes()).as_deref(), Some("gr\u{fc}n"));
    }
}
