//! What goes on in a file of those before it: lines of records that a rotation has divided.
//!
//! Who has read the file before has it and hands it on. Where nobody has (the program was started since, or a stream
//! begins in the middle of the rotated files), it is found beside the file as soon as it is asked for.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::limits::{
    BACK_BLOCK_BYTES, CARRY_COMPRESSED_BYTES_MAX, CARRY_FILES_MAX, CARRY_INFLATED_BYTES_MAX,
    OPEN_LINE_SLACK_BYTES,
};
use crate::source::forward::read_full;
use crate::source::siblings::{self, Reach, Sibling};
use crate::source::{Identity, OpenFile, Source, identity, inflate};

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

    /// The lines that go on in `source`'s file `identity`, which is open as `file` and whose records have this grammar.
    /// Blocks on the disk where nobody knows them yet.
    pub fn carry(
        &self,
        grammar: Grammar,
        source: &Source,
        (file, identity): (&File, &Identity),
        line_bytes_max: usize,
    ) -> Arc<Carry> {
        let find = || match grammar.has_parts() {
            true => find(source, (file, identity), line_bytes_max).unwrap_or_default(),
            false => Arc::default(),
        };
        Arc::clone(self.0.get_or_init(find))
    }
}

/// Where a file stands among those that are named after it.
enum Stands {
    /// All of them are older.
    AtTheName,
    /// It is one of them.
    Beside(usize),
    /// Race: it was compressed or removed since it was opened, and some of them may be younger.
    Elsewhere,
}

/// Reads the ends of the files before the file `identity`, as far back as a line can have begun. `None` where it can't be
/// said which are before it.
fn find(
    source: &Source,
    (own, identity): (&File, &Identity),
    line_bytes_max: usize,
) -> Option<Arc<Carry>> {
    let path = source.path();
    let mut older = siblings::each_once(siblings::listed(&path, Reach::Known).siblings);
    let is_own = |sibling: &Sibling| sibling.identity.is_inode(identity);
    let stands = match older.iter().position(is_own) {
        Some(at) => Stands::Beside(at),
        // Asked after they were listed: who has the name now had it then.
        None if fs::metadata(&path).is_ok_and(|stat| Identity::of(&stat).is_inode(identity)) => {
            Stands::AtTheName
        }
        None => Stands::Elsewhere,
    };
    match stands {
        Stands::AtTheName => {}
        Stands::Beside(at) => older.truncate(at),
        // A compressor leaves what the file held.
        Stands::Elsewhere => {
            let copied = older
                .iter()
                .rposition(|sibling| sibling.compressed && holds(sibling, own));
            older.truncate(copied?);
        }
    }
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
    Some(carry)
}

/// Whether a compressed file holds just what `own` does.
fn holds(sibling: &Sibling, own: &File) -> bool {
    let Some((file, length)) = open(sibling) else {
        return false;
    };
    let mut blocks = [vec![0; BACK_BLOCK_BYTES], vec![0; BACK_BLOCK_BYTES]];
    let [inflated, held] = &mut blocks;
    let mut same = |at| {
        let n = read_full(&file, inflated, at)?;
        Ok::<_, io::Error>(read_full(own, held, at)? == n && inflated[..n] == held[..n])
    };
    // The last step finds the end of both.
    own.metadata().is_ok_and(|stat| stat.len() == length)
        && (0..=length)
            .step_by(BACK_BLOCK_BYTES)
            .all(|at| same(at).unwrap_or(false))
}

/// The file and its length; `None` where it can't be read at small cost.
fn open(sibling: &Sibling) -> Option<(Arc<OpenFile>, u64)> {
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::source::Origin;

    fn record(text: &str) -> String {
        format!(
            "{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"2026-11-28T10:00:00.5Z\"}}\n"
        )
    }

    fn write_gz(path: &Path, text: &str) {
        let mut encoder = GzEncoder::new(File::create(path).expect("a file"), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("deflated");
        encoder.finish().expect("finished");
    }

    /// Whether a line goes on in the file that held `text`, once it was compressed to `compressed` as well.
    fn carried(directory: &Path, text: &str, compressed: &str) -> bool {
        let path = PathBuf::from(directory).join("web-json.log");
        let held = directory.join("held");
        fs::write(&held, text).expect("written");
        let (file, identity) = identity::open(&held).expect("readable");
        fs::remove_file(&held).expect("removed");
        write_gz(&directory.join(compressed), text);
        let source = Source::new(0, "web".to_owned(), path, Origin::Container);
        let carry = Before::default().carry(Grammar::Docker, &source, (&file, &identity), 1 << 20);
        carry.has(0) || carry.has(1)
    }

    #[test]
    fn a_younger_file_carries_nothing_into_one_that_was_compressed_meanwhile() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("web-json.log"), record("third\\n")).expect("written");
        fs::write(at("web-json.log.1"), record("half of the second")).expect("written");
        let first = record("first\\n");
        assert!(!carried(directory.path(), &first, "web-json.log.2.gz"));
        // Nor does its own end.
        let half = record("half of the first");
        assert!(!carried(directory.path(), &half, "web-json.log.2.gz"));
        // Those before it do.
        write_gz(&at("web-json.log.3.gz"), &record("half of the zeroth"));
        assert!(carried(directory.path(), &first, "web-json.log.2.gz"));
    }

    #[test]
    fn what_is_before_a_file_that_is_gone_is_not_guessed() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("web-json.log"), record("third\\n")).expect("written");
        fs::write(at("web-json.log.1"), record("half of the second")).expect("written");
        let first = record("first\\n");
        assert!(!carried(directory.path(), &first, "another.gz"));
    }
}
