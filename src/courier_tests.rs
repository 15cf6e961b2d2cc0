//! Who is carried to by whom, and again; and what a panic ends.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::pace::BLOCKED_PATIENCE;
use crate::stop::Reason;

/// Its socket is full for so many carries.
#[derive(Debug)]
struct Full {
    for_carries: AtomicUsize,
    carried: AtomicUsize,
}

impl Subscriber for Full {
    fn carry(&self, patient: bool) -> bool {
        self.carried.fetch_add(1, Ordering::Relaxed);
        let more = |left: usize| left.checked_sub(1);
        let left = (Ordering::Relaxed, Ordering::Relaxed);
        patient && self.for_carries.fetch_update(left.0, left.1, more).is_ok()
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        0
    }
}

/// It panics when it is carried to, and where it is `lost` also when it is to end.
#[derive(Debug, Default)]
struct Panics {
    lost: bool,
    broke: AtomicUsize,
}

impl Subscriber for Panics {
    fn carry(&self, _: bool) -> bool {
        panic!("a test wants it");
    }

    fn broke(&self) {
        self.broke.fetch_add(1, Ordering::Relaxed);
        assert!(!self.lost, "a test wants it");
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        0
    }
}

/// Rounds that wake a courier for every two subscribers.
fn with_couriers(stop: &Arc<Stop>) -> (Arc<Rounds>, Vec<JoinHandle<()>>) {
    let hub = Arc::new(Hub::new(100).expect("a hub"));
    let mut rounds = Rounds::new(hub, Some(Duration::ZERO));
    rounds.links_per_courier = 2;
    let rounds = Arc::new(rounds);
    let couriers = rounds.start(stop).expect("couriers");
    (rounds, couriers)
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time");
        thread::yield_now();
    }
}

/// Keeps the thread that stands for the watcher until a courier has begun its share.
#[derive(Debug, Default)]
struct Waits {
    courier_began: AtomicBool,
}

impl Subscriber for Waits {
    fn carry(&self, _: bool) -> bool {
        if is_courier() {
            self.courier_began.store(true, Ordering::SeqCst);
        } else {
            wait_until(|| self.courier_began.load(Ordering::SeqCst));
        }
        false
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        0
    }
}

fn is_courier() -> bool {
    let thread = thread::current();
    thread
        .name()
        .is_some_and(|name| name.starts_with("courier-"))
}

/// A round in which the watcher and a courier both take part, with `more` for each of them.
fn shared_by_both(more: &Arc<dyn Subscriber>) -> Subscribers {
    let waits: Arc<dyn Subscriber> = Arc::new(Waits::default());
    let share = [vec![waits; LINKS_AT_A_TIME - 1], vec![Arc::clone(more)]].concat();
    Arc::new([share.clone(), share].concat())
}

#[test]
fn a_panic_for_one_subscriber_ends_that_one_alone_whoever_carries() {
    let stop = Arc::new(Stop::default());
    let (rounds, couriers) = with_couriers(&stop);
    let panics = Arc::new(Panics::default());
    let alone: Arc<dyn Subscriber> = panics.clone();
    let all = match couriers.is_empty() {
        true => Arc::new(vec![Arc::clone(&alone); 2]),
        false => shared_by_both(&alone),
    };
    rounds.run(all, false);
    wait_until(|| rounds.stage() == Stage::Idle);
    let other = full(0);
    rounds.run(Arc::new(vec![alone, other.clone()]), true);
    wait_until(|| rounds.stage() == Stage::Idle);
    assert_eq!(panics.broke.load(Ordering::Relaxed), 3);
    assert_eq!(other.carried.load(Ordering::Relaxed), 1);
    assert!(!stop.is_set(), "one client's trouble is its own");
    rounds.stop();
    couriers
        .into_iter()
        .for_each(|courier| courier.join().expect("it lives"));
}

