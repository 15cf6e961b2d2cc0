//! What the kernel tells us: one inotify instance for everything, and who is to be told by each watch.
//!
//! Two paths to one inode get the *same* watch descriptor, and adding it again replaces its mask. So a watch is one
//! thing with all its users: for a file the followers that hold it, for a directory a map of the names looked up in
//! it, so that an event costs the same however many names there are. One constant mask for files, one for directories.
//!
//! The kernel tells in order what comes to stand under a name, and where it is moved. Both are passed on to the
//! follower of the name ([`Told`]): it then finds files that it had no time to see, whatever they are called now.
//!
//! An event only says whom to look at. What is lost (an overflow of the queue, a limit that was hit) makes looking
//! slower, never wrong.

mod watch;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{Event, EventMask, Inotify, WatchMask};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::limits::EVENTS_BYTES;

pub(super) use watch::{BY_LINK, Told, What};

use watch::{Flying, Watch};

/// Who wants to know what a watch tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum User {
    /// The follower holds this file.
    File(usize),
    /// The follower has done with this file.
    Sealed(usize),
    /// The follower's path looks this name up in this directory.
    Name(usize, OsString),
    /// The follower's file itself is looked up in this directory, by this name.
    Entry(usize, OsString),
    /// The glob looks up names in this directory that match this component.
    Component(usize, OsString),
    /// The containers' scan looks up names in this directory that match this component.
    Container(usize, OsString),
}

/// Whom an event concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    /// A follower's file was written to.
    Wrote(usize),
    /// Something else happened to a follower's file.
    File(usize),
    /// A file that a follower has done with, that of this watch, was written to.
    WroteLate(usize, i32),
    /// A directory on a follower's path: what is watched may have to change.
    Path(usize),
    /// The name of a follower's file may lead elsewhere.
    Entry(usize),
    /// What happened to a follower's name, or to a file that stood under it.
    Told(usize, Told),
    /// The file of the first follower's name was moved to the name of the second.
    HandedOver(usize, usize),
    /// A glob: something about this name in the directory of this watch, or about the directory itself.
    Glob(usize, i32, Option<OsString>),
    /// The containers of a Docker.
    Containers(usize),
    /// Events were lost: everyone.
    All,
}

/// The program's watches.
pub(super) struct Watches {
    /// None where the kernel gave none: everything is polled.
    inotify: Option<Inotify>,
    by_id: HashMap<i32, Watch>,
    /// Those of files that somebody has done with.
    sealed: BTreeSet<i32>,
    /// Files of followed names that are being moved, by the number of the rename, and after how many whole drains it began.
    flying: HashMap<u32, (u64, Vec<Flying>)>,
    /// All events were taken that had come when they were last asked for.
    is_drained: bool,
    /// How often they were.
    whole_drains: u64,
    /// The last event was a change of the number of links, or the like, of this watched file.
    touched: Option<i32>,
    buf: Vec<u8>,
    limit_said: bool,
}

/// The longest event: its head, and a name with its end (inotify(7)).
const EVENT_BYTES_MAX: usize = 16 + 255 + 1;

/// The one mask of files.
fn file_mask() -> WatchMask {
    WatchMask::MODIFY | WatchMask::ATTRIB | WatchMask::MOVE_SELF | WatchMask::DELETE_SELF
}

/// The one mask of directories.
fn directory_mask() -> WatchMask {
    WatchMask::CREATE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE
        | WatchMask::ATTRIB
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR
}

impl Watches {
    /// The program's one instance; without one (`poll_only`, or the kernel's limit) everything is polled.
    pub(super) fn new(poll_only: bool) -> Watches {
        let inotify = if poll_only {
            None
        } else {
            Inotify::init()
                .inspect_err(|e| match e.raw_os_error() {
                    Some(code) if code == Errno::EMFILE as i32 => log::warn!(
                        "no inotify instance is left for this user: files are polled every few seconds; \
                         a higher fs.inotify.max_user_instances would help"
                    ),
                    _ => log::warn!("inotify: {e}: files are polled every few seconds"),
                })
                .ok()
        };
        Watches {
            inotify,
            by_id: HashMap::new(),
            sealed: BTreeSet::new(),
            flying: HashMap::new(),
            is_drained: true,
            whole_drains: 0,
            touched: None,
            buf: vec![0; EVENTS_BYTES],
            limit_said: false,
        }
    }

    /// What to poll for events.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Watches the open `file` for `user`: just that inode, whatever its name is by now.
    pub(super) fn file(&mut self, user: User, file: &File, path: &Path) -> Option<i32> {
        let exact = format!("/proc/self/fd/{}", file.as_raw_fd());
        let id = self.add(user.clone(), Path::new(&exact), file_mask());
        // Without /proc, its name has to do; where it leads elsewhere by now, the events are merely of no use.
        id.or_else(|| match Path::new("/proc/self/fd").exists() {
            true => None,
            false => self.add(user, path, file_mask()),
        })
    }

