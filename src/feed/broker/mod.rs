//! What tailcasts publish to a broker, the other half of `--publish`: each file of each host into a spool of its own.
//!
//! The broker keeps our session, and a message is acknowledged when its lines and its id are in the spool: so the broker
//! sends again what a crash may have taken. A publisher that was killed may publish lines again, in other batches: what the
//! spool holds of them is left out, and what the broker has dropped is a gap ([`taken`]).

mod file;
mod subscription;
mod taken;
mod topic;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str;
use std::sync::Arc;
use std::time::Instant;

use crate::config::broker_url::BrokerUrl;
use crate::error::StartError;
use crate::limits::{
    BROKER_SESSION_SECONDS, KEEP_ALIVE_SECONDS, PIPE_READ_BYTES, UPSTREAM_FILES_MAX,
};
use crate::mqtt;
use crate::mqtt::conversation::Conversation;
use crate::mqtt::heard::Published;
use crate::mqtt::packet::Version;
use crate::mqtt::said::{Connect, Role};
use crate::mqtt::trouble::Trouble;
use crate::outward::{Bell, Reach, Way, is_not_yet};
use crate::source::id::name_hash;
use crate::source::{EventKind, Origin};
use crate::upstream::credentials::Credentials;
use crate::upstream::message::Message;

use super::spools::{Ground, NoSpool, Owner, Spools};
use super::{Feeder, First, reach};
use file::{File, Step};
use subscription::Subscription;
use topic::Topic;

/// One broker, and the spools of what is published there.
pub(super) struct Broker {
    ground: Ground,
    url: BrokerUrl,
    way: Way,
    credentials: Option<Arc<Credentials>>,
    /// Who we are to the broker, over restarts too.
    client: String,
    version: Version,
    /// By `HOSTNAME/NAME`.
    pub(super) files: Spools<File>,
    /// Hosts whose publisher is not there.
    offline: HashSet<String>,
    /// Topics that were complained of.
    told: HashSet<String>,
    reach: Reach,
    number: usize,
}

impl Broker {
    /// Opens the spools that another run has left. Blocks on the disk.
    pub(super) fn open(
        ground: Ground,
        (name, url): (Option<String>, BrokerUrl),
        credentials: Option<Arc<Credentials>>,
        number: usize,
    ) -> Result<Broker, StartError> {
        let name = name.unwrap_or_default();
        let owner = Owner {
            key: format!("broker {:08x} ", name_hash(&format!("{name} {url}"))),
            prefix: match name.is_empty() {
                true => name,
                false => name + "/",
            },
            given: PathBuf::from(url.to_string()),
            origin: Origin::Broker,
        };
        let files = Spools::open(ground.clone(), owner)?;
        let client = client_name(&ground, files.key())
            .map_err(|error| StartError::failed(format!("keep a name for {url}"), error))?;
        Ok(Broker {
            ground,
            way: Way::new(url.at.clone(), url.tls)?,
            credentials,
            client,
            version: Version::Five,
            files,
            offline: HashSet::new(),
            told: HashSet::new(),
            reach: reach(&url),
            number,
            url,
        })
    }

    /// One connection, until it ends.
    fn talk(&mut self, version: Version, bell: &Arc<Bell>, first: &First) -> Result<(), Trouble> {
        let secret = self.credentials.as_ref();
        let secret = secret.and_then(|credentials| credentials.secret(&self.url.at));
        let secret = secret.as_deref().and_then(|secret| secret.split_once(':'));
        let user = self.url.user.as_deref().or(secret.map(|(user, _)| user));
        let mut connection = self.way.connect(bell)?;
        let connect = Connect {
            client: &self.client,
            user,
            password: secret.map(|(_, password)| password.as_bytes()),
            keep_alive_seconds: KEEP_ALIVE_SECONDS,
            role: Role::Subscriber {
                kept_seconds: match self.ground.store.is_temporary() {
                    true => 0,
                    false => BROKER_SESSION_SECONDS,
                },
            },
        };
        let conversation = Conversation::new(version, &connect, Instant::now());
        let filter = self.url.filter.clone();
        let mut subscription = Subscription::new(conversation, &filter);
        let mut buf = vec![0; PIPE_READ_BYTES];
        loop {
            // Asked in each round: a broker that talks without end can't keep us from our end.
            if bell.is_stopping() {
                subscription.conversation.disconnect();
                // As far as the kernel takes it.
                let _ = subscription.conversation.send(&mut connection);
                return Ok(());
            }
            let sent = subscription.conversation.send(&mut connection);
            let is_sent = sent.map_err(Trouble::Broken)?;
            match connection.read(&mut buf) {
                Ok(0) => return Err(subscription.conversation.ended()),
                Ok(n) => {
                    let messages = subscription.hears(&buf[..n], Instant::now())?;
                    self.take(&messages)?;
                    for message in &messages {
                        subscription.acknowledge(message, Instant::now());
                    }
                    if subscription.is_open() {
                        self.is_back(version);
                    }
                    continue;
                }
                Err(error) if is_not_yet(&error) => {}
                Err(error) => return Err(subscription.conversation.failed(error)),
            }
            if subscription.is_open() {
                first.is_fed();
            }
            let conversation = &mut subscription.conversation;
            conversation.ticks(Instant::now())?;
            let to_write = !is_sent || !conversation.to_send().is_empty();
            bell.wait(Some(connection.waits(to_write)), conversation.deadline())
                .map_err(Trouble::Broken)?;
        }
    }

