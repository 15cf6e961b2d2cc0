//! Looks that readers ask for.

use std::time::Instant;

use super::Watcher;
use crate::tail::follower::Goal;

/// The look that was asked for: served when every follower has got as far as its file went when it was looked at.
pub(super) struct Asked {
    ticket: u64,
    goals: Vec<Aim>,
    left: usize,
}

#[derive(Clone, Copy)]
enum Aim {
    /// Not looked at since.
    Look,
    /// Looked at; to be read that far.
    Reach(Goal),
    Reached,
}

impl Asked {
    /// A follower that a pattern has brought in since: its file may be older than the question.
    pub(super) fn take_in(&mut self) {
        self.goals.push(Aim::Look);
        self.left += 1;
    }
}

impl Watcher {
    pub(super) fn take_asked(&mut self, now: Instant) {
        let Some(ticket) = self.hub.looks.pending().filter(|_| self.asked.is_none()) else {
            return;
        };
        self.make_all_ready();
        // A new file that a pattern matches is part of the answer, so its directory is not listed later to save time.
        self.globs.iter_mut().for_each(|glob| glob.hurry(now));
        self.dockers.iter_mut().for_each(|docker| docker.hurry(now));
        let left = self.followers.len();
        self.asked = Some(Asked {
            ticket,
            goals: vec![Aim::Look; left],
            left,
        });
    }

    pub(super) fn aim(&mut self, index: usize, now: Instant) {
        let Some(asked) = &mut self.asked else {
            return;
        };
        let follower = &mut self.followers[index];
        let goal = match asked.goals[index] {
            Aim::Reached => return,
            Aim::Reach(goal) => goal,
            Aim::Look => follower.goal(),
        };
        asked.goals[index] = Aim::Reach(goal);
        if follower.has_got_to(&goal, now) {
            asked.goals[index] = Aim::Reached;
            asked.left -= 1;
        }
    }

    /// Once all are there, and what was found is published.
    pub(super) fn serve_asked(&mut self) {
        if let Some(asked) = self.asked.take_if(|asked| asked.left == 0) {
            self.hub.looks.serve(asked.ticket);
            // Who asked meanwhile is served by the next pass.
            if self.hub.looks.pending().is_some() {
                self.hub.looks.wake();
            }
        }
    }
}
