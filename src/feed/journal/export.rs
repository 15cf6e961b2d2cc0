//! The journal's export format (systemd's JOURNAL_EXPORT_FORMATS): a parser over bytes as they come, in pieces of any
//! size.
//!
//! A field is `NAME=value\n`, or where the value is binary `NAME\n`, its length in 8 bytes, the value and `\n`; an empty
//! line ends an entry. Only fields that are asked for are kept, each up to a bound.

use std::collections::HashSet;
use std::str;

use memchr::memchr;

use crate::limits::{
    JOURNAL_FIELD_BYTES, JOURNAL_FIELD_BYTES_MAX, JOURNAL_FIELD_NAME_BYTES, JOURNAL_FIELDS_MAX,
    JOURNAL_MESSAGE_BYTES,
};

/// The bytes are not of this format.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// The fields of an entry that were asked for, in their order; one may stand there more than once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// The first value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.values(name);
        values.next()
    }

    /// The same as text without control characters, where it is some.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        let text = str::from_utf8(self.get(name)?).ok()?;
        (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
    }

    /// Whether one of the values of a field is this one.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.values(name).any(|other| other == value.as_bytes())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self
            .fields
            .iter()
            .filter(move |(other, _)| other == name.as_bytes());
        named.map(|(_, value)| value.as_slice())
    }

    fn push(&mut self, name: &[u8], value: Vec<u8>) {
        if self.fields.len() < JOURNAL_FIELDS_MAX {
            self.fields.push((name.to_vec(), value));
        }
    }
}

#[derive(Debug)]
enum State {
    /// In a field's name.
    Name,
    /// In a value that ends with its line.
    Text,
    /// In the length of a binary value: what there is of it.
    Length(Vec<u8>),
    /// In a binary value: bytes of it that are still to come.
    Data(u64),
    /// The newline behind a binary value.
    DataEnd,
}

/// A parser of the export format: takes bytes in any pieces, gives out whole entries.
#[derive(Debug)]
pub(super) struct Export {
    wanted: HashSet<Vec<u8>>,
    state: State,
    name: Vec<u8>,
    value: Vec<u8>,
    entry: Entry,
}

impl Export {
    /// A parser that keeps the fields with these names.
    pub(super) fn new(wanted: impl IntoIterator<Item = Vec<u8>>) -> Export {
        Export {
            wanted: wanted.into_iter().collect(),
            state: State::Name,
            name: Vec::new(),
            value: Vec::new(),
            entry: Entry::default(),
        }
    }

