//! The list of connections: which are there, which of them are not streams (yet), whose threads have ended.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::limits::{HEAD_SILENT, HEADS_MAX};
use crate::serve::delivery::visitor::Visitor;
use crate::serve::transport::socket::Socket;

/// All connections that are there. Its lock is held for no longer than a look into the list.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    lists: Mutex<Lists>,
    /// The last one has left.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Lists {
    next: u64,
    /// By number, so oldest first.
    all: BTreeMap<u64, (Arc<Visitor>, Option<JoinHandle<()>>)>,
    /// Those that are not streams (yet), and since when they are there.
    heads: BTreeMap<u64, (Arc<Visitor>, Instant)>,
    /// Whose threads are at their end, to be joined: a thread that is not joined keeps its stack.
    ended: Vec<JoinHandle<()>>,
}

impl Lists {
    /// The oldest head that keeps us waiting. One that waits for us (its thread has not begun, or its words are not
    /// read) is never ended to make room; in a burst those are the oldest.
    fn silent_head(&self, now: Instant) -> Option<u64> {
        let old = |&(_, &(_, since)): &(&u64, &(_, Instant))| now >= since + HEAD_SILENT;
        let mut olds = self.heads.iter().take_while(old);
        let silent = olds.find(|(_, (visitor, _))| visitor.is_kept_waiting());
        silent.map(|(&number, _)| number)
    }

    /// Makes room for one that comes, if a head keeps us waiting.
    fn end_silent_head(&mut self, now: Instant) {
        let silent = self.silent_head(now);
        if let Some((silent, _)) = silent.and_then(|number| self.heads.remove(&number)) {
            silent.socket.shutdown(Shutdown::Both);
        }
    }
}

impl Visitors {
    /// One comes on `socket`, to a listener that is `plain` or to one of HTTP.
    pub(crate) fn comes(&self, socket: Arc<Socket>, plain: bool) -> Arc<Visitor> {
        let mut lists = self.lists.lock();
        let number = lists.next;
        lists.next += 1;
        let visitor = Arc::new(Visitor::new(number, socket, plain));
        lists.all.insert(number, (Arc::clone(&visitor), None));
        let now = Instant::now();
        if lists.heads.len() >= HEADS_MAX {
            lists.end_silent_head(now);
        }
        let head = (Arc::clone(&visitor), now);
        lists.heads.insert(number, head);
        visitor
    }

    /// Its thread has been started.
    pub(crate) fn has_thread(&self, number: u64, thread: JoinHandle<()>) {
        let mut lists = self.lists.lock();
        match lists.all.get_mut(&number) {
            Some(entry) => entry.1 = Some(thread),
            // It is at its end already.
            None => lists.ended.push(thread),
        }
    }

    /// It is a stream from now on.
    pub(crate) fn is_stream(&self, number: u64) {
        self.lists.lock().heads.remove(&number);
    }

    /// Its thread is at its end, or there is none for it.
    pub(crate) fn leaves(&self, number: u64) {
        let mut lists = self.lists.lock();
        lists.heads.remove(&number);
        if let Some((_, thread)) = lists.all.remove(&number) {
            lists.ended.extend(thread);
        }
        if lists.all.is_empty() {
            self.emptied.notify_all();
        }
    }

    /// Whether there is room for one more that is no stream yet, or a silent one that will make room.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        let lists = self.lists.lock();
        lists.heads.len() < HEADS_MAX || lists.silent_head(now).is_some()
    }

    /// Makes room where the system has none for one that comes, if one keeps us waiting.
    pub(crate) fn end_silent_head(&self, now: Instant) {
        self.lists.lock().end_silent_head(now);
    }

    /// The one of this number, while it is there.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<Visitor>> {
        let lists = self.lists.lock();
        lists
            .all
            .get(&number)
            .map(|(visitor, _)| Arc::clone(visitor))
    }

    /// All that are there.
    pub(crate) fn all(&self) -> Vec<Arc<Visitor>> {
        let lists = self.lists.lock();
        lists
            .all
            .values()
            .map(|(visitor, _)| Arc::clone(visitor))
            .collect()
    }

    /// Waits until all have left, at most for `time`.
    pub(crate) fn wait_empty(&self, time: Duration) {
        let mut lists = self.lists.lock();
        let is_there = |lists: &mut Lists| !lists.all.is_empty();
        self.emptied.wait_while_for(&mut lists, is_there, time);
    }

    /// Joins the threads that are at their end, which is a moment's wait; whether there were any.
    pub(crate) fn join_ended(&self) -> bool {
        let ended = std::mem::take(&mut self.lists.lock().ended);
        let any = !ended.is_empty();
        for thread in ended {
            // A client's panic has been told on standard error, and is that client's alone.
            let _ = thread.join();
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn comes(visitors: &Visitors) -> (Arc<Visitor>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (visitors.comes(Arc::new(Socket::Unix(ours)), false), theirs)
    }

    /// Whether its end has come, as its peer sees it.
    fn is_ended(peer: &UnixStream) -> bool {
        peer.set_nonblocking(true).expect("set");
        std::io::Read::read(&mut &*peer, &mut [0]).is_ok()
    }

    #[test]
    fn who_waits_for_us_is_not_ended_for_another_and_the_oldest_who_keeps_us_waiting_is() {
        let visitors = Visitors::default();
        let begun = Instant::now();
        // A burst: their threads have not begun.
        let burst: Vec<_> = (0..HEADS_MAX).map(|_| comes(&visitors)).collect();
        let later = Instant::now() + HEAD_SILENT;
        assert!(!visitors.has_room(later));
        assert!(burst.iter().all(|(_, peer)| !is_ended(peer)));
        // The first two are waited for; the first has said something just now.
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        std::thread::scope(|scope| {
            for (visitor, _) in &burst[..2] {
                let gate = &gate;
                scope.spawn(move || visitor.wait(|| gate.lock().recv()));
            }
            (&burst[0].1).write_all(b"G").expect("write");
            let deadline = Instant::now() + std::time::Duration::from_secs(20);
            while !burst[1].0.is_kept_waiting() {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
            assert!(!visitors.has_room(begun), "it may be about to speak");
            assert!(visitors.has_room(later));
            visitors.end_silent_head(later);
            drop(go);
        });
        let ended: Vec<_> = burst.iter().map(|(_, peer)| is_ended(peer)).collect();
        assert!(ended[1] && ended.iter().filter(|&&ended| ended).count() == 1);
    }
}
