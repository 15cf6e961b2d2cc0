//! What wakes a publisher's thread while it waits in poll(2), and what the hub sees of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::hub::Subscriber;

/// See the module.
#[derive(Debug)]
pub(super) struct Bell {
    waker: EventFd,
    /// Rung since it was last heard: a second ring costs no system call.
    rung: AtomicBool,
    /// The hub has dropped our sender.
    lost: AtomicBool,
    /// The daemon stops.
    stopping: AtomicBool,
    /// See [`Subscriber::done`].
    done: AtomicU64,
}

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        Ok(Bell {
            waker: EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?,
            rung: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            done: AtomicU64::new(0),
        })
    }

    /// Wakes the thread. Never blocks.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A full counter (EAGAIN) wakes as well.
            let _ = self.waker.write(1);
        }
    }

    /// Tells the thread to come to its end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The sender is dropped, since this was last asked.
    pub(super) fn take_lost(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }

    /// The thread is done with all batches up to `sequence`.
    pub(super) fn is_done_with(&self, sequence: u64) {
        self.done.store(sequence, Ordering::Release);
    }

    /// Waits until somebody rings, `socket` is ready for what is asked of it, or `until`. Whether the socket is ready
    /// to be read and to be written.
    pub(super) fn wait(
        &self,
        socket: Option<(BorrowedFd<'_>, PollFlags)>,
        until: Instant,
    ) -> io::Result<()> {
        let bell = PollFd::new(self.waker.as_fd(), PollFlags::POLLIN);
        let left = TimeSpec::from(until.saturating_duration_since(Instant::now()));
        let waited = match socket {
            Some((socket, flags)) => {
                nix::poll::ppoll(&mut [bell, PollFd::new(socket, flags)], Some(left), None)
            }
            None => nix::poll::ppoll(&mut [bell], Some(left), None),
        };
        match waited {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Race: a ring between the two lines is seen, for whoever waits looks at everything after this.
        self.rung.store(false, Ordering::Release);
        let _ = self.waker.read();
        Ok(())
    }
}

impl Subscriber for Bell {
    fn carry(&self) {
        self.ring();
    }

    fn dropped(&self) {
        self.lost.store(true, Ordering::Release);
        self.ring();
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}
