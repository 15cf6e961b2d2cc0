//! Inflates gzip: any number of members, each with its length and check sum.

use std::io::{self, BufRead, Write};

use flate2::bufread::MultiGzDecoder;

use super::{DAMAGED, Sink, Unreadable};
use crate::limits::INFLATING_READ_BYTES;

/// Writes what `input` holds into `sink`. Fails where it is not whole, or where the sink takes no more.
pub(super) fn inflate(input: impl BufRead, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
    let mut decoder = MultiGzDecoder::new(input);
    let mut block = vec![0; INFLATING_READ_BYTES];
    loop {
        match io::Read::read(&mut decoder, &mut block) {
            Ok(0) => return Ok(()),
            Ok(length) => sink.write_all(&block[..length]).map_err(|_| DAMAGED)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(DAMAGED),
        }
    }
}
