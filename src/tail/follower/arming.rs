//! What a follower watches: the directories on its trail, and the file it holds.

use crate::limits::TRAIL_WALKS_MAX;

use super::Follower;
use crate::tail::trail;
use crate::tail::watches::{User, Watches};

impl Follower {
    /// Watches every directory on the trail. Arm first, look second: it is walked again after its directories are
    /// watched, until it is the same as before.
    pub(super) fn arm(&mut self, watches: &mut Watches) {
        let mut walked = trail::Trail::default();
        let mut steps: Vec<(i32, User)> = Vec::new();
        self.armed = true;
        for _ in 0..TRAIL_WALKS_MAX {
            let trail = trail::trail(&self.source.path());
            if trail == walked {
                break;
            }
            let last = trail.steps.len().checked_sub(1).filter(|_| trail.complete);
            self.armed = true;
            for (at, (directory, name)) in trail.steps.iter().enumerate() {
                let user = match Some(at) == last {
                    true => User::Entry(self.index, name.clone()),
                    false => User::Name(self.index, name.clone()),
                };
                match watches.directory(user.clone(), directory) {
                    Some(id) if steps.contains(&(id, user.clone())) => {}
                    Some(id) => steps.push((id, user)),
                    None => self.armed = false,
                }
            }
            walked = trail;
        }
        for (id, user) in &self.steps {
            if !steps.iter().any(|step| step == &(*id, user.clone())) {
                watches.release(*id, user);
            }
        }
        if self.steps != steps {
            self.arrivals.elsewhere();
        }
        self.steps = steps;
        if let Some(held) = &mut self.held {
            held.watch = watches.file(User::File(self.index), &held.file, &self.source.path());
            self.armed &= held.watch.is_some();
        }
    }

    /// The kernel tells that a file came to stand under the name.
    pub(in crate::tail) fn tell_arrival(&mut self, made: bool) {
        match made {
            true => self.arrivals.make(),
            false => self.arrivals.move_in(),
        }
    }

    /// What was told so far was there when this follower began.
    pub(in crate::tail) fn begin_arrivals(&mut self) {
        self.arrivals.reset();
    }

    /// Its path may lead elsewhere now.
    pub(in crate::tail) fn stir(&mut self) {
        self.rearm = true;
        self.stirred = true;
    }

    /// It may have missed something: what it watches is seen to again.
    pub(in crate::tail) fn check_watches(&mut self) {
        self.rearm = true;
    }

    /// The kernel's events were lost.
    pub(in crate::tail) fn events_lost(&mut self) {
        self.stir();
        self.arrivals.reset();
    }
}
