//! The web page: its files as they are embedded in the binary.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

/// The `Content-Security-Policy` of the page: nothing inline, nothing from elsewhere.
///
/// A log line is hostile input; should the page ever take one for markup, this keeps it from doing anything.
pub const CSP: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
                       connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
                       frame-ancestors 'none'";

/// The policy of the page that asks for a token: its own style, by the sum of its bytes, and a form; nothing else.
pub const TOKEN_CSP: &str = "default-src 'none'; style-src 'sha256-E3+J0knSWtXOIPZZqulNN3u9BH5anzdnpAS+SUqKI0M='; \
                             img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// One file of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body: a script or a style sheet without its comments and indents, which nobody reads there.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `ETag`, with its quotes: another build's file has another.
    pub etag: String,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!($name).as_slice())),*]
    };
}

const INDEX: &[u8] = include_bytes!("index.html");
const TOKEN: &[u8] = include_bytes!("token.html");

/// What `index.html` and the modules name, all of it under `page/`.
const FILES: &[(&str, &[u8])] = files![
    "ansi.js",
    "bell.js",
    "chips.js",
    "columns.js",
    "connection.js",
    "copy.js",
    "deeds.js",
    "far.js",
    "fields.js",
    "files.js",
    "filter.js",
    "find.js",
    "heights.js",
    "history.js",
    "hosts.js",
    "intake.js",
    "json.js",
    "keys.js",
    "level.js",
    "list.js",
    "log.css",
    "main.js",
    "marked.js",
    "marks.js",
    "menu.js",
    "moment.js",
    "moments.js",
    "names.js",
    "older.js",
    "paint.js",
    "panel.js",
    "past.js",
    "picker.js",
    "place.js",
    "records.js",
    "ring.js",
    "row.js",
    "rows.js",
    "scan-worker.js",
    "scan.js",
    "settings.js",
    "stamps.js",
    "status.js",
    "strip.js",
    "style.css",
    "theme.js",
    "ticks.js",
    "time.js",
    "tokens.js",
    "view.js",
];

/// The file at a path relative to the base path; the page itself is at the empty one.
pub fn asset(path: &str) -> Option<Asset> {
    let bytes = if path.is_empty() {
        INDEX
    } else {
        let name = path.strip_prefix("page/")?;
        FILES.iter().find(|(file, _)| *file == name)?.1
    };
    let content_type = content_type(path);
    let bytes = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Owned(spare(text, path.ends_with(".js"))),
        Err(_) => Cow::Borrowed(bytes),
    };
    Some(Asset {
        content_type,
        etag: etag(&bytes),
        bytes,
    })
}

/// A file without indents, empty lines and, in a script, the lines that are only a comment: a third of it. No text of
/// ours goes over several lines, so no line's beginning is a part of one.
fn spare(text: &str, is_script: bool) -> Vec<u8> {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_start) {
        if !(line.is_empty() || is_script && line.starts_with("//")) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.into_bytes()
}

/// The paths of all files, as [`asset`] takes them.
pub fn paths() -> impl Iterator<Item = String> {
    let files = FILES.iter().map(|(file, _)| format!("page/{file}"));
    std::iter::once(String::new()).chain(files)
}

/// The page that asks for a token: the body of the 401 that a browser gets. It needs no other file, since
/// none is given without a token.
pub fn token_page() -> &'static [u8] {
    TOKEN
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}

/// No secret and no promise between builds: it only has to change with the bytes.
fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows each `mark` in a text, up to a quote.
    fn named<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
        let ends = |rest: &'a str| rest.split('"').next().unwrap_or("");
        text.split(mark).skip(1).map(ends).collect()
    }

    fn text(path: &str) -> String {
        let asset = asset(path).expect("the page has this file");
        String::from_utf8(asset.bytes.into_owned()).expect("the page is UTF-8")
    }

    #[test]
    fn every_file_that_the_page_names_is_served() {
        let index = &text("");
        for path in [
            named(index, "src=\""),
            named(index, "rel=\"stylesheet\" href=\""),
        ]
        .concat()
        {
            assert!(asset(path).is_some(), "index.html names {path}");
        }
        for (file, _) in FILES {
            for name in named(&text(&format!("page/{file}")), "\"./")
                .iter()
                .filter(|n| n.contains('.'))
            {
                assert!(
                    asset(&format!("page/{name}")).is_some(),
                    "{file} names {name}"
                );
            }
        }
    }

    #[test]
    fn every_module_is_asked_for_at_once() {
        let index = text("");
        for (file, _) in FILES.iter().filter(|(file, _)| file.ends_with(".js")) {
            let preload = format!("rel=\"modulepreload\" href=\"page/{file}\"");
            let alone = ["main.js", "theme.js", "scan-worker.js"].contains(file);
            assert_ne!(index.contains(&preload), alone, "{file}");
        }
    }

    #[test]
    fn nothing_inline_is_needed() {
        let index = text("");
        for refused in [
            "<style",
            " style=",
            " onclick=",
            " onload=",
            "<script>",
            "//cdn",
            "https://",
        ] {
            assert!(!index.contains(refused), "index.html has {refused}");
        }
    }

    #[test]
    fn no_other_path_leads_anywhere() {
        for path in [
            "page/",
            "page/../page.rs",
            "page/token.html",
            "main.js",
            "page/page/main.js",
        ] {
            assert_eq!(asset(path), None, "{path}");
        }
    }
}
