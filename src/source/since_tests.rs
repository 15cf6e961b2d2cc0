//! Where a moment is in a file: against a linear scan, and by its edges.

use std::io::Write;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;
/// 2026-11-28T10:00:00Z
const TEN: i64 = 1_795_860_000;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

/// Where the lines begin that are not older than second `moment`; and how many reads that took.
fn found(bytes: &[u8], grammar: Grammar, moment: i64) -> (u64, u64) {
    let mut reads = 0;
    let mut pause = |_| {
        reads += 1;
        ControlFlow::Continue(())
    };
    let since = Since {
        file: &file(bytes),
        start: 0,
        end: bytes.len() as u64,
        grammar,
        stood: &|_| None,
        pause: &mut pause,
    };
    let place = since
        .place(moment * SECOND)
        .expect("readable")
        .expect("not given up");
    (place, reads)
}

fn place(bytes: &[u8], moment: i64) -> usize {
    found(bytes, Grammar::Plain, moment).0 as usize
}

/// The same by reading every line.
fn place_by_scan(lines: &[(Option<i64>, String)], moment: i64) -> usize {
    let is_late = |line: &(Option<i64>, String)| line.0.is_some_and(|at| at >= moment);
    let first = lines.iter().position(is_late).unwrap_or(lines.len());
    let is_begin = lines[..first].iter().all(|line| line.0.is_none()) && first < lines.len();
    let before = if is_begin { 0 } else { first };
    lines[..before].iter().map(|line| line.1.len()).sum()
}

#[test]
fn a_line_without_a_time_belongs_to_the_one_before() {
    let log = b"# banner\n1795860000 a\n  at x\n1795860005 b\n  at y\n1795860009 c\n";
    let at = |moment| String::from_utf8_lossy(&log[place(log, moment)..]).into_owned();
    assert!(at(TEN).starts_with("# banner"));
    assert!(at(TEN + 1).starts_with("1795860005 b\n  at y"));
    assert!(at(TEN + 5).starts_with("1795860005 b"));
    assert!(at(TEN + 9).starts_with("1795860009 c"));
    assert_eq!(at(TEN + 10), "");
}

#[test]
fn a_record_has_its_own_time_and_a_part_that_of_the_first() {
    let log = b"2026-11-28T10:00:00Z stdout F 1795869999 a\n2026-11-28T10:00:01Z stdout P b\n\
        2026-11-28T10:00:03Z stdout F c\n2026-11-28T10:00:04Z stdout F d\n";
    let at = |moment| {
        let place = found(log, Grammar::Cri, moment).0 as usize;
        String::from_utf8_lossy(&log[place..]).into_owned()
    };
    assert!(at(TEN + 1).starts_with("2026-11-28T10:00:01Z stdout P"));
    assert!(at(TEN + 2).starts_with("2026-11-28T10:00:04Z stdout F"));
}

#[test]
fn what_has_no_times_begins_where_it_stood_or_by_its_last_write() {
    let log = b"a\nb\nc\n";
    let file = file(log);
    let at = |moment, stood: &dyn Fn(i64) -> Option<u64>| {
        let since = Since {
            file: &file,
            start: 0,
            end: 6,
            grammar: Grammar::Plain,
            stood,
            pause: &mut |_| ControlFlow::Continue(()),
        };
        since.place(moment).expect("readable")
    };
    assert_eq!(at(0, &|_| None), Some(0));
    assert_eq!(at(i64::MAX, &|_| None), Some(6));
    assert_eq!(at(5, &|moment| (moment == 5).then_some(4)), Some(4));
}

#[test]
fn a_large_file_takes_few_reads() {
    let line = |i: i64| format!("{} {}\n", TEN + i / 100, "x".repeat(88));
    let log: String = (0..200_000).map(line).collect();
    let (place, reads) = found(log.as_bytes(), Grammar::Plain, TEN + 1000);
    assert!(log[place as usize..].starts_with(&format!("{} x", TEN + 1000)));
    assert!(reads < 40, "{reads} reads");
}

#[test]
fn what_is_in_order_is_read_no_further_back_than_it_must() {
    let line = |i: i64| format!("{} {}\n", TEN + i / 1000, "x".repeat(88));
    let log: String = (0..100_000).map(line).collect();
    let mut bytes = 0;
    let since = Since {
        file: &file(log.as_bytes()),
        start: 0,
        end: log.len() as u64,
        grammar: Grammar::Plain,
        stood: &|_| None,
        pause: &mut |read| {
            bytes += read;
            ControlFlow::Continue(())
        },
    };
    let place = since.place((TEN + 50) * SECOND).expect("readable");
    assert_eq!(place, Some(50_000 * 100));
    assert!(bytes < UNSORTED_BYTES_MAX * 3 / 2, "{bytes}");
}

