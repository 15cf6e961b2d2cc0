//! Which file it is: device, inode and birth.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, PROC_SUPER_MAGIC, fstatfs};
use rustix::fs::{AtFlags, StatxFlags, statx};

use crate::allowance;
use crate::limits::DESCRIPTORS_FOR_ANSWERS;
use crate::secrets;

use super::OpenFile;

/// A file. The birth tells it from a later one with its inode, where the file system knows births.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The device it is on, as long as the machine runs: numbers may change over a reboot.
    pub device: u64,
    /// Its inode, which may be used again once the file is deleted and nobody has it open.
    pub inode: u64,
    /// When it was created; `None` where the file system does not know.
    pub born: Option<SystemTime>,
}

impl Identity {
    /// The file that was asked about.
    pub fn of(stat: &Metadata) -> Identity {
        Identity {
            device: stat.dev(),
            inode: stat.ino(),
            born: stat.created().ok(),
        }
    }

    /// The same file, as far as can be known: for one that nobody holds open, whose inode may be another file's by now.
    pub fn is_file(&self, other: &Identity) -> bool {
        let births = self.born.zip(other.born);
        self.is_inode(other) && births.is_none_or(|(born, other)| born == other)
    }

    /// The same inode: enough for a file that is held open, whose inode can't be used again.
    pub fn is_inode(&self, other: &Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// Opens a regular file for reading, and does not wait where it is a FIFO by now. The daemon's own secrets and files of
/// /proc are no logs, whatever leads there.
pub fn open(path: &Path) -> io::Result<(OpenFile, Identity)> {
    open_with(path, OFlag::empty())
}

/// Whether no name leads to the file any more.
pub fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|stat| stat.nlink() == 0)
}

/// The same for a file beside a followed one, which must not be a link: rotations make none, and who may make links in
/// that directory must not lead us elsewhere.
pub fn open_beside(path: &Path) -> io::Result<(OpenFile, Identity)> {
    open_with(path, OFlag::O_NOFOLLOW)
}

/// Whether a file could not be opened because the process may have no more descriptors.
pub fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EMFILE as i32)
}

fn open_with(path: &Path, flags: OFlag) -> io::Result<(OpenFile, Identity)> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY | flags).bits());
    let file = OpenFile::from(options.open(path)?);
    // The kernel gives the lowest number that is free (POSIX, section 2.6), so it tells how many are in use.
    if file.as_raw_fd() as u64 + DESCRIPTORS_FOR_ANSWERS >= allowance::descriptors() {
        return Err(Errno::EMFILE.into());
    }
    let system = fstatfs(&*file)?.filesystem_type();
    if system == FUSE_SUPER_MAGIC {
        ask_anew(&file);
    }
    let stat = file.metadata()?;
    if !stat.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if system == PROC_SUPER_MAGIC {
        return Err(io::Error::other(
            "it is a file of procfs, which is made as it is read and may have no end",
        ));
    }
    if secrets::has(&stat) {
        return Err(io::Error::other("it is one of tailcast's own secrets"));
    }
    let identity = Identity::of(&stat);
    Ok((file, identity))
}

/// Has the kernel ask the file system what it now knows of `file`. For a second or more FUSE would go on to give what stood
/// under the path before: that file's inode and size. A kernel that can't ask leaves it at that.
fn ask_anew(file: &File) {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
    let _ = statx(file, "", flags, StatxFlags::BASIC_STATS);
}
