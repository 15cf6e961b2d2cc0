//! Glob patterns, a component at a time: `*`, `?`, `[a-z]`, `[!a-z]`. Names are bytes; `?` and a class take one
//! character where the bytes are UTF-8, else one byte. A name that begins with a dot is matched only by a pattern that
//! does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Whether `text` would be a pattern, were there no file of that name.
pub(super) fn is_pattern(text: &OsStr) -> bool {
    text.as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Says what is wrong with a pattern, if anything is.
pub(super) fn check(pattern: &Path) -> Result<(), String> {
    for component in pattern.components() {
        if let Component::Normal(name) = component {
            check_component(name.as_bytes())?;
        }
    }
    Ok(())
}

fn check_component(mut pattern: &[u8]) -> Result<(), String> {
    while let [first, rest @ ..] = pattern {
        pattern = rest;
        if *first == b'[' {
            let Some((_, after)) = class(rest) else {
                return Err("a '[' in it has no ']'".to_owned());
            };
            pattern = after;
        }
    }
    Ok(())
}

/// Whether the component `pattern` matches `name`. One without special characters matches itself only.
pub(super) fn matches(pattern: &OsStr, name: &OsStr) -> bool {
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
        if let Ok(text) = std::str::from_utf8(&name[..length])
            && let Some(c) = text.chars().next()
        {
            return (u32::from(c), &name[length..]);
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
            if let [b'-', rest @ ..] = body
                && !rest.is_empty()
            {
                (high, body) = character(rest);
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
        assert!(check(Path::new("/a/[b/c*")).is_err());
        assert!(check(Path::new("/a/[b]/c*[!]]")).is_ok());
    }
}
