//! Ids are opaque, so a test that compares whole answers looks at which of them are the same.

use regex::Regex;

/// `text` with `<1>` for the id that comes first, `<2>` for the next other one, and so on.
pub(crate) fn numbered_ids(text: &str) -> String {
    let shape = Regex::new(r"[0-9a-f]{8}\.[0-9a-f]+\.[0-9a-f]+\.[0-9a-f]{12}").expect("a pattern");
    let mut seen: Vec<String> = Vec::new();
    let numbered = shape.replace_all(text, |found: &regex::Captures| {
        let known = seen.iter().position(|id| *id == found[0]);
        let number = known.unwrap_or_else(|| {
            seen.push(found[0].to_owned());
            seen.len() - 1
        });
        format!("<{}>", number + 1)
    });
    numbered.into_owned()
}

/// The last id of an event stream.
pub(crate) fn last_id(events: &str) -> &str {
    let ids = events
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("id: "));
    ids.expect("an id")
}
