//! Compressed siblings: each is inflated once, into a file without a name, and then read like any other.
//!
//! One is inflated at a time, bounded, and only what is whole counts: its length and check sums are right. The file is
//! kept for a while after its last reader, so that a client that pages back doesn't pay for it each time; so is the word
//! that one can't be inflated, which a bomb would make as dear each time.

mod gzip;
#[cfg(feature = "zstd")]
mod zstd;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::mem;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nix::fcntl::OFlag;
use parking_lot::{Mutex, MutexGuard};

use crate::limits::{
    INFLATED_BYTES_MAX, INFLATED_FILES_MAX, INFLATED_KEPT, INFLATED_KEPT_BYTES_MAX,
    INFLATING_READ_BYTES, INFLATING_WAIT, TIME_VOTE_BYTES,
};

use super::OpenFile;
use super::siblings::Unreadable;

/// What was inflated lately. Never held while one is inflated.
static INFLATED: Mutex<Vec<Inflated>> = Mutex::new(Vec::new());

/// Held while one is inflated: that bounds the work to one file at a time.
static INFLATING: Mutex<()> = Mutex::new(());

/// The directory for inflated files, where it is not that for temporary ones.
static PLACE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Files that were given a name for a moment.
static NAMED: AtomicU64 = AtomicU64::new(0);

/// Called now and then while a file is inflated, with the bytes that were just written: it lets others have their turn, or
/// gives up.
pub type Pause<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

const NOT_OPENED: Unreadable = Unreadable::Lost("can't be opened");
const NO_ROOM: Unreadable = Unreadable::Lost("there is no room to inflate it");
const DAMAGED: Unreadable = Unreadable::Lost("damaged, or not whole yet");
const TOO_LARGE: Unreadable = Unreadable::Lost("too large to be inflated");

#[derive(Debug)]
struct Inflated {
    of: Of,
    /// The file, or why there is none.
    made: Result<Arc<OpenFile>, Unreadable>,
    bytes: u64,
    used: Instant,
}

/// A compressed file as it was when it was inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Of {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Coding {
    /// As its name says.
    fn of(path: &Path) -> Result<Coding, Unreadable> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Ok(Coding::Gzip),
            #[cfg(feature = "zstd")]
            Some("zst") => Ok(Coding::Zstd),
            #[cfg(not(feature = "zstd"))]
            Some("zst") => Err(Unreadable::Lost(
                "compressed by zstd: this tailcast was built to read gzip alone",
            )),
            _ => Err(Unreadable::Lost(
                "compressed in a way that can't be read: gzip and zstd can",
            )),
        }
    }

    /// Writes what `compressed` holds into `sink`. Fails where it is not whole, or where the sink takes no more.
    fn inflate(self, compressed: &File, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        let input = BufReader::with_capacity(INFLATING_READ_BYTES, compressed);
        match self {
            Coding::Gzip => gzip::inflate(input, sink),
            #[cfg(feature = "zstd")]
            Coding::Zstd => zstd::inflate(input, sink),
        }
    }
}

/// Where inflated bytes go: at most as many as may be, and with pauses.
struct Sink<'a> {
    file: File,
    bytes: u64,
    bytes_max: u64,
    pause: Pause<'a>,
    /// Why it takes no more.
    failed: Option<Unreadable>,
}

/// From now on inflated files lie in this directory: on a disk, where that for temporary files may be in memory.
pub fn place_in(directory: &Path) {
    *PLACE.lock() = Some(directory.to_owned());
}

/// What the compressed file at `path` holds, whose name says that it is compressed. Blocks for as long as inflating takes,
/// and while another file is inflated. The name says how it is compressed.
pub fn open(path: &Path, pause: Pause<'_>) -> Result<(Arc<OpenFile>, fs::Metadata), Unreadable> {
    open_within(path, INFLATED_BYTES_MAX, pause)
}

/// The same, where it holds no more than so many bytes.
fn open_within(
    path: &Path,
    bytes_max: u64,
    pause: Pause<'_>,
) -> Result<(Arc<OpenFile>, fs::Metadata), Unreadable> {
    let (coding, compressed, stat) = compressed(path)?;
    let of = Of {
        device: stat.dev(),
        inode: stat.ino(),
        size: stat.size(),
        modified: (stat.mtime(), stat.mtime_nsec()),
    };
    if let Some(made) = known(of) {
        return Ok((made?, stat));
    }
    let _inflating = turn(pause)?;
    // Another may have had it inflated while we waited.
    if let Some(made) = known(of) {
        return Ok((made?, stat));
    }
    let made = inflate(coding, &compressed, bytes_max, pause);
    let made = made.map(|(file, bytes)| {
        keep_time(&file, &stat);
        (Arc::new(OpenFile::from(file)), bytes)
    });
    if !matches!(made, Err(NO_ROOM | Unreadable::GivenUp)) {
        keep(of, &made);
    }
    made.map(|(file, _)| (file, stat))
}

/// The first bytes of what the compressed file at `path` holds, in a file without a name, whether all of it is whole or not;
/// with the time of its last write. Blocks on the disk.
pub fn beginning(path: &Path) -> Option<File> {
    let (coding, compressed, stat) = compressed(path).ok()?;
    let mut pause = |_| ControlFlow::Continue(());
    let mut sink = Sink::new(TIME_VOTE_BYTES as u64, &mut pause).ok()?;
    // It ends where the sink takes no more.
    let _ = coding.inflate(&compressed, &mut sink);
    keep_time(&sink.file, &stat);
    Some(sink.file)
}

