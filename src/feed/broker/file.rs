//! One file that a host publishes: its spool, and which of what comes the spool has already.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use crate::feed::spool::Spool;
use crate::feed::spools::Fed;
use crate::feed::upstream::event;
use crate::hub::SpoolPlace;
use crate::limits::BROKER_PLACES_KEPT;
use crate::source::EventKind;
use crate::upstream::message::Message;

/// The spool of one file.
pub(super) struct File {
    spool: Spool,
    /// The id of the place up to which the spool holds everything.
    id: Option<String>,
    /// Places that the spool has passed, oldest first.
    passed: VecDeque<(String, SpoolPlace)>,
    /// Something came since its place was last noted.
    unnoted: bool,
    /// The publisher has no such file since then.
    gone: Option<Instant>,
}

impl Fed for File {
    fn resume(mut spool: Spool) -> io::Result<File> {
        let noted = spool.noted().into_iter().rev();
        let passed = noted.map(|(at, id)| (id, at)).collect();
        let id = spool.resume()?;
        Ok(File {
            spool,
            id,
            passed,
            unnoted: false,
            gone: None,
        })
    }

    fn spool(&self) -> &Spool {
        &self.spool
    }

    fn gone_since(&self) -> Option<Instant> {
        self.gone
    }
}

impl File {
    /// Takes what was published; it counts once [`File::note`] was called.
    pub(super) fn take(&mut self, message: &Message<'_>) {
        self.unnoted = true;
        let id = message.id.as_ref().map(|id| id.0.clone().into_owned());
        if let Some(kind) = message.event() {
            return self.happens(kind, message, id);
        }
        let has_passed = |id: &String| self.passed.iter().any(|(passed, _)| passed == id);
        let from = message.from.as_ref().map(|from| from.0.as_ref());
        match from {
            _ if self.id.is_none() => {}
            Some(from) if self.id.as_deref() == Some(from) => {}
            Some(from) => match self.place_of(from) {
                Some(at) if self.spool.goes_back(at) => {}
                // All of it is older than what is remembered.
                _ if id.as_ref().is_some_and(has_passed) => return,
                _ => self.spool.tell(EventKind::Gap {
                    lost_bytes: None,
                    reason: "the broker did not deliver it".into(),
                }),
            },
            // In the format `json` an id is all there is to tell a line by.
            None if id.as_ref().is_some_and(has_passed) => return,
            None => {}
        }
        let mut bytes = Vec::new();
        message.store(false, &mut bytes);
        self.spool.append(&bytes);
        if let Some(id) = id {
            self.stands_at(id);
        }
    }

    fn happens(&mut self, name: &str, message: &Message<'_>, id: Option<String>) {
        if name == "start" {
            // Where a publisher begins. What the spool has goes before that.
            if self.id.is_none()
                && let Some(id) = id
            {
                self.stands_at(id);
            }
            return;
        }
        let is_old = |id: &String| {
            self.passed
                .iter()
                .rev()
                .skip(1)
                .any(|(passed, _)| passed == id)
        };
        if id.as_ref().is_some_and(is_old) {
            return;
        }
        if let Some(kind) = event(message) {
            self.gone = matches!(kind, EventKind::Missing).then(Instant::now);
            self.spool.tell(kind);
        }
        if let Some(id) = id {
            self.stands_at(id);
        }
    }

    fn place_of(&self, id: &str) -> Option<SpoolPlace> {
        let passed = self.passed.iter().rev().find(|(passed, _)| passed == id);
        passed.map(|(_, at)| *at)
    }

    fn stands_at(&mut self, id: String) {
        if self.id.as_ref() == Some(&id) {
            return;
        }
        if self.passed.len() == BROKER_PLACES_KEPT {
            self.passed.pop_front();
        }
        self.passed.push_back((id.clone(), self.spool.place()));
        self.id = Some(id);
    }

    /// Notes how far the spool has got, where something has come.
    pub(super) fn note(&mut self) {
        if let Some(id) = &self.id
            && std::mem::take(&mut self.unnoted)
        {
            self.spool.note(id);
        }
    }
}
