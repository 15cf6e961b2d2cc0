//! A script with all the modules that it imports, in one file: a browser has one round trip to make where it had fifty,
//! and six of them at a time.
//!
//! The modules stay what they are, and a browser could load them as they lie in the repository. Each becomes a function
//! that is called once and gives what the module exports, in the order of their imports:
//!
//! ```text
//! import { count } from "./time.js";        const $ring = (() => { const { count } = $time;
//! export class Ring { … }                   class Ring { … }
//!                                           return { Ring }; })();
//! ```
//!
//! This is no parser of JavaScript: it knows the forms that the modules use, each on a line of its own, and a test holds
//! them to these. Modules that import each other in a circle can't be written like this.

/// The script `entry` with what it imports; `source` gives the text of a module by its name. What the entry exports is
/// exported still.
pub(super) fn bundle<'a>(entry: &str, source: &impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::new();
    let mut done = Vec::new();
    add(entry, true, source, &mut done, &mut out);
    out
}

/// Adds a module behind those that it imports, unless it is there.
fn add<'a>(
    name: &str,
    is_entry: bool,
    source: &impl Fn(&str) -> Option<&'a str>,
    done: &mut Vec<String>,
    out: &mut String,
) {
    let Some(text) = source(name).filter(|_| !done.iter().any(|other| other == name)) else {
        return;
    };
    done.push(name.to_owned());
    for imported in text.lines().filter_map(Import::read) {
        add(imported.module, false, source, done, out);
    }
    if !is_entry {
        out.push_str(&format!("const {} = (() => {{\n", variable(name)));
    }
    let mut exports = Vec::new();
    for line in text.lines() {
        if let Some(import) = Import::read(line) {
            out.push_str(&import.constant());
        } else if let Some((declared, rest)) = export(line).filter(|_| !is_entry) {
            exports.push(declared);
            out.push_str(rest);
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    if !is_entry {
        out.push_str(&format!("return {{ {} }};\n}})();\n", exports.join(", ")));
    }
}

/// The constant that a module's exports are in.
fn variable(module: &str) -> String {
    format!("${}", module.trim_end_matches(".js").replace('-', "_"))
}

/// `import WHAT from "./MODULE";`
struct Import<'a> {
    what: &'a str,
    module: &'a str,
}

impl<'a> Import<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (what, from) = line.strip_prefix("import ")?.split_once(" from \"./")?;
        let module = from.strip_suffix("\";")?;
        Some(Import { what, module })
    }

    /// `const { A, B: C } = $module;`, or with all of it under one name.
    fn constant(&self) -> String {
        let what = match self.what.strip_prefix("* as ") {
            Some(name) => name.to_owned(),
            None => self.what.replace(" as ", ": "),
        };
        format!("const {what} = {};", variable(self.module))
    }
}

/// The name that a line exports, and the line without the word: `export async function ask(…) {`.
fn export(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("export ")?;
    let declared = rest
        .trim_start_matches("async ")
        .split_once(' ')
        .filter(|(kind, _)| ["const", "class", "function"].contains(kind))?
        .1;
    let end = declared.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    Some((&declared[..end.unwrap_or(declared.len())], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_stands_once_before_all_that_import_it() {
        let source = |name: &str| match name {
            "main.js" => Some(
                "import { A, B as C } from \"./a.js\";\nimport * as time from \"./in-time.js\";\nexport const page = A;",
            ),
            "a.js" => Some(
                "import { now } from \"./in-time.js\";\nexport class A {}\nexport async function B() {}\nconst c = now;",
            ),
            "in-time.js" => Some("export const now = 1;"),
            _ => None,
        };
        let wanted = "const $in_time = (() => {\nconst now = 1;\nreturn { now };\n})();\n\
            const $a = (() => {\nconst { now } = $in_time;\nclass A {}\nasync function B() {}\nconst c = now;\nreturn { A, B };\n})();\n\
            const { A, B: C } = $a;\nconst time = $in_time;\nexport const page = A;\n";
        assert_eq!(bundle("main.js", &source), wanted);
    }
}
