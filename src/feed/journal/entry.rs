//! What an entry of the journal looks like: `2026-11-28T10:00:00.123456+00:00 HOST NAME[PID]: MESSAGE`, and to which
//! sources it belongs.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::journal_match::JournalMatch;
use crate::source::record::{Note, noted};

use super::export::Entry;

/// Fields that an entry's text and place are made of.
const SHOWN: [&str; 10] = [
    "__CURSOR",
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_HOSTNAME",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_PID",
    "SYSLOG_PID",
    "PRIORITY",
    "MESSAGE",
];

/// Fields by which entries are told to belong to a unit.
const OF_UNITS: [&str; 7] = [
    "_SYSTEMD_UNIT",
    "COREDUMP_UNIT",
    "UNIT",
    "OBJECT_SYSTEMD_UNIT",
    "_SYSTEMD_SLICE",
    "_UID",
    "MESSAGE_ID",
];

/// The message that systemd-coredump writes (SD_MESSAGE_COREDUMP).
const COREDUMP: &str = "fc2e22bc6ee647b6b90729ab34a250b1";

/// The fields that these sources need of an entry.
pub(super) fn fields<'a>(matches: impl Iterator<Item = &'a JournalMatch>) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = SHOWN.iter().map(|name| name.as_bytes().to_vec()).collect();
    for wanted in matches {
        match wanted {
            JournalMatch::All => {}
            JournalMatch::Unit { .. } => {
                fields.extend(OF_UNITS.iter().map(|name| name.as_bytes().to_vec()));
            }
            JournalMatch::Field { field, .. } => fields.push(field.as_bytes().to_vec()),
        }
    }
    fields
}

/// Whether the entry belongs to the source.
pub(super) fn belongs(entry: &Entry, wanted: &JournalMatch) -> bool {
    match wanted {
        JournalMatch::All => true,
        JournalMatch::Field { field, value } => entry.has(field, value),
        JournalMatch::Unit { unit, .. } => is_of_unit(entry, unit),
    }
}

/// What `journalctl -u` shows: what the unit's processes write, and what root's daemons write about the unit
/// (add_matches_for_unit in systemd's logs-show.c).
fn is_of_unit(entry: &Entry, unit: &str) -> bool {
    let by_root = || entry.has("_UID", "0");
    entry.has("_SYSTEMD_UNIT", unit)
        || entry.has("COREDUMP_UNIT", unit) && by_root() && entry.has("MESSAGE_ID", COREDUMP)
        || entry.has("UNIT", unit) && entry.has("_PID", "1")
        || entry.has("OBJECT_SYSTEMD_UNIT", unit) && by_root()
        || unit.ends_with(".slice") && entry.has("_SYSTEMD_SLICE", unit)
}

