//! The settings of `tailcast cat`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::Environment;
use super::arguments::path;
use super::complaint::{Complaint, GivenBy, complain};
use super::url::HttpUrl;
use super::value::Right;
use crate::escape::shown;

const AFTER_HELP: &str = "\
URL is the address of a tailcast, with the parameters of its streams behind the ?:
  tailcast cat 'https://web1/?file=syslog&grep=error&since=1h'

Exit status: 0 after follow=false, a signal, or when standard output is closed; 1 where the other refuses, or nothing
answers at the start; 2 on wrong usage.";

/// Write a stream of another tailcast to standard output, and go on by id after a lost connection
#[derive(Debug, Parser)]
#[command(
    name = "tailcast cat",
    override_usage = "tailcast cat [OPTIONS] URL",
    after_help = AFTER_HELP,
    disable_version_flag = true,
    args_override_self = true
)]
struct CatArguments {
    /// The other tailcast, with the parameters of the stream
    #[arg(value_name = "URL", required = true)]
    url: String,

    /// text: the lines as they are; json: an object a line, and the events
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = Output::parse)]
    output: Output,

    /// File of what hosts ask for, a line HOST[:PORT] SECRET each
    #[arg(long, value_name = "PATH", value_parser = path())]
    credentials_file: Option<PathBuf>,
}

/// What is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Lines as they are, with tail's headers where the file changes.
    Text,
    /// JSON Lines, events among them.
    Json,
}

impl Output {
    fn parse(text: &str) -> Result<Self, Right> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json"),
        }
    }
}

/// What `tailcast cat` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cat {
    /// The other tailcast, with the parameters of the stream.
    pub url: HttpUrl,
    /// What is written.
    pub output: Output,
    /// Where it stands what hosts ask for.
    pub credentials_file: Option<PathBuf>,
}

/// The table of options of `tailcast cat`, for the man page.
pub fn cat_command() -> clap::Command {
    CatArguments::command()
}

/// Reads the words behind `tailcast cat`; the program's name is `args[0]`.
pub(super) fn read(args: &[OsString], env: Environment<'_>) -> Result<Cat, Complaint> {
    let all = args.iter().take(1).chain(args.iter().skip(2));
    let matches = CatArguments::command()
        .try_get_matches_from(all)
        .map_err(|error| complain(&error, GivenBy::Cat))?;
    let asked =
        CatArguments::from_arg_matches(&matches).map_err(|error| complain(&error, GivenBy::Cat))?;
    let url = HttpUrl::parse(&asked.url).map_err(|right| {
        // Without its query, which may hold a token.
        let place = asked.url.split('?').next().unwrap_or_default();
        let place = shown(place.as_bytes());
        Complaint::Usage(format!(
            "the URL \"{place}\" can't be used: it must be {right}"
        ))
    })?;
    if url.tls && !cfg!(feature = "tls") {
        return Err(Complaint::Usage(format!(
            "{url}: this build has no TLS: it must be http://"
        )));
    }
    let format = |(name, _): &&(String, String)| name == "format";
    if url.query.iter().find(format).is_some() {
        return Err(Complaint::Usage(
            "a format= in the URL is not ours to choose: leave it out, and say -o json for JSON"
                .to_owned(),
        ));
    }
    let from_env = || env("TAILCAST_CREDENTIALS_FILE").map(PathBuf::from);
    Ok(Cat {
        url,
        output: asked.output,
        credentials_file: asked.credentials_file.or_else(from_env),
    })
}
