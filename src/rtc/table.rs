//! Which peers there are: by the names that ICE calls, and by the addresses that have shown the right password.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::limits::{RTC_SILENT, RTC_UNOPENED_MAX, RTC_WAITING};
use crate::outward::Bell;

/// A datagram, and where it came from.
pub(super) type Datagram = (SocketAddr, Vec<u8>);

/// What others know of a peer.
#[derive(Debug)]
pub(super) struct Seat {
    /// What its Location ends with.
    id: String,
    since: Instant,
    datagrams: Sender<Datagram>,
    bell: Arc<Bell>,
    /// Something was heard of it.
    is_heard: AtomicBool,
    /// Its data channel is open.
    is_open: AtomicBool,
}

impl Seat {
    /// A seat of a peer that listens to `bell`, and what is handed to it.
    pub(super) fn new(id: String, bell: Arc<Bell>) -> (Arc<Seat>, Receiver<Datagram>) {
        let (sender, receiver) = bounded(RTC_WAITING);
        let seat = Seat {
            id,
            since: Instant::now(),
            datagrams: sender,
            bell,
            is_heard: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
        };
        (Arc::new(seat), receiver)
    }

    /// Hands it a datagram. One for which there is no room is lost, as any datagram may be.
    pub(super) fn hand(&self, datagram: Datagram) {
        if self.datagrams.try_send(datagram).is_ok() {
            self.is_heard.store(true, Ordering::Relaxed);
            self.bell.ring();
        }
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Its data channel is open.
    pub(super) fn opens(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// It keeps us waiting, and nobody may ever come.
    fn is_silent(&self, now: Instant) -> bool {
        !self.is_open() && !self.is_heard.load(Ordering::Relaxed) && now >= self.since + RTC_SILENT
    }
}

/// All peers. The lock is held for no longer than a look.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    by_name: HashMap<String, Arc<Seat>>,
    by_address: HashMap<SocketAddr, Arc<Seat>>,
}

impl Table {
    /// Whether there is room for one more whose data channel is not open yet. Where there is none, the oldest of whom
    /// nothing was heard for a while makes room.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        let seats = self.0.lock();
        let unopened = seats.by_name.values().filter(|seat| !seat.is_open());
        if unopened.clone().count() < RTC_UNOPENED_MAX {
            return true;
        }
        let silent = unopened
            .filter(|seat| seat.is_silent(now) && !seat.bell.is_stopping())
            .min_by_key(|seat| seat.since);
        if let Some(silent) = silent {
            silent.bell.stop();
        }
        silent.is_some()
    }

    /// A peer is there, whom ICE calls `name`.
    pub(super) fn sit(&self, name: &str, seat: &Arc<Seat>) {
        let mut seats = self.0.lock();
        seats.by_name.insert(name.to_owned(), Arc::clone(seat));
    }

    /// What comes from `address` is for that peer: it has shown the password from there.
    pub(super) fn knows(&self, address: SocketAddr, seat: &Arc<Seat>) {
        self.0.lock().by_address.insert(address, Arc::clone(seat));
    }

    /// The peer has left.
    pub(super) fn leaves(&self, name: &str, seat: &Arc<Seat>) {
        let mut seats = self.0.lock();
        seats.by_name.remove(name);
        seats
            .by_address
            .retain(|_, other| !Arc::ptr_eq(other, seat));
    }

    /// The peer whom ICE calls `name`.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Seat>> {
        self.0.lock().by_name.get(name).cloned()
    }

    /// The peer that is at `address`.
    pub(super) fn at(&self, address: SocketAddr) -> Option<Arc<Seat>> {
        self.0.lock().by_address.get(&address).cloned()
    }

    /// Ends the peer whose Location ends with `id`; whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        let seats = self.0.lock();
        let seat = seats.by_name.values().find(|seat| seat.id == id);
        seat.inspect(|seat| seat.bell.stop()).is_some()
    }

    /// Ends all.
    pub(super) fn end_all(&self) {
        let seats = self.0.lock();
        seats.by_name.values().for_each(|seat| seat.bell.stop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_comes_makes_room_and_who_was_heard_does_not() {
        let table = Table::default();
        let seats: Vec<_> = (0..RTC_UNOPENED_MAX)
            .map(|n| {
                let bell = Arc::new(Bell::new().expect("a bell"));
                let (seat, datagrams) = Seat::new(n.to_string(), bell);
                table.sit(&n.to_string(), &seat);
                (seat, datagrams)
            })
            .collect();
        let now = Instant::now();
        assert!(!table.has_room(now), "they may be about to come");
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        seats[1..]
            .iter()
            .for_each(|(seat, _)| seat.hand((address, vec![1])));
        assert!(table.has_room(now + RTC_SILENT));
        assert!(seats[0].0.bell.is_stopping());
        assert!(!table.has_room(now + RTC_SILENT), "only one was silent");
        table.leaves("0", &seats[0].0);
        assert!(table.has_room(now));
        assert!(table.end("5") && !table.end("0"));
    }
}
