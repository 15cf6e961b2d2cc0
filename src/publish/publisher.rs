//! One publisher's life: connect, publish, tell of trouble, wait, and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::config::publishing::{Broker, Publishing};
use crate::error::StartError;
use crate::limits::{KEEP_ALIVE_SECONDS, PASSWORD_BYTES};
use crate::mqtt;
use crate::mqtt::conversation::Conversation;
use crate::mqtt::packet::Version;
use crate::mqtt::said::{Connect, Role};
use crate::mqtt::trouble::Trouble;
use crate::outward::{Reach, Way};
use crate::small_file;

use super::places::Places;
use super::session::Session;
use super::talk::{Means, OFFLINE, Talk};

/// What a publisher works with, over all its connections.
#[derive(Debug)]
pub(super) struct Publisher {
    broker: Broker,
    way: Way,
    password_file: Option<PathBuf>,
    from_start: bool,
    means: Means,
    places: Places,
    /// What the broker spoke last, as long as it can be reached.
    version: Version,
    reach: Reach,
}

impl Publisher {
    pub(super) fn new(
        (broker, way): (&Broker, Way),
        settings: &Publishing,
        means: Means,
        places: Places,
    ) -> Publisher {
        Publisher {
            broker: broker.clone(),
            way,
            password_file: settings.password_file.clone(),
            from_start: settings.from_start,
            means,
            places,
            version: Version::Five,
            reach: Reach::new(
                broker,
                [
                    format!("can't publish to {broker}"),
                    "; the lines stay in the files, and it is tried again".to_owned(),
                ],
            ),
        }
    }

    /// See [`super::Publishers::note_start`].
    pub(super) fn note_start(&mut self) -> Result<(), StartError> {
        self.places.begin(&self.means.hub, self.from_start);
        self.places.save(&self.means.hub).map_err(|error| {
            StartError::failed(format!("write {}", self.places.path().display()), error)
        })
    }

    /// Runs it to its end, which is a stop. Blocks until then.
    pub(super) fn run(mut self) {
        let bell = Arc::clone(&self.means.bell);
        loop {
            let mut version = self.version;
            let ended = mqtt::in_its_version(&mut version, &bell, |version| self.talk(version));
            self.version = version;
            self.is_disconnected();
            match ended {
                Err(trouble) if !bell.is_stopping() => {
                    let is_refusal = trouble.is_refusal();
                    self.reach.is_away(&trouble.to_string(), is_refusal);
                }
                _ => return,
            }
            if !self.reach.rest(&bell) {
                return;
            }
        }
    }

    fn is_disconnected(&mut self) {
        self.means.tally.connected.store(false, Ordering::Relaxed);
        self.means.tally.in_flight.store(0, Ordering::Relaxed);
        self.places.save_changed(&self.means.hub);
    }

    /// One connection: publishes until a stop; any other end is trouble.
    fn talk(&mut self, version: Version) -> Result<(), Trouble> {
        let password = match (&self.password_file, &self.broker.user) {
            (Some(path), Some(_)) => Some(password(path).map_err(Trouble::Password)?),
            _ => None,
        };
        let connection = self.way.connect(&self.means.bell)?;
        let status = self.means.topics.status();
        let connect = Connect {
            client: self.places.client(),
            user: self.broker.user.as_deref(),
            password: password.as_deref(),
            keep_alive_seconds: KEEP_ALIVE_SECONDS,
            role: Role::Publisher {
                will: (&status, OFFLINE),
            },
        };
        let conversation = Conversation::new(version, &connect, Instant::now());
        let (broker, reach) = (&self.broker, &mut self.reach);
        let mut works = || {
            reach.is_back(|| log::info!("publishing to {broker} by {version}"));
        };
        Talk::new(
            &self.means,
            &mut self.places,
            connection,
            Session::new(conversation),
            &mut works,
        )
        .run()
    }
}

/// The password in the file `path`: its first line. Read at each connection, so that it can be changed.
pub(super) fn password(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |cause: &dyn std::fmt::Display| {
        format!("can't read the password in {}: {cause}", path.display())
    };
    let (bytes, _) = small_file::read_text(path, PASSWORD_BYTES).map_err(|error| {
        failed(&format!(
            "{error}: it must be a file with the password alone that this user can read"
        ))
    })?;
    let line = bytes.split(|&byte| byte == b'\n').next();
    let line = line.unwrap_or_default();
    match line.strip_suffix(b"\r").unwrap_or(line) {
        b"" => Err(failed(&"its first line is empty")),
        line => Ok(line.to_vec()),
    }
}
