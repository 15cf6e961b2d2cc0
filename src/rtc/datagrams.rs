//! Reads the one socket, and hands each datagram to its peer.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::str;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use crate::limits::RTC_DATAGRAM_BYTES;
use crate::outward::Bell;

use super::Shared;

/// The magic cookie of STUN (RFC 8489, section 5), behind type and length.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Type, length, cookie and transaction.
const HEADER_BYTES: usize = 20;

/// The attribute with the names of both sides.
const USERNAME: u16 = 0x0006;

/// Reads until the bell says that the daemon stops.
pub(super) fn read(shared: &Shared, bell: &Bell) -> io::Result<()> {
    let mut buf = [0; RTC_DATAGRAM_BYTES];
    while !bell.is_stopping() {
        match shared.socket.recv_from(&mut buf) {
            Ok((n, from)) => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                let datagram = &buf[..n];
                // A stranger's is dropped.
                let seat = match called(datagram) {
                    Some(name) => shared.table.named(name),
                    None => shared.table.at(from),
                };
                if let Some(seat) = seat {
                    seat.hand((from, datagram.to_vec()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let later = Instant::now() + Duration::from_secs(86_400);
                bell.wait(Some((shared.socket.as_fd(), PollFlags::POLLIN)), later)?;
            }
            // What a peer's machine says of a datagram of ours (no such port) concerns that peer alone.
            Err(error) => log::debug!("read a datagram: {error}"),
        }
    }
    Ok(())
}

/// The name that a request of ICE calls: the first half of its USERNAME. `None` where it is none.
fn called(datagram: &[u8]) -> Option<&str> {
    if datagram.len() < HEADER_BYTES || datagram[0] > 3 || datagram[4..8] != COOKIE {
        return None;
    }
    let mut rest = &datagram[HEADER_BYTES..];
    while let [kind_high, kind_low, length_high, length_low, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let value_end = value.get(..length)?;
        if u16::from_be_bytes([*kind_high, *kind_low]) == USERNAME {
            return str::from_utf8(value_end).ok()?.split(':').next();
        }
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&[7; 12]);
        for (kind, value) in attributes {
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_name_stands_before_the_colon_of_the_username() {
        let with = request(&[(0x8022, b"agent"), (USERNAME, b"ours:theirs")]);
        assert_eq!(called(&with), Some("ours"));
        assert_eq!(called(&request(&[(0x8022, b"agent")])), None);
        assert_eq!(called(&with[..with.len() - 4]), None);
        // DTLS.
        assert_eq!(called(&[22; 64]), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            called(&bytes);
            let mut like = request(&[]);
            like.extend_from_slice(&bytes);
            called(&like);
        }
    }
}
