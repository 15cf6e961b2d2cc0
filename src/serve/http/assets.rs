//! The page's files as answers: gzip for whoever takes it, made once a run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use http::StatusCode;
use zlib_rs::{DeflateConfig, ReturnCode, compress_bound, compress_slice};

use super::answer::Answer;
use super::coding::Coding;
use super::request::Request;
use crate::page;

/// A window of 32 KiB, and 16 more for a gzip frame around the deflated bytes (zlib's `deflateInit2`).
const GZIP_WINDOW_BITS: i32 = 15 + 16;

/// That frame (RFC 1952, section 2.3): ten bytes before, eight behind; `compress_bound` counts six for zlib's own.
const GZIP_FRAME_BYTES: usize = 18;

/// The answer for the page's file `path`; `None` where there is none.
pub(crate) fn answer(path: &str, request: &Request) -> Option<Answer> {
    let asset = page::asset(path)?;
    let gzip = match Coding::wanted(request) {
        Coding::Gzip => compressed(path),
        Coding::Identity => None,
    };
    // Each coding of a file has a tag of its own (RFC 9110, section 8.8.3.3).
    let etag = match gzip {
        Some(_) => asset.etag.replacen('"', "\"gzip-", 1),
        None => asset.etag.clone(),
    };
    let known = request
        .headers("If-None-Match")
        .any(|value| value == etag.as_bytes());
    let (status, bytes) = if known {
        (StatusCode::NOT_MODIFIED, &[][..])
    } else {
        (StatusCode::OK, gzip.unwrap_or(&asset.bytes))
    };
    let answer = Answer::new(status, asset.content_type, bytes)
        .with("Content-Security-Policy", page::CSP)
        .with("Cache-Control", "no-cache")
        .with("Vary", "Accept-Encoding")
        .with("ETag", etag);
    Some(match gzip {
        Some(_) => answer.with("Content-Encoding", "gzip"),
        None => answer,
    })
}

/// A file of the page as gzip; `None` where it can't be made. All are made at the first request for one: some 60 KiB,
/// in a few milliseconds.
fn compressed(path: &str) -> Option<&'static [u8]> {
    static ALL: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        page::paths()
            .filter_map(|path| Some((path.clone(), gzip(&page::asset(&path)?.bytes)?)))
            .collect()
    });
    all.get(path).map(Vec::as_slice)
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let config = DeflateConfig {
        window_bits: GZIP_WINDOW_BITS,
        ..DeflateConfig::best_compression()
    };
    let mut room = vec![0; compress_bound(bytes.len()) + GZIP_FRAME_BYTES];
    let (packed, outcome) = compress_slice(&mut room, bytes, config);
    let length = packed.len();
    room.truncate(length);
    (outcome == ReturnCode::Ok).then_some(room)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// What a browser loads before the first line is there, as it goes over the wire.
    const FIRST_LOAD_BYTES_MAX: usize = 90_000;

    #[test]
    fn a_first_load_is_small_and_each_file_unpacks_to_itself() {
        let mut sum = 0;
        for path in page::paths() {
            let packed = compressed(&path).expect("every file is made");
            sum += packed.len();
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(packed)
                .read_to_end(&mut whole)
                .expect("gzip");
            let asset = page::asset(&path).expect("a file");
            assert_eq!(whole, asset.bytes.as_ref(), "{path}");
        }
        assert!(sum < FIRST_LOAD_BYTES_MAX, "{sum} bytes");
    }
}
