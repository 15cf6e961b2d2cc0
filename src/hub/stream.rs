//! One source as the hub knows it: its generations, its live edge, its asides.

mod stand;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::limits::{
    ASIDES_MAX, GENERATION_KEPT, GENERATIONS_BEHIND_MAX, GENERATIONS_REMEMBERED_MAX,
};
use crate::source::{
    Began, Edge, End, Event, EventKind, Generation, Id, IdMaker, Kind, OpenFile, Position,
    Remembered, Segment, Source,
};

use super::{Change, Condition, SourceCounts, SourceState};

pub use stand::{Stand, Standing};

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
    /// Generations that were let go of, oldest first; consecutive numbers up to the first of `generations`.
    formers: VecDeque<Arc<Remembered>>,
    /// Where the name leads.
    pub(super) leads: Condition,
    /// How that fares from which the lines come, and the number of the aside that said so.
    feed: (Condition, u64),
    counts: SourceCounts,
}

impl Stream {
    pub(super) fn new(source: Arc<Source>) -> Stream {
        let edge_id = Id::nowhere(source.name_hash);
        Stream {
            source,
            generations: VecDeque::new(),
            edge: Position::default(),
            edge_id,
            asides: VecDeque::new(),
            asides_told: 0,
            formers: VecDeque::new(),
            leads: Condition::Missing("it has not been looked for yet".into()),
            feed: (Condition::Ok, 0),
            counts: SourceCounts::default(),
        }
    }

