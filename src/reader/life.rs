//! The states of a subscriber's life, and what moves it from one to the next: a pure function, with its table as a test.
//!
//! What a state needs is inside its variant, so a state without its things can't be written down. Falling back is no
//! state of its own: a client with half a frame on the wire reads the files like any other, and sends the rest first.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a subscriber is in its life. `R` reads the files, `Q` is its queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Life<R, Q> {
    /// It reads the files, up to the live edge or to where it ends.
    Reads(R),
    /// Its queue fills, and it reads up to where that begins.
    Joins(R, Q),
    /// It has read all before its queue, and that may be carried by whoever is awake.
    Live(R, Q),
    /// Live, and its own thread waits until the peer takes more: nobody else needs to try.
    Full(R, Q),
    /// It is over.
    #[default]
    Over,
}

/// The name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// See [`Life::Reads`].
    Reads,
    /// See [`Life::Joins`].
    Joins,
    /// See [`Life::Live`].
    Live,
    /// See [`Life::Full`].
    Full,
    /// See [`Life::Over`].
    Over,
}

/// What happens to a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub enum Happening<Q> {
    /// The hub has given it a queue.
    Joined(Q),
    /// It has read up to where it reads to.
    ReadAll,
    /// The peer takes no more, which its own thread has found.
    Filled,
    /// Its own thread tries again.
    Tried,
    /// The hub has dropped its sender.
    Cut,
    /// The subscriber leaves, or the program stops.
    Ended,
}

/// What is to be done about it, beside what the state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing but to go on as the state says.
    Nothing,
    /// Read on to the live edge: nothing had been taken from the queue.
    ReadOn,
    /// Throw away what was taken from the queue and is not out, and read on from behind what is.
    LetGo,
}

impl<R, Q> Life<R, Q> {
    /// The state after `what`, and what is to be done. What can't happen in a state changes nothing.
    pub fn next(self, what: Happening<Q>) -> (Life<R, Q>, Deed) {
        use Life::{Full, Joins, Live, Over, Reads};
        match (self, what) {
            (Reads(reader), Happening::Joined(queue)) => (Joins(reader, queue), Deed::Nothing),
            (Joins(reader, queue), Happening::ReadAll) => (Live(reader, queue), Deed::Nothing),
            (Joins(reader, _), Happening::Cut) => (Reads(reader), Deed::ReadOn),
            (Live(reader, queue), Happening::Filled) => (Full(reader, queue), Deed::Nothing),
            (Full(reader, queue), Happening::Tried) => (Live(reader, queue), Deed::Nothing),
            (Live(reader, _) | Full(reader, _), Happening::Cut) => (Reads(reader), Deed::LetGo),
            (_, Happening::Ended) => (Over, Deed::Nothing),
            (life, _) => (life, Deed::Nothing),
        }
    }

    /// The name of its state.
    pub fn state(&self) -> State {
        match self {
            Life::Reads(_) => State::Reads,
            Life::Joins(..) => State::Joins,
            Life::Live(..) => State::Live,
            Life::Full(..) => State::Full,
            Life::Over => State::Over,
        }
    }

    /// What reads the files for it, while it lives.
    pub fn reader(&self) -> Option<&R> {
        match self {
            Life::Reads(r) | Life::Joins(r, _) | Life::Live(r, _) | Life::Full(r, _) => Some(r),
            Life::Over => None,
        }
    }

    /// The same, to read with.
    pub fn reader_mut(&mut self) -> Option<&mut R> {
        match self {
            Life::Reads(r) | Life::Joins(r, _) | Life::Live(r, _) | Life::Full(r, _) => Some(r),
            Life::Over => None,
        }
    }

    /// Its queue, while it is subscribed.
    pub fn queue(&self) -> Option<&Q> {
        match self {
            Life::Joins(_, queue) | Life::Live(_, queue) | Life::Full(_, queue) => Some(queue),
            Life::Reads(_) | Life::Over => None,
        }
    }
}

