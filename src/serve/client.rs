//! The thread of one accepted connection: reads the request head, lets the guard decide, and answers, or becomes a
//! stream.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use crate::escape::shown;
use crate::limits::{
    CLIENT_MESSAGE_BYTES, DRAIN, HEAD_BYTES, HEAD_TIME_MS, WS_READ_BUFFER_BYTES,
    WS_WRITE_BUFFER_BYTES,
};
use crate::reader::note;
use crate::serve::access::Pass;
use crate::serve::answer::{self, Answer, Framing as BodyFraming};
use crate::serve::cors::Cors;
use crate::serve::handshake;
use crate::serve::head::{HeadParser, Parsed};
use crate::serve::link::Link;
use crate::serve::peer::{Peer, Visitor};
use crate::serve::plan::Plan;
use crate::serve::query::Stream as Kind;
use crate::serve::refusal::Refusal;
use crate::serve::request::{Method, Request, Version};
use crate::serve::routes::{Route, Routes};
use crate::serve::stream::Stream;
use crate::serve::wire::{Framing, Shape, Wire};
use crate::source::{Kind as What, Segment};

/// A ping without a payload (RFC 6455, section 5.5.2).
const EMPTY_PING: [u8; 2] = [0x89, 0];

/// A place among the streams, until it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One connection's thread.
pub(super) struct Client<'a> {
    /// What all share.
    pub routes: &'a Routes,
    /// This connection.
    pub visitor: Arc<Visitor>,
    /// Called when it becomes a stream: it is no head any more, and the door listens to its peer.
    pub becomes_stream: &'a dyn Fn(&Arc<Visitor>),
}

