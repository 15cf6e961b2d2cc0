//! What there is for a reader of one source, from where it stands: bytes, or what happened there.

use std::sync::Arc;

use crate::source::forward::Stretch;
use crate::source::{
    Began, Edge, Event, EventKind, Gap, Generation, IdMaker, Position, Remembered,
};

use super::{Aside, Stream};

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
    /// Bytes of this generation, from the place on, or from the end of a hole.
    Bytes(Arc<Generation>, Stretch),
    /// The same of a generation that is not held any more: it is to be opened again, or is gone.
    Former(Arc<Remembered>, Stretch),
    /// Something happened here: tell it, and go on from its place.
    Events(Vec<Event>),
}

impl Stream {
    fn former(&self, number: u64) -> Option<&Arc<Remembered>> {
        let oldest = self.formers.front()?.number;
        self.formers.get(number.checked_sub(oldest)? as usize)
    }

    /// The generation `number`; where that is forgotten, the oldest that is held.
    fn known(&self, number: u64) -> &Remembered {
        if let Some(former) = self.former(number) {
            return former;
        }
        let oldest = self.generations[0].number;
        &self.generations[number.saturating_sub(oldest) as usize]
    }

    /// What a stream is told that comes to the generation `number`, behind what it has `lost` before that.
    pub(super) fn arrival(&self, number: u64, lost: Option<Gap>, aside: u64) -> Vec<Event> {
        let known = self.known(number);
        // Of both, the reason of the later one is told.
        let gap = match (lost, known.gap) {
            (Some(lost), Some(more)) => Some(Gap {
                lost_bytes: lost.lost_bytes.zip(more.lost_bytes).map(|(a, b)| a + b),
                ..more
            }),
            (lost, more) => lost.or(more),
        };
        let seam = match known.began {
            Began::First => EventKind::Start,
            Began::Rotated | Began::Remade => EventKind::Rotated,
            Began::Continued => EventKind::Continued,
            Began::Truncated => EventKind::Truncated,
        };
        let id = IdMaker::beginning(self.source.name_hash, &known.identity);
        let event = |kind| Event {
            kind,
            id,
            at: known.begin(),
            aside,
        };
        let gap = gap.map(|gap| event(gap.told()));
        gap.into_iter().chain([event(seam)]).collect()
    }

