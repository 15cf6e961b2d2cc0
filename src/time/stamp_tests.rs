//! The times that stand in lines, as real programs write them.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::time::nanoseconds;

/// A file in Berlin that was last written to on 29 November 2026.
fn hints() -> Hints {
    written_at("2026-11-29T00:00:00Z")
}

fn written_at(text: &str) -> Hints {
    let berlin = TimeZone::get("Europe/Berlin").expect("the machine has time zones");
    Hints::new(berlin, moment(text))
}

fn moment(text: &str) -> i64 {
    nanoseconds(text.parse::<Timestamp>().expect("a time"))
}

/// The time of a line that is the only one of its file.
fn read(line: &[u8], hints: &Hints) -> Option<i64> {
    Form::of(std::iter::once(line), hints)?.read(line, hints)
}

/// First lines as programs write them; in Berlin it is an hour later than in UTC.
const LINES: [(&str, &str); 66] = [
    ("2026-11-28T10:00:00Z started", "2026-11-28T10:00:00Z"),
    (
        "2026-11-28T10:00:00.123456+01:00 host sshd[1]: ok",
        "2026-11-28T09:00:00.123456Z",
    ),
    (
        "2026-11-28T10:00:00+0000 host systemd[1]: Started",
        "2026-11-28T10:00:00Z",
    ),
    (
        "2026-11-28T10:00:00.123456789Z stdout F hello",
        "2026-11-28T10:00:00.123456789Z",
    ),
    ("2026-11-28 10:00:00 plain", "2026-11-28T09:00:00Z"),
    (
        "2026-11-28 10:00:00,123 INFO root: python",
        "2026-11-28T09:00:00.123Z",
    ),
    (
        "2026-11-28 10:00:00.123 UTC [77] LOG:  checkpoint",
        "2026-11-28T10:00:00.123Z",
    ),
    (
        "2026-11-28 10:00:00.123 CET [77] LOG:  checkpoint",
        "2026-11-28T09:00:00.123Z",
    ),
    ("2026-11-28 10:00:00-05 FATAL", "2026-11-28T15:00:00Z"),
    ("2026-11-28 10:00:00 +0200 git", "2026-11-28T08:00:00Z"),
    (
        "2026-11-28T10:00:00.123Z\tINFO\tmain.go:12\tzap",
        "2026-11-28T10:00:00.123Z",
    ),
    (
        "2026-11-28T10:00:00.123+0100\tINFO\tzap",
        "2026-11-28T09:00:00.123Z",
    ),
    (
        "[2026-11-28T10:00:00Z INFO  tailcast] env_logger",
        "2026-11-28T10:00:00Z",
    ),
    (
        "[2026-11-28 10:00:00] laravel.INFO: ok",
        "2026-11-28T09:00:00Z",
    ),
    (
        "[2026-11-28T10:00:00,123][INFO ][o.e.n.Node] elastic",
        "2026-11-28T09:00:00.123Z",
    ),
    (
        "[2026-11-28 10:00:00 +0000] [7] [INFO] Starting gunicorn",
        "2026-11-28T10:00:00Z",
    ),
    (
        "[2026-11-28 10:00:00,123] {taskinstance.py:12} INFO - airflow",
        "2026-11-28T09:00:00.123Z",
    ),
    (
        "INFO 2026-11-28 10:00:00,123 django",
        "2026-11-28T09:00:00.123Z",
    ),
    ("[INFO] 2026-11-28T10:00:00Z x", "2026-11-28T10:00:00Z"),
    (
        "INFO: 2026/11/28 10:00:00 main.go:3: go",
        "2026-11-28T09:00:00Z",
    ),
    (
        "WARN [2026-11-28 10:00:00,123] dropwizard",
        "2026-11-28T09:00:00.123Z",
    ),
    (
        "I, [2026-11-28T10:00:00.123456 #42]  INFO -- : ruby",
        "2026-11-28T09:00:00.123456Z",
    ),
    (
        "  2026-11-28 10:00:00 behind blanks",
        "2026-11-28T09:00:00Z",
    ),
    (
        "\t2026-11-28T10:00:00Z behind a tab",
        "2026-11-28T10:00:00Z",
    ),
    (
        "\u{1b}[2m2026-11-28T10:00:00.5Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m tracing",
        "2026-11-28T10:00:00.5Z",
    ),
    (
        "\u{feff}2026-11-28 10:00:00 with a byte order mark",
        "2026-11-28T09:00:00Z",
    ),
    ("2026-11-28 10:00 without seconds", "2026-11-28T09:00:00Z"),
    ("20261128T100000Z basic", "2026-11-28T10:00:00Z"),
    ("2026-11-28T23:59:60Z leap", "2026-11-29T00:00:00Z"),
    (
        "2026-11-28T10:00:00.1234567891Z ten digits",
        "2026-11-28T10:00:00.123456789Z",
    ),
    ("2026-07-01 10:00:00 in summer", "2026-07-01T08:00:00Z"),
    ("2026-10-25 02:30:00 twice", "2026-10-25T00:30:00Z"),
    ("2026-03-29 02:30:00 left out", "2026-03-29T01:30:00Z"),
    (
        "Nov  8 05:41:07 host CRON[1]: (root)",
        "2026-11-08T04:41:07Z",
    ),
    ("Nov 28 10:00:00 host kernel: x", "2026-11-28T09:00:00Z"),
    (
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
        "2026-10-11T20:14:15Z",
    ),
    ("Dec 31 23:59:59 host last year", "2025-12-31T22:59:59Z"),
    ("Feb 29 12:00:00 host a leap year", "2024-02-29T11:00:00Z"),
    (
        "<34>1 2026-11-28T10:00:00.003Z host su - ID47 - BOM",
        "2026-11-28T10:00:00.003Z",
    ),
    (
        "<165>1 2026-11-28T10:00:00.000003-07:00 192.0.2.1 myproc",
        "2026-11-28T17:00:00.000003Z",
    ),
    (
        "127.0.0.1 - - [28/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
        "2026-11-28T10:00:00Z",
    ),
    (
        "::1 - frank [28/Nov/2026:10:00:00 -0700] \"GET /\" 200 2326",
        "2026-11-28T17:00:00Z",
    ),
    ("[28/Nov/2026:10:00:00 +0100] first", "2026-11-28T09:00:00Z"),
    (
        "example.org:443 10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] \"GET\"",
        "2026-11-28T10:00:00Z",
    ),
    (
        "2026/11/28 10:00:00 [error] 7#7: *1 open() failed",
        "2026-11-28T09:00:00Z",
    ),
    (
        "2026/11/28 10:00:00.123456 main.go:12: go",
        "2026-11-28T09:00:00.123456Z",
    ),
    ("1795860000 seconds", "2026-11-28T10:00:00Z"),
    (
        "1795860000.123    110 10.0.0.1 TCP_MISS/200 squid",
        "2026-11-28T10:00:00.123Z",
    ),
    ("1795860000123 milliseconds", "2026-11-28T10:00:00.123Z"),
    (
        "1795860000123456 microseconds",
        "2026-11-28T10:00:00.123456Z",
    ),
    (
        "1795860000123456789 nanoseconds",
        "2026-11-28T10:00:00.123456789Z",
    ),
    ("[1795860000] nagios", "2026-11-28T10:00:00Z"),
    (
        "{\"level\":30,\"time\":1795860000123,\"msg\":\"pino\"}",
        "2026-11-28T10:00:00.123Z",
    ),
    (
        "{\"time\":\"2026-11-28T10:00:00.5Z\",\"level\":\"INFO\",\"msg\":\"slog\"}",
        "2026-11-28T10:00:00.5Z",
    ),
    (
        "{\"level\":\"info\",\"ts\":1795860000.123,\"msg\":\"zap\"}",
        "2026-11-28T10:00:00.123Z",
    ),
    (
        "{\"@timestamp\":\"2026-11-28T10:00:00.000+01:00\",\"@version\":\"1\"}",
        "2026-11-28T09:00:00Z",
    ),
    (
        "{\"message\": \"x\", \"timestamp\": \"2026-11-28 10:00:00\"}",
        "2026-11-28T09:00:00Z",
    ),
    (
        "{\"t\":{\"$date\":\"2026-11-28T10:00:00.123+00:00\"},\"s\":\"I\"}",
        "2026-11-28T10:00:00.123Z",
    ),
    ("{\"t\":1795860000,\"m\":\"x\"}", "2026-11-28T10:00:00Z"),
    (
        "{\"a\":{\"time\":\"2000-01-01T00:00:00Z\"},\"time\":\"2026-11-28T10:00:00Z\"}",
        "2026-11-28T10:00:00Z",
    ),
    (
        "{\"msg\":\"\\\"time\\\":\\\"2000\",\"ts\":\"1795860000\"}",
        "2026-11-28T10:00:00Z",
    ),
    (
        "time=\"2026-11-28T10:00:00Z\" level=info msg=logrus",
        "2026-11-28T10:00:00Z",
    ),
    (
        "level=info ts=2026-11-28T10:00:00.123Z caller=main.go:12",
        "2026-11-28T10:00:00.123Z",
    ),
    ("ts=1795860000.5 level=warn", "2026-11-28T10:00:00.5Z"),
    (
        "time=2026-11-28T10:00:00.123+01:00 level=INFO msg=slog",
        "2026-11-28T09:00:00.123Z",
    ),
    ("t=1 time=1795860000123 x", "2026-11-28T10:00:00.123Z"),
];

