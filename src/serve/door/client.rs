//! The thread of one accepted connection: reads the request head, lets the guard decide, and answers, or becomes a
//! stream.

#[cfg(feature = "webrtc")]
mod offer;
mod opening;
mod places;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use http::Method;

use crate::escape::shown;
use crate::limits::{DRAIN, HEAD_BYTES, HEAD_READ_BYTES, HEAD_TIME_MS, OPENING_STACK_BYTES};
use crate::serve::delivery::visitor::Visitor;
use crate::serve::door::routes::{Route, Routes};
use crate::serve::http::answer::Answer;
use crate::serve::http::head::{HeadParser, Parsed};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;

use opening::Opening;

/// One connection's thread.
pub(crate) struct Client<'a> {
    /// What all share.
    pub routes: &'a Routes,
    /// This connection.
    pub visitor: Arc<Visitor>,
    /// Called when it becomes a stream: it is no head any more, and the door listens to its peer.
    pub becomes_stream: &'a (dyn Fn(&Arc<Visitor>) + Sync),
    /// Takes in one more who asks for a stream, within the program: the stream of a data channel.
    #[cfg(feature = "webrtc")]
    pub takes_in: &'a (dyn Fn(std::os::unix::net::UnixStream) + Sync),
}

/// What came of reading on.
enum Heard {
    /// There are more bytes.
    More,
    /// The peer says no more.
    End,
    /// It has said nothing until the deadline.
    TooLate,
    /// The client is ended.
    Ended,
    /// The socket is broken, or does not speak TLS.
    Failed(io::Error),
}

impl Client<'_> {
    /// Serves one who has come to a listener of HTTP or to a `plain` one, to its end. Blocks for as long as the client
    /// stays.
    ///
    /// A stream is opened on a stack of its own, and reads its history there, since an idle client
    /// holds, for as long as it stays, every page of its stack that was ever touched, and what the allocator keeps for its
    /// thread: with one stack for both it would be a half more.
    pub(crate) fn serve(&self, plain: bool) {
        let begin = || {
            let opening = match plain {
                true => self.open_plain()?,
                false => self.open_http()?,
            };
            let mut stream = self.begin(opening)?;
            let begun = stream.begins();
            Some((stream, begun))
        };
        let opened = thread::scope(|scope| {
            let name = format!("opener-{}", self.visitor.number);
            let builder = thread::Builder::new().name(name);
            let builder = builder.stack_size(OPENING_STACK_BYTES);
            match builder.spawn_scoped(scope, begin) {
                Ok(opener) => opener.join(),
                // Threads are scarce: then it costs memory.
                Err(_) => Ok(begin()),
            }
        });
        match opened {
            Ok(Some((mut stream, begun))) => drop(stream.run(begun)),
            Ok(None) => {}
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Answers one request, or opens the stream that it asks for.
    #[inline(never)]
    fn open_http(&self) -> Option<Box<Opening<'_>>> {
        let mut buf = Vec::new();
        let deadline = Instant::now() + Duration::from_millis(HEAD_TIME_MS);
        // A TLS handshake is a part of reading the head, and of its time.
        let head = self.read_head(&mut buf, deadline);
        match head? {
            _ if self.visitor.socket.is_clear_where_tls_is_spoken() => {
                self.refuse(&Refusal::clear_where_tls_is_spoken());
                None
            }
            Err(refusal) => {
                self.refuse(&refusal);
                None
            }
            Ok((request, len)) => {
                let rest = buf.split_off(len);
                self.serve_request(&request, rest)
            }
        }
    }

    /// Reads on into `buf`, at most so many bytes. Blocks until there are some, but not beyond `deadline`.
    fn read_on(&self, buf: &mut Vec<u8>, bytes: usize, deadline: Instant) -> Heard {
        let socket = &self.visitor.socket;
        loop {
            let have = buf.len();
            buf.resize(have + bytes, 0);
            let read = socket.read(&mut buf[have..]);
            buf.truncate(have + read.as_ref().map_or(0, |&n| n));
            match read {
                Ok(0) => return Heard::End,
                Ok(_) => return Heard::More,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Heard::Failed(error),
            }
            match self.visitor.wait(|| socket.wait(false, deadline)) {
                Some(Ok(ready)) if ready.read => {}
                Some(Ok(_)) => return Heard::TooLate,
                Some(Err(_)) | None => return Heard::Ended,
            }
        }
    }

    /// The request head, with its length in `buf`; `None` where the peer left before it said anything.
    fn read_head(
        &self,
        buf: &mut Vec<u8>,
        deadline: Instant,
    ) -> Option<Result<(Request, usize), Refusal>> {
        let mut parser = HeadParser::default();
        loop {
            match self.read_on(buf, HEAD_READ_BYTES, deadline) {
                Heard::More => {}
                Heard::End if buf.is_empty() => return None,
                Heard::End => {
                    return Some(Err(Refusal::bad_request(
                        "the request head ends before its blank line",
                    )));
                }
                Heard::TooLate => return (!buf.is_empty()).then(|| Err(Refusal::too_slow())),
                Heard::Ended => return None,
                // A TLS client whose handshake failed has an alert to read.
                Heard::Failed(error) => {
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

    fn serve_request(&self, request: &Request, rest: Vec<u8>) -> Option<Box<Opening<'_>>> {
        let (cors, route) = match self.routes.route(request, self.visitor.socket.transport()) {
            Ok(routed) => routed,
            Err((refusal, cors)) => {
                self.is_refused(&refusal);
                let answer = self
                    .routes
                    .refuse(request, &refusal)
                    .with_cors(cors.as_ref());
                self.answer(&answer, &request.method);
                return None;
            }
        };
        match route {
            Route::Answer(answer) => {
                self.answer(&answer.with_cors(cors.as_ref()), &request.method);
                None
            }
            #[cfg(feature = "webrtc")]
            Route::Offer => {
                self.take_offer(request, rest, cors.as_ref());
                None
            }
            Route::Stream(kind, pass) => {
                match self.open_stream(request, kind, pass, rest, cors.as_ref()) {
                    Ok(opened) => opened,
                    Err(refusal) => {
                        self.is_refused(&refusal);
                        let answer = Answer::refusal(&refusal).with_cors(cors.as_ref());
                        self.answer(&answer, &request.method);
                        None
                    }
                }
            }
        }
    }

    /// Answers a request that could not be read.
    fn refuse(&self, refusal: &Refusal) {
        self.is_refused(refusal);
        self.answer(&Answer::refusal(refusal), &Method::GET);
    }

    /// Counts a refusal, and tells it to the log.
    fn is_refused(&self, refusal: &Refusal) {
        self.routes.refused.count(refusal.status);
        let number = self.visitor.number;
        let (status, line) = (refusal.status.as_u16(), &refusal.line);
        log::debug!("client {number} is refused: {status}: {line}");
    }

    fn answer(&self, answer: &Answer, method: &Method) {
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
                match socket.write_vectored(&[io::IoSlice::new(&bytes[at..])]) {
                    Ok(n) => {
                        at += n;
                        false
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
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