    /// Takes the next bytes; `entry` is called for each entry that ends in them.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        entry: &mut dyn FnMut(Entry),
    ) -> Result<(), Broken> {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Name => self.take_name(bytes, entry)?,
                State::Text => {
                    let end = memchr(b'\n', bytes);
                    self.keep(&bytes[..end.unwrap_or(bytes.len())]);
                    match end {
                        Some(end) => {
                            self.field_ends();
                            &bytes[end + 1..]
                        }
                        None => &[],
                    }
                }
                State::Length(length) => {
                    let (more, rest) = bytes.split_at((8 - length.len()).min(bytes.len()));
                    length.extend_from_slice(more);
                    if let Ok(length) = <[u8; 8]>::try_from(length.as_slice()) {
                        let length = u64::from_le_bytes(length);
                        if length > JOURNAL_FIELD_BYTES_MAX {
                            return Err(Broken);
                        }
                        self.state = State::Data(length);
                    }
                    rest
                }
                State::Data(left) => {
                    let now = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= now as u64;
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    self.keep(&bytes[..now]);
                    &bytes[now..]
                }
                State::DataEnd => {
                    if bytes[0] != b'\n' {
                        return Err(Broken);
                    }
                    self.field_ends();
                    &bytes[1..]
                }
            };
            // An empty binary value has no byte to be taken.
            if matches!(self.state, State::Data(0)) {
                self.state = State::DataEnd;
            }
        }
        Ok(())
    }

    fn take_name<'a>(
        &mut self,
        bytes: &'a [u8],
        entry: &mut dyn FnMut(Entry),
    ) -> Result<&'a [u8], Broken> {
        let end = bytes.iter().position(|&byte| byte == b'=' || byte == b'\n');
        self.name
            .extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if self.name.len() > JOURNAL_FIELD_NAME_BYTES {
            return Err(Broken);
        }
        let Some(end) = end else {
            return Ok(&[]);
        };
        match (bytes[end], self.name.is_empty()) {
            (b'\n', true) => {
                let whole = std::mem::take(&mut self.entry);
                if !whole.fields.is_empty() {
                    entry(whole);
                }
            }
            (b'\n', false) => self.state = State::Length(Vec::new()),
            (_, true) => return Err(Broken),
            (_, false) => self.state = State::Text,
        }
        Ok(&bytes[end + 1..])
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.wanted.contains(self.name.as_slice()) {
            return;
        }
        let most = match self.name.as_slice() {
            b"MESSAGE" => JOURNAL_MESSAGE_BYTES,
            _ => JOURNAL_FIELD_BYTES,
        };
        let room = most.saturating_sub(self.value.len()).min(bytes.len());
        self.value.extend_from_slice(&bytes[..room]);
    }

    fn field_ends(&mut self) {
        if self.wanted.contains(self.name.as_slice()) {
            let value = std::mem::take(&mut self.value);
            self.entry.push(&self.name, value);
        }
        self.name.clear();
        self.state = State::Name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted() -> Vec<Vec<u8>> {
        ["A", "B", "MESSAGE"]
            .map(|name| name.as_bytes().to_vec())
            .to_vec()
    }

    fn parsed(bytes: &[u8], pieces: usize) -> Result<Vec<Entry>, Broken> {
        let mut export = Export::new(wanted());
        let mut entries = Vec::new();
        for piece in bytes.chunks(pieces) {
            export.take(piece, &mut |entry| entries.push(entry))?;
        }
        Ok(entries)
    }

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u64).to_le_bytes();
        [name.as_bytes(), b"\n", &length, value, b"\n"].concat()
    }

    #[test]
    fn text_and_binary_fields_are_read_and_others_left_out() {
        let bytes = [
            &b"A=1\nOTHER=x\nA=2=3\n"[..],
            &binary("MESSAGE", b"two\nlines\x00\xff"),
            &binary("LARGE", &[b'\n'; 100_000]),
            b"B=\n\n\nA=last\n\nA=torn",
        ]
        .concat();
        for pieces in [1, 2, 3, 7, 1000, bytes.len()] {
            let entries = parsed(&bytes, pieces).expect("well-formed");
            assert_eq!(entries.len(), 2);
            assert!(entries[0].has("A", "1") && entries[0].has("A", "2=3"));
            assert_eq!(entries[0].get("A"), Some(&b"1"[..]));
            assert_eq!(entries[0].get("MESSAGE"), Some(&b"two\nlines\x00\xff"[..]));
            assert_eq!(
                (entries[0].get("B"), entries[0].word("B")),
                (Some(&b""[..]), None)
            );
            assert_eq!(entries[0].get("OTHER"), None);
            assert_eq!(entries[1].word("A"), Some("last"));
        }
    }

    #[test]
    fn fields_are_kept_up_to_their_bounds() {
        let long = vec![b'x'; JOURNAL_MESSAGE_BYTES + 5];
        let bytes = [
            &binary("MESSAGE", &long)[..],
            &binary("A", &long),
            b"B=b\n\n",
        ]
        .concat();
        let entries = parsed(&bytes, 65_536).expect("well-formed");
        let length = |name| entries[0].get(name).map(<[u8]>::len);
        assert_eq!(length("MESSAGE"), Some(JOURNAL_MESSAGE_BYTES));
        assert_eq!(length("A"), Some(JOURNAL_FIELD_BYTES));
        assert_eq!(entries[0].word("B"), Some("b"));
    }

    #[test]
    fn what_is_no_export_is_broken() {
        let long = [&b"X"[..], &[b'x'; JOURNAL_FIELD_NAME_BYTES]].concat();
        let huge = [&b"A\n"[..], &u64::MAX.to_le_bytes()].concat();
        let unended = [&binary("A", b"x")[..10], b"x!"].concat();
        for bytes in [&long[..], &huge, &unended, b"=x\n"] {
            assert_eq!(parsed(bytes, 5), Err(Broken), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_make_no_difference(
            fields in proptest::collection::vec(
                (0usize..4, proptest::collection::vec(any::<u8>(), 0..20)), 0..12),
            pieces in 1usize..40,
        ) {
            let mut bytes = Vec::new();
            for (n, value) in &fields {
                match n {
                    3 => bytes.push(b'\n'),
                    n => bytes.extend(binary(["A", "B", "C"][*n], value)),
                }
            }
            bytes.extend_from_slice(b"\n");
            let whole = parsed(&bytes, bytes.len());
            prop_assert!(whole.is_ok());
            prop_assert_eq!(parsed(&bytes, pieces), whole);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), pieces in 1usize..50) {
            let _ = parsed(&bytes, pieces);
        }
    }
}