#[test]
fn a_courier_that_is_lost_ends_the_program() {
    let stop = Arc::new(Stop::default());
    let (rounds, couriers) = with_couriers(&stop);
    if couriers.is_empty() {
        // One core: the watcher carries alone, and its own loss is told by its own guard.
        return;
    }
    let panics = Panics {
        lost: true,
        ..Panics::default()
    };
    let panics: Arc<dyn Subscriber> = Arc::new(panics);
    // This thread stands for the watcher, whose guard catches the same panic.
    let run = AssertUnwindSafe(|| rounds.run(shared_by_both(&panics), false));
    let _ = catch_unwind(run);
    let lost = |why: &str| why.contains("courier-");
    assert!(matches!(stop.wait(), Reason::Lost(why) if lost(&why)));
    rounds.stop();
    couriers
        .into_iter()
        .for_each(|courier| courier.join().expect("guarded"));
}

/// Keeps the courier until the watcher has done its share.
#[derive(Debug, Default)]
struct Slow {
    watcher_is_done: AtomicBool,
}

impl Subscriber for Slow {
    fn carry(&self, _: bool) -> bool {
        if is_courier() {
            wait_until(|| self.watcher_is_done.load(Ordering::SeqCst));
        }
        false
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        0
    }
}

#[test]
fn a_courier_that_ends_a_round_wakes_the_watcher() {
    let stop = Arc::new(Stop::default());
    let (rounds, couriers) = with_couriers(&stop);
    if couriers.is_empty() {
        return;
    }
    let slow = Arc::new(Slow::default());
    let last: Arc<dyn Subscriber> = slow.clone();
    rounds.run(shared_by_both(&last), false);
    assert_eq!(rounds.stage(), Stage::Runs);
    rounds.hub.looks.take_wakes();
    slow.watcher_is_done.store(true, Ordering::SeqCst);
    let waker = PollFd::new(rounds.hub.looks.waker(), PollFlags::POLLIN);
    let woken = poll(&mut [waker], PollTimeout::from(10_000_u16));
    assert_eq!(woken, Ok(1), "the watcher would wait for ever");
    assert_eq!(rounds.stage(), Stage::Idle);
    rounds.stop();
    couriers
        .into_iter()
        .for_each(|courier| courier.join().expect("it lives"));
}

fn full(for_carries: usize) -> Arc<Full> {
    Arc::new(Full {
        for_carries: AtomicUsize::new(for_carries),
        carried: AtomicUsize::new(0),
    })
}

#[test]
fn while_lines_come_fast_those_that_are_blocked_are_carried_to_again_and_nobody_else_is() {
    let rounds = Rounds::new(Arc::new(Hub::new(100).expect("a hub")), None);
    let (free, blocked) = (full(0), full(2));
    let all: Vec<Arc<dyn Subscriber>> = vec![free.clone(), blocked.clone()];
    rounds.run(Arc::new(all), true);
    let carried = |some: &Full| some.carried.load(Ordering::Relaxed);
    assert!(rounds.run_again(true), "blocked after the publish");
    assert!(rounds.has_blocked());
    assert!(rounds.run_again(true), "and after the first round for it");
    assert!(!rounds.has_blocked());
    assert!(!rounds.run_again(true), "not after the second");
    assert_eq!((carried(&free), carried(&blocked)), (1, 3));
}

#[test]
fn before_a_long_rest_nobody_is_left_blocked() {
    let rest = Some(2 * BLOCKED_PATIENCE);
    let rounds = Rounds::new(Arc::new(Hub::new(100).expect("a hub")), rest);
    rounds.run(Arc::new(vec![full(1)]), true);
    assert!(!rounds.has_blocked());
}

#[test]
fn the_next_publish_takes_those_that_were_blocked_along() {
    let rounds = Rounds::new(Arc::new(Hub::new(100).expect("a hub")), None);
    let blocked = full(1);
    let all: Subscribers = Arc::new(vec![blocked.clone()]);
    rounds.run(Arc::clone(&all), true);
    rounds.run(all, false);
    assert!(!rounds.run_again(true));
    assert_eq!(blocked.carried.load(Ordering::Relaxed), 2);
}
