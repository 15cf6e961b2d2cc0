//! Looks where an inode is that of a path: the path is opened anew and compared with the held file by what they hold.
//!
//! sshfs, mergerfs and bindfs know files by their paths. After a rotation behind the mount stat(2) says the same inode of
//! the held file and of the new one, both have the new one's length, and a read of the held one may give the new one's
//! pages out of the cache. But a read past the cache (O_DIRECT) goes to the file that was opened, as far as the new one
//! is long: it tells which of the two holds what was read before. The old file is then read on under the name that it was
//! moved to, which has an inode of its own.
//!
//! sshfs remembers names for 20 s. Rotated files that are numbered are found past that, by opening one number after the other.
//! One that is called otherwise, and was renamed after the names were listed, stays hidden: what its handle can't tell is a
//! gap. Without that cache (`-o dir_cache=no`) every line comes.

use std::fs::File;
use std::io;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};

use crate::hub::Change;
use crate::limits::{ANEW_BYTES, ANEW_EVERY};
use crate::source::forward::read_full;
use crate::source::{Gap, Identity, OpenFile};

use super::{Follower, Turn, lookup};
use crate::tail::identity::stamp_now;
use crate::tail::trace::{Fit, Trace};
use crate::tail::trust::Ground;
use crate::tail::watches::User;

/// A rotated file was not found, and its handle reads no further than the new file is long.
const OUT_OF_SIGHT: Gap = Gap {
    lost_bytes: None,
    reason: "renamed out of sight before its end was read",
};

/// What stands under a name, compared with the file that stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// The same file.
    Same,
    /// What goes on where that ended, in another file.
    Further,
    /// Another file.
    Other,
    /// The same file, truncated or rewritten.
    Rewritten,
    /// Nothing yet, in another file or a truncated one.
    Empty,
}

impl Follower {
    /// Opens the path anew where that alone tells what stands there. Whether the held file may be read then.
    pub(super) fn look_anew(&mut self, turn: &mut Turn) -> bool {
        if self.ground != Ground::Paths || turn.now < self.anew_at {
            return true;
        }
        self.anew_at = turn.now + ANEW_EVERY;
        let before = stamp_now();
        let path = self.source.path();
        let (Ok((file, identity)), Some((known, old, trace))) =
            (lookup::open(&path), self.newest_known())
        else {
            return true;
        };
        let modified = file.metadata().and_then(|stat| stat.modified());
        // A network that fails for a moment tells nothing.
        let Ok(mut stands) = stands(&trace, &old, &file, known.is_inode(&identity)) else {
            return false;
        };
        let mut beside = None;
        if matches!(stands, Stands::Other | Stands::Rewritten) {
            beside = trace.find_beside(&path);
            // A copy was made before it was truncated: what was not read yet stands there.
            if beside.as_ref().is_some_and(|copy| trace.goes_on_in(copy)) {
                stands = Stands::Other;
            }
        }
        match stands {
            Stands::Empty => return false,
            Stands::Rewritten if self.successors.is_empty() => self.truncated(turn),
            Stands::Same | Stands::Rewritten => {}
            Stands::Further => self.read_by(Arc::new(file), turn),
            Stands::Other => {
                let is_cut = beside.is_none() && is_cut(&old, &file);
                match beside {
                    Some(beside) => self.read_by(beside, turn),
                    // What can still be had of it; a failure leaves it as it is.
                    None => past_cache(&old, true).unwrap_or_default(),
                }
                self.give_up_older(turn);
                let is_next = self.successors.is_empty();
                self.came(Arc::new(file), identity, before, turn);
                match is_cut {
                    // Others may have stood between the held one and this one.
                    true if is_next => self.successors.set_gap(OUT_OF_SIGHT),
                    true => self.successors.set_gap_before_newest(OUT_OF_SIGHT),
                    false => {}
                }
            }
        }
        self.modified = modified.unwrap_or(self.modified);
        true
    }

