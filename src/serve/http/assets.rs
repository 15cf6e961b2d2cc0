//! The page's files as answers.

use http::StatusCode;

use super::answer::Answer;
use super::request::Request;
use crate::page;

/// The answer for the page's file `path`; `None` where there is none.
pub(crate) fn answer(path: &str, request: &Request) -> Option<Answer> {
    let asset = page::asset(path)?;
    let etag = asset.etag.to_string();
    let known = request
        .headers("If-None-Match")
        .any(|value| value == etag.as_bytes());
    let (status, bytes) = if known {
        (StatusCode::NOT_MODIFIED, &[][..])
    } else {
        (StatusCode::OK, asset.bytes)
    };
    Some(
        Answer::new(status, asset.content_type, bytes)
            .with("Content-Security-Policy", page::CSP)
            .with("Cache-Control", "no-cache")
            .with("ETag", etag),
    )
}
