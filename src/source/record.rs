//! Records: stored lines that hold more than the text a program wrote, such as a container's.
//!
//! A *grammar* reads one stored line: where the text stands in it and, where it has them, the text's time, the stream
//! that it was written to and its priority. A record may be a part, which the next record of its stream goes on.
//! Reading is a pure function over bytes. What is no record of its file's grammar (torn, or foreign) is no error: such
//! a line is shown as it lies there.

mod before;
mod cri;
mod docker;
mod joiner;
pub mod local;
pub mod moment;
pub mod noted;
mod recover;
pub mod text;

use std::sync::Arc;

use super::lines::content;

pub use before::Before;
pub use joiner::{Carry, Joiner, Made, open_bytes_max};
pub use recover::{Reading, grammar_of, stored_line_end};
pub use text::Coding;

/// How a file's stored lines are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// A stored line is what it says.
    Plain,
    /// `{"log":"TEXT\n","stream":"stdout","time":"TIME"}`, as Docker's json-file driver writes it.
    Docker,
    /// `<tNANOSECONDS p6>TEXT`, as spools have it whose origins say more of a line than its text.
    Noted,
    /// `TIME stdout F TEXT`, as CRI has it (containerd, CRI-O), and Podman's k8s-file driver.
    Cri,
}

/// Which of a program's two streams a text was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlet {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Outlet {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Outlet::Stdout => "stdout",
            Outlet::Stderr => "stderr",
        }
    }

    /// The one with this name.
    pub fn named(name: &[u8]) -> Option<Outlet> {
        match name {
            b"stdout" => Some(Outlet::Stdout),
            b"stderr" => Some(Outlet::Stderr),
            _ => None,
        }
    }
}

/// What a record says of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Nanoseconds since 1970.
    pub time: Option<i64>,
    /// Where it was written to.
    pub outlet: Option<Outlet>,
    /// 0 (emergency) to 7 (debug), as syslog counts.
    pub priority: Option<u8>,
}

/// One stored line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where the text begins in the stored line.
    pub text_at: usize,
    /// The text as it is stored, without the newline that ends it.
    pub text: &'a [u8],
    /// How the text is stored.
    pub coding: Coding,
    /// The program has not ended its line here: the next record of this outlet goes on with it.
    pub part: bool,
    /// What is said of it.
    pub note: Note,
}

/// Lines at the beginning of a file that are asked for its grammar, and bytes in which they begin.
const ASKED_LINES: usize = 4;
/// As many bytes of the file as [`Grammar::found`] looks at.
pub const ASKED_BYTES: usize = 1024;

impl Grammar {
    /// The grammar of a file that begins with `head`: of the first of its first lines that looks like a record. `None`
    /// where more of the file has to be there before it is known: until then no line of it is a record.
    ///
    /// Invariant: what it says once stays so however much is appended, so that all who read the file agree.
    pub fn found(head: &[u8]) -> Option<Grammar> {
        let head = &head[..head.len().min(ASKED_BYTES)];
        let mut asked = 0;
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            let is_whole = line.ends_with(b"\n") || head.len() == ASKED_BYTES;
            if docker::begins(line) || (is_whole && docker::read(content(line)).is_some()) {
                return Some(Grammar::Docker);
            }
            if cri::begins(line) {
                return Some(Grammar::Cri);
            }
            if !is_whole {
                return None;
            }
            asked += 1;
            if asked == ASKED_LINES {
                return Some(Grammar::Plain);
            }
        }
        (head.len() == ASKED_BYTES).then_some(Grammar::Plain)
    }

    /// Whether a record can be a part of a line.
    fn has_parts(self) -> bool {
        match self {
            Grammar::Docker | Grammar::Cri => true,
            Grammar::Plain | Grammar::Noted => false,
        }
    }

    /// The outlet of a stored line, which comes with its ending, where a glance tells it. It may be no record all the same.
    fn glance(self, raw: &[u8]) -> Option<Outlet> {
        match self {
            Grammar::Docker => docker::glance(content(raw)),
            Grammar::Cri => cri::glance(raw),
            Grammar::Plain | Grammar::Noted => None,
        }
    }

    /// Reads a stored line, which comes with its ending; `None` where it is no record of this grammar.
    pub fn read(self, raw: &[u8]) -> Option<Record<'_>> {
        match self {
            Grammar::Plain => None,
            Grammar::Docker => docker::read(content(raw)),
            Grammar::Noted => noted::read(raw.strip_suffix(b"\n").unwrap_or(raw)),
            Grammar::Cri => cri::read(raw.strip_suffix(b"\n").unwrap_or(raw)),
        }
    }
}