    pub(in crate::hub) fn stand(&self, standing: Standing, until: Option<Edge>) -> Stand {
        let (Some(front), Some(back)) = (self.generations.front(), self.generations.back()) else {
            return Stand::AtEdge;
        };
        let Some(at) = standing.position else {
            return Stand::Events(self.first_arrival(standing.aside));
        };
        if at.generation < front.number {
            return self.stand_in_former(at, standing, until);
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
                // One that is not sealed was let go of.
                let lost = Gap {
                    lost_bytes: Some(limit - from),
                    reason: generation.sealed().map_or("deleted", |_| "truncated"),
                };
                let until = until.unwrap_or(self.edge());
                return Stand::Events(match last {
                    true => vec![gap_up_to(until, lost, standing.aside)],
                    false => self.arrival(at.generation + 1, Some(lost), standing.aside),
                });
            }
            let limit = self.up_to_aside(at, from, limit, standing.aside, until);
            let stretch = Stretch {
                from,
                limit,
                sealed: generation.sealed() == Some(limit),
            };
            return Stand::Bytes(Arc::clone(generation), stretch);
        }
        match last {
            true => Stand::AtEdge,
            false => Stand::Events(self.arrival(at.generation + 1, None, standing.aside)),
        }
    }

    /// The same for a reader that stands `at` a place in a generation that is not held any more.
    fn stand_in_former(&self, at: Position, standing: Standing, until: Option<Edge>) -> Stand {
        if until.is_some_and(|until| at >= until.position) {
            return Stand::AtEdge;
        }
        if let Some(aside) = self.aside_for(at, standing.aside, until) {
            return Stand::Events(vec![aside]);
        }
        let Some(former) = self.former(at.generation) else {
            // So far behind that it is not even known how far.
            let oldest = self.generations[0].number;
            return self.lost_up_to(oldest, None, standing, until);
        };
        let here = until.filter(|until| until.position.generation == at.generation);
        let limit = here.map_or(former.length(), |until| until.position.offset);
        let from = at.offset.max(former.start());
        if from >= limit {
            return Stand::Events(self.arrival(at.generation + 1, None, standing.aside));
        }
        if former.is_gone() {
            let is_gone = |number: &u64| self.former(*number).is_some_and(|next| next.is_gone());
            let end = self.generations[0].number;
            let next = (at.generation + 1..end).find(|number| !is_gone(number));
            let next = next.unwrap_or(end);
            let place = former.base() + (from - former.start());
            return self.lost_up_to(next, Some(place), standing, until);
        }
        let limit = self.up_to_aside(at, from, limit, standing.aside, until);
        let stretch = Stretch {
            from,
            limit,
            sealed: limit == former.length(),
        };
        Stand::Former(Arc::clone(former), stretch)
    }

    /// A reader at the byte `place` of the source goes on with the generation `next`, or ends before it.
    fn lost_up_to(
        &self,
        next: u64,
        place: Option<u64>,
        standing: Standing,
        until: Option<Edge>,
    ) -> Stand {
        let lost = |end: u64| Gap {
            lost_bytes: place.and_then(|place| end.checked_sub(place)),
            reason: "rotated away",
        };
        if let Some(until) = until.filter(|until| until.position.generation < next) {
            let last = self.known(until.position.generation);
            let end = last.base() + until.position.offset.saturating_sub(last.start());
            return Stand::Events(vec![gap_up_to(until, lost(end), standing.aside)]);
        }
        // What was lost before that one in any case is told with its beginning.
        let known = self.known(next);
        let own = known.gap.and_then(|gap| gap.lost_bytes).unwrap_or(0);
        let lost = lost(known.base().saturating_sub(own));
        Stand::Events(self.arrival(next, Some(lost), standing.aside))
    }

    /// What a stream is told that has waited for the source's first generation: its start, and what it lacks before it.
    fn first_arrival(&self, aside: u64) -> Vec<Event> {
        let number = self.generations[0].number;
        let is_told = number == 0 || self.generations[0].gap.is_some();
        let lost = (!is_told).then_some(Gap {
            lost_bytes: None,
            reason: "rotated away",
        });
        let mut events = self.arrival(number, lost, aside);
        events.reverse();
        events[0].kind = EventKind::Start;
        events
    }

    /// The asides up to `until` that a reader was not told, oldest first: but for the times that it was away and was back
    /// again.
    fn untold(&self, told: u64, until: Option<Edge>) -> impl Iterator<Item = &Aside> {
        let last = until.map_or(u64::MAX, |until| until.aside);
        let is_untold = move |aside: &&Aside| aside.number > told && aside.number <= last;
        let untold = self.asides.iter().filter(is_untold);
        let numbers = |is: fn(&EventKind) -> bool| {
            let those = untold.clone().filter(move |aside| is(&aside.kind));
            those.map(|aside| aside.number)
        };
        let away = numbers(|kind| matches!(kind, EventKind::Away { .. })).next();
        let back = numbers(|kind| matches!(kind, EventKind::Back)).next_back();
        untold.filter(move |aside| match aside.kind {
            EventKind::Away { .. } => back.is_none_or(|back| back < aside.number),
            EventKind::Back => away.is_none_or(|away| away > aside.number),
            _ => true,
        })
    }

    /// The last aside that a stream which resumes `at` a place has been told. What an origin lost, rotated or truncated stands
    /// nowhere but in an aside: who resumes before that place is told of it, at the place itself perhaps once more.
    pub(in crate::hub) fn told_before(&self, at: Position) -> u64 {
        let is_news = |aside: &&Aside| {
            let is_lasting = matches!(
                aside.kind,
                EventKind::Gap { .. } | EventKind::Rotated | EventKind::Truncated
            );
            is_lasting && aside.at >= at && self.source.origin().is_spooled()
        };
        let first = self.asides.iter().find(is_news);
        first.map_or(self.asides_told, |aside| aside.number - 1)
    }

    /// The aside that a reader at `at` is told next. It is told where it happened; a reader that began beyond that
    /// place is told at the end, where there is an id of the place that it has come to.
    fn aside_for(&self, at: Position, told: u64, until: Option<Edge>) -> Option<Event> {
        let aside = self.untold(told, until).next()?;
        let end = until.unwrap_or(self.edge());
        let id = match aside.at {
            there if there == at => aside.id,
            there if there < at && at == end.position => end.id,
            _ => return None,
        };
        Some(Event {
            kind: aside.kind.clone(),
            id,
            at,
            aside: aside.number,
        })
    }

    /// Where a reader at `from` in the generation of `at` stops, at `limit` at the latest: what happened before that
    /// is told where it happened, for its id must not lead back.
    fn up_to_aside(
        &self,
        at: Position,
        from: u64,
        limit: u64,
        told: u64,
        until: Option<Edge>,
    ) -> u64 {
        let places = self.untold(told, until).map(|aside| aside.at);
        let mut ahead =
            places.filter(|place| place.generation == at.generation && place.offset > from);
        ahead.next().map_or(limit, |place| place.offset.min(limit))
    }

    pub(in crate::hub) fn behind_bytes(&self, at: Option<Position>) -> u64 {
        if self.generations.is_empty() {
            return 0;
        }
        let end = self.published_bytes();
        let begin = match at {
            None => self.generations[0].base(),
            Some(at) => {
                let known = self.known(at.generation);
                known.base()
                    + match known.number == at.generation {
                        true => at.offset.saturating_sub(known.start()),
                        false => 0,
                    }
            }
        };
        end.saturating_sub(begin)
    }
}

/// What a reader lost before the edge at which its queue begins.
fn gap_up_to(until: Edge, lost: Gap, aside: u64) -> Event {
    Event {
        kind: lost.told(),
        id: until.id,
        at: until.position,
        aside,
    }
}

#[cfg(test)]
#[path = "stand_tests.rs"]
mod tests;
