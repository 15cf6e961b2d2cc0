//! Owns start-up errors: what was tried, on what, why not.

use std::fmt;

use thiserror::Error;

/// Why the program does not start. Shown as one line on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StartError {
    /// Wrong usage: what was wrong, with the value, and what would be right.
    #[error("{0}")]
    Usage(String),
    /// A failure at run time: what was tried, on what, and why not.
    #[error("{0}")]
    Failed(String),
}

impl StartError {
    /// `deed` names the object too: `open /etc/tailcast.tokens`.
    pub fn failed(deed: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::Failed(format!("can't {deed}: {cause}"))
    }

    /// A directory for what the daemon keeps can't be had: `option` names another one.
    pub fn directory(deed: impl fmt::Display, cause: impl fmt::Display, option: &str) -> Self {
        let right = format!("give {option} a directory that this user can make and write in");
        Self::failed(deed, format!("{cause}: {right}"))
    }

    /// The exit status that scripts tell them apart by.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }
}
