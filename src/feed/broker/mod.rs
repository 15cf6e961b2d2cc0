//! What tailcasts publish to a broker, the other half of `--publish`: each file of each host into a spool of its own.
//!
//! The broker keeps our session, and a message is acknowledged when its lines and its id are in the spool: so the broker
//! sends again what a crash may have taken. A publisher that was killed may publish lines again, in other batches: where a
//! batch begins at a place that the spool has passed, its lines are compared and not doubled; where it begins at a place
//! that the spool has never seen, the broker has dropped something, which is a gap.

mod subscription;

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::config::broker_url::BrokerUrl;
use crate::error::StartError;
use crate::hub::{Hub, Notice, SpoolPlace, Spooled};
use crate::limits::{
    BROKER_PLACES_KEPT, BROKER_SESSION_SECONDS, KEEP_ALIVE_SECONDS, PIPE_READ_BYTES,
    UPSTREAM_FILES_MAX, UPSTREAM_NAME_BYTES,
};
use crate::mqtt::packet::{Connect, Published, Role, Version};
use crate::outward::{BackOff, Bell, Connection, Lookup, Trust, is_not_yet};
use crate::percent::{self, Plus};
use crate::source::id::name_hash;
use crate::source::{EventKind, Origin};
use crate::upstream::credentials::Credentials;
use crate::upstream::message::Message;

use super::spool::Spool;
use super::store::Store;
use super::upstream::event;
use super::{Feeder, First};
use subscription::{Subscription, Trouble};

/// The file in a spool's directory that says whose it is: the host and the file, a line each.
const NAME_FILE: &str = "name";

/// The last level of the topic that says whether a publisher is there.
const STATUS: &str = "status";

/// One broker, and the spools of what is published there.
pub(super) struct Broker {
    store: Arc<Store>,
    hub: Arc<Hub>,
    file_bytes_max: u64,
    /// What stands before the host in the files' names here.
    name: Option<String>,
    url: BrokerUrl,
    trust: Option<Trust>,
    credentials: Option<Arc<Credentials>>,
    lookup: Lookup,
    /// Who we are to the broker, over restarts too.
    client: String,
    version: Version,
    files: HashMap<Whose, Fed>,
    /// Hosts whose publisher is not there.
    offline: HashSet<String>,
    /// Topics that were complained of.
    told: HashSet<String>,
    standing: Standing,
    number: usize,
}

/// A file of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Whose {
    host: String,
    file: String,
}

/// The spool of one file.
struct Fed {
    spool: Spool,
    /// The id of the place up to which the spool holds everything.
    id: Option<String>,
    /// Places that the spool has passed, oldest first.
    passed: VecDeque<(String, SpoolPlace)>,
}

/// What was told last.
enum Standing {
    New,
    Back(Instant),
    Away,
}

impl Broker {
    /// Opens the spools that another run has left. Blocks on the disk.
    pub(super) fn open(
        (store, hub): (&Arc<Store>, &Arc<Hub>),
        file_bytes_max: u64,
        (name, url): (Option<String>, BrokerUrl),
        credentials: Option<Arc<Credentials>>,
        number: usize,
    ) -> Result<Broker, StartError> {
        let mut broker = Broker {
            store: Arc::clone(store),
            hub: Arc::clone(hub),
            file_bytes_max,
            trust: url.tls.then(Trust::of_machine).transpose()?,
            credentials,
            lookup: Lookup::default(),
            client: String::new(),
            version: Version::Five,
            files: HashMap::new(),
            offline: HashSet::new(),
            told: HashSet::new(),
            standing: Standing::New,
            number,
            name,
            url,
        };
        broker.client = broker.client_name().map_err(|error| {
            StartError::failed(format!("keep a name for {}", broker.url), error)
        })?;
        for directory in store.directories_of(&broker.keys()) {
            let Ok(text) = fs::read_to_string(directory.join(NAME_FILE)) else {
                continue;
            };
            let Some((host, file)) = text.split_once('\n') else {
                continue;
            };
            let whose = Whose {
                host: host.to_owned(),
                file: file.to_owned(),
            };
            broker.add(&whose).map_err(|error| {
                StartError::failed(format!("open the spool {}", directory.display()), error)
            })?;
        }
        Ok(broker)
    }

    /// The beginning of the keys of all its spools.
    pub(super) fn keys(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        format!("broker {:08x} ", name_hash(&format!("{name} {}", self.url)))
    }

    /// The spools that there are.
    pub(super) fn spools(&self) -> Vec<Spooled> {
        let files = self.files.iter();
        files.map(|(whose, fed)| self.spooled(whose, fed)).collect()
    }

    fn spooled(&self, whose: &Whose, fed: &Fed) -> Spooled {
        Spooled {
            name: self.shown(whose),
            path: fed.spool.path().to_owned(),
            given: PathBuf::from(self.url.to_string()),
            origin: Origin::Broker,
            rotations: fed.spool.rotations(),
        }
    }

