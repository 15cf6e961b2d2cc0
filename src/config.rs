//! Owns the settings of the program: command line and environment in, a [`Config`] that can be used out.
//!
//! `arguments` is the one table of options, for the parser and the help. The environment is read here and
//! not by `clap`: its way of splitting a list at commas would split FILEs of the command line as well.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::error::StartError;
use crate::limits::LINES_DEFAULT;
use crate::time::asked::Time;

mod arguments;
pub mod broker_url;
pub mod cat;
mod complaint;
pub mod followed;
pub mod journal_match;
#[cfg(feature = "mqtt")]
pub mod publishing;
pub mod url;
pub mod value;

use arguments::Arguments;
pub use arguments::command;
pub use cat::cat_command;
use followed::Followed;
#[cfg(feature = "webrtc")]
use value::HostPort;
use value::{AllowOrigin, BasePath, Lines, Listen};

/// Every setting, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What to follow, at least one.
    pub files: Vec<Followed>,
    /// Where spools are kept; `None` for temporary files.
    pub spool_dir: Option<PathBuf>,
    /// It was asked for by `--spool-dir`, and is not just systemd's.
    pub spool_dir_asked: bool,
    /// Bytes that are kept of each source that comes by way of a spool.
    pub spool_size: u64,
    /// Where it stands what other tailcasts and brokers ask for.
    pub credentials_file: Option<PathBuf>,
    /// Where to listen, at least one.
    pub listen: Vec<Listen>,
    /// Where datagrams of data channels come in: `HOST:PORT`.
    #[cfg(feature = "webrtc")]
    pub rtc_listen: Option<HostPort>,
    /// History of a client that does not say.
    pub lines: Lines,
    /// Where the history of such a client begins.
    pub since: Option<Time>,
    /// History ends where the current file begins.
    pub no_rotated: bool,
    /// Streams at once, at least one.
    pub max_clients: usize,
    /// Batches that wait for one client, at least one.
    pub queue: usize,
    /// The longest rest between deliveries; `None` for one in proportion to the clients.
    pub max_delay: Option<Duration>,
    /// Where longer lines are cut, in bytes, at least one.
    pub max_line: usize,
    /// Records are shown as they are stored.
    pub raw: bool,
    /// The time between heartbeats.
    pub ping_interval: Duration,
    /// Origins that may connect beside our own.
    pub allow_origin: Vec<AllowOrigin>,
    /// Host names that are answered beside our own, in one spelling.
    pub allow_host: Vec<String>,
    /// Where the access tokens are.
    pub token_file: Option<PathBuf>,
    /// The certificate to serve https with.
    pub tls: Option<TlsFiles>,
    /// The prefix of every URL.
    pub base_path: BasePath,
    /// Where the key of ids is, and how far each file is published.
    pub state_dir: Option<PathBuf>,
    /// What is published to brokers, where anything is.
    #[cfg(feature = "mqtt")]
    pub publishing: Option<publishing::Publishing>,
    /// What is logged, where `RUST_LOG` says nothing.
    pub log_level: LevelFilter,
}

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that it hangs on, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To run with these settings.
    Run(Box<Config>),
    /// To write a stream of another tailcast to standard output.
    Cat(Box<cat::Cat>),
    /// To show this, the help or the version, on standard output.
    Show(String),
}

/// One variable of the environment, by name.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Config {
    /// Reads the command line, the program's name first, and the environment, which `env` looks up by name.
    /// A variable that is empty counts as not set. Whether FILEs exist is looked up, to tell a pattern from
    /// a name.
    pub fn parse_from(
        args: impl IntoIterator<Item = OsString>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Asked, StartError> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let args: Vec<OsString> = args.into_iter().collect();
        let asked = match args.get(1) {
            Some(word) if word == "cat" => {
                cat::read(&args, &env).map(|cat| Err(Asked::Cat(Box::new(cat))))
            }
            _ => arguments::read(&args, &env).map(Ok),
        };
        let asked = match asked {
            Ok(Ok(asked)) => asked,
            Ok(Err(cat)) => return Ok(cat),
            Err(complaint::Complaint::Shown(text)) => return Ok(Asked::Show(text)),
            Err(complaint::Complaint::Usage(line)) => return Err(StartError::Usage(line)),
        };
        check(asked, &env)
            .map(|config| Asked::Run(Box::new(config)))
            .map_err(StartError::Usage)
    }
}