    /// Watches a directory for `user`.
    pub(super) fn directory(&mut self, user: User, path: &Path) -> Option<i32> {
        self.add(user, path, directory_mask())
    }

    /// The watch on the directory at `path`, where there is one. It is asked for as a further one and is that, then.
    pub(super) fn of_directory(&mut self, path: &Path) -> Option<i32> {
        let added = self.inotify.as_mut()?.watches().add(path, directory_mask());
        let descriptor = added.ok()?;
        let id = descriptor.get_watch_descriptor_id();
        if self.by_id.contains_key(&id) {
            return Some(id);
        }
        let _ = self.inotify.as_mut()?.watches().remove(descriptor);
        None
    }

    fn add(&mut self, user: User, path: &Path, mask: WatchMask) -> Option<i32> {
        let inotify = self.inotify.as_mut()?;
        let mut added = inotify.watches().add(path, mask);
        let is_full = |e: &io::Error| e.raw_os_error() == Some(Errno::ENOSPC as i32);
        if added.as_ref().is_err_and(is_full) && self.give_up_sealed() {
            added = self.inotify.as_mut()?.watches().add(path, mask);
        }
        match added {
            Ok(descriptor) => {
                let id = descriptor.get_watch_descriptor_id();
                if matches!(user, User::Sealed(_)) {
                    self.sealed.insert(id);
                }
                let watch = self
                    .by_id
                    .entry(id)
                    .or_insert_with(|| Watch::new(descriptor, path));
                // It may have been moved since.
                if watch.path.as_deref() != Some(path) {
                    watch.path = Some(path.to_owned());
                }
                watch.add(user);
                Some(id)
            }
            Err(e) => {
                self.refused(&e);
                None
            }
        }
    }

    /// Gives the oldest watch back that is only on a file which its followers have done with; whether there was one. What a
    /// laggard writes there is then seen by the last look at it.
    fn give_up_sealed(&mut self) -> bool {
        while let Some(id) = self.sealed.pop_first() {
            if self.by_id.get(&id).is_some_and(Watch::is_of_sealed) {
                self.remove(id);
                return true;
            }
        }
        false
    }

    fn remove(&mut self, id: i32) {
        self.sealed.remove(&id);
        if let Some(watch) = self.by_id.remove(&id) {
            if let Some(inotify) = &mut self.inotify {
                // It may be gone with its inode already (EINVAL).
                let _ = inotify.watches().remove(watch.descriptor);
            }
        }
    }

    /// Says once which limit was hit; everything else is the race of a path that changes as we walk it.
    fn refused(&mut self, error: &io::Error) {
        if error.raw_os_error() == Some(Errno::ENOSPC as i32) && !self.limit_said {
            self.limit_said = true;
            log::warn!(
                "no inotify watch is left for this user: files without one are polled every few seconds; \
                 a higher fs.inotify.max_user_watches would help"
            );
        }
    }

    /// The user does not need that watch any more.
    pub(super) fn release(&mut self, id: i32, user: &User) {
        let Some(watch) = self.by_id.get_mut(&id) else {
            return;
        };
        watch.remove(user);
        if watch.is_unused() {
            self.remove(id);
        }
    }

    /// A user goes on with the watches `now`: those of its watches `before` that are not among them are released.
    pub(super) fn keep(&mut self, before: &[(i32, User)], now: &[(i32, User)]) {
        for step in before.iter().filter(|step| !now.contains(step)) {
            self.release(step.0, &step.1);
        }
    }

    /// Where the file called `name` in a watched directory stands, unless that is the own name of another follower
    /// than `follower`.
    pub(super) fn place(&self, directory: i32, name: &OsString, follower: usize) -> Place {
        let Some(watch) = self.by_id.get(&directory) else {
            return Place::Unknown;
        };
        let Some(path) = &watch.path else {
            return Place::Unknown;
        };
        let mut others = watch.entries(name);
        match others.any(|other| other != follower) && !watch.rotates_to(follower, name) {
            true => Place::OfAnother,
            false => Place::At(path.join(name)),
        }
    }

    /// Sees where a watched directory stands: where it did, or at one of `places`.
    pub(super) fn find_again(&mut self, directory: i32, places: &[PathBuf]) {
        let known = self.by_id.get(&directory).and_then(|of| of.path.clone());
        let mut all = known.iter().chain(places);
        let stands = all.find(|place| self.of_directory(place) == Some(directory));
        if let Some(watch) = self.by_id.get_mut(&directory) {
            watch.path = stands.cloned();
        }
    }

    /// Whether a file that stood under a followed name is called `name` now.
    pub(super) fn is_tracked(&self, directory: i32, name: &OsString) -> bool {
        let watch = self.by_id.get(&directory);
        watch.is_some_and(|watch| watch.is_tracked(name))
    }

