//! The pairs beside a spool: where in its bytes the origin had which place. The last one that the spool still holds is
//! where its feeder begins after a restart.
//!
//! One line a pair, `INODE OFFSET PLACE`, appended; a line without its newline was cut by a crash and does not count.
//! Nothing is flushed to the disk: after a power cut an older pair may be the last one, and then more is compared.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str;

use crate::hub::SpoolPlace;
use crate::limits::{PLACES_FILE_BYTES, PLACES_KEPT};
use crate::small_file;

/// The open file of pairs beside one spool.
#[derive(Debug)]
pub(super) struct Places {
    path: PathBuf,
    file: Option<File>,
    length: u64,
    /// It could not be written: said.
    failed: bool,
    last: Option<(SpoolPlace, String)>,
}

impl Places {
    /// Those in `directory`. Nothing is made before the first one is noted.
    pub(super) fn open(directory: &Path) -> Places {
        Places {
            path: directory.join("places"),
            file: None,
            length: 0,
            failed: false,
            last: None,
        }
    }

    /// All pairs, the newest first. Blocks on the disk.
    pub(super) fn noted(&self) -> Vec<(SpoolPlace, String)> {
        let mut text = Vec::new();
        let read = File::open(&self.path)
            .and_then(|file| file.take(2 * PLACES_FILE_BYTES).read_to_end(&mut text));
        if read.is_err() {
            return Vec::new();
        }
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |last| last);
        let lines = text[..whole].split(|&byte| byte == b'\n');
        let mut pairs: Vec<_> = lines.filter_map(parse).collect();
        pairs.reverse();
        pairs
    }

    /// The place that was noted last.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_ref().map(|(_, place)| place.as_str())
    }

    /// Notes one more; one that says nothing new is left out. A failure is said once, for the spool goes on without it.
    pub(super) fn note(&mut self, at: SpoolPlace, place: &str) {
        let is_known = |last: &(SpoolPlace, String)| last.0 == at && last.1 == place;
        if self.last.as_ref().is_some_and(is_known) {
            return;
        }
        match self.write(at, place) {
            Ok(()) => {
                self.failed = false;
                self.last = Some((at, place.to_owned()));
            }
            Err(error) => {
                self.file = None;
                if !std::mem::replace(&mut self.failed, true) {
                    log::warn!("write {:?}: {error}", self.path);
                }
            }
        }
    }

    fn write(&mut self, at: SpoolPlace, place: &str) -> io::Result<()> {
        if self.file.is_none() || self.length > PLACES_FILE_BYTES {
            self.shorten()?;
        }
        let line = line(at, place);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(line.as_bytes())?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Begins the file anew with its newest pairs.
    fn shorten(&mut self) -> io::Result<()> {
        let noted = self.noted();
        let newest = noted.iter().take(PLACES_KEPT).rev();
        let text: String = newest.map(|(at, place)| line(*at, place)).collect();
        self.file = Some(small_file::replace(&self.path, &text, |_| Ok(()))?);
        self.length = text.len() as u64;
        Ok(())
    }
}

fn line(at: SpoolPlace, place: &str) -> String {
    format!("{at} {place}\n")
}

fn parse(line: &[u8]) -> Option<(SpoolPlace, String)> {
    let (at, place) = SpoolPlace::parse(str::from_utf8(line).ok()?)?;
    Some((at, place.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    #[test]
    fn the_newest_pairs_are_kept_and_a_cut_line_does_not_count() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |offset| SpoolPlace { inode: 7, offset };
        let mut places = Places::open(directory.path());
        assert_eq!(places.noted(), []);
        let rounds = 3 * PLACES_FILE_BYTES / 20;
        for n in 0..rounds {
            places.note(at(n), &format!("place {n}"));
        }
        let length = fs::metadata(directory.path().join("places"))
            .expect("there")
            .len();
        assert!(length < 2 * PLACES_FILE_BYTES, "{length}");
        let mut file = OpenOptions::new()
            .append(true)
            .open(directory.path().join("places"))
            .expect("there");
        file.write_all(b"7 99 cut").expect("written");
        let noted = Places::open(directory.path()).noted();
        assert!(noted.len() >= PLACES_KEPT);
        assert_eq!(noted[0], (at(rounds - 1), format!("place {}", rounds - 1)));
        assert_eq!(noted[1].0, at(rounds - 2));
    }
}
