//! Owns the table of options: names, defaults, help, and how each value is read.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueHint};

use super::Environment;
use super::complaint::{Complaint, GivenBy, complain};
use super::value::{self, AllowOrigin, BasePath, Lines, Listen, Right, digits};
use crate::escape::shown;
use crate::limits::{
    CLIENTS_DEFAULT, CLIENTS_MAX, DELAY_MAX_MS, LINE_DEFAULT_BYTES, LINE_MAX_BYTES,
    PING_MAX_SECONDS, PING_MIN_MS, QUEUE_DEFAULT_BATCHES, QUEUE_MAX_BATCHES, SPOOL_DEFAULT,
    SPOOL_MAX_BYTES, SPOOL_MIN_BYTES,
};
use crate::time::asked::Time;

const AFTER_HELP: &str = "\
Each option can also come from the environment as TAILCAST_ and its name in capitals (TAILCAST_LISTEN,
TAILCAST_MAX_CLIENTS), lists separated by commas, the FILEs as TAILCAST_FILES. The command line wins.

Streams are at /ws (WebSocket), /events (Server-Sent Events) and /stream (plain text).

Exit status: 0 after SIGINT, SIGTERM or SIGHUP, 1 on a failure at run time, 2 on wrong usage.";

/// Follows log files as tail -F does, and streams every new line, live, to any number of clients
#[derive(Debug, Parser)]
#[command(
    name = "tailcast",
    version,
    override_usage = "tailcast [OPTIONS] [FILE...]",
    after_help = AFTER_HELP,
    args_override_self = true
)]
pub(super) struct Arguments {
    /// Files to follow by name, patterns of names; or - or NAME=- (standard input), journal:, journal:UNIT,
    /// journal:FIELD=VALUE, docker: or docker:PATH (containers), a URL of another tailcast or a broker [default: standard
    /// input where it is a pipe, else journal:]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = OsStringValueParser::new())]
    pub(super) files: Vec<OsString>,

    /// HOST:PORT or unix:PATH for HTTP, tcp:HOST:PORT for plain lines; repeatable
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| Listen::parse(&text)))]
    pub(super) listen: Vec<Listen>,

    /// Lines of history of each file for a new client that does not say; all = everything [default: 10]
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = Lines::parse)]
    pub(super) lines: Option<Lines>,

    /// Where the history of such a client begins: a time as 10m, 2026-11-28T03:00, 03:12 or today [default: not set]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = Time::parse)]
    pub(super) since: Option<Time>,

    /// History ends where the current file begins: rotated files are read only by who resumes in them
    #[arg(long)]
    pub(super) no_rotated: bool,

    /// Streams at once; the next one gets 503
    #[arg(long, value_name = "N", default_value_t = CLIENTS_DEFAULT, allow_negative_numbers = true)]
    #[arg(value_parser = |text: &str| count(text, CLIENTS_MAX, "a number of clients, from 1 to 100000"))]
    pub(super) max_clients: usize,

    /// Batches that wait for one client before it falls back to reading the file
    #[arg(long, value_name = "N", default_value_t = QUEUE_DEFAULT_BATCHES, allow_negative_numbers = true)]
    #[arg(value_parser = |text: &str| count(text, QUEUE_MAX_BATCHES, "a number of batches, from 1 to 65536"))]
    pub(super) queue: usize,

    /// How long lines may wait to be delivered together; 0 = not at all [default: grows with the clients]
    #[arg(long, value_name = "MILLISECONDS", allow_negative_numbers = true, value_parser = delay)]
    pub(super) max_delay: Option<Duration>,

    /// Longer lines are cut in pieces of at most this size
    #[arg(long, value_name = "BYTES", default_value_t = LINE_DEFAULT_BYTES, allow_negative_numbers = true)]
    #[arg(value_parser = |text: &str| count(text, LINE_MAX_BYTES, "a number of bytes, from 1 to 67108864"))]
    pub(super) max_line: usize,

    /// Lines of container logs as they lie in the file, instead of what the program wrote
    #[arg(long)]
    pub(super) raw: bool,

    /// The time between heartbeats; who misses two is dropped
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "25",
        allow_negative_numbers = true
    )]
    #[arg(value_parser = interval)]
    pub(super) ping_interval: Duration,

    /// A further web origin that may connect, or *; repeatable [default: same origin only]
    #[arg(long, value_name = "ORIGIN", value_parser = AllowOrigin::parse)]
    pub(super) allow_origin: Vec<AllowOrigin>,

    /// A further Host name that is answered; repeatable [default: localhost and IP addresses]
    #[arg(long, value_name = "NAME", value_parser = value::allow_host)]
    pub(super) allow_host: Vec<String>,

    /// File of access tokens, one a line; every request but /healthz then needs one
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub(super) token_file: Option<PathBuf>,

    /// Serve https and wss with this certificate (PEM), read again when it changes; unix: and tcp: stay plain
    #[arg(long, value_name = "PATH", value_parser = path(), hide = !cfg!(feature = "tls"))]
    pub(super) tls_cert: Option<PathBuf>,

    /// The key of the certificate (PEM), read again when it changes
    #[arg(long, value_name = "PATH", value_parser = path(), hide = !cfg!(feature = "tls"))]
    pub(super) tls_key: Option<PathBuf>,

    /// Prefix of every URL, for a reverse proxy
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = BasePath::parse)]
    pub(super) base_path: BasePath,

    /// Where standard input, the journal and the like are kept, over restarts too [default: temporary files]
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub(super) spool_dir: Option<PathBuf>,

    /// Bytes kept of each of these at most, as 64M
    #[arg(long, value_name = "SIZE", default_value = SPOOL_DEFAULT, value_parser = spool_size, allow_hyphen_values = true)]
    pub(super) spool_size: u64,

    /// HOST:PORT of the UDP socket of all data channels [default: off]
    #[cfg(feature = "webrtc")]
    #[arg(long, value_name = "ADDR", value_parser = rtc_listen)]
    pub(super) rtc_listen: Option<super::value::HostPort>,

    /// File of what other tailcasts and brokers ask for, a line HOST[:PORT] SECRET each
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub(super) credentials_file: Option<PathBuf>,

    /// Where the key of ids is kept, and how far each file is published [default: systemd's STATE_DIRECTORY]
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub(super) state_dir: Option<PathBuf>,

    #[cfg(feature = "mqtt")]
    #[command(flatten)]
    pub(super) publishing: super::publishing::PublishingArguments,

    /// More on standard error: who joins, falls back and is refused, and why (RUST_LOG, where set, wins)
    #[arg(short, long, action = ArgAction::Count, overrides_with = "quiet")]
    pub(super) verbose: u8,

    /// Warnings and errors only
    #[arg(short, long, overrides_with = "verbose")]
    pub(super) quiet: bool,

    /// Accepted, and -F as well, since fingers know them: following by name is what it does anyway
    #[arg(short = 'f', visible_short_alias = 'F', action = ArgAction::Count)]
    _follow: u8,
}