    fn shown(&self, whose: &Whose) -> String {
        let before = self
            .name
            .as_ref()
            .map_or(String::new(), |name| format!("{name}/"));
        format!("{before}{}/{}", whose.host, whose.file)
    }

    /// The name by which the broker knows our session: made once, and kept beside the spools.
    fn client_name(&self) -> io::Result<String> {
        let path = self.store.make_directory(&self.keys())?.join("client");
        if let Ok(name) = fs::read_to_string(&path) {
            return Ok(name);
        }
        // Each RandomState has keys of its own. 23 characters are what every broker takes (MQTT 3.1.1, 3.1.3.1).
        let name = format!("tailcast{:015x}", RandomState::new().hash_one(0) >> 4);
        fs::write(path, &name)?;
        Ok(name)
    }

    fn add(&mut self, whose: &Whose) -> io::Result<()> {
        let key = format!("{}{}/{}", self.keys(), whose.host, whose.file);
        let directory = self.store.make_directory(&key)?;
        let name_file = directory.join(NAME_FILE);
        if !name_file.exists() {
            fs::write(name_file, format!("{}\n{}", whose.host, whose.file))?;
        }
        let mut spool = Spool::open(
            &directory,
            self.file_bytes_max,
            self.shown(whose),
            &self.hub,
        )?;
        let passed = spool
            .noted()
            .into_iter()
            .map(|(at, id)| (id, at))
            .rev()
            .collect();
        let id = spool.resume()?;
        let fed = Fed { spool, id, passed };
        self.files.insert(whose.clone(), fed);
        Ok(())
    }

    /// One connection, until it ends.
    fn attempt(&mut self, bell: &Arc<Bell>, first: &First) -> Result<(), Trouble> {
        let failed = |error: &dyn std::fmt::Display| Trouble::Other(error.to_string());
        let secret = self.credentials.as_ref();
        let secret = secret.and_then(|credentials| credentials.secret(&self.url.at));
        let secret = secret.as_deref().and_then(|secret| secret.split_once(':'));
        let user = self.url.user.as_deref().or(secret.map(|(user, _)| user));
        let addresses = self
            .lookup
            .addresses(&self.url.at, bell)
            .map_err(|e| failed(&e))?;
        let tls = self
            .trust
            .as_ref()
            .map(|trust| trust.begin(self.url.at.bare_host()));
        let tls = tls.transpose().map_err(|e| failed(&e))?;
        let mut connection = Connection::open(&addresses, bell, tls).map_err(|e| failed(&e))?;
        let connect = Connect {
            client: &self.client,
            user,
            password: secret.map(|(_, password)| password.as_bytes()),
            keep_alive_seconds: KEEP_ALIVE_SECONDS,
            role: Role::Subscriber {
                kept_seconds: match self.store.is_temporary() {
                    true => 0,
                    false => BROKER_SESSION_SECONDS,
                },
            },
        };
        let mut subscription =
            Subscription::new(self.version, &connect, &self.url.filter, Instant::now());
        let mut buf = vec![0; PIPE_READ_BYTES];
        loop {
            let mut to_write = send(&mut connection, &mut subscription).map_err(|e| failed(&e))?;
            match connection.read(&mut buf) {
                Ok(0) => return Err(Trouble::Other("it closed the connection".to_owned())),
                Ok(n) => {
                    let messages = subscription.hears(&buf[..n], Instant::now())?;
                    self.take(&messages)?;
                    for message in &messages {
                        subscription.acknowledge(message, Instant::now());
                    }
                    if subscription.is_open() {
                        self.is_back();
                    }
                    continue;
                }
                Err(error) if is_not_yet(&error) => {}
                Err(error) => return Err(failed(&error)),
            }
            if subscription.is_open() {
                first.is_fed();
            }
            subscription.ticks(Instant::now())?;
            to_write |= !subscription.to_send().is_empty();
            bell.wait(Some(connection.waits(to_write)), subscription.deadline())
                .map_err(|e| failed(&e))?;
            if bell.is_stopping() {
                subscription.disconnect();
                // As far as the kernel takes it.
                let _ = send(&mut connection, &mut subscription);
                return Ok(());
            }
        }
    }

    /// Takes what was published: when this returns, it is in the spools, with its places.
    fn take(&mut self, messages: &[Published]) -> Result<(), Trouble> {
        let mut touched = HashSet::new();
        for message in messages {
            let mut levels = message.topic.rsplitn(3, '/');
            let (Some(last), Some(host)) = (levels.next(), levels.next()) else {
                self.complain(&message.topic, "its topic is no PREFIX/HOSTNAME/NAME");
                continue;
            };
            let host = percent::decode(host.as_bytes(), Plus::IsItself).ok();
            let Some(host) = host.and_then(|host| String::from_utf8(host).ok()) else {
                self.complain(&message.topic, "its topic is no PREFIX/HOSTNAME/NAME");
                continue;
            };
            if last == STATUS {
                self.is_there(&host, message.payload != b"offline");
                continue;
            }
            let text = str::from_utf8(&message.payload).map_err(|error| error.to_string());
            let parsed = text.and_then(Message::parse);
            let said = match parsed {
                Ok(said) => said,
                Err(_) => {
                    self.complain(
                        &message.topic,
                        "its messages are not those of --publish-format batch or json",
                    );
                    continue;
                }
            };
            let whose = Whose {
                host,
                file: said.file.0.clone().into_owned(),
            };
            if !self.files.contains_key(&whose) && !self.take_in(&whose)? {
                self.complain(
                    &message.topic,
                    "there are too many files, or it has no proper name",
                );
                continue;
            }
            if let Entry::Occupied(mut fed) = self.files.entry(whose.clone()) {
                fed.get_mut().take(&said);
                touched.insert(whose);
            }
        }
        for whose in touched {
            if let Some(fed) = self.files.get_mut(&whose) {
                fed.note();
            }
        }
        Ok(())
    }

