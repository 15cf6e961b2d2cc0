//! The time that stands in a line: in which form, and which moment that is.
//!
//! A file's form is settled by a vote of its first lines, so that a number that happens to look like a time in one line
//! dates no other.

use std::cell::RefCell;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::scan::{Clock, Scan, date};

/// Bytes of a line in which its time begins.
pub const LOOKED_AT_BYTES: usize = 128;
/// Lines that have a vote.
const VOTES_MAX: usize = 20;
/// Fields of JSON that hold a line's time.
const JSON_FIELDS: [&[u8]; 5] = [b"time", b"ts", b"timestamp", b"@timestamp", b"t"];
/// Words that may stand before a time, in small letters.
const LEVELS: [&[u8]; 26] = [
    b"trace",
    b"debug",
    b"info",
    b"information",
    b"informational",
    b"notice",
    b"warn",
    b"warning",
    b"error",
    b"err",
    b"fatal",
    b"critical",
    b"crit",
    b"alert",
    b"emerg",
    b"emergency",
    b"panic",
    b"severe",
    b"fine",
    b"verbose",
    b"d",
    b"i",
    b"w",
    b"e",
    b"f",
    b"a",
];
/// The first second of 2001 and that of 2101: a bare number between is a time.
const EPOCH_SECONDS: std::ops::Range<i64> = 978_307_200..4_133_980_800;
/// A clock that is ahead, or a zone that is not the machine's, by so much makes no line one of the year before.
const YEAR_SLACK_NANOSECONDS: i64 = 24 * 60 * 60 * 1_000_000_000;
/// Years that have no 29 February, in a row, at most.
const YEARS_WITHOUT_LEAP_MAX: i64 = 8;

/// How a line says when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A field of a JSON object.
    Json,
    /// `2026-11-28T10:00:00.123+01:00` and the like.
    Iso,
    /// `2026/11/28 10:00:00`
    Slashed,
    /// `Nov 28 10:00:00`
    Syslog,
    /// Seconds, or thousandth parts of them, since 1970.
    Epoch,
    /// `[28/Nov/2026:10:00:00 +0000]`
    Common,
    /// `time=` or `ts=`
    Logfmt,
}

/// What a time in a line leaves open.
#[derive(Clone, Debug)]
pub struct Hints {
    /// The zone of times that name none.
    pub zone: TimeZone,
    /// No line is younger: when the file was last written to, in nanoseconds since 1970.
    pub latest: i64,
    /// The minute that was read last: most lines of a log are of the one that the line before is of, and the calendar and
    /// the zone cost more than all the rest.
    minute: RefCell<Option<Minute>>,
}

/// How a date and a time of day are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Iso,
    /// Without separators.
    Basic,
    Slashed,
    Syslog,
    Common,
}

/// A date and a time of day up to the minute, as it stands in a line, and which moment that is.
#[derive(Clone, Debug)]
struct Minute {
    style: Style,
    text: [u8; MINUTE_BYTES_MAX],
    length: usize,
    /// The offset that stands behind the seconds.
    offset: Option<i32>,
    at: i64,
}

/// Bytes of a longer one are read anew each time: `2026-11-28T10:00` has 16.
const MINUTE_BYTES_MAX: usize = 24;

impl Minute {
    fn of(style: Style, text: &[u8], offset: Option<i32>, at: i64) -> Option<Minute> {
        let mut kept = [0; MINUTE_BYTES_MAX];
        kept.get_mut(..text.len())?.copy_from_slice(text);
        Some(Minute {
            style,
            text: kept,
            length: text.len(),
            offset,
            at,
        })
    }

    /// How long it is, the offset behind it, and which moment it is.
    fn known(&self) -> (usize, Option<i32>, i64) {
        (self.length, self.offset, self.at)
    }

    /// Whether `text` begins with it. Word by word: a line costs less than a call of memcmp.
    fn begins(&self, text: &[u8]) -> bool {
        const WORD: usize = size_of::<u64>();
        let word = |text: &[u8], at: usize| {
            text.get(at..at + WORD).map(|word| {
                let mut bytes = [0; WORD];
                bytes.copy_from_slice(word);
                u64::from_ne_bytes(bytes)
            })
        };
        let is_same =
            |at: usize| word(text, at).is_some_and(|found| Some(found) == word(&self.text, at));
        let Some(last) = self.length.checked_sub(WORD) else {
            return text.starts_with(&self.text[..self.length]);
        };
        is_same(last) && (0..last).step_by(WORD).all(is_same)
    }
}

impl Hints {
    /// Of a file that was last written to at `latest`, with times in `zone` where they name none.
    pub fn new(zone: TimeZone, latest: i64) -> Hints {
        Hints {
            zone,
            latest,
            minute: RefCell::new(None),
        }
    }
}

impl Form {
    const ALL: [Form; 7] = [
        Form::Json,
        Form::Iso,
        Form::Slashed,
        Form::Syslog,
        Form::Epoch,
        Form::Common,
        Form::Logfmt,
    ];

