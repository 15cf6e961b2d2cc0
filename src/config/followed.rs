//! What a FILE can be: a path, a pattern, or one of the sources that are no file.
//!
//! The spelling decides. A path that looks like another kind is written with `./` before it; one that begins with `/`,
//! `./` or `../` is always a path.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::broker_url::BrokerUrl;
use super::journal_match::JournalMatch;
use super::url::HttpUrl;
use super::value::Right;
use crate::escape::shown;
use crate::pattern::{Pattern, Wanted};

/// One FILE, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The file of that name; a FIFO is one too, for only a look at it tells.
    Path(PathBuf),
    /// Every file whose path matches.
    Pattern(Pattern),
    /// Standard input, shown as `name`.
    Stdin {
        /// What it is called: `stdin`, unless it was given as `NAME=-`.
        name: String,
    },
    /// Entries of systemd's journal.
    Journal(JournalMatch),
    /// The logs of all containers of this machine's Docker.
    Docker {
        /// Its data root.
        root: PathBuf,
    },
    /// The files of another tailcast.
    Upstream {
        /// What stands before the `/` of their names, where that is not the host of the URL.
        name: Option<String>,
        /// Its URL.
        url: HttpUrl,
    },
    /// What tailcasts publish to a broker.
    Broker {
        /// What stands before the host in their names, where one was given.
        name: Option<String>,
        /// Its URL with the topic filter.
        url: BrokerUrl,
    },
}

/// What is followed where no FILE is given.
pub(super) fn without_file(stdin_is_pipe: bool, has_journalctl: bool) -> Option<Followed> {
    if stdin_is_pipe {
        return Some(Followed::Stdin {
            name: "stdin".to_owned(),
        });
    }
    has_journalctl.then_some(Followed::Journal(JournalMatch::All))
}

/// Reads the FILEs as they were given, which are not empty; the same journal or Docker given twice is one.
pub(super) fn parse_all(files: &[std::ffi::OsString]) -> Result<Vec<Followed>, String> {
    let mut all: Vec<Followed> = Vec::new();
    for file in files {
        let followed = Followed::parse(file).map_err(|why| {
            // A URL without its query, which may hold a token.
            let bytes = file.as_bytes();
            let is_url = bytes.windows(3).any(|three| three == b"://");
            let end = bytes.iter().position(|&byte| is_url && byte == b'?');
            let file = shown(&bytes[..end.unwrap_or(bytes.len())]);
            format!("the FILE \"{file}\" can't be followed: it {why}")
        })?;
        let is_again = |other: &Followed| match (other, &followed) {
            (Followed::Journal(one), Followed::Journal(two)) => one.is_same(two),
            (Followed::Docker { root: one }, Followed::Docker { root: two }) => one == two,
            _ => false,
        };
        if all.iter().any(is_again) {
            continue;
        }
        if let Some(other) = all.iter().find(|other| other.clashes(&followed)) {
            return Err(match (other, &followed) {
                (Followed::Stdin { .. }, Followed::Stdin { .. }) => {
                    format!(
                        "\"{other}\" and \"{followed}\" are both standard input, which can be read once: leave one out"
                    )
                }
                (Followed::Upstream { .. } | Followed::Broker { .. }, _) => {
                    format!("\"{other}\" and \"{followed}\" have one NAME: give each its own")
                }
                _ => format!(
                    "\"{other}\" and \"{followed}\" would have one name: give standard input another, as NAME=-"
                ),
            });
        }
        all.push(followed);
    }
    Ok(all)
}

impl Followed {
    /// Reads one FILE; where it can't be, what would be right.
    fn parse(file: &OsStr) -> Result<Self, String> {
        let bytes = file.as_bytes();
        let is_path = [&b"/"[..], b"./", b"../"]
            .iter()
            .any(|start| bytes.starts_with(start));
        if !is_path {
            if let Some(other) = file.to_str().and_then(Self::other_than_path) {
                return other.map_err(|right| format!("must be {right}"));
            }
        }
        Ok(match Wanted::read(file)? {
            Wanted::Path(path) => Self::Path(path),
            Wanted::Pattern(pattern) => Self::Pattern(pattern),
        })
    }

