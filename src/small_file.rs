//! Small files of settings, secrets, places and locks: read whole within a bound, read again once they have changed, and
//! written anew as a whole. None of them is ever followed as a log.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::secrets;

/// The bytes of the file at `path`, and what it looked like before they were read. One that is over `bytes_max` is an
/// error.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, Metadata)> {
    secrets::keep(path);
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let too_large = || {
        io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is over {bytes_max} bytes"),
        )
    };
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large());
    }
    Ok((bytes, metadata))
}

/// The same of a file that people write: without the byte order mark that an editor may have put before it (RFC 3629,
/// section 6).
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let (mut bytes, metadata) = read(path, bytes_max)?;
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    Ok((bytes, metadata))
}

/// Writes the file at `path` anew, beside itself, and calls `done` before it takes its place: whoever reads it finds the old
/// one or the whole new one. Returns it, open for writing on. Blocks on the disk.
pub fn replace(
    path: &Path,
    text: &str,
    done: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    done(&file)?;
    fs::rename(&new, path)?;
    Ok(file)
}

/// Makes a directory that only we can read, and those above it. Blocks on the disk.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The lock that the file at `path` is, made where it is missing; `None` where another process has it. Blocks on the disk.
pub fn lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    match Flock::lock(options.open(path)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

/// What changes when a file is written or replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// A file that was changed this shortly before it was read may be changed again within the same tick of the kernel's
/// clock, and then look the same.
const TRUSTED_AFTER: Duration = Duration::from_secs(2);

impl Stamp {
    /// The stamp of a file that looks like that; `None` where it must be read again whatever it looks like.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        // By the time of the change, which nobody can set: the time of the last write may be any.
        let at = u64::try_from(changed.0).ok()?;
        let since = Duration::new(at, u32::try_from(changed.1).ok()?);
        let at = SystemTime::UNIX_EPOCH.checked_add(since)?;
        let now = SystemTime::now();
        let apart = now
            .duration_since(at)
            .unwrap_or_else(|ahead| ahead.duration());
        (apart >= TRUSTED_AFTER).then(|| Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed,
        })
    }
}

/// Whether the file at `path` still is what was read, where `read` is its stamp then. What is wrong with one that
/// can't be looked at, reading tells.
pub fn is_as_read(path: &Path, read: Option<&Stamp>) -> bool {
    match std::fs::metadata(path) {
        // A pipe gives its bytes once, and to wait for more would stop the caller.
        Ok(metadata) if !metadata.is_file() => true,
        Ok(metadata) => read.is_some() && Stamp::of(&metadata).as_ref() == read,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_bound_is_an_error_and_not_cut() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("small");
        std::fs::write(&path, "12345").expect("write");
        assert_eq!(read(&path, 5).expect("it fits").0, b"12345");
        let why = read(&path, 4).expect_err("one too many").to_string();
        assert_eq!(why, "it is over 4 bytes");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("small");
        std::fs::write(&path, "\u{feff}secret\u{feff}").expect("write");
        let (text, _) = read_text(&path, 100).expect("it fits");
        assert_eq!(text, "secret\u{feff}".as_bytes());
        std::fs::write(&path, "secret").expect("write");
        assert_eq!(read_text(&path, 100).expect("it fits").0, b"secret");
    }

    #[test]
    fn a_time_of_writing_that_lies_ahead_does_not_have_it_read_for_ever() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("small");
        let file = File::create(&path).expect("create");
        let ahead = SystemTime::now() + Duration::from_secs(100_000);
        file.set_modified(ahead).expect("set");
        let deadline = SystemTime::now() + Duration::from_secs(20);
        let stamp = || Stamp::of(&std::fs::metadata(&path).expect("a file"));
        while stamp().is_none() {
            assert!(SystemTime::now() < deadline);
            std::thread::yield_now();
        }
        assert!(is_as_read(&path, stamp().as_ref()));
    }
}
