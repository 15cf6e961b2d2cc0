//! Another tailcast: one stream of all its files, each into a spool of its own, resumed by id.
//!
//! A spool's bytes are the lines that came, and beside it stands the id of the place up to which it holds everything. So
//! after a crash of either side the stream goes on there, and what the other says again is compared and not doubled.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::url::HttpUrl;
use crate::error::StartError;
use crate::limits::{
    UPSTREAM_FILES_MAX, UPSTREAM_FIRST_LINES, UPSTREAM_FIRST_WAIT, UPSTREAM_NOTE_BYTES,
    UPSTREAM_NOTE_EVERY, UPSTREAM_PENDING_BYTES,
};
use crate::outward::{Bell, Reach, Way};
use crate::pace;
use crate::source::id::name_hash;
use crate::source::{EventKind, Origin};
use crate::tally::Upstreams;
use crate::upstream::credentials::Credentials;
use crate::upstream::message::Message;
use crate::upstream::opening::Ask;
use crate::upstream::session::{Said, Session};
use crate::upstream::trouble::Trouble;
use crate::via::{self, Via};

use super::spool::Spool;
use super::spools::{Fed, Ground, NoSpool, Owner, Spools};
use super::{Feeder, First, reach};

/// What all upstreams share.
pub(super) struct Shared {
    pub(super) ground: Ground,
    pub(super) via: Arc<Via>,
    pub(super) counts: Arc<Upstreams>,
    pub(super) ping_interval: Duration,
    pub(super) max_delay: Option<Duration>,
    pub(super) credentials: Option<Arc<Credentials>>,
}

/// One other tailcast, and the spools of its files.
pub(super) struct Upstream {
    shared: Arc<Shared>,
    /// What stands before the `/` of its files' names here.
    host: String,
    url: HttpUrl,
    way: Way,
    pub(super) files: Spools<File>,
    /// Its number among the upstreams.
    number: usize,
    reach: Reach,
    /// Files of it were left out.
    leaves_out: bool,
}

/// One file of the other.
pub(super) struct File {
    spool: Spool,
    /// The id of the place up to which the spool holds everything.
    id: Option<String>,
    /// What came and is not in the spool yet: what comes together is written together.
    pending: Vec<u8>,
    /// A place of it was noted.
    is_noted: bool,
    /// Bytes since that was last noted.
    unnoted: usize,
    /// What came last is no whole line.
    is_within_line: bool,
    /// The other has no such file since then, or has not spoken of it since it was asked.
    gone: Option<Instant>,
}

impl Upstream {
    /// Opens the spools that another run has left. Blocks on the disk.
    pub(super) fn open(
        shared: Arc<Shared>,
        host: String,
        url: HttpUrl,
        number: usize,
    ) -> Result<Upstream, StartError> {
        let mut asked = format!("{host} {url}");
        for (name, value) in &url.query {
            asked.push_str(&format!("&{name}={value}"));
        }
        let owner = Owner {
            key: format!("upstream {:08x} ", name_hash(&asked)),
            prefix: format!("{host}/"),
            given: PathBuf::from(format!("{host}={url}")),
            origin: Origin::Upstream,
        };
        Ok(Upstream {
            files: Spools::open(shared.ground.clone(), owner)?,
            way: Way::new(url.at.clone(), url.tls)?,
            number,
            reach: reach(&url),
            leaves_out: false,
            shared,
            host,
            url,
        })
    }

    /// One connection: asks, and takes what comes. Ends without trouble where it is to be asked anew.
    fn attempt(&mut self, bell: &Arc<Bell>, first: &First) -> Result<(), Trouble> {
        let mut parameters = self.url.query.clone();
        parameters.push(("format".to_owned(), "batch".to_owned()));
        parameters.push(("lines".to_owned(), UPSTREAM_FIRST_LINES.to_string()));
        let places: Vec<String> = self
            .files
            .values()
            .filter_map(|file| file.id.clone())
            .collect();
        let secret = self.shared.credentials.as_ref();
        let secret = secret.and_then(|credentials| credentials.secret(&self.url.at));
        let (field, asked_at) = self.shared.via.field();
        let ask = Ask {
            url: &self.url,
            parameters: &parameters,
            places: &places,
            secret: secret.as_deref(),
            fields: &[(via::FIELD, field)],
        };
        let interval = self.shared.ping_interval;
        let mut session = Session::open(&ask, &mut self.way, bell, interval)?;
        let now = Instant::now();
        for file in self.files.values_mut() {
            file.gone.get_or_insert(now);
        }
        // One that has nothing to say must not hold up our start.
        let mut at_most = UPSTREAM_FIRST_WAIT;
        let mut noted = Instant::now();
        let mut has_news = false;
        loop {
            match session.next(bell, None, at_most)? {
                Said::Text(text) => {
                    let message = Message::parse(&text).map_err(Trouble::Nonsense)?;
                    self.take(&message)?;
                    self.is_back();
                    has_news = true;
                }
                Said::Complete => return Err(Trouble::Ended(String::new())),
                Said::Nothing => {
                    self.is_back();
                    let is_due = noted.elapsed() >= UPSTREAM_NOTE_EVERY;
                    match is_due {
                        true => {
                            self.note_all();
                            noted = Instant::now();
                        }
                        false => self.files.values_mut().for_each(File::write),
                    }
                    at_most = match is_due && !has_news {
                        true => interval,
                        false => UPSTREAM_NOTE_EVERY,
                    };
                    first.is_fed();
                    if std::mem::take(&mut has_news) && !bell.rest(self.rest()) {
                        return Err(Trouble::Stopped);
                    }
                }
            }
            // Somebody new follows through us: the other must know, for it may be a circle.
            if self.shared.via.added() != asked_at {
                return Ok(());
            }
        }
    }

