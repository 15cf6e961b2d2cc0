//! One connection to a broker as a protocol: bytes and times in, bytes and acknowledgements out. No socket, no clock.
//!
//! What is in flight is remembered by its place in the file and not by its bytes: after a lost connection those are
//! read again. Acknowledgements are passed on in the order of the messages, whatever order they come in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::{
    ACKNOWLEDGE_WAIT, BROKER_PACKET_BYTES, IN_FLIGHT_BYTES, IN_FLIGHT_MAX, KEEP_ALIVE_SECONDS,
    PUBLISH_WRITE_BYTES, WELCOME_WAIT,
};

use super::trouble::Trouble;
use crate::mqtt::heard::{self, Connected, Packet};
use crate::mqtt::packet::Version;
use crate::mqtt::reason::in_words;
use crate::mqtt::said::{self, Connect, Publish};

/// How the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Greeted; the broker has not answered.
    Greeting,
    /// Welcome.
    Open,
}

/// One session of MQTT. `T` is what the caller wants to hear back of a message once it is acknowledged.
#[derive(Debug)]
pub(super) struct Session<T> {
    version: Version,
    phase: Phase,
    /// What the broker takes.
    terms: Connected,
    keep_alive: Duration,
    heard: Vec<u8>,
    said: Vec<u8>,
    /// How much of `said` is sent.
    sent: usize,
    in_flight: VecDeque<Message<T>>,
    in_flight_bytes: usize,
    number: u16,
    last_said: Instant,
    /// Since when the broker owes an answer and has said nothing.
    owes_since: Option<Instant>,
    pinged: bool,
}

#[derive(Debug)]
struct Message<T> {
    number: u16,
    bytes: usize,
    acknowledged: bool,
    what: T,
}

impl<T> Session<T> {
    /// Greets.
    pub(super) fn new(version: Version, connect: &Connect<'_>, now: Instant) -> Session<T> {
        let mut said = Vec::new();
        connect.write(version, &mut said);
        Session {
            version,
            phase: Phase::Greeting,
            terms: Connected::default(),
            keep_alive: Duration::from_secs(u64::from(KEEP_ALIVE_SECONDS)),
            heard: Vec::new(),
            said,
            sent: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            number: 0,
            last_said: now,
            owes_since: Some(now),
            pinged: false,
        }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The broker has welcomed us.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Messages that are not acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The broker keeps what is retained.
    pub(super) fn retains(&self) -> bool {
        self.terms.retains
    }

    /// The longest payload on `topic` that the broker takes, with an id of `id_bytes`.
    pub(super) fn payload_bytes_max(&self, topic: &str, id_bytes: usize) -> usize {
        said::payload_bytes_max(topic, id_bytes, self.terms.packet_bytes_max)
    }

    /// One more message may be in flight.
    pub(super) fn has_room(&self) -> bool {
        let most = IN_FLIGHT_MAX.min(usize::from(self.terms.receive_max));
        self.is_open() && self.in_flight.len() < most && self.in_flight_bytes < IN_FLIGHT_BYTES
    }

    /// Publishes.
    pub(super) fn publish(
        &mut self,
        (topic, payload): (&str, &[u8]),
        id: Option<&str>,
        retain: bool,
        what: T,
        now: Instant,
    ) {
        // As few are in flight, the one that had this number before is long acknowledged.
        self.number = self.number.checked_add(1).unwrap_or(1);
        let number = self.number;
        Publish {
            number,
            topic,
            retain,
            id,
            payload,
        }
        .write(self.version, &mut self.said);
        self.in_flight.push_back(Message {
            number,
            bytes: payload.len(),
            acknowledged: false,
            what,
        });
        self.in_flight_bytes += payload.len();
        self.says(now);
    }

    /// Takes leave: nothing is said after that.
    pub(super) fn disconnect(&mut self) {
        said::disconnect(&mut self.said);
    }

    fn says(&mut self, now: Instant) {
        self.last_said = now;
        self.owes_since.get_or_insert(now);
    }

    /// What is to be sent.
    pub(super) fn to_send(&self) -> &[u8] {
        &self.said[self.sent..]
    }

    /// That many bytes are sent.
    pub(super) fn has_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        // Not only when all is sent: of a busy connection that may never come.
        if self.sent == self.said.len() || self.sent >= PUBLISH_WRITE_BYTES {
            self.said.drain(..self.sent);
            self.sent = 0;
            // One long message must not hold its memory for ever.
            if self.said.len() < PUBLISH_WRITE_BYTES {
                self.said.shrink_to(2 * PUBLISH_WRITE_BYTES);
            }
        }
    }

