//! The token file: who holds one of its tokens may see the files of that token's scope.
//!
//! A line is `TOKEN`, or `TOKEN file=NAME file=PATTERN` for some files alone. Tokens never leave this module, neither
//! for a log nor for an error: lines are named by their number, and their holders by the comment in the line or above it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::config::followed::Followed;
use crate::error::StartError;
use crate::escape::shown;
use crate::limits::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, TOKEN_FILE_BYTES};
use crate::small_file::{self, Stamp};

mod carrier;
mod scope;

pub use carrier::{cookie_name, presented, set_cookie};
pub use scope::Scope;

/// The tokens that are good now.
pub struct Tokens {
    path: PathBuf,
    held: Vec<Held>,
    /// What the file looked like; `None` where it must be read again whatever it looks like.
    stamp: Option<Stamp>,
    /// What was last warned of, so that it is said once.
    complaint: Option<String>,
}

#[derive(PartialEq, Eq)]
struct Held {
    token: Padded,
    scope: Scope,
    /// Whose it is.
    holder: Arc<str>,
}

impl Tokens {
    /// Reads the token file at `path`, and warns where everyone on this machine can read it too.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |cause| {
            let deed = format!("use the token file {}", shown(path.as_os_str().as_bytes()));
            StartError::failed(deed, cause)
        };
        let (held, metadata) = read(path).map_err(failed)?;
        if metadata.mode() & 0o004 != 0 {
            log::warn!(
                "the token file {} can be read by every user of this machine: chmod o-r it",
                shown(path.as_os_str().as_bytes())
            );
        }
        Ok(Self {
            path: path.to_owned(),
            held,
            stamp: Stamp::of(&metadata),
            complaint: None,
        })
    }

    /// What `presented` opens, if it is a token. Takes the same time whichever token it is or resembles.
    pub fn allows(&self, presented: &[u8]) -> Option<Scope> {
        self.find(presented).map(|held| held.scope.clone())
    }

    /// The same, and whose token it is.
    pub fn opens(&self, presented: &[u8]) -> Option<(Scope, Arc<str>)> {
        let held = self.find(presented)?;
        Some((held.scope.clone(), Arc::clone(&held.holder)))
    }

    fn find(&self, presented: &[u8]) -> Option<&Held> {
        let presented = Padded::new(presented)?;
        let mut found = u64::MAX;
        for (index, held) in (0_u64..).zip(&self.held) {
            found.conditional_assign(&index, held.token.ct_eq(&presented));
        }
        self.held.get(usize::try_from(found).ok()?)
    }

    /// Warns of what a token opens by a name that a pattern of `files` can give to several.
    pub fn warn_of_names(&self, files: &[Followed]) {
        let patterns = files.iter().filter_map(|file| match file {
            Followed::Pattern(pattern) => Some(pattern),
            _ => None,
        });
        for pattern in patterns {
            let scopes = self.held.iter().map(|held| &held.scope);
            let names: BTreeSet<_> = scopes
                .flat_map(|scope| scope.ambiguous(pattern.path().as_os_str()))
                .collect();
            for name in names {
                log::warn!(
                    "a token is for file={}, and {} can give that name to any of several files: write the path of the one that is meant",
                    shown(name.as_bytes()),
                    shown(pattern.path().as_os_str().as_bytes())
                );
            }
        }
    }

    /// Reads the file again if it has changed, and says whether other tokens or scopes are good now. Where it can't
    /// be used, what was good stays so: a file may be half-written.
    pub fn refresh(&mut self) -> bool {
        if small_file::is_as_read(&self.path, self.stamp.as_ref()) {
            return false;
        }
        match read(&self.path) {
            Ok((held, metadata)) => {
                self.stamp = Stamp::of(&metadata);
                self.complaint = None;
                let is_new = held != self.held;
                self.held = held;
                is_new
            }
            Err(cause) => {
                if self.complaint.as_ref() != Some(&cause) {
                    log::warn!(
                        "can't use the changed token file {}, so the tokens stay as they were: {cause}",
                        shown(self.path.as_os_str().as_bytes())
                    );
                    self.complaint = Some(cause);
                }
                self.stamp = None;
                false
            }
        }
    }
}

/// Without the tokens.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("path", &self.path)
            .field("count", &self.held.len())
            .finish_non_exhaustive()
    }
}

/// A token of fixed length, so that the time of a comparison does not tell its own.
#[derive(PartialEq, Eq)]
struct Padded {
    bytes: [u8; TOKEN_BYTES_MAX],
    len: u64,
}

impl Padded {
    /// `None` for what is longer than a token can be.
    fn new(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; TOKEN_BYTES_MAX];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        let len = u64::try_from(token.len()).ok()?;
        Some(Self { bytes, len })
    }
}

impl ConstantTimeEq for Padded {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.bytes.as_slice().ct_eq(other.bytes.as_slice()) & self.len.ct_eq(&other.len)
    }
}

/// The tokens in the file, and what it looked like before it was read.
fn read(path: &Path) -> Result<(Vec<Held>, Metadata), String> {
    let (bytes, metadata) = small_file::read_text(path, TOKEN_FILE_BYTES).map_err(|error| {
        format!("{error}: it must be a file with a token a line that this user can read")
    })?;
    Ok((parse(&bytes)?, metadata))
}

fn parse(bytes: &[u8]) -> Result<Vec<Held>, String> {
    let mut all: Vec<Held> = Vec::new();
    let mut above = None;
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        // A # inside a word is part of it: tokens may be passwords.
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .take_while(|word| !word.starts_with(b"#"));
        let beside = comment(line);
        let Some(token) = words.next() else {
            // A blank line ends what a comment is about.
            above = beside;
            continue;
        };
        let holder = beside.or_else(|| above.clone());
        let holder = holder.unwrap_or_else(|| format!("the token of line {number}").into());
        let bad = |why: &str| format!("line {number}: {why}");
        if token.len() < TOKEN_BYTES_MIN {
            return Err(bad(&format!(
                "the token has {} bytes, and must have at least {TOKEN_BYTES_MIN}, so that it can't be guessed",
                token.len()
            )));
        }
        let token = Padded::new(token)
            .ok_or_else(|| bad(&format!("the token is over {TOKEN_BYTES_MAX} bytes")))?;
        let scope = Scope::read(words).map_err(|why| bad(&why))?;
        match all.iter_mut().find(|held| held.token == token) {
            Some(held) => held.scope.join(scope),
            None => all.push(Held {
                token,
                scope,
                holder,
            }),
        }
    }
    if all.is_empty() {
        return Err("there is no token in it: it holds one a line".to_owned());
    }
    Ok(all)
}

/// The comment of a line, where it may be shown: one that could be a token, taken out of use, says nothing.
fn comment(line: &[u8]) -> Option<Arc<str>> {
    let words = line.split(u8::is_ascii_whitespace);
    let mut words = words.skip_while(|word| !word.starts_with(b"#")).peekable();
    let first = words.peek()?.strip_prefix(b"#")?;
    let words = std::iter::once(first).chain(words.skip(1));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.iter().any(|word| word.len() >= TOKEN_BYTES_MIN) {
        return None;
    }
    Some(shown(&words.join(&b' ')).into())
}

#[cfg(test)]
#[path = "token/tests.rs"]
mod tests;
