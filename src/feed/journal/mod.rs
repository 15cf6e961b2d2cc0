//! systemd's journal: one journalctl for all journal sources, whose entries are sorted into their spools here.
//!
//! It is read in steps. The first start takes the last entries. Then it catches up from the last entry's cursor without
//! `-f`, since `-f` shows the last boot only; and from there it follows. The first entry of each step must be the one
//! that the cursor names: when it catches up, another one there says that the journal has lost what came between, and
//! when it follows, that there is more to catch up with. Whatever ends a journalctl (a damaged file, a journald that
//! starts again, a kill), it is started again from the cursor, after a while that grows.
//!
//! Matching is done here, so one child is enough, and a source of few entries still moves its cursor.

mod child;
mod entry;
mod export;
mod sources;

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use crate::config::journal_match::JournalMatch;
use crate::limits::{
    JOURNAL_EMPTY_WAIT, JOURNAL_FIRST_ENTRIES, JOURNAL_LATE, JOURNAL_SILENT, PIPE_READ_BYTES,
};
use crate::outward::{Bell, Reach};
use crate::source::EventKind;

use super::spool::Spool;
use super::{Feeder, First};
use child::Child;
use export::{Entry, Export};
use sources::Sources;

/// All journal sources, and the journalctl that they share.
pub(super) struct Journal {
    sources: Sources,
    reach: Reach,
}

/// What a journalctl is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The last entries, for sources that have none.
    First,
    /// From the cursor to the end.
    CatchUp,
    /// From the cursor on.
    Follow,
}

/// How a step ended.
#[derive(Debug)]
enum Ended {
    /// The daemon stops.
    Stopped,
    /// All there was is taken.
    Whole,
    /// There is more to catch up with.
    Behind,
    /// It is tried again, after a while.
    Failed(String),
}

impl Journal {
    /// Sources with their spools. Blocks on the disk.
    pub(super) fn open(sources: Vec<(JournalMatch, Spool)>) -> io::Result<Journal> {
        Ok(Journal {
            sources: Sources::open(sources)?,
            reach: Reach::new(
                &"the journal",
                ["the journal can't be read", ": it is tried again"].map(str::to_owned),
            ),
        })
    }

    fn first_step(&self) -> Step {
        match self.sources.has_fresh() {
            true => Step::First,
            false => Step::CatchUp,
        }
    }

    fn arguments(&self, step: Step) -> Vec<String> {
        let cursor = self.sources.cursor().unwrap_or_default();
        match step {
            Step::First => vec!["-n".to_owned(), JOURNAL_FIRST_ENTRIES.to_string()],
            Step::CatchUp => vec![format!("--cursor={cursor}")],
            Step::Follow => vec![
                "-f".to_owned(),
                "--no-tail".to_owned(),
                format!("--cursor={cursor}"),
            ],
        }
    }

    /// Runs one journalctl to its end, or until it is of no more use.
    fn read(&mut self, step: Step, bell: &Bell) -> io::Result<Ended> {
        let mut child = Child::start(&self.arguments(step))?;
        let mut export = Export::new(entry::fields(self.sources.wanted()));
        let mut buf = vec![0; PIPE_READ_BYTES];
        let (mut heard, mut suspected) = (Instant::now(), None);
        let mut begun = false;
        while !bell.is_stopping() {
            match child.read(&mut buf)? {
                Some(0) => {
                    let (status, complaint) = child.end()?;
                    return Ok(ended(step, begun, status, complaint));
                }
                Some(n) => {
                    (heard, suspected) = (Instant::now(), None);
                    let mut behind = false;
                    let read = export.take(&buf[..n], &mut |entry| {
                        behind |=
                            !std::mem::replace(&mut begun, true) && !self.begins(step, &entry);
                        if !behind {
                            self.sources.take(step, &entry);
                        }
                    });
                    self.sources.append();
                    if behind {
                        return Ok(Ended::Behind);
                    }
                    if read.is_err() {
                        return Ok(Ended::Failed(
                            "journalctl wrote something else than entries".to_owned(),
                        ));
                    }
                }
                None => {
                    let look_at = suspected.unwrap_or(heard + JOURNAL_SILENT);
                    let soon = Instant::now() + Duration::from_millis(1);
                    let note_at = self.sources.note_at().map(|at| at.max(soon));
                    let until = note_at.map_or(look_at, |at| at.min(look_at));
                    bell.wait(Some((child.output(), PollFlags::POLLIN)), until)?;
                    if Instant::now() >= look_at {
                        let silent =
                            || Ended::Failed("journalctl says nothing any more".to_owned());
                        if step != Step::Follow || suspected.is_some() {
                            return Ok(silent());
                        }
                        heard = Instant::now();
                        match self.is_newest(bell)? {
                            true => self.back(),
                            // What has just been written may be on its way.
                            false => suspected = Some(heard + JOURNAL_LATE),
                        }
                    }
                }
            }
            self.sources.note_now_and_then();
        }
        Ok(Ended::Stopped)
    }

