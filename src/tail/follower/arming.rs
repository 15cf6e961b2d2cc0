//! What a follower watches: the directories on its trail, and the file it holds.

use std::fs;
use std::time::Instant;

use crate::limits::TRAIL_WALKS_MAX;

use super::{Follower, Sight, Turn, Walk, Way};
use crate::tail::identity::stamp_now;
use crate::tail::trail;
use crate::tail::trust::Ground;
use crate::tail::watches::{Told, User, Watches};

impl Follower {
    /// Watches every directory on the trail. Arm first, look second: it is walked again after its directories are
    /// watched, until it is the same as before.
    pub(super) fn arm(&mut self, turn: &mut Turn) {
        let before = stamp_now();
        let mut walked = trail::Trail::default();
        let mut steps: Vec<(i32, User)> = Vec::new();
        let mut armed = true;
        for _ in 0..TRAIL_WALKS_MAX {
            let trail = trail::trail(&self.source.path());
            if trail == walked {
                break;
            }
            let last = trail.steps.len().checked_sub(1).filter(|_| trail.complete);
            armed = true;
            for (at, (directory, name)) in trail.steps.iter().enumerate() {
                let user = match Some(at) == last {
                    true => User::Entry(self.index, name.clone()),
                    false => User::Name(self.index, name.clone()),
                };
                match turn.watches.directory(user.clone(), directory) {
                    Some(id) if steps.contains(&(id, user.clone())) => {}
                    Some(id) => steps.push((id, user)),
                    None => armed = false,
                }
            }
            walked = trail;
        }
        self.way = match walked.steps.last() {
            Some((directory, name))
                if walked.complete && directory.join(name) == *self.source.path() =>
            {
                Way::Direct
            }
            _ => Way::ByLink,
        };
        if self.steps != steps {
            self.leave_place(turn);
            self.armed = before;
        }
        turn.watches.keep(&self.steps, &steps);
        self.sight = match (armed, self.steps == steps) {
            (false, _) => Sight::Polls,
            // What happened where the name is looked up now was not told.
            (true, false) => Sight::Missed,
            (true, true) if self.sight == Sight::Polls => Sight::Missed,
            (true, true) => self.sight,
        };
        if self.sight != Sight::Watches {
            self.lose_told(turn.watches);
        }
        self.steps = steps;
        if let Some(held) = &mut self.held {
            held.watch = turn
                .watches
                .file(User::File(self.index), &held.file, &self.source.path());
            self.sight = self.sight.with(held.watch.is_some());
        }
    }

    /// The file of that watch, if there is one, is not watched any more.
    pub(super) fn unwatch(&self, watch: Option<i32>, watches: &mut Watches) {
        if let Some(watch) = watch {
            watches.release(watch, &User::File(self.index));
        }
    }

    /// What the kernel tells of the name, or of a file that stood under it.
    pub(in crate::tail) fn tell_of_name(&mut self, told: &Told) {
        let is_own = self.steps.iter().any(|(id, user)| {
            *id == told.directory && matches!(user, User::Entry(_, name) if *name == told.name)
        });
        self.stints.tell(told, is_own);
    }

    /// What was told so far was there when this follower began.
    pub(in crate::tail) fn begin_stints(&mut self, watches: &mut Watches) {
        self.stints.reset(watches, self.index);
        self.stints.nothing_lost();
        if self.sight == Sight::Missed {
            self.sight = Sight::Watches;
        }
    }

    /// What the kernel has told so far can't be trusted.
    fn lose_told(&mut self, watches: &mut Watches) {
        self.stints.reset(watches, self.index);
        self.successors.lose_told();
    }

    /// Its path may lead elsewhere now: what it watches is seen to again.
    pub(in crate::tail) fn stir(&mut self) {
        self.walk = Walk::Next;
    }

    /// Its name may lead elsewhere. The way there is the same, unless there is a link.
    pub(in crate::tail) fn stir_entry(&mut self) {
        self.walk = match (self.way, self.walk) {
            (Way::Direct, Walk::At(at)) => Walk::IfLink(at),
            (Way::Direct, walk) => walk,
            (Way::ByLink, _) => Walk::Next,
        };
    }

    /// Whether the trail is to be walked again by this look.
    pub(super) fn is_to_walk(&mut self, now: Instant) -> bool {
        if let Walk::IfLink(at) = self.walk {
            let stat = fs::symlink_metadata(self.source.path());
            self.walk = match stat.is_ok_and(|stat| stat.is_symlink() || stat.is_dir()) {
                true => Walk::Next,
                false => Walk::At(at),
            };
        }
        match self.walk {
            Walk::At(at) => now >= at,
            Walk::Next | Walk::IfLink(_) => true,
        }
    }

    /// The kernel tells all that happens to its name.
    pub(in crate::tail) fn is_told(&self) -> bool {
        let is_remote = self.held.is_some() && self.ground != Ground::Local;
        self.sight == Sight::Watches && !is_remote
    }

    /// The kernel's events were lost.
    pub(in crate::tail) fn events_lost(&mut self, watches: &mut Watches) {
        self.stir();
        self.lose_told(watches);
        self.armed = stamp_now();
        self.tell_of_sealed(None, Instant::now());
        if self.sight == Sight::Watches {
            self.sight = Sight::Missed;
        }
    }
}
