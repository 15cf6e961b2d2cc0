//! The containers of a Docker: which there are, what they are called, and where each one's log is. Read from its data
//! root as it lies there; the daemon is not asked.
//!
//! `containers/ID/config.v2.json` has the name, which changes when the container is renamed: Docker writes another file
//! and moves it there. The log of the json-file driver is `containers/ID/ID-json.log`. That of the local driver stands
//! in `containers/ID/local-logs`, and is binary: it is shown as a file that can't be followed, with the reason.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde::Deserialize;

use crate::limits::{CONTAINER_CONFIG_BYTES, FILES_MAX, SAFETY_LOOK, SAFETY_LOOK_TRUSTED};

use super::trail::trail;
use super::watches::{User, Watches};

/// What Docker says of a container: the file that is made anew whenever something of it changes.
const CONFIG: &str = "config.v2.json";

/// A scan takes at most one part in this many of the watcher's time.
const SCAN_SHARE: u32 = 20;

/// A container, and where its log is or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) log: PathBuf,
}

/// The containers of one data root.
#[derive(Debug)]
pub(super) struct Containers {
    /// Its place in the watcher's list.
    index: usize,
    directory: PathBuf,
    steps: Vec<(i32, User)>,
    /// What was read of each container, by the directory's name.
    read: HashMap<OsString, Known>,
    /// Containers by name, as they were last found.
    pub(super) found: HashMap<String, PathBuf>,
    /// When to scan again, whatever happens.
    scan_at: Instant,
    /// Something may have changed.
    pub(super) due: bool,
    /// But not before then.
    not_before: Instant,
    failed: bool,
}

/// What was read of a container, and of which state of its config.
#[derive(Debug)]
struct Known {
    stamp: (u64, Option<SystemTime>),
    container: Option<Container>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Name")]
    name: String,
}

impl Containers {
    pub(super) fn new(index: usize, root: &Path) -> Containers {
        let now = Instant::now();
        Containers {
            index,
            directory: root.join("containers"),
            steps: Vec::new(),
            read: HashMap::new(),
            found: HashMap::new(),
            scan_at: now,
            due: true,
            not_before: now,
            failed: false,
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

    /// Where a name leads that no container has.
    pub(super) fn nowhere(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The containers that there are now, by name. Arm first, look second. Blocks on the disk.
    pub(super) fn scan(&mut self, watches: &mut Watches) -> HashMap<String, PathBuf> {
        let begun = Instant::now();
        self.due = false;
        let mut armed = true;
        let mut steps = Vec::new();
        let mut watch = |directory: &Path, component: &OsStr| {
            let user = User::Container(self.index, component.to_owned());
            match watches.directory(user.clone(), directory) {
                Some(id) => steps.push((id, user)),
                None => armed = false,
            }
        };
        for (directory, name) in trail(&self.directory).steps {
            watch(&directory, &name);
        }
        watch(&self.directory, OsStr::new("*"));
        let mut found = HashMap::new();
        let mut read = HashMap::new();
        match entries(&self.directory) {
            Ok(ids) => {
                self.failed = false;
                for id in ids {
                    let directory = self.directory.join(&id);
                    watch(&directory, OsStr::new(CONFIG));
                    let known = self.read.remove(&id);
                    let known = look_at(&directory, &id, known);
                    if let Some(Container { name, log }) = &known.container {
                        found.insert(name.clone(), log.clone());
                    }
                    read.insert(id, known);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    let hint = match error.kind() {
                        io::ErrorKind::PermissionDenied => {
                            ": containers' logs are root's, see read-all.conf among the unit's examples"
                        }
                        _ => ": waiting for it",
                    };
                    log::warn!("{:?} can't be read ({error}){hint}", self.directory);
                }
            }
        }
        watches.keep(&self.steps, &steps);
        (self.steps, self.read) = (steps, read);
        let now = Instant::now();
        self.not_before = now + (now - begun) * SCAN_SHARE;
        self.scan_at = now
            + match armed {
                true => SAFETY_LOOK_TRUSTED,
                false => SAFETY_LOOK,
            };
        found
    }
}

/// The names of the directories in `directory`, sorted.
fn entries(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut ids: Vec<OsString> = fs::read_dir(directory)?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name())
        .take(FILES_MAX)
        .collect();
    ids.sort();
    Ok(ids)
}

/// What there is of the container in `directory`, read again only where its config has changed.
fn look_at(directory: &Path, id: &OsStr, known: Option<Known>) -> Known {
    use std::os::unix::fs::MetadataExt;
    let path = directory.join(CONFIG);
    let stamp = fs::metadata(&path).map_or((0, None), |stat| (stat.ino(), stat.modified().ok()));
    let known = known.filter(|known| {
        // The local driver makes its directory when the container starts.
        let exists = |container: &Container| container.log.exists();
        known.stamp == stamp && known.container.as_ref().is_some_and(exists)
    });
    if let Some(known) = known {
        return known;
    }
    let container = name_in(&path).map(|name| Container {
        name,
        log: log_in(directory, id),
    });
    Known { stamp, container }
}

/// The container's name, as Docker has it, without the slash.
fn name_in(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(CONTAINER_CONFIG_BYTES)
        .read_to_end(&mut text)
        .ok()?;
    let config: Config = serde_json::from_slice(&text).ok()?;
    let name = config.name.strip_prefix('/').unwrap_or(&config.name);
    (!name.is_empty()).then(|| name.to_owned())
}

fn log_in(directory: &Path, id: &OsStr) -> PathBuf {
    let local = directory.join("local-logs/container.log");
    if local.exists() {
        return local;
    }
    let mut name = id.to_owned();
    name.push("-json.log");
    directory.join(name)
}
