//! The list of connections: which are there, which of them are not streams (yet), whose threads have ended.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::limits::HEADS_MAX;
use crate::serve::delivery::peer::Visitor;
use crate::serve::transport::socket::Socket;

/// See the module. Its lock is held for no longer than a look into the list.
#[derive(Debug, Default)]
pub(crate) struct Visitors(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    next: u64,
    /// By number, so oldest first.
    all: BTreeMap<u64, (Arc<Visitor>, Option<JoinHandle<()>>)>,
    /// Those that are not streams (yet).
    heads: BTreeMap<u64, Arc<Visitor>>,
    /// Whose threads are at their end, to be joined: a thread that is not joined keeps its stack.
    ended: Vec<JoinHandle<()>>,
}

impl Lists {
    /// Makes room for one that comes.
    fn end_oldest_head(&mut self) {
        if let Some((_, oldest)) = self.heads.pop_first() {
            oldest.socket.shutdown(Shutdown::Both);
        }
    }
}

impl Visitors {
    /// One comes on `socket`. `half_close` says that a peer that shuts its sending side has not left.
    pub(crate) fn comes(&self, socket: Arc<Socket>, half_close: bool) -> Arc<Visitor> {
        let mut lists = self.0.lock();
        let number = lists.next;
        lists.next += 1;
        let visitor = Arc::new(Visitor::new(number, socket, half_close));
        lists.all.insert(number, (Arc::clone(&visitor), None));
        lists.heads.insert(number, Arc::clone(&visitor));
        if lists.heads.len() > HEADS_MAX {
            lists.end_oldest_head();
        }
        visitor
    }

    /// Its thread has been started.
    pub(crate) fn has_thread(&self, number: u64, thread: JoinHandle<()>) {
        let mut lists = self.0.lock();
        match lists.all.get_mut(&number) {
            Some(entry) => entry.1 = Some(thread),
            // It is at its end already.
            None => lists.ended.push(thread),
        }
    }

    /// It is a stream from now on.
    pub(crate) fn is_stream(&self, number: u64) {
        self.0.lock().heads.remove(&number);
    }

    /// Its thread is at its end, or there is none for it.
    pub(crate) fn leaves(&self, number: u64) {
        let mut lists = self.0.lock();
        lists.heads.remove(&number);
        if let Some((_, thread)) = lists.all.remove(&number) {
            lists.ended.extend(thread);
        }
    }

    /// Makes room where the system has none for one that comes.
    pub(crate) fn end_oldest_head(&self) {
        self.0.lock().end_oldest_head();
    }

    /// The one of this number, while it is there.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<Visitor>> {
        let lists = self.0.lock();
        lists
            .all
            .get(&number)
            .map(|(visitor, _)| Arc::clone(visitor))
    }

    /// All that are there.
    pub(crate) fn all(&self) -> Vec<Arc<Visitor>> {
        let lists = self.0.lock();
        lists
            .all
            .values()
            .map(|(visitor, _)| Arc::clone(visitor))
            .collect()
    }

    /// Whether none is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().all.is_empty()
    }

    /// Joins the threads that are at their end, which is a moment's wait; whether there were any.
    pub(crate) fn join_ended(&self) -> bool {
        let ended = std::mem::take(&mut self.0.lock().ended);
        let any = !ended.is_empty();
        for thread in ended {
            // A client's panic has been told on standard error, and is that client's alone.
            let _ = thread.join();
        }
        any
    }
}