    pub(super) fn source(&self) -> &Arc<Source> {
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

    /// The name leads to a file now.
    pub(super) fn is_present(&self) -> bool {
        self.leads == Condition::Ok
    }

    /// The edge for a client that has never been told anything: what the last asides said, and what is still so (the
    /// name leads nowhere, the source is away or closed), it is yet to be told.
    fn edge_for_new(&self) -> Edge {
        let holds = |aside: &&Aside| match aside.kind {
            EventKind::Missing if self.is_present() => aside.number == self.feed.1,
            EventKind::Missing => aside.at == self.edge,
            EventKind::Away { .. } | EventKind::Closed => aside.number == self.feed.1,
            _ => false,
        };
        let untold = self.asides.iter().rev().take_while(holds).count();
        Edge {
            aside: self.asides_told - untold as u64,
            ..self.edge()
        }
    }

    pub(super) fn state(&self) -> SourceState {
        let edge = self.edge_for_new();
        let (feed, said) = &self.feed;
        let condition = match feed {
            Condition::Ok => &self.leads,
            feed => feed,
        };
        SourceState {
            source: Arc::clone(&self.source),
            generation: self.generations.back().cloned(),
            edge,
            last_aside: edge.aside.max(*said),
            present: self.is_present() && !matches!(feed, Condition::Missing(_)),
            condition: condition.clone(),
            counts: self.counts,
        }
    }

    /// Nobody but the hub holds the source: nobody follows it, stands in it, or has a batch of it to send.
    pub(super) fn is_unheld(&self) -> bool {
        Arc::strong_count(&self.source) == 1
    }

    pub(super) fn generations_len(&self) -> usize {
        self.generations.len()
    }

    pub(super) fn formers(&self) -> Vec<Arc<Remembered>> {
        self.formers.iter().cloned().collect()
    }

    pub(super) fn remembered(&self) -> Vec<Arc<Remembered>> {
        let held = self.generations.iter().map(|held| held.remembered());
        self.formers.iter().cloned().chain(held).collect()
    }

    pub(super) fn generations(&self) -> Vec<Arc<Generation>> {
        self.generations.iter().cloned().collect()
    }

    pub(super) fn found_at_start(&mut self, generation: Arc<Generation>, edge: u64, id: Id) {
        self.edge = generation.at(edge);
        self.edge_id = id;
        generation.arrivals.note(crate::time::now(), edge);
        self.generations.push_back(generation);
        self.leads = Condition::Ok;
    }

    /// Bytes of all generations up to the live edge, as far as they are known.
    pub(super) fn published_bytes(&self) -> u64 {
        let current = self.generations.back();
        current.map_or(0, |generation| {
            generation.base() + self.edge.offset.saturating_sub(generation.start())
        })
    }

    // -- publishing

    pub(super) fn apply(
        &mut self,
        change: Change,
        segments: &mut Vec<Segment>,
        forgotten: &mut Vec<Arc<Generation>>,
    ) {
        let before = self.edge();
        match change {
            Change::Begin(generation) => {
                self.counts.begins(&generation);
                self.begin(generation, forgotten);
                let mut before = before;
                for event in self.arrival(self.edge.generation, None, self.asides_told) {
                    self.push(segments, before, Kind::Event(event));
                    before = self.edge();
                }
            }
            Change::LetGo(nothing) => {
                if let Some(current) = self.generations.back() {
                    current.set_gone();
                    forgotten.extend(self.move_to(current.number, nothing));
                }
            }
            Change::Moved(number, file) => forgotten.extend(self.move_to(number, file)),
            Change::Skip(offset) => {
                if let Some(generation) = self.generations.back() {
                    generation.skip_to(offset);
                    self.edge.offset = offset;
                }
            }
            Change::Lines(lines) => {
                self.is_found();
                debug_assert_eq!(lines.begin(), self.edge);
                self.counts.lines += lines.len() as u64;
                self.counts.bytes += lines.bytes.len() as u64;
                self.edge = lines.end();
                self.edge_id = lines.id_after(lines.len() - 1);
                if let Some(generation) = self.generations.back() {
                    generation
                        .arrivals
                        .note(crate::time::now(), self.edge.offset);
                }
                self.push(segments, before, Kind::Lines(lines));
            }
            Change::Aside(kind) => {
                if let EventKind::Gap { lost_bytes, .. } = kind {
                    self.counts.gap(lost_bytes);
                }
                self.asides_told += 1;
                let number = self.asides_told;
                match &kind {
                    EventKind::Away { reason } => {
                        let since_ns = match self.feed.0 {
                            Condition::Away { since_ns, .. } => since_ns,
                            _ => crate::time::now(),
                        };
                        let reason = Arc::clone(reason);
                        self.feed = (Condition::Away { reason, since_ns }, number);
                    }
                    EventKind::Missing if self.source.origin().is_spooled() => {
                        let reason = "it is missing where it comes from".into();
                        self.feed = (Condition::Missing(reason), number);
                    }
                    EventKind::Rotated | EventKind::Truncated => self.is_found(),
                    EventKind::Closed => self.feed = (Condition::Closed, number),
                    EventKind::Back => self.feed = (Condition::Ok, 0),
                    _ => {}
                }
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
                self.push(segments, before, Kind::Event(event));
            }
        }
    }

    /// The generation `number` is read by way of `file` from now on; what it was read by before.
    fn move_to(&mut self, number: u64, file: Arc<OpenFile>) -> Option<Arc<Generation>> {
        let mut all = self.generations.iter_mut();
        let generation = all.find(|generation| generation.number == number)?;
        let moved = Arc::new(generation.moved(file));
        Some(std::mem::replace(generation, moved))
    }

    /// Where it comes from, it is not missing any more.
    fn is_found(&mut self) {
        if matches!(self.feed.0, Condition::Missing(_)) {
            self.feed = (Condition::Ok, 0);
        }
    }

    fn push(&self, segments: &mut Vec<Segment>, before: Edge, kind: Kind) {
        segments.push(Segment::new(Arc::clone(&self.source), kind).behind(before));
    }

    fn begin(&mut self, generation: Arc<Generation>, forgotten: &mut Vec<Arc<Generation>>) {
        if let Some(last) = self.generations.back() {
            let lost = generation.gap.and_then(|gap| gap.lost_bytes).unwrap_or(0);
            generation.set_base(last.base() + self.edge.offset.saturating_sub(last.start()) + lost);
            debug_assert_eq!(last.number + 1, generation.number);
            if generation.began == Began::Remade {
                last.set_parts_end();
            }
            last.seal(End {
                length: self.edge.offset,
                id: self.edge_id,
            });
            last.touch();
            if generation.began == Began::Truncated {
                // The file is the same one: nothing of what it held before can be read any more, of any generation
                // that lived in it.
                for old in &self.generations {
                    if Arc::ptr_eq(&old.file, &generation.file) {
                        old.set_gone();
                    }
                }
                for former in &self.formers {
                    if former.identity == generation.identity {
                        former.set_gone();
                    }
                }
            }
        }
        self.edge = generation.begin();
        self.edge_id = IdMaker::beginning(self.source.name_hash, &generation.identity);
        self.generations.push_back(generation);
        while self.generations.len() > GENERATIONS_BEHIND_MAX + 1 {
            self.forget_front(forgotten);
        }
    }

    fn forget_front(&mut self, forgotten: &mut Vec<Arc<Generation>>) {
        let Some(front) = self.generations.pop_front() else {
            return;
        };
        if self.formers.len() == GENERATIONS_REMEMBERED_MAX {
            self.formers.pop_front();
        }
        self.formers.push_back(front.remembered());
        forgotten.push(front);
    }

    /// The oldest generation behind the current one, where nobody else holds it: forgetting it closes its file.
    pub(super) fn oldest_unheld(&self) -> Option<&Arc<Generation>> {
        let oldest = self
            .generations
            .front()
            .filter(|_| self.generations.len() > 1)?;
        let is_unheld = Arc::strong_count(oldest) == 1 && Arc::strong_count(&oldest.file) == 1;
        is_unheld.then_some(oldest)
    }

    /// Forgets the oldest generation behind the current one, if its number is that.
    pub(super) fn give_up(&mut self, number: u64, forgotten: &mut Vec<Arc<Generation>>) {
        if self.generations.len() > 1 && self.generations[0].number == number {
            self.forget_front(forgotten);
        }
    }

    pub(super) fn forget_old(&mut self, forgotten: &mut Vec<Arc<Generation>>) {
        let now = Instant::now();
        while self.generations.len() > 1
            && now.saturating_duration_since(self.generations[0].last_read()) > GENERATION_KEPT
        {
            self.forget_front(forgotten);
        }
    }
}