    /// The newest file that the name is known to have led to, and what it held.
    fn newest_known(&self) -> Option<(Identity, Arc<OpenFile>, Trace)> {
        if let Some(next) = self.successors.newest() {
            return Some((next.identity, Arc::clone(next.file()?), next.trace()));
        }
        let held = self.held.as_ref()?;
        Some((held.identity, Arc::clone(&held.file), held.trace()))
    }

    /// The newest file is read by way of `file` from now on.
    fn read_by(&mut self, file: Arc<OpenFile>, turn: &mut Turn) {
        let user = User::File(self.index);
        let watch = turn.watches.file(user, &file, &self.source.path());
        if let Some(next) = self.successors.newest_mut() {
            next.watch = watch;
            next.move_to(file);
        } else if let Some(held) = &mut self.held {
            held.watch = watch;
            held.file = Arc::clone(&file);
            let number = held.number;
            self.tell(turn, Change::Moved(number, file));
        }
    }

    /// Files that were rotated before may be called otherwise by now, so that their handles lead elsewhere: they are history
    /// that is found by its names.
    fn give_up_older(&self, turn: &Turn) {
        let newest = self.held.as_ref().map_or(0, |held| held.number);
        for older in turn.hub.generations(self.source.index) {
            if older.number < newest {
                older.set_gone();
            }
        }
    }

    /// Whether `file` was read, or is to be, on a ground of paths.
    pub(super) fn has_read(&self, file: &File, identity: &Identity) -> bool {
        let mut sealed = self.sealed.iter().filter_map(|old| old.trace.as_ref());
        sealed.any(|trace| trace.at > 0 && trace.is_in(file))
            || self.successors.has_file(file, identity)
    }
}

/// What stands in `fresh`, which was opened under the name just now, compared with `old`, which held `trace`.
fn stands(trace: &Trace, old: &File, fresh: &File, is_same_inode: bool) -> io::Result<Stands> {
    if !is_same_inode {
        return Ok(Stands::Other);
    }
    past_cache(old, true)?;
    past_cache(fresh, true)?;
    let stands = compared(trace, old, fresh);
    past_cache(old, false)?;
    past_cache(fresh, false)?;
    stands
}

fn compared(trace: &Trace, old: &File, fresh: &File) -> io::Result<Stands> {
    Ok(match trace.fits(fresh)? {
        _ if trace.at > 0 && read_on(fresh, 0)?.is_empty() => Stands::Empty,
        Fit::Holds => {
            let (new, own) = (read_on(fresh, trace.at)?, read_on(old, trace.at)?);
            match () {
                () if own.starts_with(&new) => Stands::Same,
                () if new.starts_with(&own) => Stands::Further,
                () => Stands::Other,
            }
        }
        // As far as it can be read: a place behind the new one's length can't.
        Fit::TooShort | Fit::Differs => match trace.fits(old)? {
            Fit::Holds | Fit::TooShort => Stands::Other,
            Fit::Differs => Stands::Rewritten,
        },
    })
}

/// Whether a read of `old` may end before its end: where `fresh` ends, which stands under its old path now.
fn is_cut(old: &File, fresh: &File) -> bool {
    let end = fresh.metadata().map_or(0, |stat| stat.len());
    let last = past_cache(old, true).and_then(|()| {
        let mut byte = [0];
        read_full(old, &mut byte, end.saturating_sub(1))
    });
    last.map_or(true, |n| n > 0)
}

/// Some bytes from `at` on.
fn read_on(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; ANEW_BYTES];
    let n = read_full(file, &mut bytes, at)?;
    bytes.truncate(n);
    Ok(bytes)
}

/// From now on `file` is read past the cache of pages, or no more. What stands in the cache is thrown away: at the end of
/// such a read the kernel would go on there.
fn past_cache(file: &File, on: bool) -> io::Result<()> {
    let mut flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    flags.set(OFlag::O_DIRECT, on);
    fcntl(file, FcntlArg::F_SETFL(flags))?;
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}