/// Appends the lines of an entry as the spool stores them; none where it has no message.
pub(super) fn write(entry: &Entry, zone: &TimeZone, out: &mut Vec<u8>) {
    let Some(message) = entry.get("MESSAGE") else {
        return;
    };
    let number = |name| entry.word(name).and_then(|text| text.parse::<i64>().ok());
    let priority = number("PRIORITY").and_then(|priority| u8::try_from(priority).ok());
    // The time that the program's own entry says goes before the one at which it came in, as journalctl has it.
    let micros = number("_SOURCE_REALTIME_TIMESTAMP")
        .filter(|&micros| is_time(micros))
        .or_else(|| number("__REALTIME_TIMESTAMP"));
    let note = Note {
        time: micros.and_then(|micros| micros.checked_mul(1000)),
        outlet: None,
        priority: priority.filter(|&priority| priority < 8),
    };
    let head = head(entry, micros, zone);
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    for (n, line) in message.split(|&byte| byte == b'\n').enumerate() {
        noted::write(note, out);
        match n {
            0 => out.extend_from_slice(head.as_bytes()),
            _ => out.resize(out.len() + head.len(), b' '),
        }
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// What stands before the message, without the parts that the entry lacks.
fn head(entry: &Entry, micros: Option<i64>, zone: &TimeZone) -> String {
    let time = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let time = time.map(|time| {
        let time = time.to_zoned_datetime(zone.clone());
        time.strftime("%Y-%m-%dT%H:%M:%S.%6f%:z").to_string()
    });
    let name = entry.word("SYSLOG_IDENTIFIER").or(entry.word("_COMM"));
    let pid = entry.word("_PID").or(entry.word("SYSLOG_PID"));
    let program = match (name, pid) {
        (Some(name), Some(pid)) => Some(format!("{name}[{pid}]")),
        (Some(name), None) => Some(name.to_owned()),
        (None, Some(pid)) => Some(format!("[{pid}]")),
        (None, None) => None,
    };
    let host = entry.word("_HOSTNAME").map(str::to_owned);
    let parts: Vec<String> = [time, host, program].into_iter().flatten().collect();
    match parts.is_empty() {
        true => String::new(),
        false => parts.join(" ") + ": ",
    }
}

/// Between 1970 and the year 3000 or so, as systemd has it (VALID_REALTIME).
fn is_time(micros: i64) -> bool {
    (1..1 << 55).contains(&micros)
}

#[cfg(test)]
mod tests {
    use super::super::export::Export;
    use super::*;

    fn entry(text: &str, wanted: &[JournalMatch]) -> Entry {
        let mut export = Export::new(fields(wanted.iter()));
        let mut found = None;
        let text = format!("{text}\n\n");
        export
            .take(text.as_bytes(), &mut |entry| found = Some(entry))
            .expect("well-formed");
        found.expect("an entry")
    }

    fn shown(text: &str) -> String {
        let mut out = Vec::new();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        write(&entry(text, &[]), &zone, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    const FULL: &str = "__REALTIME_TIMESTAMP=1795860000999999\n_SOURCE_REALTIME_TIMESTAMP=1795860000123456\n\
                        _HOSTNAME=web1\nSYSLOG_IDENTIFIER=nginx\n_COMM=x\n_PID=42\nPRIORITY=3\nMESSAGE=it works";

    #[test]
    fn an_entry_is_shown_as_journalctl_shows_it() {
        assert_eq!(
            shown(FULL),
            "<t1795860000123456000 p3>2026-11-28T11:00:00.123456+01:00 web1 nginx[42]: it works\n"
        );
    }

    #[test]
    fn what_an_entry_lacks_is_left_out() {
        for (lacks, head) in [
            (
                "_SOURCE_REALTIME_TIMESTAMP",
                "2026-11-28T11:00:00.999999+01:00 web1 nginx[42]: ",
            ),
            ("_HOSTNAME", "2026-11-28T11:00:00.123456+01:00 nginx[42]: "),
            (
                "SYSLOG_IDENTIFIER",
                "2026-11-28T11:00:00.123456+01:00 web1 x[42]: ",
            ),
            ("_PID", "2026-11-28T11:00:00.123456+01:00 web1 nginx: "),
        ] {
            let text: Vec<&str> = FULL
                .split('\n')
                .filter(|line| !line.starts_with(lacks))
                .collect();
            let shown = shown(&text.join("\n"));
            assert!(
                shown.ends_with(&format!(">{head}it works\n")),
                "{lacks}: {shown}"
            );
        }
        assert_eq!(shown("MESSAGE=bare\nPRIORITY=9"), "<>bare\n");
        assert_eq!(shown("PRIORITY=3\n__REALTIME_TIMESTAMP=1"), "");
        assert_eq!(shown("MESSAGE="), "<>\n");
    }

    #[test]
    fn further_lines_of_a_message_are_indented_by_as_much() {
        let mut export = Export::new(fields(std::iter::empty()));
        let message = b"one\n\ntwo\n";
        let length = (message.len() as u64).to_le_bytes();
        let bytes = [&b"_COMM=app\nMESSAGE\n"[..], &length, message, b"\n\n"].concat();
        let mut out = Vec::new();
        export
            .take(&bytes, &mut |entry| write(&entry, &TimeZone::UTC, &mut out))
            .expect("well-formed");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "<>app: one\n<>     \n<>     two\n"
        );
    }

    #[test]
    fn a_unit_has_its_own_lines_and_what_root_says_of_it() {
        let unit = JournalMatch::Unit {
            name: "a".to_owned(),
            unit: "a.service".to_owned(),
        };
        let slice = JournalMatch::Unit {
            name: "b.slice".to_owned(),
            unit: "b.slice".to_owned(),
        };
        let field = JournalMatch::Field {
            field: "CONTAINER_NAME".to_owned(),
            value: "web".to_owned(),
        };
        let all = [unit, slice, field];
        for (text, of_unit) in [
            ("_SYSTEMD_UNIT=a.service", true),
            ("_SYSTEMD_UNIT=b.service", false),
            ("UNIT=a.service\n_PID=1", true),
            ("UNIT=a.service\n_PID=7", false),
            ("OBJECT_SYSTEMD_UNIT=a.service\n_UID=0", true),
            ("OBJECT_SYSTEMD_UNIT=a.service\n_UID=5", false),
            ("COREDUMP_UNIT=a.service\n_UID=0", false),
            (
                "COREDUMP_UNIT=a.service\n_UID=0\nMESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1",
                true,
            ),
        ] {
            assert_eq!(belongs(&entry(text, &all), &all[0]), of_unit, "{text}");
        }
        assert!(belongs(&entry("_SYSTEMD_SLICE=b.slice", &all), &all[1]));
        assert!(belongs(
            &entry("CONTAINER_NAME=db\nCONTAINER_NAME=web", &all),
            &all[2]
        ));
        assert!(!belongs(&entry("CONTAINER_NAME=webs", &all), &all[2]));
    }
}