    /// The first entry of a step; false where this step is of no use.
    fn begins(&mut self, step: Step, entry: &Entry) -> bool {
        let is_it = entry.word("__CURSOR") == self.sources.cursor();
        match step {
            Step::First => true,
            Step::CatchUp => {
                if !is_it {
                    log::warn!("the journal has lost entries that were not read yet");
                    self.sources.tell(&EventKind::Gap {
                        lost_bytes: None,
                        reason: "gone from the journal before it was read".into(),
                    });
                }
                true
            }
            Step::Follow => {
                if is_it {
                    self.back();
                }
                is_it
            }
        }
    }

    /// The next step, after a wait where that is due.
    fn next(&mut self, step: Step, ended: Ended) -> (Step, Option<Duration>) {
        match ended {
            Ended::Failed(reason) => {
                self.be_away(&reason);
                let again = match self.first_step() {
                    Step::First => Step::First,
                    _ => Step::CatchUp,
                };
                (again, Some(self.reach.wait()))
            }
            Ended::Behind | Ended::Stopped => (Step::CatchUp, None),
            Ended::Whole => {
                self.sources.whole(step);
                if self.sources.cursor().is_none() {
                    // An empty journal.
                    self.back();
                    return (Step::First, Some(JOURNAL_EMPTY_WAIT));
                }
                match step {
                    Step::First => (Step::CatchUp, None),
                    _ => (Step::Follow, None),
                }
            }
        }
    }

    /// Whether the newest entry of the journal is the last one that was taken. It asks another journalctl.
    fn is_newest(&mut self, bell: &Bell) -> io::Result<bool> {
        let mut child = Child::start(&["-n".to_owned(), "1".to_owned()])?;
        let mut export = Export::new([b"__CURSOR".to_vec()]);
        let mut newest = None;
        let mut buf = vec![0; PIPE_READ_BYTES];
        let deadline = Instant::now() + JOURNAL_SILENT;
        while !bell.is_stopping() && Instant::now() < deadline {
            match child.read(&mut buf)? {
                Some(0) => break,
                Some(n) => {
                    let mut take =
                        |entry: Entry| newest = entry.word("__CURSOR").map(str::to_owned);
                    if export.take(&buf[..n], &mut take).is_err() {
                        break;
                    }
                }
                None => bell.wait(Some((child.output(), PollFlags::POLLIN)), deadline)?,
            }
        }
        // Where it can't be told, nothing is known against the one that is running.
        Ok(newest.is_none_or(|newest| Some(newest.as_str()) == self.sources.cursor()))
    }

    fn be_away(&mut self, reason: &str) {
        if self.reach.is_away(reason, false) {
            self.sources.tell(&EventKind::Away {
                reason: reason.into(),
            });
        }
    }

    fn back(&mut self) {
        if self.reach.is_back(|| {}) {
            self.sources.tell(&EventKind::Back);
        }
    }
}

impl Feeder for Journal {
    fn name(&self) -> String {
        "feeder journal".to_owned()
    }

    fn run(&mut self, bell: &Arc<Bell>, first: &First) {
        let mut step = self.first_step();
        while !bell.is_stopping() {
            let ended = match self.read(step, bell) {
                Ok(ended) => ended,
                Err(error) => Ended::Failed(why_not(&error)),
            };
            self.sources.append();
            let (next, wait) = self.next(step, ended);
            if next == Step::Follow || wait.is_some() {
                first.is_fed();
            }
            step = next;
            if let Some(wait) = wait {
                bell.rest(wait);
            }
        }
        self.sources.finish();
    }
}

fn ended(step: Step, begun: bool, status: ExitStatus, complaint: String) -> Ended {
    // An empty journal may end it with 1, without a word.
    let is_empty = !begun && complaint.is_empty() && status.code() == Some(1);
    if step != Step::Follow && (status.success() || is_empty) {
        return Ended::Whole;
    }
    Ended::Failed(match complaint.is_empty() {
        true => format!("journalctl ended: {status}"),
        false if complaint.contains("permission") => {
            format!("{complaint} (the group systemd-journal may read it)")
        }
        false => complaint,
    })
}

/// Says why there is nothing to read the journal with, if so.
pub(super) fn check() -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match crate::config::is_on_path("journalctl", &path) {
        true => Ok(()),
        false => Err(format!(
            "can't follow the journal: {}",
            why_not(&io::ErrorKind::NotFound.into())
        )),
    }
}

/// What an error at the start of a journalctl means for people.
fn why_not(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no journalctl here: it is in the package systemd".to_owned()
        }
        _ => format!("start journalctl: {error}"),
    }
}
