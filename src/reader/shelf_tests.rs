//! What readers get from the shelf where the file does not hold it any more.

use std::os::unix::fs::FileExt;

use super::subscription::tests::from_the_start;
use super::*;
use crate::hub::tests::{Published, Quiet, file};
use crate::hub::{Change, Shelf};
use crate::source::{Began, Generation};

const LINE: &str = "a line of the old content\n";

/// What a client that comes after a truncation which nobody has seen yet is sent: its lines, and the events with what they
/// say. `is_seen` says after how many chunks the truncation is seen.
fn sent(shelf: Shelf, is_seen: usize) -> Vec<String> {
    let file = file(LINE, 4);
    let hub = Hub::new(1 << 20).expect("a hub").shelving(shelf);
    let mut published = Published::new(hub, &file, LINE);
    let hub = Arc::clone(&published.hub);
    let joined = hub.join(Arc::new(Quiet), Selection::All, Vec::new(), 8);
    published.publish(2);
    // Nobody is there for these: they lie nowhere but in the file.
    drop(joined);
    published.publish(2);
    let new = "another content, which is longer than the old one was\n".repeat(4);
    file.set_len(0).expect("truncate");
    file.write_all_at(new.as_bytes(), 0).expect("rewrite");
    let mut life = from_the_start(&hub);
    let mut sent = Vec::new();
    for step in 0.. {
        if step == is_seen {
            let next = Generation::new(1, Arc::clone(&file), Began::Truncated, None);
            let next = Arc::new(next.expect("a file"));
            hub.publish(vec![(Arc::clone(&published.source), Change::Begin(next))]);
        }
        let Next::Chunk(chunk) = life.read(1 << 20).expect("readable") else {
            break;
        };
        match &chunk.kind {
            Kind::Event(event) => sent.push(format!("{:?}", event.kind)),
            Kind::Lines(lines) => {
                let line = |i| String::from_utf8_lossy(lines.raw(i)).into_owned();
                sent.extend((0..lines.len()).map(line));
            }
        }
    }
    sent
}

#[test]
fn what_a_truncation_took_from_the_file_comes_from_the_shelf_and_the_rest_is_told_as_lost() {
    let lost = |lines: usize| {
        let bytes = lines * LINE.len();
        format!("Gap {{ lost_bytes: Some({bytes}), reason: \"truncated\" }}")
    };
    let start = "Start".to_owned();
    let truncated = "Truncated".to_owned();
    let line = LINE.to_owned();
    // Its start, then two lines from the shelf; the file is read only then.
    assert_eq!(
        sent(Shelf::new(1 << 20, 1), 2),
        [
            start.clone(),
            line.clone(),
            line,
            lost(2),
            truncated.clone()
        ]
    );
    // Once it is seen the shelf has nothing of that generation any more, and without a shelf nothing was left.
    for shelf in [Shelf::new(1 << 20, 1), Shelf::new(0, 1)] {
        assert_eq!(sent(shelf, 1), [start.clone(), lost(4), truncated.clone()]);
    }
}

#[test]
fn what_lies_behind_a_chunk_of_the_shelf_is_taken_along_up_to_the_next_event() {
    let file = file(LINE, 6);
    let hub = Hub::new(1 << 20).expect("a hub");
    let mut published = Published::new(hub.shelving(Shelf::new(1 << 20, 1)), &file, LINE);
    let hub = Arc::clone(&published.hub);
    let _joined = hub.join(Arc::new(Quiet), Selection::All, Vec::new(), 8);
    published.publish(2);
    published.publish(2);
    // Who was there before is told of it.
    let mut life = from_the_start(&hub);
    let missing = Change::Aside(EventKind::Missing);
    hub.publish(vec![(Arc::clone(&published.source), missing)]);
    published.publish(2);
    let mut along = Vec::new();
    loop {
        let Next::Chunk(chunk) = life.read(1).expect("readable") else {
            break;
        };
        let reader = life.reader().expect("it lives");
        let more = reader.run(1, 1 << 20);
        let more: Vec<_> = more.iter().map(|chunk| chunk.end().offset).collect();
        along.push((chunk.end().offset, more));
    }
    let after = |lines: usize| (lines * LINE.len()) as u64;
    assert_eq!(
        along,
        [(0, vec![after(2), after(4)]), (after(4), vec![after(6)]),]
    );
}
