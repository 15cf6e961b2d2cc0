//! A TIME that somebody asks for: what `since=`, `until=` and `--since` are given.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::scan::{Clock, Scan};

/// What would be right, to follow "it must be".
const RIGHT: &str = "a time as 10m, 2h, 3d, 2026-11-28, 2026-11-28T03:00, 03:12, @1795860000, today, yesterday or now";
const RIGHT_RANGE: &str = "a time that the calendar has, from the year 0 to 9999";
/// The year 0.
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;

/// A time as it was asked for: most of them depend on when it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(Form);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// So many seconds before now.
    Ago(i64),
    /// Nanoseconds since 1970.
    At(i64),
    /// On a day, so many seconds ahead of UTC or in the machine's zone.
    On(Date, Clock, Option<i32>),
    /// The last time that it was so late.
    Last(Clock),
    /// The beginning of the day that was so many days ago.
    Day(i64),
    Now,
}

impl Time {
    /// Reads a TIME, or says what would be right.
    ///
    /// ```
    /// use tailcast::time::asked::Time;
    ///
    /// for good in ["10m", "2026-11-28", "2026-11-28T03:00Z", "03:12", "yesterday", "@1795860000.5"] {
    ///     assert!(Time::parse(good).is_ok(), "{good}");
    /// }
    /// assert!(Time::parse("25:00").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Time, &'static str> {
        let form = match text {
            "now" => Form::Now,
            "today" => Form::Day(0),
            "yesterday" => Form::Day(1),
            text => match text.strip_prefix('@') {
                Some(seconds) => since_1970(seconds)?,
                None if text.ends_with(['s', 'm', 'h', 'd', 'w']) => ago(text)?,
                None => on_calendar(text)?,
            },
        };
        Ok(Time(form))
    }

    /// The moment that is meant at `now`, in nanoseconds since 1970, where the machine's zone is `zone`.
    pub fn at(self, now: i64, zone: &TimeZone) -> i64 {
        let today = || {
            let now = Timestamp::from_nanosecond(i128::from(now)).unwrap_or(Timestamp::UNIX_EPOCH);
            zone.to_datetime(now).date()
        };
        match self.0 {
            Form::Now => now,
            Form::At(at) => at,
            Form::Ago(seconds) => now.saturating_sub(seconds.saturating_mul(1_000_000_000)),
            Form::On(date, clock, offset) => clock.on(date, offset, zone),
            Form::Day(ago) => Clock::START.on(before(today(), ago), None, zone),
            Form::Last(clock) => {
                let at = clock.on(today(), None, zone);
                match at > now {
                    true => clock.on(before(today(), 1), None, zone),
                    false => at,
                }
            }
        }
    }

    /// The same now, in the machine's zone.
    pub fn resolve(self) -> i64 {
        self.at(super::now(), &super::zone())
    }
}

fn before(day: Date, days: i64) -> Date {
    let ago = SignedDuration::from_hours(24 * days);
    day.checked_sub(ago).unwrap_or(day)
}

fn ago(text: &str) -> Result<Form, &'static str> {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => 7 * 24 * 60 * 60,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RIGHT);
    }
    let seconds = number.parse::<i64>().ok().and_then(|n| n.checked_mul(unit));
    let most = Timestamp::now().as_second() - FIRST_SECOND;
    let seconds = seconds.filter(|&seconds| seconds <= most);
    seconds.map(Form::Ago).ok_or(RIGHT_RANGE)
}

fn since_1970(text: &str) -> Result<Form, &'static str> {
    let mut scan = Scan(text.as_bytes());
    let digits = scan.run();
    let (whole, rest) = text.split_at(digits);
    let is_fraction = |rest: &str| {
        rest.strip_prefix('.')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    if digits == 0 || !(rest.is_empty() || is_fraction(rest)) {
        return Err(RIGHT);
    }
    scan.0 = rest.as_bytes();
    let fraction = scan.fraction();
    let seconds = whole.parse::<i64>().ok().filter(|&s| s <= LAST_SECOND);
    let seconds = seconds.ok_or(RIGHT_RANGE)?;
    let at = seconds.saturating_mul(1_000_000_000);
    Ok(Form::At(at.saturating_add(fraction)))
}

fn on_calendar(text: &str) -> Result<Form, &'static str> {
    // What has the shape of a time, but is none that the calendar has.
    let shape: Vec<u8> = text
        .bytes()
        .map(|b| if b.is_ascii_digit() { b'0' } else { b })
        .collect();
    let is_shape = |shapes: &[&[u8]]| shapes.iter().any(|known| shape.starts_with(known));
    let wrong = || match is_shape(&[b"0000-00-00", b"00:00"]) && read_shape(&shape) {
        true => RIGHT_RANGE,
        false => RIGHT,
    };
    read_calendar(text.as_bytes()).ok_or_else(wrong)
}

/// Whether a text whose digits are all 0 would be one.
fn read_shape(shape: &[u8]) -> bool {
    let mut possible = shape.to_vec();
    if let Some(day) = possible.get_mut(..10).filter(|day| day[4] == b'-') {
        day.copy_from_slice(b"0001-01-01");
    }
    read_calendar(&possible).is_some()
}

fn read_calendar(text: &[u8]) -> Option<Form> {
    let mut scan = Scan(text);
    if scan.run() == 2 {
        let clock = asked_clock(&mut scan)?;
        return scan.0.is_empty().then_some(Form::Last(clock));
    }
    let date = scan.date(b'-')?;
    if scan.0.is_empty() {
        return Some(Form::On(date, Clock::START, None));
    }
    if !scan.take(b'T') && !scan.take(b' ') {
        return None;
    }
    let clock = asked_clock(&mut scan)?;
    // In a query a + is a space, so that `+01:00` comes as ` 01:00`.
    let query;
    if let [b' ', rest @ ..] = scan.0 {
        if rest.first().is_some_and(u8::is_ascii_digit) {
            query = [b"+", rest].concat();
            scan = Scan(&query);
        }
    }
    let offset = match scan.0 {
        [] => None,
        b"Z" => Some(0),
        [b'+' | b'-', _, _, b':', _, _] => Some(scan.offset()?),
        _ => return None,
    };
    Some(Form::On(date, clock, offset))
}

