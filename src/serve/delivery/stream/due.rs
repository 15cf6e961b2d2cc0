//! What is due between two deliveries: to end where it is to end, to hear what the peer says, to ping.

use std::io;
use std::time::Instant;

use tungstenite::Message;

use crate::limits::WS_READS_MAX;
use crate::reader::life::State;
use crate::serve::transport::socket::Backlog;

use super::{Ended, Stream};

impl Stream<'_> {
    /// Whether the peer has taken more since its socket was found full, which is a sign that it lives.
    pub(super) fn takes_more(&mut self) -> bool {
        let progress = self.peer.progress();
        let moved = self.blocked.take_if(|blocked| *blocked != progress);
        if moved.is_some() {
            self.sign = Instant::now();
        }
        moved.is_some()
    }

    /// Nothing waits for the peer any more, which is a sign that it lives where something did. A socket that encrypts may
    /// have counted the last of it long before the peer took it.
    pub(super) fn has_taken_all(&mut self) {
        if self.blocked.take().is_some() {
            self.sign = Instant::now();
        }
    }

    /// Whether bytes wait for the peer; that it has taken some since the last ping is a sign that it lives, however few.
    fn owes_a_sign(&mut self, now: Instant) -> bool {
        let before = self.backlog;
        self.backlog = self.peer.visitor.socket.backlog();
        let moved = before
            .zip(self.backlog)
            .is_some_and(|(before, now)| before.moved(now));
        let owes = self.blocked.is_some() || self.backlog.is_some_and(Backlog::waits);
        // HTTP clients are not pinged. While nothing is queued for one, silence is normal: its two intervals start now.
        if moved || (!owes && !self.peer.link.lock().is_websocket()) {
            self.sign = now;
        }
        owes
    }

    /// Ends where it is to end, hears what the peer says, pings.
    pub(super) fn attend(&mut self) -> Result<(), Ended> {
        if let Some(ended) = self.peer.visitor.fate() {
            return Err(ended);
        }
        if self.peer.visitor.take_said() {
            self.hear()?;
        }
        let now = Instant::now();
        if now < self.ping_due {
            return Ok(());
        }
        self.takes_more();
        self.ping_due = now + self.shared.ping_interval;
        let owes = self.owes_a_sign(now);
        let (is_websocket, has_filter, state) = {
            let link = self.peer.link.lock();
            (
                link.is_websocket(),
                link.wire.filter().is_some(),
                link.state(),
            )
        };
        if (is_websocket || owes) && now.duration_since(self.sign) >= 2 * self.shared.ping_interval
        {
            return Err(Ended::Silent);
        }
        // Through a filter a file can be as quiet as the stream: its id must not go stale, whatever other files say.
        let quiet = self.peer.progress() == self.progress_at_ping || has_filter;
        let reads = matches!(state, State::Reads | State::Joins);
        let mut standing = match has_filter && reads {
            // Reads the files.
            true => self.with_life(|life| life.reader().map(|reader| reader.ids())),
            false => None,
        };
        let mut link = self.peer.link.lock();
        if is_websocket {
            link.ping();
        }
        if quiet && link.is_idle() {
            if has_filter && !reads {
                standing = link.standing();
            }
            let heartbeat = link.wire.heartbeat(&standing.unwrap_or_default());
            link.push_raw(&heartbeat);
        }
        drop(link);
        // What was queued here goes out with the next carry; in the live loop that is the next thing done.
        if self.peer.carry_here().is_err() {
            return Err(Ended::PeerLeft);
        }
        self.takes_more();
        self.progress_at_ping = self.peer.progress();
        Ok(())
    }

    /// Reads what the peer says, to the end of what is there: edge-triggered readiness comes once.
    #[inline(never)]
    fn hear(&mut self) -> Result<(), Ended> {
        if !self.peer.link.lock().is_websocket() {
            return self.hear_bytes();
        }
        for _ in 0..WS_READS_MAX {
            let read = self.peer.link.lock().read_message();
            match read {
                Ok(Some(Message::Close(_))) => return Err(Ended::PeerClosed),
                // Whatever it says, it lives: some clients answer no pings.
                Ok(Some(_)) => self.sign = Instant::now(),
                Ok(None) => return Ok(()),
                Err(error) => return Err(Ended::by(&error)),
            }
        }
        // There may be more: it has its turn after the lines.
        self.peer.visitor.hears();
        Ok(())
    }

    fn hear_bytes(&mut self) -> Result<(), Ended> {
        let mut buf = [0; 512];
        for _ in 0..WS_READS_MAX {
            match self.peer.visitor.socket.read(&mut buf) {
                // A read tells only that the peer has shut its sending side, also where a reset or a probe that nobody answered
                // came after that.
                Ok(0) if self.peer.visitor.socket.is_left(false) => return Err(Ended::PeerLeft),
                // Whoever has shut its sending side may still read, and gets the history; then its stream ends.
                Ok(0) if self.follow && self.peer.is_over_when_half() => {
                    return Err(Ended::PeerLeft);
                }
                Ok(0) => {
                    self.deaf = true;
                    return Ok(());
                }
                Ok(n) if self.peer.visitor.asks_for_http(&buf[..n]) => {
                    return Err(Ended::PeerLeft);
                }
                Ok(_) => self.sign = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Ended::PeerLeft),
            }
        }
        self.peer.visitor.hears();
        Ok(())
    }
}
