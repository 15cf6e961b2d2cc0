//! One connection to a broker, from the greeting to its end: hear, publish, send, wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::config::value::Format;
use crate::hub::{Hub, Selection};
use crate::limits::{
    BATCH_MESSAGE_BYTES, BROKER_READS_MAX, ID_BYTES, PUBLISH_GOODBYE, PUBLISH_GRACE,
    PUBLISH_WRITE_BYTES, STATE_NAMES_MAX,
};
use crate::mqtt::trouble::Trouble;
use crate::outward::{Bell, Connection, is_not_yet};
use crate::reader::note;
use crate::source::{EventKind, Id, Kind, Segment};
use crate::tally::Tally;

use super::feed::Feed;
use super::message;
use super::places::Places;
use super::session::Session;
use super::topic::Topics;

/// What the broker says for us when we are gone.
pub(super) const OFFLINE: &[u8] = b"offline";
const ONLINE: &[u8] = b"online";

/// What publishing needs, whatever the connection.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) hub: Arc<Hub>,
    pub(super) queue_batches: usize,
    pub(super) bell: Arc<Bell>,
    pub(super) tally: Arc<Tally>,
    pub(super) topics: Topics,
    pub(super) format: Format,
}

/// One connection to a broker, from its welcome to its end.
pub(super) struct Talk<'a> {
    means: &'a Means,
    places: &'a mut Places,
    connection: Connection,
    session: Session<Note>,
    /// Once the broker has welcomed us.
    feed: Option<Feed>,
    /// Behind what was said last of each file, by the hash of its name.
    said: HashMap<u32, Option<Id>>,
    /// Called once it is known that publishing works.
    works: &'a mut dyn FnMut(),
    payload: Vec<u8>,
    /// A message was put together for this connection.
    has_published: bool,
    /// The topic of that one, as long as none was acknowledged.
    first_topic: Option<String>,
}

/// What is heard back of a message.
#[derive(Debug)]
pub(super) enum Note {
    /// `online`.
    Birth,
    /// Some lines or an event.
    Place { id: Id, lines: usize },
}

