//! The key of ids: a secret in the state directory, by which an id that this daemon gave out is told from one that
//! somebody has made up. Only an own one may have files looked at whose names tell nothing.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use siphasher::sip::SipHasher24;

use crate::error::StartError;
use crate::small_file;

/// What the key's file is called.
const NAME: &str = "id.key";

const KEY_BYTES: usize = 16;

/// The file holds the key in digits, base 16, and a newline.
const FILE_BYTES: u64 = 2 * KEY_BYTES as u64 + 1;

/// Bits of a seal: what there is room for in an id. To guess one takes some 10^14 requests.
const SEAL_BITS: u32 = 48;

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A key that is made of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Key {
        Key(bytes)
    }

    /// Reads the key in the state directory `dir`, and makes the one or both where they are missing. Blocks on the disk.
    pub fn open(dir: &Path) -> Result<Key, StartError> {
        let path = dir.join(NAME);
        let failed =
            |error| StartError::failed(format!("use the key of ids {}", path.display()), error);
        let made = match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => make(dir, &path),
            outcome => outcome.map(drop),
        };
        made.map_err(|error| {
            let deed = format!("make the key of ids {}", path.display());
            StartError::directory(deed, error, "--state-dir")
        })?;
        let (bytes, _) = small_file::read(&path, FILE_BYTES).map_err(failed)?;
        let bad = || {
            failed(io::Error::other(
                "it is no key: remove it to get a new one, old ids are worth less then",
            ))
        };
        parse(&bytes).ok_or_else(bad)
    }

    /// The seal of `bytes`, which only who has the key can make.
    pub(super) fn seal(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(bytes);
        hasher.finish() >> (u64::BITS - SEAL_BITS)
    }
}

/// Makes the key beside itself and links it: two tailcasts that start together have the same one, and it is never half
/// there.
fn make(dir: &Path, path: &Path) -> io::Result<()> {
    small_file::make_directory(dir)?;
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let new = dir.join(format!("{NAME}.{}.new", std::process::id()));
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(format!("{digits}\n").as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => File::open(dir)?.sync_all(),
    }
}

fn parse(bytes: &[u8]) -> Option<Key> {
    let digits = bytes
        .strip_suffix(b"\n")
        .filter(|digits| digits.len() == 2 * KEY_BYTES)?;
    let mut key = [0; KEY_BYTES];
    for (byte, two) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()?;
    }
    Some(Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("a/state");
        let key = Key::open(&state).expect("made");
        assert!(Key::open(&state).expect("read") == key);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(NAME))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&state).expect("readable").count(), 1);
        let other = Key::open(&dir.path().join("b")).expect("made");
        assert_ne!(key.seal(b"x"), other.seal(b"x"));
    }

    #[test]
    fn a_key_that_is_none_is_an_error_and_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        for text in ["", "zz", &"0".repeat(32), &"0".repeat(40)] {
            fs::write(dir.path().join(NAME), text).expect("write");
            assert!(Key::open(dir.path()).is_err(), "{text:?}");
            assert_eq!(
                fs::read_to_string(dir.path().join(NAME)).expect("there"),
                text
            );
        }
    }

    #[test]
    fn a_seal_is_the_same_in_every_build() {
        // The example of the paper on SipHash: the first 15 numbers under the key of the first 16.
        let mut key = [0; KEY_BYTES];
        (0..).zip(&mut key).for_each(|(n, byte)| *byte = n);
        let text: Vec<u8> = (0..15).collect();
        assert_eq!(Key::new(key).seal(&text), 0xa129_ca61_49be_45e5 >> 16);
    }
}