    /// The follower does not want to know any more what becomes of the file called `name`.
    pub(super) fn untrack(&mut self, directory: i32, name: &OsString, follower: usize) {
        if let Some(watch) = self.by_id.get_mut(&directory) {
            watch.untrack(name, follower);
        }
    }

    /// Whether all events were taken that had come when this was last asked for them.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// How often all events were taken that had come.
    pub(super) fn whole_drains(&self) -> u64 {
        self.whole_drains
    }

    /// Whether events have come that were not taken.
    pub(super) fn has_waiting(&self) -> bool {
        let Some(inotify) = self.fd() else {
            return false;
        };
        let mut fds = [PollFd::new(inotify, PollFlags::POLLIN)];
        !self.is_drained
            || nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Takes a buffer of the events that have come, without waiting, and tells whom they concern; whether there may be
    /// more.
    pub(super) fn take_some(&mut self, hit: &mut dyn FnMut(Hit)) -> bool {
        let Some(mut inotify) = self.inotify.take() else {
            self.whole_drains += 1;
            return false;
        };
        let mut buf = std::mem::take(&mut self.buf);
        let mut bytes_most = 0;
        match inotify.read_events(&mut buf) {
            Ok(events) => {
                for event in events {
                    bytes_most += EVENT_BYTES_MAX;
                    self.take_event(event, hit);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => bytes_most = EVENTS_BYTES,
            Err(_) => {}
        }
        // The buffer was not full, so the queue is empty: skip the read that would return EAGAIN.
        self.is_drained = bytes_most + EVENT_BYTES_MAX <= EVENTS_BYTES;
        if self.is_drained {
            // Both ends of a rename come right after each other: what has not arrived by now went out of our sight, unless
            // it began after the queue was last empty.
            let drains = self.whole_drains;
            self.flying.retain(|_, (begun, _)| *begun == drains);
            self.whole_drains += 1;
        }
        self.buf = buf;
        self.inotify = Some(inotify);
        !self.is_drained
    }

    fn take_event(&mut self, event: Event<&std::ffi::OsStr>, hit: &mut dyn FnMut(Hit)) {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            self.flying.clear();
            hit(Hit::All);
            return;
        }
        let id = event.wd.get_watch_descriptor_id();
        let touched = self.touched.take();
        let Some(name) = event.name else {
            if event.mask.contains(EventMask::ATTRIB) {
                self.touched = Some(id);
            }
            if let Some(watch) = self.by_id.get(&id) {
                watch.tell_itself(id, event.mask, hit);
            }
            if event.mask.contains(EventMask::IGNORED) {
                self.by_id.remove(&id);
                self.sealed.remove(&id);
            }
            return;
        };
        let linked = touched
            .and_then(|file| self.by_id.get(&file))
            .map(|watch| watch.files.clone());
        let Some(watch) = self.by_id.get_mut(&id) else {
            return;
        };
        watch.tell_lookups(name, hit);
        let what = match event.mask {
            mask if mask.contains(EventMask::CREATE) => Some(What::Made),
            mask if mask.contains(EventMask::MOVED_TO) => Some(What::MovedIn(event.cookie)),
            mask if mask.contains(EventMask::MOVED_FROM) => Some(What::MovedOut(event.cookie)),
            mask if mask.contains(EventMask::DELETE) => Some(What::Deleted),
            _ => None,
        };
        if let Some(what) = what {
            watch.tell_name(
                id,
                name,
                what,
                linked.as_deref(),
                &mut self.flying,
                self.whole_drains,
                hit,
            );
        }
        watch.tell_patterns(id, name, hit);
    }
}

/// Where a file stands that was moved from a followed name.
#[derive(Debug)]
pub(super) enum Place {
    /// Here.
    At(PathBuf),
    /// Under the name of another follower, to whom it belongs now.
    OfAnother,
    /// The directory is not watched any more, or was moved out of sight.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_watch_of_a_file_that_is_done_with_makes_room() {
        let mut watches = Watches::new(false);
        let files = [(); 3].map(|()| tempfile::NamedTempFile::new().expect("a file"));
        let mut watch = |user, at: usize| {
            let file = &files[at];
            let id = watches.file(user, file.as_file(), file.path());
            id.expect("a watch")
        };
        let held = watch(User::File(0), 0);
        assert_eq!(watch(User::Sealed(1), 0), held, "the same file");
        let older = watch(User::Sealed(0), 1);
        let younger = watch(User::Sealed(0), 2);
        assert!(watches.give_up_sealed());
        assert!(!watches.by_id.contains_key(&older));
        watches.release(younger, &User::Sealed(0));
        assert!(!watches.give_up_sealed(), "the other one is held");
        assert!(watches.by_id.contains_key(&held));
    }
}
