//! What is said over one connection to a broker, whichever way the lines go: bytes and times in, bytes and packets out.
//! It greets, keeps alive, and tells a broker that is gone. No clock, and no socket but to send by.

use std::io;
use std::time::{Duration, Instant};

use crate::limits::{
    ACKNOWLEDGE_WAIT, BROKER_PACKET_BYTES, KEEP_ALIVE_SECONDS, PUBLISH_WRITE_BYTES,
    SUBSCRIBED_PACKET_BYTES, WELCOME_WAIT,
};
use crate::outward::{Connection, Unreached, is_not_yet};

use super::heard::{self, Connected, Packet};
use super::packet::Version;
use super::reason::in_words;
use super::said::{self, Connect, Role};
use super::trouble::Trouble;

/// How the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Greeted; the broker has not answered.
    Greeting,
    /// Welcome.
    Open,
}

/// What depends on what the connection is for.
#[derive(Clone, Copy, Debug)]
struct Side {
    /// How long the broker may owe an answer once we are welcome, and what is said then.
    patience: (Duration, &'static str),
    /// A packet from the broker is no longer.
    packet_bytes_max: usize,
    /// What to look at where the broker does not let us in.
    hint: &'static str,
}

const PUBLISHES: Side = Side {
    patience: (ACKNOWLEDGE_WAIT, "acknowledges nothing"),
    packet_bytes_max: BROKER_PACKET_BYTES,
    hint: " (is it the right user in --publish, and the right password in the file?)",
};

const SUBSCRIBES: Side = Side {
    patience: (WELCOME_WAIT, "says nothing"),
    packet_bytes_max: SUBSCRIBED_PACKET_BYTES,
    hint: " (its line in --credentials-file is HOST USER:PASSWORD)",
};

/// One conversation with a broker.
#[derive(Debug)]
pub(crate) struct Conversation {
    version: Version,
    side: Side,
    phase: Phase,
    /// What the broker takes.
    terms: Connected,
    keep_alive: Duration,
    heard: Vec<u8>,
    /// How much of `heard` is taken.
    taken: usize,
    said: Vec<u8>,
    /// How much of `said` is sent.
    sent: usize,
    last_said: Instant,
    /// Since when the broker owes an answer and has said nothing.
    owes_since: Option<Instant>,
    pinged: bool,
}

impl Conversation {
    /// Greets.
    pub(crate) fn new(version: Version, connect: &Connect<'_>, now: Instant) -> Conversation {
        let mut said = Vec::new();
        connect.write(version, &mut said);
        Conversation {
            version,
            side: match connect.role {
                Role::Publisher { .. } => PUBLISHES,
                Role::Subscriber { .. } => SUBSCRIBES,
            },
            phase: Phase::Greeting,
            terms: Connected::default(),
            keep_alive: Duration::from_secs(u64::from(KEEP_ALIVE_SECONDS)),
            heard: Vec::new(),
            taken: 0,
            said,
            sent: 0,
            last_said: now,
            owes_since: Some(now),
            pinged: false,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The broker has welcomed us.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// What the broker takes.
    pub(crate) fn terms(&self) -> &Connected {
        &self.terms
    }

    /// What is to be sent.
    pub(crate) fn to_send(&self) -> &[u8] {
        &self.said[self.sent..]
    }

    /// That many bytes are sent.
    pub(crate) fn has_sent(&mut self, bytes: usize) {
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

    /// Sends what the socket takes now; whether that was all.
    pub(crate) fn send(&mut self, connection: &mut Connection) -> io::Result<bool> {
        while !self.to_send().is_empty() {
            match connection.write(self.to_send()) {
                Ok(n) => self.has_sent(n),
                Err(error) if is_not_yet(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(connection.flush()? && self.to_send().is_empty())
    }

    /// Says something that the broker need not answer.
    pub(crate) fn say(&mut self, now: Instant, write: impl FnOnce(Version, &mut Vec<u8>)) {
        write(self.version, &mut self.said);
        self.last_said = now;
    }

    /// Says something that the broker owes an answer to.
    pub(crate) fn ask(&mut self, now: Instant, write: impl FnOnce(Version, &mut Vec<u8>)) {
        self.say(now, write);
        self.owes_since.get_or_insert(now);
    }

    /// The broker has closed the connection: what that says.
    pub(crate) fn ended(&self) -> Trouble {
        match self.phase {
            Phase::Greeting => Trouble::Unwelcome(self.version),
            Phase::Open => Trouble::Ended,
        }
    }

    /// Reading has failed: what that says.
    pub(crate) fn failed(&self, error: io::Error) -> Trouble {
        match (Unreached::of_tls(error), self.phase) {
            (Ok(unreached), _) => unreached.into(),
            (Err(_), Phase::Greeting) => Trouble::Unwelcome(self.version),
            (Err(error), Phase::Open) => Trouble::Broken(error),
        }
    }

    /// Takes leave: nothing is said after that.
    pub(crate) fn disconnect(&mut self) {
        said::disconnect(&mut self.said);
    }

    /// The broker has said `bytes`: [`Conversation::next`] gives the packets, and [`Conversation::has_heard`] ends it.
    pub(crate) fn hears(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    /// The next packet that is not the conversation's own affair: its welcome, and what comes after that.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, Trouble> {
        loop {
            let bytes = &self.heard[self.taken..];
            let read = heard::read(bytes, self.side.packet_bytes_max);
            let Some((packet, len)) = read.map_err(|_| Trouble::Nonsense)? else {
                self.heard.drain(..self.taken);
                self.taken = 0;
                return Ok(None);
            };
            self.taken += len;
            match (self.phase, packet) {
                (_, Packet::Disconnected { reason }) => {
                    return Err(Trouble::Dismissed(in_words(self.version, reason)));
                }
                (Phase::Greeting, Packet::Connected(terms)) => {
                    self.is_welcomed(&terms)?;
                    return Ok(Some(Packet::Connected(terms)));
                }
                (Phase::Greeting, _) | (Phase::Open, Packet::Connected(_)) => {
                    return Err(Trouble::Nonsense);
                }
                (Phase::Open, Packet::Pong) => self.pinged = false,
                (Phase::Open, packet) => return Ok(Some(packet)),
            }
        }
    }

    fn is_welcomed(&mut self, terms: &Connected) -> Result<(), Trouble> {
        match (self.version, terms.code) {
            (_, 0) => {}
            // A broker that does not know version 5 may answer in its own (MQTT 5, 3.1.2.2).
            (_, 1) | (Version::Five, 0x84) => return Err(Trouble::Version(self.version)),
            (version, code) => {
                let mut why = in_words(version, code);
                if matches!(code, 4 | 5 | 0x86 | 0x87) {
                    why.push_str(self.side.hint);
                }
                return Err(Trouble::Refused(why));
            }
        }
        if let Some(seconds) = terms.keep_alive_seconds.filter(|&seconds| seconds > 0) {
            self.keep_alive = Duration::from_secs(u64::from(seconds));
        }
        self.terms = terms.clone();
        self.phase = Phase::Open;
        Ok(())
    }

    /// The broker has spoken; whether it still `owes` an answer.
    pub(crate) fn has_heard(&mut self, owes: bool, now: Instant) {
        let owes = owes || self.pinged || !self.is_open();
        self.owes_since = owes.then_some(now);
    }

    /// When [`Conversation::ticks`] has something to do next.
    pub(crate) fn deadline(&self) -> Instant {
        let ping = self.last_said + self.keep_alive;
        let silent = self.owes_since.map(|since| since + self.patience().0);
        silent.map_or(ping, |silent| silent.min(ping))
    }

    /// Pings where that is due; an error where the broker has owed an answer for too long.
    pub(crate) fn ticks(&mut self, now: Instant) -> Result<(), Trouble> {
        let (wait, what) = self.patience();
        if self.owes_since.is_some_and(|since| now >= since + wait) {
            return Err(Trouble::Silent(what, wait));
        }
        if self.is_open() && now >= self.last_said + self.keep_alive {
            self.ask(now, |_, out| said::ping(out));
            self.pinged = true;
        }
        Ok(())
    }

    fn patience(&self) -> (Duration, &'static str) {
        match self.phase {
            Phase::Greeting => (WELCOME_WAIT, "does not answer as a broker does"),
            Phase::Open => self.side.patience,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_not_kept_even_where_something_always_waits() {
        let connect = Connect {
            client: "me",
            user: None,
            password: None,
            keep_alive_seconds: KEEP_ALIVE_SECONDS,
            role: Role::Subscriber { kept_seconds: 0 },
        };
        let now = Instant::now();
        let mut conversation = Conversation::new(Version::Five, &connect, now);
        for _ in 0..200 {
            conversation.say(now, |_, out| out.extend([0; PUBLISH_WRITE_BYTES / 2]));
            conversation.has_sent(conversation.to_send().len() - 1);
        }
        assert!(conversation.said.capacity() <= 4 * PUBLISH_WRITE_BYTES);
    }
}