/// Opens the compressed file at `path`.
fn compressed(path: &Path) -> Result<(Coding, File, fs::Metadata), Unreadable> {
    let coding = Coding::of(path)?;
    // Rotations make no links: one leads to a file that is none of this log.
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let compressed = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Renamed,
        io::ErrorKind::PermissionDenied => Unreadable::Lost("no permission"),
        _ => NOT_OPENED,
    })?;
    let stat = compressed.metadata().map_err(|_| NOT_OPENED)?;
    if !stat.is_file() {
        return Err(Unreadable::Lost("no file"));
    }
    Ok((coding, compressed, stat))
}

/// It tells the year of lines that name none. What can't keep it is read all the same.
fn keep_time(file: &File, stat: &fs::Metadata) {
    if let Ok(modified) = stat.modified() {
        let _ = file.set_modified(modified);
    }
}

/// What came of it when it was inflated before.
fn known(of: Of) -> Option<Result<Arc<OpenFile>, Unreadable>> {
    let mut inflated = INFLATED.lock();
    let known = inflated.iter_mut().find(|known| known.of == of)?;
    known.used = Instant::now();
    Some(known.made.clone())
}

/// Waits until nothing else is inflated. Whoever inflates may wait for the turn that we have: it is let go of by `pause`.
fn turn(pause: Pause<'_>) -> Result<MutexGuard<'static, ()>, Unreadable> {
    loop {
        if let Some(turn) = INFLATING.try_lock_for(INFLATING_WAIT) {
            return Ok(turn);
        }
        if pause(0).is_break() {
            return Err(Unreadable::GivenUp);
        }
    }
}

fn keep(of: Of, made: &Result<(Arc<OpenFile>, u64), Unreadable>) {
    let bytes = made.as_ref().map_or(0, |(_, bytes)| *bytes);
    let mut gone = Vec::new();
    let mut inflated = INFLATED.lock();
    let is_full = |inflated: &[Inflated]| {
        let kept: u64 = inflated.iter().map(|one| one.bytes).sum();
        inflated.len() >= INFLATED_FILES_MAX || kept + bytes > INFLATED_KEPT_BYTES_MAX
    };
    while !inflated.is_empty() && is_full(&inflated) {
        let oldest = (0..inflated.len()).min_by_key(|&n| inflated[n].used);
        gone.extend(oldest.map(|n| inflated.swap_remove(n)));
    }
    inflated.push(Inflated {
        of,
        made: made
            .as_ref()
            .map(|(file, _)| Arc::clone(file))
            .map_err(|why| *why),
        bytes,
        used: Instant::now(),
    });
    drop(inflated);
    // Closed only now: a gigabyte that goes with its last descriptor takes a while.
    drop(gone);
}

/// Whether a file is named as one that can be inflated.
pub fn is_inflatable(path: &Path) -> bool {
    Coding::of(path).is_ok()
}

/// Lets go of what nobody has read for a while. Called now and then.
pub fn forget_old() {
    let mut inflated = INFLATED.lock();
    if inflated.is_empty() {
        return;
    }
    let now = Instant::now();
    for one in inflated.iter_mut() {
        let readers = one.made.as_ref().map_or(1, Arc::strong_count);
        if readers > 1 {
            one.used = now;
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) = mem::take(&mut *inflated)
        .into_iter()
        .partition(|one| now >= one.used + INFLATED_KEPT);
    *inflated = kept;
    drop(inflated);
    drop(gone);
}

/// The file and its length.
fn inflate(
    coding: Coding,
    compressed: &File,
    bytes_max: u64,
    pause: Pause<'_>,
) -> Result<(File, u64), Unreadable> {
    let mut sink = Sink::new(bytes_max, pause)?;
    let is_whole = coding.inflate(compressed, &mut sink);
    match (sink.failed, is_whole) {
        (Some(why), _) | (None, Err(why)) => Err(why),
        (None, Ok(())) => Ok((sink.file, sink.bytes)),
    }
}

impl<'a> Sink<'a> {
    fn new(bytes_max: u64, pause: Pause<'a>) -> Result<Sink<'a>, Unreadable> {
        Ok(Sink {
            file: unnamed().map_err(|_| NO_ROOM)?,
            bytes: 0,
            bytes_max,
            pause,
            failed: None,
        })
    }

    fn fail(&mut self, why: Unreadable) -> io::Error {
        self.failed = Some(why);
        io::Error::other(why.reason())
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.bytes_max - self.bytes).unwrap_or(usize::MAX);
        let fits = &bytes[..bytes.len().min(room)];
        if self.file.write_all(fits).is_err() {
            return Err(self.fail(NO_ROOM));
        }
        let length = fits.len() as u64;
        self.bytes += length;
        if fits.len() < bytes.len() {
            return Err(self.fail(TOO_LARGE));
        }
        if (self.pause)(length).is_break() {
            return Err(self.fail(Unreadable::GivenUp));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that nobody else can open and that is gone with its last descriptor.
fn unnamed() -> io::Result<File> {
    let place = PLACE.lock().clone();
    let place = place.unwrap_or_else(std::env::temp_dir);
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let unnamed = options
        .clone()
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(&place);
    if let Ok(file) = unnamed {
        return Ok(file);
    }
    // A file system that makes none without a name.
    let count = NAMED.fetch_add(1, Ordering::Relaxed);
    let path = place.join(format!(".tailcast-inflated-{}-{count}", std::process::id()));
    let file = options.create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
#[path = "inflate/tests.rs"]
mod tests;
