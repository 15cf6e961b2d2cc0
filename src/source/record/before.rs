//! What goes on in a file of those before it: lines of records that a rotation has divided.
//!
//! Who has read the file before has it and hands it on. Where nobody has (the program was started since, or a stream
//! begins in the middle of the rotated files), it is found beside the file as soon as it is asked for.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::limits::{
    CARRY_COMPRESSED_BYTES_MAX, CARRY_FILES_MAX, CARRY_INFLATED_BYTES_MAX, OPEN_LINE_SLACK_BYTES,
};
use crate::source::siblings::{self, Sibling};
use crate::source::{Identity, Source, identity, inflate};

use super::{Carry, Grammar, Reading, grammar_of, open_bytes_max};

/// The unfinished lines of the files before one file, known or yet to be found. Copies are one: what one of them finds, all
/// have, so that all who read the file make the same lines of it.
#[derive(Clone, Debug, Default)]
pub struct Before(Arc<OnceLock<Arc<Carry>>>);

impl Before {
    /// Known by who has read the file before.
    pub fn told(carry: Arc<Carry>) -> Before {
        Before(Arc::new(OnceLock::from(carry)))
    }

    /// The lines that go on in `source`'s file `identity`, whose records have this grammar. Blocks on the disk where nobody
    /// knows them yet.
    pub fn carry(
        &self,
        grammar: Grammar,
        source: &Source,
        identity: &Identity,
        line_bytes_max: usize,
    ) -> Arc<Carry> {
        let find = || match grammar.has_parts() {
            true => find(source, identity, line_bytes_max),
            false => Arc::default(),
        };
        Arc::clone(self.0.get_or_init(find))
    }
}

/// Reads the ends of the files before the file `identity`, as far back as a line can have begun.
fn find(source: &Source, identity: &Identity, line_bytes_max: usize) -> Arc<Carry> {
    let mut older = siblings::each_once(siblings::rotated(&source.path()));
    let own = older
        .iter()
        .position(|sibling| sibling.identity.is_inode(identity));
    older.truncate(own.unwrap_or(older.len()));
    // In a file that is longer, none is unfinished that began before it.
    let long = (open_bytes_max(line_bytes_max) + OPEN_LINE_SLACK_BYTES) as u64;
    let mut files = Vec::new();
    for sibling in older.iter().rev().take(CARRY_FILES_MAX) {
        let Some((file, length)) = open(sibling) else {
            break;
        };
        let begins_later = length > long;
        files.push((file, length));
        if begins_later {
            break;
        }
    }
    let mut carry = Arc::<Carry>::default();
    for (file, length) in files.iter().rev() {
        let grammar = match source.grammar {
            Some(grammar) => Some(grammar),
            None => grammar_of(file, 0).ok().flatten(),
        };
        // A file without records ends no line of those before.
        let Some(grammar) = grammar.filter(|grammar| grammar.has_parts()) else {
            continue;
        };
        let reading = Reading {
            grammar,
            start: 0,
            line_bytes_max,
            carry,
        };
        let end = reading.last_end(file, *length);
        carry = end
            .ok()
            .and_then(|(_, joiner)| joiner.carry())
            .unwrap_or_default();
    }
    carry
}

/// The file and its length; `None` where it can't be read at small cost.
fn open(sibling: &Sibling) -> Option<(Arc<File>, u64)> {
    let is_small = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|stat| stat.len() <= CARRY_COMPRESSED_BYTES_MAX)
    };
    let file = match sibling.compressed {
        true if !is_small(&sibling.path) => return None,
        true => {
            let mut bytes = 0;
            let mut pause = |more| {
                bytes += more;
                match bytes <= CARRY_INFLATED_BYTES_MAX {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            };
            inflate::open(&sibling.path, &mut pause).ok()?.0
        }
        false => Arc::new(identity::open_beside(&sibling.path).ok()?.0),
    };
    let length = file.metadata().ok()?.len();
    Some((file, length))
}
