//! A pass: what has come is taken, whose turn it is looks, and what that finds is published.
//!
//! Invariant: each part of it that may meet thousands of names or events has a time, and what is left has its turn in
//! the next pass. So a line of any file is read within two passes, whatever happens to the others. What was written is
//! read before names are looked at, and both have a time of their own: thousands of names that have changed keep no
//! line, and lines that come all the time keep no name.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::Change;
use crate::limits::{GIVE_UP_TIME, NAMES_TIME, PRESSED_PART, SCAN_TIME, TURN_BYTES, WRITTEN_TIME};
use crate::source::Source;

use super::Watcher;
use super::ready::{Deed, Ready};
use crate::tail::follower::{Follower, Left, Turn};
use crate::tail::others::Others;

/// What a pass has found.
#[derive(Default)]
struct Found {
    changes: Vec<(Arc<Source>, Change)>,
    /// Bytes that were read.
    read: usize,
    /// Files that were begun.
    begun: usize,
    /// Who has read as much as it may in a pass.
    unfinished: HashSet<usize>,
}

fn begins((_, change): &&(Arc<Source>, Change)) -> bool {
    matches!(change, Change::Begin(_))
}

impl Watcher {
    /// Takes what has come, looks at whose turn it is, and publishes what that finds; whether a round came of it.
    pub(super) fn pass(&mut self) -> bool {
        let now = Instant::now();
        self.listings.clear();
        self.take_events();
        self.write_lately();
        self.take_notices();
        self.take_asked(now);
        self.take_times(now);
        self.see_whom_a_scan_awaits(now);
        let mut found = Found::default();
        let all_gave_up = self.give_up(now, &mut found.changes);
        self.scan_containers(now, false, &mut found.changes);
        self.active.clear();
        self.take_turns(Ready::take_written, WRITTEN_TIME, now, &mut found);
        for &index in &self.active {
            self.lately.brought(index);
        }
        // Lines wait to be published, or events to be taken: names get a part of their time.
        let is_pressed = !found.changes.is_empty() || !self.watches.is_drained();
        let part = |time: Duration| match is_pressed {
            true => time / PRESSED_PART,
            false => time,
        };
        if all_gave_up {
            self.take_turns(Ready::take_stirred, part(NAMES_TIME), now, &mut found);
        }
        self.scan_globs(now, part(SCAN_TIME), &mut found.changes);
        let carried = self.publish(found.changes, found.read, now);
        self.make_room(now);
        self.serve_asked();
        self.come_round(now);
        carried
    }

    /// Gives those their turns that `take` names, for so long, or until a batch is full.
    fn take_turns(
        &mut self,
        take: fn(&mut Ready) -> Option<(usize, Deed)>,
        time: Duration,
        now: Instant,
        found: &mut Found,
    ) {
        let until = Instant::now() + time;
        for _ in 0..self.ready.len() {
            let Some((index, deed)) = take(&mut self.ready) else {
                break;
            };
            let before = found.changes.len();
            found.read += match deed {
                // It has read as much as it may in a pass, but sees where its name leads.
                Deed::Look if found.unfinished.contains(&index) => {
                    self.look_at(index, now, 0, &mut found.changes)
                }
                Deed::Look => self.look_at(index, now, TURN_BYTES, &mut found.changes),
                Deed::Read => {
                    let (read, more) = self.read_at(index, now, &mut found.changes);
                    found.unfinished.extend(more.then_some(index));
                    read
                }
            };
            found.begun += found.changes[before..].iter().filter(begins).count();
            let is_full = found.read >= TURN_BYTES || self.is_crowded(found.begun);
            if is_full || Instant::now() >= until {
                break;
            }
        }
    }

