//! `tailcast cat`: writes a stream of another tailcast to standard output, and goes on by id after a lost connection.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::config::cat::{Cat, Output};
use crate::error::StartError;
use crate::limits::CAT_PING_INTERVAL;
use crate::outward::{Bell, Reach, Way};
use crate::upstream::credentials::Credentials;
use crate::upstream::message::Message;
use crate::upstream::opening::{Ask, files_len};
use crate::upstream::session::{Said, Session};
use crate::upstream::trouble::Trouble;

/// How one connection's stream ended.
enum Ended {
    /// All that was asked for is written, or nobody reads it any more.
    Done,
    /// The connection is lost: the stream goes on in another.
    Lost(Trouble),
}

/// Runs it to its end. Blocks until all that was asked for is written, standard output is closed, or the bell says stop.
/// Fails where the other refuses, or where nothing answers at the start.
pub fn run(cat: &Cat, bell: &Arc<Bell>) -> Result<(), StartError> {
    let credentials = cat.credentials_file.as_deref().map(Credentials::open);
    let mut reading = Reading {
        cat,
        bell,
        way: Way::new(cat.url.at.clone(), cat.url.tls)?,
        credentials: credentials.transpose()?,
        places: Places::default(),
        out: Out::new(cat.output),
    };
    let failed = |trouble| StartError::failed(format!("read {}", cat.url), trouble);
    let lost = format!("lost {}", cat.url);
    let mut reach = Reach::new(&cat.url, [lost, ": trying until it is back".to_owned()]);
    let mut is_first = true;
    loop {
        let ended = match reading.open() {
            Ok(session) => reading.pass_on(session, &mut reach),
            Err(trouble) if trouble.is_refusal() || is_first => Err(trouble),
            Err(trouble) => Ok(Ended::Lost(trouble)),
        };
        is_first = false;
        match ended {
            Ok(Ended::Done) | Err(Trouble::Stopped) | Ok(Ended::Lost(Trouble::Stopped)) => {
                return Ok(());
            }
            Err(trouble) => return Err(failed(trouble)),
            Ok(Ended::Lost(trouble)) if !reading.can_resume() => return Err(failed(trouble)),
            Ok(Ended::Lost(trouble)) => reach.is_away(&trouble.to_string(), false),
        };
        if !reading.rest(reach.wait()) {
            return Ok(());
        }
    }
}

/// A stream as it goes on over several connections.
struct Reading<'a> {
    cat: &'a Cat,
    bell: &'a Arc<Bell>,
    way: Way,
    credentials: Option<Credentials>,
    places: Places,
    out: Out,
}

impl Reading<'_> {
    fn open(&mut self) -> Result<Session, Trouble> {
        let url = &self.cat.url;
        let secret = self.credentials.as_ref();
        let secret = secret.and_then(|credentials| credentials.secret(&url.at));
        let (mut parameters, places) = self.places.parameters(&url.query);
        let format = match self.cat.output {
            Output::Text => "batch",
            Output::Json => "json",
        };
        parameters.push(("format".to_owned(), format.to_owned()));
        let ask = Ask {
            url,
            parameters: &parameters,
            places: &places,
            secret: secret.as_deref(),
            fields: &[],
        };
        if self.cat.output == Output::Text && self.out.several.is_none() {
            let named = url.query.iter().filter(|(name, _)| name == "file").count();
            self.out.several = Some(match named {
                0 => files_len(&ask, &mut self.way, self.bell)? > 1,
                named => named > 1,
            });
        }
        Session::open(&ask, &mut self.way, self.bell, CAT_PING_INTERVAL)
    }

    /// Writes what the other says, for as long as it says anything: as long as that, it is in `reach`.
    fn pass_on(&mut self, mut session: Session, reach: &mut Reach) -> Result<Ended, Trouble> {
        loop {
            let closed = (self.out.to.as_fd(), PollFlags::empty());
            let said = session.next(self.bell, Some(closed), CAT_PING_INTERVAL);
            if said.is_ok() {
                reach.is_back(|| {});
            }
            let text = match said {
                Ok(Said::Text(text)) => text,
                Ok(Said::Complete) => return Ok(Ended::Done),
                Ok(Said::Nothing) if self.out.is_closed() => return Ok(Ended::Done),
                Ok(Said::Nothing) => continue,
                Err(trouble @ Trouble::Nonsense(_)) => return Err(trouble),
                Err(trouble) => return Ok(Ended::Lost(trouble)),
            };
            let message = Message::parse(&text).map_err(Trouble::Nonsense)?;
            let is_known = self.places.note(&message);
            // A stream that goes on says `start` once more, and its reader has heard it.
            if is_known && message.event() == Some("start") {
                continue;
            }
            if let Err(error) = self.out.write(&text, &message) {
                return match error.kind() {
                    io::ErrorKind::BrokenPipe => Ok(Ended::Done),
                    _ => Err(Trouble::Output(error)),
                };
            }
        }
    }

    /// Whether another connection can go on where this one ended. A page back (`before=`) has no such place.
    fn can_resume(&self) -> bool {
        !self.cat.url.query.iter().any(|(name, _)| name == "before")
    }

    /// Waits; false where it is time to end.
    fn rest(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while Instant::now() < until {
            let closed = (self.out.to.as_fd(), PollFlags::empty());
            if self.bell.wait(Some(closed), until).is_err() {
                return false;
            }
            if self.bell.is_stopping() || self.out.is_closed() {
                return false;
            }
        }
        true
    }
}

