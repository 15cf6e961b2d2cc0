//! The marks that rotations leave in names: a number, a date, `old`; compressed or not.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What the name of a file tells of when it was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// A number: the higher is the older file, as logrotate has it, unless others are seen to count up.
    Number(i128),
    /// A date or a time of so many digits: the later is the younger file.
    Time(usize, i128),
    /// It has the name itself: it is the youngest.
    Current,
}

impl Mark {
    /// The mark of a file called `name` among the rotated ones of `base`; only their last components count.
    pub fn of(name: &Path, base: &Path) -> Mark {
        let bytes = |path: &Path| path.file_name().unwrap_or_default().as_bytes().to_vec();
        let (name, base) = (bytes(name), bytes(base));
        if name == base {
            return Mark::Current;
        }
        let Some((mark, _)) = mark_of(&base, &name) else {
            return Mark::None;
        };
        let digits: String = mark
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .take(NAME_DIGITS_MAX)
            .map(|&byte| char::from(byte))
            .collect();
        match (digits.len(), digits.parse()) {
            (_, Err(_)) => Mark::None,
            (0..=4, Ok(number)) => Mark::Number(number),
            (digits, Ok(time)) => Mark::Time(digits, time),
        }
    }

    /// Orders marks from the oldest to the youngest.
    pub fn order(self, counts_up: bool) -> (u8, i128) {
        match self {
            Mark::Number(number) if counts_up => (0, number),
            Mark::Number(number) => (0, -number),
            Mark::Time(_, time) => (0, time),
            Mark::None => (1, 0),
            Mark::Current => (2, 0),
        }
    }

    /// Whether the two can be compared.
    pub fn is_like(&self, other: &Mark) -> bool {
        match (self, other) {
            (Mark::Time(own, _), Mark::Time(others, _)) => own == others,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether the number of `younger`, a file that is known to be younger, is the higher (1) or the lower (-1).
    pub fn rises_to(&self, younger: &Mark) -> i32 {
        match (self, younger) {
            (Mark::Number(older), Mark::Number(younger)) => match older.cmp(younger) {
                Ordering::Less => 1,
                Ordering::Equal => 0,
                Ordering::Greater => -1,
            },
            _ => 0,
        }
    }
}

/// Digits of a rotated name that are looked at: as many as a time in nanoseconds has.
const NAME_DIGITS_MAX: usize = 32;

/// Whether a rotation of `name` can have left a file called `other`.
pub fn is_rotated_name(name: &OsStr, other: &OsStr) -> bool {
    mark_of(name.as_bytes(), other.as_bytes()).is_some()
}

/// The names of which a rotation can have left a file called `other`.
pub fn plain_names(other: &OsStr) -> Vec<OsString> {
    let bytes = other.as_bytes();
    let is_separator = |at: &usize| matches!(bytes[*at], b'.' | b'-' | b'_');
    let separators: Vec<usize> = (1..bytes.len()).filter(is_separator).collect();
    let mut names = Vec::new();
    for (n, &from) in separators.iter().enumerate() {
        // The mark at the end, or before an ending.
        let ends = separators[n + 1..].iter().copied().chain([bytes.len()]);
        for to in ends {
            let name = [&bytes[..from], &bytes[to..]].concat();
            let name = OsString::from_vec(name);
            if is_rotated_name(&name, other) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What a rotation of `name` has added to it to make `other`, if it can have, and whether that is compressed.
pub(super) fn mark_of<'a>(name: &[u8], other: &'a [u8]) -> Option<(&'a [u8], bool)> {
    let mut other = other;
    let mut compressed = false;
    for ending in [
        &b".gz"[..],
        b".xz",
        b".zst",
        b".bz2",
        b".lz4",
        b".lzma",
        b".Z",
    ] {
        if let Some(rest) = other.strip_suffix(ending) {
            (other, compressed) = (rest, true);
            break;
        }
    }
    if let Some(mark) = other.strip_prefix(name) {
        return is_mark(mark).then_some((mark, compressed));
    }
    // logrotate's `extension`: the mark stands before it.
    let dot = name
        .iter()
        .rposition(|&byte| byte == b'.')
        .filter(|&dot| dot > 0)?;
    let mark = other
        .strip_prefix(&name[..dot])?
        .strip_suffix(&name[dot..])?;
    is_mark(mark).then_some((mark, compressed))
}

/// What a rotation adds to a name: a separator, then a number, a date, or a word for "old".
fn is_mark(mark: &[u8]) -> bool {
    let [b'.' | b'-' | b'_', rest @ ..] = mark else {
        return false;
    };
    matches!(rest, b"old" | b"prev" | b"bak" | b"save" | b"orig")
        || rest.first().is_some_and(u8::is_ascii_digit)
            && rest
                .iter()
                .all(|byte| byte.is_ascii_digit() || b".-_:T+Z".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotations_are_known_and_other_logs_are_not() {
        let is = |other: &str| {
            let marked = mark_of(b"app.log", other.as_bytes());
            marked.map(|(_, compressed)| compressed)
        };
        for name in [
            "app.log.1",
            "app.log.12",
            "app.log-20261123",
            "app.log.2026-11-23_10:11:12",
            "app.log.old",
            "app.log.bak",
        ] {
            assert_eq!(is(name), Some(false), "{name}");
        }
        assert_eq!(is("app-20261123.log"), Some(false));
        assert_eq!(is("app.1.log"), Some(false));
        assert_eq!(is("app.log.2.gz"), Some(true));
        for name in [
            "app.log",
            "app.log2",
            "app.logs.1",
            "app-access.log",
            "app.log.swp",
            "other.log.1",
            "app.log.1x",
        ] {
            assert_eq!(is(name), None, "{name}");
        }
    }

    #[test]
    fn the_plain_name_of_a_rotated_one_is_known() {
        let plain = |other: &str| plain_names(OsStr::new(other));
        assert_eq!(plain("app.log.1"), ["app.log"]);
        assert_eq!(plain("app.1.log"), ["app.log"]);
        assert!(plain("app-2026-11-28.log").contains(&"app.log".into()));
        assert!(plain("app.log").is_empty());
    }

    #[test]
    fn marks_of_names_tell_the_order_of_rotations() {
        let mark = |name: &str| Mark::of(Path::new(name), Path::new("/logs/v2026.log"));
        assert_eq!(mark("/logs/v2026.log"), Mark::Current);
        assert_eq!(mark("/logs/v2026-3.log"), Mark::Number(3));
        assert_eq!(mark("v2026.log.12.gz"), Mark::Number(12));
        assert_eq!(mark("v2026.log-20261123"), Mark::Time(8, 20_261_123));
        assert_eq!(mark("v2026.log.old"), Mark::None);
        let oldest_first =
            |names: &[&str], counts_up| names.is_sorted_by_key(|name| mark(name).order(counts_up));
        let (down, up) = (
            ["v2026.log.10", "v2026.log.2"],
            ["v2026.log.2", "v2026.log.10"],
        );
        assert!(oldest_first(&down, false) && oldest_first(&up, true));
        assert!(oldest_first(
            &["v2026.log-20261123", "v2026.log-20261124", "v2026.log"],
            true
        ));
    }
}