    /// Whoever has lost its file to another's name gives it up, before that one looks; whether all have.
    fn give_up(&mut self, now: Instant, changes: &mut Vec<(Arc<Source>, Change)>) -> bool {
        let until = Instant::now() + GIVE_UP_TIME;
        while Instant::now() < until {
            let Some(index) = self.handing_over.pop_front() else {
                break;
            };
            self.give_turn(index, now, 0, changes, |follower, turn| {
                follower.give_up(turn);
            });
        }
        self.handing_over.is_empty()
    }

    /// One follower's turn, in which it may read `room` bytes; how many it read.
    pub(super) fn look_at(
        &mut self,
        index: usize,
        now: Instant,
        room: usize,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) -> usize {
        let before = changes.len();
        self.feed_by_fifo(index, changes);
        let looked = self.give_turn(index, now, room, changes, |follower, turn| {
            let left = follower.look(turn);
            let moved = (follower.moved_to(now), follower.take_late());
            (left, room - turn.room, follower.is_over(now), moved)
        });
        if let Some(awaited) = &mut self.scan_awaits {
            awaited.remove(&index);
        }
        let Some((left, read, is_over, (moved_to, late))) = looked else {
            return 0;
        };
        if let Some(path) = moved_to {
            self.follow_moved(index, &path, changes);
        }
        for late in late {
            self.follow_late(index, &late, changes);
        }
        if changes.len() > before {
            self.active.push(index);
        }
        match left {
            Left::Nothing => {}
            Left::Bytes => self.ready.write(index),
            Left::Files => self.ready.stir(index),
            Left::Events => self.ready.await_events(index),
        }
        if let Some(follower) = self.followers.get(&index) {
            self.look_again_at(index, follower.look_at);
        }
        self.aim(index, now);
        if is_over {
            self.part_with(index);
        }
        read
    }

    /// The same where all but what was written to its file can wait; and whether there is more.
    fn read_at(
        &mut self,
        index: usize,
        now: Instant,
        changes: &mut Vec<(Arc<Source>, Change)>,
    ) -> (usize, bool) {
        let before = changes.len();
        let looked = self.give_turn(index, now, TURN_BYTES, changes, |follower, turn| {
            let more = follower.read_alone(turn);
            (more, TURN_BYTES - turn.room, follower.look_at)
        });
        let Some((more, read, look_at)) = looked else {
            return (0, false);
        };
        if changes.len() > before {
            self.active.push(index);
        }
        if more {
            self.ready.write(index);
        }
        self.look_again_at(index, look_at);
        (read, more)
    }

    /// Gives a follower a turn in which it may read `room` bytes, to do its `deed`; `None` where it is no more.
    pub(super) fn give_turn<Done>(
        &mut self,
        index: usize,
        now: Instant,
        room: usize,
        changes: &mut Vec<(Arc<Source>, Change)>,
        deed: impl FnOnce(&mut Follower, &mut Turn) -> Done,
    ) -> Option<Done> {
        let held_max = self.held_max();
        let mut follower = self.followers.remove(&index)?;
        let mut turn = Turn {
            now,
            buf: &mut self.buf,
            room,
            held_max,
            watches: &mut self.watches,
            known: &mut self.known,
            listings: &mut self.listings,
            others: Others {
                names: &self.names,
                followers: &self.followers,
            },
            hub: &self.hub,
            changes,
        };
        let done = deed(&mut follower, &mut turn);
        self.followers.insert(index, follower);
        Some(done)
    }

    /// Whether there was somebody to publish to.
    fn publish(&mut self, changes: Vec<(Arc<Source>, Change)>, read: usize, now: Instant) -> bool {
        if changes.is_empty() {
            return false;
        }
        self.pace.publishes(read, now);
        if changes.iter().any(|change| begins(&change)) {
            self.forget_at.get_or_insert(now + self.forget_every());
            self.room_at = None;
        }
        let subscribers = self.hub.publish(changes).filter(|all| !all.is_empty());
        let carried = subscribers.is_some();
        if let Some(subscribers) = subscribers {
            self.rounds.run(subscribers, self.pace.is_fast());
        }
        carried
    }
}
