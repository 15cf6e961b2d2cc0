//! How much may be under way to a peer: enough for its distance, and no more.
//!
//! SCTP carries a message in chunks of a datagram at most. To send one more datagram the package looks at every chunk
//! that the peer has not acknowledged, several times. A line is a message: of short lines 512 KiB are 4,000 chunks, and
//! each line cost 200 us. A near peer acknowledges at once, so that a few chunks suffice. A far one gets more: its lines
//! come at the pace of the round trip, so that looking at many chunks is paid for rarely.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::{
    RTC_CHUNK_BYTES, RTC_CHUNK_HEAD_BYTES, RTC_CHUNKS_A_MS, RTC_CHUNKS_MAX, RTC_CHUNKS_MIN,
    RTC_DATAGRAMS_MIN,
};

/// What was sent and is not acknowledged yet.
#[derive(Debug)]
pub(super) struct Window {
    /// Bytes of each message, and when it was sent; the oldest first.
    sent: VecDeque<(usize, Instant)>,
    bytes: usize,
    chunks: usize,
    /// The shortest time in which a message was acknowledged.
    distance: Option<Duration>,
}

impl Window {
    /// Nothing was sent yet. A peer counts as near until it is known to be far.
    pub(super) fn new() -> Window {
        Window {
            sent: VecDeque::new(),
            bytes: 0,
            chunks: 0,
            distance: None,
        }
    }

    /// Whether one more message may go.
    pub(super) fn has_room(&self) -> bool {
        // Peers acknowledge every second datagram at once, and a single one only after 200 ms.
        if self.bytes + self.chunks * RTC_CHUNK_HEAD_BYTES < RTC_DATAGRAMS_MIN * RTC_CHUNK_BYTES {
            return true;
        }
        let ms = self.distance.unwrap_or_default().as_millis() as usize;
        self.chunks
            < ms.saturating_mul(RTC_CHUNKS_A_MS)
                .clamp(RTC_CHUNKS_MIN, RTC_CHUNKS_MAX)
    }

    /// Messages that are not acknowledged yet.
    pub(super) fn sent_len(&self) -> usize {
        self.sent.len()
    }

    /// A message of `bytes` was sent.
    pub(super) fn sends(&mut self, bytes: usize, now: Instant) {
        self.sent.push_back((bytes, now));
        self.bytes += bytes;
        self.chunks += chunks(bytes);
    }

    /// Forgets what the peer has acknowledged: all but the last `bytes` of what was sent.
    pub(super) fn keeps(&mut self, bytes: usize, now: Instant) {
        while let Some(&(oldest, at)) = self.sent.front()
            && self.bytes - oldest >= bytes
        {
            self.sent.pop_front();
            self.bytes -= oldest;
            self.chunks -= chunks(oldest);
            let took = now.saturating_duration_since(at);
            self.distance = Some(self.distance.map_or(took, |shortest| shortest.min(took)));
        }
    }
}

fn chunks(bytes: usize) -> usize {
    bytes.div_ceil(RTC_CHUNK_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fills(window: &mut Window, bytes: usize, now: Instant) -> usize {
        let mut n = 0;
        while window.has_room() {
            window.sends(bytes, now);
            n += 1;
        }
        n
    }

    #[test]
    fn messages_are_counted_by_chunks_until_they_are_acknowledged() {
        let now = Instant::now();
        let mut window = Window::new();
        assert_eq!(fills(&mut window, 200, now), RTC_CHUNKS_MIN);
        // Half of the second one is left.
        window.keeps((RTC_CHUNKS_MIN - 1) * 200 - 100, now);
        assert_eq!(fills(&mut window, 200, now), 1);
        window.keeps(0, now);
        assert_eq!(window.sent_len(), 0);
        assert_eq!(
            fills(&mut window, 4 * RTC_CHUNK_BYTES, now),
            RTC_CHUNKS_MIN / 4
        );
    }

    #[test]
    fn short_messages_fill_some_datagrams_however_many_they_are() {
        let now = Instant::now();
        let mut window = Window::new();
        let bytes = fills(&mut window, 1, now) * (1 + RTC_CHUNK_HEAD_BYTES);
        assert_eq!(bytes / RTC_CHUNK_BYTES, RTC_DATAGRAMS_MIN);
    }

    #[test]
    fn the_further_the_peer_is_the_more_may_be_under_way() {
        let now = Instant::now();
        let mut window = Window::new();
        let mut fits_after = |ms| {
            fills(&mut window, 200, now);
            window.keeps(0, now + Duration::from_millis(ms));
            let n = fills(&mut window, 200, now);
            window.keeps(0, now + Duration::from_secs(1));
            n
        };
        assert_eq!(fits_after(5_000), RTC_CHUNKS_MAX);
        assert_eq!(fits_after(50), 50 * RTC_CHUNKS_A_MS);
        // A pause says nothing of the distance.
        assert_eq!(fits_after(900), 50 * RTC_CHUNKS_A_MS);
        assert_eq!(fits_after(0), RTC_CHUNKS_MIN);
    }
}
