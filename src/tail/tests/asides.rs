//! What happens to a source without moving its edge: a reader is told once, where it happened.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::rig::*;
use crate::hub::{Change, Condition, Hub, Selection};
use crate::reader::{Begin, From, Next, Reader, note};
use crate::source::{EventKind, Id, Kind};

fn away() -> EventKind {
    EventKind::Away {
        reason: "no route to host".into(),
    }
}

fn tell(hub: &Hub, kind: EventKind) {
    let source = hub.source(0).expect("it is followed").source;
    hub.publish(vec![(source, Change::Aside(kind))]);
}

fn reader(hub: &Arc<Hub>, from: From, follow: bool) -> Reader {
    let mut pause = |_| ControlFlow::Continue(());
    let begin = Begin {
        follow,
        ..Begin::everything(hub, &mut pause)
    };
    let reader = begin
        .reader(note(hub, &Selection::All, false), &|_| from)
        .expect("readable");
    reader.expect("not given up")
}

/// Everything up to the edge: lines by their text, events by their names; with the id after each.
fn told(reader: &mut Reader) -> Vec<(String, Id)> {
    let mut told = Vec::new();
    while let Next::Chunk(segment) = reader.next(1 << 20).expect("readable") {
        match &segment.kind {
            Kind::Event(event) => told.push((event.kind.name().to_owned(), event.id)),
            Kind::Lines(lines) => told.extend((0..lines.len()).map(|i| {
                let line = String::from_utf8_lossy(lines.line(i)).into_owned();
                (line, lines.id_after(i))
            })),
        }
    }
    told
}

fn names(told: &[(String, Id)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_reader_that_is_behind_is_told_where_it_happened_and_no_id_leads_back() {
    let mut rig = Rig::following("");
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    let [mut behind, mut far_behind] = [(); 2].map(|()| reader(&rig.hub, From::All, true));
    tell(&rig.hub, away());
    let since = |rig: &Rig| match rig.hub.source(0).expect("it is followed").condition {
        Condition::Away { reason, since_ns } if &*reason == "no route to host" => since_ns,
        other => panic!("{other:?}"),
    };
    let first = since(&rig);
    // Away for another reason, it is away since it first was.
    tell(&rig.hub, away());
    assert_eq!(since(&rig), first);
    let mut told = told(&mut behind);
    tell(&rig.hub, EventKind::Back);
    assert_eq!(
        rig.hub.source(0).expect("it is followed").condition,
        Condition::Ok
    );
    append(&rig.path("a.log"), "two\n");
    rig.expect_lines(&["one", "two"]);
    assert_eq!(rig.events(), [away(), away(), EventKind::Back]);
    told.extend(self::told(&mut behind));
    assert_eq!(
        names(&told),
        ["start", "one", "away", "away", "back", "two"]
    );
    // Who is told of both at once is told of neither: it is over.
    let told_late = self::told(&mut far_behind);
    assert_eq!(names(&told_late), ["start", "one", "two"]);
    let after_one = told[1].1;
    assert_eq!([told[2].1, told[4].1], [after_one, after_one]);
    // It is over: who comes now is told nothing.
    let mut late = reader(&rig.hub, From::All, true);
    assert_eq!(names(&self::told(&mut late)), ["start", "one", "two"]);
}

#[test]
fn who_comes_later_is_told_away_or_closed_behind_the_history() {
    let mut rig = Rig::following("");
    append(&rig.path("a.log"), "one\n");
    rig.expect_lines(&["one"]);
    tell(&rig.hub, away());
    // What was on its way still comes.
    append(&rig.path("a.log"), "two\nthree\n");
    rig.expect_lines(&["one", "two", "three"]);
    let edge = rig.hub.edge(0).expect("it is followed").id;
    for follow in [true, false] {
        for (from, want) in [
            // It happened before `two`.
            (From::All, &["start", "one", "away", "two", "three"][..]),
            (From::Last(1), &["start", "three", "away"]),
            (From::Last(0), &["start", "away"]),
            (From::After(edge), &["start", "away"]),
        ] {
            let told = told(&mut reader(&rig.hub, from, follow));
            assert_eq!(names(&told), want, "{from:?} {follow}");
            assert_eq!(told.last().map(|(_, id)| *id), Some(edge));
        }
    }
    tell(&rig.hub, EventKind::Closed);
    assert_eq!(
        rig.hub.source(0).expect("it is followed").condition,
        Condition::Closed
    );
    let told = told(&mut reader(&rig.hub, From::Last(1), false));
    assert_eq!(names(&told), ["start", "three", "closed"]);
}
