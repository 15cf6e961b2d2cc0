//! What a follower watches: the directories on its trail, and the file it holds.

use crate::limits::TRAIL_WALKS_MAX;

use super::Follower;
use crate::tail::trail;
use crate::tail::watches::{User, Watches};

impl Follower {
    /// Watches every directory on the trail. Arm first, look second: it is walked again after its directories are
    /// watched, until it is the same as before.
    pub(super) fn arm(&mut self, watches: &mut Watches) {
        let mut walked = Vec::new();
        let mut steps: Vec<(i32, User)> = Vec::new();
        self.armed = true;
        for _ in 0..TRAIL_WALKS_MAX {
            let trail = trail::trail(&self.source.path);
            if trail == walked {
                break;
            }
            self.armed = true;
            for (directory, name) in &trail {
                let user = User::Name(self.index, name.clone());
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
        self.steps = steps;
        if let Some(held) = &mut self.held {
            held.watch = watches.file(User::File(self.index), &held.file, &self.source.path);
            self.armed &= held.watch.is_some();
        }
    }
}
