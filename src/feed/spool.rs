//! One spool: a file that its feeder appends to, that rotates by rename at half its size, and that never makes the feeder
//! wait.
//!
//! `log` is the file that grows, `log.1` the one before it. A line is cut by a rotation only where it alone is longer
//! than a file. What can't be written (the disk is full) is dropped and counted; when there is room again, a gap says
//! where and how much.

mod again;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use memchr::memrchr;

use crate::hub::{Hub, Notice, SpoolPlace, Spooled};
use crate::limits::LOST_TOLD_EVERY;
use crate::source::{EventKind, Origin, SpoolFile, SpoolFiles};

use super::events::Events;
use super::places::Places;
use again::Stretch;

/// Why bytes are gone that came in.
const NOT_WRITTEN: &str = "the spool could not be written";

/// An open spool.
#[derive(Debug)]
pub(super) struct Spool {
    /// The source's name, for the log.
    name: String,
    path: PathBuf,
    file: File,
    inode: u64,
    length: u64,
    /// Bytes in a file, at most.
    file_bytes_max: u64,
    /// The file is empty, or its last byte ends a line.
    ends_line: bool,
    /// What stands behind the last noted place, oldest first: the origin says it again.
    unchecked: VecDeque<Stretch>,
    /// What could not be written.
    lost: Option<Lost>,
    places: Places,
    events: Events,
    files: Arc<SpoolFiles>,
    hub: Arc<Hub>,
}

#[derive(Debug)]
struct Lost {
    /// Not told yet.
    untold_bytes: u64,
    /// Not noted yet: on a full disk nothing can be.
    unnoted_bytes: u64,
    told: Instant,
}

impl Spool {
    /// Opens the spool in `directory`, made where there is none. Blocks on the disk.
    pub(super) fn open(
        directory: &Path,
        file_bytes_max: u64,
        name: String,
        hub: &Arc<Hub>,
    ) -> io::Result<Spool> {
        let path = directory.join("log");
        let next = directory.join("log.next");
        // Killed between the two renames of a rotation, or before the first one.
        match (path.exists(), next.exists()) {
            (false, true) => fs::rename(&next, &path)?,
            (true, true) => fs::remove_file(&next)?,
            _ => {}
        }
        let file = open_to_append(&path)?;
        let stat = file.metadata()?;
        let mut last = [b'\n'];
        if stat.len() > 0 {
            file.read_exact_at(&mut last, stat.len() - 1)?;
        }
        let files = Arc::new(SpoolFiles::default());
        files.begin(SpoolFile::of(&file)?);
        let spool = Spool {
            name,
            inode: stat.ino(),
            length: stat.len(),
            file,
            file_bytes_max,
            ends_line: last == *b"\n",
            unchecked: VecDeque::new(),
            lost: None,
            places: Places::open(directory),
            events: Events::beside(directory),
            path,
            files,
            hub: Arc::clone(hub),
        };
        for (at, kind) in spool.events.of(spool.inode) {
            spool.notify(at, kind);
        }
        Ok(spool)
    }

    /// The file that is followed.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The spool as it is followed: people know it by what was `given`, and its lines come from `origin`.
    pub(super) fn spooled(&self, given: PathBuf, origin: Origin) -> Spooled {
        Spooled {
            name: self.name.clone(),
            path: self.path.clone(),
            given,
            origin,
            files: Arc::clone(&self.files),
        }
    }

    /// The source's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether what was written last is a whole line.
    pub(super) fn ends_line(&self) -> bool {
        self.ends_line
    }

    /// The origin's place up to which the spool holds everything, with a use for what it holds behind that: the origin
    /// says it again, and [`Spool::append`] compares. Without such a place nothing in the spool can be told from what the
    /// origin will say, so it begins anew, empty.
    pub(super) fn resume(&mut self) -> io::Result<Option<String>> {
        for (at, place) in self.places.noted() {
            if self.goes_back(at) {
                return Ok(Some(place));
            }
        }
        let rotated = fs::metadata(self.rotated()).is_ok_and(|stat| stat.len() > 0);
        if rotated || self.length > 0 {
            self.rotate()?;
            self.files.skip_to_newest();
            fs::remove_file(self.rotated())?;
        }
        Ok(None)
    }

