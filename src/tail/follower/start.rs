//! The first look: what stands in the file when the program starts is history.

use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::hub::Condition;
use crate::limits::RETRY;
use crate::source::{Began, Generation, Identity, OpenFile, back, forward::Footing, nuls};

use super::{Follower, Turn, lookup};
use crate::tail::held::Held;
use crate::tail::identity::stamp_now;
use crate::tail::name::not_regular;

impl Follower {
    /// The first look, before anybody is served: what stands there is history. Blocks on the disk.
    pub(in crate::tail) fn start(&mut self, turn: &mut Turn) {
        if self.source.spool().is_none() {
            self.arm(turn);
        }
        match self.found_at_start(turn) {
            Ok(()) => turn.hub.set_leads(&self.source, Condition::Ok),
            Err(e) => {
                self.name
                    .at_start(&self.source, &e, self.by_pattern, turn.now);
                turn.hub.set_leads(&self.source, self.name.condition());
                self.look_at = turn.now + RETRY;
            }
        }
    }

    fn found_at_start(&mut self, turn: &mut Turn) -> io::Result<()> {
        let before = stamp_now();
        let (file, identity) = self.file_at_start()?;
        let mut held = Held::new(Arc::clone(&file), identity, 0, true);
        let begin = held.skip_holes(turn.buf)?;
        let length = nuls::content_end_now(&file, begin)?;
        let length = self.before_event(identity.inode, length);
        let generation = Generation::new(0, Arc::clone(&file), Began::First, None)?;
        let generation = Arc::new(generation.behind(held.before.clone()));
        generation.skip_to(begin);
        let edge = match self.edge_at_start(&mut held, &generation, length, turn) {
            // Truncated just now: what it holds then is new.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => begin,
            outcome => outcome?.max(begin),
        };
        if edge > 0 {
            held.stand_at(edge, Footing::take(&file, edge)?);
        }
        turn.hub.found_at_start(
            &self.source,
            generation,
            edge,
            held.id(self.source.name_hash),
        );
        self.verified = before;
        self.next_number = 1;
        self.was_there = true;
        self.hold(held, turn);
        self.look_at = turn.now;
        Ok(())
    }

    /// The file that the name leads to at the start. What a spool's feeder has left before is history.
    fn file_at_start(&self) -> io::Result<(Arc<OpenFile>, Identity)> {
        if let Some(spool) = self.source.spool() {
            spool.skip_to_newest();
            let newest = spool.next().ok_or(ErrorKind::NotFound)?;
            return Ok((newest.file, newest.identity));
        }
        let path = &self.source.path();
        let stat = fs::metadata(path)?;
        if !stat.is_file() {
            return Err(not_regular(&stat));
        }
        let (file, identity) = lookup::open(path)?;
        Ok((Arc::new(file), identity))
    }

    /// Where the last line ends of what a file holds at the start.
    fn edge_at_start(
        &self,
        held: &mut Held,
        generation: &Generation,
        length: u64,
        turn: &Turn,
    ) -> io::Result<u64> {
        let line_bytes_max = turn.hub.line_bytes_max();
        let Some(reading) = generation.reading(&self.source, line_bytes_max)? else {
            return back::last_boundary(&generation.file, length, line_bytes_max);
        };
        let (edge, joiner) = reading.last_end(&generation.file, length)?;
        held.stand_in_records(joiner);
        Ok(edge)
    }
}
