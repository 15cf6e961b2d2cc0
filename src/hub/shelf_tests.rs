//! What the shelf keeps, for how long, and where it tells readers to end.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::source::{IdMaker, Identity, Lines, Origin, Source};

fn source() -> Arc<Source> {
    let path = PathBuf::from("/logs/a.log");
    Arc::new(Source::new(0, "a.log".to_owned(), path, Origin::File))
}

/// `bytes` bytes of one line, from `from` on.
fn segment(from: u64, bytes: usize) -> Segment {
    let source = source();
    let ids = IdMaker::new(source.name_hash, &Identity::default(), Arc::from([]), &[]);
    let lines = Lines {
        generation: 0,
        from,
        bytes: vec![b'x'; bytes],
        ends: vec![bytes as u32],
        unfinished: false,
        ids,
        records: None,
    };
    Segment::new(source, Kind::Lines(lines))
}

/// The same, as a reader has read it.
fn chunk(from: u64, bytes: usize) -> Chunk {
    Chunk::read(segment(from, bytes))
}

fn at(offset: u64) -> Position {
    Position {
        generation: 0,
        offset,
    }
}

/// What a reader at `offset` reads, which may read up to 10,000 by reads of 100; `None` where there is a chunk for it.
fn reads(shelf: &Shelf, offset: u64) -> Option<usize> {
    match shelf.find(0, at(offset), 10_000, 100) {
        Found::Chunk(_) => None,
        Found::Nothing { read_bytes } => Some(read_bytes),
    }
}

#[test]
fn who_stands_where_another_has_read_gets_the_same_chunk_and_its_forms() {
    let shelf = Shelf::new(10_000, 10);
    let first = shelf.put(chunk(300, 50));
    first.form(0, || b"encoded".to_vec());
    let Found::Chunk(found) = shelf.find(0, at(300), 350, 100) else {
        panic!("it was put there");
    };
    assert_eq!(found.form(0, || panic!("it was made")), b"encoded");
    assert!(
        matches!(shelf.find(0, at(300), 349, 100), Found::Nothing { .. }),
        "it is longer than the reader may read"
    );
    assert!(
        matches!(shelf.find(1, at(300), 350, 100), Found::Nothing { .. }),
        "another source"
    );
    let of_another = Position {
        generation: 1,
        offset: 300,
    };
    assert!(matches!(
        shelf.find(0, of_another, 350, 100),
        Found::Nothing { .. }
    ));
}

#[test]
fn the_slower_of_two_that_read_the_same_takes_the_chunk_of_the_faster() {
    let shelf = Shelf::new(10_000, 10);
    let first = shelf.put(chunk(300, 50));
    first.form(0, || b"encoded".to_vec());
    let second = shelf.put(chunk(300, 50));
    assert_eq!(second.form(0, || panic!("it was made")), b"encoded");
    let longer = shelf.put(chunk(300, 60));
    assert_eq!(longer.end().offset, 360, "what was read is not cut");
}

#[test]
fn reads_end_where_chunks_begin_and_end_and_near_multiples_of_their_size() {
    let shelf = Shelf::new(10_000, 10);
    assert_eq!(reads(&shelf, 0), Some(100));
    assert_eq!(reads(&shelf, 130), Some(70));
    assert_eq!(reads(&shelf, 190), Some(110), "no read of a few bytes");
    shelf.put(chunk(300, 50));
    assert_eq!(reads(&shelf, 300), None);
    assert_eq!(reads(&shelf, 320), Some(30), "to the end of the chunk");
    assert_eq!(reads(&shelf, 350), Some(150), "behind it");
    assert_eq!(reads(&shelf, 260), Some(40), "to its beginning");
}

#[test]
fn small_chunks_are_not_kept_and_nothing_is_on_a_shelf_without_room() {
    let shelf = Shelf::new(10_000, 10);
    shelf.put(chunk(300, 9));
    assert_eq!(reads(&shelf, 300), Some(100));
    let none = Shelf::new(0, 10);
    none.put(chunk(300, 50));
    assert!(reads(&none, 300).is_some());
}

#[test]
fn the_oldest_goes_when_room_is_needed_and_wire_forms_count() {
    let shelf = Shelf::new(10_000, 10);
    let chunks: Vec<_> = (0..4).map(|n| shelf.put(chunk(n * 100, 100))).collect();
    assert!((0..4).all(|n| reads(&shelf, n * 100).is_none()));
    chunks[2].form(0, || vec![0; 9_750]);
    shelf.put(chunk(400, 100));
    let kept: Vec<bool> = (0..5).map(|n| reads(&shelf, n * 100).is_none()).collect();
    assert_eq!(kept, [false, false, false, true, true]);
}

#[test]
fn what_nobody_takes_is_let_go_of() {
    let shelf = Shelf::new(10_000, 10);
    shelf.put(chunk(0, 100));
    shelf.put(chunk(100, 100));
    assert!(shelf.tidy());
    assert_eq!(
        reads(&shelf, 100),
        None,
        "put since the last time, and now taken"
    );
    shelf.tidy();
    assert_eq!(reads(&shelf, 100), None);
    assert!(reads(&shelf, 0).is_some());
    assert!(shelf.tidy());
    assert!(!shelf.tidy());
    assert!(shelf.is_empty());
    assert!(reads(&shelf, 100).is_some());
}

/// A batch of one segment of `bytes` bytes, from `from` on, that was just published.
fn published(shelf: &Shelf, from: u64, bytes: usize) -> Arc<Batch> {
    let segments = vec![segment(from, bytes)];
    shelf.count(&segments);
    let batch = Arc::new(Batch {
        sequence: 1 + from,
        segments,
    });
    shelf.put_batch(&batch);
    batch
}

#[test]
fn what_is_queued_and_what_lies_here_are_bounded_together() {
    const PLACES: [u64; 3] = [2_000, 4_500, 7_000];
    let shelf = Shelf::new(9_000, 10);
    let counted = || shelf.counted.load(Ordering::Relaxed);
    let small = published(&shelf, 9_900, 5);
    assert!(reads(&shelf, 9_900).is_some(), "too small to be kept");
    assert_eq!(counted(), small.pinned_bytes(), "it is queued all the same");
    shelf.put(chunk(0, 2_000));
    let queued = PLACES.map(|from| published(&shelf, from, 2_500));
    let are_kept = || PLACES.map(|from| reads(&shelf, from).is_none());
    assert!(reads(&shelf, 0).is_some(), "what was read gave way");
    assert_eq!(are_kept(), [true; 3]);
    shelf.put(chunk(0, 2_000));
    assert!(reads(&shelf, 0).is_some(), "what is queued does not");
    drop(queued);
    assert_eq!(are_kept(), [true; 3], "there is room for it");
    shelf.put(chunk(0, 2_000));
    assert_eq!(reads(&shelf, 0), None);
    assert_eq!(
        are_kept(),
        [false, true, true],
        "the oldest has left the queues"
    );
    assert!(counted() <= 9_000);
    while shelf.tidy() {}
    drop(small);
    assert_eq!(counted(), 0, "nothing is held");
}

#[test]
fn forms_that_are_added_later_count_at_the_next_look() {
    let shelf = Shelf::new(10_000, 10);
    shelf.put(chunk(0, 100));
    let second = shelf.put(chunk(100, 100));
    second.form(0, || vec![0; 9_850]);
    assert_eq!(reads(&shelf, 100), None);
    assert!(reads(&shelf, 0).is_some());
}