#[test]
fn the_time_of_a_line_is_read_as_programs_write_it() {
    for (line, at) in LINES {
        let found = read(line.as_bytes(), &hints());
        assert_eq!(found, Some(moment(at)), "{line}");
    }
}

#[test]
fn what_only_looks_like_a_time_is_none() {
    for line in [
        "",
        "    at java.lang.Thread.run(Thread.java:748)",
        "[    1.234567] Linux version 6.1",
        "12345 lines",
        "0123456789 phone",
        "9999999999 beyond 2100",
        "17958600001 eleven digits",
        "1795860000abc",
        "2026-13-28 10:00:00",
        "2026-11-28",
        "2026-11-28 25:00:00",
        "10:00:00 without a date",
        "information 2 lines",
        "words before 2026-11-28T10:00:00Z",
        "{\"uptime\":1795860000}",
        "uptime=1795860000",
        "[28/Nox/2026:10:00:00 +0000]",
        "Nov 31 10:00:00 host x",
    ] {
        assert_eq!(read(line.as_bytes(), &hints()), None, "{line}");
    }
    let late = [&[b'x'; 130][..], b" [28/Nov/2026:10:00:00 +0000]"].concat();
    assert_eq!(read(&late, &hints()), None);
}

#[test]
fn a_year_that_is_not_written_is_told_by_the_file_back_over_new_year() {
    let new_year = written_at("2027-01-02T00:00:00Z");
    let at = |line: &str| read(line.as_bytes(), &new_year);
    assert_eq!(
        at("Dec 31 23:00:00 h x"),
        Some(moment("2026-12-31T22:00:00Z"))
    );
    assert_eq!(
        at("Jan  1 00:30:00 h x"),
        Some(moment("2026-12-31T23:30:00Z"))
    );
    // A clock that is a little ahead is no other year.
    assert_eq!(
        at("Jan  2 12:00:00 h x"),
        Some(moment("2027-01-02T11:00:00Z"))
    );
}

