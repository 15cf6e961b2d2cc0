//! What is to be published next: the files from the last acknowledged places on. A publisher lives a subscriber's life as
//! every client does: see [`Subscription`].

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::hub::{Hub, SourceState, Stopping, Subscriber};
use crate::limits::PUBLISH_CHUNK_BYTES;
use crate::outward::Bell;
use crate::reader::life::Happening;
use crate::reader::{Begin, Came, From, Next, Subscription};
use crate::source::{Batch, Chunk, Segment, Source};

/// Lines that come to a publisher, from the files and then from its queue.
#[derive(Debug)]
pub(super) struct Feed {
    hub: Arc<Hub>,
    bell: Arc<Bell>,
    queue_batches: usize,
    subscription: Subscription,
    hand: Hand,
    /// The first line of what is in hand that is not taken.
    line: usize,
    /// When it reads again, where it can't read on just now.
    again: Option<Instant>,
}

/// What is being published.
#[derive(Debug)]
enum Hand {
    Empty,
    /// Read from a file.
    Read(Chunk),
    /// From the queue: this segment of it.
    Queued(Arc<Batch>, usize),
}

impl Feed {
    /// Begins, in each source that was noted, where `from` says. Blocks on the disk.
    pub(super) fn begin(
        hub: &Arc<Hub>,
        bell: &Arc<Bell>,
        queue_batches: usize,
        noted: Vec<SourceState>,
        from: &dyn Fn(&Source) -> From,
    ) -> io::Result<Feed> {
        let mut pause = |_| ControlFlow::Continue(());
        // Only a pause that gives up makes no reader.
        let reader = Begin::everything(hub, &mut pause)
            .reader(noted, from)?
            .ok_or_else(|| io::Error::other("given up"))?;
        Ok(Feed {
            hub: Arc::clone(hub),
            bell: Arc::clone(bell),
            queue_batches,
            subscription: Subscription::new(reader),
            hand: Hand::Empty,
            line: 0,
            again: None,
        })
    }

    /// Lets go of what came by the queue if the hub has dropped the sender.
    pub(super) fn look(&mut self) {
        if !self.subscription.is_cut() {
            return;
        }
        match std::mem::replace(&mut self.hand, Hand::Empty) {
            Hand::Queued(batch, at) => {
                self.subscription.falls(&batch.segments[at..], self.line);
                self.line = 0;
            }
            // What was read is taken all the same.
            hand => {
                self.subscription.happens(Happening::Cut);
                self.hand = hand;
            }
        }
    }

    /// The segment to be published next and its first line that is not taken; `None` where all that there is now is
    /// taken, but for what [`Feed::again`] says. Blocks on the disk, and for a look of the watcher where a file has
    /// changed.
    pub(super) fn next(&mut self) -> io::Result<Option<(&Segment, usize)>> {
        if matches!(self.hand, Hand::Empty) {
            self.hand = self.fetch()?;
        }
        Ok(match &self.hand {
            Hand::Empty => None,
            Hand::Read(segment) => Some((segment, self.line)),
            Hand::Queued(batch, at) => Some((&batch.segments[*at], self.line)),
        })
    }

    /// When [`Feed::next`] is to be asked again after it had nothing, where a read has failed.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }

    /// Of the segment in hand, line `last` and all before are taken; `ends` says that it has no more.
    pub(super) fn is_taken(&mut self, last: usize, ends: bool) {
        self.line = last + 1;
        if !ends {
            return;
        }
        self.line = 0;
        match std::mem::replace(&mut self.hand, Hand::Empty) {
            Hand::Queued(batch, at) => {
                if at + 1 < batch.segments.len() {
                    self.hand = Hand::Queued(batch, at + 1);
                } else {
                    self.bell.is_done_with(batch.sequence);
                }
            }
            Hand::Read(_) | Hand::Empty => {}
        }
    }

    fn fetch(&mut self) -> io::Result<Hand> {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return Ok(Hand::Empty);
        }
        self.again = None;
        loop {
            match self.subscription.take() {
                Came::Batch(batch) => return Ok(Hand::Queued(batch, 0)),
                Came::Nothing => return Ok(Hand::Empty),
                Came::NotLive => {}
            }
            let bell = &self.bell;
            let subscriber = || Arc::clone(bell) as Arc<dyn Subscriber>;
            let joined = self
                .subscription
                .join_if_close(&self.hub, subscriber, self.queue_batches);
            match self.subscription.read(PUBLISH_CHUNK_BYTES)? {
                Next::Chunk(chunk) => return Ok(Hand::Read(chunk)),
                Next::Later(wait) => wait.with(&self.hub, |time| {
                    self.again = Some(Instant::now() + time);
                }),
                // Nobody can join any more, and this was the last of it.
                Next::Nothing if joined == Err(Stopping) => return Ok(Hand::Empty),
                Next::Nothing => {}
            }
            if self.again.is_some() {
                return Ok(Hand::Empty);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::{Published, file};
    use crate::source::Kind;

    const LINE: &str = "line\n";

    #[test]
    fn who_is_cut_while_it_joins_publishes_the_rest_of_what_it_has_read() {
        let hub = Hub::new(1 << 20).expect("a hub");
        let mut published = Published::new(hub, &file(LINE, 6), LINE);
        published.publish(2);
        let hub = Arc::clone(&published.hub);
        let bell = Arc::new(Bell::new().expect("a bell"));
        let noted = hub.sources();
        let feed = Feed::begin(&hub, &bell, 1, noted, &|_| From::All);
        let mut feed = feed.expect("readable");
        let mut out = Vec::new();
        // One line at a time, as where a message is a line.
        let mut next = |feed: &mut Feed| {
            let (segment, line) = feed.next().expect("readable")?;
            let (at, ends) = match &segment.kind {
                Kind::Lines(lines) => (lines.after(line).offset, line + 1 == lines.len()),
                Kind::Event(_) => (0, true),
            };
            feed.is_taken(line, ends);
            out.push(at);
            Some(at)
        };
        assert_eq!(next(&mut feed), Some(0), "its start");
        assert_eq!(next(&mut feed), Some(5));
        (0..2).for_each(|_| published.publish(2));
        assert_eq!(hub.live_len(), 0, "its queue was full");
        feed.look();
        while next(&mut feed).is_some() {}
        assert_eq!(out, [0, 5, 10, 15, 20, 25, 30]);
    }
}
