//! Looks that readers ask for.

use std::collections::HashMap;
use std::time::Instant;

use super::Watcher;
use crate::tail::follower::Goal;
use crate::tail::glob::Glob;

/// The look that was asked for: served when every follower has got as far as its file went when it was looked at.
pub(super) struct Asked {
    ticket: u64,
    /// Who has not got there yet.
    goals: HashMap<usize, Aim>,
}

#[derive(Clone, Copy)]
enum Aim {
    /// Not looked at since.
    Look,
    /// Looked at; to be read that far.
    Reach(Goal),
}

impl Asked {
    /// A follower that a pattern has brought in since: its file may be older than the question.
    pub(super) fn take_in(&mut self, index: usize) {
        self.goals.insert(index, Aim::Look);
    }
}

impl Watcher {
    pub(super) fn take_asked(&mut self, now: Instant) {
        let Some(ticket) = self.hub.looks.pending().filter(|_| self.asked.is_none()) else {
            return;
        };
        self.make_all_ready();
        self.dockers.iter_mut().for_each(|docker| docker.hurry(now));
        self.asked = Some(Asked {
            ticket,
            goals: self
                .followers
                .keys()
                .map(|&index| (index, Aim::Look))
                .collect(),
        });
    }

    pub(super) fn aim(&mut self, index: usize, now: Instant) {
        let (Some(asked), Some(follower)) = (&mut self.asked, self.followers.get_mut(&index))
        else {
            return;
        };
        let Some(aim) = asked.goals.get_mut(&index) else {
            return;
        };
        let goal = match *aim {
            Aim::Reach(goal) => goal,
            Aim::Look => follower.goal(),
        };
        *aim = Aim::Reach(goal);
        if follower.has_got_to(&goal, now) {
            asked.goals.remove(&index);
        }
    }

    /// Once all are there, and what was found is published.
    pub(super) fn serve_asked(&mut self) {
        // A new file that a pattern matches is part of the answer.
        if self.globs.iter().any(Glob::is_behind) {
            return;
        }
        if let Some(asked) = self.asked.take_if(|asked| asked.goals.is_empty()) {
            self.hub.looks.serve(asked.ticket);
            // Who asked meanwhile is served by the next pass.
            if self.hub.looks.pending().is_some() {
                self.hub.looks.wake();
            }
        }
    }
}
