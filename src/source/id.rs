//! A line's id: an opaque token that names the place just after that line, and needs no state in the daemon.
//!
//! It holds a hash of the file's name, the inode, the offset, and a check over the file's birth and the first and the
//! last bytes before that offset. The check is what makes it safe where an inode is used again at once (ext4 does),
//! where many logs begin with the same banner, and at offset 0, where there are no bytes to tell files apart. The
//! device is no part of it, since device numbers change over a reboot. Where a file system knows no births, a file
//! that was made anew with the same inode and the same bytes can't be told from the old one, as after a truncation.
//! The first bytes are a part of the check of their own: a hole may have been punched there since.
//!
//! The hashes are our own few lines, since they must be the same in every build for ever; they guard against
//! accidents, not against attacks. What guards against those is the seal, where the daemon has a key: anyone can make up
//! an id of the first byte of any inode, and only a sealed one leads to a file of any name ([`super::siblings`]).

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use crate::limits::{HEAD_CHECKED_BYTES, ID_BYTES, TAIL_CHECKED_BYTES};

use super::Identity;
use super::seal::Key;

/// The key of this daemon's ids, set once at the start where there is a state directory.
static KEY: OnceLock<Key> = OnceLock::new();

/// From now on ids are sealed with `key`.
pub fn seal_with(key: Key) {
    // One that is set stays: its ids are out already.
    let _ = KEY.set(key);
}

/// A place in a file, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Hash of the source's name.
    pub name_hash: u32,
    /// The file's inode.
    pub inode: u64,
    /// Bytes before the place.
    pub offset: u64,
    /// Check over the file's first bytes (16 bits), over the bytes before the place (16 bits), and over those and its birth
    /// (16 bits).
    pub check: u64,
    /// This daemon's key vouches for it.
    pub own: bool,
}

const HEAD_BITS: u32 = 16;
const TAIL_BITS: u32 = 32;

/// The digits of a seal.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Digits of a seal: 48 bits.
const SEAL_DIGITS: u32 = 8;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xff51_afd7_ed55_8ccd;

fn mix(state: u64, bytes: &[u8]) -> u64 {
    let mut state = state;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        state = (state ^ u64::from_le_bytes(eight)).wrapping_mul(FACTOR);
        state ^= state >> 32;
    }
    for &byte in words.remainder() {
        state = (state ^ u64::from(byte)).wrapping_mul(FACTOR);
        state ^= state >> 32;
    }
    // The length takes part, so that "a" + "" and "" + "a" differ.
    (state ^ bytes.len() as u64).wrapping_mul(FACTOR)
}

