//! The pace of delivery: what the watcher does next, and until when. A pure function of what it sees, so that the whole
//! of it can be read, and tested, as a table.
//!
//! Inputs are the bytes of the last batch, whether subscribers lag, whether somebody is blocked, and how many clients
//! there are. Three things are weighed against each other:
//!
//! - A line is sent at once while lines come slowly. So the first publish after a quiet time waits for nothing.
//! - Under load a write carries many lines: a round of delivery is followed by a rest in proportion to its clients.
//! - While lines come *fast*, nobody is left to its own thread too soon, and most subscribers are waited for a little.

use std::time::{Duration, Instant};

use crate::limits::TURN_BYTES;

// -- the knobs

/// Subscribers for each courier that is woken for a round: fewer are written to in less than a millisecond, and the
/// wake-up costs more than it brings (100 clients, a line a round: 3.4 us of CPU a line and client without a courier,
/// 3.9 with one).
pub const LINKS_PER_COURIER: usize = 256;

/// Rest after a round, for each live subscriber, so that under load a write carries more lines: some three times what
/// the round itself takes. With 20 us CPU falls to 0.56 of what the floor of `make bench` takes and p99 grows to 5.5 of
/// it; with 12 us they are 0.65 and 3.
pub const REST_PER_CLIENT: Duration = Duration::from_micros(12);

/// Rest of a feeder after what it has read, for each other tailcast that is followed: some three times what it takes to
/// read, write and look at what one of them has said. Twenty that say a line a millisecond would take a tenth of a core
/// more without it.
pub const REST_PER_UPSTREAM: Duration = Duration::from_micros(60);

/// Longest rest where `--max-delay` does not say.
pub const REST_MAX: Duration = Duration::from_millis(100);

/// Rests shorter than this are none: the kernel's timer slack alone is 50 us.
pub const REST_MIN: Duration = Duration::from_micros(100);

/// While lines come fast, how often the files are looked at during a rest for a full batch.
pub const REST_SLICE: Duration = Duration::from_millis(1);

/// Bytes of the last batch from which on lines are said to come fast.
pub const FAST_BYTES: usize = TURN_BYTES / 8;

/// How long a publish waits for most subscribers to carry the one before, for each of them: what a full batch takes to
/// be written to a socket and read from it, a few times.
pub const CROWD_WAIT_PER_CLIENT: Duration = Duration::from_micros(200);

/// The longest such wait.
pub const CROWD_WAIT_MAX: Duration = Duration::from_millis(100);

/// While lines come fast, how long a client whose socket is full is tried again with every round before its own thread
/// is woken to wait for it. A peer that reads at all takes something within this, and a wake-up and a poll(2) for each
/// quarter of a megabyte is a third of what delivery costs.
pub const BLOCKED_PATIENCE: Duration = Duration::from_millis(20);

// -- the pace

/// Where the rounds of delivery are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No round, no rest.
    Idle,
    /// A round runs: its end wakes the watcher.
    Runs,
    /// The rest after a round lasts until then.
    RestsUntil(Instant),
}

/// What the watcher did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It waited.
    Wait,
    /// It looked at the files, and published to somebody.
    Publish,
    /// It looked at the files, and there was nothing to carry.
    LookInVain,
    /// It carried once more to those who were blocked, if there were any.
    CarryAgain,
}

/// What the watcher is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Look at the files, and publish what is new.
    Look,
    /// Carry once more to those who were blocked. The patient leave them to the next time if they still are, and don't
    /// wake their threads.
    CarryAgain {
        /// Lines come fast.
        patient: bool,
    },
    /// A full batch waits in the files: the rest is over.
    EndRest,
    /// Wait until then, or for a wake-up, and let the kernel's events be: each of them would end the wait.
    Rest(Instant),
    /// Wait for the end of the round. One that never ends is a watcher that is stuck: it shows no sign of life meanwhile.
    AwaitRound,
    /// Wait for an event, a wake-up, or the next time at which something is due.
    AwaitEvents,
}

/// What the watcher sees. What it costs something to know is asked for only while [`Pace::is_fast`].
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The time.
    pub now: Instant,
    /// Where the rounds are.
    pub stage: Stage,
    /// What it did last.
    pub did: Did,
    /// Nothing is to be looked at before something happens.
    pub idle: bool,
    /// Somebody's socket was full in the last round.
    pub blocked: bool,
    /// Live subscribers.
    pub clients: usize,
    /// Most of them have not yet carried the batch before the last one: asked for where a publish could begin.
    pub most_lag: bool,
    /// Bytes that wait in the files of which the last batch was.
    pub waiting_bytes: u64,
}

/// What the pace remembers of the last batch.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    batch_bytes: usize,
    published_at: Instant,
    /// Until when the next publish waits for subscribers that lag, once it has been found that they do.
    crowded_until: Option<Instant>,
}

impl Pace {
    /// Nothing was published yet.
    pub fn new(now: Instant) -> Pace {
        Pace {
            batch_bytes: 0,
            published_at: now,
            crowded_until: None,
        }
    }

