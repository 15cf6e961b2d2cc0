//! The trail of a path: every directory in which one of its components, or a component of a symbolic link on it, is
//! looked up. A change of any of them can lead the name elsewhere.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::limits::LINKS_MAX;

/// A directory, and the name that is looked up in it.
pub(super) type Step = (PathBuf, OsString);

/// The trail of a path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    /// In the order of the lookups.
    pub(super) steps: Vec<Step>,
    /// The last step is the lookup of the file itself, not of something that is missing on the way to it.
    pub(super) complete: bool,
}

/// The trail of `path`. Where something is missing it ends in the nearest directory that is there, with the name that
/// is missed. Blocks on the disk.
pub(super) fn trail(path: &Path) -> Trail {
    let mut steps = Vec::new();
    let mut complete = false;
    let mut at = PathBuf::from(".");
    let mut rest: VecDeque<OsString> = VecDeque::new();
    let mut links = 0;
    put(path, &mut at, &mut rest);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.push("..");
            continue;
        }
        let here = at.join(&name);
        steps.push((at.clone(), name));
        match fs::symlink_metadata(&here) {
            Ok(stat) if stat.is_symlink() => {
                links += 1;
                let Ok(target) = fs::read_link(&here) else {
                    break;
                };
                if links > LINKS_MAX {
                    break;
                }
                put(&target, &mut at, &mut rest);
            }
            Ok(stat) if stat.is_dir() => at = here,
            _ => {
                complete = rest.is_empty();
                break;
            }
        }
    }
    Trail { steps, complete }
}

/// Puts the components of `path` before the rest, and goes to the root where it begins there.
fn put(path: &Path, at: &mut PathBuf, rest: &mut VecDeque<OsString>) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front("..".into()),
            Component::RootDir => *at = PathBuf::from("/"),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(steps: &[Step], below: &Path) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        steps
            .iter()
            .filter_map(|(at, name)| {
                let at = at.strip_prefix(below).ok()?;
                Some((text(at), text(Path::new(name))))
            })
            .collect()
    }

    #[test]
    fn links_are_followed_and_each_place_of_a_lookup_is_on_the_trail() {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path().canonicalize().expect("it exists");
        fs::create_dir_all(home.join("v1/logs")).expect("mkdir");
        symlink("v1", home.join("current")).expect("symlink");
        symlink("../v1/logs/app.log", home.join("v1/link.log")).expect("symlink");
        let want =
            [("", "current"), ("", "v1"), ("v1", "link.log")].map(|(a, b)| (a.into(), b.into()));
        let trail = trail(&home.join("current/link.log"));
        assert!(trail.complete);
        let steps = trail.steps;
        assert_eq!(names(&steps, &home)[..3], want);
        let (at, name) = steps.last().expect("steps");
        assert_eq!(name, "app.log");
        assert_eq!(at.canonicalize().expect("it exists"), home.join("v1/logs"));
    }

    #[test]
    fn a_missing_directory_ends_the_trail_where_it_is_missed() {
        let home = tempfile::tempdir().expect("a directory");
        let Trail { steps, complete } = trail(&home.path().join("a/b/c.log"));
        assert!(!complete);
        assert_eq!(steps.last(), Some(&(home.path().to_owned(), "a".into())));
    }

    #[test]
    fn a_loop_of_links_ends() {
        let home = tempfile::tempdir().expect("a directory");
        symlink("b", home.path().join("a")).expect("symlink");
        symlink("a", home.path().join("b")).expect("symlink");
        assert!(trail(&home.path().join("a")).steps.len() <= 2 * LINKS_MAX);
    }
}
