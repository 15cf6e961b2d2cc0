//! Times as people ask for them ([`asked`]) and as they stand in lines ([`stamp`]): text in, nanoseconds since 1970 out.

pub mod asked;
mod scan;
pub mod stamp;

use jiff::Timestamp;

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
