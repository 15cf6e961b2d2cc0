//! The marks that rotations leave in names: a number, a date, `old`; compressed or not.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

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
        if let Some(label) = tai64n(mark) {
            return Mark::Time(label.len(), i128::from_str_radix(label, 16).unwrap_or(0));
        }
        Mark::of_digits(mark)
    }

    /// The mark that the digits in `text` are.
    pub(super) fn of_digits(text: &[u8]) -> Mark {
        if is_year_last(text) {
            return Mark::None;
        }
        let digits: String = text
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

/// Endings of compressed files: nothing is written to those a line at a time.
const COMPRESSED: [&str; 7] = [".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".Z"];

/// The ending of `name` that says that the file is compressed; empty where none does.
pub fn compressed_ending(name: &[u8]) -> &'static str {
    let mut endings = COMPRESSED.into_iter();
    let is_it = |ending: &&str| name.ends_with(ending.as_bytes());
    endings.find(is_it).unwrap_or("")
}

/// Digits of a rotated name that are looked at: as many as a time in nanoseconds has.
const NAME_DIGITS_MAX: usize = 32;

/// What a compressed file was called before it was compressed.
pub fn without_compressed_ending(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let plain = &bytes[..bytes.len() - compressed_ending(bytes).len()];
    PathBuf::from(OsStr::from_bytes(plain))
}

/// Whether a rotation of `name` can have left a file called `other`.
pub fn is_rotated_name(name: &OsStr, other: &OsStr) -> bool {
    mark_of(name.as_bytes(), other.as_bytes()).is_some()
}

/// The same, and not compressed: a file may be that under another name.
pub fn is_plain_rotated_name(name: &OsStr, other: &OsStr) -> bool {
    mark_of(name.as_bytes(), other.as_bytes()).is_some_and(|(_, compressed)| !compressed)
}

/// The names of which a rotation can have left a file called `other`.
pub fn plain_names(other: &OsStr) -> Vec<OsString> {
    let bytes = other.as_bytes();
    let is_separator = |at: &usize| matches!(bytes[*at], b'.' | b'-' | b'_' | b'~');
    let separators: Vec<usize> = (1..bytes.len()).filter(is_separator).collect();
    let mut may_be = vec![b"current".to_vec()];
    for (n, &from) in separators.iter().enumerate() {
        // The mark in front, at the end, or before an ending.
        may_be.push(bytes[from + 1..].to_vec());
        let ends = separators[n + 1..].iter().copied().chain([bytes.len()]);
        for to in ends {
            may_be.push([&bytes[..from], &bytes[to..]].concat());
            may_be.push([&bytes[..from], b"_rCURRENT", &bytes[to..]].concat());
            // And a number behind it.
            let last = separators.last().copied().filter(|&last| last > to);
            may_be.extend(last.map(|last| [&bytes[..from], &bytes[to..last]].concat()));
        }
    }
    let mut names = Vec::new();
    for name in may_be.into_iter().map(OsString::from_vec) {
        if is_rotated_name(&name, other) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A name with each run of digits as one: numbers and times of the same style have the same shape. A run of hexadecimal
/// digits, as multilog's times are, counts as one where it is as long as that.
pub fn shape(name: &OsStr) -> Vec<u8> {
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let mut rest = name.as_bytes();
    let mut shape = Vec::new();
    while let Some(&byte) = rest.first() {
        let hex = rest.iter().take_while(|byte| is_hex(byte)).count();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let run = if hex >= HEX_DIGITS_MIN { hex } else { digits };
        shape.push(if run > 0 { b'0' } else { byte });
        rest = &rest[run.max(1)..];
    }
    shape
}

/// Hexadecimal digits in a row from which on they are one number.
const HEX_DIGITS_MIN: usize = 8;

/// The two differ in nothing but the time that stands in both: the files that a link is led to one after the other
/// (cronolog, rotatelogs, glog); compressed or not.
pub fn is_of_another_time(name: &OsStr, other: &OsStr) -> bool {
    let other = without_compressed_ending(Path::new(other));
    digits(name.as_bytes()) >= TIME_DIGITS_MIN && shape(name) == shape(other.as_os_str())
}

/// What a rotation of `name` has added to it to make `other`, if it can have, and whether that is compressed.
pub(super) fn mark_of<'a>(name: &[u8], other: &'a [u8]) -> Option<(&'a [u8], bool)> {
    let compressed = compressed_ending(other);
    let other = &other[..other.len() - compressed.len()];
    let mark = behind(name, other)
        .or_else(|| before_ending(name, other))
        .or_else(|| in_front(name, other))
        .or_else(|| of_labels(name, other))
        .or_else(|| of_flexi_logger(name, other))?;
    Some((mark, !compressed.is_empty()))
}

/// `app.log.1`, `app.log-20261128`, `app.log.old`; `app.log~` and `app.log.~1~` of `mv --backup`.
fn behind<'a>(name: &[u8], other: &'a [u8]) -> Option<&'a [u8]> {
    let mark = other.strip_prefix(name)?;
    let backup = || {
        let number = mark.strip_prefix(b".~")?.strip_suffix(b"~")?;
        (!number.is_empty() && number.iter().all(u8::is_ascii_digit)).then_some(mark)
    };
    (mark == b"~" || is_mark(mark) || backup().is_some()).then_some(mark)
}