    /// The form that most of a file's first lines have, of those that have one.
    pub fn of<'a>(lines: impl Iterator<Item = &'a [u8]>, hints: &Hints) -> Option<Form> {
        let has = |line: &[u8]| {
            Form::ALL
                .into_iter()
                .find(|form| form.read(line, hints).is_some())
        };
        let mut votes = [0; Form::ALL.len()];
        for form in lines.filter_map(has).take(VOTES_MAX) {
            votes[form as usize] += 1;
        }
        // Where two have as many, the first.
        let most = votes.iter().max().filter(|&&most| most > 0)?;
        let winner = votes.iter().position(|votes| votes == most)?;
        Some(Form::ALL[winner])
    }

    /// The time that stands in `line` in this form, in nanoseconds since 1970.
    pub fn read(self, line: &[u8], hints: &Hints) -> Option<i64> {
        match self {
            Form::Json => json(line, hints),
            Form::Iso => iso(&mut at_time(line), hints),
            Form::Slashed => slashed(&mut at_time(line), hints),
            Form::Syslog => syslog(&mut at_time(line), hints),
            Form::Epoch => epoch(&mut at_time(line)),
            Form::Common => brackets(line).find_map(|inner| clf(&mut Scan(inner), hints)),
            Form::Logfmt => logfmt(line, hints),
        }
    }
}

/// Where a time would stand: behind blanks, brackets, colours, a syslog priority and level words.
fn at_time(line: &[u8]) -> Scan<'_> {
    if line.first().is_some_and(u8::is_ascii_digit) {
        return Scan(line);
    }
    let mut rest = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    while line.len() - rest.len() < LOOKED_AT_BYTES {
        let before = rest.len();
        rest = match rest {
            [b' ' | b'\t' | b'[' | b'(', rest @ ..] => rest,
            [0x1b, b'[', ..] => colour(rest).unwrap_or(rest),
            [b'<', ..] => priority(rest).unwrap_or(rest),
            _ => level(rest).unwrap_or(rest),
        };
        if rest.len() == before {
            return Scan(rest);
        }
    }
    Scan(&[])
}

fn colour(rest: &[u8]) -> Option<&[u8]> {
    let codes = rest[2..]
        .iter()
        .take_while(|&&b| b.is_ascii_digit() || b == b';')
        .count();
    rest[2 + codes..].strip_prefix(b"m")
}

/// `<34>`, and the version `1 ` behind it, as RFC 5424 has it.
fn priority(rest: &[u8]) -> Option<&[u8]> {
    let number = Scan(&rest[1..]).run();
    let rest = rest[1 + number..].strip_prefix(b">")?;
    if !(1..=3).contains(&number) {
        return None;
    }
    let version = Scan(rest).run();
    match (1..=2).contains(&version) && rest.get(version) == Some(&b' ') {
        true => Some(&rest[version..]),
        false => Some(rest),
    }
}

fn level(rest: &[u8]) -> Option<&[u8]> {
    let letters = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let (word, rest) = rest.split_at(letters);
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let closing = rest.iter().take_while(|&b| b"]):,|-".contains(b)).count();
    let is_end = matches!(rest.get(closing), Some(b' ' | b'\t' | b'[' | b'(' | 0x1b));
    (is_level && is_end).then(|| &rest[closing..])
}

/// `2026-11-28T10:00:00`, with `T` or a space, also without any separators (`20261128T100000`).
fn iso(scan: &mut Scan<'_>, hints: &Hints) -> Option<i64> {
    if scan.0.get(4) != Some(&b'-') && scan.run() == 8 {
        return at_minute(scan, hints, Style::Basic, |scan| {
            let day = date(scan.digits(4)?, scan.digits(2)?, scan.digits(2)?)?;
            let between = scan.take(b'T') || scan.take(b't');
            Some((day, between.then(|| scan.minute(false))??))
        });
    }
    at_minute(scan, hints, Style::Iso, |scan| {
        let day = scan.date(b'-')?;
        let between = scan.take(b'T') || scan.take(b't') || scan.take(b' ');
        Some((day, between.then(|| scan.minute(true))??))
    })
}

fn slashed(scan: &mut Scan<'_>, hints: &Hints) -> Option<i64> {
    at_minute(scan, hints, Style::Slashed, |scan| {
        let day = scan.date(b'/')?;
        let between = scan.take(b' ') || scan.take(b'T');
        Some((day, between.then(|| scan.minute(true))??))
    })
}

/// The year is the last one in which that is no later than the file.
fn syslog(scan: &mut Scan<'_>, hints: &Hints) -> Option<i64> {
    at_minute(scan, hints, Style::Syslog, |scan| {
        let (month, day) = (scan.month()?, scan.day()?);
        let clock = scan.take(b' ').then(|| scan.minute(true))??;
        let latest = hints.latest.saturating_add(YEAR_SLACK_NANOSECONDS);
        let youngest = jiff::Timestamp::from_nanosecond(i128::from(latest)).ok()?;
        let year = i64::from(hints.zone.to_datetime(youngest).year());
        let day = (0..=YEARS_WITHOUT_LEAP_MAX)
            .filter_map(|ago| date(year - ago, month, day))
            .find(|&day| clock.on(day, None, &hints.zone) <= latest)?;
        Some((day, clock))
    })
}

