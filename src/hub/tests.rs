//! Who is queued what: joining, being cut, leaving, and the bounds.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::limits::{HEAD_CHECKED_BYTES, QUEUED_BYTES_MAX};
use crate::source::{Began, IdMaker, Kind, OpenFile};

/// A hub with one source, whose file is whole from the beginning: publishing moves the edge over its lines.
pub(crate) struct Published {
    pub(crate) hub: Arc<Hub>,
    pub(crate) source: Arc<Source>,
    generation: Arc<Generation>,
    line: Vec<u8>,
    at: u64,
}

/// Has all that was carried to it at once.
#[derive(Debug)]
pub(crate) struct Quiet;

impl Subscriber for Quiet {
    fn carry(&self, _: bool) -> bool {
        false
    }
    fn dropped(&self) {}
    fn done(&self) -> u64 {
        u64::MAX
    }
}

/// A file of as many lines `line`.
pub(crate) fn file(line: &str, lines: usize) -> Arc<OpenFile> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(line.repeat(lines).as_bytes())
        .expect("write");
    Arc::new(file.into())
}

impl Published {
    /// Nothing of `file`, which holds nothing but this `line`, is published yet.
    pub(crate) fn new(hub: Hub, file: &Arc<OpenFile>, line: &str) -> Published {
        Published::of(&Arc::new(hub), "a.log", file, line)
    }

    /// The same of one more file of `hub`, called `name`.
    pub(crate) fn of(hub: &Arc<Hub>, name: &str, file: &Arc<OpenFile>, line: &str) -> Published {
        let hub = Arc::clone(hub);
        let path = PathBuf::from("/logs").join(name);
        let source = hub.add_source(name.to_owned(), path, Origin::File);
        let generation = Generation::new(0, Arc::clone(file), Began::First, None);
        let generation = Arc::new(generation.expect("a file"));
        hub.publish(vec![(
            Arc::clone(&source),
            Change::Begin(Arc::clone(&generation)),
        )]);
        Published {
            hub,
            source,
            generation,
            line: line.as_bytes().to_vec(),
            at: 0,
        }
    }

    /// Publishes the next `count` lines as one batch.
    pub(crate) fn publish(&mut self, count: usize) {
        let change = self.next(count);
        self.hub.publish(vec![change]);
    }

    /// The next `count` lines, to be published.
    pub(crate) fn next(&mut self, count: usize) -> (Arc<Source>, Change) {
        let bytes = self.line.repeat(count);
        let ends = (1..=count).map(|n| (n * self.line.len()) as u32).collect();
        // The file holds nothing else.
        let before = self.line.repeat(self.at as usize / self.line.len());
        let whole = [&before[..], &bytes].concat();
        let head = Arc::from(&whole[..whole.len().min(HEAD_CHECKED_BYTES)]);
        let identity = &self.generation.identity;
        let ids = IdMaker::new(self.source.name_hash, identity, head, &before);
        let lines = Lines {
            generation: 0,
            from: self.at,
            bytes,
            ends,
            unfinished: false,
            ids,
            records: None,
        };
        self.at = lines.end().offset;
        (Arc::clone(&self.source), Change::Lines(lines))
    }

