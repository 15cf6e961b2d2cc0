//! Turns at what costs time: reading history, and matching filters. Each lasts [`PERMIT_TURN`] and is then for the next
//! in line, so that catching up does not starve live delivery, nor one client another.
//!
//! Two lanes: who reads without a filter never waits for a filter. In each lane there is a line for every address, and
//! the addresses take turns: who asks a thousand times waits for himself.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::limits::{GIVES_WAY_EVERY, PERMIT_TURN, PERMIT_TURNS_MIN};
use crate::serve::transport::socket::Whom;

/// What the turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// To read files: as many at once as there are cores.
    Reads,
    /// To compile a filter, and to read through one: one core is left to the others.
    Filters,
}

/// The turns of both lanes. A turn is never held while waiting for a peer.
#[derive(Debug)]
pub struct Turnstile {
    reads: Mutex<Queue>,
    filters: Mutex<Queue>,
}

/// One lane: turns that are free, or else those who wait for one.
#[derive(Debug)]
struct Queue {
    free: usize,
    /// By address; the first one's first is next.
    waiting: VecDeque<(Whom, VecDeque<Arc<Place>>)>,
}

/// A place in line.
#[derive(Debug, Default)]
struct Place {
    called: Mutex<bool>,
    changed: Condvar,
}

/// Work that lasts, and lets other threads have the core now and then: the kernel wakes a thread that lines wait for, and
/// leaves the core to the one that works until its time slice is over, some milliseconds later.
#[derive(Debug)]
pub struct GivesWay {
    since: Cell<Instant>,
}

impl GivesWay {
    /// It works from now on.
    pub fn from_now() -> GivesWay {
        GivesWay {
            since: Cell::new(Instant::now()),
        }
    }

    /// Called between pieces of work.
    pub fn now_and_then(&self) {
        if self.since.get().elapsed() >= GIVES_WAY_EVERY {
            thread::yield_now();
            self.rested();
        }
    }

    /// Called after a wait: others had the core meanwhile. With 100 clients in line for turns, each turn would else begin
    /// with a context switch to nobody's good.
    pub fn rested(&self) {
        self.since.set(Instant::now());
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    lane: &'a Mutex<Queue>,
    whom: Whom,
    since: Instant,
    gives_way: GivesWay,
    /// False while it is given back.
    is_had: bool,
    has_waited: bool,
}

impl Turnstile {
    /// For a machine with so many cores.
    pub fn new(cores: usize) -> Turnstile {
        let lane = |free| {
            Mutex::new(Queue {
                free,
                waiting: VecDeque::new(),
            })
        };
        Turnstile {
            reads: lane(cores.max(PERMIT_TURNS_MIN)),
            filters: lane(cores.saturating_sub(1).max(1)),
        }
    }

    /// Waits for a turn: as long as the turns of those take who are before `whom`.
    pub fn enter(&self, lane: Lane, whom: Whom) -> Turn<'_> {
        let lane = match lane {
            Lane::Reads => &self.reads,
            Lane::Filters => &self.filters,
        };
        let has_waited = wait(lane, whom);
        let since = Instant::now();
        Turn {
            lane,
            whom,
            since,
            gives_way: GivesWay::from_now(),
            is_had: true,
            has_waited,
        }
    }
}

/// Waits for a turn; whether there was none free.
fn wait(lane: &Mutex<Queue>, whom: Whom) -> bool {
    let mut queue = lane.lock();
    if queue.free > 0 {
        queue.free -= 1;
        return false;
    }
    let place = Arc::new(Place::default());
    match queue.waiting.iter_mut().find(|(other, _)| *other == whom) {
        Some((_, line)) => line.push_back(Arc::clone(&place)),
        None => {
            let line = VecDeque::from([Arc::clone(&place)]);
            queue.waiting.push_back((whom, line));
        }
    }
    drop(queue);
    let mut called = place.called.lock();
    while !*called {
        place.changed.wait(&mut called);
    }
    true
}

/// Hands a turn to the next in line, or puts it back. Only that one is woken: with a thousand waiting, to wake all for
/// each turn is a million wake-ups.
fn hand_on(lane: &Mutex<Queue>) {
    let mut queue = lane.lock();
    let Some((whom, mut line)) = queue.waiting.pop_front() else {
        queue.free += 1;
        return;
    };
    let next = line.pop_front();
    if !line.is_empty() {
        queue.waiting.push_back((whom, line));
    }
    drop(queue);
    if let Some(next) = next {
        *next.called.lock() = true;
        next.changed.notify_one();
    }
}

impl Turn<'_> {
    /// There was none free when it was asked for.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// It has lasted for as long as a turn may. Asked between pieces of work.
    pub fn is_over(&self) -> bool {
        self.gives_way.now_and_then();
        self.since.elapsed() >= PERMIT_TURN
    }

    /// Gives it back, does what is to be done `meanwhile`, and waits for the next one.
    pub fn again<T>(&mut self, meanwhile: impl FnOnce() -> T) -> T {
        self.is_had = false;
        hand_on(self.lane);
        let done = meanwhile();
        if wait(self.lane, self.whom) {
            self.gives_way.rested();
        }
        self.is_had = true;
        self.since = Instant::now();
        done
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_had {
            hand_on(self.lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn whom(last: u8) -> Whom {
        Whom::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)))
    }

    /// Waits until so many stand in line.
    fn until_waiting(turnstile: &Turnstile, wanted: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let waiting = || {
            let queue = turnstile.filters.lock();
            queue
                .waiting
                .iter()
                .map(|(_, line)| line.len())
                .sum::<usize>()
        };
        while waiting() < wanted {
            assert!(Instant::now() < deadline, "they stand in line in time");
            thread::yield_now();
        }
    }

    #[test]
    fn the_addresses_take_turns_however_often_one_of_them_asks() {
        let turnstile = Turnstile::new(1);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let turn = turnstile.enter(Lane::Filters, whom(1));
            let stand = |whom: Whom, name: &'static str, before: usize| {
                let (tell, turnstile) = (tell.clone(), &turnstile);
                scope.spawn(move || {
                    let _turn = turnstile.enter(Lane::Filters, whom);
                    tell.send(name).expect("heard");
                });
                until_waiting(turnstile, before + 1);
            };
            stand(whom(1), "a1", 0);
            stand(whom(1), "a2", 1);
            stand(whom(1), "a3", 2);
            stand(whom(2), "b1", 3);
            stand(Whom::User(0), "c1", 4);
            stand(whom(2), "b2", 5);
            drop(turn);
        });
        let order: Vec<_> = told.try_iter().collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!(turnstile.filters.lock().free, 1);
    }

    #[test]
    fn who_has_no_filter_waits_for_none() {
        let turnstile = Turnstile::new(1);
        let _filters = turnstile.enter(Lane::Filters, whom(1));
        let _reads = turnstile.enter(Lane::Reads, whom(1));
    }

    #[test]
    fn a_turn_ends_by_time_and_the_next_one_has_it() {
        let turnstile = Turnstile::new(1);
        let mut turn = turnstile.enter(Lane::Filters, whom(1));
        assert!(!turn.has_waited());
        while !turn.is_over() {
            thread::yield_now();
        }
        // Nobody waits: it goes on.
        turn.again(|| {});
        assert!(!turn.is_over());
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let turn = turnstile.enter(Lane::Filters, whom(2));
                assert!(turn.has_waited());
                tell.send("other").expect("heard");
            });
            until_waiting(&turnstile, 1);
            turn.again(|| {});
            assert_eq!(told.try_recv(), Ok("other"));
        });
    }
}
