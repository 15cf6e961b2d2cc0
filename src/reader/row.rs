//! The rotated files of a name in a row, oldest first, as they stood at one moment: a walk through them goes from file to file
//! by what they are, wherever a rotation has moved them meanwhile.
//!
//! Two listings are never mixed: while a directory is read, a rotation can hide a file of it, and a walk that asks it anew at
//! each seam would skip that file without knowing. What a row does not hold is younger, and the hub knows that.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::hub::Hub;
use crate::limits::HISTORY_FILES_MAX;
use crate::source::inflate::{self, Pause};
use crate::source::siblings::{self, Lost, Reach, Sibling, Unreadable};
use crate::source::{Generation, Identity, OpenFile, Source, copies, identity};

/// The rotated files of a name.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Oldest first.
    pub(super) files: Vec<Sibling>,
    /// The hub's generation that comes after the last of them; `None` where it held nothing.
    pub(super) enter: Option<u64>,
    /// Older ones may be missing, for this reason.
    pub(super) lost: Option<&'static str>,
    /// Those are among them that are called as this one is.
    like: Option<OsString>,
}

impl Row {
    /// The files that are older than all of `known`, which are given oldest first; all there are, where that is empty. Blocks
    /// on the disk.
    ///
    /// What the hub knows may stand there as well, under its own inode, or compressed since, with the time of the last write
    /// cut to a second: only what it holds tells that one.
    pub(super) fn before(
        source: &Source,
        hub: &Hub,
        known: &[Arc<Generation>],
        pause: Pause<'_>,
    ) -> Row {
        let mut row = Row::listed(source, None);
        let (Some(oldest), Some(youngest)) = (known.first(), known.last()) else {
            return row;
        };
        row.enter = Some(oldest.number);
        let is_listed = row.position(&oldest.identity).is_some();
        row.end_before(source, hub, oldest.number);
        if is_listed {
            return row;
        }
        let all = &mut row.files;
        let stat = youngest.file.metadata().ok();
        let modified = stat.and_then(|stat| stat.modified().ok());
        // Numbers that count up: a file that was made and written after the last write to the current one was not rotated
        // away before it. Nobody writes lines into a compressed file, and what compresses it late need not keep its time.
        all.retain(|sibling| {
            let made = sibling.born().min(sibling.modified);
            sibling.compressed || modified.is_none_or(|modified| made <= modified)
        });
        // One that the hub lost may stand between those that it knows: they are looked for by their times.
        let is_known = |sibling: &Sibling, pause: Pause<'_>| {
            let is_it = |known: &Arc<Generation>| {
                let stat = known.file.metadata().ok();
                let modified = stat.and_then(|stat| stat.modified().ok());
                modified.is_some_and(|at| is_same_second(at, sibling.modified))
                    && is_copy_of(sibling, known, pause)
            };
            sibling.compressed && known.iter().any(is_it)
        };
        let first = all.iter().position(|sibling| is_known(sibling, pause));
        all.truncate(first.unwrap_or(all.len()));
        while let Some(last) = all.last() {
            let mut is_known = |known: &Arc<Generation>| is_copy_of(last, known, pause);
            // Nothing was written between two rotations: what holds nothing tells not whose copy it is, and is none's loss.
            if !known.iter().any(&mut is_known) && !is_empty(last, pause) {
                break;
            }
            all.pop();
        }
        row
    }

    /// The files that are older than what the hub holds, with those that are called as `like` is. Blocks on the disk.
    pub(super) fn beside(source: &Source, hub: &Hub, like: Option<&OsStr>) -> Row {
        // Noted first: what is rotated away while the files are listed is younger.
        let held = hub.generations(source.index);
        let mut row = Row::listed(source, like);
        if let Some(oldest) = held.first() {
            row.enter = Some(oldest.number);
            row.end_before(source, hub, oldest.number);
        }
        // What is merely called alike may be another log.
        let followed = hub.sources();
        let is_other = |sibling: &Sibling| {
            let is_it = |path: &Path| path == sibling.path;
            !siblings::is_known(&source.path(), &sibling.path)
                && followed.iter().any(|other| is_it(&other.source.path()))
        };
        row.files.retain(|sibling| !is_other(sibling));
        row
    }

    /// Ends it before the first file that is the hub's generation `number` or a later one.
    fn end_before(&mut self, source: &Source, hub: &Hub, number: u64) {
        let known = hub.remembered(source.index).into_iter();
        let later = known.filter(|known| known.number >= number);
        let later: Vec<_> = later.map(|known| known.identity).collect();
        let is_later = |sibling: &Sibling| later.iter().any(|of| of.is_file(&sibling.identity));
        let end = self.files.iter().position(is_later);
        self.files.truncate(end.unwrap_or(self.files.len()));
    }

    /// Without the copies of what the hub holds (logrotate's `copy` makes such): they stand at its end, behind the file at
    /// `place`, and were made after what they are copies of. What was merely made later is none: copytruncate's copies hold
    /// what was truncated, and whoever restores or copies a directory makes its files in any order. And without those of the
    /// file itself, which is `own`, where a name that is not known can't say that they are older. Blocks on the disk.
    pub(super) fn drop_copies(
        &mut self,
        source: &Source,
        hub: &Hub,
        place: usize,
        own: &Generation,
        pause: Pause<'_>,
    ) {
        if !siblings::is_known(&source.path(), &self.files[place].path) {
            let mut younger = self.files.split_off(place + 1);
            younger.retain(|sibling| !is_copy_of(sibling, own, pause));
            self.files.append(&mut younger);
        }
        let held = hub.generations(source.index);
        let Some(oldest) = held.first() else {
            return;
        };
        let born = oldest.file.metadata().and_then(|stat| stat.created()).ok();
        while let Some(last) = self.files.get(place + 1..).and_then(<[Sibling]>::last) {
            let mut is_copy = |known: &Arc<Generation>| is_copy_of(last, known, pause);
            if born.is_some_and(|born| made(last) < born)
                || !(held.iter().any(&mut is_copy) || is_empty(last, pause))
            {
                break;
            }
            self.files.pop();
        }
    }

    fn listed(source: &Source, like: Option<&OsStr>) -> Row {
        let like = like.map(OsStr::to_owned);
        let reach = like.as_deref().map_or(Reach::Known, Reach::Like);
        let listed = siblings::listed(&source.path(), reach);
        let mut row = Row {
            files: siblings::each_once(listed.siblings),
            lost: listed.lost.map(Lost::reason),
            like,
            ..Row::default()
        };
        // Where any may be missing, no file is known to be the next.
        if matches!(listed.lost, Some(Lost::Renamed | Lost::TooMany)) {
            row.files.clear();
        }
        let too_many = row.files.len().saturating_sub(HISTORY_FILES_MAX);
        if too_many > 0 {
            row.files.drain(..too_many);
            row.lost = Some("there are too many rotated files");
        }
        row
    }

    /// Whether the file at `place` is a copy of one that stands behind it. Blocks on the disk.
    pub(super) fn is_copy(&self, place: usize) -> bool {
        copies::is_copy(&self.files[place], &self.files[place + 1..])
    }

    /// Where the file `identity` stands in it.
    pub(super) fn position(&self, identity: &Identity) -> Option<usize> {
        position(&self.files, identity)
    }

    /// Finds the file at `place` again, which was renamed or compressed since the row was noted; and all others, since one
    /// rotation renames all. Blocks on the disk.
    pub(super) fn find_again(&mut self, source: &Source, place: usize) -> Result<(), Unreadable> {
        let now = Row::listed(source, self.like.as_deref());
        let stands = |sibling: &Sibling| position(&now.files, &sibling.identity);
        let by_inode: HashMap<_, _> = now.files.iter().map(|one| (inode(one), one)).collect();
        for sibling in &mut self.files {
            let found = by_inode.get(&inode(sibling));
            if let Some(found) = found.filter(|one| one.identity.is_file(&sibling.identity)) {
                found.path.clone_into(&mut sibling.path);
            }
        }
        let wanted = &self.files[place];
        if stands(wanted).is_some() {
            return Ok(());
        }
        let is_it = |path: &PathBuf| {
            let stat = fs::symlink_metadata(path);
            stat.is_ok_and(|stat| Identity::of(&stat).is_file(&wanted.identity))
        };
        let moved = siblings::by_inode(&source.path(), wanted.identity.inode, Reach::Any);
        if let Some(path) = moved.ok().flatten().filter(is_it) {
            self.files[place].path = path;
            return Ok(());
        }
        if let Some(why) = now.lost {
            return Err(Unreadable::Lost(why));
        }
        // What compresses a file makes another, and keeps at least the second of its last write. Where several of one second
        // were compressed, they have kept their order.
        let is_new = |sibling: &&Sibling| {
            sibling.compressed
                && is_same_second(sibling.modified, wanted.modified)
                && self.position(&sibling.identity).is_none()
        };
        let new: Vec<_> = now.files.iter().filter(is_new).collect();
        let is_gone = |place: &usize| {
            let sibling = &self.files[*place];
            !sibling.compressed
                && is_same_second(sibling.modified, wanted.modified)
                && stands(sibling).is_none()
        };
        let gone: Vec<_> = (0..self.files.len()).filter(is_gone).collect();
        let rank = gone.iter().position(|gone| *gone == place);
        match rank.filter(|_| new.len() == gone.len()) {
            Some(rank) => self.files[place] = new[rank].clone(),
            None if new.is_empty() => return Err(Unreadable::Lost("rotated away")),
            None => return Err(Unreadable::Lost(Lost::Renamed.reason())),
        }
        Ok(())
    }
}