    /// Reads one of the kinds that are no path; `None` where it looks like none of them.
    fn other_than_path(text: &str) -> Option<Result<Self, String>> {
        const NAME_RIGHT: &str =
            "NAME=… with a NAME without a / and control characters (a path that looks so: ./…)";
        let is_upstream = |text: &str| ["http://", "https://"].iter().any(|s| has_scheme(text, s));
        let is_broker = |text: &str| ["mqtt://", "mqtts://"].iter().any(|s| has_scheme(text, s));
        if text == "-" {
            return Some(Ok(Self::Stdin {
                name: "stdin".to_owned(),
            }));
        }
        if let Some(rest) = text.strip_prefix("journal:") {
            return Some(
                JournalMatch::parse(rest)
                    .map(Self::Journal)
                    .map_err(str::to_owned),
            );
        }
        if let Some(root) = text.strip_prefix("docker:") {
            let root = match root {
                "" => "/var/lib/docker",
                root => root,
            };
            return Some(Ok(Self::Docker { root: root.into() }));
        }
        let is_url = |text: &str| is_upstream(text) || is_broker(text);
        // A URL may hold a `=` itself: then what stands before it is no name.
        let (name, rest) = match text.split_once('=') {
            _ if is_url(text) => (None, text),
            Some((name, rest)) if rest == "-" || is_url(rest) => (Some(name), rest),
            _ => return None,
        };
        if name.is_some_and(|name| {
            name.is_empty() || name.contains(['/', '=']) || name.contains(char::is_control)
        }) {
            return Some(Err(NAME_RIGHT.to_owned()));
        }
        let name = name.map(str::to_owned);
        Some(Ok(match name {
            Some(name) if rest == "-" => Self::Stdin { name },
            name if is_upstream(rest) => match upstream_url(rest) {
                Ok(url) => Self::Upstream { name, url },
                Err(right) => return Some(Err(right)),
            },
            name => match broker_url(rest) {
                Ok(url) => Self::Broker { name, url },
                Err(right) => return Some(Err(right.to_owned())),
            },
        }))
    }

    /// Whether the two can't be followed together.
    fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stdin { .. }, Self::Stdin { .. }) => true,
            (
                Self::Upstream { name, .. } | Self::Broker { name, .. },
                Self::Upstream { name: other, .. } | Self::Broker { name: other, .. },
            ) => name.is_some() && name == other,
            _ => self.own_name().is_some() && self.own_name() == other.own_name(),
        }
    }

    /// The name of a source that is no file and has one name.
    fn own_name(&self) -> Option<String> {
        match self {
            Self::Stdin { name } => Some(name.clone()),
            Self::Journal(journal) => Some(journal.name()),
            _ => None,
        }
    }

    /// Whether it can bring more than one source.
    pub fn is_several(&self) -> bool {
        match self {
            Self::Path(_) | Self::Stdin { .. } | Self::Journal(_) => false,
            Self::Pattern(_)
            | Self::Docker { .. }
            | Self::Upstream { .. }
            | Self::Broker { .. } => true,
        }
    }
}

/// The parameters of another tailcast's URL that go along: what is chosen. Where to begin and how it is said is ours.
const GO_ALONG: [&str; 4] = ["file", "grep", "exclude", "ignore_case"];

fn upstream_url(text: &str) -> Result<HttpUrl, String> {
    let url = HttpUrl::parse(text)?;
    if url.tls && !cfg!(feature = "tls") {
        return Err("http://, for this build has no TLS".to_owned());
    }
    match url
        .query
        .iter()
        .find(|(name, _)| !GO_ALONG.contains(&&**name))
    {
        Some((name, _)) => Err(format!(
            "a URL with file=, grep=, exclude= and ignore_case= alone, without {}=",
            shown(name.as_bytes())
        )),
        None => Ok(url),
    }
}

