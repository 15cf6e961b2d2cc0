//! Rounds of delivery: whoever is awake carries what is queued to the sockets.
//!
//! Waking a thread for each client and line is what thread-per-client costs: a wake-up and a context switch are dearer
//! than the write they lead to. So the watcher, which would only wait, goes through the live subscribers itself after a
//! publish, and the couriers share the list with it by an atomic cursor. What is not plain sailing is left to the
//! subscriber's own thread.
//!
//! One publish a round: while a round runs or rests, the watcher leaves the bytes in the file. When it is over, it
//! takes all that has come as one batch. So under load a write carries more lines instead of more wake-ups.
//!
//! While lines come fast, sockets are full most of the time. To hand each of those clients to its own thread at once would
//! cost two context switches and a poll(2) for each quarter of a megabyte, so they are carried to again by the next round,
//! for as long as they take something at all. Invariant: the watcher waits for no event while there are any.
//!
//! The state is one enum under one small lock. With two atomics (is there work? is anybody at it?) a publish between
//! "no more work" and "idle" is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::hub::{Hub, Subscriber, Subscribers};
use crate::limits::{
    BLOCKED_PATIENCE, COURIERS_MAX, LINKS_AT_A_TIME, LINKS_PER_COURIER, REST_MAX, REST_MIN,
    REST_PER_CLIENT,
};

/// What the watcher may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Read and publish.
    Go,
    /// Wait until the round is over: its end wakes the watcher.
    RoundRuns,
    /// Wait until then, unless a full batch waits in the files.
    RestUntil(Instant),
}

/// See the module.
#[derive(Debug)]
pub struct Rounds {
    state: Mutex<State>,
    /// Rest after a round, where the user has said; otherwise in proportion to the subscribers.
    rest: Option<Duration>,
    hub: Arc<Hub>,
    stopping: AtomicBool,
    couriers: Mutex<Vec<Thread>>,
    /// Whose sockets were full in the last round: they are carried to again.
    again: Mutex<Vec<Arc<dyn Subscriber>>>,
    /// Rounds begun, for metrics.
    pub begun: AtomicUsize,
}

#[derive(Debug)]
enum State {
    Idle,
    Running(Arc<Round>),
    Resting(Instant),
}

#[derive(Debug)]
struct Round {
    subscribers: Subscribers,
    /// The next to be carried to.
    cursor: AtomicUsize,
    /// Those that nobody is done with yet.
    left: AtomicUsize,
    /// Lines come fast.
    patient: bool,
}

impl Rounds {
    /// No round yet. `rest` is `--max-delay`.
    pub fn new(hub: Arc<Hub>, rest: Option<Duration>) -> Rounds {
        Rounds {
            state: Mutex::new(State::Idle),
            rest,
            hub,
            stopping: AtomicBool::new(false),
            couriers: Mutex::default(),
            again: Mutex::default(),
            begun: AtomicUsize::new(0),
        }
    }