/// `app.1.log` (logrotate's `extension`), `app-20261128.log`; with a time also `app-2026-11-28.log.2`.
fn before_ending<'a>(name: &[u8], other: &'a [u8]) -> Option<&'a [u8]> {
    let (stem, ending) = split_ending(name)?;
    let rest = other.strip_prefix(stem)?;
    if let Some(mark) = rest.strip_suffix(ending) {
        return is_mark(mark).then_some(mark);
    }
    let number = rest.iter().rposition(|&byte| byte == b'.')?;
    let is_number = rest.len() > number + 1 && rest[number + 1..].iter().all(u8::is_ascii_digit);
    let mark = rest[..number].strip_suffix(ending)?;
    (is_number && is_mark(mark) && digits(mark) >= TIME_DIGITS_MIN).then_some(rest)
}

/// `20261128-1016-01-app.log` (rotating-file-stream).
fn in_front<'a>(name: &[u8], other: &'a [u8]) -> Option<&'a [u8]> {
    let mark = other.strip_suffix(name)?;
    let is_time = digits(mark) >= TIME_DIGITS_MIN && mark[0].is_ascii_digit();
    let ends = matches!(mark.last(), Some(b'.' | b'-' | b'_'));
    (is_time && ends && mark.iter().all(is_in_time)).then_some(mark)
}

/// `@400000006b0aa96c37bf7df4.s` beside `current` (multilog, svlogd, s6-log).
fn of_labels<'a>(name: &[u8], other: &'a [u8]) -> Option<&'a [u8]> {
    let (label, ending) = other.split_at_checked(TAI64N_BYTES)?;
    (name == b"current" && tai64n(label).is_some() && matches!(ending, b".s" | b".u" | b".t"))
        .then_some(label)
}

/// `app_r00001.log` and `app_r2026-11-28_10-11-12.log` beside `app_rCURRENT.log`.
fn of_flexi_logger<'a>(name: &[u8], other: &'a [u8]) -> Option<&'a [u8]> {
    let (stem, ending) = split_ending(name)?;
    let stem = stem.strip_suffix(b"_rCURRENT")?;
    let mark = other.strip_prefix(stem)?.strip_suffix(ending)?;
    let time = mark.strip_prefix(b"_r")?;
    (!time.is_empty() && time[0].is_ascii_digit() && time.iter().all(is_in_time)).then_some(mark)
}

/// The name up to the dot of its ending, and the ending with its dot.
fn split_ending(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|&byte| byte == b'.');
    dot.filter(|&dot| dot > 0).map(|dot| name.split_at(dot))
}

/// What a rotation adds to a name: a separator, then a number, a date, or a word for "old". A time may have the reason
/// of the rotation behind it (timberjack).
fn is_mark(mark: &[u8]) -> bool {
    let [b'.' | b'-' | b'_', rest @ ..] = mark else {
        return false;
    };
    let mut time = rest;
    for reason in [&b"-size"[..], b"-time", b"-manual"] {
        if let Some(before) = rest.strip_suffix(reason) {
            if digits(before) >= TIME_DIGITS_MIN {
                time = before;
            }
        }
    }
    matches!(rest, b"old" | b"prev" | b"bak" | b"save" | b"orig")
        || time.first().is_some_and(u8::is_ascii_digit) && time.iter().all(is_in_time)
}

/// `W` is of a week: `2026-W47`.
pub(super) fn is_in_time(byte: &u8) -> bool {
    byte.is_ascii_digit() || b".-_:T+ZWw".contains(byte)
}

/// `28-11-2026`, `11.28.2026`, `28112026`: the digits of a date whose year comes last tell no order, and which of the others
/// is the month is not known.
fn is_year_last(text: &[u8]) -> bool {
    let groups = text.split(|byte| !byte.is_ascii_digit());
    let mut groups = groups.filter(|group| !group.is_empty());
    let mut next = || groups.next().unwrap_or_default();
    let (one, other, year) = match (next(), next(), next()) {
        (date, ..) if date.len() == 8 => (&date[..2], &date[2..4], &date[4..]),
        groups => groups,
    };
    let number = |digits: &[u8]| std::str::from_utf8(digits).map_or(0, |n| n.parse().unwrap_or(0));
    let is_day = |digits: &[u8]| digits.len() <= 2 && (1..=31_u8).contains(&number(digits));
    let has_century = year.starts_with(b"19") || year.starts_with(b"20");
    let has_month = number(one).min(number(other)) <= 12;
    year.len() == 4 && has_century && is_day(one) && is_day(other) && has_month
}