/// Whether `text` has the shape of an id, whoever gave it.
pub fn has_shape(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=ID_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

/// The hash of a source's name that its ids carry.
pub fn name_hash(name: &str) -> u32 {
    (mix(SEED, name.as_bytes()) >> 32) as u32
}

/// Where the check of every place in a file begins.
fn birth_state(identity: &Identity) -> u64 {
    let born = identity
        .born
        .and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    match born {
        Some(born) => mix(SEED, &born.as_nanos().to_le_bytes()),
        None => SEED,
    }
}

/// The part of a check that is over `head`, the first min(256, offset) bytes before the place.
fn head_check(head: &[u8]) -> u64 {
    mix(SEED, head) >> (64 - HEAD_BITS)
}

/// The part that is over `tail`, the last min(64, offset) bytes before the place: alone, for a compressed file has another
/// birth, and with the file's birth.
fn tail_check(birth_state: u64, tail: &[u8]) -> u64 {
    tail_alone(tail) << (TAIL_BITS / 2) | mix(birth_state, tail) >> (64 - TAIL_BITS / 2)
}

fn tail_alone(tail: &[u8]) -> u64 {
    mix(SEED ^ FACTOR, tail) >> (64 - TAIL_BITS / 2)
}

impl Id {
    /// Reads an id as [`fmt::Display`] writes it; `None` where it is malformed.
    pub fn parse(text: &str) -> Option<Id> {
        Id::read(text, KEY.get())
    }

    fn read(text: &str, key: Option<&Key>) -> Option<Id> {
        let mut parts = text.split('.');
        let mut part = |digits_max: usize| -> Option<u64> {
            let part = parts.next()?;
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if part.is_empty() || part.len() > digits_max || !part.bytes().all(hex) {
                return None;
            }
            u64::from_str_radix(part, 16).ok()
        };
        let name_hash = u32::try_from(part(8)?).ok()?;
        let (inode, offset, check) = (part(16)?, part(16)?, part(12)?);
        let mut id = Id {
            name_hash,
            inode,
            offset,
            check,
            own: false,
        };
        if let Some(seal) = parts.next() {
            let seal = read_seal(seal)?;
            id.own = key.is_some_and(|key| id.seal(key) == seal);
        }
        parts.next().is_none().then_some(id)
    }

    fn seal(&self, key: &Key) -> u64 {
        let mut bytes = self.name_hash.to_le_bytes().to_vec();
        for part in [self.inode, self.offset, self.check] {
            bytes.extend(part.to_le_bytes());
        }
        key.seal(&bytes)
    }

    fn write(&self, f: &mut dyn fmt::Write, key: Option<&Key>) -> fmt::Result {
        write!(
            f,
            "{:08x}.{:x}.{:x}.{:012x}",
            self.name_hash, self.inode, self.offset, self.check
        )?;
        let Some(key) = key.filter(|_| self.own) else {
            return Ok(());
        };
        let seal = self.seal(key);
        f.write_char('.')?;
        (0..SEAL_DIGITS).rev().try_for_each(|digit| {
            let digit = DIGITS[(seal >> (6 * digit)) as usize % DIGITS.len()];
            f.write_char(char::from(digit))
        })
    }

    /// The place before the first byte of a file that was never there.
    pub fn nowhere(name_hash: u32) -> Id {
        IdMaker::beginning(name_hash, &Identity::default())
    }

    /// Whether it is the place before the first byte of a file that was not there. No file has the inode 0.
    pub fn is_nowhere(&self) -> bool {
        self.inode == 0 && self.offset == 0
    }

    /// Whether both are places in one file, as far as ids tell: `None` where the inode is the same, but not both are behind
    /// the first bytes, by which a file that was truncated or that has the inode of another is known.
    pub fn is_in_file_of(&self, other: &Id) -> Option<bool> {
        if self.inode != other.inode {
            return Some(false);
        }
        let have_heads = self.offset.min(other.offset) >= HEAD_CHECKED_BYTES as u64;
        have_heads.then_some(self.check >> TAIL_BITS == other.check >> TAIL_BITS)
    }

    /// Whether both name one place: in one file, or in one and in its copy, which has the same bytes before it.
    pub fn is_same_place(&self, other: &Id) -> bool {
        let is_one_file = self.inode == other.inode || self.offset > 0;
        let content = |id: &Id| id.check >> (TAIL_BITS / 2);
        is_one_file && self.offset == other.offset && content(self) == content(other)
    }

    /// True where the file, `head` (its first bytes) and `tail` (the last bytes before the offset) are those that this
    /// id was made from. Both may be longer than needed: `head` at its end, `tail` at its beginning.
    pub fn matches(&self, identity: &Identity, head: &[u8], tail: &[u8]) -> bool {
        if identity.inode != self.inode {
            return false;
        }
        let Some((head, tail)) = self.checked(head, tail) else {
            return false;
        };
        // A log that is kept small by punching holes has nothing at its head any more.
        let is_punched = !head.is_empty() && head.iter().all(|&byte| byte == 0);
        let head_stands = is_punched || head_check(head) == self.check >> TAIL_BITS;
        head_stands && tail_check(birth_state(identity), tail) == self.check & u64::from(u32::MAX)
    }

    /// The same by what the file holds alone: for one that was compressed, which is another file with another birth. The
    /// beginning of a file tells nothing.
    pub fn matches_content(&self, head: &[u8], tail: &[u8]) -> bool {
        let Some((head, tail)) = self.checked(head, tail).filter(|_| self.offset > 0) else {
            return false;
        };
        let alone = self.check >> (TAIL_BITS / 2) & ((1 << (TAIL_BITS / 2)) - 1);
        head_check(head) == self.check >> TAIL_BITS && tail_alone(tail) == alone
    }

    /// The bytes that the check is over; `None` where there are too few.
    fn checked<'a>(&self, head: &'a [u8], tail: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let head = head.get(..HEAD_CHECKED_BYTES.min(offset))?;
        let from = tail.len().checked_sub(TAIL_CHECKED_BYTES.min(offset))?;
        Some((head, &tail[from..]))
    }
}