    /// Starts the couriers: one for each core but the first, which is the watcher's own.
    pub fn start(self: &Arc<Self>) -> std::io::Result<Vec<JoinHandle<()>>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut handles = Vec::new();
        for n in 1..=(cores - 1).min(COURIERS_MAX) {
            let rounds = Arc::clone(self);
            let handle = thread::Builder::new()
                .name(format!("courier-{n}"))
                .spawn(move || rounds.courier())?;
            self.couriers.lock().push(handle.thread().clone());
            handles.push(handle);
        }
        Ok(handles)
    }

    /// Ends the couriers after what they are at.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for courier in self.couriers.lock().iter() {
            courier.unpark();
        }
    }

    /// What the watcher may do now.
    pub fn pace(&self) -> Pace {
        let mut state = self.state.lock();
        match *state {
            State::Idle => Pace::Go,
            State::Running(_) => Pace::RoundRuns,
            State::Resting(until) if Instant::now() < until => Pace::RestUntil(until),
            State::Resting(_) => {
                *state = State::Idle;
                Pace::Go
            }
        }
    }

    /// A full batch waits in the files: the rest, if any, is over.
    pub fn no_rest(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Resting(_)) {
            *state = State::Idle;
        }
    }

    /// Carries what was just published to `subscribers`, together with the couriers; called by the watcher. Returns
    /// when there is nothing left to begin with, while couriers may still be at theirs. While lines come fast it is
    /// `patient`: who is blocked is not handed to its own thread, but carried to again by the next round, which is
    /// the watcher's to begin (see [`Rounds::run_again`]).
    pub fn run(&self, subscribers: Subscribers, patient: bool) {
        // They are among the subscribers.
        self.again.lock().clear();
        self.begin(subscribers, patient);
    }

    /// Carries once more to those who were blocked in the last round; whether there are any.
    pub fn run_again(&self, patient: bool) -> bool {
        let again = std::mem::take(&mut *self.again.lock());
        let any = !again.is_empty();
        if any {
            self.begin(Arc::new(again), patient);
        }
        any
    }

    /// Whether somebody was blocked in the last round.
    pub fn has_blocked(&self) -> bool {
        !self.again.lock().is_empty()
    }

    fn begin(&self, subscribers: Subscribers, patient: bool) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let len = subscribers.len();
        // With a long rest the next round would come too late for those who are blocked.
        let patient = patient && self.rest_after(len) <= BLOCKED_PATIENCE;
        let round = Arc::new(Round {
            subscribers,
            cursor: AtomicUsize::new(0),
            left: AtomicUsize::new(len),
            patient,
        });
        *self.state.lock() = State::Running(Arc::clone(&round));
        for courier in self.couriers.lock().iter().take(len / LINKS_PER_COURIER) {
            courier.unpark();
        }
        self.work(&round);
    }

    fn courier(&self) {
        while !self.stopping.load(Ordering::Acquire) {
            let round = match &*self.state.lock() {
                State::Running(round) => Some(Arc::clone(round)),
                _ => None,
            };
            match round {
                // A round that has nothing left to begin with is not worked at again: that would spin.
                Some(round) if round.cursor.load(Ordering::Relaxed) < round.subscribers.len() => {
                    if self.work(&round) {
                        self.hub.looks.wake();
                    }
                }
                _ => thread::park(),
            }
        }
    }

    /// Takes part in `round` until there is nothing left to begin with; whether that ended the round.
    fn work(&self, round: &Round) -> bool {
        let mut ended = false;
        loop {
            let begin = round.cursor.fetch_add(LINKS_AT_A_TIME, Ordering::Relaxed);
            let end = (begin + LINKS_AT_A_TIME).min(round.subscribers.len());
            let Some(some) = round.subscribers.get(begin..end).filter(|s| !s.is_empty()) else {
                return ended;
            };
            if round.patient {
                let blocked = some.iter().filter(|some| some.carry_patiently());
                let blocked: Vec<_> = blocked.map(Arc::clone).collect();
                self.again.lock().extend(blocked);
            } else {
                some.iter().for_each(|some| some.carry());
            }
            // AcqRel: whoever ends the round sees all that was done in it.
            if round.left.fetch_sub(some.len(), Ordering::AcqRel) == some.len() {
                self.end(round.subscribers.len());
                ended = true;
            }
        }
    }

    fn rest_after(&self, subscribers: usize) -> Duration {
        self.rest
            .unwrap_or_else(|| (REST_PER_CLIENT * subscribers as u32).min(REST_MAX))
    }

    fn end(&self, subscribers: usize) {
        let rest = self.rest_after(subscribers);
        *self.state.lock() = if rest < REST_MIN {
            State::Idle
        } else {
            State::Resting(Instant::now() + rest)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its socket is full for so many carries.
    #[derive(Debug)]
    struct Full {
        for_carries: AtomicUsize,
        carried: AtomicUsize,
    }

    impl Subscriber for Full {
        fn carry(&self) {
            self.carried.fetch_add(1, Ordering::Relaxed);
        }

        fn carry_patiently(&self) -> bool {
            self.carry();
            let more = |left: usize| left.checked_sub(1);
            let left = (Ordering::Relaxed, Ordering::Relaxed);
            self.for_carries.fetch_update(left.0, left.1, more).is_ok()
        }

        fn dropped(&self) {}

        fn done(&self) -> u64 {
            0
        }
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
}
