//! Stints as the kernel tells of them, and what a look finds where they stood.

use super::*;
use What::{Deleted, Linked, Made, MovedIn, MovedOut};
use std::time::Duration;

struct Case {
    stints: Stints,
    watches: Watches,
    now: Instant,
    lost: Vec<u64>,
}

fn case() -> Case {
    Case {
        stints: Stints::default(),
        watches: Watches::new(true),
        now: Instant::now(),
        lost: Vec::new(),
    }
}

/// Those with higher numbers are younger.
fn file(inode: u64) -> Identity {
    Identity {
        inode,
        born: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(inode)),
        ..Identity::default()
    }
}

impl Case {
    fn tell(&mut self, name: &str, what: What) -> &mut Case {
        let told = Told {
            directory: 1,
            name: name.into(),
            what,
        };
        self.stints.tell(&told, name == "a.log");
        self
    }

    /// All events are taken, and then there is a look.
    fn look(&mut self, there: &[(&str, u64)]) -> &mut Case {
        self.watches.take_some(&mut |_| {});
        self.look_alone(there)
    }

    /// A look, at which these files stand where the kernel has told.
    fn look_alone(&mut self, there: &[(&str, u64)]) -> &mut Case {
        let drains = self.watches.whole_drains();
        let stands: Vec<_> = self.stints.to_find();
        for (order, stand, trust) in stands {
            let name = match &stand {
                Stand::Here => "a.log",
                Stand::At(_, name) => name.to_str().expect("text"),
                Stand::Flying(_) | Stand::Gone => continue,
            };
            let found = there.iter().find(|(other, _)| *other == name);
            let found = found.map(|(_, inode)| file(*inode));
            if let Some(found) = found.filter(|found| trust.allows(found)) {
                self.stints.found(order, found, drains);
            }
        }
        if let Some((_, inode)) = there.iter().find(|(name, _)| *name == "a.log") {
            self.stints.find(file(*inode), self.now);
        }
        let lost = &mut self.lost;
        self.stints
            .settle(self.now, &mut self.watches, 0, &mut |order| {
                lost.push(order);
                true
            });
        self
    }
}

#[test]
fn a_copy_is_not_the_next_file_that_has_come_to_its_place() {
    let mut case = case();
    case.tell("a.log", Made).look(&[("a.log", 1)]);
    // Renamed, copied and deleted; and before that is looked at, the next one is rotated.
    case.tell("a.log", MovedOut(1)).tell("away", MovedIn(1));
    case.tell("a.log", Made);
    case.tell("away", MovedOut(BY_LINK));
    case.tell("a.log.1", MovedIn(BY_LINK));
    case.look(&[("a.log", 2), ("a.log.1", 2)]);
    case.tell("a.log", MovedOut(2));
    case.tell("a.log.1", MovedIn(2));
    case.look(&[("a.log.1", 2)]);
    assert!(case.lost.is_empty());
}

#[test]
fn what_was_made_and_is_gone_unseen_is_lost_and_nothing_else() {
    let lost = |case: &mut Case| case.lost.len();
    let mut seen = case();
    assert_eq!(lost(seen.tell("a.log", Made).look(&[("a.log", 1)])), 0);
    assert_eq!(lost(seen.tell("a.log", Deleted).look(&[])), 0);
    let mut unseen = case();
    unseen.tell("a.log", Made).tell("a.log", Deleted);
    assert_eq!(lost(unseen.look(&[])), 1);
    let mut back = case();
    back.tell("a.log", MovedOut(1)).tell("x", MovedIn(1));
    back.tell("x", MovedOut(2)).tell("a.log", MovedIn(2));
    assert_eq!(lost(back.look(&[("a.log", 1)])), 0);
    let mut ahead = case();
    ahead.look(&[("a.log", 1)]);
    ahead.tell("a.log", Made).tell("a.log", Deleted);
    assert_eq!(lost(ahead.look(&[])), 0);
    ahead.tell("a.log", Made).tell("a.log", Deleted);
    assert_eq!(lost(ahead.look(&[])), 1);
    let mut link = case();
    link.tell("a.log", Deleted).tell("a.log", Linked);
    link.tell("a.log", Deleted).tell("a.log", Linked);
    assert_eq!(lost(link.look(&[("a.log", 1)])), 0);
}

#[test]
fn a_file_is_followed_from_name_to_name_and_its_order_is_known() {
    let mut case = case();
    case.tell("a.log", MovedOut(1)).tell("x", MovedIn(1));
    case.tell("a.log", Made)
        .tell("a.log", MovedOut(2))
        .tell("y", MovedIn(2));
    case.tell("x", MovedOut(3)).tell("z", MovedIn(3));
    case.tell("a.log", Made);
    let at = |name: &str| Stand::At(1, name.into());
    let stands: Vec<_> = case.stints.to_find();
    let sure = |order, stand| (order, stand, Trust::Sure);
    assert_eq!(
        stands,
        [sure(0, at("z")), sure(1, at("y")), sure(2, Stand::Here)]
    );
}