/// The number that a seal's digits are.
fn read_seal(text: &str) -> Option<u64> {
    let value = |digit: u8| DIGITS.iter().position(|&one| one == digit);
    let mut digits = text.bytes().map(value);
    (text.len() == SEAL_DIGITS as usize).then_some(())?;
    digits.try_fold(0, |seal, digit| Some(seal << 6 | digit? as u64))
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, KEY.get())
    }
}

/// Makes the ids of the places in one stretch of a generation.
#[derive(Clone, Debug)]
pub struct IdMaker {
    name_hash: u32,
    inode: u64,
    birth_state: u64,
    /// The first bytes of the generation, at least up to the end of the stretch or [`HEAD_CHECKED_BYTES`].
    head: Arc<[u8]>,
    head_check: u64,
    /// The last bytes before the stretch, at least [`TAIL_CHECKED_BYTES`] or all there are.
    lead: Vec<u8>,
}

impl IdMaker {
    /// For a stretch of the file whose first bytes are `head`, and that follows `lead`.
    pub fn new(name_hash: u32, identity: &Identity, head: Arc<[u8]>, lead: &[u8]) -> IdMaker {
        let whole = head.len().min(HEAD_CHECKED_BYTES);
        let birth_state = birth_state(identity);
        let head_check = head_check(&head[..whole]);
        let lead = lead[lead.len().saturating_sub(TAIL_CHECKED_BYTES)..].to_vec();
        IdMaker {
            name_hash,
            inode: identity.inode,
            birth_state,
            head,
            head_check,
            lead,
        }
    }

    /// The id of the place at the end of `bytes`, which are the stretch up to there and begin at `from`.
    pub fn id(&self, from: u64, bytes: &[u8]) -> Id {
        let offset = from + bytes.len() as u64;
        let head_len = HEAD_CHECKED_BYTES.min(usize::try_from(offset).unwrap_or(usize::MAX));
        let head = if head_len >= self.head.len().min(HEAD_CHECKED_BYTES) {
            self.head_check
        } else {
            head_check(&self.head[..head_len])
        };
        let tail = if bytes.len() >= TAIL_CHECKED_BYTES {
            tail_check(self.birth_state, &bytes[bytes.len() - TAIL_CHECKED_BYTES..])
        } else {
            let want = TAIL_CHECKED_BYTES - bytes.len();
            let mut tail = [0; TAIL_CHECKED_BYTES];
            let lead = &self.lead[self.lead.len().saturating_sub(want)..];
            tail[..lead.len()].copy_from_slice(lead);
            tail[lead.len()..lead.len() + bytes.len()].copy_from_slice(bytes);
            tail_check(self.birth_state, &tail[..lead.len() + bytes.len()])
        };
        Id {
            name_hash: self.name_hash,
            inode: self.inode,
            offset,
            check: head << TAIL_BITS | tail,
            own: KEY.get().is_some(),
        }
    }

