//! In which order files are put that a rotator has left.

use super::*;
use crate::source::Identity;
use crate::source::siblings::{self, Reach};
use std::fs;
use std::path::{Path, PathBuf};

fn marked(path: PathBuf, born: u64, modified: u64) -> (Mark, Sibling) {
    let at = |second| UNIX_EPOCH + Duration::from_secs(second);
    let compressed = path.extension().is_some_and(|ending| ending == "gz");
    let stat = fs::metadata(&path);
    let sibling = Sibling {
        identity: Identity {
            born: Some(at(born)),
            ..stat.map_or_else(|_| Identity::default(), |stat| Identity::of(&stat))
        },
        modified: at(modified),
        changed: None,
        compressed,
        unordered: false,
        path,
    };
    (Mark::of(&sibling.path, Path::new("a.log")), sibling)
}

/// The marks of files, oldest first; each is given by its mark, the second of its birth and that of its last write. Those
/// whose place is unknown have a question mark.
fn order_in(directory: &Path, files: &[(&str, u64, u64)]) -> Vec<String> {
    let place = |&(mark, born, modified): &(&str, u64, u64)| {
        marked(directory.join(format!("a.log{mark}")), born, modified)
    };
    let found = oldest_first(files.iter().map(place).collect());
    let mark = |sibling: &Sibling| {
        let name = sibling.path.file_name().unwrap_or_default();
        let unknown = if sibling.unordered { "?" } else { "" };
        format!("{}{unknown}", &name.to_string_lossy()[5..])
    };
    found.iter().map(mark).collect()
}

fn order(files: &[(&str, u64, u64)]) -> Vec<String> {
    order_in(Path::new(""), files)
}

#[test]
fn a_late_write_makes_no_file_younger_than_the_one_that_was_made_after_it() {
    let files = [(".1", 3, 4), (".2", 2, 9), (".3", 1, 2)];
    assert_eq!(order(&files), [".3", ".2", ".1"]);
}

#[test]
fn a_copy_made_at_a_truncation_is_older_than_the_file_it_was_made_of() {
    let files = [(".1", 2, 9), (".2", 4, 5), (".3", 1, 2)];
    assert_eq!(order(&files), [".3", ".2", ".1"]);
}

#[test]
fn a_copy_made_after_the_next_file_began_is_older_than_that_as_its_name_or_its_lines_say() {
    let files = [
        ("-20261123", 20, 21),
        ("-20261124", 10, 12),
        ("-20261125", 30, 900),
    ];
    assert_eq!(order(&files), files.map(|(mark, ..)| mark));
    // What was written for long is no copy.
    let files = [("-20261123", 20, 900), ("-20261124", 10, 12)];
    assert_eq!(order(&files), ["-20261124", "-20261123"]);
    let processes = [(".48213", 10, 12), (".31007", 20, 21)];
    assert_eq!(order(&processes), [".48213", ".31007"]);

    let dir = tempfile::tempdir().expect("a directory");
    let write = |mark: &str, second: u8| {
        let line = format!("2026-11-28T10:00:{second:02}Z a line\n");
        fs::write(dir.path().join(format!("a.log{mark}")), line).expect("write");
    };
    let files = [(".1", 10, 12), (".2", 20, 21), (".3", 1, 9)];
    write(".2", 1);
    write(".1", 2);
    assert_eq!(order_in(dir.path(), &files), [".3", ".2", ".1"]);
    assert_eq!(order_in(dir.path(), &files[..2]), [".2", ".1"]);
    // A ring of numbers, or such that count up.
    write(".2", 3);
    assert_eq!(order_in(dir.path(), &files), [".3", ".1", ".2"]);
    assert_eq!(order_in(dir.path(), &files[..2]), [".1", ".2"]);
}

#[test]
fn a_copy_hides_no_order_of_the_files_around_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |mark: &str, text: &str| {
        fs::write(dir.path().join(format!("a.log{mark}")), text).expect("write");
    };
    // The log was copied while it was empty, and while nobody wrote to it.
    for (copied, files) in [
        ("", [(".1", 1, 3), (".2", 6, 6), (".3", 3, 7)]),
        ("one\n", [(".1", 4, 4), (".2", 1, 2), (".3", 5, 6)]),
    ] {
        write(".1", "one\n");
        write(".2", copied);
        write(".3", "two\n");
        assert_eq!(order_in(dir.path(), &files), [".1", ".2", ".3"]);
    }
}

