//! A peer of a data channel without a browser: str0m on the other side.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Nothing waits that long when it works.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who offers a data channel, and then gets lines by it.
pub(crate) struct Peer {
    rtc: Rtc,
    pub(crate) socket: UdpSocket,
    pending: Option<SdpPendingOffer>,
    pub(crate) offer: String,
    channel: Option<ChannelId>,
    /// Messages that came, with the parts of one that is not whole yet.
    got: VecDeque<String>,
    parts: Vec<u8>,
    /// Binary messages that came: parts.
    pub(crate) parts_len: usize,
    pub(crate) is_closed: bool,
}

impl Peer {
    /// One who has made an offer, and sent it to nobody.
    pub(crate) fn new() -> Peer {
        let mut rtc = Rtc::builder()
            .set_crypto_provider(str0m::crypto::from_feature_flags().into())
            .build(Instant::now());
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let own = socket.local_addr().expect("an address");
        rtc.add_local_candidate(Candidate::host(own, "udp").expect("a candidate"));
        let mut api = rtc.sdp_api();
        api.add_channel("lines".to_owned());
        let (offer, pending) = api.apply().expect("an offer");
        Peer {
            rtc,
            socket,
            pending: Some(pending),
            offer: offer.to_sdp_string(),
            channel: None,
            got: VecDeque::new(),
            parts: Vec::new(),
            parts_len: 0,
            is_closed: false,
        }
    }

    pub(crate) fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        let pending = self.pending.take().expect("an offer that waits");
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.expect("an answer to the offer");
    }

    /// Does what is due, and takes what comes within `wait`.
    pub(crate) fn step(&mut self, wait: Duration) {
        let due = loop {
            match self.rtc.poll_output().expect("an output") {
                Output::Timeout(due) => break due,
                Output::Transmit(out) => {
                    let _ = self.socket.send_to(&out.contents, out.destination);
                }
                Output::Event(Event::ChannelOpen(channel, _)) => self.channel = Some(channel),
                Output::Event(Event::ChannelClose(_)) => self.is_closed = true,
                Output::Event(Event::ChannelData(data)) => {
                    self.parts.extend_from_slice(&data.data);
                    if data.binary {
                        self.parts_len += 1;
                    } else {
                        let text = std::mem::take(&mut self.parts);
                        self.got.push_back(String::from_utf8(text).expect("UTF-8"));
                    }
                }
                Output::Event(_) => {}
            }
        };
        let now = Instant::now();
        let wait = due.saturating_duration_since(now).min(wait);
        let wait = wait.max(Duration::from_micros(100));
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let mut buf = [0; 2048];
        let input = match self.socket.recv_from(&mut buf) {
            Ok((n, source)) => Input::Receive(
                Instant::now(),
                Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: self.socket.local_addr().expect("an address"),
                    contents: buf[..n]
                        .try_into()
                        .expect("a datagram of ICE, DTLS or SCTP"),
                },
            ),
            Err(_) => Input::Timeout(Instant::now()),
        };
        self.rtc.handle_input(input).expect("taken in");
    }

    /// Until the data channel is open.
    pub(crate) fn opens(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.channel.is_none() {
            assert!(Instant::now() < end, "no data channel in time");
            self.step(Duration::from_millis(50));
        }
    }

    /// The next message; `None` where the data channel was closed.
    pub(crate) fn next(&mut self) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        while self.got.is_empty() && !self.is_closed {
            assert!(Instant::now() < end, "no message in time");
            self.step(Duration::from_millis(50));
        }
        self.got.pop_front()
    }

    pub(crate) fn text(&mut self) -> String {
        self.next().expect("a message")
    }
}
