//! What one stream request asks for, checked against what there is.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use crate::config::value::{Format, Lines};
use crate::hub::{Selection, SourceState};
use crate::limits::{CHUNK_BYTES_MIN, SSE_FILES_MAX};
use crate::reader::{Begin, From, Next, Reader};
use crate::source::{Chunk, EventKind, Id, Kind, Source};

use super::routes::Routes;
use crate::serve::access::token::Scope;
use crate::serve::delivery::filter::{Filter, Wanted};
use crate::serve::delivery::turnstile::Lane;
use crate::serve::delivery::visitor::rest;
use crate::serve::delivery::wire::Shape;
use crate::serve::http::query::{Endpoint, StreamQuery};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;
use crate::serve::transport::socket::Whom;
use crate::time::asked::Time;
use crate::via;

/// A stream request that was checked, and that can be begun.
#[derive(Debug)]
pub struct Plan {
    /// Which sources.
    pub selection: Selection,
    /// The stream may be of several files.
    pub several: bool,
    /// What its lines look like.
    pub shape: Shape,
    wanted: Wanted,
    /// Once it is compiled.
    pub filter: Option<Filter>,
    lines: Lines,
    since: Option<Time>,
    until: Option<Time>,
    after: Vec<Id>,
    /// In which source.
    before: Option<(u32, Id)>,
    /// It goes on after what was published when it began.
    pub follow: bool,
    /// A reconnect of an `EventSource` that may have nothing more to get.
    may_be_over: bool,
}

fn id(parameter: &str, text: &str) -> Result<Id, Refusal> {
    Id::parse(text).ok_or_else(|| {
        let shown = crate::escape::shown(text.as_bytes());
        Refusal::bad_request(format!(
            "the parameter {parameter}={shown} can't be used: it must be an id that a stream has given"
        ))
    })
}

/// Whether a stream stands elsewhere after the event. A reconnect would be told the others again and again.
fn moves_the_id(event: &EventKind) -> bool {
    !matches!(
        event,
        EventKind::Start
            | EventKind::Continued
            | EventKind::Missing
            | EventKind::Away { .. }
            | EventKind::Back
            | EventKind::Closed
    )
}

impl Plan {
    /// The stream of a plain listener: all files, as text.
    pub fn plain(routes: &Routes) -> Plan {
        Plan {
            selection: Selection::All,
            several: routes.several,
            shape: Shape::Text,
            wanted: Wanted::default(),
            filter: None,
            lines: routes.lines,
            since: routes.since,
            until: None,
            after: Vec::new(),
            before: None,
            follow: true,
            may_be_over: false,
        }
    }

    /// What `request` asks for, whose filter is not compiled yet.
    pub fn read(
        routes: &Routes,
        request: &Request,
        kind: Endpoint,
        scope: &Scope,
    ) -> Result<Plan, Refusal> {
        let query = StreamQuery::read(&request.query, request.header("Last-Event-ID"), kind)?;
        let (selection, indexes) = routes.select(&query.files, scope)?;
        let count = indexes.len();
        let several = routes.several && query.files.len() != 1;
        let before = query
            .before
            .as_deref()
            .map(|text| id("before", text))
            .transpose()?;
        let after = query
            .after
            .iter()
            .map(|text| id("after", text))
            .collect::<Result<Vec<_>, _>>()?;
        let before = match (before, &indexes[..]) {
            (None, _) => None,
            (Some(id), &[index]) => Some((index, id)),
            (Some(_), _) => {
                return Err(Refusal::bad_request(
                    "before= needs one file: name it with file=",
                ));
            }
        };
        if kind == Endpoint::Events && several && count > SSE_FILES_MAX {
            return Err(Refusal::bad_request(format!(
                "/events can list the ids of at most {SSE_FILES_MAX} files, here are {count}: name some with file="
            )));
        }
        let shape = match (kind, query.format) {
            (Endpoint::Ws, None | Some(Format::Text)) => Shape::Message,
            (Endpoint::Ws, Some(Format::Json)) => Shape::Json,
            (Endpoint::Ws, Some(Format::Batch)) => {
                match request.has_token("Sec-WebSocket-Protocol", via::PROTOCOL) {
                    true => Shape::Exact,
                    false => Shape::Batch,
                }
            }
            (Endpoint::Events, Some(Format::Json)) => Shape::SseJson,
            (Endpoint::Events, _) if several => Shape::SseJson,
            (Endpoint::Events, _) => Shape::SseText,
            (Endpoint::Plain, Some(Format::Json)) => Shape::JsonLine,
            (Endpoint::Plain, _) => Shape::Text,
        };
        let follow = query.follow && before.is_none() && query.until.is_none();
        let may_be_over = kind == Endpoint::Events && !follow && !after.is_empty();
        let (lines, since) = match (query.lines, query.since) {
            (None, None) => (routes.lines, routes.since),
            (lines, since) => (lines.unwrap_or(Lines::All), since),
        };
        Ok(Plan {
            selection,
            several,
            shape,
            wanted: Wanted {
                grep: query.grep,
                exclude: query.exclude,
                ignore_case: query.ignore_case,
            },
            filter: None,
            lines,
            since,
            until: query.until,
            after,
            before,
            follow,
            may_be_over,
        })
    }

