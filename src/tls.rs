//! rustls over a socket that does not block, the same for both ends: for those who connect to us, and for brokers that
//! we connect to.

use std::io::{self, Read};
use std::net::TcpStream;

use rustls::{ConnectionCommon, SideData};

use crate::limits::TLS_EMPTY_READS_MAX;

/// Reads what is there now, of either end of a TLS connection over `tcp`, which does not block; the handshake is a part
/// of the first reads. An end without TLS's own is an end as well.
pub fn read<Side: SideData>(
    tls: &mut ConnectionCommon<Side>,
    tcp: &TcpStream,
    buf: &mut [u8],
) -> io::Result<usize> {
    for _ in 0..TLS_EMPTY_READS_MAX {
        match tls.reader().read(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            read => return read,
        }
        tls.read_tls(&mut &*tcp)?;
        let processed = tls.process_new_packets();
        // What came may want an answer: the handshake, a new key, or an alert that says what is wrong. Where the kernel
        // has no room for it now, it goes out before whatever is written next.
        push(tls, tcp)?;
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "the peer sends TLS records with nothing in them",
    ))
}

/// Hands what is encrypted to the kernel; whether that was all.
pub fn push<Side: SideData>(tls: &mut ConnectionCommon<Side>, tcp: &TcpStream) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut &*tcp) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
