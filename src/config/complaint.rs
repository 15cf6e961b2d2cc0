//! Owns how the option parser's findings are told: one line, with the value, and what would be right.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::escape::shown;

/// Why there are no settings.
pub(super) enum Complaint {
    /// There is a text to show instead: help or version.
    Shown(String),
    /// Wrong usage.
    Usage(String),
}

/// Where the words came from that can't be used.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// The command line of `tailcast`.
    CommandLine,
    /// That of `tailcast cat`.
    Cat,
    /// A variable of the environment.
    Variable(&'a str),
}

impl Origin<'_> {
    /// What lists the options.
    fn help(self) -> &'static str {
        match self {
            Origin::CommandLine | Origin::Variable(_) => "tailcast --help",
            Origin::Cat => "tailcast cat --help",
        }
    }
}

/// What `error` says of words from `origin`.
pub(super) fn complain(error: &clap::Error, origin: Origin<'_>) -> Complaint {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // `--lines <N>`
    let option = context(ContextKind::InvalidArg);
    let value = shown(context(ContextKind::InvalidValue).as_bytes());
    let help = origin.help();
    let from = match origin {
        Origin::Variable(name) => format!("{name}: "),
        Origin::CommandLine | Origin::Cat => String::new(),
    };
    Complaint::Usage(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Complaint::Shown(error.to_string());
        }
        ErrorKind::ValueValidation => {
            let right = error.source().map_or_else(String::new, ToString::to_string);
            format!("{from}{option}: \"{value}\" can't be used: it must be {right}")
        }
        ErrorKind::InvalidValue => format!("{from}{option} needs a value: see {help}"),
        ErrorKind::UnknownArgument => {
            let word = shown(option.as_bytes());
            match (word.starts_with('-'), origin) {
                (true, Origin::Cat) => format!("there is no option {word}: see {help}"),
                (true, _) => {
                    format!("there is no option {word}: see {help}, and write ./{word} for a FILE")
                }
                (false, _) => format!("\"{word}\" is one word too many: see {help}"),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            format!("the URL is missing: it must be http://HOST[:PORT]/PATH/, see {help}")
        }
        ErrorKind::TooManyValues => {
            format!("{from}{option} takes no value, and \"{value}\" is one")
        }
        ErrorKind::InvalidUtf8 => {
            format!("{from}an option's value is not UTF-8: only paths may be so")
        }
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            format!(
                "{from}{}",
                shown(text.lines().next().unwrap_or_default().as_bytes())
            )
        }
    })
}
