//! Every line once, in order, whatever happens when: every short history of a subscriber is played.

use std::fs::File;
use std::ops::ControlFlow;

use super::*;
use crate::hub::tests::{Published, Quiet, file};
use crate::hub::{Change, Shelf};
use crate::limits::READ_TRIES_MAX;
use crate::reader::{Begin, From, Wait};
use crate::source::{EventKind, Kind, OpenFile};

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
    fn new(file: &Arc<OpenFile>) -> Played {
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
                let half = self.half.take();
                let held = half.as_ref().map(|half| &half.segments[0]);
                self.life.falls(held, 1);
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
            return self.send(&half.segments[0], 1..LINES);
        }
        match self.life.take() {
            Came::Batch(batch) if lines < LINES => {
                self.send(&batch.segments[0], 0..lines);
                self.half = Some(batch);
            }
            Came::Batch(batch) => {
                self.send(&batch.segments[0], 0..lines);
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
    let read_by = |file: &Arc<OpenFile>| {
        let moved = Change::Moved(0, Arc::clone(file));
        let source = Arc::clone(&published.source);
        published.hub.publish(vec![(source, moved)]);
    };
    let unreadable = File::options().write(true).open("/dev/null");
    let unreadable = Arc::new(unreadable.expect("open").into());
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

/// What happens next to a subscriber of two files whose queue has room for two batches.
const OF_TWO: [&str; 6] = ["a", "b", "ab", "go", "1st", "look"];

/// Lines that are out of either file, and what is in hand: a batch, and how many of its lines are out.
fn play_two(steps: &[&str]) -> [Vec<u64>; 2] {
    let whole = file(LINE, 2 + steps.len());
    let hub = Arc::new(Hub::new(1 << 20).expect("a hub"));
    let mut files = ["a.log", "b.log"].map(|name| Published::of(&hub, name, &whole, LINE));
    files.iter_mut().for_each(|file| file.publish(1));
    let mut life = from_the_start(&hub);
    let mut out = [Vec::new(), Vec::new()];
    let mut hand: Option<(Arc<Batch>, usize)> = None;
    let send = |out: &mut [Vec<u64>; 2], segment: &Segment| {
        if let Kind::Lines(lines) = &segment.kind {
            let offsets = (0..lines.len()).map(|line| lines.after(line).offset);
            out[segment.source.index as usize].extend(offsets);
        }
    };
    let mut step = |step: &str, out: &mut [Vec<u64>; 2]| match step {
        "look" if life.is_cut() => {
            let held = hand.take();
            let held = held.iter().flat_map(|(batch, at)| &batch.segments[*at..]);
            life.falls(held, 0);
        }
        "look" => {}
        "a" => files[0].publish(1),
        "b" => files[1].publish(1),
        "ab" => {
            let both = files.iter_mut().map(|file| file.next(1)).collect();
            hub.publish(both);
        }
        _ => {
            let taken = hand.take().map_or_else(
                || life.take(),
                |(batch, at)| {
                    batch.segments[at..].iter().for_each(|one| send(out, one));
                    Came::Nothing
                },
            );
            match taken {
                Came::Batch(batch) if step == "1st" => {
                    send(out, &batch.segments[0]);
                    hand = (batch.segments.len() > 1).then_some((batch, 1));
                }
                Came::Batch(batch) => batch.segments.iter().for_each(|one| send(out, one)),
                Came::Nothing => {}
                Came::NotLive => {
                    let joined = life.join_if_close(&hub, || Arc::new(Quiet), 2);
                    joined.expect("not stopping");
                    if let Next::Chunk(chunk) = life.read(1).expect("readable") {
                        send(out, &chunk);
                    }
                }
            }
        }
    };
    (0..6).for_each(|_| step("go", &mut out));
    steps.iter().for_each(|one| step(one, &mut out));
    step("look", &mut out);
    (0..4 * (2 + steps.len())).for_each(|_| step("go", &mut out));
    out
}

#[test]
fn whoever_is_cut_goes_on_in_every_file_right_behind_what_is_out_of_it() {
    const STEPS: u32 = 5;
    for history in 0..OF_TWO.len().pow(STEPS) {
        let digit = |at: u32| OF_TWO[history / OF_TWO.len().pow(at) % OF_TWO.len()];
        let steps: Vec<_> = (0..STEPS).map(digit).collect();
        let out = play_two(&steps);
        for (name, out) in ["a", "b"].iter().zip(out) {
            let lines = 1 + steps.iter().filter(|step| step.contains(name)).count();
            let all = (1..=lines).map(|n| (n * LINE.len()) as u64);
            assert!(all.eq(out.iter().copied()), "{steps:?}: {name}: {out:?}");
        }
    }
}

#[test]
fn who_is_live_keeps_nothing_of_any_file() {
    let whole = file(LINE, 1);
    let hub = Arc::new(Hub::new(1 << 20).expect("a hub"));
    let names = ["a.log", "b.log", "c.log"];
    let mut files = names.map(|name| Published::of(&hub, name, &whole, LINE));
    let mut life = from_the_start(&hub);
    while life.live().is_none() {
        life.join_if_close(&hub, || Arc::new(Quiet), 1)
            .expect("not stopping");
        life.read(1).expect("readable");
    }
    files.iter_mut().for_each(|file| file.publish(1));
    assert!(life.is_cut());
    let kept = |life: &Subscription| {
        let reader = life.life.reader().expect("it lives");
        (reader.cursors.capacity(), reader.fall.is_some())
    };
    assert_eq!(kept(&life), (0, false));
    life.happens(Happening::Cut);
    assert_eq!(kept(&life), (0, true));
    assert_eq!(
        life.reader().expect("it lives").behind_bytes(),
        3 * LINE.len() as u64
    );
}

#[test]
fn who_falls_back_sees_that_the_file_is_another_one_before_the_watcher_does() {
    use std::os::unix::fs::FileExt;
    let whole = file(LINE, 3);
    let hub = Hub::new(1 << 20).expect("a hub");
    let mut published = Published::new(hub, &whole, LINE);
    published.publish(1);
    let mut life = from_the_start(&published.hub);
    while life.live().is_none() {
        life.join_if_close(&published.hub, || Arc::new(Quiet), 1)
            .expect("not stopping");
        life.read(LINE.len()).expect("readable");
    }
    (0..2).for_each(|_| published.publish(1));
    life.happens(Happening::Cut);
    whole.write_all_at(b"LINE\n", 0).expect("write");
    assert_eq!(next(&mut life), Err(Wait::Look(0)));
}