/// What concerns more than one option.
fn check(asked: Arguments, env: Environment<'_>) -> Result<Config, String> {
    let files = files(asked.files, env)?;
    let listens_plainly = asked
        .listen
        .iter()
        .find(|listen| matches!(listen, Listen::Tcp(_)));
    if let (Some(Listen::Tcp(at)), Some(_)) = (listens_plainly, &asked.token_file) {
        return Err(format!(
            "--listen tcp:{at} can't be used with --token-file, since it can't ask for a token: leave one out"
        ));
    }
    let tls = match (asked.tls_cert, asked.tls_key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (Some(_), None) => {
            return Err(
                "--tls-cert needs the key of the certificate too: add --tls-key PATH".to_owned(),
            );
        }
        (None, Some(_)) => {
            return Err("--tls-key needs its certificate too: add --tls-cert PATH".to_owned());
        }
    };
    let log_level = match (asked.quiet, asked.verbose) {
        (true, _) => LevelFilter::Warn,
        (false, 0) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    };
    let state_dir = asked.state_dir.or_else(|| systemd_state(env));
    Ok(Config {
        files,
        spool_dir_asked: asked.spool_dir.is_some(),
        spool_dir: asked
            .spool_dir
            .or_else(|| systemd_state(env).map(|state| state.join("spool"))),
        spool_size: asked.spool_size,
        credentials_file: asked.credentials_file,
        listen: asked.listen,
        #[cfg(feature = "webrtc")]
        rtc_listen: asked.rtc_listen,
        lines: match (asked.lines, asked.since) {
            (Some(lines), _) => lines,
            (None, Some(_)) => Lines::All,
            (None, None) => Lines::Last(LINES_DEFAULT),
        },
        since: asked.since,
        no_rotated: asked.no_rotated,
        max_clients: asked.max_clients,
        queue: asked.queue,
        max_delay: asked.max_delay,
        max_line: asked.max_line,
        raw: asked.raw,
        ping_interval: asked.ping_interval,
        allow_origin: asked.allow_origin,
        allow_host: asked.allow_host,
        token_file: asked.token_file,
        tls,
        base_path: asked.base_path,
        #[cfg(feature = "mqtt")]
        publishing: asked.publishing.check(state_dir.as_deref())?,
        state_dir,
        log_level,
    })
}

/// The FILEs of the command line, or else of the environment, or else what there is to follow without one.
fn files(mut files: Vec<OsString>, env: Environment<'_>) -> Result<Vec<Followed>, String> {
    if files.is_empty() {
        files = env("TAILCAST_FILES")
            .map(|list| arguments::split_list(&list))
            .unwrap_or_default();
    }
    if files.is_empty() {
        let followed = followed::without_file(stdin_is_pipe(), has_journalctl(env)).ok_or(
            "no FILE to follow is given, standard input is no pipe and there is no journalctl: tailcast [OPTIONS] \
             FILE..., or TAILCAST_FILES in the environment",
        )?;
        return Ok(vec![followed]);
    }
    for file in &files {
        if file.is_empty() {
            return Err("a FILE is \"\", which names nothing: give the path of a file".to_owned());
        }
    }
    followed::parse_all(&files)
}

/// The first of the directories that systemd has made for the unit (systemd.exec(5)).
fn systemd_state(env: Environment<'_>) -> Option<PathBuf> {
    let list = env("STATE_DIRECTORY")?;
    let first = list.as_bytes().split(|&byte| byte == b':').next()?;
    (!first.is_empty()).then(|| OsString::from_vec(first.to_vec()).into())
}

/// A terminal, a file and /dev/null are not asked for lines unless they are named.
fn stdin_is_pipe() -> bool {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned();
    let stat = stdin.and_then(|stdin| File::from(stdin).metadata());
    stat.is_ok_and(|stat| stat.file_type().is_fifo())
}

/// Whether the search path leads to a journalctl.
fn has_journalctl(env: Environment<'_>) -> bool {
    is_on_path("journalctl", &env("PATH").unwrap_or_default())
}

/// Whether a directory of the search path has the program.
pub fn is_on_path(program: &str, path: &OsStr) -> bool {
    std::env::split_paths(path).any(|directory| directory.join(program).is_file())
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
