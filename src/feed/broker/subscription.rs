//! One connection to a broker that we subscribe at, as a protocol: bytes and times in, bytes and messages out. No socket,
//! no clock.

use std::fmt;
use std::time::{Duration, Instant};

use crate::limits::{KEEP_ALIVE_SECONDS, SUBSCRIBED_PACKET_BYTES, WELCOME_WAIT};
use crate::mqtt::heard::{self, Packet, Published};
use crate::mqtt::packet::Version;
use crate::mqtt::reason::in_words;
use crate::mqtt::said::{self, Connect, Subscribe};

/// Why the connection is of no more use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The broker does not know this version.
    Version,
    /// It refuses us, in words for the log: somebody must do something about it.
    Refused(String),
    /// Something else, in words for the log.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Version => f.write_str("it knows neither MQTT 5 nor MQTT 3.1.1"),
            Trouble::Refused(words) | Trouble::Other(words) => f.write_str(words),
        }
    }
}

impl Trouble {
    /// Trying again changes nothing.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Trouble::Version | Trouble::Refused(_))
    }

    fn other(what: impl Into<String>) -> Trouble {
        Trouble::Other(what.into())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Subscribing,
    Open,
}

/// One conversation with a broker: what was said, and what is due next.
#[derive(Debug)]
pub(super) struct Subscription {
    version: Version,
    filter: String,
    phase: Phase,
    keep_alive: Duration,
    heard: Vec<u8>,
    said: Vec<u8>,
    last_said: Instant,
    /// Since when an answer is due.
    owes_since: Option<Instant>,
}

impl Subscription {
    /// Begins with CONNECT.
    pub(super) fn new(
        version: Version,
        connect: &Connect<'_>,
        filter: &str,
        now: Instant,
    ) -> Subscription {
        let mut said = Vec::new();
        connect.write(version, &mut said);
        Subscription {
            version,
            filter: filter.to_owned(),
            phase: Phase::Greeting,
            keep_alive: Duration::from_secs(u64::from(KEEP_ALIVE_SECONDS)),
            heard: Vec::new(),
            said,
            last_said: now,
            owes_since: Some(now),
        }
    }

    /// The broker sends what is published.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// To be sent.
    pub(super) fn to_send(&self) -> &[u8] {
        &self.said
    }

    /// So many bytes of it were.
    pub(super) fn has_sent(&mut self, bytes: usize) {
        self.said.drain(..bytes);
    }

    /// Takes what the broker says: the messages in it, which are to be acknowledged once they are kept.
    pub(super) fn hears(&mut self, bytes: &[u8], now: Instant) -> Result<Vec<Published>, Trouble> {
        self.heard.extend_from_slice(bytes);
        let nonsense = || Trouble::other("it does not speak as a broker does");
        let mut messages = Vec::new();
        let mut used = 0;
        while let Some((packet, length)) =
            heard::read(&self.heard[used..], SUBSCRIBED_PACKET_BYTES).map_err(|_| nonsense())?
        {
            used += length;
            self.owes_since = None;
            match (self.phase, packet) {
                (Phase::Greeting, Packet::Connected(terms)) => self.is_welcomed(&terms, now)?,
                (Phase::Subscribing, Packet::Subscribed { reason }) if reason >= 0x80 => {
                    return Err(Trouble::Refused(format!(
                        "it does not let us subscribe to {}: {}",
                        self.filter,
                        in_words(self.version, reason)
                    )));
                }
                (Phase::Subscribing, Packet::Subscribed { .. }) => self.phase = Phase::Open,
                // A session that goes on may bring messages before the answer to SUBSCRIBE.
                (Phase::Subscribing | Phase::Open, Packet::Published { flags, body }) => {
                    let message = Published::read(self.version, flags, &body);
                    messages.push(message.map_err(|_| nonsense())?);
                }
                (_, Packet::Pong) => {}
                (_, Packet::Disconnected { reason }) => {
                    let why = in_words(self.version, reason);
                    return Err(Trouble::Other(format!("it ends the connection: {why}")));
                }
                _ => return Err(nonsense()),
            }
        }
        self.heard.drain(..used);
        Ok(messages)
    }

    fn is_welcomed(&mut self, terms: &heard::Connected, now: Instant) -> Result<(), Trouble> {
        match (self.version, terms.code) {
            (_, 0) => {}
            (_, 1) | (Version::Five, 0x84) => return Err(Trouble::Version),
            (version, code) => {
                let hint = match code {
                    4 | 5 | 0x86 | 0x87 => {
                        " (its line in --credentials-file is HOST USER:PASSWORD)"
                    }
                    _ => "",
                };
                return Err(Trouble::Refused(format!(
                    "it refuses us: {}{hint}",
                    in_words(version, code)
                )));
            }
        }
        if let Some(seconds) = terms.keep_alive_seconds.filter(|&seconds| seconds > 0) {
            self.keep_alive = Duration::from_secs(u64::from(seconds));
        }
        let subscribe = Subscribe {
            number: 1,
            filter: &self.filter,
        };
        subscribe.write(self.version, &mut self.said);
        self.phase = Phase::Subscribing;
        self.last_said = now;
        self.owes_since = Some(now);
        Ok(())
    }

    /// A message is kept.
    pub(super) fn acknowledge(&mut self, message: &Published, now: Instant) {
        if let Some(number) = message.number {
            said::acknowledge(number, &mut self.said);
            self.last_said = now;
        }
    }

    /// Says goodbye. The broker keeps the session.
    pub(super) fn disconnect(&mut self) {
        said::disconnect(&mut self.said);
    }

    /// When to call [`Subscription::ticks`].
    pub(super) fn deadline(&self) -> Instant {
        let ping = self.last_said + self.keep_alive;
        self.owes_since
            .map_or(ping, |since| ping.min(since + WELCOME_WAIT))
    }

    /// Pings where it is time for it; fails where the broker has owed an answer for too long.
    pub(super) fn ticks(&mut self, now: Instant) -> Result<(), Trouble> {
        if self
            .owes_since
            .is_some_and(|since| now >= since + WELCOME_WAIT)
        {
            return Err(Trouble::Other(format!(
                "it has said nothing for {} s",
                WELCOME_WAIT.as_secs()
            )));
        }
        if self.is_open() && now >= self.last_said + self.keep_alive {
            said::ping(&mut self.said);
            self.last_said = now;
            self.owes_since = Some(now);
        }
        Ok(())
    }
}