    fn take_in(&mut self, whose: &Whose) -> Result<bool, Trouble> {
        let is_proper = |name: &str| {
            !name.is_empty()
                && name.len() <= UPSTREAM_NAME_BYTES
                && !name.contains(char::is_control)
        };
        if self.files.len() >= UPSTREAM_FILES_MAX
            || !is_proper(&whose.host)
            || !is_proper(&whose.file)
        {
            return Ok(false);
        }
        self.add(whose)
            .map_err(|error| Trouble::Other(format!("make a spool: {error}")))?;
        if let Some(fed) = self.files.get(whose) {
            self.hub.notify(Notice::New(self.spooled(whose, fed)));
        }
        Ok(true)
    }

    /// A message that can't be used: said once a topic.
    fn complain(&mut self, topic: &str, why: &str) {
        if self.told.len() < UPSTREAM_FILES_MAX && self.told.insert(topic.to_owned()) {
            log::warn!("{}: {topic:?} is left out: {why}", self.url);
        }
    }

    /// The publisher of a host says that it is there, or the broker that it is not.
    fn is_there(&mut self, host: &str, there: bool) {
        let changed = match there {
            true => self.offline.remove(host),
            false => self.offline.insert(host.to_owned()),
        };
        if !changed {
            return;
        }
        log::info!(
            "{}: {host} is {}",
            self.url,
            if there { "online" } else { "offline" }
        );
        let kind = match there {
            true => EventKind::Back,
            false => EventKind::Away {
                reason: "its publisher is offline".into(),
            },
        };
        let files = self.files.iter().filter(|(whose, _)| whose.host == host);
        files.for_each(|(_, fed)| fed.spool.tell(kind.clone()));
    }

    fn is_back(&mut self) {
        match self.standing {
            Standing::Back(_) => return,
            Standing::New => log::info!("following {} by {}", self.url, self.version),
            Standing::Away => {
                log::info!("{} is back: going on where it was", self.url);
                let there = self
                    .files
                    .iter()
                    .filter(|(whose, _)| !self.offline.contains(&whose.host));
                there.for_each(|(_, fed)| fed.spool.tell(EventKind::Back));
            }
        }
        self.standing = Standing::Back(Instant::now());
    }

    fn is_away(&mut self, reason: &str) {
        if matches!(self.standing, Standing::Away) {
            log::debug!("{}: {reason}", self.url);
            return;
        }
        self.standing = Standing::Away;
        log::warn!("{} is away: {reason}: trying until it is back", self.url);
        for fed in self.files.values() {
            fed.spool.tell(EventKind::Away {
                reason: reason.into(),
            });
        }
    }
}

/// Sends what there is to send; whether some of it still waits.
fn send(connection: &mut Connection, subscription: &mut Subscription) -> io::Result<bool> {
    while !subscription.to_send().is_empty() {
        match connection.write(subscription.to_send()) {
            Ok(sent) => subscription.has_sent(sent),
            Err(error) if is_not_yet(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(!connection.flush()? || !subscription.to_send().is_empty())
}

impl Fed {
    fn take(&mut self, message: &Message<'_>) {
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
        message.store(&mut bytes);
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

    fn note(&mut self) {
        if let Some(id) = &self.id {
            self.spool.note(id);
        }
    }
}

impl Feeder for Broker {
    fn name(&self) -> String {
        format!("subscriber-{}", self.number + 1)
    }

    fn run(&mut self, bell: &Arc<Bell>, first: &First) {
        let mut back_off = BackOff::default();
        while !bell.is_stopping() {
            let trouble = match self.attempt(bell, first) {
                Err(Trouble::Version) if self.version == Version::Five => {
                    self.version = Version::Three;
                    continue;
                }
                Err(Trouble::Version) => "it knows neither MQTT 5 nor MQTT 3.1.1".to_owned(),
                Err(Trouble::Other(trouble)) => trouble,
                Ok(()) => return,
            };
            if bell.is_stopping() {
                return;
            }
            if let Standing::Back(since) = self.standing {
                back_off.forget_after(since.elapsed());
            }
            self.is_away(&trouble);
            first.is_fed();
            bell.rest(back_off.wait());
        }
    }
}
