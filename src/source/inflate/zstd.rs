//! Inflates zstd: any number of frames, each with its length and check sum where it has them; what is to be skipped
//! (`pzstd` writes such frames) is skipped.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{DAMAGED, Sink, Unreadable};
use crate::limits::ZSTD_WINDOW_BYTES_MAX;

const WIDE: Unreadable =
    Unreadable::Lost("compressed with a window of over 8 MiB (zstd --ultra or --long)");

/// Writes what `input` holds into `sink`. Fails where it is not whole, or where the sink takes no more.
pub(super) fn inflate(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
    let mut decoder = FrameDecoder::new();
    let mut frames = 0_u64;
    while !input.fill_buf().map_err(|_| DAMAGED)?.is_empty() {
        // No frame of any kind is shorter.
        let mut head = [0; 6];
        input.read_exact(&mut head).map_err(|_| DAMAGED)?;
        match decoder.reset(head.chain(&mut input)) {
            Ok(()) if window(head, decoder.content_size()) > ZSTD_WINDOW_BYTES_MAX => {
                return Err(WIDE);
            }
            Ok(()) => frame(&mut decoder, &mut input, sink)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                let skipped = io::copy(&mut (&mut input).take(length), &mut io::sink());
                if skipped.ok() != Some(length) {
                    return Err(DAMAGED);
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(WIDE),
            Err(FrameDecoderError::DictNotProvided { .. }) => {
                return Err(Unreadable::Lost("compressed with a dictionary"));
            }
            Err(_) => return Err(DAMAGED),
        }
        frames += 1;
    }
    if frames == 0 { Err(DAMAGED) } else { Ok(()) }
}

/// Bytes of memory that a frame wants (RFC 8878, section 3.1.1.1): what its head says, or all of its content where that
/// is one segment.
fn window(head: [u8; 6], content: u64) -> u64 {
    let [_, _, _, _, descriptor, window] = head;
    if descriptor & 0x20 != 0 {
        return content;
    }
    let base = 1 << (10 + (window >> 3));
    base + base / 8 * u64::from(window & 7)
}

/// One frame, whose head was read.
fn frame(
    decoder: &mut FrameDecoder,
    input: &mut impl BufRead,
    sink: &mut Sink<'_>,
) -> Result<(), Unreadable> {
    let before = sink.bytes;
    loop {
        // A block is 128 KiB at most.
        decoder
            .decode_blocks(&mut *input, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|_| DAMAGED)?;
        while decoder.can_collect() > 0 {
            decoder.collect_to_writer(&mut *sink).map_err(|_| DAMAGED)?;
        }
        if decoder.is_finished() {
            break;
        }
    }
    // 0 where the head does not say.
    let length = decoder.content_size();
    let is_long = length == 0 || length == sink.bytes - before;
    let sum = decoder.get_checksum_from_data();
    let is_right = sum.is_none() || sum == decoder.get_calculated_checksum();
    (is_long && is_right).then_some(()).ok_or(DAMAGED)
}
