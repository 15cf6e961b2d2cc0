//! Owns what a token opens: all files, or those that its line names.

use glob::{MatchOptions, Pattern};

use crate::hub::Names;

/// The files that a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `None` for all.
    files: Option<Vec<(String, Option<Pattern>)>>,
}

impl Names for Scope {
    fn has(&self, name: &str) -> bool {
        self.may(name)
    }
}

/// A `*` stays within a component, so that `*.log` opens no path elsewhere.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Scope {
    /// Every file.
    pub fn all() -> Self {
        Self { files: None }
    }

    /// Whether the file of this name on the wire may be seen.
    pub fn may(&self, name: &str) -> bool {
        self.files.as_ref().is_none_or(|files| {
            files.iter().any(|(text, pattern)| {
                text == name
                    || pattern
                        .as_ref()
                        .is_some_and(|pattern| pattern.matches_with(name, MATCHING))
            })
        })
    }

    /// Whether all that `other` opens is surely opened too. It compares what was written, so that the same in other
    /// words counts as less.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.files, &other.files) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(files), Some(others)) => others.iter().all(|file| files.contains(file)),
        }
    }

    /// Reads what follows the token in its line: `file=NAME` or `file=GLOB`, any number of them. The words are
    /// not shown in what is wrong, for they may be the rest of a token with a space in it.
    pub(super) fn read<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Self, String> {
        let mut files = Vec::new();
        for word in words {
            let name = word
                .strip_prefix(b"file=")
                .filter(|name| !name.is_empty())
                .ok_or("what follows the token must be file=NAME or file=PATTERN")?;
            // Names are shown that way on the wire too.
            let name = String::from_utf8_lossy(name).into_owned();
            let pattern = if name.contains(['*', '?', '[']) {
                let pattern = Pattern::new(&name)
                    .map_err(|error| format!("the pattern of file= is wrong: {}", error.msg))?;
                Some(pattern)
            } else {
                None
            };
            files.push((name, pattern));
        }
        let files = (!files.is_empty()).then_some(files);
        Ok(Self { files })
    }

    /// Opens what `other` opens as well.
    pub(super) fn join(&mut self, other: Self) {
        self.files = self
            .files
            .take()
            .zip(other.files)
            .map(|(files, others)| files.into_iter().chain(others).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(line: &str) -> Result<Scope, String> {
        Scope::read(line.split_whitespace().map(str::as_bytes))
    }

    #[test]
    fn no_files_are_all_files() {
        assert_eq!(scope(""), Ok(Scope::all()));
        assert!(Scope::all().may("a") && Scope::all().may("/x/y"));
    }

    #[test]
    fn a_scope_opens_what_it_names_and_nothing_else() {
        let scope = scope("file=a.log file=app-*.log file=[x].log file=/var/*/b").expect("a scope");
        for name in [
            "a.log",
            "app-.log",
            "app-1.log",
            "x.log",
            "[x].log",
            "/var/log/b",
        ] {
            assert!(scope.may(name), "{name}");
        }
        for name in [
            "A.log",
            "a.log2",
            "b.log",
            "app-/secret.log",
            "/var/log/x/b",
            "",
        ] {
            assert!(!scope.may(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_scope_is_not_shown() {
        for line in [
            "file=",
            "secret-rest",
            "files=a",
            "file=a secret-rest",
            "file=secret-rest[",
        ] {
            let why = scope(line).expect_err(line);
            assert!(why.contains("file=") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn a_scope_covers_what_it_opens_as_well() {
        let covers = |wide: &str, narrow: &str| {
            let read = |line| scope(line).expect("a scope");
            read(wide).covers(&read(narrow))
        };
        assert!(covers("", "") && covers("", "file=a") && covers("file=a file=b*", "file=b*"));
        assert!(!covers("file=a", "") && !covers("file=a", "file=a file=b"));
    }

    #[test]
    fn scopes_of_one_token_add_up() {
        let mut both = scope("file=a").expect("a scope");
        both.join(scope("file=b").expect("a scope"));
        assert!(both.may("a") && both.may("b") && !both.may("c"));
        both.join(Scope::all());
        assert_eq!(both, Scope::all());
    }
}