    /// The broker has said `bytes`. What is thereby acknowledged is passed to `acknowledged`, in order.
    pub(super) fn hears(
        &mut self,
        bytes: &[u8],
        now: Instant,
        acknowledged: &mut dyn FnMut(T),
    ) -> Result<(), Trouble> {
        self.heard.extend_from_slice(bytes);
        let mut used = 0;
        while let Some((packet, len)) =
            heard::read(&self.heard[used..], BROKER_PACKET_BYTES).map_err(|_| Trouble::Nonsense)?
        {
            used += len;
            self.takes(packet)?;
        }
        self.heard.drain(..used);
        while self
            .in_flight
            .front()
            .is_some_and(|first| first.acknowledged)
        {
            if let Some(message) = self.in_flight.pop_front() {
                self.in_flight_bytes -= message.bytes;
                acknowledged(message.what);
            }
        }
        let owes = !self.in_flight.is_empty() || self.pinged || !self.is_open();
        self.owes_since = owes.then_some(now);
        Ok(())
    }

    fn takes(&mut self, packet: Packet) -> Result<(), Trouble> {
        match (self.phase, packet) {
            (Phase::Greeting, Packet::Connected(terms)) => self.is_welcomed(terms),
            (Phase::Open, Packet::Acknowledged { number, reason }) => {
                if reason >= 0x80 {
                    return Err(Trouble::NotTaken(in_words(self.version, reason)));
                }
                if let Some(message) = self
                    .in_flight
                    .iter_mut()
                    .find(|message| message.number == number)
                {
                    message.acknowledged = true;
                }
                Ok(())
            }
            (Phase::Open, Packet::Pong) => {
                self.pinged = false;
                Ok(())
            }
            (_, Packet::Disconnected { reason }) => {
                Err(Trouble::Dismissed(in_words(self.version, reason)))
            }
            _ => Err(Trouble::Nonsense),
        }
    }

    fn is_welcomed(&mut self, terms: Connected) -> Result<(), Trouble> {
        match (self.version, terms.code) {
            (_, 0) => {}
            // A broker that does not know version 5 may answer in its own (MQTT 5, 3.1.2.2).
            (_, 1) | (Version::Five, 0x84) => return Err(Trouble::Version(self.version)),
            (version, code) => {
                let mut why = in_words(version, code);
                if matches!(code, 4 | 5 | 0x86 | 0x87) {
                    why.push_str(
                        " (is it the right user in --publish, and the right password in the file?)",
                    );
                }
                return Err(Trouble::Refused(why));
            }
        }
        if !terms.acknowledges {
            return Err(Trouble::Lacks("QoS 1"));
        }
        if let Some(seconds) = terms.keep_alive_seconds.filter(|&seconds| seconds > 0) {
            self.keep_alive = Duration::from_secs(u64::from(seconds));
        }
        self.terms = terms;
        self.phase = Phase::Open;
        Ok(())
    }

    /// When [`Session::ticks`] has something to do next.
    pub(super) fn deadline(&self) -> Instant {
        let ping = self.last_said + self.keep_alive;
        let silent = self.owes_since.map(|since| since + self.patience());
        silent.map_or(ping, |silent| silent.min(ping))
    }

    /// Pings where that is due; an error where the broker has owed an answer for too long.
    pub(super) fn ticks(&mut self, now: Instant) -> Result<(), Trouble> {
        let wait = self.patience();
        if self.owes_since.is_some_and(|since| now >= since + wait) {
            let what = match self.phase {
                Phase::Greeting => "does not answer as a broker does",
                Phase::Open => "acknowledges nothing",
            };
            return Err(Trouble::Silent(what, wait));
        }
        if self.is_open() && now >= self.last_said + self.keep_alive {
            said::ping(&mut self.said);
            self.pinged = true;
            self.says(now);
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        match self.phase {
            Phase::Greeting => WELCOME_WAIT,
            Phase::Open => ACKNOWLEDGE_WAIT,
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
