//! What is to be published next: the files from the last acknowledged places on. A reader of the files first, then a
//! subscriber of the hub, and a reader again where that is too fast, as every client.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError};

use crate::hub::{Hub, Selection, SourceState, Stopping, Subscriber};
use crate::limits::PUBLISH_CHUNK_BYTES;
use crate::outward::Bell;
use crate::reader::{Begin, From, Reader};
use crate::source::{Batch, Chunk, Segment, Source};

/// Lines that come to a publisher, from the files and then from its queue.
#[derive(Debug)]
pub(super) struct Feed {
    hub: Arc<Hub>,
    bell: Arc<Bell>,
    queue_batches: usize,
    reader: Reader,
    subscription: Option<Subscription>,
    hand: Hand,
    /// The first line of what is in hand that is not taken.
    line: usize,
}

#[derive(Debug)]
struct Subscription {
    key: u64,
    queue: Receiver<Arc<Batch>>,
    /// All is read up to where the queue begins.
    live: bool,
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
        let begin = Begin {
            hub,
            selection: Selection::All,
            follow: true,
            since: None,
            until: None,
            rotated: false,
            passes: None,
            pause: &mut |_| ControlFlow::Continue(()),
        };
        // Only a pause that gives up makes no reader.
        let reader = begin
            .reader(noted, from)?
            .ok_or_else(|| io::Error::other("given up"))?;
        Ok(Feed {
            hub: Arc::clone(hub),
            bell: Arc::clone(bell),
            queue_batches,
            reader,
            subscription: None,
            hand: Hand::Empty,
            line: 0,
        })
    }

    /// The segment to be published next and its first line that is not taken; `None` where all that there is now is
    /// taken. Blocks on the disk.
    pub(super) fn next(&mut self) -> io::Result<Option<(&Segment, usize)>> {
        if self.bell.take_lost() {
            self.falls_back();
        }
        if matches!(self.hand, Hand::Empty) {
            self.hand = self.fetch()?;
        }
        Ok(match &self.hand {
            Hand::Empty => None,
            Hand::Read(segment) => Some((segment, self.line)),
            Hand::Queued(batch, at) => Some((&batch.segments[*at], self.line)),
        })
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
                self.reader.has(&batch.segments[at]);
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
        loop {
            if let Some(subscription) = &mut self.subscription
                && subscription.live
            {
                match subscription.queue.try_recv() {
                    Ok(batch) => return Ok(Hand::Queued(batch, 0)),
                    Err(TryRecvError::Empty) => return Ok(Hand::Empty),
                    Err(TryRecvError::Disconnected) => self.falls_back(),
                }
            }
            let may_join = self.subscription.is_none() && self.reader.is_close();
            let stopping = may_join && self.join() == Err(Stopping);
            if let Some(segment) = self.reader.next(PUBLISH_CHUNK_BYTES)? {
                return Ok(Hand::Read(segment));
            }
            match &mut self.subscription {
                Some(subscription) => subscription.live = true,
                // Nobody can join any more, and this was the last of it.
                None if stopping => return Ok(Hand::Empty),
                None => {}
            }
        }
    }

    /// Subscribes: the rest is read up to where the queue begins.
    fn join(&mut self) -> Result<(), Stopping> {
        let subscriber: Arc<dyn Subscriber> = Arc::clone(&self.bell) as Arc<dyn Subscriber>;
        let selection = self.reader.selection().clone();
        let awaited = self.reader.awaited();
        let joined = self
            .hub
            .join(subscriber, selection, awaited, self.queue_batches)?;
        self.reader.stop_at(&joined.edges);
        self.subscription = Some(Subscription {
            key: joined.key,
            queue: joined.queue,
            live: false,
        });
        Ok(())
    }

    /// The queue is lost: everything in it is thrown away, and read from the files.
    fn falls_back(&mut self) {
        let Some(subscription) = self.subscription.take() else {
            return;
        };
        self.hub.leave(subscription.key);
        if let Hand::Queued(batch, at) = std::mem::replace(&mut self.hand, Hand::Empty) {
            if self.line > 0 {
                self.reader.has_up_to(&batch.segments[at], self.line - 1);
            }
            self.line = 0;
        }
        self.reader.stop_nowhere();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(subscription) = self.subscription.take() {
            self.hub.leave(subscription.key);
        }
        // What comes of it later is of a subscription that is over.
        self.bell.take_lost();
    }
}
