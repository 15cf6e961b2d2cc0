//! One connection to a broker that we publish to: what is in flight. No socket, no clock.
//!
//! What is in flight is remembered by its place in the file and not by its bytes: after a lost connection those are
//! read again. Acknowledgements are passed on in the order of the messages, whatever order they come in.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits::{IN_FLIGHT_BYTES, IN_FLIGHT_MAX};
use crate::mqtt::conversation::Conversation;
use crate::mqtt::heard::Packet;
use crate::mqtt::reason::in_words;
use crate::mqtt::said::{self, Publish};
use crate::mqtt::trouble::Trouble;

/// What is said to the broker. `T` is what the caller wants to hear back of a message once it is acknowledged.
#[derive(Debug)]
pub(super) struct Session<T> {
    pub(super) conversation: Conversation,
    in_flight: VecDeque<Message<T>>,
    in_flight_bytes: usize,
    number: u16,
}

#[derive(Debug)]
struct Message<T> {
    number: u16,
    bytes: usize,
    acknowledged: bool,
    what: T,
}

impl<T> Session<T> {
    /// One in which nothing is published yet.
    pub(super) fn new(conversation: Conversation) -> Session<T> {
        Session {
            conversation,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            number: 0,
        }
    }

    /// Messages that are not acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The longest payload on `topic` that the broker takes, with an id of `id_bytes`.
    pub(super) fn payload_bytes_max(&self, topic: &str, id_bytes: usize) -> usize {
        said::payload_bytes_max(topic, id_bytes, self.conversation.terms().packet_bytes_max)
    }

    /// One more message may be in flight.
    pub(super) fn has_room(&self) -> bool {
        let most = IN_FLIGHT_MAX.min(usize::from(self.conversation.terms().receive_max));
        self.conversation.is_open()
            && self.in_flight.len() < most
            && self.in_flight_bytes < IN_FLIGHT_BYTES
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
        let publish = Publish {
            number,
            topic,
            retain,
            id,
            payload,
        };
        let write = |version, out: &mut Vec<u8>| publish.write(version, out);
        self.conversation.ask(now, write);
        self.in_flight.push_back(Message {
            number,
            bytes: payload.len(),
            acknowledged: false,
            what,
        });
        self.in_flight_bytes += payload.len();
    }

    /// The broker has said `bytes`. What is thereby acknowledged is passed to `acknowledged`, in order.
    pub(super) fn hears(
        &mut self,
        bytes: &[u8],
        now: Instant,
        acknowledged: &mut dyn FnMut(T),
    ) -> Result<(), Trouble> {
        self.conversation.hears(bytes);
        while let Some(packet) = self.conversation.next()? {
            self.takes(&packet)?;
        }
        let is_done = |first: &Message<T>| first.acknowledged;
        while self.in_flight.front().is_some_and(is_done) {
            if let Some(message) = self.in_flight.pop_front() {
                self.in_flight_bytes -= message.bytes;
                acknowledged(message.what);
            }
        }
        self.conversation.has_heard(!self.in_flight.is_empty(), now);
        Ok(())
    }

    fn takes(&mut self, packet: &Packet) -> Result<(), Trouble> {
        match packet {
            Packet::Connected(terms) if !terms.acknowledges => Err(Trouble::Lacks("QoS 1")),
            Packet::Connected(_) => Ok(()),
            &Packet::Acknowledged { number, reason } => {
                if reason >= 0x80 {
                    let why = in_words(self.conversation.version(), reason);
                    return Err(Trouble::NotTaken(why));
                }
                let mut in_flight = self.in_flight.iter_mut();
                if let Some(message) = in_flight.find(|message| message.number == number) {
                    message.acknowledged = true;
                }
                Ok(())
            }
            _ => Err(Trouble::Nonsense),
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
