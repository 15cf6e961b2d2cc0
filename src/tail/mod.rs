//! From the kernel to the hub: the watcher, one thread that follows every file and publishes what it finds.
//!
//! An event of the kernel says no more than "look at this source". The follower of that source then finds the truth by
//! itself, by the same procedure for every event, for lost events, for a look that a reader asked for, and for a file
//! system that sends none. So nothing here depends on an event being right, in order, or there at all; events only make
//! it fast.
//!
//! | part | owns |
//! | --- | --- |
//! | `watcher` | the thread's loop: whose turn it is, when to wait and for how long |
//! | `pulse` | the thread's sign of life |
//! | `follower` | one followed name: where it leads, when to go on to the next file |
//! | `held` | the file that is read: lines, fragment, truncation |
//! | `successor` | files found by a rotation and not yet begun |
//! | `sealed` | files that are done with, and laggards that still write to them |
//! | `name` | what is said about a name that leads nowhere |
//! | `identity`, `others` | which file it is, who has it, whose copy it may be |
//! | `trace` | what a file held, to know it again where inodes tell nothing |
//! | `trail`, `watches` | what is watched, for whom |
//! | `listing` | the names in directories, listed once for all |
//! | `containers`, `pod` | the containers of a Docker, and the links that kubelet makes for them |
//! | `pattern`, `glob`, `names` | the FILE arguments: patterns, what matches them, what files are called |
//!
//! How late can it be? Where every watch is in place, an event wakes it at once. On a file system that is not known to
//! send all its events (network, FUSE), and where a limit on watches was hit, every file is looked at each
//! [`SAFETY_LOOK`](crate::limits::SAFETY_LOOK).

mod containers;
mod follower;
mod glob;
mod held;
mod identity;
mod listing;
mod name;
mod names;
mod others;
mod pod;
mod pulse;
mod sealed;
mod successor;
mod trace;
mod trail;
mod trust;
mod watcher;
mod watches;

pub use watcher::{Handle, OnRound, Options, Watcher};

#[cfg(test)]
mod tests;