/// What programs wrote, line by line, where that is not what is stored.
#[derive(Debug, Default)]
pub struct Records {
    /// The lines with their endings.
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`.
    ends: Vec<u32>,
    notes: Vec<Note>,
    /// Makes the lines that come next, where it is known: who goes on here need not look back for the parts of lines.
    pub next: Option<Arc<Joiner>>,
}

impl Records {
    /// Line `i` as the program wrote it, with its ending.
    pub fn written(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    /// What is said of line `i`.
    pub fn note(&self, i: usize) -> Note {
        self.notes[i]
    }

    /// Appends the line that `write` appends.
    pub fn push(&mut self, note: Note, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
        self.notes.push(note);
    }

    /// Keeps only the first `lines`.
    pub fn truncate(&mut self, lines: usize) {
        self.notes.truncate(lines);
        self.ends.truncate(lines);
        let end = self.ends.last().map_or(0, |&end| end as usize);
        self.bytes.truncate(end);
    }

    /// Bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.notes.capacity() * size_of::<Note>()
    }
}

#[cfg(test)]
mod join_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCKER: &[u8] =
        b"{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-28T10:00:00.5Z\"}\n";
    /// The same, as another program may write it.
    const TURNED: &[u8] =
        b"{\"time\": \"2026-11-28T10:00:00.5Z\", \"stream\": \"stdout\", \"log\": \"a\\n\"}\n";
    const CRI: &[u8] = b"2026-11-28T10:00:00.5Z stderr F a\n";

    #[test]
    fn a_grammar_is_found_by_the_first_lines() {
        assert_eq!(Grammar::found(DOCKER), Some(Grammar::Docker));
        assert_eq!(Grammar::found(TURNED), Some(Grammar::Docker));
        assert_eq!(Grammar::found(&TURNED[..TURNED.len() - 1]), None);
        assert_eq!(Grammar::found(CRI), Some(Grammar::Cri));
        assert_eq!(Grammar::found(b""), None);
        assert_eq!(Grammar::found(b"{\"lo"), None);
        assert_eq!(Grammar::found(b"a\nb\nc\n"), None);
        assert_eq!(Grammar::found(b"a\nb\nc\nd\n"), Some(Grammar::Plain));
        assert_eq!(Grammar::found(&[b'x'; 2000]), Some(Grammar::Plain));
        let torn = [&b"n\",\"stream\":\"std\"}\n"[..], DOCKER].concat();
        assert_eq!(Grammar::found(&torn), Some(Grammar::Docker));
        let late = [&b"a\nb\nc\nd\n"[..], DOCKER].concat();
        assert_eq!(Grammar::found(&late), Some(Grammar::Plain));
        // Times of plain logs.
        let iso = b"2026-11-28T10:00:00.5Z host sshd[1]: F\n".repeat(9);
        assert_eq!(Grammar::found(&iso), Some(Grammar::Plain));
    }

    proptest! {
        #[test]
        fn what_a_grammar_is_never_changes_while_the_file_grows(
            lines in proptest::collection::vec(prop_oneof![
                Just(DOCKER.to_vec()), Just(CRI.to_vec()), Just(b"plain\n".to_vec()), Just(TURNED.to_vec()),
                proptest::collection::vec(any::<u8>(), 0..400),
            ], 0..8),
        ) {
            let bytes = lines.concat();
            let mut known = None;
            for n in 0..bytes.len() {
                let found = Grammar::found(&bytes[..n]);
                prop_assert!(known.is_none() || found == known, "{found:?} after {known:?}");
                known = found;
            }
        }

        #[test]
        fn any_bytes_are_read_or_are_no_record(
            bytes in proptest::collection::vec(any::<u8>(), 0..80), start in 0usize..5, at in 0usize..90,
        ) {
            let mut raw = [&b""[..], b"{\"log\":\"", DOCKER, TURNED, CRI][start].to_vec();
            let at = at.min(raw.len());
            raw.splice(at..(at + 1).min(raw.len()), bytes);
            for grammar in [Grammar::Plain, Grammar::Docker, Grammar::Cri] {
                if let Some(record) = grammar.read(&raw) {
                    prop_assert_eq!(&raw[record.text_at..record.text_at + record.text.len()], record.text);
                }
            }
        }
    }
}