    /// A batch of so many bytes is published.
    pub fn publishes(&mut self, bytes: usize, now: Instant) {
        *self = Pace {
            batch_bytes: bytes,
            published_at: now,
            crowded_until: None,
        };
    }

    /// Lines come fast.
    pub fn is_fast(&self) -> bool {
        self.batch_bytes >= FAST_BYTES
    }

    /// What to do now.
    pub fn next(&mut self, seen: &Seen) -> Deed {
        let slice = seen.now + REST_SLICE;
        // Whatever is left to do is known to be nothing.
        let is_done = seen.did == Did::Publish || seen.did == Did::LookInVain;
        let is_quiet = is_done && seen.idle && !seen.blocked;
        match seen.stage {
            Stage::Runs => Deed::AwaitRound,
            Stage::RestsUntil(_) if is_quiet => Deed::AwaitEvents,
            Stage::RestsUntil(until) if !self.is_fast() => Deed::Rest(until),
            Stage::RestsUntil(_)
                if seen.waiting_bytes >= TURN_BYTES as u64 && !self.is_crowded(seen) =>
            {
                Deed::EndRest
            }
            Stage::RestsUntil(until) => Deed::Rest(until.min(slice)),
            // After a short round there is no rest, and to try again at once would only spin.
            Stage::Idle if seen.did == Did::CarryAgain => Deed::Rest(slice),
            Stage::Idle if self.is_crowded(seen) => Deed::CarryAgain { patient: true },
            Stage::Idle if is_quiet => Deed::AwaitEvents,
            Stage::Idle if seen.did == Did::LookInVain && seen.blocked => {
                // Where nothing new has come for a moment, lines don't come fast any more: who is still blocked is its
                // own thread's.
                let patient = self.is_fast() && seen.now < self.published_at + BLOCKED_PATIENCE;
                Deed::CarryAgain { patient }
            }
            Stage::Idle => Deed::Look,
        }
    }

    /// While lines come fast and most subscribers lag, publishing waits a little for them: one publish after the other
    /// would send them all back to the files. What a few slow ones can cost the others is bounded: once they are sent
    /// back to reading the file, they don't count.
    fn is_crowded(&mut self, seen: &Seen) -> bool {
        if !self.is_fast() || !seen.most_lag {
            return false;
        }
        let clients = u32::try_from(seen.clients).unwrap_or(u32::MAX);
        let wait = CROWD_WAIT_PER_CLIENT.saturating_mul(clients);
        let until = self
            .crowded_until
            .get_or_insert(seen.now + wait.min(CROWD_WAIT_MAX));
        seen.now < *until
    }
}

/// The rest after a round for so many subscribers; `max_delay` is what the user has said. `None` where it would be too
/// short to be one.
pub fn rest_after(subscribers: usize, max_delay: Option<Duration>) -> Option<Duration> {
    let own = || (REST_PER_CLIENT * subscribers as u32).min(REST_MAX);
    let rest = max_delay.unwrap_or_else(own);
    (rest >= REST_MIN).then_some(rest)
}

/// How long one of so many feeders lets more come after what it has read, so that it is read, written and delivered
/// together. `None` where it would be too short to be a rest: over a hop a line takes less than twice its time then.
pub fn feeder_rest(subscribers: usize, upstreams: usize) -> Option<Duration> {
    let rest = REST_PER_CLIENT * subscribers as u32 + REST_PER_UPSTREAM * upstreams as u32;
    (rest >= REST_MIN).then_some(rest.min(REST_MAX))
}

