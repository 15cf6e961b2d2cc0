//! The one language of patterns, for FILEs and for what a token opens: `*`, `?`, `[a-z]`, `[!a-z]` or `[^a-z]` within a
//! component, and `**` alone between slashes for any number of directories.
//!
//! Names are bytes; `?` and a class take one character where the bytes are UTF-8, else one byte. A name that begins with
//! a dot is matched only by a pattern that does. (The crates glob and globset were tried: the first negates by `!` alone,
//! and the `?` of the second takes one byte of a character that has several.)

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What stands for any number of directories.
pub const ANY_DEPTH: &str = "**";

/// A pattern that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(OsString);

/// What a path on the command line stands for. It is decided once: a file that appears later changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The file of that name.
    Path(PathBuf),
    /// Every file whose path matches.
    Pattern(Pattern),
}

impl Wanted {
    /// A path with `*`, `?` or `[` is a pattern, unless a file has just that name. Blocks on the disk. Fails with what is
    /// wrong with the pattern.
    pub fn read(text: &OsStr) -> Result<Wanted, String> {
        match is_pattern(text) && std::fs::symlink_metadata(text).is_err() {
            true => Pattern::parse(text)
                .map(Wanted::Pattern)
                .map_err(|why| format!("is no existing file and no pattern: {why}")),
            false => Ok(Wanted::Path(text.into())),
        }
    }
}

impl Pattern {
    /// Reads one; says what is wrong with it, if anything is.
    pub fn parse(text: &OsStr) -> Result<Pattern, String> {
        for component in text.as_bytes().split(|&byte| byte == b'/') {
            check_component(component)?;
        }
        Ok(Pattern(text.to_owned()))
    }

    /// As it was given.
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Whether it matches `path` as a whole.
    ///
    /// ```
    /// use std::ffi::OsStr;
    /// use tailcast::pattern::Pattern;
    ///
    /// let logs = Pattern::parse(OsStr::new("/srv/**/[!.]*.log")).expect("a pattern");
    /// assert!(logs.matches(OsStr::new("/srv/app.log")));
    /// assert!(logs.matches(OsStr::new("/srv/a/b/app.log")));
    /// assert!(!logs.matches(OsStr::new("/srv/a/.hidden.log")));
    /// ```
    pub fn matches(&self, path: &OsStr) -> bool {
        matches_components(&split(&self.0), &split(path))
    }
}

fn split(path: &OsStr) -> Vec<&[u8]> {
    path.as_bytes().split(|&byte| byte == b'/').collect()
}

/// With one place to go back to (the last `**`), as [`matches_bytes`] does within a component.
fn matches_components(pattern: &[&[u8]], path: &[&[u8]]) -> bool {
    let (mut pattern, mut path) = (pattern, path);
    let mut depth = None;
    loop {
        if let [first, rest @ ..] = pattern {
            if *first == ANY_DEPTH.as_bytes() {
                depth = Some((rest, path));
                pattern = rest;
                continue;
            }
        }
        match (pattern, path) {
            ([], []) => return true,
            ([first, rest @ ..], [name, left @ ..])
                if matches(OsStr::from_bytes(first), OsStr::from_bytes(name)) =>
            {
                (pattern, path) = (rest, left);
                continue;
            }
            _ => {}
        }
        match depth {
            // A directory with a dot is one that `**` does not go through.
            Some((rest, [skipped, left @ ..])) if !skipped.starts_with(b".") => {
                depth = Some((rest, left));
                (pattern, path) = (rest, left);
            }
            _ => return false,
        }
    }
}

/// Whether `text` would be a pattern, were there no file of that name.
pub fn is_pattern(text: &OsStr) -> bool {
    text.as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

fn check_component(mut pattern: &[u8]) -> Result<(), String> {
    let is_any_depth = pattern == ANY_DEPTH.as_bytes();
    if !is_any_depth && pattern.windows(2).any(|two| two == ANY_DEPTH.as_bytes()) {
        return Err(
            "\"**\" must stand alone between slashes, for any number of directories".to_owned(),
        );
    }
    while let [first, rest @ ..] = pattern {
        pattern = rest;
        if *first == b'[' {
            let Some((_, after)) = class(rest) else {
                return Err("a '[' in it needs its ']'".to_owned());
            };
            pattern = after;
        }
    }
    Ok(())
}

/// Whether the component `pattern` matches `name`. One without special characters matches itself only.
pub fn matches(pattern: &OsStr, name: &OsStr) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    matches_bytes(pattern, name)
}

/// With one place to go back to (the last `*`), so that no pattern takes more than the product of the lengths.
fn matches_bytes(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            star = Some((rest, name));
            pattern = rest;
            continue;
        }
        if name.is_empty() && pattern.is_empty() {
            return true;
        }
        if let Some((rest, left)) = one(pattern, name) {
            (pattern, name) = (rest, left);
            continue;
        }
        match star {
            Some((rest, from)) if !from.is_empty() => {
                let from = &from[1..];
                star = Some((rest, from));
                (pattern, name) = (rest, from);
            }
            _ => return false,
        }
    }
}