#[test]
fn most_of_the_first_lines_settle_the_form_of_a_file() {
    let lines: [&[u8]; 5] = [
        b"# a banner",
        b"1795860000 a number",
        b"2026-11-28 10:00:00 a",
        b"  at a trace",
        b"2026-11-28 10:00:01 b",
    ];
    assert_eq!(Form::of(lines.into_iter(), &hints()), Some(Form::Iso));
    assert_eq!(Form::of(std::iter::once(lines[0]), &hints()), None);
}

proptest! {
    #[test]
    fn any_bytes_have_a_time_or_none(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), line in 0..LINES.len(), at in 0usize..60,
    ) {
        read(&bytes, &hints());
        let mut torn = LINES[line].0.as_bytes().to_vec();
        let at = at.min(torn.len());
        torn.splice(at..(at + 2).min(torn.len()), bytes.iter().copied().take(3));
        for form in Form::ALL {
            form.read(&torn, &hints());
        }
    }

    #[test]
    fn what_was_read_before_changes_no_time(
        seconds in proptest::collection::vec((0..4_i64, 0..4_i64, 0..70_i64, 0..6_usize), 1..40),
    ) {
        let remembering = hints();
        for (hour, minute, second, zone) in seconds {
            let zone = ["Z", "", "+01:00", " -0500", ".5Z", ".25"][zone];
            let clock = format!("{:02}:{:02}:{second:02}", 23 + hour % 2, 58 + minute % 2);
            for line in [
                format!("2026-03-29 {:02}:{minute:02}:{second:02}{zone} x", hour),
                format!("2026-10-25T{:02}:{minute:02}:{second:02}{zone} x", hour),
                format!("2026/11/28 {clock}{zone} x"),
                format!("Dec 31 {clock} x"),
                format!("h [31/Dec/2025:{clock} +0{hour}00] x"),
                format!("2026-11-28T10:0{minute}"),
                format!("20261128T1{hour}0{minute}{second:02}{zone}"),
            ] {
                for form in Form::ALL {
                    let fresh = form.read(line.as_bytes(), &hints());
                    prop_assert_eq!(form.read(line.as_bytes(), &remembering), fresh, "{}", line);
                }
            }
        }
    }

    #[test]
    fn a_moment_is_read_as_it_was_written(nanoseconds in 1_000_000_000_000_000_000_i64..4_000_000_000_000_000_000) {
        let written = Timestamp::from_nanosecond(i128::from(nanoseconds)).expect("in range");
        prop_assert_eq!(read(written.to_string().as_bytes(), &hints()), Some(nanoseconds));
        prop_assert_eq!(read(nanoseconds.to_string().as_bytes(), &hints()), Some(nanoseconds));
    }
}
