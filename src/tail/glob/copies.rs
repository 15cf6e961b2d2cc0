//! Copies of followed logs that come to stand beside them under names that a pattern matches (logrotate's `copytruncate`,
//! `copy` and `renamecopy`): their lines have come under the names of the logs.
//!
//! A file that has a rotated name of a log and begins as that does is a copy, as far as it is filled. It is looked at again
//! until nothing was written to it for a while; once it holds what the log did not hold, it is a log of its own.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::limits::QUIET_MAX;
use crate::source::{Identity, identity, since};
use crate::tail::others::until_copy_look;

use super::directories::Directory;
use super::{Glob, Scan};

/// When to look at which name.
type Look = (Instant, Directory, OsString);

/// A file that is a copy, as far as it is filled.
#[derive(Debug)]
struct Copy {
    /// Its length when it was last looked at, and since when it has it.
    bytes: u64,
    changed: Instant,
    look: Option<Look>,
    /// The round in which it was seen last.
    round: u64,
}

/// The copies that a pattern matches.
#[derive(Debug, Default)]
pub(super) struct Copies {
    all: HashMap<Identity, Copy>,
    looks: BTreeSet<Look>,
}

impl Copies {
    /// When the next look is due.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.looks.first().map(|(at, ..)| *at)
    }

    /// The names that are to be looked at now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Directory, OsString)> {
        let mut due = Vec::new();
        while self.look_at().is_some_and(|at| at <= now) {
            let first = self.looks.pop_first();
            due.extend(first.map(|(_, directory, name)| (directory, name)));
        }
        due
    }

    /// Those that were not seen since that round are gone.
    pub(super) fn forget_before(&mut self, round: u64) {
        let looks = &mut self.looks;
        self.all.retain(|_, copy| {
            let stays = copy.round >= round;
            if let Some(look) = copy.look.take_if(|_| !stays) {
                looks.remove(&look);
            }
            stays
        });
    }

    fn remove(&mut self, identity: &Identity) {
        let look = self.all.remove(identity).and_then(|copy| copy.look);
        if let Some(look) = look {
            self.looks.remove(&look);
        }
    }
}

impl Glob {
    /// Whether the file `name` is a copy of a followed log, or may be one that is being made. Blocks on the disk.
    pub(super) fn is_copy(
        &mut self,
        directory: &Directory,
        name: &OsStr,
        stat: &Metadata,
        scan: &Scan,
    ) -> bool {
        let (of, bytes, now) = (Identity::of(stat), stat.len(), Instant::now());
        let copies = &mut self.copies;
        let seen = copies.all.get(&of);
        let seen = seen.map(|copy| (copy.bytes, copy.changed));
        let is_as_seen = seen.is_some_and(|(seen, _)| seen == bytes);
        // The log may be another one by now than it was copied from.
        let stays = is_as_seen && bytes > 0;
        let may_be_copy = || {
            let path = directory.path.join(name);
            scan.others.may_be_copied_to(&path, bytes)
        };
        let is_copy = stays || may_be_copy();
        copies.remove(&of);
        if !is_copy {
            return false;
        }
        let changed = seen.filter(|_| is_as_seen).map_or(now, |(_, at)| at);
        let quiet = now.duration_since(changed);
        let look = (bytes == 0 || quiet < QUIET_MAX).then(|| {
            let at = now + until_copy_look(quiet);
            (at, directory.clone(), name.to_owned())
        });
        copies.looks.extend(look.clone());
        let copy = Copy {
            bytes,
            changed,
            look,
            round: self.round,
        };
        copies.all.insert(of, copy);
        true
    }
}

/// Whether `copy` was made of what `log` held before that was truncated: its lines are older than
/// itself, and nothing was written to it once the log began anew. Without times in its lines that is not to be told. Blocks
/// on the disk.
pub(super) fn was_copied(copy: &Path, log: &Path) -> bool {
    let opened = |path: &Path| {
        let (file, _) = identity::open_beside(path).ok()?;
        let stat = file.metadata().ok()?;
        Some((file, stat))
    };
    let Some(((copy, stat), (log, log_stat))) = opened(copy).zip(opened(log)) else {
        return false;
    };
    let Ok((born, written)) = stat.created().and_then(|born| Ok((born, stat.modified()?))) else {
        return false;
    };
    let begins_anew = match log_stat.len() {
        0 => log_stat.modified().ok(),
        _ => first_time(&log),
    };
    first_time(&copy).is_some_and(|first| first + QUIET_MAX < born)
        && begins_anew.is_some_and(|begins| born.max(written) <= begins + QUIET_MAX)
}

fn first_time(file: &File) -> Option<SystemTime> {
    let nanoseconds = u64::try_from(since::first_time(file)?).ok()?;
    Some(UNIX_EPOCH + Duration::from_nanos(nanoseconds))
}