pub(super) fn digits(text: &[u8]) -> usize {
    text.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// Digits of a day: a name with so many holds a time and no number that tells two logs apart.
pub(super) const TIME_DIGITS_MIN: usize = 8;

/// An at sign and 24 digits, base 16.
const TAI64N_BYTES: usize = 25;

/// The digits of a time as multilog writes it.
fn tai64n(mark: &[u8]) -> Option<&str> {
    let digits = mark.strip_prefix(b"@")?;
    let is_label = mark.len() == TAI64N_BYTES && digits.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(digits).ok().filter(|_| is_label)
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
    fn names_of_one_style_have_one_shape() {
        let shape = |name: &str| shape(OsStr::new(name));
        assert_eq!(
            shape("@400000006b0aa96c37bf7df4.s"),
            shape("@400000006b0aa96d00000001.s")
        );
        assert_eq!(shape("app_r00001.log"), shape("app_r00012.log"));
        assert_eq!(shape("app.log.~1~"), shape("app.log.~10~"));
        assert_ne!(shape("app.log.~1~"), shape("app.log.1"));
        assert_ne!(shape("cafe.log"), shape("face.log"));
    }

    #[test]
    fn the_names_of_many_rotators_are_known_and_none_that_could_be_another_log() {
        let is = |name: &str, other: &str| is_rotated_name(OsStr::new(name), OsStr::new(other));
        for (name, rotated) in [
            ("current", "@400000006b0aa96c37bf7df4.s"),
            ("current", "@400000006b0aa96c37bf7df4.u"),
            ("app_rCURRENT.log", "app_r00001.log"),
            ("app_rCURRENT.log", "app_r2026-11-28_10-11-12.log"),
            ("app.log", "app.log.~1~"),
            ("app.log", "app.log~"),
            ("app.log", "app-2026-11-28T10-11-12.123-size.log"),
            ("app.log", "20261128-1016-01-app.log"),
            ("app.log", "app-2026-11-28.log.2"),
            ("app.log", "app.log.2026-11-28.gz"),
            ("app.log", "app.log-2026-W48.gz"),
        ] {
            assert!(is(name, rotated), "{name} {rotated}");
            let plain = plain_names(OsStr::new(rotated));
            assert!(plain.contains(&name.into()), "{plain:?} of {rotated}");
        }
        for (name, other) in [
            ("app.log", "app1.log"),
            ("app.log", "1-app.log"),
            ("app.log", "webapp.log"),
            ("app.log", "app-20261128-access.log"),
            ("app.log", "app.log.~x~"),
            ("app.log", "@400000006b0aa96c37bf7df4.s"),
            ("current", "@400000006b0aa96c37bf7df4"),
            ("app.log", "app_r00001.log"),
            ("app_rCURRENT.log", "app_rX.log"),
        ] {
            assert!(!is(name, other), "{name} {other}");
        }
        assert!(is_of_another_time(
            "a.20261128.log".as_ref(),
            "a.20261129.log".as_ref()
        ));
        assert!(!is_of_another_time("a.1.log".as_ref(), "a.2.log".as_ref()));
    }

    #[test]
    fn marks_of_names_tell_the_order_of_rotations() {
        let mark = |name: &str| Mark::of(Path::new(name), Path::new("/logs/v2026.log"));
        assert_eq!(mark("/logs/v2026.log"), Mark::Current);
        assert_eq!(mark("/logs/v2026-3.log"), Mark::Number(3));
        assert_eq!(mark("v2026.log.12.gz"), Mark::Number(12));
        assert_eq!(mark("v2026.log-20261123"), Mark::Time(8, 20_261_123));
        assert_eq!(mark("v2026.log.old"), Mark::None);
        for digits_tell_nothing in ["-28-11-2026", ".11.28.2026", "-01112026", "-1_11_2026.gz"] {
            assert_eq!(mark(&format!("v2026.log{digits_tell_nothing}")), Mark::None);
        }
        assert_eq!(mark("v2026.log-20112012"), Mark::None);
        assert_eq!(mark("v2026.log-20121120"), Mark::Time(8, 20_121_120));
        assert_eq!(mark("v2026.log-2026W47"), Mark::Time(6, 202_647));
        let oldest_first =
            |names: &[&str], counts_up| names.is_sorted_by_key(|name| mark(name).order(counts_up));
        let label = |name: &str| Mark::of(Path::new(name), Path::new("/logs/current")).order(true);
        assert!(label("@400000006b0aa96c37bf7df4.s") < label("@400000006b0aa96d00000000.s"));
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