fn inode(sibling: &Sibling) -> (u64, u64) {
    (sibling.identity.device, sibling.identity.inode)
}

fn position(files: &[Sibling], identity: &Identity) -> Option<usize> {
    let is_it = |sibling: &Sibling| sibling.identity.is_file(identity);
    files.iter().rposition(is_it)
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Opens the file that was listed. `None` where it can't be read, and where another stands there now.
fn open(sibling: &Sibling, pause: Pause<'_>) -> Option<Arc<OpenFile>> {
    let (file, identity) = match sibling.compressed {
        true => {
            let (file, stat) = inflate::open(&sibling.path, pause).ok()?;
            (file, Identity::of(&stat))
        }
        false => {
            let (file, identity) = identity::open_beside(&sibling.path).ok()?;
            (Arc::new(file), identity)
        }
    };
    identity.is_file(&sibling.identity).then_some(file)
}

/// Whether it can be read and holds nothing.
fn is_empty(sibling: &Sibling, pause: Pause<'_>) -> bool {
    let stat = open(sibling, pause).and_then(|file| file.metadata().ok());
    stat.is_some_and(|stat| stat.len() == 0)
}

/// Whether the two are of one second: what compresses a file may keep no more of its time.
fn is_same_second(one: SystemTime, other: SystemTime) -> bool {
    nanoseconds(one) / 1_000_000_000 == nanoseconds(other) / 1_000_000_000
}

/// When its content came to be, at the latest: what is compressed keeps the second of its last line.
fn made(sibling: &Sibling) -> SystemTime {
    match sibling.compressed {
        true => sibling.modified + Duration::from_secs(1),
        false => sibling.born(),
    }
}

/// Whether `sibling` holds what `known` begins with: a copy that was made while the file stayed (logrotate's `copy`), or its
/// own compressed file. Its lines stand in the generation itself. What was there before that file was made is no copy of it,
/// but may hold the same header and no more.
fn is_copy_of(sibling: &Sibling, known: &Generation, pause: Pause<'_>) -> bool {
    let born = known.file.metadata().and_then(|stat| stat.created());
    if born.is_ok_and(|born| made(sibling) < born) {
        return false;
    }
    let Some(file) = open(sibling, pause) else {
        return false;
    };
    let is_filled = || file.metadata().is_ok_and(|stat| stat.len() > 0);
    !known.is_gone() && is_filled() && copies::is_beginning(&file, &known.file).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Origin;

    #[test]
    fn another_file_with_the_inode_of_one_that_is_gone_is_not_that_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.log");
        fs::write(dir.path().join("a.log.1"), "line\n").expect("write");
        let source = Source::new(0, "a.log".to_owned(), path, Origin::File);
        let mut row = Row::listed(&source, None);
        assert_eq!(row.find_again(&source, 0), Ok(()));
        let born = &mut row.files[0].identity.born;
        // Where births are not known, nothing tells the two apart.
        let Some(later) = *born else { return };
        *born = Some(later - Duration::from_secs(1));
        let gone = Err(Unreadable::Lost("rotated away"));
        assert_eq!(row.find_again(&source, 0), gone);
    }
}
