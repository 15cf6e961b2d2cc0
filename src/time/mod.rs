//! Times as people ask for them ([`asked`]) and as they stand in lines ([`stamp`]): text in, nanoseconds since 1970 out.

pub mod asked;
mod scan;
pub mod stamp;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Where the zones of the machine are, and the one that it is in.
const ZONES: &str = "/usr/share/zoneinfo";
const LOCAL: &str = "/etc/localtime";

/// The machine's.
static ZONE: LazyLock<TimeZone> = LazyLock::new(|| {
    let usual = zone_in_file(env::var_os("TZ"));
    usual.unwrap_or_else(TimeZone::system)
});

/// The zone in which a program with this `TZ` is, where one file tells. By its name jiff would look it up in a list of all
/// zones: it walks through all their directories, and keeps 150 KiB for ever.
fn zone_in_file(tz: Option<OsString>) -> Option<TimeZone> {
    let path = match &tz {
        None => PathBuf::from(LOCAL),
        Some(tz) => {
            let named = tz.to_str()?;
            Path::new(ZONES).join(named.strip_prefix(':').unwrap_or(named))
        }
    };
    let name = tz.as_deref().and_then(OsStr::to_str).unwrap_or("Local");
    TimeZone::tzif(name, &fs::read(path).ok()?).ok()
}

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

/// Reads the machine's zone, which may take more stack than a client's thread has. To be called at the start.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_one_file_tells_is_not_looked_up_among_all() {
        let offsets = |zone: &TimeZone| {
            let hours = (0..500_000).step_by(499);
            let moments = hours.map(|hour| Timestamp::from_second(hour * 3600).expect("a moment"));
            let offset = |moment| zone.to_offset(moment);
            moments.map(offset).collect::<Vec<_>>()
        };
        // Debian has the last two in a package of their own, and a container may have none.
        for named in ["Europe/Berlin", ":America/New_York", "CET", "GMT0"] {
            let name = named.trim_start_matches(':');
            if !Path::new(ZONES).join(name).exists() {
                continue;
            }
            let zone = zone_in_file(Some(named.into())).expect("its file tells");
            let other = TimeZone::get(name).expect("a zone of the machine");
            assert_eq!(offsets(&zone), offsets(&other), "{named}");
        }
        if let Some(zone) = zone_in_file(None) {
            let other = TimeZone::system();
            assert_eq!(offsets(&zone), offsets(&other));
        }
    }

    #[test]
    fn a_rule_and_an_empty_name_are_no_files() {
        for named in ["", ":", "CET-1CEST,M3.5.0,M10.5.0/3", "Europe", "nowhere"] {
            assert_eq!(zone_in_file(Some(named.into())), None, "{named:?}");
        }
    }
}
