//! What a file held when it was read: by that it is known again where its inode tells nothing.

use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::limits::TRACED_MAX;
use crate::source::forward::read_full;
use crate::source::siblings::{self, Reach, Sibling};
use crate::source::{OpenFile, identity};

/// The first bytes of a file, and the last ones before a place in it.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    head: Arc<[u8]>,
    before: Vec<u8>,
    /// The place.
    pub(super) at: u64,
}

/// Whether a file holds a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does.
    Holds,
    /// As far as it can be read.
    TooShort,
    /// It holds other bytes there.
    Differs,
}

impl Trace {
    /// The first bytes of a file, and those right before the place `at`.
    pub(super) fn new(head: &[u8], before: &[u8], at: u64) -> Trace {
        Trace {
            head: Arc::from(head),
            before: before.to_vec(),
            at,
        }
    }

    /// Whether `file` holds it. Blocks on the disk.
    pub(super) fn fits(&self, file: &File) -> io::Result<Fit> {
        let mut fit = Fit::Holds;
        let before_at = self.at - self.before.len() as u64;
        for (bytes, at) in [(&self.head[..], 0), (&self.before[..], before_at)] {
            let mut there = vec![0; bytes.len()];
            let n = read_full(file, &mut there, at)?;
            if there[..n] != bytes[..n] {
                return Ok(Fit::Differs);
            }
            if n < bytes.len() {
                fit = Fit::TooShort;
            }
        }
        Ok(fit)
    }

    /// Whether it is in `file`. Blocks on the disk.
    pub(super) fn is_in(&self, file: &File) -> bool {
        self.fits(file).is_ok_and(|fit| fit == Fit::Holds)
    }

    /// Whether there is something behind it in `file`.
    pub(super) fn goes_on_in(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|stat| stat.len() > self.at)
    }

    /// The file beside `path` that holds it: one that is called as rotators call them, else the youngest of the others. The
    /// numbered ones are tried first, for their names need no listing, which may be an old one. An empty trace is anybody's,
    /// and finds none. Blocks on the disk.
    pub(super) fn find_beside(&self, path: &Path) -> Option<Arc<OpenFile>> {
        if self.at == 0 {
            return None;
        }
        let counted = siblings::counted(path).find(|(file, _)| self.is_in(file));
        if let Some((file, _)) = counted {
            return Some(Arc::new(file));
        }
        let open = |sibling: &Sibling| {
            let (file, _) = identity::open_beside(&sibling.path).ok()?;
            self.is_in(&file).then(|| Arc::new(file))
        };
        let place = siblings::place(path);
        let among = |reach| {
            let mut all = siblings::listed(path, reach).siblings;
            all.retain(|sibling| !sibling.compressed && sibling.path != place);
            all.sort_by_key(|sibling| Reverse(sibling.modified));
            all.iter().take(TRACED_MAX).find_map(open)
        };
        among(Reach::Known).or_else(|| among(Reach::Any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_known_again_by_what_it_held_whatever_it_is_called() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let trace = Trace::new(b"one\ntwo\n", b"two\n", 8);
        let find = || {
            let file = trace.find_beside(&path("a.log"))?;
            let mut bytes = [0; 32];
            let n = read_full(&file, &mut bytes, 0).expect("read");
            Some(String::from_utf8_lossy(&bytes[..n]).into_owned())
        };
        fs::write(path("a.log"), "one\ntwo\nnot beside\n").expect("write");
        fs::write(path("a.log.1"), "one\n").expect("write");
        fs::write(path("a.log.2"), "one\nTWO\nthree\n").expect("write");
        assert_eq!(find(), None);
        fs::write(path("yesterday"), "one\ntwo\nthree\n").expect("write");
        assert_eq!(find().as_deref(), Some("one\ntwo\nthree\n"));
        let empty = Trace::new(b"", b"", 0);
        assert!(empty.find_beside(&path("a.log")).is_none());
    }

    #[test]
    fn a_file_that_ends_within_a_trace_is_too_short_to_tell() {
        let dir = tempfile::tempdir().expect("a directory");
        let fit = |text: &str| {
            fs::write(dir.path().join("x"), text).expect("write");
            let file = File::open(dir.path().join("x")).expect("open");
            let trace = Trace::new(b"head\n", b"end\n", 12);
            trace.fits(&file).expect("read")
        };
        assert_eq!(fit("head\n...end\nmore"), Fit::Holds);
        assert_eq!(fit("head\n...e"), Fit::TooShort);
        assert_eq!(fit("head\n...ENDE"), Fit::Differs);
        assert_eq!(fit("HEAD"), Fit::Differs);
    }
}
