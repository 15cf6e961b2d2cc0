//! The web page: its files as they are embedded in the binary.

mod bundle;

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

/// Scripts that go out with all that they import.
const ENTRIES: [&str; 2] = ["main.js", "scan-worker.js"];

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
    "rtc.js",
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
    let name = path.strip_prefix("page/");
    let bytes = match name {
        None if path.is_empty() => INDEX,
        None => return None,
        Some(name) => file(name)?,
    };
    let content_type = content_type(path);
    let bytes = match (name, std::str::from_utf8(bytes)) {
        (Some(name), Ok(_)) if ENTRIES.contains(&name) => {
            let module = |name: &str| std::str::from_utf8(file(name)?).ok();
            Cow::Owned(spare(&bundle::bundle(name, &module), true))
        }
        (_, Ok(text)) => Cow::Owned(spare(text, path.ends_with(".js"))),
        (_, Err(_)) => Cow::Borrowed(bytes),
    };
    Some(Asset {
        content_type,
        etag: etag(&bytes),
        bytes,
    })
}

fn file(name: &str) -> Option<&'static [u8]> {
    let (_, bytes) = FILES.iter().find(|(file, _)| *file == name)?;
    Some(bytes)
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
    fn the_page_is_one_script_of_all_its_modules() {
        let script = text("page/main.js");
        for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            let module = std::str::from_utf8(bytes).expect("UTF-8");
            let alone = ["theme.js", "main.js", "scan-worker.js"].contains(name);
            let held = script.contains(&format!(
                "const ${} = (() => {{",
                name.trim_end_matches(".js")
            ));
            assert_ne!(held, alone, "{name}");
            // What a module has before its imports' constants would be there too early.
            let code = |line: &&str| !line.is_empty() && !line.starts_with("//");
            let first_code = module
                .lines()
                .filter(code)
                .position(|line| !line.starts_with("import "));
            let imports = module
                .lines()
                .filter(|line| line.starts_with("import "))
                .count();
            assert!(imports == 0 || first_code == Some(imports), "{name}");
        }
        // No form of import or export is left that the bundle doesn't know, but what the page itself exports.
        for entry in ENTRIES {
            let script = text(&format!("page/{entry}"));
            let left: Vec<&str> = script
                .lines()
                .filter(|line| line.starts_with("import ") || line.starts_with("export "))
                .collect();
            let own = ["export const page = new Page();"];
            assert_eq!(left, own[..usize::from(entry == "main.js")], "{entry}");
        }
        // Each is made before it is used.
        let mut made = Vec::new();
        for line in script.lines() {
            if let Some((name, _)) = line
                .strip_prefix("const $")
                .and_then(|rest| rest.split_once(" = (() => {"))
            {
                made.push(name);
            } else if let Some((_, name)) = line
                .strip_prefix("const ")
                .and_then(|rest| rest.split_once(" = $"))
            {
                assert!(made.contains(&name.trim_end_matches(';')), "{line}");
            }
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
