//! The rules of the house as tests: floors, headers, lengths, words, and versions that agree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file before its unit tests, at most. One near 300 asks to be split by noun; this is where it has to be.
const FILE_LINES_MAX: usize = 600;

/// Lines of a function, at most; one near 60 asks to be split.
const FUNCTION_LINES_MAX: usize = 120;

/// `limits.rs` is the one file of bounds, so it may be as long as there are bounds.
const LONG_FILES: &[&str] = &["limits.rs"];

/// Words that say nothing about what a thing is.
const EMPTY_WORDS: &[&str] = &["manager", "helper", "util", "misc", "common"];

/// One file of the sources.
struct Source {
    /// Below `src`, or `tests`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> String {
        let first = self.path.iter().next().expect("a path");
        let first = first.to_string_lossy();
        let stem = first.strip_suffix(".rs").unwrap_or(&first);
        stem.strip_suffix("_tests").unwrap_or(stem).to_string()
    }

    fn is_test(&self) -> bool {
        let path = self.path.to_string_lossy();
        path.ends_with("tests.rs") || path.contains("/tests/")
    }

    /// The lines before the unit tests.
    fn code(&self) -> Vec<&str> {
        let tests = |line: &&str| *line != "#[cfg(test)]";
        self.text.lines().take_while(tests).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    below("src")
}

fn below(folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(directory) = folders.pop() {
        for entry in fs::read_dir(&directory).expect("list sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("read a source");
                let path = path.strip_prefix(root().join(folder)).expect("below it");
                sources.push(Source {
                    path: path.to_path_buf(),
                    text,
                });
            }
        }
    }
    assert!(
        sources.len() > 50,
        "the sources are where they are looked for"
    );
    sources
}

/// Fails with all `faults`, a line each.
fn demand_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

/// The modules of `lib.rs`, ground floor first.
fn floors() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("read lib.rs");
    let module = |line: &str| {
        Some(
            line.strip_prefix("pub mod ")?
                .strip_suffix(';')?
                .to_string(),
        )
    };
    text.lines().filter_map(module).collect()
}

/// The names that follow `before` in `text`.
fn names_after<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let name = |rest: &'a str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    };
    text.match_indices(before)
        .map(|(at, _)| name(&text[at + before.len()..]))
        .collect()
}

#[test]
fn a_module_imports_only_from_the_floors_below_it() {
    let floors = floors();
    let floor = |module: &str| floors.iter().position(|known| known == module);
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        let Some(own) = floor(&module).filter(|_| !source.is_test()) else {
            continue;
        };
        let code = source.code().join("\n");
        for import in names_after(&code, "crate::") {
            if floor(import).is_some_and(|import| import > own) {
                faults.push(format!("{} imports {import}", source.path.display()));
            }
        }
    }
    demand_none("imports from a floor above", &faults);
}

/// By the floors alone, `tail` might import `serve`.
#[test]
fn tail_and_serve_never_import_each_other() {
    let mut faults = Vec::new();
    for source in sources() {
        let other = match source.module().as_str() {
            "tail" => "serve",
            "serve" => "tail",
            _ => continue,
        };
        if names_after(&source.code().join("\n"), "crate::").contains(other) {
            faults.push(format!("{} imports {other}", source.path.display()));
        }
    }
    demand_none("the hub is between them", &faults);
}

/// What a newcomer is led through in `lib.rs` is where it says.
#[test]
fn the_map_names_modules_that_there_are() {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("read lib.rs");
    let (map, _) = text.split_once("# As a library").expect("its end");
    let map = map.replace("//! ```text", "").replace("//! ```", "");
    let mut faults = Vec::new();
    for quoted in map.split('`').skip(1).step_by(2) {
        let mut parts: Vec<&str> = quoted.split("::").collect();
        // An item of a module.
        if parts
            .last()
            .is_some_and(|last| last.starts_with(char::is_uppercase))
        {
            parts.pop();
        }
        let file = root().join("src").join(parts.join("/"));
        if parts.len() > 1 && !file.is_dir() && !file.with_extension("rs").exists() {
            faults.push(quoted.to_owned());
        }
    }
    demand_none("no such module", &faults);
}

