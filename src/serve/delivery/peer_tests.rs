//! Who is woken, and what a peer has got when the hub drops its sender.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::*;
use crate::hub::tests::{Published, file};
use crate::hub::{Hub, Shelf};
use crate::reader::life::{Happening, State};
use crate::reader::{Next, from_the_start};
use crate::serve::delivery::filter::{Filter, Filters, Sifted, Wanted};
use crate::serve::delivery::streams::Streams;
use crate::serve::delivery::wire::{Framing, Wire};
use crate::serve::transport::socket::Socket;
use crate::source::{Event, EventKind, Id, Kind, Position, Segment};

/// Longer than what a socket of [`rig`] takes.
const LINE_BYTES: usize = 64 * 1024;

/// Lines in the file.
const LINES: usize = 24;

pub(crate) struct Rig {
    pub(crate) published: Published,
    pub(crate) peer: Arc<Peer>,
    pub(crate) far: UnixStream,
}

/// A peer whose socket takes about one line, with `first` lines published.
pub(crate) fn rig(first: usize) -> Rig {
    let (published, wire) = published(first, None);
    let (peer, far) = joined(&published, wire);
    Rig {
        published,
        peer,
        far,
    }
}

/// A hub with so many lines published, and the wire of one who wants those that pass `filter`.
fn published(first: usize, filter: Option<Filter>) -> (Published, Wire) {
    let line = format!("{}\n", "x".repeat(LINE_BYTES - 1));
    let hub = Hub::new(1 << 20).expect("a hub");
    let shelf = Shelf::new(64 << 20, 1);
    let mut published = Published::new(hub.shelving(shelf), &file(&line, LINES), &line);
    published.publish(first);
    (
        published,
        Wire::new(Shape::Text, Framing::Bare, false, filter),
    )
}

/// A peer of that hub, and the other end of its socket.
fn joined(published: &Published, wire: Wire) -> (Arc<Peer>, UnixStream) {
    let life = from_the_start(&published.hub);
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("not blocking");
    nix::sys::socket::setsockopt(&near, nix::sys::socket::sockopt::SndBuf, &LINE_BYTES)
        .expect("an option");
    let socket = Arc::new(Socket::Unix(near));
    let link = Link::new(Arc::clone(&socket), None, wire, life);
    let visitor = Arc::new(Visitor::new(0, socket, true));
    visitor.runs_here();
    let peer = Arc::new(Peer::new(visitor, link, Selection::All));
    (peer, far)
}

impl Rig {
    /// Reads and joins as the peer's thread does, and sends what comes as far as the socket takes it; false where there
    /// was nothing.
    fn reads(&self) -> bool {
        let mut life = self.peer.link.lock().take_life();
        let subscriber = || Arc::clone(&self.peer) as Arc<dyn Subscriber>;
        life.join_if_close(&self.published.hub, subscriber, 2)
            .expect("not stopping");
        let next = life.read(LINES * LINE_BYTES).expect("readable");
        let mut link = self.peer.link.lock();
        link.put_life(life);
        let any = !matches!(next, Next::Nothing);
        if let Next::Chunk(chunk) = next {
            link.push_chunk(chunk, &Sifted::All);
        }
        drop(link);
        self.peer.carry_here().expect("it is there");
        any
    }

    pub(crate) fn live(mut self) -> Rig {
        while self.reads() {
            self.takes();
        }
        assert_eq!(self.state(), State::Live);
        self
    }

    fn state(&self) -> State {
        self.peer.link.lock().state()
    }

    /// Takes all that the peer's socket holds, and what it is sent on that; how many bytes.
    fn takes(&mut self) -> usize {
        self.far.set_nonblocking(true).expect("not blocking");
        let (mut taken, mut buf) = (0, vec![0; LINE_BYTES]);
        loop {
            match self.far.read(&mut buf) {
                Ok(n) => taken += n,
                Err(_) => {
                    let before = self.peer.progress();
                    self.peer.carry_here().expect("it is there");
                    if self.peer.progress() == before {
                        return taken;
                    }
                }
            }
        }
    }

