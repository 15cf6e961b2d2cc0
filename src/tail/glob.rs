//! A pattern on the command line: which files match it now, and in which directories to watch for more.
//!
//! The directories in which names are looked up for a pattern are known one by one, each with its watch. An event names
//! a directory and a name in it, and only that name is looked at: so ten thousand files or directories that come one
//! after the other cost ten thousand looks, not their square. What is still to be looked at is worked off in turns.

mod copies;
mod directories;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Instant, SystemTime};

use crate::limits::{ENTRIES_AT_A_TIME, FILES_MAX, QUIET_MAX, SAFETY_LOOK, SAFETY_LOOK_TRUSTED};
use crate::pattern;
use crate::source::Identity;
use crate::source::mark::{self, plain_names};

use copies::Copies;
use directories::Directory;

use super::identity::Known;
use super::others::Others;
use super::trail::trail;
use super::watches::{User, Watches};

/// What a scan works with.
pub(super) struct Scan<'a> {
    pub(super) watches: &'a mut Watches,
    pub(super) known: &'a Known,
    pub(super) others: Others<'a>,
    /// Files that may be followed at once.
    pub(super) files_max: usize,
    /// When the rest is left to the next turn.
    pub(super) until: Option<Instant>,
}

/// One pattern.
#[derive(Debug)]
pub(super) struct Glob {
    index: usize,
    path: PathBuf,
    /// What stands before its first component that is a pattern, and the components from there on.
    base: PathBuf,
    parts: Vec<OsString>,
    /// The watches on the way to the base.
    steps: Vec<(i32, User)>,
    /// The directories in which names are looked up, and the watches on them.
    directories: HashMap<Directory, Option<i32>>,
    by_watch: HashMap<i32, Vec<Directory>>,
    todo: VecDeque<Todo>,
    /// Files that match and are nobody's, of a directory that is being read.
    found: Vec<Match>,
    /// Files that match and were somebody else's when they were first seen: rotated, or another name of the same. With
    /// the round in which they were seen last.
    others: HashMap<Identity, u64>,
    copies: Copies,
    /// Files that may have been rotated just now, of which events that wait will tell: with the whole drains of all events
    /// before they were first seen. Their names are looked at in the next scan.
    unsure: HashMap<Identity, u64>,
    later: Vec<Todo>,
    round: u64,
    /// When to look at everything again, whatever happens.
    scan_at: Instant,
    full_said: bool,
    /// Files wait until others are gone.
    waiting: bool,
}

/// What is to be looked at.
#[derive(Debug)]
enum Todo {
    /// The base may be another directory: everything.
    Base,
    /// All names in a directory.
    All(Directory),
    /// The rest of them.
    Rest(Directory, fs::ReadDir),
    /// One name in a directory.
    Name(Directory, OsString),
    /// Everything was looked at.
    Round(u64),
}

impl Glob {
    pub(super) fn new(index: usize, path: PathBuf) -> Glob {
        let is_literal = |part: &Component| !pattern::is_pattern(part.as_os_str());
        let base: PathBuf = path.components().take_while(is_literal).collect();
        let parts = path.components().skip_while(is_literal);
        Glob {
            index,
            base,
            parts: parts.map(|part| part.as_os_str().to_owned()).collect(),
            path,
            steps: Vec::new(),
            directories: HashMap::new(),
            by_watch: HashMap::new(),
            todo: VecDeque::from([Todo::Base]),
            found: Vec::new(),
            others: HashMap::new(),
            copies: Copies::default(),
            unsure: HashMap::new(),
            later: Vec::new(),
            round: 0,
            scan_at: Instant::now(),
            full_said: false,
            waiting: false,
        }
    }

    /// When it wants to be scanned.
    pub(super) fn wants(&self) -> Option<Instant> {
        let scan_at = self.copies.look_at().map(|at| at.min(self.scan_at));
        self.todo
            .is_empty()
            .then_some(scan_at.unwrap_or(self.scan_at))
    }