#[test]
fn every_file_begins_with_what_it_owns() {
    let faults: Vec<_> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.display().to_string())
        .collect();
    demand_none("no header", &faults);
}

#[test]
fn every_type_has_a_sentence_of_its_own() {
    let faults: Vec<_> = sources()
        .iter()
        .filter(|source| source.text.contains("/// See the module"))
        .map(|source| source.path.display().to_string())
        .collect();
    demand_none("\"See the module\" tells a reader nothing", &faults);
}

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for source in sources() {
        let code = source.code();
        let path = source.path.display().to_string();
        if code.len() > FILE_LINES_MAX && !LONG_FILES.contains(&path.as_str()) {
            faults.push(format!("{path}: {} lines", code.len()));
        }
        let mut begun: Option<(usize, &str, usize)> = None;
        for (n, line) in code.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            match begun {
                Some((at, head, depth)) if *line == format!("{:depth$}}}", "") => {
                    if n - at > FUNCTION_LINES_MAX {
                        faults.push(format!("{path}: {} lines: {}", n - at, head.trim()));
                    }
                    begun = None;
                }
                None if line.contains("fn ") && !line.trim_start().starts_with("//") => {
                    begun = Some((n, line, indent));
                }
                _ => {}
            }
        }
    }
    demand_none("too long", &faults);
}

#[test]
fn no_import_gives_a_thing_another_name() {
    let mut faults = Vec::new();
    for source in sources() {
        for line in source.code() {
            let renames = line.contains(" as ") && !line.contains(" as _");
            if renames
                && line
                    .trim_start()
                    .trim_start_matches("pub ")
                    .starts_with("use ")
            {
                faults.push(format!("{}: {}", source.path.display(), line.trim()));
            }
        }
    }
    demand_none("one word for each thing", &faults);
}

/// Chains of `let` came with Rust 1.88. What else is newer than `rust-version`, clippy tells.
#[test]
fn no_condition_chains_what_debians_own_compiler_does_not_know() {
    let mut faults = Vec::new();
    for source in below("src").into_iter().chain(below("tests")) {
        // How far the lines of a condition are indented that began with `if let` or `while let`.
        let mut within: Option<usize> = None;
        for (at, line) in source.text.lines().enumerate() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            let goes_on = code.starts_with("&& ") && within == Some(indent);
            if goes_on || code.contains(concat!("&&", " let ")) {
                faults.push(format!("{}:{}", source.path.display(), at + 1));
            }
            if ["if let ", "while let "]
                .iter()
                .any(|let_| code.contains(let_))
            {
                within = Some(indent + 4);
            }
            if code.ends_with('{') && within.is_some_and(|within| indent < within) {
                within = None;
            }
        }
    }
    demand_none("a condition has one let and nothing beside it", &faults);
}

#[test]
fn no_name_is_empty() {
    let mut faults = Vec::new();
    for source in sources() {
        for line in source.code() {
            let line = line.trim_start().trim_start_matches("pub ");
            let item = ["struct ", "enum ", "trait ", "mod ", "fn "]
                .iter()
                .find_map(|kind| line.strip_prefix(kind));
            let Some(item) = item.map(str::to_lowercase) else {
                continue;
            };
            if EMPTY_WORDS.iter().any(|word| item.starts_with(word)) {
                faults.push(format!("{}: {line}", source.path.display()));
            }
        }
    }
    demand_none("a word that says nothing", &faults);
}

#[test]
fn the_change_list_begins_with_the_version_of_the_program() {
    let changes = fs::read_to_string(root().join("CHANGELOG.md")).expect("read CHANGELOG.md");
    let version = concat!("## [", env!("CARGO_PKG_VERSION"), "]");
    let newest = changes.lines().find(|line| line.starts_with("## ["));
    let newest = newest.expect("a version");
    assert!(
        newest.starts_with(version),
        "{newest} is not the program's version, {version}"
    );
}
