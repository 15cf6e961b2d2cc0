//! What is old, new, both or missing, for each way in which a publisher may say things again.

use super::Verdict::*;
use super::*;

/// A place in the file `inode`, whose first bytes are `head`.
fn id(inode: u64, head: u64, offset: u64) -> Id {
    Id {
        name_hash: 1,
        inode,
        offset,
        check: head << 32 | (offset & 0xffff) << 16,
        own: false,
    }
}

fn of(inode: u64, offset: u64) -> Id {
    id(inode, inode, offset)
}

/// What was taken of these files, the newest last.
fn taken(ends: &[Id]) -> Taken {
    Taken {
        ends: ends.iter().copied().collect(),
        at: None,
    }
}

fn lines(taken: &mut Taken, from: Id, to: Id) -> Verdict {
    taken.lines(Some(from), to)
}

#[test]
fn lines_are_old_new_or_both_by_where_they_begin_and_end() {
    for (from, to, verdict, end) in [
        (1000, 1500, New, 1500),
        (0, 1000, Old, 1000),
        (400, 700, Old, 1000),
        (
            900,
            1100,
            Overlaps {
                old_bytes: 100,
                bytes: 200,
            },
            1100,
        ),
        (1200, 1300, AfterGap, 1300),
    ] {
        let mut taken = taken(&[of(5, 1000)]);
        let said = lines(&mut taken, of(5, from), of(5, to));
        assert_eq!((said, taken.ends[0].offset), (verdict, end), "{from} {to}");
    }
}

#[test]
fn what_is_said_first_is_new_and_a_start_says_where_it_begins() {
    let mut taken = Taken::default();
    taken.starts(of(5, 300));
    assert_eq!(lines(&mut taken, of(5, 100), of(5, 300)), Old);
    assert_eq!(lines(&mut taken, of(5, 300), of(5, 400)), New);
    assert_eq!(lines(&mut Taken::default(), of(5, 7), of(5, 9)), New);
    assert_eq!(Taken::default().leads(None, of(5, 9)), New);
}

#[test]
fn files_that_were_passed_are_old_with_the_events_between_them() {
    let mut taken = taken(&[of(5, 900), of(6, 40), of(7, 500)]);
    taken.starts(of(5, 700));
    assert_eq!(lines(&mut taken, of(5, 700), of(5, 900)), Old);
    assert_eq!(taken.leads(Some(of(5, 900)), of(6, 0)), Old);
    assert_eq!(lines(&mut taken, of(6, 0), of(6, 40)), Old);
    assert_eq!(taken.leads(None, of(7, 0)), Old);
    assert_eq!(lines(&mut taken, of(7, 0), of(7, 400)), Old);
    let both = Overlaps {
        old_bytes: 100,
        bytes: 200,
    };
    assert_eq!(lines(&mut taken, of(7, 400), of(7, 600)), both);
    // The next one is new.
    assert_eq!(taken.leads(Some(of(7, 600)), of(8, 0)), New);
    assert_eq!(lines(&mut taken, of(8, 0), of(8, 10)), New);
}

#[test]
fn an_event_tells_what_is_missing_before_it() {
    let mut taken = taken(&[of(5, 900)]);
    assert_eq!(taken.leads(Some(of(5, 950)), of(6, 0)), AfterGap);
    assert_eq!(taken.leads(Some(of(6, 0)), of(6, 0)), New);
    // Nothing of it was known but what it leads to.
    assert_eq!(taken.leads(Some(of(8, 30)), of(9, 0)), AfterGap);
    assert_eq!(lines(&mut taken, of(9, 0), of(9, 30)), New);
}

#[test]
fn a_file_that_is_truncated_again_and_again_begins_anew_each_time() {
    let mut taken = taken(&[id(5, 1, 900)]);
    for head in 2..5 {
        let end = *taken.ends.back().expect("an end");
        assert_eq!(taken.leads(Some(end), of(5, 0)), New);
        assert_eq!(lines(&mut taken, of(5, 0), id(5, head, 300)), New);
    }
    // Said again: what stood there before can't be, but for the event.
    assert_eq!(taken.leads(Some(id(5, 1, 900)), of(5, 0)), Old);
    assert_eq!(lines(&mut taken, of(5, 0), id(5, 4, 300)), Old);
    assert_eq!(lines(&mut taken, id(5, 4, 300), id(5, 4, 400)), New);
}

