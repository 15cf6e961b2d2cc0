//! Another tailcast: one stream of all its files, each into a spool of its own, resumed by id.
//!
//! A spool's bytes are the lines that came, and beside it stands the id of the place up to which it holds everything. So
//! after a crash of either side the stream goes on there, and what the other says again is compared and not doubled.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::url::HttpUrl;
use crate::error::StartError;
use crate::hub::{Hub, Notice, Spooled};
use crate::limits::{
    UPSTREAM_FILES_MAX, UPSTREAM_FIRST_LINES, UPSTREAM_FIRST_WAIT, UPSTREAM_NAME_BYTES,
    UPSTREAM_NOTE_BYTES,
};
use crate::outward::{BackOff, Bell, Lookup, Trust};
use crate::source::id::name_hash;
use crate::source::{EventKind, Origin};
use crate::tally::Upstreams;
use crate::upstream::credentials::Credentials;
use crate::upstream::message::Message;
use crate::upstream::session::{Ask, Said, Session, Trouble};
use crate::via::{self, Via};

use super::spool::Spool;
use super::store::Store;
use super::{Feeder, First};

/// The file in a spool's directory that says what the other calls the file.
const NAME_FILE: &str = "name";

/// What all upstreams share.
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) hub: Arc<Hub>,
    pub(super) via: Arc<Via>,
    pub(super) counts: Arc<Upstreams>,
    pub(super) ping_interval: Duration,
    pub(super) file_bytes_max: u64,
    pub(super) credentials: Option<Arc<Credentials>>,
}

/// One other tailcast, and the spools of its files.
pub(super) struct Upstream {
    shared: Arc<Shared>,
    /// What stands before the `/` of its files' names here.
    host: String,
    url: HttpUrl,
    trust: Option<Trust>,
    lookup: Lookup,
    /// By what the other calls them.
    files: HashMap<String, Fed>,
    /// Its number among the upstreams.
    number: usize,
    standing: Standing,
    full_told: bool,
}

/// One file of the other.
struct Fed {
    spool: Spool,
    /// The id of the place up to which the spool holds everything.
    id: Option<String>,
    /// Bytes since that was last noted.
    unnoted: usize,
}

/// What was told last.
enum Standing {
    /// Nothing yet.
    New,
    /// It can be reached since then.
    Back(Instant),
    /// It can't be, for this reason.
    Away(String),
}

impl Upstream {
    /// Opens the spools that another run has left. Blocks on the disk.
    pub(super) fn open(
        shared: Arc<Shared>,
        host: String,
        url: HttpUrl,
        number: usize,
    ) -> Result<Upstream, StartError> {
        let mut upstream = Upstream {
            trust: url.tls.then(Trust::of_machine).transpose()?,
            lookup: Lookup::default(),
            files: HashMap::new(),
            number,
            standing: Standing::New,
            full_told: false,
            shared,
            host,
            url,
        };
        for directory in upstream.shared.store.directories_of(&upstream.key("")) {
            // A directory without its name was made a moment before a crash.
            let Ok(name) = fs::read_to_string(directory.join(NAME_FILE)) else {
                continue;
            };
            upstream.add(&name).map_err(|error| {
                StartError::failed(format!("open the spool {}", directory.display()), error)
            })?;
        }
        Ok(upstream)
    }

    /// What the spools of its files are kept by.
    fn key(&self, file: &str) -> String {
        let mut asked = format!("{} {}", self.host, self.url);
        for (name, value) in &self.url.query {
            asked.push_str(&format!("&{name}={value}"));
        }
        format!("upstream {:08x} {file}", name_hash(&asked))
    }

    /// The beginning of the keys of all its spools.
    pub(super) fn keys(&self) -> String {
        self.key("")
    }

    /// The spools that there are.
    pub(super) fn spools(&self) -> Vec<Spooled> {
        let files = self.files.iter();
        files.map(|(name, fed)| self.spooled(name, fed)).collect()
    }

