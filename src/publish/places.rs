//! How far each file is published, as the broker has acknowledged it: noted in memory, and written to the state
//! directory now and then.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::escape::shown;
use crate::hub::{Hub, SourceState};
use crate::limits::{STATE_EVERY, STATE_NAMES_MAX};
use crate::reader::From;
use crate::source::{Id, IdMaker, Source};
use crate::tally::Tally;

use super::state::State;

/// How far each file is published.
#[derive(Debug)]
pub(super) struct Places {
    tally: Arc<Tally>,
    state: State,
    /// When the state was written last, before this start.
    written: Option<SystemTime>,
    saved: Instant,
    changed: bool,
    save_failed: bool,
    /// The hashes of the names that were followed when they were written last.
    followed: BTreeSet<u32>,
}

impl Places {
    /// The places in `tally` are those that `state` has kept since it was `written`.
    pub(super) fn new(tally: Arc<Tally>, state: State, written: Option<SystemTime>) -> Places {
        Places {
            tally,
            state,
            written,
            saved: Instant::now(),
            changed: true,
            save_failed: false,
            followed: BTreeSet::new(),
        }
    }

    /// Our name at the broker.
    pub(super) fn client(&self) -> &str {
        self.state.client()
    }

    /// Where they are kept.
    pub(super) fn path(&self) -> &Path {
        self.state.path()
    }

    /// Notes where files begin that were never published: at their live edge; with `from_start`, or where they were
    /// missing or made since the state was written last, with their first byte.
    pub(super) fn begin(&mut self, hub: &Hub, from_start: bool) {
        for state in hub.sources() {
            let is_younger = || {
                let file = &state.generation.as_ref()?.file;
                Some(file.metadata().ok()?.created().ok()? > self.written?)
            };
            let was_missing = self
                .tally
                .place(state.source.name_hash)
                .is_some_and(|id| id.is_nowhere());
            if state.generation.is_none() || from_start || was_missing || is_younger() == Some(true)
            {
                self.note_new(hub, &state);
            } else {
                self.note(&state.source, state.edge.id);
            }
        }
    }

    /// A file that was never published, and has come or not, begins with its first byte.
    pub(super) fn note_new(&mut self, hub: &Hub, state: &SourceState) {
        let source = &state.source;
        let name_hash = source.name_hash;
        let generations = hub.generations(source.index);
        let begins = generations.first().map_or(Id::nowhere(name_hash), |first| {
            IdMaker::beginning(name_hash, &first.identity)
        });
        self.note(source, begins);
    }

    /// Lines of `source` are published next: where it has come since, it begins with its first byte, and so it does after
    /// a restart as long as nothing of it is acknowledged.
    pub(super) fn comes(&mut self, source: &Source) {
        if self.tally.place(source.name_hash).is_none() {
            self.note(source, Id::nowhere(source.name_hash));
        }
    }

    /// Notes the first place of a file.
    fn note(&mut self, source: &Source, id: Id) {
        let mut places = self.tally.ids.lock();
        let place = places
            .entry(source.name_hash)
            .or_insert_with(|| (id, shown(source.name.as_bytes())));
        if place.0.is_nowhere() {
            place.0 = id;
        }
        self.changed = true;
    }

    /// The place of `source` that the broker has acknowledged last.
    pub(super) fn acknowledged(&self, source: &Source) -> Option<Id> {
        let place = self.tally.place(source.name_hash);
        place.filter(|id| !id.is_nowhere())
    }

    /// Where publishing `source` goes on.
    pub(super) fn from(&self, source: &Source) -> From {
        self.tally
            .place(source.name_hash)
            .map_or(From::All, From::After)
    }

    /// The broker has what is before `id`.
    pub(super) fn is_acknowledged(&mut self, id: Id) {
        if let Some(place) = self.tally.ids.lock().get_mut(&id.name_hash) {
            place.0 = id;
            self.changed = true;
        }
    }

    /// When the places are to be written next, where they have changed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.changed.then(|| self.saved + STATE_EVERY)
    }

    /// Names that the hub has forgotten since are gone for good: their places are dropped.
    fn drop_forgotten(&mut self, hub: &Hub) {
        let sources = hub.sources();
        let followed = sources.iter().map(|state| state.source.name_hash);
        let followed: BTreeSet<u32> = followed.collect();
        let mut places = self.tally.ids.lock();
        for name_hash in self.followed.difference(&followed) {
            places.remove(name_hash);
        }
        if places.len() > STATE_NAMES_MAX {
            places.retain(|name_hash, _| followed.contains(name_hash));
        }
        drop(places);
        self.followed = followed;
    }

    /// Writes the places. Blocks on the disk.
    pub(super) fn save(&mut self, hub: &Hub) -> io::Result<()> {
        self.saved = Instant::now();
        self.drop_forgotten(hub);
        let places = self.tally.ids.lock().clone();
        self.state.save(&places)?;
        self.changed = false;
        Ok(())
    }

    /// Writes the places where they have changed, and says it when that begins or ceases to fail. Blocks on the disk.
    pub(super) fn save_changed(&mut self, hub: &Hub) {
        if !self.changed {
            return;
        }
        let broker = Arc::clone(&self.tally);
        let broker = &broker.broker;
        match self.save(hub) {
            Ok(()) if self.save_failed => {
                log::info!("how far {broker} is published to is written again");
                self.save_failed = false;
            }
            Err(error) if !self.save_failed => {
                log::warn!(
                    "how far {broker} is published to can't be written: {error}; a restart publishes again what comes \
                     until it can"
                );
                self.save_failed = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::config::publishing::Broker;
    use crate::source::Origin;
    use crate::tally::Ids;

    use super::*;

    #[test]
    fn a_name_that_is_forgotten_has_no_place_and_one_that_was_there_before_keeps_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let broker = Broker::parse("mqtt://h/logs").expect("a broker");
        let (state, _) = State::open(dir.path(), &broker).expect("a state");
        let tally = Arc::new(Tally::new("h".to_owned(), Ids::new()));
        let mut places = Places::new(Arc::clone(&tally), state, None);
        let hub = Hub::new(1 << 10).expect("a hub");
        let add = |name: &str| hub.add_source(name.to_owned(), PathBuf::from(name), Origin::File);
        let earlier = crate::source::id::name_hash("earlier.log");
        let kept = (Id::nowhere(earlier), "earlier.log".to_owned());
        tally.ids.lock().insert(earlier, kept);
        let (stays, goes) = (add("stays.log"), add("goes.log"));
        let hashes = [stays.name_hash, goes.name_hash, earlier];
        places.comes(&stays);
        places.comes(&goes);
        places.save(&hub).expect("written");
        assert!(hashes.iter().all(|&hash| tally.place(hash).is_some()));
        goes.set_parted();
        drop(goes);
        hub.forget_old();
        places.save(&hub).expect("written");
        let has = hashes.map(|hash| tally.place(hash).is_some());
        assert_eq!(has, [true, false, true]);
    }
}