    /// All that comes until nothing more does.
    fn takes_all(&mut self) -> usize {
        let mut taken = self.takes();
        loop {
            let any = self.state() != State::Live && self.reads();
            let more = self.takes();
            taken += more;
            if !any && more == 0 && self.state() == State::Live {
                return taken;
            }
        }
    }
}

/// Its own thread, which is this one, is woken from a park.
fn is_woken() -> bool {
    let begun = Instant::now();
    thread::park_timeout(Duration::from_secs(10));
    begun.elapsed() < Duration::from_secs(5)
}

#[test]
fn whoever_finds_the_link_taken_wakes_the_thread_that_has_it() {
    let mut rig = rig(1).live();
    let link = rig.peer.link.lock();
    rig.peer.carry(false);
    assert!(is_woken(), "it may have looked into the queue already");
    assert!(!rig.peer.carry(true));
    assert!(is_woken());
    rig.peer.dropped();
    assert!(is_woken());
    drop(link);
    rig.published.publish(1);
    rig.peer.carry(false);
    assert_eq!(rig.takes(), LINE_BYTES);
}

#[test]
fn who_is_cut_while_it_joins_gets_the_rest_of_what_it_has_read() {
    let mut rig = rig(3);
    // Its start, which has no form here, and a chunk that stands on the shelf, so that it is sent as it lies there.
    while rig.peer.progress() == 0 {
        assert!(rig.reads());
    }
    assert_eq!(rig.state(), State::Joins);
    assert!(!rig.peer.link.lock().is_idle(), "a part of it waits");
    (0..3).for_each(|_| rig.published.publish(1));
    assert_eq!(rig.state(), State::Reads, "its queue was full");
    assert_eq!(rig.takes_all(), 6 * LINE_BYTES);
}

#[test]
fn who_is_cut_with_half_a_line_out_gets_its_rest_and_reads_on_from_there() {
    for is_full in [false, true] {
        let mut rig = rig(1).live();
        rig.published.publish(4);
        match is_full {
            true => drop(rig.peer.carry_here()),
            false => drop(rig.peer.carry(false)),
        }
        let state = [State::Live, State::Full][usize::from(is_full)];
        assert_eq!(rig.state(), state);
        (0..3).for_each(|_| rig.published.publish(1));
        assert_eq!(rig.state(), State::Reads);
        assert_eq!(rig.takes_all(), 7 * LINE_BYTES);
    }
}

#[test]
fn a_run_comes_under_one_header_and_what_of_it_is_not_taken_is_let_go_of_and_read_again() {
    let (published, _) = published(6, None);
    let wire = Wire::new(Shape::Text, Framing::Bare, true, None);
    let (peer, far) = joined(&published, wire);
    let header = format!("==> {} <==\n", published.source.name);
    let mut rig = Rig {
        published,
        peer,
        far,
    };
    assert!(rig.reads(), "its start");
    let mut life = rig.peer.link.lock().take_life();
    let Ok(Next::Chunk(first)) = life.read(1) else {
        panic!("a line is there");
    };
    let reader = life.reader().expect("it reads");
    let run = reader.run(1, 8 * LINE_BYTES);
    assert_eq!(run.len(), 5);
    let mut link = rig.peer.link.lock();
    link.put_life(life);
    for chunk in [first].iter().chain(&run) {
        link.push_chunk(chunk.shared(), &Sifted::All);
    }
    drop(link);
    let carried = rig.peer.carry_here().expect("it is there");
    assert_eq!(carried, Carried::Blocked);
    assert!(rig.peer.link.lock().shed() > 0);
    assert_eq!(rig.peer.link.lock().shed(), 0);
    assert_eq!(rig.takes_all(), header.len() + 6 * LINE_BYTES);
}

#[test]
fn who_is_cut_from_a_queue_that_is_not_its_own_any_more_goes_on() {
    let mut rig = rig(1).live();
    rig.peer.dropped();
    assert_eq!(rig.state(), State::Live);
    rig.published.publish(1);
    assert_eq!(rig.takes(), LINE_BYTES);
}

