//! Times as people ask for them ([`asked`]) and as they stand in lines ([`stamp`]): text in, nanoseconds since 1970 out.

pub mod asked;
mod scan;
pub mod stamp;

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The machine's.
static ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// Nanoseconds since 1970, as near as 64 bits come to it (the years 1677 to 2262).
pub fn nanoseconds(at: Timestamp) -> i64 {
    let exact = at.as_nanosecond();
    i64::try_from(exact).unwrap_or(match exact < 0 {
        true => i64::MIN,
        false => i64::MAX,
    })
}

/// The moment that it is now.
pub fn now() -> i64 {
    nanoseconds(Timestamp::now())
}

/// Reads the machine's zone, which takes more stack than a client's thread has. To be called at the start.
pub fn read_zone() {
    LazyLock::force(&ZONE);
}

/// The machine's zone, as it was at the start.
pub fn zone() -> TimeZone {
    ZONE.clone()
}

/// A moment as JSON has it: RFC 3339 in UTC, to the second.
pub fn rfc3339(at_ns: i64) -> String {
    let second = Timestamp::from_second(at_ns.div_euclid(1_000_000_000)).unwrap_or_default();
    second.to_string()
}