impl Client<'_> {
    /// Serves HTTP to its end. Blocks for as long as the client stays.
    pub(super) fn serve_http(&self) {
        let mut buf = Vec::new();
        let deadline = Instant::now() + Duration::from_millis(HEAD_TIME_MS);
        // A TLS handshake is a part of reading the head, and of its time.
        let head = self.read_head(&mut buf, deadline);
        match head {
            None => {}
            Some(_) if self.visitor.socket.is_clear_where_tls_is_spoken() => {
                self.refuse(&Refusal::clear_where_tls_is_spoken());
            }
            Some(Err(refusal)) => self.refuse(&refusal),
            Some(Ok((request, len))) => {
                let rest = buf.split_off(len);
                self.serve_request(&request, rest);
            }
        }
    }

    /// Serves one who connects to a plain listener.
    pub(super) fn serve_plain(&self) {
        let Some(_place) = self.place() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return self.routes.refused.count(status);
        };
        (self.becomes_stream)(&self.visitor);
        let several = self.routes.several;
        let wire = Wire::new(Shape::Text, Framing::Bare, several, None);
        self.stream(Plan::plain(self.routes), wire, Vec::new(), None);
    }

    /// The request head, with its length in `buf`; `None` where the peer left before it said anything.
    fn read_head(
        &self,
        buf: &mut Vec<u8>,
        deadline: Instant,
    ) -> Option<Result<(Request, usize), Refusal>> {
        let mut parser = HeadParser::default();
        let mut chunk = [0; 2048];
        loop {
            match self.visitor.socket.read(&mut chunk) {
                Ok(0) if buf.is_empty() => return None,
                Ok(0) => {
                    return Some(Err(Refusal::bad_request(
                        "the request head ends before its blank line",
                    )));
                }
                Ok(n) => buf.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let waited = self
                        .visitor
                        .wait(|| self.visitor.socket.wait(false, deadline));
                    match waited {
                        Some(Ok(ready)) if ready.read => {}
                        Some(Ok(_)) => return (!buf.is_empty()).then(|| Err(Refusal::too_slow())),
                        Some(Err(_)) | None => return None,
                    }
                    continue;
                }
                // A TLS client whose handshake failed has an alert to read.
                Err(error) => {
                    let error = shown(error.to_string().as_bytes());
                    log::debug!("client {} sends no request: {error}", self.visitor.number);
                    self.visitor.socket.drain(Instant::now() + DRAIN);
                    return None;
                }
            }
            match parser.look(buf) {
                Parsed::Complete { request, len } => return Some(Ok((request, len))),
                Parsed::Bad(refusal) => return Some(Err(refusal)),
                Parsed::Incomplete if buf.len() > HEAD_BYTES => {
                    return Some(Err(Refusal::head_too_large(
                        "the request head is over 16 KiB",
                    )));
                }
                Parsed::Incomplete if Instant::now() >= deadline => {
                    return Some(Err(Refusal::too_slow()));
                }
                Parsed::Incomplete => {}
            }
        }
    }

    fn serve_request(&self, request: &Request, rest: Vec<u8>) {
        let (cors, route) = match self.routes.route(request, self.visitor.socket.transport()) {
            Ok(routed) => routed,
            Err((refusal, cors)) => {
                self.routes.refused.count(refusal.status);
                let answer = self
                    .routes
                    .refuse(request, &refusal)
                    .with_cors(cors.as_ref());
                return self.answer(&answer, request.method);
            }
        };
        match route {
            Route::Answer(answer) => self.answer(&answer.with_cors(cors.as_ref()), request.method),
            Route::Stream(kind, pass) => {
                if let Err(refusal) = self.serve_stream(request, kind, pass, rest, cors.as_ref()) {
                    self.routes.refused.count(refusal.status);
                    let answer = Answer::refusal(&refusal).with_cors(cors.as_ref());
                    self.answer(&answer, request.method);
                }
            }
        }
    }

    fn serve_stream(
        &self,
        request: &Request,
        kind: Kind,
        pass: Pass,
        rest: Vec<u8>,
        cors: Option<&Cors>,
    ) -> Result<(), Refusal> {
        let plan = Plan::read(self.routes, request, kind, pass.scope())?;
        self.visitor.let_in_with(pass.clone());
        // Race: the token was withdrawn, and the door went round the streams, before this line: it did not see this one.
        if !self.routes.access.holds(&pass) {
            return Err(Refusal::unauthorized());
        }
        let key = if kind == Kind::Ws {
            Some(handshake::accept_key(request)?)
        } else {
            None
        };
        let framing = match (kind, request.version) {
            (Kind::Ws, _) => Framing::WebSocket,
            (_, Version::Http11) => Framing::Chunked,
            (_, Version::Http10) => Framing::Bare,
        };
        let body = if framing == Framing::Bare {
            BodyFraming::UntilClose
        } else {
            BodyFraming::Chunked
        };
        let content_type = match plan.shape() {
            Shape::SseText | Shape::SseJson => answer::EVENTS,
            Shape::JsonLine => answer::JSON_LINES,
            _ => answer::TEXT,
        };
        let mut head = match &key {
            Some(accept) => answer::upgrade_head(accept, cors),
            None => answer::stream_head(content_type, body, cors),
        };
        if request.method == Method::Head {
            self.send(&head);
            return Ok(());
        }
        let Some(_place) = self.place() else {
            return Err(Refusal::unavailable(format!(
                "too many clients: --max-clients is {}; try again later",
                self.routes.max_clients
            )));
        };
        // Not only once it runs: while many wait for their turn at the file, the door would take the oldest of them for
        // heads that never come, and end them.
        (self.becomes_stream)(&self.visitor);
        let wire = Wire::new(
            plan.shape(),
            framing,
            plan.several(),
            plan.filter().cloned(),
        );
        head.extend_from_slice(&wire.preamble());
        if plan.must_know_first() {
            let noted = note(&self.routes.shared.hub);
            let started = plan.start(self.routes, noted, &|| self.is_over(&plan))?;
            let Some((reader, first)) = started else {
                self.answer(&Answer::no_content().with_cors(cors), request.method);
                return Ok(());
            };
            self.run(plan, wire, head, key.map(|_| rest), reader, first);
        } else {
            self.stream(plan, wire, head, key.map(|_| rest));
        }
        Ok(())
    }

    /// Sends the head at once, since looking back through a filter may take long, then starts.
    fn stream(&self, plan: Plan, mut wire: Wire, head: Vec<u8>, websocket: Option<Vec<u8>>) {
        // Race: a peer that sees the head may write a line at once, and expects it; so the place where its stream begins
        // is noted first.
        let noted = note(&self.routes.shared.hub);
        if !self.send(&head) {
            return;
        }
        let beat = match &websocket {
            Some(_) => EMPTY_PING.to_vec(),
            None => wire.heartbeat(&[]),
        };
        let interval = self.routes.shared.ping_interval;
        let due = Cell::new(Instant::now() + interval);
        let is_over = || {
            // A filter may be looked back through for minutes, and a proxy in between waits for one.
            let now = Instant::now();
            if now >= due.get() {
                due.set(now + interval);
                self.send(&beat);
            }
            self.is_over(&plan)
        };
        if let Ok(Some((reader, first))) = plan.start(self.routes, noted, &is_over) {
            self.run(plan, wire, Vec::new(), websocket, reader, first);
        }
    }

    fn run(
        &self,
        plan: Plan,
        mut wire: Wire,
        head: Vec<u8>,
        websocket: Option<Vec<u8>>,
        reader: crate::reader::Reader,
        first: Vec<Segment>,
    ) {
        let context = websocket.map(|rest| {
            let config = WebSocketConfig::default()
                .read_buffer_size(WS_READ_BUFFER_BYTES)
                .write_buffer_size(0)
                .max_write_buffer_size(WS_WRITE_BUFFER_BYTES)
                .max_message_size(Some(CLIENT_MESSAGE_BYTES))
                .max_frame_size(Some(CLIENT_MESSAGE_BYTES));
            WebSocketContext::from_partially_read(rest, Role::Server, Some(config))
        });
        let is_websocket = context.is_some();
        if plan.several() {
            wire.stands(reader.ids());
            // What was read to know the status is not sent yet.
            wire.stands(first.iter().filter_map(|segment| match &segment.kind {
                What::Event(event) => Some((segment.source.index, event.id)),
                What::Lines(_) => None,
            }));
        }
        let mut link = Link::new(Arc::clone(&self.visitor.socket), context, wire);
        link.push_raw(&head);
        let peer = Arc::new(Peer::new(Arc::clone(&self.visitor), link));
        if !is_websocket {
            self.visitor
                .socket
                .keep_alive(self.routes.shared.ping_interval);
        }
        let follow = plan.follow();
        drop(plan);
        let ended = Stream::new(&self.routes.shared, peer, reader, first, follow).run();
        log::debug!("client {} ended: {ended:?}", self.visitor.number);
    }

    /// Whether nobody waits for `plan` any more: its peer has left, or is to be ended.
    fn is_over(&self, plan: &Plan) -> bool {
        let half_is_enough = plan.follow() && !self.visitor.may_half_close();
        self.visitor.is_ended() || self.visitor.socket.is_left(half_is_enough)
    }

    fn place(&self) -> Option<Place<'_>> {
        let streams = &self.routes.streams;
        let max = self.routes.max_clients;
        streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                (n < max).then_some(n + 1)
            })
            .ok()
            .map(|_| Place(streams))
    }

    /// Answers a request that could not be read.
    fn refuse(&self, refusal: &Refusal) {
        self.routes.refused.count(refusal.status);
        self.answer(&Answer::refusal(refusal), Method::Get);
    }

    fn answer(&self, answer: &Answer, method: Method) {
        self.send(&answer.encode(method));
        self.visitor.socket.drain(Instant::now() + DRAIN);
    }

    /// Writes all of `bytes`, waiting as long as a head may take; whether that went well.
    fn send(&self, bytes: &[u8]) -> bool {
        let socket = &self.visitor.socket;
        let deadline = Instant::now() + Duration::from_millis(HEAD_TIME_MS);
        let mut at = 0;
        loop {
            let is_full = if at < bytes.len() {
                match socket.write_vectored(&[std::io::IoSlice::new(&bytes[at..])]) {
                    Ok(n) => {
                        at += n;
                        false
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => true,
                    Err(_) => return false,
                }
            } else {
                match socket.flush() {
                    Ok(true) => return true,
                    Ok(false) => true,
                    Err(_) => return false,
                }
            };
            if is_full {
                match self.visitor.wait(|| socket.wait_to_write(deadline)) {
                    Some(Ok(ready)) if ready.write => {}
                    _ => return false,
                }
            }
        }
    }
}