#[test]
fn who_ends_leaves_the_hub() {
    let rig = rig(1).live();
    let hub = Arc::clone(&rig.published.hub);
    assert_eq!(hub.live_len(), 1);
    let mut life = rig.peer.link.lock().take_life();
    life.happens(Happening::Ended);
    assert_eq!(hub.live_len(), 0);
}

#[test]
fn who_has_the_same_filter_as_another_is_carried_to_once_that_one_has_sifted() {
    let wanted = Wanted {
        grep: vec!["x$".to_owned()],
        ..Wanted::default()
    };
    let filter = Filters::default().compiled(&wanted).ok();
    let (published, wire) = published(1, filter.clone());
    let other = Wire::new(Shape::Text, Framing::Bare, false, filter);
    let [(first, _far), (second, far)] = [wire, other].map(|wire| joined(&published, wire));
    let mut rig = Rig {
        published,
        peer: first,
        far,
    };
    while rig.reads() {}
    let first = std::mem::replace(&mut rig.peer, second);
    let mut rig = rig.live();
    rig.published.publish(1);
    let before = rig.peer.progress();
    for peer in [&first, &rig.peer] {
        peer.carry(false);
        assert!(is_woken(), "whoever delivers does not sift for long");
    }
    assert_eq!(rig.peer.progress(), before);
    first.carry_here().expect("it is there");
    rig.peer.carry(false);
    assert!(rig.peer.progress() > before, "it is known what passes");
    assert_eq!(rig.takes(), LINE_BYTES);
}

#[test]
fn what_is_taken_along_from_the_shelf_has_one_header() {
    let mut published = published(2, None).0;
    published.publish(2);
    let wire = Wire::new(Shape::Text, Framing::Bare, true, None);
    let (peer, mut far) = joined(&published, wire);
    // Another one has read it before.
    let mut other = from_the_start(&published.hub);
    (0..3).for_each(|_| drop(other.read(LINE_BYTES).expect("readable")));
    let mut life = peer.link.lock().take_life();
    for _ in 0..3 {
        let Next::Chunk(chunk) = life.read(LINE_BYTES).expect("readable") else {
            panic!("there is more");
        };
        peer.link.lock().push_chunk(chunk, &Sifted::All);
    }
    far.set_nonblocking(true).expect("not blocking");
    let mut got = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !peer.link.lock().is_idle() {
        assert!(Instant::now() < deadline);
        peer.carry_here().expect("it is there");
        let mut buf = vec![0; LINE_BYTES];
        while let Ok(n) = far.read(&mut buf) {
            got.extend_from_slice(&buf[..n]);
        }
    }
    assert_eq!(got.windows(4).filter(|four| four == b"==> ").count(), 1);
    assert!(got.len() > 2 * LINE_BYTES, "of more than one chunk");
}

#[test]
fn only_what_tells_of_a_loss_asks_how_far_a_client_is_behind_in_all_its_files() {
    let rig = rig(1);
    let hub = &rig.published.hub;
    let streams = Streams::new(Arc::clone(hub), 1, false);
    let source = hub.source(0).expect("it is followed").source;
    let asked = std::cell::Cell::new(0);
    let read = |kind: EventKind| {
        let event = Event {
            kind,
            id: Id::nowhere(source.name_hash),
            at: Position::default(),
            aside: 0,
        };
        let segment = Segment::new(Arc::clone(&source), Kind::Event(event));
        let behind = || {
            asked.set(asked.get() + 1);
            0
        };
        streams.has_read(&rig.peer, &segment, behind);
        asked.get()
    };
    assert_eq!(read(EventKind::Start), 1);
    assert_eq!((0..3).map(|_| read(EventKind::Rotated)).max(), Some(1));
    let lost_bytes = Some(1);
    let reason = "rotated away".into();
    assert_eq!(read(EventKind::Gap { lost_bytes, reason }), 2);
}