    /// Takes what was published: when this returns, it is in the spools, with its places.
    fn take(&mut self, messages: &[Published]) -> Result<(), Trouble> {
        // `HOSTNAME/NAME`
        let mut name = String::new();
        for message in messages {
            let Some(topic) = Topic::read(&message.topic) else {
                self.complain(&message.topic, "its topic is no PREFIX/HOSTNAME/NAME");
                continue;
            };
            if topic.is_status {
                self.is_there(topic.host, message.payload != b"offline");
                continue;
            }
            if message.retained {
                let why = "it is retained, which no tailcast does with lines";
                self.complain(&message.topic, why);
                continue;
            }
            let text = str::from_utf8(&message.payload).ok();
            let said = text.and_then(|text| Message::parse(text).ok());
            let Some((step, said)) = said.and_then(|said| Some((Step::of(&said)?, said))) else {
                let why = "its messages are not those of --publish-format batch or json";
                self.complain(&message.topic, why);
                continue;
            };
            name.clear();
            name.extend([&topic.host, "/", &said.file.0]);
            match self.files.of(&name) {
                Ok(file) => file.take(&said, step),
                Err(NoSpool::Improper) => self.complain(&message.topic, "it has no proper name"),
                Err(NoSpool::Full) => {
                    let why = format!("there are more than {UPSTREAM_FILES_MAX} files");
                    self.complain(&message.topic, &why);
                }
                Err(NoSpool::Failed(error)) => {
                    return Err(Trouble::Spool(error));
                }
            }
        }
        self.files.values_mut().for_each(File::note);
        Ok(())
    }

    /// A message that can't be used: said once a topic.
    fn complain(&mut self, topic: &str, why: &str) {
        if self.told.len() < UPSTREAM_FILES_MAX && self.told.insert(topic.to_owned()) {
            log::warn!("{}: {topic:?} is left out: {why}", self.url);
        }
    }

    /// The publisher of a host says that it is there, or the broker that it is not.
    fn is_there(&mut self, host: String, there: bool) {
        let (is_one_of, kind, state) = (
            format!("{host}/"),
            match there {
                true => EventKind::Back,
                false => EventKind::Away {
                    reason: "its publisher is offline".into(),
                },
            },
            if there { "online" } else { "offline" },
        );
        let shown = host.clone();
        let changed = match there {
            true => self.offline.remove(&host),
            false => self.offline.insert(host),
        };
        if changed {
            log::info!("{}: {shown} is {state}", self.url);
            self.files.tell(&kind, |name| name.starts_with(&is_one_of));
        }
    }

    fn is_back(&mut self, version: Version) {
        let following = || log::info!("following {} by {version}", self.url);
        if self.reach.is_back(following) {
            let is_there = |name: &str| {
                let host = name.split_once('/').map(|(host, _)| host);
                host.is_none_or(|host| !self.offline.contains(host))
            };
            self.files.tell(&EventKind::Back, is_there);
        }
    }
}

/// The name by which the broker knows our session: made once, and kept beside the spools.
fn client_name(ground: &Ground, key: &str) -> io::Result<String> {
    let path = ground.store.make_directory(key)?.join("client");
    if let Ok(name) = fs::read_to_string(&path) {
        return Ok(name);
    }
    let name = mqtt::new_client();
    fs::write(path, &name)?;
    Ok(name)
}

impl Feeder for Broker {
    fn name(&self) -> String {
        format!("subscriber-{}", self.number + 1)
    }

    fn run(&mut self, bell: &Arc<Bell>, first: &First) {
        loop {
            let mut version = self.version;
            let talk = |version| self.talk(version, bell, first);
            let ended = mqtt::in_its_version(&mut version, bell, talk);
            self.version = version;
            match ended {
                Err(trouble) if !bell.is_stopping() => {
                    let (reach, reason) = (&mut self.reach, trouble.to_string());
                    self.files.is_away(reach, &reason, trouble.is_refusal());
                }
                _ => return,
            }
            first.is_fed();
            if !self.reach.rest(bell) {
                return;
            }
        }
    }
}