    fn spooled(&self, name: &str, fed: &Fed) -> Spooled {
        let name = format!("{}/{name}", self.host);
        Spooled {
            path: fed.spool.path().to_owned(),
            given: PathBuf::from(format!("{}={}", self.host, self.url)),
            origin: Origin::Upstream,
            rotations: fed.spool.rotations(),
            name,
        }
    }

    fn add(&mut self, name: &str) -> io::Result<()> {
        let directory = self.shared.store.make_directory(&self.key(name))?;
        let name_file = directory.join(NAME_FILE);
        if !name_file.exists() {
            fs::write(name_file, name)?;
        }
        let shown = format!("{}/{name}", self.host);
        let shared = &self.shared;
        let mut spool = Spool::open(&directory, shared.file_bytes_max, shown, &shared.hub)?;
        let id = spool.resume()?;
        let fed = Fed {
            spool,
            id,
            unnoted: 0,
        };
        self.files.insert(name.to_owned(), fed);
        Ok(())
    }

    /// One connection: asks, and takes what comes. Ends without trouble where it is to be asked anew.
    fn attempt(&mut self, bell: &Arc<Bell>, first: &First) -> Result<(), Trouble> {
        let mut parameters = self.url.query.clone();
        parameters.push(("format".to_owned(), "batch".to_owned()));
        parameters.push(("lines".to_owned(), UPSTREAM_FIRST_LINES.to_string()));
        let ids = self.files.values().filter_map(|fed| fed.id.clone());
        parameters.extend(ids.map(|id| ("after".to_owned(), id)));
        let secret = self.shared.credentials.as_ref();
        let secret = secret.and_then(|credentials| credentials.secret(&self.url.at));
        let (field, asked_at) = self.shared.via.field();
        let ask = Ask {
            url: &self.url,
            parameters: &parameters,
            secret: secret.as_deref(),
            fields: &[(via::FIELD, field)],
        };
        let (trust, interval) = (self.trust.as_ref(), self.shared.ping_interval);
        let mut session = Session::open(&ask, trust, &mut self.lookup, bell, interval)?;
        self.is_back();
        // One that has nothing to say must not hold up our start.
        let mut at_most = UPSTREAM_FIRST_WAIT;
        loop {
            match session.next(bell, None, at_most)? {
                Said::Text(text) => {
                    let message = Message::parse(&text).map_err(Trouble::Nonsense)?;
                    self.take(&message)?;
                }
                Said::Complete => return Err(Trouble::Ended(String::new())),
                Said::Nothing => {
                    self.note_all();
                    first.is_fed();
                    at_most = interval;
                }
            }
            // Somebody new follows through us: the other must know, for it may be a circle.
            if self.shared.via.added() != asked_at {
                return Ok(());
            }
        }
    }

    fn take(&mut self, message: &Message<'_>) -> Result<(), Trouble> {
        let name = message.file.0.as_ref();
        if !self.files.contains_key(name) && !self.take_in(name)? {
            return Ok(());
        }
        let Entry::Occupied(mut fed) = self.files.entry(name.to_owned()) else {
            return Ok(());
        };
        let fed = fed.get_mut();
        let mut bytes = Vec::new();
        message.store(&mut bytes);
        if !bytes.is_empty() {
            fed.spool.append(&bytes);
        }
        if let Some(kind) = event(message) {
            fed.spool.tell(kind);
        }
        if let Some(id) = &message.id {
            fed.id = Some(id.0.clone().into_owned());
            fed.unnoted += bytes.len();
            if fed.unnoted >= UPSTREAM_NOTE_BYTES {
                fed.note();
            }
        }
        Ok(())
    }