/// A time of day without a leap second, and with a fraction behind a point alone.
fn asked_clock(scan: &mut Scan<'_>) -> Option<Clock> {
    let whole = scan.0;
    let clock = scan.clock(true)?;
    let read = &whole[..whole.len() - scan.0.len()];
    let is_right = !read.contains(&b',') && read.get(6..8) != Some(b"60");
    is_right.then_some(clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::nanoseconds;
    use proptest::prelude::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("the machine has time zones")
    }

    fn moment(text: &str) -> i64 {
        nanoseconds(text.parse::<Timestamp>().expect("a time"))
    }

    /// `text` asked for at `now`, in Berlin.
    fn asked(text: &str, now: &str) -> String {
        let at = Time::parse(text).expect(text).at(moment(now), &berlin());
        Timestamp::from_nanosecond(i128::from(at))
            .expect("in range")
            .to_string()
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        let now = "2026-11-28T12:00:00Z";
        for (text, at) in [
            ("now", "2026-11-28T12:00:00Z"),
            ("90s", "2026-11-28T11:58:30Z"),
            ("10m", "2026-11-28T11:50:00Z"),
            ("2h", "2026-11-28T10:00:00Z"),
            ("3d", "2026-11-25T12:00:00Z"),
            ("1w", "2026-11-21T12:00:00Z"),
            ("0s", "2026-11-28T12:00:00Z"),
            ("2026-11-28", "2026-11-27T23:00:00Z"),
            ("2026-11-28T03:00", "2026-11-28T02:00:00Z"),
            ("2026-11-28 03:00:01", "2026-11-28T02:00:01Z"),
            ("2026-11-28T03:00:00.123", "2026-11-28T02:00:00.123Z"),
            ("2026-11-28T03:00Z", "2026-11-28T03:00:00Z"),
            ("2026-11-28T03:00:00+01:30", "2026-11-28T01:30:00Z"),
            ("2026-11-28T03:00:00 01:30", "2026-11-28T01:30:00Z"),
            ("2026-11-28T03:00:00-05:00", "2026-11-28T08:00:00Z"),
            ("03:12", "2026-11-28T02:12:00Z"),
            ("03:12:30", "2026-11-28T02:12:30Z"),
            ("13:00", "2026-11-28T12:00:00Z"),
            ("13:01", "2026-11-27T12:01:00Z"),
            ("@1795860000", "2026-11-28T10:00:00Z"),
            ("@1795860000.5", "2026-11-28T10:00:00.5Z"),
            ("@0", "1970-01-01T00:00:00Z"),
            ("today", "2026-11-27T23:00:00Z"),
            ("yesterday", "2026-11-26T23:00:00Z"),
        ] {
            assert_eq!(asked(text, now), at, "{text}");
        }
    }

    #[test]
    fn daylight_saving_has_an_hour_twice_and_leaves_one_out() {
        let now = "2026-11-28T12:00:00Z";
        assert_eq!(asked("2026-10-25T02:30", now), "2026-10-25T00:30:00Z");
        assert_eq!(asked("2026-03-29T02:30", now), "2026-03-29T01:30:00Z");
        // A day of 25 hours: yesterday is a day of the calendar.
        let now = "2026-10-26T12:00:00Z";
        assert_eq!(asked("yesterday", now), "2026-10-24T22:00:00Z");
        assert_eq!(asked("1d", now), "2026-10-25T12:00:00Z");
    }

    #[test]
    fn other_forms_are_refused_with_what_would_be_right() {
        for text in [
            "",
            "x",
            "5",
            "-5m",
            "+5m",
            "1.5h",
            "m",
            "5 m",
            "1h30m",
            "@",
            "@-1",
            "@1.",
            "@1e9",
            "@x",
            "2026-11",
            "2026-1-1",
            "2026/11/28",
            "2026-11-28T",
            "2026-11-28T3:00",
            "2026-11-28T03",
            "2026-11-28T03:00X",
            "2026-11-28T03:00+01",
            "2026-11-28t03:00",
            "3:12",
            "03:12Z",
            "Today",
            "tomorrow",
            "03:12:30,5",
            " now",
        ] {
            assert_eq!(Time::parse(text), Err(RIGHT), "{text:?}");
        }
        for text in [
            "2026-02-30",
            "2026-13-01",
            "2026-11-28T24:00",
            "2026-11-28T03:60",
            "03:12:61",
            "25:00",
            "@99999999999999",
            "9999999999999999999999s",
            "9999999999w",
        ] {
            assert_eq!(Time::parse(text), Err(RIGHT_RANGE), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_refused(text in "[0-9T:.,@+Z smhdw-]{0,30}", now in any::<i64>()) {
            if let Ok(time) = Time::parse(&text) {
                time.at(now, &berlin());
            }
        }

        #[test]
        fn a_time_of_day_is_the_last_one_that_has_been(
            hour in 0..24, minute in 0..60, now in 1_700_000_000_i64..1_900_000_000,
        ) {
            let now = now * 1_000_000_000;
            let at = Time::parse(&format!("{hour:02}:{minute:02}")).expect("a time").at(now, &berlin());
            prop_assert!(at <= now && now - at <= 26 * 3_600_000_000_000);
        }
    }
}
