//! The directory of all spools: one tailcast at a time uses it, and what no source asks for any more is removed.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;

use crate::error::StartError;
use crate::limits::{SPOOL_NAME_BYTES, TEMPORARY_TRIES_MAX};
use crate::percent;
use crate::small_file;
use crate::source::id::name_hash;

/// What the directories of spools are called by their ends: nothing else in the store is ever removed.
const ENDING: &str = ".spool";

/// What a store without a given place is called.
const TEMPORARY: &str = "tailcast-spool-";

/// The file in it that is locked by whoever uses it.
const LOCK: &str = "lock";

/// An open directory of spools.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    /// It is removed at the end.
    temporary: bool,
    _lock: Flock<File>,
}

impl Store {
    /// Opens the store at `root`, made where it is missing; without one a temporary store. Fails where another tailcast
    /// uses it. Blocks on the disk.
    pub(super) fn open(root: Option<&Path>) -> Result<Store, StartError> {
        let Some(root) = root else {
            return Store::temporary();
        };
        let failed = |error: io::Error| {
            let deed = format!("use the spool directory {}", root.display());
            StartError::directory(deed, error, "--spool-dir")
        };
        small_file::make_directory(root).map_err(failed)?;
        match lock(root) {
            Ok(Some(lock)) => Ok(Store {
                root: root.to_owned(),
                temporary: false,
                _lock: lock,
            }),
            Ok(None) => Err(StartError::Failed(format!(
                "can't use the spool directory {}: another tailcast uses it: give each its own by --spool-dir",
                root.display()
            ))),
            Err(error) => Err(failed(error)),
        }
    }

    /// A store that ends with the daemon. What a killed one has left is removed by the next.
    ///
    /// Its files have names: a spool rotates by rename and is followed by name, which files without one can't. So they lie
    /// in a directory that only we can open.
    fn temporary() -> Result<Store, StartError> {
        let place = std::env::temp_dir();
        sweep_temporary(&place);
        match make_temporary(&place) {
            Ok((root, lock)) => Ok(Store {
                root,
                temporary: true,
                _lock: lock,
            }),
            Err(error) => {
                let deed = format!(
                    "make a spool in {} (--spool-dir PATH gives another place)",
                    place.display()
                );
                Err(StartError::failed(deed, error))
            }
        }
    }

    /// It ends with the daemon.
    #[cfg(feature = "mqtt")]
    pub(super) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// The directory of the source that `key` tells from all others, made where it is missing.
    pub(super) fn directory(&self, key: &str) -> Result<PathBuf, StartError> {
        self.make_directory(key).map_err(|error| {
            let directory = self.root.join(file_name(key));
            StartError::failed(format!("make {}", directory.display()), error)
        })
    }

    /// The same while the daemon runs.
    pub(super) fn make_directory(&self, key: &str) -> io::Result<PathBuf> {
        let directory = self.root.join(file_name(key));
        small_file::make_directory(&directory)?;
        Ok(directory)
    }

    /// Whether another run has left a spool of that source.
    pub(super) fn has(&self, key: &str) -> bool {
        self.root.join(file_name(key)).is_dir()
    }

    /// The directories of all whose keys begin with `key`.
    pub(super) fn directories_of(&self, key: &str) -> Vec<PathBuf> {
        let start = percent::encode(key.as_bytes());
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let is_of = |name: &str| name.starts_with(&start) && name.ends_with(ENDING);
        let found = entries.filter(|entry| is_of(&entry.file_name().to_string_lossy()));
        let mut found: Vec<_> = found.map(|entry| entry.path()).collect();
        found.sort();
        found
    }