#[test]
fn a_place_that_is_gone_for_the_publisher_is_left_by_a_gap() {
    // It was killed, and the file was truncated meanwhile, to less than was taken.
    let mut taken = taken(&[id(5, 1, 200)]);
    taken.starts(of(5, 0));
    assert_eq!(taken.leads(Some(id(5, 1, 150)), of(5, 0)), New);
    assert_eq!(lines(&mut taken, of(5, 0), of(5, 120)), New);
    // And said again.
    assert_eq!(taken.leads(Some(of(5, 0)), of(5, 100)), Old);
    assert_eq!(taken.leads(Some(of(5, 100)), of(5, 130)), New);
}

#[test]
fn an_inode_that_is_used_again_is_another_file_where_its_first_bytes_are_others() {
    let mut taken = taken(&[id(5, 1, 900)]);
    assert_eq!(lines(&mut taken, id(5, 2, 300), id(5, 2, 400)), AfterGap);
    assert_eq!(lines(&mut taken, id(5, 2, 400), id(5, 2, 500)), New);
}

#[test]
fn a_file_that_was_compressed_goes_on_where_the_plain_one_ended() {
    let copy = |offset| id(9, 5, offset);
    let mut taken = taken(&[of(5, 900), of(6, 40)]);
    taken.starts(of(5, 700));
    assert_eq!(lines(&mut taken, copy(700), copy(900)), Old);
    assert_eq!(taken.leads(Some(copy(900)), of(6, 0)), Old);
    assert_eq!(lines(&mut taken, of(6, 0), of(6, 40)), Old);
    let mut taken = super::tests::taken(&[of(5, 900)]);
    assert_eq!(lines(&mut taken, copy(900), copy(950)), New);
    assert_eq!(lines(&mut taken, copy(950), copy(970)), New);
}

#[test]
fn an_older_file_that_goes_on_comes_late() {
    let mut taken = taken(&[of(5, 900), of(6, 40)]);
    assert_eq!(lines(&mut taken, of(5, 900), of(5, 950)), Late);
    assert_eq!(lines(&mut taken, of(5, 900), of(5, 950)), Old);
    assert_eq!(lines(&mut taken, of(5, 970), of(5, 990)), Late);
    assert_eq!(taken.leads(Some(of(5, 990)), of(5, 1000)), Late);
    assert_eq!(lines(&mut taken, of(6, 40), of(6, 80)), New);
}

#[test]
fn lines_that_do_not_say_where_they_begin_are_known_by_their_ends() {
    let mut taken = taken(&[of(5, 900), of(6, 40)]);
    assert_eq!(taken.lines(None, of(5, 900)), Old);
    assert_eq!(taken.lines(None, of(5, 910)), Late);
    assert_eq!(taken.lines(None, of(6, 40)), Old);
    assert_eq!(taken.lines(None, of(6, 41)), New);
    assert_eq!(taken.lines(None, of(7, 10)), New);
    assert_eq!(taken.lines(None, of(6, 41)), Old);
}

#[test]
fn a_restart_knows_the_same_and_the_newest_files_are_kept() {
    let mut before = Taken::default();
    for inode in 0..2 * PUBLISHED_FILES_KEPT as u64 {
        before.leads(None, of(inode, 0));
        before.lines(Some(of(inode, 0)), of(inode, 10));
    }
    let after = Taken::read(&before.text());
    assert_eq!(after.ends.len(), PUBLISHED_FILES_KEPT);
    assert_eq!(after.ends, before.ends);
    assert!(Taken::read("").is_empty());
    // As it was written once: one id.
    assert_eq!(Taken::read(&of(5, 7).to_string()).ends, [of(5, 7)]);
}
