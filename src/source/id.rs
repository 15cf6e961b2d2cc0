//! A line's id: an opaque token that names the place just after that line, and needs no state in the daemon.
//!
//! It holds a hash of the file's name, the inode, the offset, and a check over the file's birth and the first and the
//! last bytes before that offset. The check is what makes it safe where an inode is used again at once (ext4 does),
//! where many logs begin with the same banner, and at offset 0, where there are no bytes to tell files apart. The
//! device is no part of it, since device numbers change over a reboot. Where a file system knows no births, a file
//! that was made anew with the same inode and the same bytes can't be told from the old one, as after a truncation.
//!
//! The hashes are our own few lines, since they must be the same in every build for ever; they guard against
//! accidents, not against attacks: an id can only ever lead to a place in a file that is followed anyway.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::limits::{HEAD_CHECKED_BYTES, TAIL_CHECKED_BYTES};

use super::Identity;

/// A place in a file, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Hash of the source's name.
    pub name_hash: u32,
    /// The file's inode.
    pub inode: u64,
    /// Bytes before the place.
    pub offset: u64,
    /// Check over the file's birth and the bytes before the place, 48 bits.
    pub check: u64,
}

const CHECK_BITS: u32 = 48;
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

/// The check of a place: `head` is the first min(256, offset) bytes before it, `tail` the last min(64, offset).
fn check(head_state: u64, tail: &[u8]) -> u64 {
    mix(head_state, tail) >> (64 - CHECK_BITS)
}

impl Id {
    /// Reads an id as [`fmt::Display`] writes it; `None` where it is malformed.
    pub fn parse(text: &str) -> Option<Id> {
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
        if parts.next().is_some() {
            return None;
        }
        Some(Id {
            name_hash,
            inode,
            offset,
            check,
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

    /// True where the file, `head` (its first bytes) and `tail` (the last bytes before the offset) are those that this
    /// id was made from. Both may be longer than needed: `head` at its end, `tail` at its beginning.
    pub fn matches(&self, identity: &Identity, head: &[u8], tail: &[u8]) -> bool {
        let head_len = HEAD_CHECKED_BYTES.min(usize::try_from(self.offset).unwrap_or(usize::MAX));
        let tail_len = TAIL_CHECKED_BYTES.min(usize::try_from(self.offset).unwrap_or(usize::MAX));
        if identity.inode != self.inode || head.len() < head_len || tail.len() < tail_len {
            return false;
        }
        let head_state = mix(birth_state(identity), &head[..head_len]);
        check(head_state, &tail[tail.len() - tail_len..]) == self.check
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:08x}.{:x}.{:x}.{:012x}",
            self.name_hash, self.inode, self.offset, self.check
        )
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
    head_state: u64,
    /// The last bytes before the stretch, at least [`TAIL_CHECKED_BYTES`] or all there are.
    lead: Vec<u8>,
}

impl IdMaker {
    /// For a stretch of the file whose first bytes are `head`, and that follows `lead`.
    pub fn new(name_hash: u32, identity: &Identity, head: Arc<[u8]>, lead: &[u8]) -> IdMaker {
        let whole = head.len().min(HEAD_CHECKED_BYTES);
        let birth_state = birth_state(identity);
        let head_state = mix(birth_state, &head[..whole]);
        let lead = lead[lead.len().saturating_sub(TAIL_CHECKED_BYTES)..].to_vec();
        IdMaker {
            name_hash,
            inode: identity.inode,
            birth_state,
            head,
            head_state,
            lead,
        }
    }

    /// The id of the place at the end of `bytes`, which are the stretch up to there and begin at `from`.
    pub fn id(&self, from: u64, bytes: &[u8]) -> Id {
        let offset = from + bytes.len() as u64;
        let head_len = HEAD_CHECKED_BYTES.min(usize::try_from(offset).unwrap_or(usize::MAX));
        let head_state = if head_len >= self.head.len().min(HEAD_CHECKED_BYTES) {
            self.head_state
        } else {
            mix(self.birth_state, &self.head[..head_len])
        };
        let check = if bytes.len() >= TAIL_CHECKED_BYTES {
            check(head_state, &bytes[bytes.len() - TAIL_CHECKED_BYTES..])
        } else {
            let want = TAIL_CHECKED_BYTES - bytes.len();
            let mut tail = [0; TAIL_CHECKED_BYTES];
            let lead = &self.lead[self.lead.len().saturating_sub(want)..];
            tail[..lead.len()].copy_from_slice(lead);
            tail[lead.len()..lead.len() + bytes.len()].copy_from_slice(bytes);
            check(head_state, &tail[..lead.len() + bytes.len()])
        };
        Id {
            name_hash: self.name_hash,
            inode: self.inode,
            offset,
            check,
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
