//! Inflates zstd: any number of frames, each with its length and check sum where it has them; what is to be skipped
//! (`pzstd` writes such frames) is skipped.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{DAMAGED, Sink, Unreadable};
use crate::limits::ZSTD_WINDOW_BYTES_MAX;

/// Writes what `input` holds into `sink`. Fails where it is not whole, or where the sink takes no more.
pub(super) fn inflate(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ZSTD_WINDOW_BYTES_MAX);
    let mut frames = 0_u64;
    while !input.fill_buf().map_err(|_| DAMAGED)?.is_empty() {
        match decoder.reset(&mut input) {
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
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                return Err(Unreadable::Lost(
                    "compressed with a window of over 8 MiB (zstd --ultra or --long)",
                ));
            }
            Err(FrameDecoderError::DictNotProvided { .. }) => {
                return Err(Unreadable::Lost("compressed with a dictionary"));
            }
            Err(_) => return Err(DAMAGED),
        }
        frames += 1;
    }
    if frames == 0 { Err(DAMAGED) } else { Ok(()) }
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
