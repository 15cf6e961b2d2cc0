//! Where a followed name leads, as far as the log and the clients are told: said once when it is lost, once when it is
//! found again, and not at all for the moment that a rotation takes.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::time::Instant;

use crate::hub::Condition;
use crate::limits::MISSING_AFTER;
use crate::source::Source;

/// Where a name leads to, other than to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// There is nothing.
    Nowhere,
    /// There is something, but it can't be opened or is no regular file.
    Elsewhere,
}

impl Leads {
    fn condition(self, error: &io::Error) -> Condition {
        let text = error.to_string();
        // For people: they don't know errors by number.
        let reason = text.split(" (os error").next().unwrap_or_default().into();
        match self {
            Leads::Nowhere => Condition::Missing(reason),
            Leads::Elsewhere => Condition::Unreadable(reason),
        }
    }
}

#[derive(Debug, Default)]
enum State {
    /// To a file.
    #[default]
    Found,
    /// Lost since then; `told` what about it.
    Lost {
        since: Instant,
        told: Option<Leads>,
        /// Clients were told that it leads nowhere.
        missing_told: bool,
        condition: Condition,
    },
}

/// Where a follower's name leads.
#[derive(Debug)]
pub(super) struct Name {
    state: State,
    /// The hub does not know it yet.
    changed: bool,
}

impl Default for Name {
    fn default() -> Name {
        Name {
            state: State::Found,
            changed: true,
        }
    }
}

impl Name {
    /// It could not be followed when the program started: said at once.
    pub(super) fn at_start(
        &mut self,
        source: &Source,
        error: &io::Error,
        by_pattern: bool,
        now: Instant,
    ) {
        let leads = leads(error);
        self.state = State::Lost {
            since: now,
            told: Some(leads),
            missing_told: false,
            condition: leads.condition(error),
        };
        say_lost(source, error, leads, by_pattern);
    }

    /// It leads to a file. Whether clients were told that it leads nowhere.
    pub(super) fn found(&mut self, source: &Source, has_begun: bool) -> bool {
        let State::Lost {
            told, missing_told, ..
        } = std::mem::take(&mut self.state)
        else {
            return false;
        };
        self.changed = true;
        if told.is_some() {
            let path = source.shown_path();
            let is = if has_begun { "is back" } else { "is there" };
            log::info!(file:? = path; "{path:?} {is}");
        }
        missing_told
    }

    /// Clients are told now that it leads nowhere.
    pub(super) fn tell_missing(&mut self) {
        if let State::Lost { missing_told, .. } = &mut self.state {
            *missing_told = true;
        }
    }

    /// It does not lead to a file. Returns what clients and the log are told now, if anything.
    pub(super) fn lost(
        &mut self,
        source: &Source,
        error: &io::Error,
        by_pattern: bool,
        now: Instant,
    ) -> Option<Leads> {
        let leads = leads(error);
        let seen = leads.condition(error);
        match &mut self.state {
            State::Found => {
                self.changed = true;
                self.state = State::Lost {
                    since: now,
                    told: None,
                    missing_told: false,
                    condition: seen,
                };
                None
            }
            // After it was said that it is not there, that it is there and can't be opened is news; and the other way.
            State::Lost {
                since,
                told,
                condition,
                ..
            } => {
                if *condition != seen {
                    self.changed = true;
                    *condition = seen;
                }
                if *told == Some(leads) {
                    return None;
                }
                if told.is_none() && now < *since + MISSING_AFTER {
                    return None;
                }
                *told = Some(leads);
                say_lost(source, error, leads, by_pattern);
                Some(leads)
            }
        }
    }

    /// Since when it is lost, if it is.
    pub(super) fn lost_since(&self) -> Option<Instant> {
        match self.state {
            State::Found => None,
            State::Lost { since, .. } => Some(since),
        }
    }

    /// How the source fares by its name.
    pub(super) fn condition(&self) -> Condition {
        match &self.state {
            State::Found => Condition::Ok,
            State::Lost { condition, .. } => condition.clone(),
        }
    }

    /// Whether that has changed since this was last asked.
    pub(super) fn changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

fn leads(error: &io::Error) -> Leads {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Leads::Nowhere,
        _ if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => Leads::Nowhere,
        _ => Leads::Elsewhere,
    }
}

fn say_lost(source: &Source, error: &io::Error, leads: Leads, by_pattern: bool) {
    let path = source.shown_path();
    match leads {
        // Names that come and go are what a pattern is for.
        Leads::Nowhere if by_pattern => log::info!(file:? = path; "{path:?} is gone"),
        Leads::Nowhere => log::warn!("{path:?} leads nowhere ({error}): waiting for it"),
        Leads::Elsewhere => log::warn!("{path:?} can't be followed ({error}): trying again"),
    }
}

/// Why a name that leads to something other than a regular file can't be followed.
pub(super) fn not_regular(stat: &Metadata) -> io::Error {
    let kind = stat.file_type();
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::other(format!("it is {what}"))
}
