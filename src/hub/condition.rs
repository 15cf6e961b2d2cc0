//! How a source fares right now, in one word and a reason.

use std::sync::Arc;

/// How a source fares, as `/files` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It is read.
    #[default]
    Ok,
    /// Its name leads nowhere, with the reason.
    Missing(Arc<str>),
    /// Its name leads to something that can't be read, with the reason.
    Unreadable(Arc<str>),
    /// Where its lines come from can't be reached.
    Away {
        /// Why.
        reason: Arc<str>,
        /// Since when, in nanoseconds since 1970: the reason may have been another one meanwhile.
        since_ns: i64,
    },
    /// Nothing more comes: standard input has ended.
    Closed,
}

impl Condition {
    /// Its word on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Condition::Ok => "ok",
            Condition::Missing(_) => "missing",
            Condition::Unreadable(_) => "unreadable",
            Condition::Away { .. } => "away",
            Condition::Closed => "closed",
        }
    }

    /// Why it is not [`Condition::Ok`].
    pub fn reason(&self) -> Option<&str> {
        match self {
            Condition::Ok => None,
            Condition::Missing(reason)
            | Condition::Unreadable(reason)
            | Condition::Away { reason, .. } => Some(reason),
            Condition::Closed => Some("standard input has ended"),
        }
    }
}
