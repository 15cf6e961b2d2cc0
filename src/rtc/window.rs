//! How much may be under way to a peer: enough for its distance, and no more.
//!
//! SCTP carries a message in chunks of a datagram at most. To send one more datagram the package looks at every chunk
//! that the peer has not acknowledged, several times. A line is a message: of short lines 512 KiB are 4,000 chunks, and
//! each line cost 100 to 200 us. A near peer acknowledges at once, so that a few datagrams suffice. A far one gets more:
//! its lines come at the pace of the round trip, so that looking at many chunks is paid for rarely.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::{
    RTC_CHUNK_BYTES, RTC_CHUNK_HEAD_BYTES, RTC_DATAGRAMS_A_MS, RTC_DATAGRAMS_MAX, RTC_DATAGRAMS_MIN,
};

/// What was sent and is not acknowledged yet.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Bytes of each message, and when it was sent; the oldest first.
    sent: VecDeque<(usize, Instant)>,
    bytes: usize,
    /// Bytes of those that are not acknowledged: of the oldest message a part may be.
    left: usize,
    /// Bytes of what stands before their chunks.
    heads: usize,
    /// The shortest time in which a message was acknowledged. A peer counts as near until it is known to be far.
    distance: Option<Duration>,
}

impl Window {
    /// Whether one more message may go, however long it is.
    pub(super) fn has_room(&self) -> bool {
        let ms = self.distance.unwrap_or_default().as_millis() as usize;
        let datagrams = ms.saturating_mul(RTC_DATAGRAMS_A_MS);
        let datagrams = datagrams.clamp(RTC_DATAGRAMS_MIN, RTC_DATAGRAMS_MAX);
        self.left + self.heads < datagrams * RTC_CHUNK_BYTES
    }

    /// Messages that are not acknowledged yet.
    pub(super) fn sent_len(&self) -> usize {
        self.sent.len()
    }

    /// A message of `bytes` was sent.
    pub(super) fn sends(&mut self, bytes: usize, now: Instant) {
        self.sent.push_back((bytes, now));
        self.bytes += bytes;
        self.left += bytes;
        self.heads += heads(bytes);
    }

    /// Forgets what the peer has acknowledged: all but the last `bytes` of what was sent.
    pub(super) fn keeps(&mut self, bytes: usize, now: Instant) {
        self.left = bytes;
        while let Some(&(oldest, at)) = self.sent.front() {
            if self.bytes - oldest < bytes {
                break;
            }
            self.sent.pop_front();
            self.bytes -= oldest;
            self.heads -= heads(oldest);
            let took = now.saturating_duration_since(at);
            self.distance = Some(self.distance.map_or(took, |shortest| shortest.min(took)));
        }
    }
}

/// Bytes of the heads of a message's chunks.
fn heads(bytes: usize) -> usize {
    bytes.div_ceil(RTC_CHUNK_BYTES) * RTC_CHUNK_HEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short line; a hundred of them fill ten datagrams.
    const LINE: usize = RTC_CHUNK_BYTES / 10 - RTC_CHUNK_HEAD_BYTES;

    /// Datagrams that were filled until there was no more room.
    fn fills(window: &mut Window, bytes: usize, now: Instant) -> usize {
        while window.has_room() {
            window.sends(bytes, now);
        }
        (window.left + window.heads) / RTC_CHUNK_BYTES
    }

    #[test]
    fn messages_fill_a_few_datagrams_until_they_are_acknowledged() {
        let now = Instant::now();
        let mut window = Window::default();
        assert_eq!(fills(&mut window, LINE, now), RTC_DATAGRAMS_MIN);
        let len = window.sent_len();
        // Half of the second one is left.
        window.keeps((len - 1) * LINE - LINE / 2, now);
        assert_eq!(window.sent_len(), len - 1);
        window.keeps(0, now);
        assert_eq!((window.sent_len(), window.heads), (0, 0));
    }

    #[test]
    fn a_long_message_goes_alone_and_the_next_one_before_its_last_datagrams_are_acknowledged() {
        let now = Instant::now();
        let mut window = Window::default();
        let long = 10 * RTC_DATAGRAMS_MIN * RTC_CHUNK_BYTES;
        fills(&mut window, long, now);
        assert_eq!(window.sent_len(), 1);
        window.keeps(long / 2, now);
        assert!(!window.has_room());
        // A peer acknowledges a single datagram only after 200 ms: nothing waits for it.
        window.keeps(4 * RTC_CHUNK_BYTES, now);
        assert!(window.has_room());
    }

    #[test]
    fn the_further_the_peer_is_the_more_may_be_under_way() {
        let now = Instant::now();
        let mut window = Window::default();
        let mut fits_after = |ms| {
            fills(&mut window, LINE, now);
            window.keeps(0, now + Duration::from_millis(ms));
            let datagrams = fills(&mut window, LINE, now);
            window.keeps(0, now + Duration::from_secs(10));
            datagrams
        };
        assert_eq!(fits_after(5_000), RTC_DATAGRAMS_MAX);
        assert_eq!(fits_after(30), 30 * RTC_DATAGRAMS_A_MS);
        // A pause says nothing of the distance.
        assert_eq!(fits_after(900), 30 * RTC_DATAGRAMS_A_MS);
        assert_eq!(fits_after(0), RTC_DATAGRAMS_MIN);
    }
}