    fn join(&self, who: &Arc<Who>, queue_batches: usize) -> Joined {
        let who = Arc::clone(who) as Arc<dyn Subscriber>;
        let joined = self
            .hub
            .join(who, Selection::All, Vec::new(), queue_batches);
        joined.expect("joined")
    }
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Who {
    done: AtomicU64,
    /// Queues of it that were cut.
    cuts: AtomicU64,
}

impl Who {
    fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Subscriber for Who {
    fn carry(&self, _: bool) -> bool {
        false
    }

    fn dropped(&self) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

fn published(line: &str) -> Published {
    let hub = Hub::new(1 << 20).expect("a hub");
    Published::new(hub, &file(line, 1), line)
}

/// Where the lines of the next batch begin and end.
fn next(queue: &Queue) -> (u64, u64) {
    let batch = queue.try_recv().expect("a batch");
    match &batch.segments[0].kind {
        Kind::Lines(lines) => (lines.from, lines.end().offset),
        Kind::Event(event) => panic!("{event:?}"),
    }
}

#[test]
fn a_queue_begins_exactly_at_the_edge_that_is_noted_with_it() {
    let mut published = published("line\n");
    published.publish(2);
    let joined = published.join(&Arc::default(), 8);
    let [(0, edge)] = joined.edges[..] else {
        panic!("{:?}", joined.edges);
    };
    assert_eq!(edge.position.offset, 10);
    assert!(joined.queue.is_empty(), "what was published before is read");
    published.publish(3);
    published.publish(1);
    assert_eq!(next(&joined.queue), (10, 25));
    assert_eq!(next(&joined.queue), (25, 30));
}

#[test]
fn who_selects_other_sources_is_queued_nothing_and_never_cut() {
    let mut published = published("line\n");
    let none = Selection::Only(Arc::from([7]));
    let who = Arc::<Who>::default();
    let joined = published
        .hub
        .join(who.clone(), none, Vec::new(), 1)
        .expect("joined");
    assert!(joined.edges.is_empty());
    (0..3).for_each(|_| published.publish(1));
    assert!(joined.queue.is_empty());
    assert!(!joined.queue.is_cut());
    assert_eq!(who.cuts(), 0);
}

#[test]
fn whose_queue_is_full_is_cut_and_told_of_it_and_nobody_else_is() {
    let mut published = published("line\n");
    let (slow, fast) = (Arc::<Who>::default(), Arc::<Who>::default());
    let (narrow, wide) = (published.join(&slow, 1), published.join(&fast, 2));
    published.publish(1);
    assert!(!narrow.queue.is_cut());
    published.publish(1);
    assert!(narrow.queue.is_cut());
    assert_eq!(slow.cuts(), 1);
    assert_eq!((wide.queue.is_cut(), fast.cuts()), (false, 0));
    assert_eq!(published.hub.live_len(), 1);
    assert_eq!(next(&narrow.queue), (0, 5), "what was queued is there");
    assert!(narrow.queue.try_recv().is_err());
    // It may join again, and what was so of the queue before is not so of this one.
    let again = published.join(&slow, 1);
    drop(narrow);
    assert!(!again.queue.is_cut());
}

#[test]
fn whoever_holds_the_oldest_batch_is_cut_when_too_many_bytes_are_queued() {
    let line = format!("{}\n", "x".repeat(QUEUED_BYTES_MAX / 2));
    let mut published = published(&line);
    let (slow, fast) = (Arc::<Who>::default(), Arc::<Who>::default());
    let (slows, fasts) = (published.join(&slow, 99), published.join(&fast, 99));
    for _ in 0..4 {
        published.publish(1);
        let batch = fasts.queue.try_recv().expect("a batch");
        fast.done.store(batch.sequence, Ordering::Relaxed);
    }
    assert!(slows.queue.is_cut());
    assert_eq!(slow.cuts(), 1);
    assert!(!fasts.queue.is_cut(), "it holds none of them");
}

#[test]
fn most_lag_when_more_than_half_have_not_carried_the_batch_before_the_last() {
    let mut published = published("line\n");
    let all: [Arc<Who>; 3] = Default::default();
    let joined: Vec<_> = all.iter().map(|who| published.join(who, 9)).collect();
    published.publish(1);
    assert!(!published.hub.most_lag(), "there is none before it");
    published.publish(1);
    assert!(published.hub.most_lag());
    let first = joined[0].queue.try_recv().expect("a batch").sequence;
    all[0].done.store(first, Ordering::Relaxed);
    assert!(published.hub.most_lag(), "two of three");
    all[1].done.store(first, Ordering::Relaxed);
    assert!(!published.hub.most_lag(), "one of three");
}

#[test]
fn to_drop_a_queue_is_to_leave() {
    let mut published = published("line\n");
    let who = Arc::<Who>::default();
    let joined = published.join(&who, 1);
    assert_eq!(published.hub.live_len(), 1);
    drop(joined);
    assert_eq!(published.hub.live_len(), 0);
    (0..3).for_each(|_| published.publish(1));
    assert_eq!(who.cuts(), 0, "it has left by itself");
}

#[test]
fn a_hub_that_is_closed_cuts_all_answers_all_and_lets_nobody_join() {
    let published = published("line\n");
    let who = Arc::<Who>::default();
    let joined = published.join(&who, 1);
    published.hub.close();
    assert!(joined.queue.is_cut());
    assert_eq!(who.cuts(), 1);
    let again = published.hub.join(who, Selection::All, Vec::new(), 1);
    assert_eq!(again.err(), Some(Stopping));
    assert!(published.hub.looks.ask(), "nobody waits for a look");
}