#[test]
fn what_stands_before_all_times_belongs_to_the_first_however_far_back() {
    let lines = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let log = [
        format!("  at x\n{} too early\n", TEN + 5),
        lines("  at x\n", 1_000_000),
        lines(&format!("{TEN} {}\n", "x".repeat(88)), 900_000),
        lines(&format!("{} {}\n", TEN + 6, "x".repeat(88)), 900_000),
    ];
    let older: usize = log[..3].iter().map(String::len).sum();
    let log = log.concat().into_bytes();
    let log = &log[..];
    assert_eq!(place(log, TEN + 5), 0);
    assert_eq!(place(log, TEN + 6), older);
}

#[test]
fn a_long_line_is_passed_over() {
    let long = format!("{} {}\n", TEN + 5, "y".repeat(3 << 20));
    let log = [&b"1795860000 a\n"[..], long.as_bytes(), b"1795860009 c\n"].concat();
    assert_eq!(place(&log, TEN + 1), 13);
    assert_eq!(place(&log, TEN + 6), 13 + long.len());
    assert_eq!(place(&log, TEN + 10), log.len());
}

/// Lines of these lengths, some of them without a time, moved from their places by up to `UNSORTED_BYTES_MAX`.
fn shuffled(lines: Vec<(u8, u16, u32)>) -> Vec<(Option<i64>, String)> {
    let (mut second, mut at) = (TEN, 0_u64);
    let mut keyed = Vec::new();
    for (kind, length, moved) in lines {
        second += i64::from(kind % 4);
        let fill = "z".repeat(usize::from(length));
        let line = match kind % 5 {
            0 => (None, format!("  at {fill}\n")),
            _ => (Some(second), format!("{second} {fill}\n")),
        };
        // Sorted by places that are moved on by up to the bound, no line passes another that is further away than that.
        let bound = UNSORTED_BYTES_MAX - LINE_BYTES_MAX;
        keyed.push((at + u64::from(moved) % bound, line.clone()));
        at += line.1.len() as u64;
    }
    keyed.sort_by_key(|line| line.0);
    let moved = keyed.into_iter().map(|line| line.1);
    // A file's first lines settle the form of its times.
    let first = (Some(TEN), format!("{TEN} first\n"));
    std::iter::once(first).chain(moved).collect()
}

/// No line of the shuffled ones is longer.
const LINE_BYTES_MAX: u64 = 16 * 1024;

#[test]
fn a_line_that_stands_as_far_from_its_place_as_it_may_is_found() {
    let line = |second: i64| format!("{second} {}\n", "x".repeat(88));
    let bytes = line(TEN).len() as u64;
    let block = (UNSORTED_BYTES_MAX / bytes) as i64;
    let lines = |from: i64, to: i64| (from..to).map(|n| line(TEN + n)).collect::<String>();
    // Two neighbouring blocks of that size have changed places, in a file that goes on on both sides.
    let before = lines(0, 3 * block);
    let (first, second) = (lines(3 * block, 4 * block), lines(4 * block, 5 * block));
    let after = lines(5 * block, 8 * block);
    let log = [&before[..], &second, &first, &after].concat();
    for (moment, want) in [
        (3 * block, before.len()),
        (3 * block + 1, before.len()),
        (4 * block, before.len()),
        (5 * block - 1, before.len() + second.len() - bytes as usize),
        (5 * block, before.len() + first.len() + second.len()),
    ] {
        let (found, reads) = found(log.as_bytes(), Grammar::Plain, TEN + moment);
        assert_eq!(found as usize, want, "{moment}");
        assert!(reads < 40, "{reads} reads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_moment_is_found_as_by_reading_every_line(
        lines in proptest::collection::vec((any::<u8>(), 0u16..16_000, any::<u32>()), 1..1000),
        moments in proptest::collection::vec(0.0..1.05, 4),
    ) {
        let lines = shuffled(lines);
        let bytes: Vec<u8> = lines.iter().flat_map(|line| line.1.bytes()).collect();
        let last = lines.iter().filter_map(|line| line.0).max().unwrap_or(TEN);
        for share in moments {
            let moment = TEN + ((last - TEN) as f64 * share) as i64;
            if lines.iter().any(|line| line.0.is_some()) {
                prop_assert_eq!(place(&bytes, moment), place_by_scan(&lines, moment));
            }
        }
    }
}