    /// Removes what sources have left that are not asked for any more: all but those with `keys`, and those
    /// whose keys begin with one of `starts`.
    pub(super) fn sweep(&self, keys: &[String], starts: &[String]) {
        let wanted: Vec<String> = keys.iter().map(|key| file_name(key)).collect();
        let starts = starts.iter().map(|start| percent::encode(start.as_bytes()));
        let starts: Vec<String> = starts.collect();
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_wanted =
                wanted.contains(&name) || starts.iter().any(|start| name.starts_with(start));
            if !name.ends_with(ENDING) || is_wanted {
                continue;
            }
            match fs::remove_dir_all(entry.path()) {
                Ok(()) => {
                    log::info!("removed the spool {name}: its source is not followed any more")
                }
                Err(error) => log::warn!("remove the spool {:?}: {error}", entry.path()),
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.temporary {
            if let Err(error) = fs::remove_dir_all(&self.root) {
                log::warn!("remove {:?}: {error}", self.root);
            }
        }
    }
}

/// A name that a directory can have and that tells keys apart.
fn file_name(key: &str) -> String {
    let mut name = percent::encode(key.as_bytes());
    if name.len() > SPOOL_NAME_BYTES {
        name.truncate(SPOOL_NAME_BYTES);
        name.push_str(&format!("~{:08x}", name_hash(key)));
    }
    name + ENDING
}

/// A new directory in `place` that only we can open, and its lock. Another daemon that sweeps may take one that is not
/// locked yet for one that was left: then the next name is tried.
fn make_temporary(place: &Path) -> io::Result<(PathBuf, Flock<File>)> {
    for n in 0..TEMPORARY_TRIES_MAX {
        let root = place.join(format!("{TEMPORARY}{}-{n}", std::process::id()));
        // Never one that is there: it may belong to somebody else.
        match DirBuilder::new().mode(0o700).create(&root) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
        match lock(&root) {
            Ok(Some(lock)) if is_there(&root, &lock) => return Ok((root, lock)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether the lock is still that of the store at `root`, which nobody else removes from then on.
fn is_there(root: &Path, lock: &File) -> bool {
    let named = fs::metadata(root.join(LOCK)).map(|stat| (stat.dev(), stat.ino()));
    let held = lock.metadata().map(|stat| (stat.dev(), stat.ino()));
    named.is_ok_and(|named| held.is_ok_and(|held| named == held))
}

/// The lock of a store; `None` where another process holds it.
fn lock(root: &Path) -> io::Result<Option<Flock<File>>> {
    small_file::lock(&root.join(LOCK))
}

/// Removes the temporary stores of daemons that were killed. What belongs to somebody else stays.
fn sweep_temporary(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries {
        if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            continue;
        }
        let root = entry.path();
        // One that was killed before it had a lock is empty; whoever makes one just now tries another name.
        if fs::remove_dir(&root).is_err() && root.join(LOCK).is_file() {
            if let Ok(Some(_lock)) = lock(&root) {
                let _ = fs::remove_dir_all(&root);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_store_is_private_and_used_by_one_at_a_time() {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().join("a/b");
        let store = Store::open(Some(&root)).expect("a store");
        let mode = fs::metadata(&root).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let again = Store::open(Some(&root)).map(|_| ()).expect_err("in use");
        assert_eq!(again.exit_status(), 1);
        assert!(again.to_string().contains("another tailcast"), "{again}");
        drop(store);
        assert!(Store::open(Some(&root)).is_ok());
    }

    #[test]
    fn what_is_not_asked_for_is_removed_and_what_is_no_spool_is_left_alone() {
        let place = tempfile::tempdir().expect("a directory");
        let store = Store::open(Some(place.path())).expect("a store");
        let [kept, gone] = ["stdin a/b", "stdin c"].map(|key| store.directory(key).expect("made"));
        fs::write(gone.join("log"), "x\n").expect("written");
        fs::write(place.path().join("notes"), "mine\n").expect("written");
        store.sweep(&["stdin a/b".to_owned()], &[]);
        assert!(kept.is_dir() && !gone.exists() && place.path().join("notes").is_file());
    }

    #[test]
    fn a_temporary_store_is_gone_with_its_daemon() {
        let store = Store::open(None).expect("a store");
        let root = store.root.clone();
        assert!(root.is_dir());
        drop(store);
        assert!(!root.exists());
    }

    #[test]
    fn long_keys_have_names_of_their_own() {
        let long = "x".repeat(1000);
        let (one, two) = (
            file_name(&format!("{long}1")),
            file_name(&format!("{long}2")),
        );
        assert!(one != two && one.len() < 255, "{one}");
        assert_eq!(file_name("../x"), "..%2Fx.spool");
    }
}