/// Matches the first element of `pattern`, which is no `*`, with the first character: what is left of both.
fn one<'a>(pattern: &'a [u8], name: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (&first, rest) = pattern.split_first()?;
    let (&byte, left) = name.split_first()?;
    match first {
        b'?' => Some((rest, character(name).1)),
        b'[' => {
            let (set, after) = class(rest)?;
            let (code, left) = character(name);
            set.has(code).then_some((after, left))
        }
        _ => (first == byte).then_some((rest, left)),
    }
}

/// The first character of `name` and what follows it; a byte that is not UTF-8 stands for itself, beyond all
/// characters.
fn character(name: &[u8]) -> (u32, &[u8]) {
    for length in 1..=4.min(name.len()) {
        if let Ok(text) = std::str::from_utf8(&name[..length]) {
            if let Some(c) = text.chars().next() {
                return (u32::from(c), &name[length..]);
            }
        }
    }
    (0x11_0000 + u32::from(name[0]), &name[1..])
}

struct Class<'a> {
    negated: bool,
    body: &'a [u8],
}

/// The class that begins after a `[`, and what follows its `]`. A `]` that comes first is in the class.
fn class(rest: &[u8]) -> Option<(Class<'_>, &[u8])> {
    let (negated, body) = match rest {
        [b'!' | b'^', body @ ..] => (true, body),
        body => (false, body),
    };
    let end = 1 + body.iter().skip(1).position(|&byte| byte == b']')?;
    let (body, after) = (&body[..end], &body[end + 1..]);
    Some((Class { negated, body }, after))
}

impl Class<'_> {
    fn has(&self, code: u32) -> bool {
        let mut body = self.body;
        let mut found = false;
        while !body.is_empty() {
            let (low, rest) = character(body);
            body = rest;
            let mut high = low;
            if let [b'-', rest @ ..] = body {
                if !rest.is_empty() {
                    (high, body) = character(rest);
                }
            }
            found |= (low..=high).contains(&code);
        }
        found != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_a_shell_would_match() {
        let is = |pattern: &str, name: &str| matches(OsStr::new(pattern), OsStr::new(name));
        for (pattern, name) in [
            ("*.log", "a.log"),
            ("app*", "app"),
            ("a?c", "aäc"),
            ("a[b-d]e", "ace"),
            ("a[!b-d]e", "aäe"),
            ("[]x]", "]"),
            ("*a*b*c*", "xaxbxcx"),
            (".h*", ".hidden"),
            ("a b%*", "a b%20"),
            ("[ä-ü]", "ö"),
            ("[a-]", "-"),
        ] {
            assert!(is(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.log", "a.log.1"),
            ("*", ".hidden"),
            ("?", "ab"),
            ("a[!b-d]e", "ace"),
            ("a", "ab"),
            ("*a*b", "ba"),
        ] {
            assert!(!is(pattern, name), "{pattern} {name}");
        }
        let many = "*a".repeat(30) + "b";
        assert!(!is(&many, &"a".repeat(200)));
        assert!(matches(OsStr::new("a?"), OsStr::from_bytes(b"a\xff")));
    }

    #[test]
    fn an_open_class_is_a_bad_pattern() {
        let is_good = |text: &str| Pattern::parse(OsStr::new(text)).is_ok();
        assert!(!is_good("/a/[b/c*") && !is_good("/a/b**") && !is_good("***"));
        assert!(is_good("/a/[b]/c*[!]]") && is_good("**/a") && is_good("/a/**"));
    }

    #[test]
    fn two_stars_are_any_number_of_directories() {
        let is = |pattern: &str, path: &str| {
            let pattern = Pattern::parse(OsStr::new(pattern)).expect("a pattern");
            pattern.matches(OsStr::new(path))
        };
        for (pattern, path) in [
            ("/l/**/*.log", "/l/a.log"),
            ("/l/**/*.log", "/l/x/y/z/a.log"),
            ("**/app.log", "app.log"),
            ("**/app.log", "web1/app.log"),
            ("/a/**/b/**/c", "/a/b/b/x/c"),
            ("/a/**", "/a/b/c"),
            ("/srv/*/app.log", "/srv/a/app.log"),
            ("[^s]*.log", "app.log"),
        ] {
            assert!(is(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/l/**/*.log", "/l/x/a.txt"),
            ("/l/**/*.log", "/l/.git/a.log"),
            ("/srv/*/app.log", "/srv/a/b/app.log"),
            ("*", "a/b"),
            ("**/app.log", "/x/app.log.1"),
            ("[^s]*.log", "secret.log"),
        ] {
            assert!(!is(pattern, path), "{pattern} {path}");
        }
    }
}
