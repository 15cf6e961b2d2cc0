//! Owns the values that options and queries are made of: how each is written, and what it then is.
//!
//! A reader of a value answers with what would be right where it is wrong; whoever asked adds the name and
//! the value.

/// How much of each file a new client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// The last so many; 0 for none.
    Last(u64),
    /// Everything in the file.
    All,
}

impl Lines {
    /// What a number of lines looks like.
    pub const RIGHT: &str = "a number of lines, or all";

    /// Reads `N` or `all`.
    pub fn parse(text: &str) -> Option<Self> {
        // `parse` alone would accept a sign.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        match text {
            "all" => Some(Self::All),
            text if is_number => text.parse().ok().map(Self::Last),
            _ => None,
        }
    }
}