/// Whether a round may leave those who are blocked to the next one, which comes after `rest`: with a long one it would
/// come too late for them.
pub fn may_be_patient(rest: Option<Duration>) -> bool {
    rest.is_none_or(|rest| rest <= BLOCKED_PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A slow line has been published to one client, and the watcher has come back from a wait.
    fn seen(now: Instant) -> Seen {
        Seen {
            now,
            stage: Stage::Idle,
            did: Did::Wait,
            idle: true,
            blocked: false,
            clients: 1,
            most_lag: false,
            waiting_bytes: 0,
        }
    }

    #[test]
    fn each_case_has_its_deed() {
        let now = Instant::now();
        let seen = seen(now);
        let slice = now + REST_SLICE;
        let far = now + 50 * MS;
        let rests = Stage::RestsUntil(far);
        let full = TURN_BYTES as u64;
        let again = |patient| Deed::CarryAgain { patient };
        let (fast, slow) = (FAST_BYTES, FAST_BYTES - 1);
        let (publish, in_vain) = (Did::Publish, Did::LookInVain);
        #[rustfmt::skip]
        let table = [
            // Idle.
            ("woken", slow, seen, Deed::Look),
            ("nothing was new", slow, Seen { did: in_vain, ..seen }, Deed::AwaitEvents),
            ("others have their turn", slow, Seen { did: in_vain, idle: false, ..seen }, Deed::Look),
            // One client: its round is over at once and has no rest.
            ("carried", slow, Seen { did: publish, ..seen }, Deed::AwaitEvents),
            ("carried, and more is known", slow, Seen { did: publish, idle: false, ..seen }, Deed::Look),
            // Rounds and rests.
            ("a courier is at it", fast, Seen { did: publish, stage: Stage::Runs, ..seen }, Deed::AwaitRound),
            ("a rest, and nothing to do", slow, Seen { did: publish, stage: rests, ..seen }, Deed::AwaitEvents),
            ("an event in a rest", slow, Seen { stage: rests, ..seen }, Deed::Rest(far)),
            ("a rest while lines come fast", fast, Seen { stage: rests, ..seen }, Deed::Rest(slice)),
            ("nearly over", fast, Seen { stage: Stage::RestsUntil(now), ..seen }, Deed::Rest(now)),
            ("a full batch waits", fast, Seen { stage: rests, waiting_bytes: full, ..seen }, Deed::EndRest),
            ("almost a full one", fast, Seen { stage: rests, waiting_bytes: full - 1, ..seen }, Deed::Rest(slice)),
            ("a full one, of slow lines", slow, Seen { stage: rests, waiting_bytes: full, ..seen }, Deed::Rest(far)),
            ("a full one, and a crowd", fast, Seen { stage: rests, waiting_bytes: full, most_lag: true, ..seen }, Deed::Rest(slice)),
            // Blocked.
            ("blocked after a publish", fast, Seen { did: publish, blocked: true, ..seen }, Deed::Look),
            ("blocked, and nothing new", fast, Seen { did: in_vain, blocked: true, ..seen }, again(true)),
            ("blocked, and lines come slowly", slow, Seen { did: in_vain, blocked: true, ..seen }, again(false)),
            ("just tried again", fast, Seen { did: Did::CarryAgain, blocked: true, ..seen }, Deed::Rest(slice)),
            ("a moment later", fast, Seen { blocked: true, ..seen }, Deed::Look),
            // A crowd.
            ("most lag", fast, Seen { most_lag: true, ..seen }, again(true)),
            ("most lag behind slow lines", slow, Seen { most_lag: true, ..seen }, Deed::Look),
            ("most lag after trying again", fast, Seen { most_lag: true, did: Did::CarryAgain, ..seen }, Deed::Rest(slice)),
        ];
        for (case, bytes, seen, deed) in table {
            let mut pace = Pace::new(now);
            pace.publishes(bytes, now);
            assert_eq!(pace.next(&seen), deed, "{case}");
        }
    }

    #[test]
    fn a_crowd_is_waited_for_in_proportion_and_not_for_ever() {
        let now = Instant::now();
        for (clients, longest) in [(10, 10 * CROWD_WAIT_PER_CLIENT), (100_000, CROWD_WAIT_MAX)] {
            let mut pace = Pace::new(now);
            pace.publishes(FAST_BYTES, now);
            let mut at = |after: Duration| {
                let seen = Seen {
                    now: now + after,
                    clients,
                    most_lag: true,
                    ..seen(now)
                };
                pace.next(&seen)
            };
            assert_eq!(at(Duration::ZERO), Deed::CarryAgain { patient: true });
            assert_eq!(at(longest - MS), Deed::CarryAgain { patient: true });
            assert_eq!(at(longest), Deed::Look, "{clients} clients");
            pace.publishes(FAST_BYTES, now + longest);
            let seen = Seen {
                now: now + longest,
                clients,
                most_lag: true,
                ..seen(now)
            };
            let deed = pace.next(&seen);
            assert_eq!(deed, Deed::CarryAgain { patient: true }, "the next one");
        }
    }

    #[test]
    fn who_is_blocked_long_after_the_last_publish_is_left_to_its_thread() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.publishes(FAST_BYTES, now);
        let seen = Seen {
            now: now + BLOCKED_PATIENCE,
            did: Did::LookInVain,
            blocked: true,
            ..seen(now)
        };
        assert_eq!(pace.next(&seen), Deed::CarryAgain { patient: false });
    }

    #[test]
    fn one_hop_to_one_client_rests_not_at_all_and_twenty_that_speak_are_gathered() {
        assert_eq!(feeder_rest(1, 1), None);
        let twenty = 20 * REST_PER_UPSTREAM;
        assert_eq!(feeder_rest(0, 20), Some(twenty));
        assert_eq!(feeder_rest(100, 20), Some(twenty + 100 * REST_PER_CLIENT));
        assert_eq!(feeder_rest(1_000_000, 20), Some(REST_MAX));
    }

    #[test]
    fn rests_grow_with_the_clients_unless_the_user_has_said_how_long_they_are() {
        let long = Duration::from_secs(1);
        for (subscribers, max_delay, rest) in [
            (1, None, None),
            (8, None, None),
            (100, None, Some(100 * REST_PER_CLIENT)),
            (1_000_000, None, Some(REST_MAX)),
            (1, Some(long), Some(long)),
            (1_000, Some(Duration::ZERO), None),
        ] {
            assert_eq!(rest_after(subscribers, max_delay), rest, "{subscribers}");
        }
        assert!(may_be_patient(None));
        assert!(may_be_patient(Some(BLOCKED_PATIENCE)));
        assert!(!may_be_patient(Some(BLOCKED_PATIENCE + MS)));
    }
}
