//! How an offer of a data channel is answered.
//!
//! The stream of a data channel is that of `/ws`, by the same code: within the program one more visitor comes by a pair
//! of Unix sockets, asks for `/ws` with the fields and the query of the offer, and what it is sent goes into the data
//! channel. So parameters, access, places, falling back and resuming are those of everybody. Whatever the visitor is told
//! instead of a stream is what the offer is told.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::str;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::limits::{HEAD_BYTES, HEAD_TIME_MS, OFFER_BYTES_MAX};
use crate::serve::http::answer::Answer;
use crate::serve::http::cors::Cors;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;

use super::{Client, Heard};

/// The fields of the offer that say who asks, and from where on.
const FORWARDED: [&str; 6] = [
    "Host",
    "Origin",
    "Sec-Fetch-Site",
    "Authorization",
    "Cookie",
    "Last-Event-ID",
];

/// What an offer is answered with.
enum Reply {
    Answer(Answer),
    /// What the visitor was told.
    Told(Vec<u8>),
}

impl Client<'_> {
    /// Answers an offer, whose body begins with `rest`.
    pub(super) fn take_offer(&self, request: &Request, rest: Vec<u8>, cors: Option<&Cors>) {
        let reply = self.read_offer(request, rest);
        match reply.and_then(|offer| self.reply(request, &offer)) {
            Ok(Reply::Answer(answer)) => {
                let answer = answer.with("Access-Control-Expose-Headers", "Location");
                self.answer(&answer.with_cors(cors), &request.method);
            }
            Ok(Reply::Told(bytes)) => {
                self.send(&bytes);
                let drained = Instant::now() + crate::limits::DRAIN;
                self.visitor.socket.drain(drained);
            }
            Err(refusal) => {
                self.is_refused(&refusal);
                let answer = Answer::refusal(&refusal).with_cors(cors);
                self.answer(&answer, &request.method);
            }
        }
    }

    /// The body of the request. Blocks for as long as a head may take.
    fn read_offer(&self, request: &Request, mut body: Vec<u8>) -> Result<String, Refusal> {
        let length = request.header("content-length").and_then(|length| {
            let length = str::from_utf8(length).ok()?;
            length.trim().parse::<usize>().ok()
        });
        let length = length.filter(|length| (1..=OFFER_BYTES_MAX).contains(length));
        let Some(length) = length else {
            return Err(Refusal::bad_request(format!(
                "an offer is SDP with a Content-Length from 1 to {OFFER_BYTES_MAX}"
            )));
        };
        let deadline = Instant::now() + Duration::from_millis(HEAD_TIME_MS);
        let cut = || Refusal::bad_request("the offer ends before its Content-Length");
        while body.len() < length {
            let left = length - body.len();
            match self.read_on(&mut body, left, deadline) {
                Heard::More => {}
                Heard::TooLate => return Err(Refusal::too_slow()),
                Heard::End | Heard::Ended | Heard::Failed(_) => return Err(cut()),
            }
        }
        body.truncate(length);
        String::from_utf8(body).map_err(|_| Refusal::bad_request("the offer is not UTF-8"))
    }

    /// Reads the offer, opens its stream, and begins its data channel.
    fn reply(&self, request: &Request, offer: &str) -> Result<Reply, Refusal> {
        let Some(offers) = &self.routes.offers else {
            return Err(Refusal::not_found("there are no data channels here"));
        };
        let answered = offers.read(offer)?;
        let failed = |error: io::Error| {
            Refusal::unavailable(format!(
                "no stream can be opened ({error}); try again later"
            ))
        };
        let (theirs, ours) = UnixStream::pair().map_err(failed)?;
        (self.takes_in)(ours);
        let (head, rest) = ask(&theirs, &self.stream_request(request)).map_err(failed)?;
        if !head.starts_with(b"HTTP/1.1 101 ") {
            let mut told = [head, rest].concat();
            let mut more = theirs.take(HEAD_BYTES as u64);
            more.read_to_end(&mut told).map_err(failed)?;
            return Ok(Reply::Told(told));
        }
        let base = self.routes.base_path.as_str();
        let location = format!("{base}/rtc/{}", answered.id());
        let answer = Answer::new(
            StatusCode::CREATED,
            "application/sdp",
            answered.answer().to_owned(),
        );
        answered.carry(theirs, rest)?;
        let answer = answer.with("Location", location);
        Ok(Reply::Answer(answer.with("Cache-Control", "no-store")))
    }

    /// The head of the request for `/ws` that the offer stands for.
    fn stream_request(&self, request: &Request) -> Vec<u8> {
        let mut head = format!("GET {}/ws", self.routes.base_path.as_str()).into_bytes();
        if !request.query.is_empty() {
            head.push(b'?');
            head.extend_from_slice(&request.query);
        }
        head.extend_from_slice(
            b" HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGFpbGNhc3QgdGFpbGNhcw==\r\n",
        );
        for name in FORWARDED {
            for value in request.headers(name) {
                head.extend_from_slice(name.as_bytes());
                head.extend_from_slice(b": ");
                head.extend_from_slice(value);
                head.extend_from_slice(b"\r\n");
            }
        }
        if request.header("Host").is_none() {
            head.extend_from_slice(b"Host: localhost\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Sends a request and reads the head of its answer, with what comes behind it. Blocks until a stream has its place.
fn ask(mut stream: &UnixStream, request: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_millis(HEAD_TIME_MS)))?;
    stream.write_all(request)?;
    let mut head = Vec::new();
    let mut buf = [0; 4096];
    loop {
        if let Some(at) = memchr::memmem::find(&head, b"\r\n\r\n") {
            let rest = head.split_off(at + 4);
            return Ok((head, rest));
        }
        match stream.read(&mut buf)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => head.extend_from_slice(&buf[..n]),
        }
    }
}
