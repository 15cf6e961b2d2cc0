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

/// What gave the words that can't be used.
#[derive(Clone, Copy)]
pub(super) enum GivenBy<'a> {
    /// The command line of `tailcast`.
    CommandLine,
    /// That of `tailcast cat`.
    Cat,
    /// A variable of the environment.
    Variable(&'a str),
}

impl GivenBy<'_> {
    /// What lists the options.
    fn help(self) -> &'static str {
        match self {
            GivenBy::CommandLine | GivenBy::Variable(_) => "tailcast --help",
            GivenBy::Cat => "tailcast cat --help",
        }
    }
}

/// What `error` says of words that were given there.
pub(super) fn complain(error: &clap::Error, given_by: GivenBy<'_>) -> Complaint {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // `--lines <N>`
    let option = context(ContextKind::InvalidArg);
    let value = shown(context(ContextKind::InvalidValue).as_bytes());
    let help = given_by.help();
    let from = match given_by {
        GivenBy::Variable(name) => format!("{name}: "),
        GivenBy::CommandLine | GivenBy::Cat => String::new(),
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
            match (word.starts_with('-'), given_by) {
                (true, GivenBy::Cat) => format!("there is no option {word}: see {help}"),
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
