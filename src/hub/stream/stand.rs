//! What there is for a reader of one source, from where it stands: bytes, or what happened there.

use std::sync::Arc;

use crate::source::{Began, Event, EventKind, Gap, Generation, IdMaker, Position};

use super::{Aside, Edge, Stream};

/// Where a reader stands in a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The place after the last line it has; `None` before the source's first generation.
    pub position: Option<Position>,
    /// The number of the last aside it was told.
    pub aside: u64,
}

/// What there is for a reader.
#[derive(Debug)]
pub enum Stand {
    /// Nothing more is published.
    AtEdge,
    /// Bytes of this generation, from the place up to `limit`; `sealed` says that the generation ends there.
    Bytes {
        /// To read from.
        generation: Arc<Generation>,
        /// Where the bytes begin: the place, or the end of a hole.
        from: u64,
        /// Where they end: at the end of a line or piece.
        limit: u64,
        /// Nothing more comes of this generation.
        sealed: bool,
    },
    /// Something happened here: tell it, and go on from its place.
    Events(Vec<Event>),
}

impl Stream {
    /// What a stream is told when it comes to the generation at `at` in the deque.
    pub(super) fn arrival(&self, at: usize) -> Vec<Event> {
        let generation = &self.generations[at];
        let id = IdMaker::beginning(self.source.name_hash, &generation.identity);
        let place = Position {
            generation: generation.number,
            offset: generation.start(),
        };
        let event = |kind| Event {
            kind,
            id,
            at: place,
            aside: 0,
        };
        let mut events = Vec::new();
        if let Some(Gap { lost_bytes, reason }) = generation.gap {
            events.push(event(EventKind::Gap { lost_bytes, reason }));
        }
        events.push(event(match generation.began {
            Began::First => EventKind::Start,
            Began::Rotated => EventKind::Rotated,
            Began::Truncated => EventKind::Truncated,
        }));
        events
    }

    pub(in crate::hub) fn stand(&self, standing: Standing, until: Option<Edge>) -> Stand {
        let (Some(front), Some(back)) = (self.generations.front(), self.generations.back()) else {
            return Stand::AtEdge;
        };
        let Some(at) = standing.position else {
            return Stand::Events(self.told(self.first_arrival(), standing));
        };
        if at.generation < front.number {
            if let Some(until) = until.filter(|until| until.position.generation < front.number) {
                // What was lost up to there is told already.
                if at >= until.position {
                    return Stand::AtEdge;
                }
                let lost_bytes = (until.position.generation == at.generation)
                    .then(|| until.position.offset.saturating_sub(at.offset));
                return Stand::Events(vec![gap_up_to(until, lost_bytes, "rotated away", standing)]);
            }
            let lost_bytes = self
                .base_of(at.generation)
                .and_then(|base| front.base().checked_sub(base + at.offset));
            return Stand::Events(self.told(
                self.arrival_with_gap(0, lost_bytes, "rotated away"),
                standing,
            ));
        }
        let index = (at.generation - front.number) as usize;
        let Some(generation) = self.generations.get(index) else {
            return Stand::AtEdge;
        };
        if let Some(aside) = self.aside_for(at, standing.aside, until) {
            return Stand::Events(vec![aside]);
        }
        let mut limit = generation.sealed().unwrap_or(self.edge.offset);
        let mut last = Arc::ptr_eq(generation, back);
        if let Some(until) = until.filter(|until| until.position.generation == at.generation) {
            limit = until.position.offset;
            last = true;
        }
        let from = at.offset.max(generation.start());
        if from < limit {
            if generation.is_gone() {
                if let Some(until) = until.filter(|_| last) {
                    return Stand::Events(vec![gap_up_to(
                        until,
                        Some(limit - from),
                        "truncated",
                        standing,
                    )]);
                }
                let gap = self.arrival_with_gap(index + 1, Some(limit - from), "truncated");
                return Stand::Events(self.told(gap, standing));
            }
            let sealed = generation.sealed() == Some(limit);
            return Stand::Bytes {
                generation: Arc::clone(generation),
                from,
                limit,
                sealed,
            };
        }
        if last {
            Stand::AtEdge
        } else {
            Stand::Events(self.told(self.arrival(index + 1), standing))
        }
    }

    /// What a stream is told that has waited for the source's first generation.
    fn first_arrival(&self) -> Vec<Event> {
        let mut events = self.arrival(0);
        let number = events.len() - 1;
        events[number].kind = EventKind::Start;
        events.swap(0, number);
        if self.generations[0].number > 0 && events.len() == 1 {
            let kind = EventKind::Gap {
                lost_bytes: None,
                reason: "rotated away",
            };
            events.push(Event {
                kind,
                ..events[0].clone()
            });
        }
        events
    }

    /// Bytes of the source before the generation `number`, which was let go of.
    fn base_of(&self, number: u64) -> Option<u64> {
        let at = self
            .remembered
            .binary_search_by_key(&number, |&(number, _)| number)
            .ok()?;
        Some(self.remembered[at].1)
    }

    /// The events at the generation `index` for a reader that lost `lost_bytes` before it.
    fn arrival_with_gap(
        &self,
        index: usize,
        lost_bytes: Option<u64>,
        reason: &'static str,
    ) -> Vec<Event> {
        let mut events = self.arrival(index);
        let gap = match events.first().map(|event| event.kind.clone()) {
            Some(EventKind::Gap {
                lost_bytes: more,
                reason,
            }) => {
                events.remove(0);
                EventKind::Gap {
                    lost_bytes: lost_bytes.zip(more).map(|(a, b)| a + b),
                    reason,
                }
            }
            _ => EventKind::Gap { lost_bytes, reason },
        };
        let Event { id, at, aside, .. } = events[0].clone();
        events.insert(
            0,
            Event {
                kind: gap,
                id,
                at,
                aside,
            },
        );
        events
    }

    fn told(&self, mut events: Vec<Event>, standing: Standing) -> Vec<Event> {
        for event in &mut events {
            event.aside = standing.aside;
        }
        events
    }

    /// The next aside that a reader at `at` has passed and was not told.
    fn aside_for(&self, at: Position, told: u64, until: Option<Edge>) -> Option<Event> {
        let last = until.map_or(u64::MAX, |until| until.aside);
        let untold = |aside: &&Aside| aside.number > told && aside.number <= last && aside.at <= at;
        let aside = self.asides.iter().find(untold)?;
        Some(Event {
            kind: aside.kind.clone(),
            id: aside.id,
            at,
            aside: aside.number,
        })
    }

    pub(in crate::hub) fn behind_bytes(&self, at: Option<Position>) -> u64 {
        if self.generations.is_empty() {
            return 0;
        }
        let end = self.published_bytes();
        let begin = match at {
            None => self.generations[0].base(),
            Some(at) => match self
                .generations
                .iter()
                .find(|generation| generation.number == at.generation)
            {
                Some(generation) => {
                    generation.base() + at.offset.saturating_sub(generation.start())
                }
                None => self.generations[0].base(),
            },
        };
        end.saturating_sub(begin)
    }
}

/// What a reader lost before the edge at which its queue begins.
fn gap_up_to(
    until: Edge,
    lost_bytes: Option<u64>,
    reason: &'static str,
    standing: Standing,
) -> Event {
    let kind = EventKind::Gap { lost_bytes, reason };
    Event {
        kind,
        id: until.id,
        at: until.position,
        aside: standing.aside,
    }
}
