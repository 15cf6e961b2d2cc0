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
    next: u64,
    served: u64,
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
                next: 0,
                served: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits for a turn: as long as those before take to read about a MiB each.
    pub fn enter(&self) -> Turn<'_> {
        let mut state = self.state.lock();
        let ticket = state.next;
        state.next += 1;
        while state.served != ticket || state.free == 0 {
            self.freed.wait(&mut state);
        }
        state.served += 1;
        state.free -= 1;
        let more = state.free > 0;
        drop(state);
        if more {
            self.freed.notify_all();
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        self.0.freed.notify_all();
    }
}
