//! The held file is read: lines go out, and where it begins anew that is told.

use std::fs::File;
use std::sync::Arc;

use crate::hub::Change;
use crate::limits::{HELD_LATELY_MAX, RETRY};
use crate::source::{Began, Gap, Generation, copies};

use super::{Follower, Turn, feed};
use crate::tail::held::{Found, Held};
use crate::tail::trace::{Fit, Trace};
use crate::tail::trust::Ground;

impl Follower {
    /// Step 1 and 2: reads the held file to its end or the end of the turn. Whether the turn was cut.
    pub(super) fn read(&mut self, turn: &mut Turn) -> bool {
        let line_bytes_max = turn.hub.line_bytes_max();
        let Some(held) = &mut self.held else {
            return false;
        };
        if turn.room == 0 {
            return true;
        }
        let before = held.scanned();
        let room = match self.source.spool().is_some() {
            true => match feed::readable(held, &self.noticed, &self.source.path(), turn.hub) {
                // Nothing more, or something is to be told before the lines behind it.
                0 => return false,
                bytes => turn.room.min(bytes),
            },
            false => turn.room,
        };
        match held.read(turn.buf, room, &self.source, line_bytes_max, turn.now) {
            Ok(Found::Bytes { skip, lines }) => {
                let read = held.scanned().saturating_sub(before.max(skip.unwrap_or(0)));
                turn.room = turn
                    .room
                    .saturating_sub(usize::try_from(read).unwrap_or(usize::MAX));
                let more = !held.at_end();
                let nuls_look_at = held.nuls_look_at();
                held.trouble = None;
                if let Some(at) = nuls_look_at {
                    self.wait_until(at);
                }
                if let Some(place) = skip {
                    self.tell(turn, Change::Skip(place));
                }
                if let Some(lines) = lines {
                    self.tell(turn, Change::Lines(lines));
                }
                more
            }
            Ok(Found::Changed) if self.ground == Ground::Paths => {
                // It may be another file: that is for the next look to say.
                self.anew_at = turn.now;
                self.wait_until(turn.now + RETRY);
                false
            }
            Ok(Found::Changed) => {
                self.truncated(turn);
                true
            }
            Err(e) => {
                if held.trouble.replace(e.kind()) != Some(e.kind()) {
                    log::warn!("read {:?}: {e}", self.source.path());
                }
                self.wait_until(turn.now + RETRY);
                false
            }
        }
    }

    /// The held file begins anew, from its first byte.
    pub(super) fn truncated(&mut self, turn: &mut Turn) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        // How many were lost is not known: more may have come after the last look.
        let gap = held.has_unread().then_some(Gap {
            lost_bytes: None,
            reason: "truncated before it was read",
        });
        self.seal(&mut held, Began::Truncated, turn);
        let mut anew = Held::new(
            Arc::clone(&held.file),
            held.identity,
            self.next_number,
            true,
        )
        .behind(std::mem::take(&mut self.before));
        anew.watch = held.watch;
        self.begin(&anew, Began::Truncated, gap, turn);
        self.held = Some(anew);
    }

    /// The held file's unfinished last line is sent as it is.
    ///
    /// Invariant: it goes out in the same publish as the beginning of the next generation, for a reader takes what
    /// stands before a live edge as whole lines only as long as the generation is not sealed.
    pub(super) fn seal(&mut self, held: &mut Held, began: Began, turn: &mut Turn) {
        let line_bytes_max = turn.hub.line_bytes_max();
        let parts_end = began == Began::Remade;
        if let Some(lines) = held.unfinished(self.source.name_hash, line_bytes_max, parts_end) {
            self.tell(turn, Change::Lines(lines));
        }
        self.before = held.unfinished_parts();
        self.lately.push_back(held.trace());
        if self.lately.len() > HELD_LATELY_MAX {
            self.lately.pop_front();
        }
    }

    /// Whether `file` holds what this one's file holds from its beginning on, or held lately: a copy, as far as it is made.
    /// Blocks on the disk.
    pub(in crate::tail) fn is_copied_to(&self, file: &File) -> bool {
        let is_like =
            |trace: &Trace| trace.at > 0 && trace.fits(file).is_ok_and(|fit| fit != Fit::Differs);
        let is_of_held = self.held.as_ref().is_some_and(|held| {
            // Race: the file is asked first, for it may be truncated once it is copied.
            let is_it = copies::is_beginning(file, &held.file).unwrap_or(false);
            let trace = held.trace();
            is_it || (!trace.is_in(&held.file) && is_like(&trace))
        });
        is_of_held || self.lately.iter().any(is_like)
    }

    pub(super) fn begin(&mut self, held: &Held, began: Began, gap: Option<Gap>, turn: &mut Turn) {
        let generation = Generation::with_identity(
            held.number,
            Arc::clone(&held.file),
            held.identity,
            began,
            gap,
        )
        .behind(held.before.clone());
        self.next_number = held.number + 1;
        self.tell(turn, Change::Begin(Arc::new(generation)));
    }

    /// Reads what was written to the held file and leaves all else to the next look. Whether there is more.
    pub(in crate::tail) fn read_alone(&mut self, turn: &mut Turn) -> bool {
        // There a look may find that the lines are another name's, or another file's.
        let may_differ = self.handed_to.is_some() || self.ground == Ground::Paths;
        !may_differ && self.source.spool().is_none() && self.read(turn)
    }
}
