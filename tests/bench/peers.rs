//! Other programs that do this job, measured by the same harness: started in front of the same file.
//!
//! A peer that isn't installed is skipped with a word. None is asked for more than it offers: lines that one of
//! them loses are shown, and are no failure of the benchmark.

use std::fs;
use std::net::{SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::group::Group;

/// A program to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `tail -F` for each client.
    Websocketd,
    /// One `tail -F`, broadcast.
    Websocat,
    /// nginx with nchan, and a feeder that publishes each line over one WebSocket.
    Nchan,
}

/// Where Debian puts nginx's modules.
const NCHAN_MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

impl Peer {
    pub(crate) const ALL: [Peer; 3] = [Peer::Websocketd, Peer::Websocat, Peer::Nchan];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Websocketd => "websocketd, tail -F a client",
            Peer::Websocat => "websocat, broadcasting tail -F",
            Peer::Nchan => "nginx with nchan, and a feeder",
        }
    }

    pub(crate) fn target(self) -> &'static str {
        match self {
            Peer::Websocketd | Peer::Websocat => "/",
            Peer::Nchan => "/ws",
        }
    }

    /// What is missing for it, if anything.
    pub(crate) fn missing(self) -> Option<&'static str> {
        match self {
            Peer::Websocketd => (!installed("websocketd")).then_some("websocketd"),
            Peer::Websocat => (!installed("websocat")).then_some("websocat"),
            Peer::Nchan if !installed("nginx") => Some("nginx"),
            Peer::Nchan => (!Path::new(NCHAN_MODULE).exists()).then_some("libnginx-mod-nchan"),
        }
    }

    /// The first line of what it says of its version.
    pub(crate) fn version(self) -> String {
        let (program, option) = match self {
            Peer::Websocketd => ("websocketd", "--version"),
            Peer::Websocat => ("websocat", "--version"),
            Peer::Nchan => ("nginx", "-v"),
        };
        let said = Command::new(program)
            .arg(option)
            .output()
            .expect("an installed program");
        let said = [said.stdout, said.stderr].concat();
        String::from_utf8_lossy(&said)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Starts it, as one process with all its helpers below it.
    pub(crate) fn start(self, file: &Path) -> (Group, SocketAddrV4) {
        let address = free_address();
        let port = address.port();
        let mut command = match self {
            Peer::Websocketd => {
                let mut command = Command::new("websocketd");
                command.args([
                    "--address=127.0.0.1",
                    &format!("--port={port}"),
                    "--loglevel=error",
                ]);
                command.args(["tail", "-n", "+1", "-F"]).arg(file);
                command
            }
            Peer::Websocat => {
                let mut command = Command::new("websocat");
                let tail = format!("broadcast:sh-c:exec tail -n +1 -F '{}'", file.display());
                // A client that has 16 messages waiting would lose lines otherwise.
                command.args(["-t", "-E", "--queue-len", "100000"]);
                command.args([&format!("ws-l:127.0.0.1:{port}"), &tail]);
                command
            }
            Peer::Nchan => {
                let mut command =
                    Command::new(std::env::current_exe().expect("the path of this program"));
                command
                    .args(["--role", "nchan"])
                    .arg(nchan_configuration(file, port))
                    .arg(file);
                command.arg(address.to_string());
                command
            }
        };
        // The feeder is of this house: where it fails, it says so.
        let stderr = match self {
            Peer::Websocketd | Peer::Websocat => Stdio::null(),
            Peer::Nchan => Stdio::inherit(),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let group = Group::start(&mut command)
            .unwrap_or_else(|error| panic!("start {}: {error}", self.name()));
        (group, address)
    }
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Free a moment ago: these programs can't tell which port they took.
fn free_address() -> SocketAddrV4 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    match listener.local_addr().expect("the address just bound") {
        std::net::SocketAddr::V4(address) => address,
        std::net::SocketAddr::V6(_) => unreachable!("bound to 127.0.0.1"),
    }
}

fn nchan_configuration(file: &Path, port: u16) -> PathBuf {
    let folder = file.parent().expect("a file in a folder");
    let place = folder.display();
    let path = folder.join("nginx.conf");
    let text = format!(
        "load_module {NCHAN_MODULE};
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {place}/nginx.pid;
error_log {place}/nginx.log error;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  nchan_shared_memory_size 512M;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /publish {{ nchan_publisher websocket; nchan_channel_id log; nchan_message_buffer_length 100000; }}
    location /ws {{ nchan_subscriber websocket; nchan_channel_id log; nchan_subscriber_first_message oldest; }}
  }}
}}
"
    );
    fs::write(&path, text).expect("write the configuration of nginx");
    path
}
