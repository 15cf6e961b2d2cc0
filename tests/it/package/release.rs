//! What `make release` demands before anything is built: one version, written down, of a tree that is committed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::tool;

/// A tree with what the script looks at.
struct Tree(TempDir);

impl Tree {
    /// A committed one of version 1.2.0.
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().expect("a directory"));
        let script = "scripts/packaging/release.sh";
        fs::create_dir_all(tree.0.path().join("scripts/packaging")).expect("mkdir");
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        fs::copy(ours, tree.0.path().join(script)).expect("copy");
        let package = "name = \"tailcast\"\nversion = \"1.2.0\"\n";
        tree.write("Cargo.toml", &format!("[package]\n{package}"));
        tree.write("Cargo.lock", &format!("[[package]]\n{package}"));
        tree.write("CHANGELOG.md", "# Changes\n\n## [1.2.0] - 2026-11-29\n");
        tree.git(&["init", "-q"]);
        tree.commit();
        tree
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("written");
    }

    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.0.path())
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(args);
        let output = git.output().expect("start git");
        assert!(output.status.success(), "git {args:?}: {output:?}");
    }

    fn commit(&self) {
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "-m", "a change"]);
    }

    fn versions(&self) -> Output {
        let mut script = Command::new(self.0.path().join("scripts/packaging/release.sh"));
        script.arg("versions").output().expect("start release.sh")
    }

    /// What is wrong with it.
    fn fault(&self) -> String {
        let output = self.versions();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
fn a_release_wants_one_version_everywhere_and_a_tree_that_is_committed() {
    if tool(&["git"]).is_none() {
        return;
    }
    let tree = Tree::new();
    let output = tree.versions();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("releasing 1.2.0 of "), "{said}");

    tree.write("CHANGELOG.md", "# Changes\n\n## [1.1.0] - 2026-11-01\n");
    assert!(tree.fault().contains("not committed"));
    tree.commit();
    assert!(tree.fault().contains("has to with \"## [1.2.0] - "));
    tree.write("CHANGELOG.md", "# Changes\n\n## [1.2.0]\n");
    tree.commit();
    assert!(
        tree.fault()
            .contains("CHANGELOG.md begins with \"## [1.2.0]\"")
    );

    let tree = Tree::new();
    tree.write(
        "Cargo.lock",
        "[[package]]\nname = \"tailcast\"\nversion = \"1.1.0\"\n",
    );
    tree.commit();
    assert!(tree.fault().contains("Cargo.lock has 1.1.0"));

    let tree = Tree::new();
    tree.git(&["tag", "v1.2.0"]);
    assert!(tree.fault().contains("v1.2.0 is a tag already"));
}
