//! The held file: the one that a follower reads, with what is needed to know that it still is what it was.
//!
//! Every read takes in the last bytes already read once more. If they differ, the file was truncated or rewritten, even
//! if it is longer than before. The bytes after the last newline (the fragment) are kept in memory, for after a
//! truncation they exist nowhere else and are still to be sent.
//!
//! The size of a file grows page by page inside one write(2), so the end of what is there is often the middle of a
//! line, or NULs that are not there yet: only whole lines are taken, and NULs at the end wait, however many.

mod form;
mod hole;
mod waiting;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::limits::{HEAD_CHECKED_BYTES, OVERLAP_BYTES, PAGE_BYTES, TURN_BYTES};
use crate::source::forward::{Footing, is_of_one_moment, read_full};
use crate::source::record::{Before, Joiner};
use crate::source::{Id, IdMaker, Identity, Lines, OpenFile, Source};

use form::{Form, Until};
use waiting::Waiting;

use super::trace::Trace;

/// Room for one read: a turn, and the overlap before it.
pub(super) const READ_BYTES: usize = OVERLAP_BYTES + TURN_BYTES;

/// The file that a follower reads, and how far it has read it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) file: Arc<OpenFile>,
    pub(super) identity: Identity,
    /// The generation's number.
    pub(super) number: u64,
    /// The watch on it.
    pub(super) watch: Option<i32>,
    /// The live edge in it: up to there its lines are published.
    edge: u64,
    /// The last bytes before the edge (`lead` of them), then the fragment: together they end where reading goes on.
    tail: Vec<u8>,
    lead: usize,
    /// Its first bytes, as far as they are read; at most [`HEAD_CHECKED_BYTES`].
    head: Arc<[u8]>,
    /// Where NULs at its beginning are known to reach, as long as there was nothing else. `None`: they are content.
    hole: Option<u64>,
    /// Where its first line begins.
    start: u64,
    /// How its bytes become lines.
    form: Form,
    /// The lines that are unfinished at the end of the file before, and go on in this one.
    pub(super) before: Before,
    /// Its size when last seen, and when it was last seen to grow.
    seen_bytes: u64,
    grew: Option<Instant>,
    /// Why it could not be read the last time.
    pub(super) trouble: Option<io::ErrorKind>,
    /// The last read came to the end of what the file holds.
    at_end: bool,
    /// NULs stand where reading goes on, and nothing else was found behind them.
    nuls: Option<Waiting>,
    /// Up to there NULs are content, for something else stands behind them.
    content_to: u64,
}

/// What a read found.
#[derive(Debug)]
pub(super) enum Found {
    /// New bytes or none: the hole that ended, if one did, and the lines that came.
    Bytes {
        /// The first line begins only here.
        skip: Option<u64>,
        /// Whole lines, right after the edge.
        lines: Option<Lines>,
    },
    /// The bytes before are not there any more, or others are: truncated, or rewritten in place.
    Changed,
}

impl Held {
    /// A file whose first byte is the next to be read. Where `may_have_hole`, NULs at its beginning are skipped.
    pub(super) fn new(
        file: Arc<OpenFile>,
        identity: Identity,
        number: u64,
        may_have_hole: bool,
    ) -> Held {
        Held {
            file,
            identity,
            number,
            watch: None,
            edge: 0,
            tail: Vec::new(),
            lead: 0,
            head: Arc::from([]),
            hole: may_have_hole.then_some(0),
            start: 0,
            form: Form::Unknown,
            before: Before::default(),
            seen_bytes: 0,
            grew: None,
            trouble: None,
            at_end: false,
            nuls: None,
            content_to: 0,
        }
    }

    /// Goes to the end `edge` of a line, with what stands before it.
    pub(super) fn stand_at(&mut self, edge: u64, footing: Footing) {
        self.edge = edge;
        self.lead = footing.overlap.len();
        self.tail = footing.overlap.to_vec();
        if let Some(head) = footing.head {
            self.head = head;
        }
        self.hole = None;
    }

    /// The same in a file of records, with a joiner that stands there.
    pub(super) fn stand_in_records(&mut self, joiner: Joiner) {
        self.form = Form::Records(Box::new(joiner));
    }

    /// The same, in which these lines go on.
    pub(super) fn behind(self, before: Before) -> Held {
        Held { before, ..self }
    }

    /// The id of the live edge.
    pub(super) fn id(&self, name_hash: u32) -> Id {
        let lead = &self.tail[..self.lead];
        IdMaker::new(name_hash, &self.identity, Arc::clone(&self.head), lead).id(self.edge, &[])
    }

    /// What it held, as far as it was read.
    pub(super) fn trace(&self) -> Trace {
        let overlap = self.tail.len().saturating_sub(OVERLAP_BYTES);
        Trace::new(&self.head, &self.tail[overlap..], self.scanned())
    }

