//! Reads the parts of a written time, one after the other, from the front of some bytes.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use super::nanoseconds;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// No place is further from UTC.
const OFFSET_HOURS_MAX: i64 = 14;
const NANOSECOND_DIGITS: usize = 9;
const POWERS_OF_TEN: [i64; NANOSECOND_DIGITS + 1] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a>(pub(super) &'a [u8]);

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    hour: i8,
    minute: i8,
    /// 60 in a leap second.
    second: i8,
    nanosecond: i32,
}

impl Scan<'_> {
    /// Takes `byte`, if that is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.0.first() == Some(&byte);
        self.0 = &self.0[usize::from(is_next)..];
        is_next
    }

    /// Takes exactly this many digits.
    pub(super) fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = number(digits)?;
        self.0 = rest;
        Some(number)
    }

    /// Digits that come next.
    pub(super) fn run(&self) -> usize {
        self.0.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    /// A number of one or two digits, whatever blanks stand before it.
    pub(super) fn day(&mut self) -> Option<i64> {
        while self.take(b' ') {}
        let count = self.run();
        (1..=2).contains(&count).then(|| self.digits(count))?
    }

    /// A month by its English name.
    pub(super) fn month(&mut self) -> Option<i64> {
        let (name, rest) = self.0.split_at_checked(3)?;
        let at = MONTHS.iter().position(|month| **month == name)?;
        self.0 = rest;
        Some(at as i64 + 1)
    }

    /// `2026-11-28`, with this separator.
    pub(super) fn date(&mut self, separator: u8) -> Option<Date> {
        let year = self.digits(4)?;
        let month = self.take(separator).then(|| self.digits(2))??;
        let day = self.take(separator).then(|| self.digits(2))??;
        date(year, month, day)
    }

    /// `10:00`, `10:00:00`, with a fraction behind `.` or `,`; `colons` where they are written.
    pub(super) fn clock(&mut self, colons: bool) -> Option<Clock> {
        let minute = self.minute(colons)?;
        let (second, nanosecond) = self.seconds(colons)?;
        Some(Clock {
            second: second as i8,
            nanosecond: nanosecond as i32,
            ..minute
        })
    }

    /// The time of day up to its minute.
    pub(super) fn minute(&mut self, colons: bool) -> Option<Clock> {
        let hour = self.digits(2)?;
        let minute = (!colons || self.take(b':')).then(|| self.digits(2))??;
        let is_one = hour < 24 && minute < 60;
        is_one.then_some(Clock {
            hour: hour as i8,
            minute: minute as i8,
            ..Clock::START
        })
    }

    /// What stands behind the minute: seconds (60 in a leap second) and nanoseconds, or nothing.
    pub(super) fn seconds(&mut self, colons: bool) -> Option<(i64, i64)> {
        let has_seconds = match colons {
            true => self.take(b':'),
            false => self.run() > 0,
        };
        let seconds = match has_seconds {
            true => (self.digits(2)?, self.fraction()),
            false => (0, 0),
        };
        (seconds.0 <= 60 && self.run() == 0).then_some(seconds)
    }

    /// Nanoseconds of a fraction, if there is one; digits beyond them are dropped.
    pub(super) fn fraction(&mut self) -> i64 {
        let [b'.' | b',', rest @ ..] = self.0 else {
            return 0;
        };
        let (mut nanoseconds, mut digits) = (0, 0);
        while let Some(digit) = rest.get(digits).filter(|byte| byte.is_ascii_digit()) {
            if digits < NANOSECOND_DIGITS {
                nanoseconds = nanoseconds * 10 + i64::from(digit - b'0');
            }
            digits += 1;
        }
        if digits > 0 {
            self.0 = &rest[digits..];
        }
        nanoseconds * POWERS_OF_TEN[NANOSECOND_DIGITS - digits.min(NANOSECOND_DIGITS)]
    }

    /// Seconds ahead of UTC: `Z`, `+01:00`, `+0100`, `+01`, also `UTC`, `GMT` and offsets of four digits behind a blank.
    pub(super) fn offset(&mut self) -> Option<i32> {
        let mut scan = *self;
        let behind_blank = scan.take(b' ');
        // By the first byte: most lines have none of it, and a look for each name costs more than all the rest of a time.
        let sign = match scan.0.first()? {
            b'+' => 1,
            b'-' => -1,
            b'U' | b'G' | b'Z' => return self.named_utc(scan.0),
            _ => return None,
        };
        scan.0 = &scan.0[1..];
        let hours = scan.digits(2)?;
        let minutes = match scan.take(b':') || scan.run() == 2 {
            true => scan.digits(2)?,
            false if behind_blank => return None,
            false => 0,
        };
        let is_one = hours <= OFFSET_HOURS_MAX && minutes < 60 && !goes_on(scan.0);
        is_one.then(|| {
            self.0 = scan.0;
            sign * (hours * 3600 + minutes * 60) as i32
        })
    }

    /// Takes what stands at `at`, a little way on, where it is one of the names of UTC.
    fn named_utc(&mut self, at: &[u8]) -> Option<i32> {
        let ([b'U', b'T', b'C', rest @ ..] | [b'G', b'M', b'T', rest @ ..] | [b'Z', rest @ ..]) =
            at
        else {
            return None;
        };
        if goes_on(rest) {
            return None;
        }
        self.0 = &self.0[self.0.len() - rest.len()..];
        Some(0)
    }
}

/// A word or number goes on here.
fn goes_on(rest: &[u8]) -> bool {
    rest.first().is_some_and(u8::is_ascii_alphanumeric)
}

/// At most 19 digits.
fn number(digits: &[u8]) -> Option<i64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    if let [tens, ones] = digits {
        return Some(digit(tens)? * 10 + digit(ones)?);
    }
    digits.iter().try_fold(0_i64, |number, byte| {
        number.checked_mul(10)?.checked_add(digit(byte)?)
    })
}

/// The day, if the calendar has it.
pub(super) fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    let year = i16::try_from(year).ok()?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

impl Clock {
    /// The moment at which it is this time on `date`, `offset` seconds ahead of UTC, else in `zone`. A time that daylight
    /// saving has twice is the first one, one that it leaves out is moved on by it; one beyond the calendar is its end.
    pub(super) fn on(self, date: Date, offset: Option<i32>, zone: &TimeZone) -> i64 {
        let leap = i64::from(self.second / 60);
        let second = self.second.min(59);
        let at = DateTime::new(
            date.year(),
            date.month(),
            date.day(),
            self.hour,
            self.minute,
            second,
            self.nanosecond,
        );
        let offset = offset.and_then(|seconds| Offset::from_seconds(seconds).ok());
        let timestamp = at.and_then(|at| match offset {
            Some(offset) => offset.to_timestamp(at),
            None => zone.to_timestamp(at),
        });
        let end = match date.year() > 1970 {
            true => i64::MAX,
            false => i64::MIN,
        };
        timestamp
            .map_or(end, nanoseconds)
            .saturating_add(leap * 1_000_000_000)
    }

    /// Midnight.
    pub(super) const START: Clock = Clock {
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
    };
}