    /// A file that is new; whether there is room for it.
    fn take_in(&mut self, name: &str) -> Result<bool, Trouble> {
        if name.is_empty() || name.len() > UPSTREAM_NAME_BYTES || name.contains(char::is_control) {
            return Err(Trouble::Nonsense(
                "a file of it has no proper name".to_owned(),
            ));
        }
        if self.files.len() >= UPSTREAM_FILES_MAX {
            if !std::mem::replace(&mut self.full_told, true) {
                log::warn!(
                    "{} has more than {UPSTREAM_FILES_MAX} files: the rest is left out; ask for some by ?file=NAME",
                    self.url
                );
            }
            return Ok(false);
        }
        self.add(name).map_err(Trouble::Output)?;
        if let Some(fed) = self.files.get(name) {
            let spooled = self.spooled(name, fed);
            self.shared.hub.notify(Notice::New(spooled));
        }
        Ok(true)
    }

    fn note_all(&mut self) {
        self.files.values_mut().for_each(Fed::note);
    }

    fn is_back(&mut self) {
        let was = std::mem::replace(&mut self.standing, Standing::Back(Instant::now()));
        self.shared.counts.is_up(self.number, true);
        match was {
            Standing::Away(_) => {
                log::info!("{} is back: going on where it was", self.url);
                for fed in self.files.values() {
                    fed.spool.tell(EventKind::Back);
                }
            }
            Standing::New => log::info!("following {} as {}/…", self.url, self.host),
            Standing::Back(_) => {}
        }
    }

    /// Tells once that it can't be reached, and again where the reason is another.
    fn is_away(&mut self, trouble: &Trouble) {
        self.shared.counts.is_up(self.number, false);
        let reason = trouble.to_string();
        let is_told = matches!(&self.standing, Standing::Away(told) if *told == reason);
        if is_told {
            return;
        }
        let was_away = matches!(self.standing, Standing::Away(_));
        match was_away && !trouble.is_refusal() {
            true => log::debug!("{}: {reason}", self.url),
            false => log::warn!("{} is away: {reason}: trying until it is back", self.url),
        }
        if !was_away {
            for fed in self.files.values() {
                let reason = reason.as_str().into();
                fed.spool.tell(EventKind::Away { reason });
            }
        }
        self.standing = Standing::Away(reason);
    }
}

impl Fed {
    fn note(&mut self) {
        if let Some(id) = &self.id {
            self.spool.note(id);
            self.unnoted = 0;
        }
    }
}

/// The event that a message tells, as far as it is one of the file's own: where a stream starts and ends is between the
/// other and us.
pub(super) fn event(message: &Message<'_>) -> Option<EventKind> {
    let reason = || message.reason.as_ref().map_or("", |text| &text.0);
    Some(match message.event()? {
        "rotated" => EventKind::Rotated,
        "truncated" => EventKind::Truncated,
        "gap" => EventKind::Gap {
            lost_bytes: message.lost,
            reason: match reason() {
                "" => "lost on the way to or at the other tailcast".into(),
                said => said.to_owned().into(),
            },
        },
        "missing" => EventKind::Missing,
        "away" => EventKind::Away {
            reason: reason().into(),
        },
        "back" => EventKind::Back,
        "closed" => EventKind::Closed,
        _ => return None,
    })
}

impl Feeder for Upstream {
    fn name(&self) -> String {
        format!("upstream-{}", self.number + 1)
    }

    fn run(&mut self, bell: &Arc<Bell>, first: &First) {
        let rings = Arc::clone(bell);
        self.shared.via.when_added(Box::new(move || rings.ring()));
        let mut back_off = BackOff::default();
        loop {
            let ended = self.attempt(bell, first);
            self.note_all();
            if bell.is_stopping() {
                return;
            }
            let Err(trouble) = ended else {
                continue;
            };
            if let Standing::Back(since) = self.standing {
                back_off.forget_after(since.elapsed());
            }
            self.is_away(&trouble);
            first.is_fed();
            if !bell.rest(back_off.wait()) {
                return;
            }
        }
    }
}