#[test]
fn files_that_say_the_same_are_no_copies_of_those_that_had_their_names_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("a.log");
    let stamp = || {
        fs::write(dir.path().join("tick"), "").expect("write");
        let stat = fs::metadata(dir.path().join("tick"));
        stat.and_then(|stat| stat.modified()).expect("a time")
    };
    for number in 1..=3 {
        fs::write(&log, "started\n").expect("write");
        fs::rename(&log, dir.path().join(format!("a.log.{number}"))).expect("rename");
        let rotated = stamp();
        while stamp() == rotated {}
    }
    let files = siblings::listed(&log, Reach::Known).siblings;
    if files.iter().any(|file| file.identity.born.is_none()) {
        // Nothing tells them apart from copies.
        return;
    }
    let names: Vec<_> = files.iter().map(|file| file.path.extension()).collect();
    assert_eq!(names, ["1", "2", "3"].map(|number| Some(number.as_ref())));
    assert!((0..3).all(|place| !copies::is_copy(&files[place], &files[place + 1..])));
}

#[test]
fn a_compressed_file_stands_where_its_name_says() {
    let dated = ["-20261123", "-20261124.gz", "-20261125"];
    let files = [(dated[2], 3, 5), (dated[0], 1, 2), (dated[1], 9, 3)];
    assert_eq!(order(&files), dated);
}

#[test]
fn numbers_count_as_they_are_seen_to() {
    let files = [(".1", 1, 1), (".2", 2, 2), (".3", 3, 3), (".4", 3, 3)];
    assert_eq!(order(&files), [".1", ".2", ".3", ".4"]);
    let files = [(".1", 3, 3), (".2", 3, 3), (".3", 2, 2)];
    assert_eq!(order(&files), [".3", ".2", ".1"]);
    assert_eq!(order(&[(".1", 1, 1), (".2", 1, 1)]), [".2", ".1"]);
    // A late line, within one tick of the only one in the next file, or after it has been written for long.
    assert_eq!(order(&[(".1", 1, 2), (".2", 2, 2)]), [".1", ".2"]);
    assert_eq!(order(&[(".1", 1, 99), (".2", 2, 90)]), [".1", ".2"]);
    let may_be_copytruncate = [(".1", 1, 9), (".2", 2, 2)];
    assert_eq!(order(&may_be_copytruncate), [".2", ".1"]);
    // Copied all at once: what `mv --backup` makes counts up all the same.
    assert_eq!(order(&[(".~2~", 1, 1), (".~1~", 1, 1)]), [".~1~", ".~2~"]);
}

#[test]
fn where_names_tell_no_order_times_do() {
    let ring = [(".0", 4, 4), (".1", 5, 5), (".2", 2, 2), (".3", 3, 3)];
    assert_eq!(order(&ring), [".2", ".3", ".0", ".1"]);
    let mixed = [(".1", 2, 2), ("-20261123", 1, 1), (".old", 3, 3)];
    assert_eq!(order(&mixed), ["-20261123", ".1", ".old"]);
}

#[test]
fn dates_whose_year_comes_last_tell_no_order_and_times_do() {
    let files = [("-01-11-2026", 3, 3), ("-31-10-2026", 2, 2)];
    assert_eq!(order(&files), ["-31-10-2026", "-01-11-2026"]);
    // Compressed out of turn: it has kept the time of its last write.
    let files = [
        ("-01-11-2026", 3, 3),
        ("-30-10-2026.gz", 9, 1),
        ("-31-10-2026", 2, 2),
    ];
    assert_eq!(
        order(&files),
        ["-30-10-2026.gz", "-31-10-2026", "-01-11-2026"]
    );
}

#[test]
fn where_nothing_tells_the_order_of_two_it_is_said_of_both() {
    let mixed = [(".bak", 2, 2), (".old", 2, 2), (".1", 1, 1)];
    assert_eq!(order(&mixed), [".1", ".bak?", ".old?"]);
    // Compressed ones were made when they were compressed, and have kept a second.
    let mixed = [(".bak.gz", 7, 2), (".old.gz", 9, 2), (".1", 1, 1)];
    assert_eq!(order(&mixed), [".1", ".bak.gz?", ".old.gz?"]);
    // A file and what is made of it just now are one.
    assert_eq!(order(&[(".1", 1, 2), (".1.gz", 3, 2)]), [".1", ".1.gz"]);
}

#[test]
fn the_times_of_lines_tell_the_order_of_two_that_tie() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |mark: &str, text: &str| {
        fs::write(dir.path().join(format!("a.log{mark}")), text).expect("write");
    };
    write(".old", "a line without a time\n2026-11-28T10:00:00Z one\n");
    write(".bak", "2026-11-28T10:00:01Z two\n");
    let files = [(".bak", 2, 2), (".old", 2, 2)];
    assert_eq!(order_in(dir.path(), &files), [".old", ".bak"]);
    write(".old", "2026-11-28T10:00:01Z one\n");
    assert_eq!(order_in(dir.path(), &files), [".bak?", ".old?"]);
    // What holds no line stands in nobody's way.
    write(".old", "");
    assert_eq!(order_in(dir.path(), &files), [".bak", ".old"]);
}