/// Where the stream stands in each file.
#[derive(Default)]
struct Places {
    ids: HashMap<String, String>,
}

impl Places {
    /// Notes where the stream stands; whether the file was known before.
    fn note(&mut self, message: &Message<'_>) -> bool {
        let Some(id) = &message.id else {
            return true;
        };
        let (file, id) = (message.file.0.as_ref(), id.0.as_ref());
        // Each line comes here: what is known takes no new memory.
        let Some(known) = self.ids.get_mut(file) else {
            self.ids.insert(file.to_owned(), id.to_owned());
            return false;
        };
        id.clone_into(known);
        true
    }

    /// The parameters of the next request, and the ids behind which it goes on: those of the URL, or from here. A file that has come
    /// meanwhile has no id, and is wanted from its first line.
    fn parameters(&self, query: &[(String, String)]) -> (Vec<(String, String)>, Vec<String>) {
        if self.ids.is_empty() {
            return (query.to_vec(), Vec::new());
        }
        let begins = |name: &str| ["lines", "since", "after"].contains(&name);
        let mut parameters: Vec<_> = query
            .iter()
            .filter(|(name, _)| !begins(name))
            .cloned()
            .collect();
        parameters.push(("lines".to_owned(), "all".to_owned()));
        (parameters, self.ids.values().cloned().collect())
    }
}

/// Standard output.
struct Out {
    to: io::Stdout,
    output: Output,
    /// The stream is of several files; not known yet.
    several: Option<bool>,
    /// The file that was written last.
    file: Option<String>,
}

impl Out {
    fn new(output: Output) -> Out {
        Out {
            to: io::stdout(),
            output,
            several: None,
            file: None,
        }
    }

    /// Nobody reads it any more.
    fn is_closed(&self) -> bool {
        let mut polled = [PollFd::new(self.to.as_fd(), PollFlags::empty())];
        let polls = nix::poll::poll(&mut polled, PollTimeout::ZERO);
        let over = PollFlags::POLLERR | PollFlags::POLLHUP;
        polls.is_ok() && polled[0].revents().is_some_and(|is| is.intersects(over))
    }

    /// Writes one message. Blocks for as long as its reader does not read.
    fn write(&mut self, text: &str, message: &Message<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        match self.output {
            Output::Json => {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(b'\n');
            }
            Output::Text => {
                let mut lines = message.all_lines().peekable();
                if lines.peek().is_some() {
                    self.header(&message.file.0, &mut bytes);
                }
                for (line, ending) in lines {
                    bytes.extend_from_slice(line);
                    bytes.extend_from_slice(ending);
                }
            }
        }
        let mut to = self.to.lock();
        to.write_all(&bytes)?;
        to.flush()
    }

    /// tail's header, where the file is another one than before.
    fn header(&mut self, file: &str, bytes: &mut Vec<u8>) {
        if self.file.as_deref() == Some(file) {
            return;
        }
        let is_first = self.file.is_none();
        if !is_first || self.several == Some(true) {
            let before = if is_first { "" } else { "\n" };
            bytes.extend_from_slice(format!("{before}==> {file} <==\n").as_bytes());
        }
        self.file = Some(file.to_owned());
    }
}
