//! What the kernel tells us: one inotify instance for everything, and who is to be told by each watch.
//!
//! Two paths to one inode get the *same* watch descriptor, and adding it again replaces its mask. So watches are
//! counted by descriptor, by who uses them, and there is one constant mask for files and one for directories.
//!
//! An event only says whom to look at. What is lost (an overflow of the queue, a limit that was hit) makes looking
//! slower, never wrong.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use nix::errno::Errno;

use crate::limits::{EVENT_READS_MAX, EVENTS_BYTES};
use crate::pattern;
use crate::source::mark::is_rotated_name;

/// Who wants to know what a watch tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum User {
    /// The follower holds this file.
    File(usize),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    /// A follower's file.
    Follower(usize),
    /// A follower's path: what is watched may have to change.
    Path(usize),
    /// A file was made (else moved) under a follower's name.
    Arrival(usize, bool),
    /// Files beside a follower's have changed that have rotated names.
    Siblings(usize),
    /// A glob.
    Glob(usize),
    /// The containers of a Docker.
    Containers(usize),
    /// Events were lost: everyone.
    All,
}

/// See the module.
pub(super) struct Watches {
    /// None where the kernel gave none: everything is polled.
    inotify: Option<Inotify>,
    by_id: HashMap<i32, Watch>,
    buf: Vec<u8>,
    limit_said: bool,
}

struct Watch {
    descriptor: WatchDescriptor,
    users: Vec<User>,
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

    fn add(&mut self, user: User, path: &Path, mask: WatchMask) -> Option<i32> {
        let inotify = self.inotify.as_mut()?;
        match inotify.watches().add(path, mask) {
            Ok(descriptor) => {
                let id = descriptor.get_watch_descriptor_id();
                let watch = self.by_id.entry(id).or_insert_with(|| Watch {
                    descriptor,
                    users: Vec::new(),
                });
                if !watch.users.contains(&user) {
                    watch.users.push(user);
                }
                Some(id)
            }
            Err(e) => {
                self.refused(&e);
                None
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
        watch.users.retain(|other| other != user);
        if watch.users.is_empty()
            && let Some(watch) = self.by_id.remove(&id)
            && let Some(inotify) = &mut self.inotify
        {
            // It may be gone with its inode already (EINVAL).
            let _ = inotify.watches().remove(watch.descriptor);
        }
    }

    /// Takes the events that have come, without waiting, and tells whom they concern.
    pub(super) fn drain(&mut self, hit: &mut dyn FnMut(Hit)) {
        let Some(inotify) = &mut self.inotify else {
            return;
        };
        for _ in 0..EVENT_READS_MAX {
            let events = match inotify.read_events(&mut self.buf) {
                Ok(events) => events,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let mut bytes_most = 0;
            for event in events {
                bytes_most += EVENT_BYTES_MAX;
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    hit(Hit::All);
                    continue;
                }
                let id = event.wd.get_watch_descriptor_id();
                let Some(watch) = self.by_id.get(&id) else {
                    continue;
                };
                for user in &watch.users {
                    if let Some(concerned) = concerned(user, event.name) {
                        hit(concerned);
                    }
                    if let (User::Entry(follower, name), Some(entry)) = (user, event.name)
                        && name == entry
                        && event
                            .mask
                            .intersects(EventMask::CREATE | EventMask::MOVED_TO)
                    {
                        let made = event.mask.contains(EventMask::CREATE);
                        hit(Hit::Arrival(*follower, made));
                    }
                }
                if event.mask.contains(EventMask::IGNORED) {
                    self.by_id.remove(&id);
                }
            }
            // There was room for one more, had there been one: the read that would say so is spared.
            if bytes_most + EVENT_BYTES_MAX <= EVENTS_BYTES {
                return;
            }
        }
    }
}

/// Whom an event that names an entry (or, with `None`, the watched thing itself) concerns.
fn concerned(user: &User, entry: Option<&OsStr>) -> Option<Hit> {
    match (user, entry) {
        (User::File(follower), _) => Some(Hit::Follower(*follower)),
        (User::Name(follower, _) | User::Entry(follower, _), None) => Some(Hit::Path(*follower)),
        (User::Name(follower, name) | User::Entry(follower, name), Some(entry))
            if name == entry =>
        {
            Some(Hit::Path(*follower))
        }
        (User::Name(..), Some(_)) => None,
        // A file that gets a rotated name: whatever it is, the next look notes when the name was still right, so that
        // a copy isn't taken for a generation that was missed.
        (User::Entry(follower, name), Some(entry)) => {
            is_rotated_name(name, entry).then_some(Hit::Siblings(*follower))
        }
        (User::Component(glob, _), None) => Some(Hit::Glob(*glob)),
        (User::Component(glob, component), Some(entry)) => {
            pattern::matches(component, entry).then_some(Hit::Glob(*glob))
        }
        (User::Container(at, _), None) => Some(Hit::Containers(*at)),
        (User::Container(at, component), Some(entry)) => {
            pattern::matches(component, entry).then_some(Hit::Containers(*at))
        }
    }
}