    /// Whether it is to be scanned now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wants().is_none_or(|at| at <= now)
    }

    /// Whether something may have changed that was not yet looked at.
    pub(super) fn is_behind(&self) -> bool {
        !self.todo.is_empty()
    }

    /// Anything may have changed.
    pub(super) fn look_at_all(&mut self) {
        self.todo.clear();
        self.todo.push_back(Todo::Base);
    }

    /// A file is not followed any more: one that waits may take its place.
    pub(super) fn look_for_waiting(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.look_at_all();
        }
    }

    /// Something happened to this name in the directory of that watch, or to the directory itself.
    pub(super) fn tell(&mut self, watch: i32, name: Option<OsString>) {
        for directory in self.by_watch.get(&watch).into_iter().flatten() {
            self.todo.push_back(match &name {
                Some(name) => Todo::Name(directory.clone(), name.clone()),
                None => Todo::All(directory.clone()),
            });
        }
        let is_step = |(id, user): &(i32, User)| {
            *id == watch
                && match (user, &name) {
                    (User::Component(_, own), Some(name)) => own == name,
                    _ => true,
                }
        };
        if self.steps.iter().any(is_step) {
            self.look_at_all();
        }
    }

    /// What it calls the file that stands at `path`, if it matches. Where nothing is watched, its directories are looked
    /// through one by one.
    pub(super) fn path_of(&self, path: &Path, watches: &mut Watches) -> Option<PathBuf> {
        let (beside, name) = path.parent().zip(path.file_name())?;
        let takes = |directory: &&Directory| {
            let part = directory.part;
            part + 1 == self.parts.len() && pattern::matches(&self.parts[part], name)
        };
        let is_there = |directory: &&Directory| {
            let real = fs::canonicalize(directory.real());
            real.is_ok_and(|real| real == beside)
        };
        let found = match watches.fd().is_some() {
            true => {
                let watch = watches.of_directory(beside)?;
                self.by_watch.get(&watch)?.iter().find(takes)
            }
            false => self.directories.keys().filter(takes).find(is_there),
        };
        found.map(|directory| directory.path.join(name))
    }

    /// Files that match and are nobody's yet, sorted, as far as the time reaches. Blocks on the disk.
    pub(super) fn scan(&mut self, now: Instant, scan: &mut Scan) -> Vec<PathBuf> {
        if self.todo.is_empty() && self.scan_at <= now {
            self.look_at_all();
        }
        let copies = self.copies.due(now).into_iter();
        self.todo
            .extend(copies.map(|(directory, name)| Todo::Name(directory, name)));
        while let Some(todo) = self.todo.pop_front() {
            match todo {
                Todo::Base => self.look_at_base(scan),
                Todo::All(directory) => self.look_at_directory(&directory, scan),
                Todo::Rest(directory, entries) => self.look_at_entries(directory, entries, scan),
                Todo::Name(directory, name) => {
                    if self.directories.contains_key(&directory)
                        && pattern::matches(&self.parts[directory.part], &name)
                    {
                        self.look_at_name(&directory, &name, scan);
                    }
                }
                Todo::Round(round) => {
                    self.others.retain(|_, seen| *seen >= round);
                    self.copies.forget_before(round);
                }
            }
            if scan.until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
        }
        match self.later.is_empty() {
            true if self.todo.is_empty() => self.unsure.clear(),
            _ => self.todo.extend(self.later.drain(..)),
        }
        // Two names of one file are told apart only once all names are read.
        if matches!(self.todo.front(), Some(Todo::Rest(..))) {
            return Vec::new();
        }
        let mut new = std::mem::take(&mut self.found);
        new.sort_by(|(a_link, a, _), (b_link, b, _)| (a_link, a).cmp(&(b_link, b)));
        // Two names of one file that came at once: one of them, and not the link.
        let mut seen = HashSet::new();
        new.retain(|(_, _, identity)| seen.insert(*identity));
        let mut paths: Vec<PathBuf> = new.into_iter().map(|(_, path, _)| path).collect();
        paths.sort();
        paths
    }

    fn look_at_base(&mut self, scan: &mut Scan) {
        let mut steps = Vec::new();
        let mut armed = scan.watches.fd().is_some();
        if self.base.file_name().is_some() {
            for (directory, name) in trail(&self.base).steps {
                let user = User::Component(self.index, name);
                match scan.watches.directory(user.clone(), &directory) {
                    Some(id) => steps.push((id, user)),
                    None => armed = false,
                }
            }
        }
        scan.watches.keep(&self.steps, &steps);
        self.steps = steps;
        let mut all: Vec<Directory> = self.directories.keys().cloned().collect();
        all.sort();
        self.todo.extend(all.into_iter().map(Todo::All));
        let path = self.base.clone();
        self.enter(Directory { path, part: 0 });
        self.round += 1;
        self.todo.push_back(Todo::Round(self.round));
        self.scan_at = Instant::now()
            + match armed {
                true => SAFETY_LOOK_TRUSTED,
                false => SAFETY_LOOK,
            };
    }

    /// Arm first, look second.
    fn look_at_directory(&mut self, directory: &Directory, scan: &mut Scan) {
        if !self.directories.contains_key(directory) {
            return;
        }
        self.watch(directory, scan.watches);
        let component = self.parts[directory.part].clone();
        if !pattern::is_pattern(&component) {
            return self.look_at_name(directory, &component, scan);
        }
        let Ok(entries) = fs::read_dir(directory.real()) else {
            if directory.path != self.base && fs::metadata(directory.real()).is_err() {
                self.forget(directory, scan.watches);
            }
            return;
        };
        self.look_at_entries(directory.clone(), entries, scan);
    }

    /// Looks at the next names in a directory, and leaves the rest for after that.
    fn look_at_entries(&mut self, directory: Directory, mut entries: fs::ReadDir, scan: &mut Scan) {
        let component = self.parts[directory.part].clone();
        for _ in 0..ENTRIES_AT_A_TIME {
            let Some(entry) = entries.next() else {
                return;
            };
            let Ok(name) = entry.map(|entry| entry.file_name()) else {
                continue;
            };
            if pattern::matches(&component, &name) {
                self.look_at_name(&directory, &name, scan);
            }
        }
        self.todo.push_front(Todo::Rest(directory, entries));
    }

    fn look_at_name(&mut self, directory: &Directory, name: &OsStr, scan: &mut Scan) {
        let path = directory.path.join(name);
        let part = directory.part;
        let is_last = part + 1 == self.parts.len();
        let is_dir = match self.goes_deep(part) {
            // Not behind symbolic links, which may lead anywhere and back.
            true => fs::symlink_metadata(&path).is_ok_and(|stat| stat.is_dir()),
            false => !is_last && path.is_dir(),
        };
        if is_dir {
            let part = match self.goes_deep(part) {
                true => part,
                false => part + 1,
            };
            let below = Directory { path, part };
            match self.directories.contains_key(&below) {
                true => self.todo.push_back(Todo::All(below)),
                false => self.enter(below),
            }
        } else if is_last {
            let found = self.look_at_file(directory, name, path, scan);
            self.found.extend(found);
        }
    }

    fn look_at_file(
        &mut self,
        directory: &Directory,
        name: &OsStr,
        path: PathBuf,
        scan: &Scan,
    ) -> Option<Match> {
        if scan.others.names.has(&path) || self.is_compressed(&path) {
            return None;
        }
        let stat = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        let identity = Identity::of(&stat);
        let watch = self.directories.get(directory).copied().flatten();
        // A rotated name of a file that is followed, or another link to it: not a new file, now and later.
        if scan.known.has(&identity)
            || self.others.contains_key(&identity)
            || watch.is_some_and(|watch| scan.watches.is_tracked(watch, &name.to_owned()))
            || self.is_rotated(&directory.path, name, &stat)
        {
            self.others.insert(identity, self.round);
            return None;
        }
        if self.is_unsure(directory, name, &identity, scan) {
            self.later
                .push(Todo::Name(directory.clone(), name.to_owned()));
            return None;
        }
        if self.is_copy(directory, name, &stat, scan) {
            return None;
        }
        if scan.others.names.len() + self.found.len() >= scan.files_max {
            if !std::mem::replace(&mut self.full_said, true) {
                log::warn!(
                    "{:?} matches more files than the {} that can be followed at once (at most {FILES_MAX}, and as \
                     many as descriptors allow: LimitNOFILE= of the unit, ulimit -Hn): the rest waits until some are \
                     gone",
                    self.path,
                    scan.files_max
                );
            }
            self.waiting = true;
            return None;
        }
        let is_link = fs::symlink_metadata(&path).is_ok_and(|stat| stat.is_symlink());
        Some((is_link, path, identity))
    }

    /// Whether events that wait may tell that the file was rotated to this name just now: it has a rotated name of a file
    /// that is followed, and no drain of all events has come since it was first seen.
    fn is_unsure(
        &mut self,
        directory: &Directory,
        name: &OsStr,
        identity: &Identity,
        scan: &Scan,
    ) -> bool {
        let is_followed = |plain: &OsString| scan.others.names.has(&directory.path.join(plain));
        // At the start it is told by what stands there.
        if scan.until.is_none() || !plain_names(name).iter().any(is_followed) {
            return false;
        }
        let drains = scan.watches.whole_drains();
        *self.unsure.entry(*identity).or_insert(drains) == drains
    }

    /// Whether the file `name` is a rotated one of a file that this pattern matches, too: it has its name and a mark, is
    /// the older of the two, and was done with when the other began. Where numbers count up it is the younger. A copy is
    /// younger as well, but its lines are older.
    fn is_rotated(&self, directory: &Path, name: &OsStr, stat: &Metadata) -> bool {
        let born = |stat: &Metadata| stat.created().or_else(|_| stat.modified()).ok();
        let modified = stat.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let last = self.parts.last();
        plain_names(name).into_iter().any(|plain| {
            last.is_some_and(|part| pattern::matches(part, &plain))
                && fs::metadata(directory.join(&plain)).is_ok_and(|other| {
                    let began = born(&other);
                    match born(stat) <= began {
                        _ if !other.is_file() => false,
                        true => began.is_some_and(|began| modified <= began + QUIET_MAX),
                        false => copies::was_copied(&directory.join(name), &directory.join(&plain)),
                    }
                })
        })
    }

    fn is_compressed(&self, path: &Path) -> bool {
        let ending = |path: &Path| mark::compressed_ending(path.as_os_str().as_bytes());
        !ending(path).is_empty() && ending(path) != ending(&self.path)
    }
}

