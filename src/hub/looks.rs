//! Looks that readers ask the watcher for: "has anything happened to the files that I should know of?"

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::{Condvar, Mutex};

use crate::limits::LOOK_WAIT;

use super::registry::Selection;

/// Questions to the watcher: a reader asks about some sources and waits until the watcher has looked at those. Nobody
/// waits for the files of others.
#[derive(Debug)]
pub struct Looks {
    state: Mutex<Questions>,
    answered: Condvar,
    /// Wakes the watcher, for a look or for anything else.
    waker: EventFd,
}

#[derive(Debug, Default)]
struct Questions {
    next: u64,
    /// Those that are not answered; the watcher has taken those without a question.
    waiting: BTreeMap<u64, Option<Question>>,
    closed: bool,
}

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its number, to answer it by.
    pub number: u64,
    /// Which sources.
    pub selection: Selection,
    /// Who asks stays to follow: what is read only once the file before it is quiet need not be waited for.
    pub follows: bool,
}

impl Looks {
    pub(super) fn new() -> io::Result<Looks> {
        let waker = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Looks {
            state: Mutex::default(),
            answered: Condvar::new(),
            waker,
        })
    }

    /// Asks the watcher to look at every source and waits until it has, at most [`LOOK_WAIT`]; whether it has.
    /// Woken by the watcher, and by stop.
    pub fn ask(&self) -> bool {
        self.ask_for(&Selection::All, false)
    }

    /// The same for the sources of `selection`; where the asker `follows`, without what waits only for a file to be
    /// quiet.
    pub fn ask_for(&self, selection: &Selection, follows: bool) -> bool {
        let deadline = Instant::now() + LOOK_WAIT;
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let question = Question {
            number,
            selection: selection.clone(),
            follows,
        };
        state.waiting.insert(number, Some(question));
        drop(state);
        self.wake();
        state = self.state.lock();
        while state.waiting.contains_key(&number) && !state.closed {
            if self.answered.wait_until(&mut state, deadline).timed_out() {
                return state.waiting.remove(&number).is_none();
            }
        }
        true
    }

    /// Takes the questions that have come: to be answered by a pass that begins now.
    pub fn take_questions(&self) -> Vec<Question> {
        let mut state = self.state.lock();
        state
            .waiting
            .values_mut()
            .filter_map(Option::take)
            .collect()
    }

    /// These are answered, and what was found is published.
    pub fn answer(&self, numbers: &[u64]) {
        let mut state = self.state.lock();
        for number in numbers {
            state.waiting.remove(number);
        }
        drop(state);
        self.answered.notify_all();
    }

    /// Wakes the watcher. Never blocks.
    pub fn wake(&self) {
        // A full counter (EAGAIN) wakes as well.
        let _ = self.waker.write(1);
    }

    /// What the watcher polls beside its events.
    pub fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    /// Takes the wake-ups that have come.
    pub fn take_wakes(&self) {
        let _ = self.waker.read();
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.answered.notify_all();
    }
}
