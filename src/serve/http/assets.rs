//! The page's files as answers: gzip for whoever takes it, made once a run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use http::StatusCode;
use zlib_rs::{DeflateConfig, ReturnCode, compress_bound, compress_slice};

use super::answer::Answer;
use super::coding::Coding;
use super::request::Request;
use crate::page::{self, Asset};

/// A window of 32 KiB, and 16 more for a gzip frame around the deflated bytes (zlib's `deflateInit2`).
const GZIP_WINDOW_BITS: i32 = 15 + 16;

/// That frame (RFC 1952, section 2.3): ten bytes before, eight behind; `compress_bound` counts six for zlib's own.
const GZIP_FRAME_BYTES: usize = 18;

/// A file of the page as it is served.
struct Served {
    asset: Asset,
    /// None where it can't be made.
    gzip: Option<Vec<u8>>,
}

/// The answer for the page's file `path`; `None` where there is none.
pub(crate) fn answer(path: &str, request: &Request) -> Option<Answer> {
    let Served { asset, gzip } = served(path)?;
    let gzip = match Coding::wanted(request) {
        Coding::Gzip => gzip.as_deref(),
        Coding::Identity => None,
    };
    // Each coding of a file has a tag of its own (RFC 9110, section 8.8.3.3).
    let etag = match gzip {
        Some(_) => asset.etag.replacen('"', "\"gzip-", 1),
        None => asset.etag.clone(),
    };
    let known = request
        .headers("If-None-Match")
        .any(|value| names(value, etag.as_bytes()));
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

/// Whether a value of If-None-Match names `etag`: it is `*`, or a list that has it. A tag is compared without its `W/` (RFC
/// 9110, section 13.1.2): a proxy that compresses puts one before the tags that it passes on. No tag has a comma in it.
fn names(value: &[u8], etag: &[u8]) -> bool {
    let mut tags = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}

/// The file at `path`, made at the first request for it: the script takes a few milliseconds.
fn served(path: &str) -> Option<&'static Served> {
    static ALL: OnceLock<BTreeMap<String, OnceLock<Option<Served>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| page::paths().map(|path| (path, OnceLock::new())).collect());
    let make = || {
        let asset = page::asset(path)?;
        let gzip = gzip(&asset.bytes);
        Some(Served { asset, gzip })
    };
    all.get(path)?.get_or_init(make).as_ref()
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

    /// What `index.html` makes a browser load.
    const FIRST_LOAD: [&str; 5] = [
        "",
        "page/theme.js",
        "page/style.css",
        "page/log.css",
        "page/main.js",
    ];

    #[test]
    fn a_first_load_is_small_and_each_file_unpacks_to_itself() {
        let mut sum = 0;
        for path in page::paths() {
            let Served { asset, gzip } = served(&path).expect("a file");
            let packed = gzip.as_deref().expect("every file is made");
            if FIRST_LOAD.contains(&path.as_str()) {
                sum += packed.len();
            }
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(packed)
                .read_to_end(&mut whole)
                .expect("gzip");
            assert_eq!(whole, asset.bytes.as_ref(), "{path}");
        }
        assert!(sum < FIRST_LOAD_BYTES_MAX, "{sum} bytes");
        let index = &served("").expect("the page").asset.bytes;
        let named = String::from_utf8_lossy(index).matches("\"page/").count();
        assert_eq!(named, FIRST_LOAD.len() - 1, "what the page loads");
    }
}
