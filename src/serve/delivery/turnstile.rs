//! Turns at reading history: at most as many clients at once as there are cores, first come, first served, so that
//! catching up does not starve live delivery.

use parking_lot::{Condvar, Mutex};

/// See the module. A turn is never held while waiting for a peer.
#[derive(Debug)]
pub struct Turnstile {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
    /// Turns handed to those that wait, but not yet taken up.
    handed: usize,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turnstile);

impl Turnstile {
    /// With `turns` at a time.
    pub fn new(turns: usize) -> Turnstile {
        Turnstile {
            state: Mutex::new(State {
                free: turns,
                waiting: 0,
                handed: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits for a turn: as long as those before take to read about a MiB each.
    pub fn enter(&self) -> Turn<'_> {
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            return Turn(self);
        }
        state.waiting += 1;
        // Always waits before it looks: what is handed now is for somebody who came before. The condition's queue is
        // first come, first served.
        loop {
            self.freed.wait(&mut state);
            if state.handed > 0 {
                state.handed -= 1;
                break;
            }
        }
        drop(state);
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.waiting == 0 {
            state.free += 1;
            return;
        }
        // Handed to the next in line, and only that one is woken: with a thousand waiting, to wake all for each turn is
        // a million wake-ups.
        state.waiting -= 1;
        state.handed += 1;
        drop(state);
        self.0.freed.notify_one();
    }
}