/// A file that matches: whether it is a link, where, and which.
type Match = (bool, PathBuf, Identity);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Hub;
    use crate::tail::names::Names;
    use crate::tail::others::Followers;

    #[test]
    fn whether_a_file_was_just_rotated_is_known_once_all_events_are_taken_that_waited() {
        let dir = tempfile::tempdir().expect("a directory");
        let hub = Hub::new(100).expect("a hub");
        let mut names = Names::default();
        names.add(&dir.path().join("a.log"), 0, &hub);
        let (mut watches, known) = (Watches::new(false), Known::default());
        let mut glob = Glob::new(0, dir.path().join("a*"));
        let scan = |glob: &mut Glob, watches: &mut Watches| {
            let now = Instant::now();
            let mut scan = Scan {
                watches,
                known: &known,
                others: Others {
                    names: &names,
                    followers: &Followers::new(),
                },
                files_max: 10,
                until: Some(now + QUIET_MAX),
            };
            glob.scan(now, &mut scan)
        };
        assert!(scan(&mut glob, &mut watches).is_empty());
        for name in ["a.log.1", "and another.log"] {
            fs::write(dir.path().join(name), "").expect("write");
        }
        glob.look_at_all();
        let other = dir.path().join("and another.log");
        assert_eq!(scan(&mut glob, &mut watches), [other]);
        assert!(glob.is_behind());
        while watches.take_some(&mut |_| {}) {}
        let rotated = dir.path().join("a.log.1");
        assert_eq!(scan(&mut glob, &mut watches), [rotated]);
        assert!(!glob.is_behind() && glob.unsure.is_empty());
    }

    #[test]
    fn a_large_directory_is_read_in_slices_and_its_files_are_found_together() {
        let dir = tempfile::tempdir().expect("a directory");
        let count = 3 * ENTRIES_AT_A_TIME + 1;
        for n in 0..count {
            fs::write(dir.path().join(format!("{n}.log")), "").expect("write");
        }
        let (mut watches, known, names) = (Watches::new(false), Known::default(), Names::default());
        let mut glob = Glob::new(0, dir.path().join("*.log"));
        let mut slice = || {
            let now = Instant::now();
            let mut scan = Scan {
                watches: &mut watches,
                known: &known,
                others: Others {
                    names: &names,
                    followers: &Followers::new(),
                },
                files_max: 1000,
                // No more than one thing is done before the time is asked.
                until: Some(now),
            };
            glob.scan(now, &mut scan).len()
        };
        // The base, and then the names; at the end it is seen that there are no more.
        let slices: Vec<usize> = (0..5).map(|_| slice()).collect();
        assert_eq!(slices, [0, 0, 0, 0, count]);
    }
}
