//! The directory of all spools: one tailcast at a time uses it, and what no source asks for any more is removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::error::StartError;
use crate::limits::{SPOOL_NAME_BYTES, TEMPORARY_KEPT, TEMPORARY_TRIES_MAX};
use crate::percent;
use crate::source::id::name_hash;

/// What the directories of spools are called by their ends: nothing else in the store is ever removed.
const ENDING: &str = ".spool";

/// What a store without a given place is called.
const TEMPORARY: &str = "tailcast-spool-";

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
            StartError::failed(format!("use the spool directory {}", root.display()), error)
        };
        make(root).map_err(failed)?;
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
    fn temporary() -> Result<Store, StartError> {
        let place = std::env::temp_dir();
        let failed = |error: io::Error| {
            let deed = format!(
                "make a spool in {} (--spool-dir PATH gives another place)",
                place.display()
            );
            StartError::failed(deed, error)
        };
        sweep_temporary(&place);
        let root = make_temporary(&place).map_err(failed)?;
        let lock = lock(&root).and_then(|lock| lock.ok_or(io::ErrorKind::WouldBlock.into()));
        Ok(Store {
            _lock: lock.map_err(failed)?,
            root,
            temporary: true,
        })
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
        make(&directory)?;
        Ok(directory)
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
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.root)
        {
            log::warn!("remove {:?}: {error}", self.root);
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

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// A new directory in `place` that only we can open.
fn make_temporary(place: &Path) -> io::Result<PathBuf> {
    for n in 0..TEMPORARY_TRIES_MAX {
        let root = place.join(format!("{TEMPORARY}{}-{n}", std::process::id()));
        // Never one that is there: it may belong to somebody else.
        match DirBuilder::new().mode(0o700).create(&root) {
            Ok(()) => return Ok(root),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The lock of a store; `None` where another process holds it.
fn lock(root: &Path) -> io::Result<Option<Flock<File>>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(root.join("lock"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

/// Removes the temporary stores of daemons that were killed. One that was made a moment ago may not be locked yet.
fn sweep_temporary(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries {
        let is_store = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let is_old = || {
            let made = entry.metadata().and_then(|stat| stat.modified());
            made.is_ok_and(|made| made.elapsed().is_ok_and(|ago| ago > TEMPORARY_KEPT))
        };
        if is_store
            && is_old()
            && entry.path().join("lock").is_file()
            && let Ok(Some(_lock)) = lock(&entry.path())
        {
            // What belongs to somebody else stays.
            let _ = fs::remove_dir_all(entry.path());
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
