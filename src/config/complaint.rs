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

/// `variable` is where the words came from, if not from the command line.
pub(super) fn complain(error: &clap::Error, variable: Option<&str>) -> Complaint {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // `--lines <N>`
    let option = context(ContextKind::InvalidArg);
    let value = shown(context(ContextKind::InvalidValue).as_bytes());
    let origin = variable.map_or_else(String::new, |name| format!("{name}: "));
    Complaint::Usage(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Complaint::Shown(error.to_string());
        }
        ErrorKind::ValueValidation => {
            let right = error.source().map_or_else(String::new, ToString::to_string);
            format!("{origin}{option}: \"{value}\" can't be used: it must be {right}")
        }
        ErrorKind::InvalidValue => format!("{origin}{option} needs a value: see tailcast --help"),
        ErrorKind::UnknownArgument => {
            let word = shown(option.as_bytes());
            match word.starts_with('-') {
                true => format!(
                    "there is no option {word}: see tailcast --help, and write ./{word} for a FILE"
                ),
                false => format!("\"{word}\" is one word too many: see tailcast cat --help"),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            "the URL is missing: it must be http://HOST[:PORT]/PATH/, see tailcast cat --help"
                .to_owned()
        }
        ErrorKind::TooManyValues => {
            format!("{origin}{option} takes no value, and \"{value}\" is one")
        }
        ErrorKind::InvalidUtf8 => {
            format!("{origin}an option's value is not UTF-8: only paths may be so")
        }
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            format!(
                "{origin}{}",
                shown(text.lines().next().unwrap_or_default().as_bytes())
            )
        }
    })
}
