//! How a request becomes a stream: what it asks for, the handshake, its place among the streams, the answer's head.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode, Version};

use crate::escape::shown;
use crate::hub::{Selection, SourceState};
use crate::limits::{FIRST_WORDS_WAIT, HALF_CLOSED_WAIT};
use crate::reader::{Reader, Subscription, note};
use crate::serve::access::Pass;
use crate::serve::delivery::filter::Sifted;
use crate::serve::delivery::link::Link;
use crate::serve::delivery::peer::Peer;
use crate::serve::delivery::stream::Stream;
use crate::serve::delivery::streams::Place;
use crate::serve::delivery::wire::{Framing, Shape, Wire};
use crate::serve::door::plan::Plan;
use crate::serve::http::answer::{self, Answer, BodyLength};
use crate::serve::http::coding::Coding;
use crate::serve::http::cors::Cors;
use crate::serve::http::query::Endpoint;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;
use crate::serve::websocket::extension::deflate_answer;
use crate::serve::websocket::handshake;
use crate::source::{Chunk, Kind};
use crate::via::{self, NoWay, Passage};

use super::Client;

/// A ping without a payload (RFC 6455, section 5.5.2).
const EMPTY_PING: [u8; 2] = [0x89, 0];

/// A stream that was asked for and has its place.
pub(super) struct Opening<'a> {
    plan: Plan,
    wire: Wire,
    /// The answer's head, where it was not sent yet.
    head: Vec<u8>,
    /// What a WebSocket peer has said after its request.
    websocket: Option<Vec<u8>>,
    /// The sources as they stood when it came, where that was noted already.
    noted: Option<Vec<SourceState>>,
    /// Where it starts and what was read to know, where that had to be known first.
    started: Option<(Reader, Vec<Chunk>)>,
    place: Place<'a>,
    /// Where another tailcast asks.
    passage: Option<Passage>,
}