#[test]
fn a_copy_beside_a_known_file_that_is_deleted_is_not_looked_for() {
    // The kernel tells of a copy that was made before just as of a link.
    let deleted = |case: &mut Case| {
        case.tell("a.log", MovedOut(BY_LINK))
            .tell("a.log.1", MovedIn(BY_LINK));
        let stands = case.stints.to_find();
        stands.into_iter().map(|(_, stand, _)| stand).next()
    };
    let mut known = case();
    known
        .tell("a.log", Made)
        .look(&[("a.log", 1)])
        .look(&[("a.log", 1)]);
    assert_eq!(deleted(&mut known), Some(Stand::Gone));
    let mut unseen = case();
    unseen.tell("a.log", Made);
    assert_eq!(deleted(&mut unseen), Some(Stand::At(1, "a.log.1".into())));
}

#[test]
fn a_birth_within_the_tick_in_which_it_is_told_mixes_up_nothing() {
    for _ in 0..3 {
        let born = SystemTime::now();
        let mut case = case();
        case.tell("a.log", Made);
        let order = case.stints.to_find()[0].0;
        let born = Some(born);
        case.stints.found(order, Identity { born, ..file(1) }, 0);
        assert!(!case.stints.are_mixed_up());
    }
}

#[test]
fn a_file_that_is_too_young_for_its_stint_or_older_than_the_one_before_is_another_ones() {
    let mut case = case();
    case.tell("a.log", Made);
    case.tell("a.log", MovedOut(1)).tell("x", MovedIn(1));
    case.tell("a.log", Made);
    let told = crate::tail::identity::stamp_now();
    let mut found = |order, born| {
        let file = Identity {
            born: Some(born),
            ..file(order)
        };
        case.stints.found(order, file, 0);
        case.stints.are_mixed_up()
    };
    assert!(!found(0, told - Duration::from_secs(2)));
    assert!(!found(1, told - Duration::from_secs(1)));
    assert!(found(1, told - Duration::from_secs(3)));
    assert!(!found(1, told - Duration::from_secs(1)));
    assert!(found(0, told + Duration::from_secs(1)));
}

#[test]
fn a_file_that_was_taken_for_an_earlier_one_is_not_counted_twice() {
    let mut case = case();
    case.tell("a.log", Made);
    // By the time of the look the next one stands there already.
    case.look(&[("a.log", 2)]);
    case.tell("a.log", Deleted).tell("a.log", Made);
    case.look(&[("a.log", 2)]);
    assert_eq!(case.lost, [0]);
}

#[test]
fn a_file_whose_place_a_later_one_has_is_looked_for_until_the_kernel_tells_where_it_is() {
    let mut case = case();
    case.tell("a.log", Made);
    case.tell("a.log", MovedOut(1)).tell("a.log.1", MovedIn(1));
    case.tell("a.log", Made);
    case.look(&[("a.log", 2), ("a.log.1", 1)]);
    case.tell("a.log.1", MovedOut(2))
        .tell("a.log.2", MovedIn(2));
    // Both were renamed again.
    case.look(&[("a.log.3", 1), ("a.log.2", 2)]);
    let stands: Vec<_> = case.stints.to_find();
    assert_eq!(stands[0].1, Stand::At(1, "a.log.2".into()));
    case.tell("a.log.2", MovedOut(3))
        .tell("a.log.3", MovedIn(3));
    case.look(&[("a.log.3", 1)]);
    assert_eq!(case.stints.all[0].file, Some(file(1)));
}

#[test]
fn a_file_that_is_on_its_way_is_awaited_until_it_is_found_and_not_for_long() {
    let mut case = case();
    case.tell("a.log", Made).tell("a.log", MovedOut(1));
    let is_awaited = |case: &Case, now| case.stints.is_awaited(0, now);
    assert!(is_awaited(&case, case.now));
    case.tell("x", MovedIn(1)).tell("a.log", Made);
    assert!(is_awaited(&case, case.now));
    assert!(!is_awaited(&case, Instant::now() + EVENT_LATE));
    case.look(&[("a.log", 2), ("x", 1)]);
    assert!(!is_awaited(&case, case.now));
}

#[test]
fn a_file_that_another_took_the_place_of_is_looked_for_however_often_it_was_looked_before_that_was_told()
 {
    let mut case = case();
    case.tell("a.log", MovedOut(1)).tell("previous", MovedIn(1));
    case.tell("a.log", Made);
    case.look(&[("a.log", 2), ("previous", 1)]);
    case.tell("a.log", MovedOut(2)).tell("previous", MovedIn(2));
    // The third one stands there by now, and the second one behind a link of which the kernel tells next.
    let there = [("a.log", 4), ("previous", 3), ("@2.s", 2)];
    case.look(&there).look_alone(&there).look_alone(&there);
    case.tell("previous", MovedOut(BY_LINK));
    case.tell("@2.s", MovedIn(BY_LINK));
    case.tell("a.log", Made);
    case.tell("a.log", MovedOut(3)).tell("previous", MovedIn(3));
    case.tell("a.log", Made);
    let stands: Vec<_> = case.stints.to_find();
    let is_second = |(order, stand, _): &(u64, Stand, Trust)| {
        *order == 1 && *stand == Stand::At(1, "@2.s".into())
    };
    assert!(stands.iter().any(is_second), "{stands:?}");
    assert!(case.look(&there).lost.is_empty());
}