    /// Goes on in an empty file. What the others hold is not lost to whoever follows from here on.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        if self.length > 0 {
            self.rotate()?;
            self.files.skip_to_newest();
        }
        Ok(())
    }

    /// Where the FIFO stood that it was fed from stands a file now.
    pub(super) fn leave_to_file(&self) {
        self.files.end();
        self.tell_of_files();
    }

    /// Whether that place was the last to be noted, whatever number stands before it.
    pub(super) fn has_noted(&self, place: &str) -> bool {
        self.places.last().is_some_and(|last| last.ends_with(place))
    }

    /// Notes that the spool stands where the origin has this place.
    pub(super) fn note(&mut self, place: &str) {
        let at = self.place();
        self.places.note(at, place);
    }

    /// Tells that something happened here.
    pub(super) fn tell(&self, kind: EventKind) {
        self.tell_at(self.end(), kind);
    }

    /// Appends what came in. Never fails, and waits for nothing but the disk: what can't be written is dropped and counted.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let rest = self.compare(bytes);
        if rest.is_empty() {
            return;
        }
        // A line that was cut when the disk was full ends here.
        let ended = match self.lost.is_some() && !self.ends_line {
            true => self.write(b"\n").map_err(|(error, _)| error),
            false => Ok(()),
        };
        let at = self.end();
        let outcome = match ended {
            Ok(()) => self.append_all(rest),
            Err(error) => Err((error, 0)),
        };
        let taken = outcome
            .as_ref()
            .map_or_else(|(_, taken)| *taken, |()| rest.len());
        if taken > 0 {
            self.closes_loss(at);
        }
        match outcome {
            Ok(()) => {
                if self.lost.take().is_some() {
                    log::info!("the spool of {} can be written again", self.name);
                }
            }
            Err((error, taken)) => self.loses((rest.len() - taken) as u64, &error),
        }
    }

    /// Tells what was lost and not told yet: nothing more comes for now.
    pub(super) fn finish(&mut self) {
        self.closes_loss(self.end());
    }

    /// When what was lost is to be told, if nothing comes before.
    pub(super) fn tells_lost_at(&self) -> Option<Instant> {
        let lost = self.lost.as_ref().filter(|lost| lost.untold_bytes > 0);
        lost.map(|lost| lost.told + LOST_TOLD_EVERY)
    }

    /// Tells what was lost where that is due.
    pub(super) fn tell_lost_when_due(&mut self) {
        if self.tells_lost_at().is_some_and(|at| at <= Instant::now()) {
            self.tell_lost(self.end());
        }
    }

    fn loses(&mut self, bytes: u64, error: &io::Error) {
        let lost = match &mut self.lost {
            Some(lost) => lost,
            none => {
                log::warn!(
                    "write to the spool of {}: {error}: what comes is dropped until there is room",
                    self.name
                );
                none.insert(Lost {
                    untold_bytes: 0,
                    unnoted_bytes: 0,
                    told: Instant::now(),
                })
            }
        };
        lost.untold_bytes += bytes;
        lost.unnoted_bytes += bytes;
        self.tell_lost_when_due();
    }

    fn tell_lost(&mut self, at: SpoolPlace) {
        let Some(lost) = self.lost.as_mut().filter(|lost| lost.untold_bytes > 0) else {
            return;
        };
        let kind = not_written(std::mem::take(&mut lost.untold_bytes));
        lost.told = Instant::now();
        self.notify(at, kind);
    }

    /// What was lost is lost here: lines come behind it, or none do.
    fn closes_loss(&mut self, at: SpoolPlace) {
        self.tell_lost(at);
        let lost = self.lost.as_mut();
        let bytes = lost.map_or(0, |lost| std::mem::take(&mut lost.unnoted_bytes));
        if bytes > 0 {
            self.events.note(at, &not_written(bytes));
        }
    }

    /// Writes all; where that fails, how much was taken.
    fn append_all(&mut self, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            let room = usize::try_from(self.file_bytes_max.saturating_sub(self.length));
            let room = room.unwrap_or(usize::MAX);
            let fits = match rest.len() <= room {
                true => rest.len(),
                // The last line that fits; none where the file ends a line and can be left at once.
                false => match memrchr(b'\n', &rest[..room]) {
                    Some(newline) => newline + 1,
                    None if self.ends_line && self.length > 0 => 0,
                    None => room,
                },
            };
            let (now, later) = rest.split_at(fits);
            if let Err((error, written)) = self.write(now) {
                return Err((error, taken + written));
            }
            taken += fits;
            if !later.is_empty() {
                self.rotate().map_err(|error| (error, taken))?;
            }
        }
        Ok(())
    }

    /// Writes to the file as it is; where that fails, how much was taken.
    fn write(&mut self, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.file.write(&bytes[taken..]) {
                Ok(0) => return Err((ErrorKind::WriteZero.into(), taken)),
                Ok(n) => {
                    taken += n;
                    self.length += n as u64;
                    self.ends_line = bytes[taken - 1] == b'\n';
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((error, taken)),
            }
        }
        Ok(())
    }

    /// Goes on in a new file; the one before the last is gone then.
    fn rotate(&mut self) -> io::Result<()> {
        let next = self.path.with_file_name("log.next");
        let file = open_to_append(&next)?;
        let begun = SpoolFile::of(&file)?;
        let renamed = match fs::rename(&self.path, self.rotated()) {
            // It was renamed by an attempt that failed after that.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        };
        renamed.and_then(|()| fs::rename(&next, &self.path))?;
        self.file = file;
        self.inode = begun.identity.inode;
        self.length = 0;
        self.ends_line = true;
        self.files.begin(begun);
        self.tell_of_files();
        Ok(())
    }

    fn tell_of_files(&self) {
        self.hub.notify(Notice::Files(self.path.clone()));
    }

    fn rotated(&self) -> PathBuf {
        self.path.with_file_name("log.1")
    }

    fn end(&self) -> SpoolPlace {
        SpoolPlace {
            inode: self.inode,
            offset: self.length,
        }
    }

    fn tell_at(&self, at: SpoolPlace, kind: EventKind) {
        self.events.note(at, &kind);
        self.notify(at, kind);
    }

    fn notify(&self, at: SpoolPlace, kind: EventKind) {
        let path = self.path.clone();
        self.hub.notify(Notice::Event { path, at, kind });
    }
}

fn not_written(bytes: u64) -> EventKind {
    EventKind::Gap {
        lost_bytes: Some(bytes),
        reason: NOT_WRITTEN.into(),
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path)
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
