//! What is measured: the floor, the daemon with some options, or a peer; and starting and ending one of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::floor::Floor;
use crate::group::Group;
use crate::peers::Peer;

/// The release build that is measured.
pub(crate) const DAEMON: &str = env!("CARGO_BIN_EXE_tailcast");
const UNIT: &str = include_str!("../../scripts/systemd/tailcast.service");

/// Past any pause of a shared machine: a server that takes longer will never listen.
const START_WAIT: Duration = Duration::from_secs(20);

/// One column of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// As the table names it.
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Floor(Floor),
    Daemon {
        options: Vec<String>,
    },
    /// A daemon that follows others, of which each follows one of the files. What the others cost is not counted.
    Hub,
    Peer(Peer),
}

/// A started subject.
pub(crate) struct Server {
    group: Group,
    pub(crate) address: SocketAddrV4,
    /// From the start of the process to its word that it listens.
    pub(crate) started_in: Duration,
    /// Whom it follows.
    _others: Vec<Server>,
}

impl Subject {
    pub(crate) fn floor() -> Subject {
        Subject {
            name: "floor".to_owned(),
            kind: Kind::Floor(Floor::Usual),
        }
    }

    /// The floor, with send buffers that the kernel lets grow.
    pub(crate) fn floor_unbounded() -> Subject {
        Subject {
            name: "floor, its send buffers without bound".to_owned(),
            kind: Kind::Floor(Floor::Unbounded),
        }
    }

    /// The floor, pausing before each read.
    pub(crate) fn floor_waiting_ms(wait_ms: u64) -> Subject {
        let wait = Duration::from_millis(wait_ms);
        Subject {
            name: format!("floor, {wait_ms} ms before each read"),
            kind: Kind::Floor(Floor::Waits(wait)),
        }
    }

    /// The daemon; the options are also its name in the table.
    pub(crate) fn daemon(options: &str) -> Subject {
        let name = if options.is_empty() {
            "tailcast".to_owned()
        } else {
            format!("tailcast {options}")
        };
        let options = options.split_whitespace().map(str::to_owned).collect();
        Subject {
            name,
            kind: Kind::Daemon { options },
        }
    }

    pub(crate) fn hub() -> Subject {
        Subject {
            name: "the same over one hop".to_owned(),
            kind: Kind::Hub,
        }
    }

    pub(crate) fn peer(peer: Peer) -> Subject {
        Subject {
            name: peer.name().to_owned(),
            kind: Kind::Peer(peer),
        }
    }

    pub(crate) fn is_peer(&self) -> bool {
        matches!(self.kind, Kind::Peer(_))
    }

