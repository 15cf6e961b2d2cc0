//! Every line once, in order, whatever happens when: every short history of a subscriber is played.

use std::fs::File;
use std::ops::ControlFlow;

use super::*;
use crate::hub::tests::{Published, Quiet, file};
use crate::hub::{Change, Shelf};
use crate::limits::READ_TRIES_MAX;
use crate::reader::{Begin, From, Wait};
use crate::source::{EventKind, Kind};

const LINE: &str = "line\n";

/// Lines in each batch.
const LINES: usize = 2;

/// What happens next in a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Two lines are published. The queue has room for one batch, so the second is one too many.
    Publish,
    /// The subscriber sends what it has in hand, or else what it reads or takes from the queue.
    Go,
    /// It sends a half of what it takes from the queue.
    GoHalf,
    /// It notices whether it was cut, as its thread does before it waits.
    Look,
    /// Its peer takes no more, or does again.
    Turn,
}

const STEPS: [Step; 5] = [
    Step::Publish,
    Step::Go,
    Step::GoHalf,
    Step::Look,
    Step::Turn,
];

/// Steps in a history; there are 5 to the power of this.
const LENGTH: u32 = 4;

/// A subscription to all that `hub` has, from the first line.
pub(crate) fn from_the_start(hub: &Arc<Hub>) -> Subscription {
    let mut pause = |_| ControlFlow::Continue(());
    let reader = Begin::everything(hub, &mut pause).reader(hub.sources(), &|_| From::All);
    Subscription::new(reader.expect("readable").expect("not given up"))
}

struct Played {
    published: Published,
    life: Subscription,
    /// A batch of which one line is out.
    half: Option<Arc<Batch>>,
    /// Offsets behind the lines that are out.
    out: Vec<u64>,
}

impl Played {
    fn new(file: &Arc<File>) -> Played {
        // The smallest chunk is kept: readers find what was published.
        let hub = Hub::new(1 << 20).expect("a hub");
        let mut published = Published::new(hub.shelving(Shelf::new(1 << 20, 1)), file, LINE);
        published.publish(LINES);
        Played {
            life: from_the_start(&published.hub),
            published,
            half: None,
            out: Vec::new(),
        }
    }

    fn send(&mut self, segment: &Segment, lines: std::ops::Range<usize>) {
        if let Kind::Lines(read) = &segment.kind {
            let lines = lines.start..lines.end.min(read.len());
            self.out.extend(lines.map(|line| read.after(line).offset));
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish => self.published.publish(LINES),
            Step::Go => self.go(LINES),
            Step::GoHalf => self.go(1),
            Step::Look if self.life.is_cut() => {
                let deed = self.life.happens(Happening::Cut);
                let half = self.half.take_if(|_| deed == Deed::LetGo);
                if let (Some(half), Some(reader)) = (half, self.life.reader_mut()) {
                    reader.has_up_to(&half.segments[0], 0);
                }
            }
            Step::Look => {}
            Step::Turn if self.life.state() == State::Live => {
                self.life.happens(Happening::Filled);
            }
            Step::Turn => drop(self.life.happens(Happening::Tried)),
        }
    }

    fn go(&mut self, lines: usize) {
        if self.life.state() == State::Full {
            return;
        }
        if let Some(half) = self.half.take() {
            self.send(&half.segments[0], 1..LINES);
            return self.life.has(&half.segments[0]);
        }
        match self.life.take() {
            Came::Batch(batch) if lines < LINES => {
                self.send(&batch.segments[0], 0..lines);
                self.half = Some(batch);
            }
            Came::Batch(batch) => {
                self.send(&batch.segments[0], 0..lines);
                self.life.has(&batch.segments[0]);
            }
            Came::Nothing => {}
            Came::NotLive => {
                let hub = Arc::clone(&self.published.hub);
                let joined = self.life.join_if_close(&hub, || Arc::new(Quiet), 1);
                joined.expect("not stopping");
                if let Next::Chunk(chunk) = self.life.read(1).expect("readable") {
                    self.send(&chunk, 0..usize::MAX);
                }
            }
        }
    }
}

#[test]
fn every_line_comes_once_and_in_order_in_every_short_history() {
    let file = file(LINE, LINES * (1 + LENGTH as usize));
    let histories = STEPS.len().pow(LENGTH);
    let mut states = [false; 5];
    for history in 0..histories {
        let digit = |at: u32| STEPS[history / STEPS.len().pow(at) % STEPS.len()];
        let steps: Vec<Step> = (0..LENGTH).map(digit).collect();
        // From the beginning, and from where it is live.
        for warm in [0, 4] {
            let mut played = Played::new(&file);
            (0..warm).for_each(|_| played.step(Step::Go));
            for &step in &steps {
                played.step(step);
                states[played.life.state() as usize] = true;
            }
            let publishes = steps.iter().filter(|step| matches!(step, Step::Publish));
            let lines = LINES * (1 + publishes.count());
            played.step(Step::Look);
            played.life.happens(Happening::Tried);
            let left = |played: &Played| played.out.len() < lines;
            (0..9 * lines).for_each(|_| {
                if left(&played) {
                    played.go(LINES)
                }
            });
            // Nothing comes twice.
            (0..2).for_each(|_| played.go(LINES));
            let all = (1..=lines).map(|n| (n * LINE.len()) as u64);
            assert!(
                all.eq(played.out.iter().copied()),
                "{steps:?} after {warm}: {:?}",
                played.out
            );
        }
    }
    assert_eq!(states, [true, true, true, true, false]);
}

/// What is read next: how many lines or which event; or what it waits for.
fn next(life: &mut Subscription) -> Result<Result<usize, EventKind>, Wait> {
    match life.read(LINE.len()).expect("readable") {
        Next::Chunk(chunk) => Ok(match &chunk.kind {
            Kind::Lines(lines) => Ok(lines.len()),
            Kind::Event(event) => Err(event.kind.clone()),
        }),
        Next::Nothing => panic!("nothing"),
        Next::Later(wait) => Err(wait),
    }
}

#[test]
fn what_cannot_be_read_is_tried_again_later_and_told_as_lost_in_the_end() {
    let whole = file(LINE, 3);
    let hub = Hub::new(1 << 20).expect("a hub");
    let mut published = Published::new(hub, &whole, LINE);
    published.publish(3);
    let read_by = |file: &Arc<File>| {
        let moved = Change::Moved(0, Arc::clone(file));
        let source = Arc::clone(&published.source);
        published.hub.publish(vec![(source, moved)]);
    };
    let unreadable = Arc::new(File::options().write(true).open("/dev/null").expect("open"));
    let mut life = from_the_start(&published.hub);
    assert_eq!(next(&mut life), Ok(Err(EventKind::Start)));
    let again = |life: &mut Subscription, times: u8| {
        (0..times).for_each(|_| assert_eq!(next(life), Err(Wait::Moment)));
    };
    read_by(&unreadable);
    again(&mut life, READ_TRIES_MAX);
    read_by(&whole);
    assert_eq!(next(&mut life), Ok(Ok(1)));
    // What was read in the end has no part in it.
    read_by(&unreadable);
    again(&mut life, READ_TRIES_MAX);
    let gap = EventKind::Gap {
        lost_bytes: Some(2 * LINE.len() as u64),
        reason: "unreadable".into(),
    };
    assert_eq!(next(&mut life), Ok(Err(gap)));
}
