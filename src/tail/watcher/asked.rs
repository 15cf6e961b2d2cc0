//! Looks that readers ask for.

use std::collections::HashMap;
use std::time::Instant;

use super::Watcher;
use crate::hub::{Question, Selection};
use crate::tail::follower::Goal;

/// Questions that were asked together: answered when every follower of the sources that they are about has got as far as
/// its file went when it was looked at.
pub(super) struct Asked {
    questions: Vec<Question>,
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
    /// Whether nobody of those who ask waits for what is read only once another file is quiet.
    fn follows(&self) -> bool {
        self.questions.iter().all(|question| question.follows)
    }

    fn is_of_all(&self) -> bool {
        let of_all = |question: &Question| !matches!(question.selection, Selection::Only(_));
        self.questions.iter().any(of_all)
    }
}

impl Watcher {
    /// A follower that a pattern has brought in since: its file may be older than the question.
    pub(super) fn ask_new(&mut self, index: usize) {
        for asked in self.asked.iter_mut().filter(|asked| asked.is_of_all()) {
            asked.goals.insert(index, Aim::Look);
        }
    }

    pub(super) fn take_asked(&mut self, now: Instant) {
        self.questions.extend(self.hub.looks.take_questions());
        if self.questions.is_empty() {
            return;
        }
        self.dockers.iter_mut().for_each(|docker| docker.hurry(now));
        // Questions about named files are answered each for itself. Those about all files are many followers each, so
        // those that come while one is being answered wait, and are answered together.
        let (of_all, named): (Vec<_>, Vec<_>) = std::mem::take(&mut self.questions)
            .into_iter()
            .partition(|question| !matches!(question.selection, Selection::Only(_)));
        for question in named {
            self.begin_to_answer(vec![question]);
        }
        let (following, ending): (Vec<_>, Vec<_>) =
            of_all.into_iter().partition(|question| question.follows);
        for questions in [following, ending] {
            let Some(first) = questions.first() else {
                continue;
            };
            let mut at_work = self.asked.iter();
            if at_work.any(|asked| asked.is_of_all() && asked.follows() == first.follows) {
                self.questions.extend(questions);
            } else {
                self.begin_to_answer(questions);
            }
        }
    }

    fn begin_to_answer(&mut self, questions: Vec<Question>) {
        let is_asked = |index: &usize| {
            let follower = &self.followers[index];
            let mut asked = questions.iter();
            asked.any(|question| question.selection.has(follower.source()))
        };
        let all = self.followers.keys().copied();
        let concerned: Vec<usize> = all.filter(is_asked).collect();
        // Who asks for a few files need not wait for thousands of others.
        let of_all = questions
            .iter()
            .any(|question| !matches!(question.selection, Selection::Only(_)));
        for &index in &concerned {
            match of_all {
                true => self.ready.stir(index),
                false => self.ready.ask(index),
            }
        }
        let goals = concerned.into_iter().map(|index| (index, Aim::Look));
        self.asked.push(Asked {
            questions,
            goals: goals.collect(),
        });
    }

    pub(super) fn aim(&mut self, index: usize, now: Instant) {
        let Some(follower) = self.followers.get_mut(&index) else {
            return;
        };
        for asked in &mut self.asked {
            let follows = asked.follows();
            let Some(aim) = asked.goals.get_mut(&index) else {
                continue;
            };
            let goal = match *aim {
                Aim::Reach(goal) => goal,
                Aim::Look => follower.goal(),
            };
            *aim = Aim::Reach(goal);
            if follower.has_got_to(&goal, follows, now) {
                asked.goals.remove(&index);
            }
        }
    }

    /// A follower is no more: nobody waits for it.
    pub(super) fn ask_no_more(&mut self, index: usize) {
        for asked in &mut self.asked {
            asked.goals.remove(&index);
        }
    }

    /// Once all are there, and what was found is published.
    pub(super) fn serve_asked(&mut self) {
        // A new file that a pattern matches is part of the answer to who asks about all.
        let behind = self.is_behind();
        let looks = &self.hub.looks;
        self.asked.retain(|asked| {
            let done = asked.goals.is_empty() && !(behind && asked.is_of_all());
            if done {
                let numbers: Vec<u64> = asked.questions.iter().map(|asked| asked.number).collect();
                looks.answer(&numbers);
            }
            !done
        });
        // Who asked meanwhile is answered by the next pass.
        if !self.questions.is_empty() && self.asked.is_empty() {
            looks.wake();
        }
    }
}
