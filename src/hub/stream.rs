//! One source as the hub knows it: its generations, its live edge, its asides.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::limits::{
    ASIDES_MAX, GENERATION_KEPT, GENERATIONS_BEHIND_MAX, GENERATIONS_REMEMBERED_MAX,
};
use crate::source::{
    Began, Event, EventKind, Gap, Generation, Id, IdMaker, Kind, Position, Segment, Source,
};

use super::{Change, SourceState};

/// How far a source is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The place after the last published line.
    pub position: Position,
    /// Its id.
    pub id: Id,
    /// The number of the last aside told. One that a new client should still be told (the name leads nowhere right
    /// now) is not counted: see `Stream::edge_for_new`.
    pub aside: u64,
}

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

#[derive(Debug)]
struct Aside {
    number: u64,
    /// The live edge when it happened.
    at: Position,
    kind: EventKind,
    id: Id,
}

#[derive(Debug)]
pub(super) struct Stream {
    source: Arc<Source>,
    /// Consecutive numbers; the last one is the current.
    generations: VecDeque<Arc<Generation>>,
    edge: Position,
    edge_id: Id,
    asides: VecDeque<Aside>,
    asides_told: u64,
    /// Number and base of generations that were let go of, oldest first.
    remembered: VecDeque<(u64, u64)>,
    pub(super) present: bool,
}

impl Stream {
    pub(super) fn new(source: Arc<Source>) -> Stream {
        let edge_id = IdMaker::beginning(source.name_hash, 0);
        Stream {
            source,
            generations: VecDeque::new(),
            edge: Position::default(),
            edge_id,
            asides: VecDeque::new(),
            asides_told: 0,
            remembered: VecDeque::new(),
            present: false,
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn has_begun(&self) -> bool {
        !self.generations.is_empty()
    }

    pub(super) fn edge(&self) -> Edge {
        Edge {
            position: self.edge,
            id: self.edge_id,
            aside: self.asides_told,
        }
    }

    /// The edge for a client that has never been told anything: where the name leads nowhere right now, it still is
    /// to be told so.
    fn edge_for_new(&self) -> Edge {
        let untold = self.asides.back().is_some_and(|aside| {
            !self.present && aside.kind == EventKind::Missing && aside.at == self.edge
        });
        Edge {
            position: self.edge,
            id: self.edge_id,
            aside: self.asides_told - u64::from(untold),
        }
    }

    pub(super) fn state(&self) -> SourceState {
        SourceState {
            source: Arc::clone(&self.source),
            generation: self.generations.back().cloned(),
            edge: self.edge_for_new(),
            present: self.present,
        }
    }

    pub(super) fn generations(&self) -> Vec<Arc<Generation>> {
        self.generations.iter().cloned().collect()
    }

    pub(super) fn found_at_start(&mut self, generation: Arc<Generation>, edge: u64, id: Id) {
        self.edge = Position {
            generation: generation.number,
            offset: edge,
        };
        self.edge_id = id;
        self.generations.push_back(generation);
        self.present = true;
    }

    // -- publishing

    pub(super) fn apply(
        &mut self,
        change: Change,
        segments: &mut Vec<Segment>,
        forgotten: &mut Vec<Arc<Generation>>,
    ) {
        match change {
            Change::Begin(generation) => {
                self.begin(generation, forgotten);
                for mut event in self.arrival(self.generations.len() - 1) {
                    event.aside = self.asides_told;
                    self.push(segments, Kind::Event(event));
                }
            }
            Change::Skip(offset) => {
                if let Some(generation) = self.generations.back() {
                    generation.skip_to(offset);
                    self.edge.offset = offset;
                }
            }
            Change::Lines(lines) => {
                debug_assert_eq!(
                    Position {
                        generation: lines.generation,
                        offset: lines.from
                    },
                    self.edge
                );
                self.edge = lines.end();
                self.edge_id = lines.id_after(lines.len() - 1);
                self.push(segments, Kind::Lines(lines));
            }
            Change::Aside(kind) => {
                self.asides_told += 1;
                let number = self.asides_told;
                if self.asides.len() == ASIDES_MAX {
                    self.asides.pop_front();
                }
                self.asides.push_back(Aside {
                    number,
                    at: self.edge,
                    kind: kind.clone(),
                    id: self.edge_id,
                });
                let event = Event {
                    kind,
                    id: self.edge_id,
                    at: self.edge,
                    aside: number,
                };
                self.push(segments, Kind::Event(event));
            }
        }
    }

    fn push(&self, segments: &mut Vec<Segment>, kind: Kind) {
        segments.push(Segment::new(Arc::clone(&self.source), kind));
    }

    fn begin(&mut self, generation: Arc<Generation>, forgotten: &mut Vec<Arc<Generation>>) {
        if let Some(last) = self.generations.back() {
            let lost = generation.gap.and_then(|gap| gap.lost_bytes).unwrap_or(0);
            generation.set_base(last.base() + self.edge.offset.saturating_sub(last.start()) + lost);
            debug_assert_eq!(last.number + 1, generation.number);
            last.seal(self.edge.offset);
            last.touch();
            if generation.began == Began::Truncated {
                // The file is the same one: nothing of what it held before can be read any more, of any generation
                // that lived in it.
                for old in self
                    .generations
                    .iter()
                    .filter(|old| Arc::ptr_eq(&old.file, &generation.file))
                {
                    old.set_gone();
                }
            }
        }
        self.edge = Position {
            generation: generation.number,
            offset: generation.start(),
        };
        self.edge_id = IdMaker::beginning(self.source.name_hash, generation.inode);
        self.generations.push_back(generation);
        while self.generations.len() > GENERATIONS_BEHIND_MAX + 1 {
            self.forget_front(forgotten);
        }
    }

    fn forget_front(&mut self, forgotten: &mut Vec<Arc<Generation>>) {
        let Some(front) = self.generations.pop_front() else {
            return;
        };
        if self.remembered.len() == GENERATIONS_REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.push_back((front.number, front.base()));
        forgotten.push(front);
    }

    pub(super) fn forget_old(&mut self, forgotten: &mut Vec<Arc<Generation>>) {
        let now = Instant::now();
        while self.generations.len() > 1
            && now.saturating_duration_since(self.generations[0].last_read()) > GENERATION_KEPT
        {
            self.forget_front(forgotten);
        }
    }

    // -- reading

    /// What a stream is told when it comes to the generation at `at` in the deque.
    fn arrival(&self, at: usize) -> Vec<Event> {
        let generation = &self.generations[at];
        let id = IdMaker::beginning(self.source.name_hash, generation.inode);
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

    pub(super) fn stand(&self, standing: Standing, until: Option<Edge>) -> Stand {
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

    pub(super) fn published_bytes(&self) -> u64 {
        let current = self.generations.back();
        current.map_or(0, |generation| {
            generation.base() + self.edge.offset.saturating_sub(generation.start())
        })
    }

    pub(super) fn behind_bytes(&self, at: Option<Position>) -> u64 {
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