/// How far publishing went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// All that there is now is on its way; there may be more then.
    Everything { again: Option<Instant> },
    /// The broker must acknowledge something first.
    UpToRoom,
    /// The socket must take something first.
    UpToSocket,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        means: &'a Means,
        places: &'a mut Places,
        connection: Connection,
        session: Session<Note>,
        works: &'a mut dyn FnMut(),
    ) -> Talk<'a> {
        Talk {
            means,
            places,
            connection,
            session,
            feed: None,
            said: HashMap::new(),
            works,
            payload: Vec::new(),
            has_published: false,
            first_topic: None,
        }
    }

    /// Publishes until a stop, goodbye included; any other end is trouble. Blocks until then.
    pub(super) fn run(mut self) -> Result<(), Trouble> {
        let mut end_by = None;
        loop {
            let is_heard = self.hear()?;
            self.session.conversation.ticks(Instant::now())?;
            if self.session.conversation.is_open() && self.feed.is_none() {
                self.is_welcome()?;
            }
            let filled = self.fill()?;
            let is_sent = self.send()?;
            let tally = &self.means.tally;
            tally
                .in_flight
                .store(self.session.in_flight(), Ordering::Relaxed);
            let now = Instant::now();
            if self.places.due().is_some_and(|due| now >= due) {
                self.places.save_changed(&self.means.hub);
            }
            let waits_to_send = !is_sent;
            if self.means.bell.is_stopping() {
                let end_by = *end_by.get_or_insert(now + PUBLISH_GRACE);
                let is_all = matches!(filled, Filled::Everything { .. });
                let drained = is_all && self.session.in_flight() == 0;
                if drained || now >= end_by || !self.session.conversation.is_open() {
                    self.say_goodbye(now + PUBLISH_GOODBYE);
                    return Ok(());
                }
            }
            if !is_heard || (filled == Filled::UpToSocket && !waits_to_send) {
                continue;
            }
            let again = match filled {
                Filled::Everything { again } => again,
                Filled::UpToRoom | Filled::UpToSocket => None,
            };
            let due = [
                Some(self.session.conversation.deadline()),
                self.places.due(),
                end_by,
                again,
            ];
            let until = due.into_iter().flatten().min().unwrap_or(now);
            self.means
                .bell
                .wait(Some(self.connection.waits(waits_to_send)), until)
                .map_err(Trouble::Broken)?;
        }
    }

    /// Says `online`, and begins to read where the last acknowledged places are.
    fn is_welcome(&mut self) -> Result<(), Trouble> {
        let Means {
            hub, bell, tally, ..
        } = self.means;
        tally.connected.store(true, Ordering::Relaxed);
        tally.connections.fetch_add(1, Ordering::Relaxed);
        self.say_status(ONLINE);
        let noted = note(hub, &Selection::All, true);
        for state in &noted {
            self.places.note_new(hub, state);
        }
        let from = |source: &crate::source::Source| self.places.from(source);
        let feed = Feed::begin(hub, bell, self.means.queue_batches, noted, &from);
        self.feed = Some(feed.map_err(Trouble::Files)?);
        Ok(())
    }

    fn say_status(&mut self, status: &[u8]) {
        let (topic, retain) = (
            self.means.topics.status(),
            self.session.conversation.terms().retains,
        );
        let now = Instant::now();
        self.session
            .publish((&topic, status), None, retain, Note::Birth, now);
    }

    /// Reads what the broker says; whether that was all that is there now. One that talks without end must not keep us
    /// from anything else.
    fn hear(&mut self) -> Result<bool, Trouble> {
        let mut buf = [0; 4096];
        for _ in 0..BROKER_READS_MAX {
            match self.connection.read(&mut buf) {
                Ok(0) => {
                    let trouble = self.session.conversation.ended();
                    return Err(self.ended(trouble));
                }
                Ok(n) => {
                    let (places, works, tally) =
                        (&mut *self.places, &mut *self.works, &self.means.tally);
                    let first_topic = &mut self.first_topic;
                    let mut acknowledged = |note| match note {
                        Note::Birth => works(),
                        Note::Place { id, lines } => {
                            *first_topic = None;
                            places.is_acknowledged(id);
                            tally.messages.fetch_add(1, Ordering::Relaxed);
                            tally.lines.fetch_add(lines as u64, Ordering::Relaxed);
                        }
                    };
                    self.session
                        .hears(&buf[..n], Instant::now(), &mut acknowledged)?;
                }
                Err(error) if is_not_yet(&error) => return Ok(true),
                Err(error) => {
                    let trouble = self.session.conversation.failed(error);
                    return Err(self.ended(trouble));
                }
            }
        }
        Ok(false)
    }

    /// The connection has ended. Some brokers do that where a topic is none for them: then no message was ever taken.
    fn ended(&mut self, trouble: Trouble) -> Trouble {
        match (trouble, self.first_topic.take()) {
            (Trouble::Ended | Trouble::Broken(_), Some(topic)) => Trouble::EndedAt(topic),
            (trouble, _) => trouble,
        }
    }

    /// Puts together what may be in flight.
    fn fill(&mut self) -> Result<Filled, Trouble> {
        let Some(feed) = &mut self.feed else {
            return Ok(Filled::UpToRoom);
        };
        feed.look();
        let means = self.means;
        loop {
            if self.session.conversation.to_send().len() >= PUBLISH_WRITE_BYTES {
                return Ok(Filled::UpToSocket);
            }
            if !self.session.has_room() {
                return Ok(Filled::UpToRoom);
            }
            let Some((segment, line)) = feed.next().map_err(Trouble::Files)? else {
                let again = feed.again();
                return Ok(Filled::Everything { again });
            };
            self.places.comes(&segment.source);
            let topic = means.topics.of(&segment.source);
            let bytes_max = self.session.payload_bytes_max(&topic, ID_BYTES);
            self.payload.clear();
            // One long line must not hold its memory for ever.
            self.payload.shrink_to(2 * BATCH_MESSAGE_BYTES);
            if self.said.len() >= STATE_NAMES_MAX {
                // Names come and go. The last acknowledged place does nearly as well.
                self.said.clear();
            }
            let places = &self.places;
            let said = self.said.entry(segment.source.name_hash);
            let said = said.or_insert_with(|| places.acknowledged(&segment.source));
            let limits = (bytes_max, *said);
            let message = message::write(means.format, segment, line, limits, &mut self.payload);
            // A start moves nothing on: where the acknowledged place is gone, the gap behind it leads away from there.
            let moves_on = !message.is_start || said.is_none();
            if moves_on && !message.silent {
                *said = Some(message.id);
            }
            let place = said.unwrap_or(message.id);
            tell_loss(&means.tally.broker, segment, message.left_out_bytes);
            if !message.silent {
                if !self.has_published {
                    self.has_published = true;
                    self.first_topic = Some(topic.clone());
                }
                let note = Note::Place {
                    id: place,
                    lines: message.lines,
                };
                let id = message.id.to_string();
                let payload = (topic.as_str(), &self.payload[..]);
                self.session
                    .publish(payload, Some(&id), false, note, Instant::now());
            }
            feed.is_taken(message.last, message.ends);
        }
    }

    /// Writes what the socket takes now; whether that was all.
    fn send(&mut self) -> Result<bool, Trouble> {
        match self.session.conversation.send(&mut self.connection) {
            // What it said last, a refusal perhaps, is worth more than how the connection broke.
            Err(error) => self.hear().and(Err(Trouble::Broken(error))),
            Ok(is_all) => Ok(is_all),
        }
    }

    /// The will is only published when a connection is lost, so the end is announced by ourselves.
    fn say_goodbye(mut self, until: Instant) {
        // What is read is not published any more.
        self.feed = None;
        if !self.session.conversation.is_open() {
            return;
        }
        self.say_status(OFFLINE);
        self.session.conversation.disconnect();
        while Instant::now() < until {
            match self.send() {
                Ok(true) => break,
                Ok(false) => {}
                Err(_) => return,
            }
            let waits = self.connection.waits(true);
            if self.means.bell.wait(Some(waits), until).is_err() {
                return;
            }
        }
        self.connection.close(&self.means.bell, until);
    }
}

/// Lines that are gone before they were published are worth a line in the log, whatever the format.
fn tell_loss(broker: &str, segment: &Segment, left_out_bytes: Option<usize>) {
    let name = crate::escape::shown(segment.source.name.as_bytes());
    if let Some(bytes) = left_out_bytes {
        log::warn!(
            "{broker} takes no message as large as a line of {name}: its {bytes} bytes are left out"
        );
    }
    if let Kind::Event(event) = &segment.kind {
        if let EventKind::Gap { lost_bytes, reason } = &event.kind {
            let lost = lost_bytes.map_or_else(|| "some".to_owned(), |bytes| bytes.to_string());
            log::warn!("{lost} bytes of {name} are gone before {broker} had them: {reason}");
        }
    }
}
