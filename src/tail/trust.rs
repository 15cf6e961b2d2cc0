//! Which file systems are known to send all their events: for the others, and where a watch is missing, every few
//! seconds a look is taken without one.

use std::fs::File;

use nix::sys::statfs::{self, FsType, fstatfs};

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

/// Whether every change of `file` sends an event.
pub(super) fn sends_events(file: &File) -> bool {
    fstatfs(file).is_ok_and(|stat| LOCAL.contains(&stat.filesystem_type()))
}