/// The moment of the minute that `minute` reads, of the seconds behind it, and of the offset behind those. A minute that was
/// read last is not read again. (Zones change by whole minutes, since 1972.)
fn at_minute(
    scan: &mut Scan<'_>,
    hints: &Hints,
    style: Style,
    minute: impl Fn(&mut Scan<'_>) -> Option<(Date, Clock)>,
) -> Option<i64> {
    let text = scan.0;
    let is_it = |known: &&Minute| known.style == style && known.begins(text);
    let known = hints
        .minute
        .borrow()
        .as_ref()
        .filter(is_it)
        .map(Minute::known);
    let read = match known {
        Some((length, ..)) => {
            scan.0 = &text[length..];
            None
        }
        None => Some(minute(scan)?),
    };
    let length = text.len() - scan.0.len();
    let (seconds, nanoseconds) = scan.seconds(style != Style::Basic)?;
    let offset = match style {
        Style::Syslog => None,
        _ => scan.offset(),
    };
    let at = match (known, read) {
        (Some((_, known, at)), _) if known == offset => at,
        (_, read) => {
            let (day, clock) = read.or_else(|| minute(&mut Scan(text)))?;
            let at = clock.on(day, offset, &hints.zone);
            if let Some(known) = Minute::of(style, &text[..length], offset, at) {
                hints.minute.replace(Some(known));
            }
            at
        }
    };
    Some(at.saturating_add(seconds * 1_000_000_000 + nanoseconds))
}

/// 10, 13, 16 or 19 digits of a time between 2001 and 2100.
fn epoch(scan: &mut Scan<'_>) -> Option<i64> {
    let digits = scan.run();
    let unit = match digits {
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let at = scan.digits(digits)?.checked_mul(unit)?;
    let fraction = match digits {
        10 if scan.0.first() == Some(&b'.') => scan.fraction(),
        _ => 0,
    };
    let is_alone = !scan
        .0
        .first()
        .is_some_and(|&b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let is_time = EPOCH_SECONDS.contains(&(at / 1_000_000_000));
    (is_alone && is_time).then_some(at + fraction)
}

/// What stands behind each bracket of a line.
fn brackets(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let head = &line[..line.len().min(LOOKED_AT_BYTES)];
    memchr::memchr_iter(b'[', head).map(|at| &line[at + 1..])
}

fn clf(scan: &mut Scan<'_>, hints: &Hints) -> Option<i64> {
    at_minute(scan, hints, Style::Common, |scan| {
        let day = scan.digits(2)?;
        let month = scan.take(b'/').then(|| scan.month())??;
        let year = scan.take(b'/').then(|| scan.digits(4))??;
        let clock = scan.take(b':').then(|| scan.minute(true))??;
        Some((date(year, month, day)?, clock))
    })
}

/// The value of a field, in quotes or without.
fn value(text: &[u8], hints: &Hints) -> Option<i64> {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    iso(&mut Scan(text), hints)
        .or_else(|| epoch(&mut Scan(text)))
        .or_else(|| slashed(&mut Scan(text), hints))
        .or_else(|| clf(&mut Scan(text), hints))
}

/// The fields of the object itself, not those of objects in it.
fn json(line: &[u8], hints: &Hints) -> Option<i64> {
    let mut at = line
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let mut depth = 0;
    let mut last_string: &[u8] = &[];
    if line.get(at) != Some(&b'{') {
        return None;
    }
    while at < line.len().min(LOOKED_AT_BYTES) {
        match line[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let begin = at + 1;
                at = string_end(line, begin)?;
                last_string = &line[begin..at];
            }
            b':' if depth == 1 && JSON_FIELDS.contains(&last_string) => {
                let blanks = line[at + 1..]
                    .iter()
                    .take_while(|b| b.is_ascii_whitespace())
                    .count();
                let text = &line[at + 1 + blanks..];
                // As MongoDB has it.
                let text = text.strip_prefix(b"{\"$date\":").unwrap_or(text);
                if let Some(at) = value(text, hints) {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the quote stands that ends the string that begins at `at`.
fn string_end(line: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn logfmt(line: &[u8], hints: &Hints) -> Option<i64> {
    let head = &line[..line.len().min(LOOKED_AT_BYTES)];
    memchr::memchr_iter(b'=', head).find_map(|at| {
        let begin = head[..at]
            .iter()
            .rposition(|byte| byte.is_ascii_whitespace());
        let name = &head[begin.map_or(0, |blank| blank + 1)..at];
        matches!(name, b"time" | b"ts").then(|| value(&line[at + 1..], hints))?
    })
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
