//! An open file of lines, counted as long as it is open.
//!
//! Whoever keeps lines open keeps them as one of these: followers, the files that come next, the hub's generations, readers
//! of what was rotated, inflated copies. So one number says how many descriptors all of them take, and no list of places
//! has to be kept up with.

use std::fs::File;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are: descriptors belong to the process.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// An open file of lines. It reads as a [`File`].
#[derive(Debug)]
pub struct OpenFile(File);

impl OpenFile {
    /// How many are open in this process.
    pub fn count() -> usize {
        OPEN.load(Ordering::Relaxed)
    }
}

impl From<File> for OpenFile {
    fn from(file: File) -> OpenFile {
        OPEN.fetch_add(1, Ordering::Relaxed);
        OpenFile(file)
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}