    /// Where reading goes on.
    pub(super) fn scanned(&self) -> u64 {
        self.edge + (self.tail.len() - self.lead) as u64
    }

    /// The file was seen to be that long.
    pub(super) fn see(&mut self, bytes: u64, now: Instant) {
        if bytes > self.seen_bytes && self.seen_bytes > 0 {
            self.grew = Some(now);
        }
        self.seen_bytes = bytes;
    }

    /// When it was last seen to grow.
    pub(super) fn grew(&self) -> Option<Instant> {
        self.grew
    }

    /// The last read came to the end of what was there.
    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Bytes are known to have been there that no read has taken.
    pub(super) fn has_unread(&self) -> bool {
        !self.at_end && self.seen_bytes > self.scanned()
    }

    /// Reads on, into `buf` (of [`READ_BYTES`]), at most `room` bytes more. Blocks on the disk.
    pub(super) fn read(
        &mut self,
        buf: &mut [u8],
        room: usize,
        source: &Source,
        line_bytes_max: usize,
        now: Instant,
    ) -> io::Result<Found> {
        let mut skip = None;
        if let Some(at) = self.hole {
            match self.skip_hole(at, &mut buf[..room])? {
                None => {
                    self.wait_at_hole(now)?;
                    return Ok(Found::Bytes {
                        skip: None,
                        lines: None,
                    });
                }
                Some(place) => skip = (place > 0).then_some(place),
            }
        }
        let overlap = self.tail.len().min(OVERLAP_BYTES);
        let from = self.scanned() - overlap as u64;
        // Where NULs wait, their writer goes on at the first of them.
        let want = match self.nuls {
            Some(_) => room.min(PAGE_BYTES),
            None => room,
        };
        let window = overlap + want;
        let mut n = read_full(&self.file, &mut buf[..window], from)?;
        if n < overlap {
            return Ok(Found::Changed);
        }
        if !self.overlaps(&buf[..overlap]) {
            // It may have been half written just then: once more, and if the overlap is right now, the head must be,
            // too.
            n = read_full(&self.file, &mut buf[..window], from)?;
            if n < overlap || !self.overlaps(&buf[..overlap]) || !self.head_stands()? {
                return Ok(Found::Changed);
            }
        }
        // Race: between two pages of this read the file may have been truncated and rewritten to more. What was read
        // is of one content only if the overlap is still the same after it.
        if !is_of_one_moment(&self.file, &buf[..n], from, overlap)? {
            return Ok(Found::Changed);
        }
        self.at_end = n < window;
        // Invariant: a NUL is not taken before something else follows it, for the page it is in may have been added
        // before the bytes that belong there were.
        let known = self.content_to.saturating_sub(self.scanned());
        let known = usize::try_from(known)
            .unwrap_or(usize::MAX)
            .min(n - overlap);
        let last = buf[overlap + known..n].iter().rposition(|&byte| byte != 0);
        let end = overlap + known + last.map_or(0, |last| last + 1);
        match end < n {
            true if self.at_end => self.wait_on_nuls(now),
            // Behind them there may be content.
            true if end == overlap => {
                let behind = self.scanned() + (n - overlap) as u64;
                self.at_end = !self.look_behind(behind, buf, now)?;
            }
            true | false => self.nuls = None,
        }
        let new = &buf[overlap..end];
        self.grow_head(new);
        if matches!(self.form, Form::Unknown) && !new.is_empty() {
            self.find_form(source, line_bytes_max)?;
        }
        let lines = match self.form {
            Form::Records(_) => {
                self.tail.extend_from_slice(new);
                self.take_records(Until::Now, source.name_hash)
            }
            Form::Unknown | Form::Plain => self.take(new, source.name_hash, line_bytes_max),
        };
        self.seen_bytes = self.seen_bytes.max(self.scanned());
        Ok(Found::Bytes { skip, lines })
    }

    fn overlaps(&self, bytes: &[u8]) -> bool {
        self.tail.ends_with(bytes)
    }

    fn head_stands(&self) -> io::Result<bool> {
        let mut head = [0; HEAD_CHECKED_BYTES];
        let head = &mut head[..self.head.len()];
        Ok(read_full(&self.file, head, 0)? == head.len() && *head == *self.head)
    }

    fn grow_head(&mut self, new: &[u8]) {
        let known = self.head.len();
        if known < HEAD_CHECKED_BYTES && known as u64 == self.scanned() && !new.is_empty() {
            let mut head = self.head.to_vec();
            head.extend(new.iter().take(HEAD_CHECKED_BYTES - known));
            self.head = Arc::from(head);
        }
    }
}