fn broker_url(text: &str) -> Result<BrokerUrl, Right> {
    if !cfg!(feature = "mqtt") {
        return Err("something else, for this build has no MQTT");
    }
    let url = BrokerUrl::parse(text)?;
    match url.tls && !cfg!(feature = "tls") {
        true => Err("mqtt://, for this build has no TLS"),
        false => Ok(url),
    }
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

impl fmt::Display for Followed {
    /// As it would be given on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            |name: &Option<String>| name.as_ref().map_or(String::new(), |n| format!("{n}="));
        let text = match self {
            Self::Path(path) => return f.write_str(&shown(path.as_os_str().as_bytes())),
            Self::Pattern(pattern) => {
                return f.write_str(&shown(pattern.path().as_os_str().as_bytes()));
            }
            Self::Stdin { name } if name == "stdin" => "-".to_owned(),
            Self::Stdin { name } => format!("{name}=-"),
            Self::Journal(JournalMatch::All) => "journal:".to_owned(),
            Self::Journal(journal) => format!("journal:{}", journal.name()),
            Self::Docker { root } => {
                return write!(f, "docker:{}", shown(root.as_os_str().as_bytes()));
            }
            Self::Upstream { name, url } => format!("{}{url}", named(name)),
            Self::Broker { name, url } => format!("{}{url}", named(name)),
        };
        f.write_str(&shown(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn kind(text: &str) -> String {
        match parse_all(&[OsString::from(text)]) {
            Ok(all) => format!("{:?}", all[0]),
            Err(line) => line,
        }
    }

    #[test]
    fn the_spelling_of_a_file_decides_what_it_is() {
        for (text, kind_of) in [
            ("app.log", "Path(\"app.log\")"),
            ("/var/log/*.log", "Pattern(Pattern(\"/var/log/*.log\"))"),
            ("-", "Stdin { name: \"stdin\" }"),
            ("build=-", "Stdin { name: \"build\" }"),
            ("./-", "Path(\"./-\")"),
            ("/tmp/a=-", "Path(\"/tmp/a=-\")"),
            ("./journal:", "Path(\"./journal:\")"),
            ("journal:", "Journal(All)"),
            (
                "journal:ssh",
                "Journal(Unit { name: \"ssh\", unit: \"ssh.service\" })",
            ),
            (
                "journal:a@b.timer",
                "Journal(Unit { name: \"a@b.timer\", unit: \"a@b.timer\" })",
            ),
            (
                "journal:_UID=0=x",
                "Journal(Field { field: \"_UID\", value: \"0=x\" })",
            ),
            ("docker:", "Docker { root: \"/var/lib/docker\" }"),
            ("docker:/d", "Docker { root: \"/d\" }"),
            (
                "http://w/?file=-",
                "Upstream { name: None, url: HttpUrl { tls: false, at: HostPort { host: \"w\", port: 80 }, base_path: \"/\", \
                 query: [(\"file\", \"-\")] } }",
            ),
            (
                "w=http://h:8080/a/?grep=https://b",
                "Upstream { name: Some(\"w\"), url: HttpUrl { tls: false, at: HostPort { host: \"h\", port: 8080 }, \
                 base_path: \"/a/\", query: [(\"grep\", \"https://b\")] } }",
            ),
            (
                "mqtts://u@h/a/#",
                "Broker { name: None, url: BrokerUrl { tls: true, user: Some(\"u\"), \
                 at: HostPort { host: \"h\", port: 8883 }, filter: \"a/#\" } }",
            ),
            (
                "b=mqtt://h/#",
                "Broker { name: Some(\"b\"), url: BrokerUrl { tls: false, user: None, \
                 at: HostPort { host: \"h\", port: 1883 }, filter: \"#\" } }",
            ),
            ("a=b", "Path(\"a=b\")"),
            ("journald", "Path(\"journald\")"),
        ] {
            assert_eq!(kind(text), kind_of, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_value() {
        for text in [
            "a/b=-",
            "=-",
            "a/b=http://h",
            "=mqtt://h/#",
            "journal:field=x",
            "journal:9A=x",
            "journal:A=",
            "journal:=x",
            "journal:a b",
            "journal:a*",
            "http://h/?lines=3",
            "http://h/?token=secret",
            "http://",
        ] {
            let line = kind(text);
            let text = text.split('?').next().expect("a part");
            assert!(!line.contains("secret"), "{line}");
            assert!(
                line.contains(&format!("\"{text}\" can't be followed: it must be")),
                "{line}"
            );
        }
    }

    #[test]
    fn standard_input_is_read_once_and_a_journal_or_a_docker_given_twice_is_one() {
        let all = |files: &[&str]| {
            let files: Vec<_> = files.iter().map(OsString::from).collect();
            parse_all(&files)
        };
        for two in [
            ["a=http://h/", "a=http://g/"],
            ["a=mqtt://h/#", "a=mqtt://g/#"],
            ["a=http://h/", "a=mqtt://g/#"],
        ] {
            let line = all(&two).expect_err("one NAME");
            assert!(line.contains("have one NAME: give each its own"), "{line}");
        }
        assert!(all(&["a=http://h/", "b=http://h/", "http://h/", "mqtt://h/#"]).is_ok());
        assert!(all(&["-", "x=-"]).is_err_and(|line| line.contains("both standard input")));
        assert!(all(&["ssh=-", "journal:ssh"]).is_err_and(|line| line.contains("one name")));
        let once = all(&["journal:ssh", "journal:", "journal:ssh.service", "journal:"]);
        assert_eq!(once.map(|all| all.len()), Ok(2));
        let once = all(&[
            "docker:",
            "docker:/d",
            "docker:/var/lib/docker/",
            "docker:/d/",
        ]);
        assert_eq!(once.map(|all| all.len()), Ok(2));
        assert_eq!(all(&["a", "a"]).map(|all| all.len()), Ok(2));
    }

    #[test]
    fn without_a_file_a_pipe_goes_before_the_journal() {
        let shown = |pipe, journal| without_file(pipe, journal).map(|f| f.to_string());
        assert_eq!(shown(true, true).as_deref(), Some("-"));
        assert_eq!(shown(false, true).as_deref(), Some("journal:"));
        assert_eq!(shown(false, false), None);
    }
}
