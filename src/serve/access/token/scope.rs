//! What a token opens: all files, or those that its line names.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::hub::Names;
use crate::pattern::{Pattern, is_pattern};
use crate::source::{Origin, Source};

/// The files that a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `None` for all.
    files: Option<Vec<Opens>>,
}

/// One `file=` of a token's line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opens {
    /// As it was written.
    text: String,
    /// The same, where it is a pattern.
    pattern: Option<Pattern>,
}

impl Opens {
    /// One with a slash is compared with the path, or with a name that has a slash itself (`HOST/NAME`); one without, with
    /// the name.
    fn has(&self, name: &str, path: Option<&Path>) -> bool {
        if !self.text.contains('/') {
            return self.is(name);
        }
        // What comes from elsewhere stands at no path of this machine.
        let Some(path) = path else {
            return name.contains('/') && self.is(name);
        };
        // A path that was given as it is found from where tailcast was started may be written whole.
        let whole = self.text.starts_with('/') && path.is_relative();
        self.is(&path.to_string_lossy())
            || (name.contains('/') && self.is(name))
            || (whole && self.is(&absolute(path).to_string_lossy()))
    }

    /// Whether it is written without a `/` and may be the name of several files that `pattern` matches: which of them
    /// gets it depends on who comes first.
    fn is_ambiguous(&self, pattern: &OsStr) -> bool {
        let path = Path::new(pattern);
        let several = path
            .parent()
            .is_some_and(|parent| is_pattern(parent.as_os_str()));
        let base = path.file_name().unwrap_or_default();
        let is_named = match (&self.pattern, is_pattern(base)) {
            (Some(_), true) => true,
            (Some(own), false) => own.matches(base),
            (None, _) => {
                Pattern::parse(base).is_ok_and(|base| base.matches(OsStr::new(&self.text)))
            }
        };
        several && is_named && !self.text.contains('/')
    }

    fn is(&self, text: &str) -> bool {
        let matches = |pattern: &Pattern| pattern.matches(OsStr::new(text));
        self.text == text || self.pattern.as_ref().is_some_and(matches)
    }
}

/// The same path from the root, without a `.` that it may be written with.
fn absolute(path: &Path) -> PathBuf {
    // It stays the same, and this is asked under the hub's lock.
    static HERE: OnceLock<PathBuf> = OnceLock::new();
    let here = HERE.get_or_init(|| std::env::current_dir().unwrap_or_default());
    here.join(path).components().collect()
}

impl Names for Scope {
    fn has(&self, source: &Source) -> bool {
        self.may(source)
    }
}

impl Scope {
    /// Every file.
    pub fn all() -> Self {
        Self { files: None }
    }

    /// Whether the source may be seen.
    pub fn may(&self, source: &Source) -> bool {
        let stands_here = matches!(
            source.origin(),
            Origin::File | Origin::Container | Origin::Fifo
        );
        let path = stands_here.then(|| source.shown_path());
        self.opens(&source.name, path.as_deref())
    }

    /// Whether the file of this name on the wire and, where it stands on this machine, at this path may be seen.
    pub(super) fn opens(&self, name: &str, path: Option<&Path>) -> bool {
        let files = self.files.as_ref();
        files.is_none_or(|files| files.iter().any(|file| file.has(name, path)))
    }

