//! What wakes a thread that waits in poll(2) for a peer, and what the hub sees of a publisher's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::hub::Subscriber;

/// Wakes its one thread, from any other, out of a wait for a socket or for a time.
#[derive(Debug)]
pub struct Bell {
    waker: EventFd,
    /// Rung since it was last heard: a second ring costs no system call.
    rung: AtomicBool,
    /// The daemon stops.
    stopping: AtomicBool,
    /// See [`Subscriber::done`].
    done: AtomicU64,
}

impl Bell {
    /// A bell that nobody has rung. Fails without a descriptor for its eventfd.
    pub fn new() -> io::Result<Bell> {
        Ok(Bell {
            waker: EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?,
            rung: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            done: AtomicU64::new(0),
        })
    }

    /// Wakes the thread. Never blocks.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A full counter (EAGAIN) wakes as well.
            let _ = self.waker.write(1);
        }
    }

    /// Tells the thread to come to its end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether the thread is to come to its end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The thread is done with all batches up to `sequence`.
    pub fn is_done_with(&self, sequence: u64) {
        self.done.store(sequence, Ordering::Release);
    }

    /// Waits until somebody rings, one of `sockets` is ready for what is asked of it, or `until`.
    pub fn wait<'a>(
        &self,
        sockets: impl IntoIterator<Item = (BorrowedFd<'a>, PollFlags)>,
        until: Instant,
    ) -> io::Result<()> {
        let bell = PollFd::new(self.waker.as_fd(), PollFlags::POLLIN);
        let sockets = sockets.into_iter();
        let sockets = sockets.map(|(socket, flags)| PollFd::new(socket, flags));
        let mut all: Vec<_> = std::iter::once(bell).chain(sockets).collect();
        let left = TimeSpec::from(until.saturating_duration_since(Instant::now()));
        let waited = nix::poll::ppoll(&mut all, Some(left), None);
        match waited {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Race: somebody rings between the two. Whoever has waited looks at everything after this, so it misses nothing.
        // The other way round, the read would take that ring and leave `rung` set, and nobody would ring any more.
        let _ = self.waker.read();
        self.rung.swap(false, Ordering::AcqRel);
        Ok(())
    }

    /// Waits for all of `wait`, however often somebody rings; false where the thread is to come to its end instead.
    pub fn rest(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while !self.is_stopping() && Instant::now() < until {
            if let Err(error) = self.wait(None, until) {
                // What is waited for is tried a little early.
                log::debug!("waiting: {error}");
                break;
            }
        }
        !self.is_stopping()
    }
}

impl Subscriber for Bell {
    fn carry(&self, _: bool) -> bool {
        self.ring();
        false
    }

    fn dropped(&self) {
        self.ring();
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_rings_is_heard_however_close_the_rings_are() {
        const RINGS: usize = 50_000;
        let (bell, rings) = (Arc::new(Bell::new().expect("a bell")), AtomicUsize::new(0));
        let limit = Instant::now() + Duration::from_secs(20);
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..RINGS {
                    rings.fetch_add(1, Ordering::SeqCst);
                    bell.ring();
                    // At another moment of the wait each time.
                    for _ in 0..n % 500 {
                        std::hint::spin_loop();
                    }
                }
            });
            while rings.load(Ordering::SeqCst) < RINGS {
                bell.wait(None, limit).expect("a wait");
                assert!(Instant::now() < limit, "a ring was not heard");
            }
        });
    }
}
