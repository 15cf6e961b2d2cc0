//! A moment as RFC 3339 writes it: read from a record, and written in UTC.

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A moment of the calendar's years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since 1970, negative before.
    seconds: i64,
    /// Of the second.
    nanoseconds: u32,
}

impl Moment {
    /// Nanoseconds since 1970; `None` where 64 bits don't hold that (Go's zero time, say).
    pub fn nanoseconds(self) -> Option<i64> {
        self.seconds
            .checked_mul(1_000_000_000)?
            .checked_add(i64::from(self.nanoseconds))
    }
}

/// Reads `2026-11-28T10:00:00.123456789+01:00`, with or without a fraction, `Z` or an offset behind it.
pub fn read(text: &[u8]) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(19)?;
    let date: &[u8; 19] = date.try_into().ok()?;
    let is_digit = |at: usize| date[at].is_ascii_digit();
    let separators = [date[4], date[7], date[10], date[13], date[16]];
    let places = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18];
    if separators != *b"--T::" || !places.iter().all(|&at| is_digit(at)) {
        return None;
    }
    let two = |at: usize| i64::from(date[at] - b'0') * 10 + i64::from(date[at + 1] - b'0');
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    // A leap second is the first of the next minute.
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (nanoseconds, zone) = match rest {
        [b'.', rest @ ..] => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&length) {
                return None;
            }
            let scale = 10_i64.pow(9 - length as u32);
            (digits(&rest[..length])? * scale, &rest[length..])
        }
        rest => (0, rest),
    };
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = digits(&[*h1, *h2])? * 60 + digits(&[*m1, *m2])?;
            minutes * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    let seconds =
        days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
    Some(Moment {
        seconds,
        nanoseconds: nanoseconds as u32,
    })
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is a year's last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Appends a time in UTC, with as many digits of a second as it has.
pub fn write(nanoseconds: i64, out: &mut Vec<u8>) {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let fraction = nanoseconds.rem_euclid(1_000_000_000) as u32;
    let day = seconds.div_euclid(DAY_SECONDS) + 719_468;
    let second = seconds.rem_euclid(DAY_SECONDS) as u32;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let year = year + era * 400 + i64::from(month > 9);
    let month = if month > 9 { month - 9 } else { month + 3 };
    let mut text = *b"0000-00-00T00:00:00.000000000";
    put(year as u32, &mut text[0..4]);
    put(month as u32, &mut text[5..7]);
    put(date as u32, &mut text[8..10]);
    put(second / 3600, &mut text[11..13]);
    put(second / 60 % 60, &mut text[14..16]);
    put(second % 60, &mut text[17..19]);
    put(fraction, &mut text[20..29]);
    let zeros = text
        .iter()
        .rev()
        .take_while(|&&digit| digit == b'0')
        .count();
    let length = match fraction {
        0 => 19,
        _ => text.len() - zeros,
    };
    out.extend_from_slice(&text[..length]);
    out.push(b'Z');
}

/// Puts a number's digits over `digits`.
fn put(value: u32, digits: &mut [u8]) {
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<i64> {
        read(text.as_bytes())?.nanoseconds()
    }

    fn text(nanoseconds: i64) -> String {
        let mut out = Vec::new();
        write(nanoseconds, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn moments_of_all_writers_are_read() {
        let noon = 1_795_860_000_000_000_000;
        assert_eq!(at("2026-11-28T10:00:00Z"), Some(noon));
        assert_eq!(at("2026-11-28T11:30:00+01:30"), Some(noon));
        assert_eq!(at("2026-11-28T05:00:00-05:00"), Some(noon));
        assert_eq!(at("2026-11-28T10:00:00.000000001Z"), Some(noon + 1));
        assert_eq!(at("2026-11-28T10:00:00.5Z"), Some(noon + 500_000_000));
        assert_eq!(at("1969-12-31T23:59:59.5Z"), Some(-500_000_000));
        assert_eq!(at("2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000_000));
        assert_eq!(text(noon), "2026-11-28T10:00:00Z");
        assert_eq!(text(-500_000_000), "1969-12-31T23:59:59.5Z");
    }

    #[test]
    fn a_moment_beyond_64_bits_is_one_without_a_number() {
        let zero = read(b"0001-01-01T00:00:00Z").expect("a moment");
        assert_eq!(zero.nanoseconds(), None);
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for wrong in [
            "",
            "2026-11-28",
            "2026-11-28 10:00:00Z",
            "2026-13-28T10:00:00Z",
            "2026-11-28T10:00:00",
            "2026-11-28T10:00:00.Z",
            "2026-11-28T10:00:00.1234567890Z",
            "2026-11-28T10:00:00+1:00",
            "2026-11-28T1\u{e4}:00:00Z",
        ] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_is_read_as_it_was_written(nanoseconds in any::<i64>()) {
            prop_assert_eq!(at(&text(nanoseconds)), Some(nanoseconds));
        }

        #[test]
        fn any_bytes_are_a_moment_or_none(bytes in "[0-9TZ:.+-]{0,40}") {
            if let Some(moment) = read(bytes.as_bytes()) {
                moment.nanoseconds();
            }
        }
    }
}
