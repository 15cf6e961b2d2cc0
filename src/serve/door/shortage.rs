//! What is done when the system has no more descriptors or threads for clients: those that are too many are turned away,
//! it is said in the log, and the rest of the daemon goes on.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Instant;

use parking_lot::Mutex;

use crate::limits::{DESCRIPTORS_SPARE, SHORTAGE_SAID_EVERY};

/// Whether the system has descriptors and threads for more clients, and what was said of it.
#[derive(Debug)]
pub struct Shortage {
    /// From here on descriptors are not for streams.
    ceiling: RawFd,
    said: Mutex<Option<Instant>>,
}

impl Shortage {
    /// Where the process may have `descriptors` of them.
    pub fn new(descriptors: u64) -> Shortage {
        let descriptors = RawFd::try_from(descriptors).unwrap_or(RawFd::MAX);
        Shortage {
            // Where there are few, the streams still have most.
            ceiling: descriptors - DESCRIPTORS_SPARE.min(descriptors / 4),
            said: Mutex::new(None),
        }
    }

    /// Whether a stream on `socket` would take what answers, and files that are opened anew, need. The kernel gives the
    /// lowest descriptor that is free (POSIX, section 2.6), so its number tells how many are in use.
    pub fn has_none_for(&self, socket: &impl AsFd) -> bool {
        let is_spare = socket.as_fd().as_raw_fd() >= self.ceiling;
        if is_spare {
            self.say("no descriptor is left for it, see LimitNOFILE= of the unit (ulimit -Hn)");
        }
        is_spare
    }

    /// Says why clients are turned away; not for each of them.
    pub fn say(&self, why: impl fmt::Display) {
        let now = Instant::now();
        let mut said = self.said.lock();
        if said.is_some_and(|said| now.duration_since(said) < SHORTAGE_SAID_EVERY) {
            return;
        }
        *said = Some(now);
        drop(said);
        log::warn!("a client is turned away, as others may be until one leaves: {why}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_last_descriptors_are_not_for_streams() {
        let file = File::open("/dev/null").expect("a descriptor");
        let number = u64::try_from(file.as_raw_fd()).expect("its number");
        let spare = u64::try_from(DESCRIPTORS_SPARE).expect("a number");
        assert!(Shortage::new(number + 1).has_none_for(&file));
        assert!(Shortage::new(4 * spare).ceiling == 3 * DESCRIPTORS_SPARE);
        assert!(!Shortage::new(number + 1 + 10 * spare).has_none_for(&file));
        assert!(!Shortage::new(u64::MAX).has_none_for(&file));
    }
}