    fn take(&mut self, message: &Message<'_>) -> Result<(), Trouble> {
        let file = match self.files.of(&message.file.0) {
            Ok(file) => file,
            Err(NoSpool::Improper) => {
                let why = "a file of it has no proper name".to_owned();
                return Err(Trouble::Nonsense(why));
            }
            Err(NoSpool::Failed(error)) => return Err(Trouble::Output(error)),
            Err(NoSpool::Full) => {
                if !std::mem::replace(&mut self.leaves_out, true) {
                    log::warn!(
                        "{} has more than {UPSTREAM_FILES_MAX} files: the rest is left out; ask for some by ?file=NAME",
                        self.url
                    );
                }
                return Ok(());
            }
        };
        if self.leaves_out && file.is_new() && message.event() != Some("start") {
            file.spool.tell(EventKind::Gap {
                lost_bytes: None,
                reason: "there was no room for one more file of the other tailcast".into(),
            });
        }
        file.take(message);
        Ok(())
    }

    /// How long to let more come ([`pace`]). Where the user has said how long lines may wait, deliveries spend that alone.
    fn rest(&self) -> Duration {
        let shared = &self.shared;
        let rest = match shared.max_delay {
            None => pace::feeder_rest(shared.ground.hub.live_len(), shared.counts.reached()),
            Some(_) => None,
        };
        rest.unwrap_or_default()
    }

    fn note_all(&mut self) {
        self.files.values_mut().for_each(File::note);
    }

    /// It has said what a tailcast says, or nothing yet. One that lets us in and then talks nonsense is not back.
    fn is_back(&mut self) {
        self.shared.counts.is_up(self.number, true);
        let following = || log::info!("following {} as {}/…", self.url, self.host);
        if self.reach.is_back(following) {
            self.files.tell(&EventKind::Back, |_| true);
        }
    }
}

impl Fed for File {
    fn resume(mut spool: Spool) -> io::Result<File> {
        let id = spool.resume()?;
        Ok(File {
            spool,
            is_noted: id.is_some(),
            id,
            pending: Vec::new(),
            unnoted: 0,
            is_within_line: false,
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
    /// Nothing of it has come yet.
    fn is_new(&self) -> bool {
        self.id.is_none()
    }

    fn take(&mut self, message: &Message<'_>) {
        let kind = event(message);
        self.gone = matches!(kind, Some(EventKind::Missing)).then(Instant::now);
        let before = self.pending.len();
        if kind.is_some() && self.is_within_line {
            // The rest of its line does not come any more.
            self.pending.push(b'\n');
            self.is_within_line = false;
        }
        self.is_within_line = message.store(self.is_within_line, &mut self.pending);
        self.unnoted += self.pending.len() - before;
        if let Some(kind) = kind {
            self.write();
            self.spool.tell(kind);
        }
        if self.pending.len() >= UPSTREAM_PENDING_BYTES {
            self.write();
        }
        if let Some(id) = &message.id {
            match &mut self.id {
                Some(known) => (*id.0).clone_into(known),
                none => *none = Some(id.0.clone().into_owned()),
            }
        }
        // Without any place a spool is begun anew after a crash.
        if self.unnoted >= UPSTREAM_NOTE_BYTES || !self.is_noted {
            self.note();
        }
    }

    /// Writes what is pending into the spool.
    fn write(&mut self) {
        if !self.pending.is_empty() {
            self.spool.append(&self.pending);
            self.pending.clear();
        }
    }

    /// Notes how far the spool has got. Not within a line: a run that goes on there would take the rest for a line.
    fn note(&mut self) {
        self.write();
        if let Some(id) = &self.id {
            if !self.is_within_line {
                self.spool.note(id);
                self.is_noted = true;
                self.unnoted = 0;
            }
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
        loop {
            let ended = self.attempt(bell, first);
            self.note_all();
            if bell.is_stopping() {
                return;
            }
            let Err(trouble) = ended else {
                continue;
            };
            self.shared.counts.is_up(self.number, false);
            let (reach, reason) = (&mut self.reach, trouble.to_string());
            self.files.is_away(reach, &reason, trouble.is_refusal());
            first.is_fed();
            if !self.reach.rest(bell) {
                return;
            }
        }
    }
}