    /// It goes on after these places, too.
    pub fn goes_on_after(&mut self, places: &[String]) -> Result<(), Refusal> {
        for text in places {
            self.after.push(id("after", text)?);
        }
        Ok(())
    }

    /// Refuses a filter that can't be one, without compiling it.
    pub fn check_filter(&self, routes: &Routes, whom: Whom) -> Result<(), Refusal> {
        if self.wanted.is_all() {
            return Ok(());
        }
        let _turn = routes.shared.turnstile.enter(Lane::Filters, whom);
        self.wanted.check()
    }

    /// Compiles its filter, in a turn of `whom`, unless somebody uses the same one.
    pub fn compile_filter(&mut self, routes: &Routes, whom: Whom) -> Result<(), Refusal> {
        if self.wanted.is_all() {
            return Ok(());
        }
        let known = routes.filters.known(&self.wanted);
        self.filter = Some(match known {
            Some(filter) => filter,
            None => {
                let _turn = routes.shared.turnstile.enter(Lane::Filters, whom);
                routes.filters.compiled(&self.wanted)?
            }
        });
        Ok(())
    }

    /// Its status depends on what is found.
    pub fn must_know_first(&self) -> bool {
        self.before.is_some() || self.may_be_over
    }

    /// Finds where it starts; with the segments that were read to know. `None` where a reconnect has nothing more to
    /// get. Blocks on the disk; through a filter for long, so `is_over` is asked now and then whether to give up.
    pub fn start(
        &self,
        routes: &Routes,
        noted: Vec<SourceState>,
        whom: Whom,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<(Reader, Vec<Chunk>)>, Refusal> {
        let lane = match &self.filter {
            None => Lane::Reads,
            Some(_) => Lane::Filters,
        };
        let turn = RefCell::new(routes.shared.turnstile.enter(lane, whom));
        let over = Cell::new(false);
        // Asked between lines, and between blocks that are read.
        let goes_on = || {
            let mut turn = turn.borrow_mut();
            if turn.is_over() && !over.get() {
                over.set(turn.again(|| routes.is_stopping() || is_over()));
            }
            !over.get()
        };
        let passes = self
            .filter
            .as_ref()
            .map(|filter| |line: &[u8]| goes_on() && filter.passes(line));
        let passes = passes
            .as_ref()
            .map(|passes| passes as &dyn Fn(&[u8]) -> bool);
        let mut pause = |_| match goes_on() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        let hub = &routes.shared.hub;
        let selection = self.selection.clone();
        let begin = Begin {
            hub,
            selection,
            follow: self.follow,
            since: self.since.map(Time::resolve),
            until: self.until.map(Time::resolve),
            rotated: routes.rotated,
            passes,
            pause: &mut pause,
        };
        let ended = || Refusal::unavailable("the stream has ended already");
        let failed = |error: std::io::Error| {
            Refusal::unavailable(format!("the file can't be read now: {error}"))
        };
        if let Some((index, before)) = &self.before {
            let wanted = match self.lines {
                Lines::Last(wanted) => Some(wanted),
                Lines::All => None,
            };
            let gone = || Refusal::not_found("the place that before= names is gone");
            let source = hub.source(*index).ok_or_else(gone)?.source;
            if source.name_hash != before.name_hash {
                return Err(gone());
            }
            if self.may_be_over && self.after.contains(before) {
                // It has had all lines up to the place, and would get them again after each second.
                return Ok(None);
            }
            let reader = begin.before(*index, before, wanted).map_err(failed)?;
            let reader = reader.ok_or_else(gone)?;
            return Ok(Some((reader, Vec::new())));
        }
        let from = |source: &Source| match self
            .after
            .iter()
            .rev()
            .find(|id| id.name_hash == source.name_hash)
        {
            Some(id) => From::After(*id),
            None => match self.lines {
                Lines::Last(wanted) => From::Last(wanted),
                Lines::All if self.since.is_some() => From::Last(u64::MAX),
                Lines::All => From::All,
            },
        };
        let reader = begin.reader(noted, &from).map_err(failed)?;
        let Some(mut reader) = reader else {
            return Err(ended());
        };
        if !self.may_be_over {
            return Ok(Some((reader, Vec::new())));
        }
        let mut first = Vec::new();
        while goes_on() {
            let segment = match reader.next(CHUNK_BYTES_MIN).map_err(failed)? {
                Next::Chunk(segment) => segment,
                Next::Nothing => return Ok(None),
                Next::Later(wait) => {
                    over.set(turn.borrow_mut().again(|| {
                        wait.with(hub, |time| rest(time, || routes.is_stopping() || is_over()));
                        routes.is_stopping() || is_over()
                    }));
                    continue;
                }
            };
            let is_something = match &segment.kind {
                Kind::Event(event) => moves_the_id(&event.kind),
                Kind::Lines(lines) => {
                    (0..lines.len()).any(|i| passes.is_none_or(|passes| passes(lines.line(i))))
                }
            };
            let is_event = matches!(segment.kind, Kind::Event(_));
            if is_event || is_something {
                first.push(segment);
            }
            if is_something {
                return Ok(Some((reader, first)));
            }
        }
        Err(ended())
    }
}
