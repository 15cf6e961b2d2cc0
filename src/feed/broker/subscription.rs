//! One connection to a broker that we subscribe at: the messages that it sends. No socket, no clock.

use std::time::Instant;

use crate::mqtt::conversation::Conversation;
use crate::mqtt::heard::{Packet, Published};
use crate::mqtt::reason::in_words;
use crate::mqtt::said::{self, Subscribe};
use crate::mqtt::trouble::Trouble;

/// What is said to the broker, and whether it has granted what was asked for.
#[derive(Debug)]
pub(super) struct Subscription<'a> {
    pub(super) conversation: Conversation,
    filter: &'a str,
    is_granted: bool,
}

impl Subscription<'_> {
    /// One that asks for what is published to `filter` as soon as it is welcome.
    pub(super) fn new(conversation: Conversation, filter: &str) -> Subscription<'_> {
        Subscription {
            conversation,
            filter,
            is_granted: false,
        }
    }

    /// The broker sends what is published.
    pub(super) fn is_open(&self) -> bool {
        self.is_granted
    }

    /// Takes what the broker says: the messages in it, which are to be acknowledged once they are kept.
    pub(super) fn hears(&mut self, bytes: &[u8], now: Instant) -> Result<Vec<Published>, Trouble> {
        self.conversation.hears(bytes);
        let version = self.conversation.version();
        let mut messages = Vec::new();
        while let Some(packet) = self.conversation.next()? {
            match packet {
                Packet::Connected(_) => {
                    let subscribe = Subscribe {
                        number: 1,
                        filter: self.filter,
                    };
                    let write = |version, out: &mut Vec<u8>| subscribe.write(version, out);
                    self.conversation.ask(now, write);
                }
                Packet::Subscribed { reason } if reason >= 0x80 && !self.is_granted => {
                    let (filter, why) = (self.filter.to_owned(), in_words(version, reason));
                    return Err(Trouble::NotGranted(filter, why));
                }
                Packet::Subscribed { .. } if !self.is_granted => self.is_granted = true,
                // A session that goes on may bring messages before the answer to SUBSCRIBE.
                Packet::Published { flags, body } => {
                    let message = Published::read(version, flags, &body);
                    messages.push(message.map_err(|_| Trouble::Nonsense)?);
                }
                _ => return Err(Trouble::Nonsense),
            }
        }
        self.conversation.has_heard(!self.is_granted, now);
        Ok(messages)
    }

    /// A message is kept.
    pub(super) fn acknowledge(&mut self, message: &Published, now: Instant) {
        if let Some(number) = message.number {
            self.conversation
                .say(now, |_, out| said::acknowledge(number, out));
        }
    }
}
