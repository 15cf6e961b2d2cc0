//! One publisher's life: connect, publish, tell of trouble, wait, and again.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::config::publishing::{Broker, Publishing};
use crate::error::StartError;
use crate::limits::{KEEP_ALIVE_SECONDS, PASSWORD_BYTES};
use crate::outward::{BackOff, Unreached, Way};

use super::places::Places;
use super::session::Session;
use super::talk::{Means, OFFLINE, Talk};
use super::trouble::Trouble;
use crate::mqtt::packet::Version;
use crate::mqtt::said::{Connect, Role};

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
    standing: Standing,
}

/// What the log was told last.
#[derive(Debug)]
enum Standing {
    /// Nothing yet.
    New,
    /// It works since then.
    Works(Instant),
    /// There is trouble since then, and it was told; a refusal too, where one came.
    Trouble { since: Instant, refusal: bool },
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
            standing: Standing::New,
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
        let mut back_off = BackOff::default();
        while let Err(trouble) = self.attempt() {
            self.is_disconnected();
            if self.means.bell.is_stopping() {
                break;
            }
            if let Standing::Works(since) = self.standing {
                back_off.forget_after(since.elapsed());
            }
            self.tell(&trouble);
            self.means.bell.rest(back_off.wait());
        }
        self.is_disconnected();
    }

    fn is_disconnected(&mut self) {
        self.means.tally.connected.store(false, Ordering::Relaxed);
        self.means.tally.in_flight.store(0, Ordering::Relaxed);
        self.places.save_changed(&self.means.hub);
    }

    /// One line when trouble begins, and one when a broker that was away refuses us; that it lasts is for `-v`.
    fn tell(&mut self, trouble: &Trouble) {
        let broker = &self.broker;
        let since = match self.standing {
            Standing::Trouble { since, refusal } if refusal || !trouble.is_refusal() => {
                log::debug!(
                    "can't publish to {broker} for {} s: {trouble}",
                    since.elapsed().as_secs()
                );
                return;
            }
            Standing::Trouble { since, .. } => since,
            Standing::New | Standing::Works(_) => Instant::now(),
        };
        log::warn!(
            "can't publish to {broker}: {trouble}; the lines stay in the files, and it is tried again"
        );
        self.standing = Standing::Trouble {
            since,
            refusal: trouble.is_refusal(),
        };
    }

    /// Connects and publishes until a stop; any other end is trouble.
    fn attempt(&mut self) -> Result<(), Trouble> {
        let ended = match self.talk(self.version) {
            Err(trouble) if trouble.is_of_version() && !self.means.bell.is_stopping() => {
                self.version = Version::Three;
                self.talk(Version::Three)
            }
            ended => ended,
        };
        // Whoever answers after a while without may be another broker, or a newer one.
        if let Err(
            Trouble::Unreached(Unreached::Host(..) | Unreached::Connect(..))
            | Trouble::Unwelcome(_),
        ) = ended
        {
            self.version = Version::Five;
        }
        ended
    }

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
        let session = Session::new(version, &connect, Instant::now());
        let (broker, standing) = (&self.broker, &mut self.standing);
        let mut works = |version| is_working(standing, broker, version);
        Talk::new(
            &self.means,
            &mut self.places,
            connection,
            session,
            &mut works,
        )
        .run()
    }
}

/// The broker has acknowledged something.
fn is_working(standing: &mut Standing, broker: &Broker, version: Version) {
    match standing {
        Standing::New => log::info!("publishing to {broker} by {version}"),
        Standing::Trouble { since, .. } => log::info!(
            "{broker} is back after {} s: going on where it was, by {version}",
            since.elapsed().as_secs()
        ),
        Standing::Works(_) => return,
    }
    *standing = Standing::Works(Instant::now());
}

/// The password in the file `path`: its first line. Read at each connection, so that it can be changed.
pub(super) fn password(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |cause: &dyn std::fmt::Display| {
        format!("can't read the password in {}: {cause}", path.display())
    };
    let line = super::first_line(path, PASSWORD_BYTES).map_err(|error| failed(&error))?;
    if line.is_empty() {
        return Err(failed(&"its first line is empty"));
    }
    Ok(line)
}