impl Client<'_> {
    /// Opens the stream that `request` asks for; `None` where it was answered otherwise.
    #[inline(never)]
    pub(super) fn open_stream(
        &self,
        request: &Request,
        kind: Endpoint,
        pass: Pass,
        rest: Vec<u8>,
        cors: Option<&Cors>,
    ) -> Result<Option<Box<Opening<'_>>>, Refusal> {
        let mut plan = Plan::read(self.routes, request, kind, pass.scope())?;
        self.visitor.let_in_with(pass.clone());
        // Race: the token was withdrawn, and the door went round the streams, before this line: it did not see this one.
        if !self.routes.access.holds(&pass) {
            return Err(Refusal::unauthorized());
        }
        let key = if kind == Endpoint::Ws {
            Some(handshake::accept_key(request)?)
        } else {
            None
        };
        let passage = self.passage(request)?;
        let framing = match (kind, request.version) {
            (Endpoint::Ws, _) => Framing::WebSocket,
            (_, Version::HTTP_10) => Framing::Bare,
            _ => Framing::Chunked,
        };
        let body = if framing == Framing::Bare {
            BodyLength::UntilClose
        } else {
            BodyLength::Chunked
        };
        // A peer of HTTP/1.0 is a simple one, or a proxy that may not know what it passes on.
        let coding = match framing {
            Framing::Chunked => Coding::wanted(request),
            Framing::WebSocket | Framing::Bare => Coding::Identity,
        };
        let content_type = match plan.shape {
            Shape::SseText | Shape::SseJson => answer::EVENTS,
            Shape::JsonLine => answer::JSON_LINES,
            _ => answer::TEXT,
        };
        let extension = key.as_ref().and_then(|_| deflate_answer(request));
        let mut head = match &key {
            Some(accept) => {
                let protocol = (plan.shape == Shape::Exact).then_some(via::PROTOCOL);
                answer::upgrade_head(accept, extension.as_deref(), protocol, cors)
            }
            None => answer::stream_head(content_type, coding, body, cors),
        };
        if request.method == Method::HEAD {
            plan.check_filter(self.routes, self.visitor.socket.whom())?;
            self.send(&head);
            return Ok(None);
        }
        let place = self.place()?;
        // Not only once it runs: while many wait for their turn at the file, the door would take the oldest of them for
        // heads that never come, and end them.
        (self.becomes_stream)(&self.visitor);
        let whom = self.visitor.socket.whom();
        // Behind the place: what a filter costs, only those cost who have one.
        plan.compile_filter(self.routes, whom)?;
        let mut wire = Wire::new(plan.shape, framing, plan.several, plan.filter.clone());
        if coding == Coding::Gzip {
            wire = wire.gzipped();
        } else if extension.is_some() {
            wire = wire.with_deflated_messages();
        }
        head.extend_from_slice(&wire.preamble());
        let mut started = None;
        if plan.must_know_first() {
            let noted = note(&self.routes.shared.hub, &plan.selection, plan.follow);
            let half_since = Cell::new(None);
            let is_over = || self.is_over(&plan, &half_since);
            started = plan.start(self.routes, noted, whom, &is_over)?;
            if started.is_none() {
                self.answer(&Answer::no_content().with_cors(cors), &request.method);
                return Ok(None);
            }
        }
        Ok(Some(Box::new(Opening {
            plan,
            wire,
            head,
            websocket: key.map(|_| rest),
            noted: None,
            started,
            place,
            passage,
        })))
    }

    /// What another tailcast says of itself and of those who follow through it.
    fn passage(&self, request: &Request) -> Result<Option<Passage>, Refusal> {
        let Some(field) = request.header(via::FIELD) else {
            return Ok(None);
        };
        let passage = self.routes.via.admit(field).map_err(|why| match why {
            NoWay::Circle => {
                log::warn!(
                    "another tailcast asks for our lines, and its lines come from here: it is refused ({} {})",
                    via::FIELD,
                    shown(field)
                );
                Refusal::new(
                    StatusCode::CONFLICT,
                    "the lines of the tailcast that asks come from here: following each other in a circle brings nobody \
                     anything; leave one of the FILEs out",
                )
            }
            NoWay::Unreadable => Refusal::bad_request(
                "Tailcast-Via must be a list of at most 256 ids of letters and digits",
            ),
        })?;
        Ok(Some(passage))
    }

    /// Opens the stream of one who connects to a plain listener.
    #[inline(never)]
    pub(super) fn open_plain(&self) -> Option<Box<Opening<'_>>> {
        let place = match self.place() {
            Ok(place) => place,
            Err(refusal) => {
                self.is_refused(&refusal);
                return None;
            }
        };
        let noted = note(&self.routes.shared.hub, &Selection::All, true);
        if self.takes_us_for_http() {
            log::debug!("client {} asks tcp: for HTTP", self.visitor.number);
            return None;
        }
        (self.becomes_stream)(&self.visitor);
        let several = self.routes.several;
        let wire = Wire::new(Shape::Text, Framing::Bare, several, None);
        Some(Box::new(Opening {
            plan: Plan::plain(self.routes),
            wire,
            head: Vec::new(),
            websocket: None,
            noted: Some(noted),
            started: None,
            place,
            passage: None,
        }))
    }

    /// Whether the first words of one who connects to a plain listener are those of an HTTP request. Waits a moment for
    /// them: what is sent before could be taken for the answer.
    fn takes_us_for_http(&self) -> bool {
        let deadline = Instant::now() + FIRST_WORDS_WAIT;
        let socket = &self.visitor.socket;
        let waited = self.visitor.wait(|| socket.wait(false, deadline));
        let mut buf = [0; 16];
        match waited {
            Some(Ok(ready)) if ready.read => {
                let said = socket.read(&mut buf).unwrap_or(0);
                self.visitor.asks_for_http(&buf[..said])
            }
            _ => false,
        }
    }

    /// Finds where the stream starts. The head is sent before that, since looking back through a filter may take long.
    #[inline(never)]
    pub(super) fn begin<'a>(&'a self, mut opening: Box<Opening<'a>>) -> Option<Box<Stream<'a>>> {
        if opening.started.is_none() {
            // Race: a peer that sees the head may write a line at once, and expects it; so the place where its stream
            // begins is noted first.
            let noted = opening.noted.take();
            let plan = &opening.plan;
            let noted = noted
                .unwrap_or_else(|| note(&self.routes.shared.hub, &plan.selection, plan.follow));
            if !self.send(&std::mem::take(&mut opening.head)) {
                return None;
            }
            if opening.plan.shape == Shape::Exact {
                if let Some(said) = &mut opening.websocket {
                    let places = self.hear_places(said)?;
                    opening.plan.goes_on_after(&places).ok()?;
                }
            }
            let is_websocket = opening.websocket.is_some();
            let wire = RefCell::new(&mut opening.wire);
            let plan = &opening.plan;
            let interval = self.routes.shared.ping_interval;
            let due = Cell::new(Instant::now() + interval);
            let half_since = Cell::new(None);
            let is_over = || {
                // A filter may be looked back through for minutes, and a proxy in between waits for one.
                let now = Instant::now();
                if now >= due.get() {
                    due.set(now + interval);
                    if is_websocket {
                        self.send(&EMPTY_PING);
                    } else {
                        self.send(&wire.borrow_mut().heartbeat(&[]));
                    }
                }
                self.is_over(plan, &half_since)
            };
            let whom = self.visitor.socket.whom();
            let started = plan.start(self.routes, noted, whom, &is_over);
            opening.started = started.ok()?;
        }
        self.start(*opening)
    }

    #[inline(never)]
    fn start<'a>(&'a self, opening: Opening<'a>) -> Option<Box<Stream<'a>>> {
        let Opening {
            plan,
            mut wire,
            head,
            websocket,
            started,
            place,
            passage,
            noted: _,
        } = opening;
        let (reader, first) = started?;
        if plan.several {
            let ids = reader.ids();
            wire.stands(ids.iter().map(|(source, id)| (source.index, *id)));
            // What was read to know the status is not sent yet.
            wire.stands(first.iter().filter_map(|segment| match &segment.kind {
                Kind::Event(event) => Some((segment.source.index, event.id)),
                Kind::Lines(_) => None,
            }));
        }
        let selection = reader.selection().clone();
        let life = Subscription::new(reader);
        let mut link = Link::new(Arc::clone(&self.visitor.socket), websocket, wire, life);
        link.push_raw(&head);
        for chunk in first {
            let sifted = Sifted::of(&chunk, plan.filter.as_ref());
            link.push_chunk(chunk, &sifted);
        }
        let peer = Arc::new(Peer::new(Arc::clone(&self.visitor), link, selection));
        // Also where pings tell that a peer is gone: what its socket still holds goes then, too.
        let interval = self.routes.shared.ping_interval;
        self.visitor.socket.keep_alive(interval);
        let shared = &self.routes.shared;
        let held = (place, passage);
        Some(Box::new(Stream::new(shared, held, peer, plan.follow)))
    }

    /// Whether nobody waits for `plan` any more: its peer has left, or is to be ended. One that has shut its sending side
    /// may still read; whoever has left looks the same until it is sent something, so its time is bounded.
    fn is_over(&self, plan: &Plan, half_since: &Cell<Option<Instant>>) -> bool {
        let socket = &self.visitor.socket;
        if self.visitor.is_ended() || socket.is_left(false) {
            return true;
        }
        let may_be_half = !plan.follow || self.visitor.may_half_close();
        if may_be_half || !socket.is_left(true) {
            return false;
        }
        let now = Instant::now();
        let since = half_since.get().unwrap_or(now);
        half_since.set(Some(since));
        now >= since + HALF_CLOSED_WAIT
    }

    fn place(&self) -> Result<Place<'_>, Refusal> {
        if self.routes.shortage.has_none_for(&*self.visitor.socket) {
            return Err(Refusal::unavailable(
                "too many clients for the descriptors that the daemon may have; try again later",
            ));
        }
        let streams = &self.routes.shared.streams;
        streams.place().ok_or_else(|| {
            Refusal::unavailable(format!(
                "too many clients: --max-clients is {}; try again later",
                streams.max()
            ))
        })
    }
}
