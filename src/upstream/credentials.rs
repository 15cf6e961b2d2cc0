//! The credentials file: what other tailcasts and brokers ask for. A line is `HOST[:PORT] SECRET`; `#` begins a comment.

use std::fmt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::authority::Authority;
use crate::config::value::HostPort;
use crate::error::StartError;
use crate::limits::CREDENTIALS_FILE_BYTES;
use crate::small_file;

/// The credentials file by its path. It is read whenever a secret is needed, so a change counts from the next connection
/// on; where it can't be read then, the last good one stays. Opened once, and shared by all that ask others.
pub struct Credentials {
    path: PathBuf,
    lines: Mutex<Vec<Line>>,
}

struct Line {
    host: String,
    /// `None` for any.
    port: Option<u16>,
    secret: String,
}

impl Credentials {
    /// Reads the file. Blocks on the disk.
    pub fn open(path: &Path) -> Result<Credentials, StartError> {
        let lines = read(path).map_err(|cause| {
            StartError::failed(format!("read the credentials in {}", path.display()), cause)
        })?;
        Ok(Credentials {
            path: path.to_owned(),
            lines: Mutex::new(lines),
        })
    }

    /// What the host asks for: the line with its port goes before the one without. Blocks on the disk.
    pub fn secret(&self, at: &HostPort) -> Option<String> {
        let read = read(&self.path);
        let mut lines = self.lines.lock();
        match read {
            Ok(read) => *lines = read,
            Err(cause) => log::warn!(
                "can't read the credentials in {}: {cause}: the ones read before stay",
                self.path.display()
            ),
        }
        let of = |port| {
            let fits = |line: &&Line| line.host == at.host && line.port == port;
            lines.iter().find(fits)
        };
        let line = of(Some(at.port)).or_else(|| of(None))?;
        Some(line.secret.clone())
    }
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<Line>, String> {
    let (bytes, _) = small_file::read_text(path, CREDENTIALS_FILE_BYTES).map_err(|error| {
        format!(
            "{error}: it must be a file with a line HOST[:PORT] SECRET each that this user can read"
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|_| "it must be UTF-8".to_owned())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // Never with the line itself: it holds a secret.
        let wrong = || format!("line {} must be HOST[:PORT] SECRET", n + 1);
        let (host, secret) = line.split_once(' ').ok_or_else(wrong)?;
        let Authority { host, port } = Authority::parse(host).ok_or_else(wrong)?;
        if secret.is_empty() || secret.contains(char::is_control) {
            return Err(wrong());
        }
        lines.push(Line {
            host,
            port,
            secret: secret.to_owned(),
        });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> HostPort {
        HostPort {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn a_line_with_the_port_goes_before_one_without() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "# comment\n\nweb1 abc def\nweb1:8443 x:y\n[::1] six\n";
        std::fs::write(file.path(), text).expect("write");
        let credentials = Credentials::open(file.path()).expect("credentials");
        assert_eq!(
            credentials.secret(&at("web1", 80)).as_deref(),
            Some("abc def")
        );
        assert_eq!(
            credentials.secret(&at("web1", 8443)).as_deref(),
            Some("x:y")
        );
        assert_eq!(credentials.secret(&at("[::1]", 1)).as_deref(), Some("six"));
        assert_eq!(credentials.secret(&at("web2", 80)), None);

        std::fs::write(file.path(), "web2 new\n").expect("write");
        assert_eq!(credentials.secret(&at("web2", 80)).as_deref(), Some("new"));
        std::fs::write(file.path(), "nonsense\n").expect("write");
        assert_eq!(credentials.secret(&at("web2", 80)).as_deref(), Some("new"));
    }

    #[test]
    fn a_broken_file_is_refused_without_showing_a_secret() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "web1 good\nsecret-alone\n").expect("write");
        let error = Credentials::open(file.path()).expect_err("a broken file");
        let text = error.to_string();
        assert!(
            text.contains("line 2") && !text.contains("secret-alone"),
            "{text}"
        );
        let missing = Credentials::open(Path::new("/nonexistent/credentials"));
        assert_eq!(missing.expect_err("missing").exit_status(), 1);
    }
}
