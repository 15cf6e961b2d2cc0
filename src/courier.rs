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
//! A panic in what is carried for one subscriber ends that subscriber alone, whichever thread carried it. A courier that
//! is lost all the same ends the program, as every core thread does: its round would never be over.
//!
//! The state is one enum under one small lock. With two atomics (is there work? is anybody at it?) a publish between
//! "no more work" and "idle" is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::hub::{Hub, Subscriber, Subscribers};
use crate::limits::{COURIERS_MAX, LINKS_AT_A_TIME};
use crate::pace::{LINKS_PER_COURIER, Stage, may_be_patient, rest_after};
use crate::stop::Stop;

/// The rounds of delivery: who is carried to now, by whom, and how long the rest after it is.
#[derive(Debug)]
pub struct Rounds {
    state: Mutex<State>,
    /// Rest after a round, where the user has said; otherwise in proportion to the subscribers.
    rest: Option<Duration>,
    hub: Arc<Hub>,
    /// A courier is woken for so many subscribers.
    links_per_courier: usize,
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
            links_per_courier: LINKS_PER_COURIER,
            stopping: AtomicBool::new(false),
            couriers: Mutex::default(),
            again: Mutex::default(),
            begun: AtomicUsize::new(0),
        }
    }

    /// Starts the couriers: one for each core but the first, which is the watcher's own. `stop` is set if one is lost.
    pub fn start(self: &Arc<Self>, stop: &Arc<Stop>) -> std::io::Result<Vec<JoinHandle<()>>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut handles = Vec::new();
        for n in 1..=(cores - 1).min(COURIERS_MAX) {
            let rounds = Arc::clone(self);
            let handle = stop.start(format!("courier-{n}"), move || rounds.courier())?;
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

    /// Where they are now.
    pub fn stage(&self) -> Stage {
        let mut state = self.state.lock();
        match *state {
            State::Idle => Stage::Idle,
            State::Running(_) => Stage::Runs,
            State::Resting(until) if Instant::now() < until => Stage::RestsUntil(until),
            State::Resting(_) => {
                *state = State::Idle;
                Stage::Idle
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
        let patient = patient && may_be_patient(rest_after(len, self.rest));
        let round = Arc::new(Round {
            subscribers,
            cursor: AtomicUsize::new(0),
            left: AtomicUsize::new(len),
            patient,
        });
        *self.state.lock() = State::Running(Arc::clone(&round));
        for courier in self
            .couriers
            .lock()
            .iter()
            .take(len / self.links_per_courier)
        {
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
            let blocked = some.iter().filter(|some| carry(some, round.patient));
            let blocked: Vec<_> = blocked.map(Arc::clone).collect();
            if !blocked.is_empty() {
                self.again.lock().extend(blocked);
            }
            // AcqRel: whoever ends the round sees all that was done in it.
            if round.left.fetch_sub(some.len(), Ordering::AcqRel) == some.len() {
                self.end(round.subscribers.len());
                ended = true;
            }
        }
    }

    fn end(&self, subscribers: usize) {
        *self.state.lock() = match rest_after(subscribers, self.rest) {
            None => State::Idle,
            Some(rest) => State::Resting(Instant::now() + rest),
        };
    }
}

/// Carries to one; whether that is to be done again soon.
fn carry(subscriber: &Arc<dyn Subscriber>, patient: bool) -> bool {
    let carried = catch_unwind(AssertUnwindSafe(|| subscriber.carry(patient)));
    carried.unwrap_or_else(|_| {
        subscriber.broke();
        false
    })
}

#[cfg(test)]
#[path = "courier_tests.rs"]
mod tests;