    /// Where its WebSocket stream is, from the file's first byte on where it can.
    pub(crate) fn target(&self) -> &'static str {
        match &self.kind {
            Kind::Floor(_) => "/",
            Kind::Daemon { .. } => "/ws?lines=all",
            Kind::Hub => "/ws?lines=all&file=web0/some.log",
            Kind::Peer(peer) => peer.target(),
        }
    }

    /// The same for the file `name`, which was given as number `n`.
    pub(crate) fn target_of(&self, n: usize, name: &str) -> String {
        let before = match self.kind {
            Kind::Hub => format!("web{n}/"),
            _ => String::new(),
        };
        format!("/ws?lines=all&file={before}{name}")
    }

    /// Starts it on these files, for at most `clients` clients.
    pub(crate) fn start(&self, files: &[PathBuf], clients: usize) -> Result<Server, String> {
        self.start_fed(files, clients, Stdio::null())
    }

    /// The same with something to read on its standard input.
    pub(crate) fn start_fed(
        &self,
        files: &[PathBuf],
        clients: usize,
        input: Stdio,
    ) -> Result<Server, String> {
        let mut others = Vec::new();
        let mut command = match &self.kind {
            Kind::Floor(floor) => {
                let mut command =
                    Command::new(std::env::current_exe().expect("the path of this program"));
                command.args(["--role", "floor"]).arg(&files[0]);
                command.args([clients.to_string(), floor.to_arg()]);
                command
            }
            Kind::Daemon { options } => {
                let mut command = daemon();
                command.args(options).args(files);
                command
            }
            Kind::Hub => {
                let mut command = daemon();
                for (n, file) in files.iter().enumerate() {
                    let other = Subject::daemon("").start(std::slice::from_ref(file), 1)?;
                    command.arg(format!("web{n}=http://{}/", other.address));
                    others.push(other);
                }
                command
            }
            Kind::Peer(peer) => return Ok(Server::of_peer(peer, &files[0])),
        };
        let began = Instant::now();
        command
            .env_remove("RUST_LOG")
            .stdin(input)
            .stderr(Stdio::piped());
        let mut group = Group::start(&mut command)
            .unwrap_or_else(|error| panic!("start {}: {error}", self.name));
        let stderr = group.child().stderr.take().expect("a piped standard error");
        let mut stderr = BufReader::new(stderr);
        let address =
            announced(&mut stderr).map_err(|said| format!("did not start: {}", said.trim_end()))?;
        let started_in = began.elapsed();
        group.guarded();
        // What else it says is read, for a full pipe would block it.
        thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let server = Server {
            group,
            address,
            started_in,
            _others: others,
        };
        if let Kind::Hub = self.kind {
            server.has_files(files.len())?;
        }
        Ok(server)
    }
}

/// The daemon, with the options that every run has, and with the environment that its systemd unit gives it.
fn daemon() -> Command {
    let mut command = Command::new(DAEMON);
    let settings = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let words = settings.flat_map(str::split_whitespace);
    command.envs(words.filter_map(|word| word.split_once('=')));
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--ping-interval",
        "600",
        "--max-clients",
        "20000",
    ]);
    command
}

/// Reads up to the line that says where the server listens; else returns what was said.
fn announced(stderr: &mut BufReader<ChildStderr>) -> Result<SocketAddrV4, String> {
    let mut said = String::new();
    loop {
        let begin = said.len();
        if stderr.read_line(&mut said).is_ok_and(|bytes| bytes > 0) {
            let line = said[begin..].trim_end();
            if let Some((_, address)) = line.split_once("listening on http://") {
                return address.trim_end_matches('/').parse().map_err(|_| said);
            }
        } else {
            return Err(said);
        }
    }
}

impl Server {
    fn of_peer(peer: &Peer, file: &Path) -> Server {
        let began = Instant::now();
        let (mut group, address) = peer.start(file);
        group.guarded();
        while TcpStream::connect(address).is_err() {
            let ended = group.child().try_wait().expect("ask for a peer");
            assert!(ended.is_none(), "{} ended: {ended:?}", peer.name());
            assert!(
                began.elapsed() < START_WAIT,
                "{} does not listen on {address}",
                peer.name()
            );
            // A poll with a deadline: a foreign program has no common way to say that it is there.
            thread::sleep(Duration::from_millis(10));
        }
        Server {
            group,
            address,
            started_in: began.elapsed(),
            _others: Vec::new(),
        }
    }

    /// Waits until it has so many files of others.
    fn has_files(&self, count: usize) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < START_WAIT {
            let mut answer = String::new();
            let mut stream = TcpStream::connect(self.address).map_err(|error| error.to_string())?;
            let asked = stream.write_all(b"GET /files HTTP/1.0\r\n\r\n");
            asked
                .and_then(|()| stream.read_to_string(&mut answer).map(drop))
                .map_err(|error| error.to_string())?;
            if answer.matches("\"path\":").count() == count {
                return Ok(());
            }
            // A poll with a deadline: nobody is told of the files of others.
            thread::sleep(Duration::from_millis(10));
        }
        Err("the files of others did not come".to_owned())
    }

    /// The process and its descendants of this moment.
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.group.pids()
    }
}