/// All moves from one state to another.
pub const MOVES: [(State, State); 11] = [
    (State::Reads, State::Joins),
    (State::Joins, State::Live),
    (State::Joins, State::Reads),
    (State::Live, State::Full),
    (State::Full, State::Live),
    (State::Live, State::Reads),
    (State::Full, State::Reads),
    (State::Reads, State::Over),
    (State::Joins, State::Over),
    (State::Live, State::Over),
    (State::Full, State::Over),
];

static MADE: [AtomicU64; MOVES.len()] = [const { AtomicU64::new(0) }; MOVES.len()];

/// Counts a move.
pub(super) fn count(from: State, to: State) {
    if let Some(at) = MOVES.iter().position(|&known| known == (from, to)) {
        MADE[at].fetch_add(1, Ordering::Relaxed);
    }
}

/// How often each of [`MOVES`] was made by any subscriber since the start.
pub fn made() -> [u64; MOVES.len()] {
    std::array::from_fn(|at| MADE[at].load(Ordering::Relaxed))
}

/// The same in words, for the log.
pub fn told() -> String {
    let moves = MOVES.iter().zip(made());
    let told = moves.map(|((from, to), made)| format!("{from:?}-{to:?} {made}"));
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named = Life<&'static str, &'static str>;

    fn lives() -> [Named; 5] {
        [
            Life::Reads("r"),
            Life::Joins("r", "q"),
            Life::Live("r", "q"),
            Life::Full("r", "q"),
            Life::Over,
        ]
    }

    fn happenings() -> [Happening<&'static str>; 6] {
        [
            Happening::Joined("q"),
            Happening::ReadAll,
            Happening::Filled,
            Happening::Tried,
            Happening::Cut,
            Happening::Ended,
        ]
    }

    #[test]
    fn each_state_and_happening_has_its_next_state_and_its_deed() {
        let go = |state| (state, Deed::Nothing);
        use State::{Full, Joins, Live, Over, Reads};
        #[rustfmt::skip]
        let table = [
            // Joined    ReadAll      Filled       Tried        Cut                    Ended
            [go(Joins), go(Reads), go(Reads), go(Reads), go(Reads),             go(Over)],
            [go(Joins), go(Live),  go(Joins), go(Joins), (Reads, Deed::ReadOn), go(Over)],
            [go(Live),  go(Live),  go(Full),  go(Live),  (Reads, Deed::LetGo),  go(Over)],
            [go(Full),  go(Full),  go(Full),  go(Live),  (Reads, Deed::LetGo),  go(Over)],
            [go(Over),  go(Over),  go(Over),  go(Over),  go(Over),              go(Over)],
        ];
        for (row, life) in table.iter().zip(lives()) {
            let state = life.state();
            for (at, expected) in row.iter().enumerate() {
                let life = lives().into_iter().find(|other| *other == life);
                let what = happenings().into_iter().nth(at).expect("one");
                let case = format!("{state:?}, {what:?}");
                let (next, deed) = life.expect("one").next(what);
                assert_eq!((next.state(), deed), *expected, "{case}");
                // Nobody loses its reader, and a queue is kept exactly while it is subscribed.
                let is_over = next.state() == Over;
                assert_eq!(next.reader(), (!is_over).then_some(&"r"), "{case}");
                let is_subscribed = matches!(next.state(), Joins | Live | Full);
                assert_eq!(next.queue(), is_subscribed.then_some(&"q"), "{case}");
            }
        }
    }

    #[test]
    fn the_list_of_moves_is_that_of_the_table() {
        for life in 0..lives().len() {
            for what in 0..happenings().len() {
                let life = lives().into_iter().nth(life).expect("one");
                let what = happenings().into_iter().nth(what).expect("one");
                let from = life.state();
                let to = life.next(what).0.state();
                assert!(from == to || MOVES.contains(&(from, to)), "{from:?} {to:?}");
            }
        }
    }
}