/// The table itself, for completions and the man page.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Reads the command line, and for the options that are not on it the environment.
pub(super) fn read(args: &[OsString], env: Environment<'_>) -> Result<Arguments, Complaint> {
    let program = || args.first().cloned().unwrap_or_else(|| "tailcast".into());
    let given = command()
        .try_get_matches_from(args)
        .map_err(|error| complain(&error, GivenBy::CommandLine))?;
    let mut all = vec![program()];
    for option in command().get_arguments() {
        let id = option.get_id().as_str();
        let Some(long) = option.get_long() else {
            continue;
        };
        if given.value_source(id) == Some(ValueSource::CommandLine) {
            continue;
        }
        let variable = format!("TAILCAST_{}", id.to_ascii_uppercase());
        let Some(text) = env(&variable) else { continue };
        let words = words(long, option.get_action(), &text).ok_or_else(|| {
            let text = shown(text.as_bytes());
            Complaint::Usage(format!(
                "{variable}=\"{text}\" can't be used: it is true, false or a number"
            ))
        })?;
        let alone = std::iter::once(program()).chain(words.iter().cloned());
        command()
            .try_get_matches_from(alone)
            .map_err(|error| complain(&error, GivenBy::Variable(&variable)))?;
        all.extend(words);
    }
    // The command line comes last, so that its -v wins over a TAILCAST_QUIET.
    all.extend(args.iter().skip(1).cloned());
    let matches = command()
        .try_get_matches_from(all)
        .map_err(|error| complain(&error, GivenBy::CommandLine))?;
    Arguments::from_arg_matches(&matches).map_err(|error| complain(&error, GivenBy::CommandLine))
}

/// What `variable` would be on the command line; `None` for a switch that is neither on nor off.
fn words(long: &str, action: &ArgAction, text: &OsStr) -> Option<Vec<OsString>> {
    let option = |value: &OsStr| {
        let mut word = OsString::from(format!("--{long}="));
        word.push(value);
        word
    };
    match action {
        ArgAction::Append => Some(split_list(text).iter().map(|value| option(value)).collect()),
        ArgAction::Count | ArgAction::SetTrue => {
            let times = match text.to_str()? {
                "true" => 1,
                "false" => 0,
                text => digits(text)?.min(3),
            };
            Some((0..times).map(|_| format!("--{long}").into()).collect())
        }
        _ => Some(vec![option(text)]),
    }
}

/// The members of a list from the environment; a comma too many adds none.
pub(super) fn split_list(list: &OsStr) -> Vec<OsString> {
    let members = list
        .as_bytes()
        .split(|&byte| byte == b',')
        .filter(|member| !member.is_empty());
    members
        .map(|member| OsString::from_vec(member.to_vec()))
        .collect()
}

fn count(text: &str, most: usize, right: Right) -> Result<usize, Right> {
    let number = digits(text).and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or(right)
}

#[cfg(feature = "webrtc")]
fn rtc_listen(text: &str) -> Result<super::value::HostPort, Right> {
    super::value::HostPort::parse(text).ok_or("HOST:PORT or [IPV6]:PORT")
}

fn spool_size(text: &str) -> Result<u64, Right> {
    const RIGHT: Right = "a size from 64K to 1024T, as 500K, 64M or 2G";
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let bytes = digits(number).and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| (SPOOL_MIN_BYTES..=SPOOL_MAX_BYTES).contains(bytes))
        .ok_or(RIGHT)
}

fn delay(text: &str) -> Result<Duration, Right> {
    let millis = digits(text).filter(|&millis| millis <= DELAY_MAX_MS);
    millis
        .map(Duration::from_millis)
        .ok_or("a number of milliseconds, from 0 to 60000")
}

fn interval(text: &str) -> Result<Duration, Right> {
    const RIGHT: Right = "a number of seconds, from 0.01 to 86400";
    // `parse` alone would accept `inf` and `1e3`.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Err(RIGHT);
    }
    let seconds = text.parse().map_err(|_| RIGHT)?;
    let interval = Duration::try_from_secs_f64(seconds).map_err(|_| RIGHT)?;
    let allowed = Duration::from_millis(PING_MIN_MS)..=Duration::from_secs(PING_MAX_SECONDS);
    allowed.contains(&interval).then_some(interval).ok_or(RIGHT)
}

pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| match text.is_empty() {
        true => Err("the path of a file"),
        false => Ok(PathBuf::from(text)),
    })
}
