//! What file systems tell of their files. On those that are not known to send all their events, and where a watch is
//! missing, a look is taken every few seconds without one.

use std::fs::File;
use std::path::Path;

use nix::sys::statfs::{self, FsType, Statfs, fstatfs};

/// bcachefs; nix has no name for it.
const BCACHEFS: FsType = FsType(0xca45_1a4e);
/// ZFS on Linux; nix has no name for it.
const ZFS: FsType = FsType(0x2fc1_2fc1);
/// XFS; nix has no name for it where the C library is musl.
const XFS: FsType = FsType(0x5846_5342);

/// Local file systems on which every change is made by this kernel, so that inotify sees it.
const LOCAL: &[FsType] = &[
    statfs::EXT4_SUPER_MAGIC,
    XFS,
    statfs::BTRFS_SUPER_MAGIC,
    statfs::TMPFS_MAGIC,
    statfs::OVERLAYFS_SUPER_MAGIC,
    statfs::F2FS_SUPER_MAGIC,
    BCACHEFS,
    ZFS,
];

/// What a file system tells of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Every change sends an event.
    Local,
    /// Others may change files without one.
    Remote,
    /// The same, and what has an inode is the path, whatever file stands there: sshfs, mergerfs, bindfs and others made
    /// with libfuse. An open file that was renamed behind the mount then has the attributes, and the pages in the cache, of
    /// the one that stands under its old path.
    Paths,
}

/// What the system of `file` tells.
pub(super) fn ground(file: &File) -> Ground {
    of(fstatfs(file))
}

/// The same of the directory at `path`.
pub(super) fn ground_at(path: &Path) -> Ground {
    of(statfs::statfs(path))
}

fn of(system: nix::Result<Statfs>) -> Ground {
    match system.map(|system| system.filesystem_type()) {
        Ok(kind) if LOCAL.contains(&kind) => Ground::Local,
        Ok(statfs::FUSE_SUPER_MAGIC) => Ground::Paths,
        Ok(_) | Err(_) => Ground::Remote,
    }
}
