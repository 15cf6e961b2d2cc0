//! Compressed siblings: each is inflated once, into a file without a name, and then read like any other.
//!
//! One is inflated at a time, bounded, and only what is whole counts: its length and check sums are right. The file is
//! kept for a while after its last reader, so that a client that pages back doesn't pay for it each time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use nix::fcntl::OFlag;
use parking_lot::Mutex;

use crate::limits::{INFLATED_BYTES_MAX, INFLATED_FILES_MAX, INFLATED_KEPT};

/// What is inflated now.
static INFLATED: Mutex<Vec<Inflated>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Inflated {
    of: Of,
    file: Arc<File>,
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

/// What the compressed file at `path` holds, whose name says that it is compressed. Blocks for as long as inflating takes,
/// and while another file is inflated. Fails with the reason, in a few words for the user.
pub fn open(path: &Path) -> Result<(Arc<File>, std::fs::Metadata), &'static str> {
    if !is_gzip(path) {
        return Err("compressed in a way that can't be read: gzip alone can");
    }
    // Rotations make no links: one leads to a file that is none of this log.
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let compressed = options.open(path).map_err(|_| "can't be opened")?;
    let stat = compressed.metadata().map_err(|_| "can't be opened")?;
    if !stat.is_file() {
        return Err("no file");
    }
    let of = Of {
        device: stat.dev(),
        inode: stat.ino(),
        size: stat.size(),
        modified: (stat.mtime(), stat.mtime_nsec()),
    };
    // Held while one is inflated: that bounds the work to one file at a time.
    let mut inflated = INFLATED.lock();
    if let Some(known) = inflated.iter_mut().find(|known| known.of == of) {
        known.used = Instant::now();
        return Ok((Arc::clone(&known.file), stat));
    }
    let file = Arc::new(inflate(&compressed)?);
    if let Ok(modified) = stat.modified() {
        // It tells the year of lines that name none. What can't keep it is read all the same.
        let _ = file.set_modified(modified);
    }
    if inflated.len() >= INFLATED_FILES_MAX {
        let oldest = (0..inflated.len()).min_by_key(|&n| inflated[n].used);
        oldest.map(|n| inflated.swap_remove(n));
    }
    inflated.push(Inflated {
        of,
        file: Arc::clone(&file),
        used: Instant::now(),
    });
    Ok((file, stat))
}

/// Whether a file is named as gzip names its own.
pub fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz")
}

/// Lets go of what nobody has read for a while. Called now and then.
pub fn forget_old() {
    let now = Instant::now();
    let mut gone = Vec::new();
    // Where one is inflated just now, the next call will do.
    let Some(mut inflated) = INFLATED.try_lock() else {
        return;
    };
    inflated.retain_mut(|one| {
        if Arc::strong_count(&one.file) > 1 {
            one.used = now;
        }
        let stays = now < one.used + INFLATED_KEPT;
        if !stays {
            gone.push(Arc::clone(&one.file));
        }
        stays
    });
    drop(inflated);
}

fn inflate(compressed: &File) -> Result<File, &'static str> {
    let mut file = unnamed().map_err(|_| "there is no room to inflate it")?;
    let mut decoder = MultiGzDecoder::new(BufReader::new(compressed));
    let mut buf = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let n = match decoder.read(&mut buf) {
            Ok(0) => return Ok(file),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err("damaged, or not whole yet"),
        };
        bytes += n as u64;
        if bytes > INFLATED_BYTES_MAX {
            return Err("too large to be inflated");
        }
        file.write_all(&buf[..n])
            .map_err(|_| "there is no room to inflate it")?;
    }
}

/// A file in the directory for temporary files that nobody else can open and that is gone with its last descriptor.
fn unnamed() -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options.custom_flags(OFlag::O_TMPFILE.bits());
    options.open(std::env::temp_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("deflated");
        encoder.finish().expect("finished")
    }

    fn opened(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.log.1.gz");
        std::fs::write(&path, bytes).expect("written");
        let (file, _) = open(&path)?;
        let mut text =
            vec![0; usize::try_from(file.metadata().expect("a stat").len()).expect("small")];
        file.read_exact_at(&mut text, 0).expect("read");
        Ok(text)
    }

    #[test]
    fn several_members_are_one_file() {
        let both = [gz(b"one\n"), gz(b"two\n")].concat();
        assert_eq!(opened(&both), Ok(b"one\ntwo\n".to_vec()));
    }

    #[test]
    fn what_is_not_whole_is_not_read() {
        let whole = gz(&b"a line\n".repeat(1000));
        for end in [0, 5, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
            assert!(opened(&whole[..end]).is_err(), "{end} bytes");
        }
        let mut damaged = whole.clone();
        let crc = whole.len() - 6;
        damaged[crc] ^= 1;
        assert!(opened(&damaged).is_err());
        assert!(open(Path::new("/nowhere/a.log.1.xz")).is_err_and(|why| why.contains("gzip")));
    }
}
