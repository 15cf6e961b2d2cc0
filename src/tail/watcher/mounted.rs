//! Mounts: what is mounted over a part of a followed path leads it elsewhere, and no event of a directory tells of it.
//! But the kernel tells each change of the table of mounts to who polls it (proc_pid_mountinfo(5)).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::limits::MOUNTS_EVERY;

/// The table of mounts, and when everything is to be looked at because it has changed.
#[derive(Debug)]
pub(super) struct Mounted {
    /// None where there is no /proc.
    table: Option<File>,
    due: Option<Instant>,
    not_before: Instant,
}

impl Mounted {
    pub(super) fn new() -> Mounted {
        Mounted {
            table: File::open("/proc/self/mountinfo").ok(),
            due: None,
            not_before: Instant::now(),
        }
    }

    /// What to poll for POLLPRI. Polling takes note of the change by itself.
    pub(super) fn table(&self) -> Option<BorrowedFd<'_>> {
        self.table.as_ref().map(AsFd::as_fd)
    }

    /// The table has changed. A machine that starts containers changes it again and again: what is mounted within a
    /// moment is looked at together.
    pub(super) fn tell(&mut self, now: Instant) {
        self.due.get_or_insert(now.max(self.not_before));
    }

    /// When everything is to be looked at, if it is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether everything is to be looked at now; said once.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.take_if(|due| *due <= now).is_some();
        if is_due {
            self.not_before = now + MOUNTS_EVERY;
        }
        is_due
    }
}