    /// What it opens by a name that several files which `pattern` matches could have.
    pub(super) fn ambiguous(&self, pattern: &OsStr) -> impl Iterator<Item = &str> {
        let files = self.files.iter().flatten();
        let ambiguous = files.filter(move |file| file.is_ambiguous(pattern));
        ambiguous.map(|file| file.text.as_str())
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
            let pattern = is_pattern(OsStr::new(&name)).then(|| Pattern::parse(OsStr::new(&name)));
            let pattern = pattern.transpose();
            files.push(Opens {
                pattern: pattern.map_err(|why| format!("the pattern of file= is wrong: {why}"))?,
                text: name,
            });
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

    /// Whether a file may be seen that is called `name` and stands at `path`.
    fn may(scope: &Scope, name: &str, path: &str) -> bool {
        let path = Some(path).filter(|path| !path.contains("://"));
        scope.opens(name, path.map(Path::new))
    }

    #[test]
    fn no_files_are_all_files() {
        assert_eq!(scope(""), Ok(Scope::all()));
        assert!(may(&Scope::all(), "a", "/x/y"));
    }

    #[test]
    fn a_scope_opens_what_it_names_and_nothing_else() {
        let line = "file=a.log file=app-*.log file=[x].log file=/var/*/b file=/srv/**/t.log file=web1/* file=[^s]*.txt";
        let scope = scope(line).expect("a scope");
        for (name, path) in [
            ("a.log", "/any/a.log"),
            ("app-.log", "app-.log"),
            ("app-1.log", "/x/app-1.log"),
            ("x.log", "x.log"),
            ("[x].log", "[x].log"),
            ("b", "/var/log/b"),
            ("/var/log/b", "/var/log/b"),
            ("t.log", "/srv/a/b/t.log"),
            ("web1/syslog", "web1=http://web1/"),
            ("app.txt", "app.txt"),
        ] {
            assert!(may(&scope, name, path), "{name} {path}");
        }
        for (name, path) in [
            ("A.log", "/A.log"),
            ("a.log2", "/a.log2"),
            ("b.log", "/b.log"),
            ("app-/secret.log", "/app-/secret.log"),
            ("/var/log/x/b", "/var/log/x/b"),
            // Another one that has got this name since a restart.
            ("b", "/srv/b"),
            ("web2/syslog", "web2=http://web2/"),
            ("secret.txt", "secret.txt"),
            ("", ""),
        ] {
            assert!(!may(&scope, name, path), "{name} {path}");
        }
    }

    #[test]
    fn every_path_is_none_of_another_machine() {
        let scope = scope("file=/**").expect("a scope");
        assert!(may(&scope, "a.log", "/var/log/a.log") && may(&scope, "a.log", "a.log"));
        assert!(!may(&scope, "web1/a.log", "web1=http://web1/"));
        let scope = super::tests::scope("file=**").expect("a scope");
        assert!(may(&scope, "web1/a.log", "web1=http://web1/"));
    }

    #[test]
    fn what_has_a_slash_is_the_path_whatever_the_file_is_called_now() {
        let one = scope("file=srv/a/app.log").expect("a scope");
        // The name depends on which file was there first.
        for name in ["app.log", "srv/a/app.log"] {
            assert!(may(&one, name, "srv/a/app.log"), "{name}");
        }
        assert!(!may(&one, "app.log", "srv/b/app.log"));
        let here = std::env::current_dir().expect("a directory");
        let whole = scope(&format!("file={}/srv/*/app.log", here.display())).expect("a scope");
        for path in ["srv/a/app.log", "./srv/a/app.log"] {
            assert!(may(&whole, "app.log", path), "{path}");
        }
        assert!(!may(&whole, "app.log", "srv/a/b/app.log"));
    }

    #[test]
    fn a_name_that_a_pattern_can_give_to_several_files_is_known() {
        let scope = scope("file=app.log file=*.err file=srv/a/app.log").expect("a scope");
        let ambiguous = |pattern: &str| {
            let found = scope.ambiguous(OsStr::new(pattern));
            found.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ambiguous("srv/*/app.log"), ["app.log"]);
        assert_eq!(ambiguous("srv/*/x.err"), ["*.err"]);
        assert_eq!(ambiguous("srv/[ab]/*"), ["app.log", "*.err"]);
        let none: [&str; 0] = [];
        assert_eq!(ambiguous("srv/*.log"), none);
        assert_eq!(ambiguous("srv/*/other.log"), none);
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
        let opens = |name| may(&both, name, name);
        assert!(opens("a") && opens("b") && !opens("c"));
        both.join(Scope::all());
        assert_eq!(both, Scope::all());
    }
}