    /// The id of a file's first byte.
    pub fn beginning(name_hash: u32, identity: &Identity) -> Id {
        IdMaker::new(name_hash, identity, Arc::from([]), &[]).id(0, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn file(inode: u64, born: u64) -> Identity {
        Identity {
            device: 1,
            inode,
            born: Some(UNIX_EPOCH + Duration::from_nanos(born)),
        }
    }

    fn maker(bytes: &[u8], from: usize) -> IdMaker {
        let head: Arc<[u8]> = Arc::from(&bytes[..bytes.len().min(HEAD_CHECKED_BYTES)]);
        IdMaker::new(7, &file(9, 1), head, &bytes[..from])
    }

    proptest! {
        #[test]
        fn an_id_is_the_same_from_wherever_it_is_made_and_matches_its_place(
            bytes in proptest::collection::vec(any::<u8>(), 0..700), a in 0usize..700, b in 0usize..700,
        ) {
            let place = a.min(bytes.len());
            let from = b.min(place);
            let id = maker(&bytes, from).id(from as u64, &bytes[from..place]);
            prop_assert_eq!(id, maker(&bytes, 0).id(0, &bytes[..place]));
            prop_assert!(id.matches(&file(9, 1), &bytes, &bytes[..place]));
            prop_assert_eq!(Id::parse(&id.to_string()), Some(id));
            prop_assert!(id.to_string().len() <= 64);
        }

        #[test]
        fn random_text_is_no_id_or_reads_back_to_the_same_place(text in "[0-9A-Za-z._-]{0,70}") {
            if let Some(id) = Id::parse(&text) {
                prop_assert_eq!(Id::parse(&id.to_string()), Some(id));
            }
        }
    }

    #[test]
    fn an_id_keeps_its_place_where_a_hole_is_punched_at_the_head() {
        let bytes = b"a line\n".repeat(200);
        let id = maker(&bytes, 0).id(0, &bytes[..700]);
        let punched = |byte: u8| [&[byte; 512][..], &bytes[512..]].concat();
        assert!(id.matches(&file(9, 1), &punched(0), &punched(0)[..700]));
        assert!(!id.matches(&file(9, 1), &punched(1), &punched(1)[..700]));
        assert!(!id.matches(&file(9, 2), &punched(0), &punched(0)[..700]));
    }

    #[test]
    fn a_sealed_id_is_own_where_its_key_is_known_and_a_made_up_one_nowhere() {
        let (ours, others) = (Key::new([1; 16]), Key::new([2; 16]));
        let id = Id {
            name_hash: u32::MAX,
            inode: u64::MAX,
            offset: u64::MAX,
            check: (1 << 48) - 1,
            own: true,
        };
        let text = |id: &Id, key| {
            let mut text = String::new();
            id.write(&mut text, key).expect("written");
            text
        };
        let sealed = text(&id, Some(&ours));
        assert_eq!(sealed.len(), 64);
        assert_eq!(Id::read(&sealed, Some(&ours)), Some(id));
        let strange = Some(Id { own: false, ..id });
        assert_eq!(Id::read(&sealed, Some(&others)), strange);
        assert_eq!(Id::read(&sealed, None), strange);
        assert_eq!(Id::read(&text(&id, None), Some(&ours)), strange);
        // Another place does not come in under the seal.
        let other = sealed.replacen("ffffffffffffffff", "fffffffffffffff0", 1);
        assert_eq!(Id::read(&other, Some(&ours)).map(|id| id.own), Some(false));
        for bad in ["", "1", "123456789", "1234567!", "12345678."] {
            let bad = format!("{}.{bad}", text(&id, None));
            assert_eq!(Id::read(&bad, Some(&ours)), None, "{bad}");
        }
    }

    #[test]
    fn another_content_does_not_match() {
        let bytes = b"one\ntwo\nthree\n";
        let id = maker(bytes, 0).id(0, &bytes[..8]);
        let matches = |head: &[u8], tail: &[u8]| id.matches(&file(9, 1), head, tail);
        assert!(matches(bytes, &bytes[..8]));
        assert!(!matches(b"one\ntvo\nthree\n", b"one\ntvo\n"));
        assert!(!matches(b"one\n", b"one\n"));
    }

    #[test]
    fn a_later_file_with_the_same_inode_and_the_same_bytes_does_not_match() {
        for bytes in [&b""[..], b"one\n"] {
            let id = maker(bytes, 0).id(0, bytes);
            assert!(id.matches(&file(9, 1), bytes, bytes));
            assert!(!id.matches(&file(9, 2), bytes, bytes));
            assert!(!id.matches(&file(8, 1), bytes, bytes));
        }
    }
}
