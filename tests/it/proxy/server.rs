//! The real nginx and the real Caddy, with the files of scripts/proxy, on free ports and in directories of their own.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::{NamedTempFile, TempDir};

use crate::support::{DEADLINE, tool, wait_until};

/// What the files of scripts/proxy call the daemon.
const UPSTREAM: &str = "127.0.0.1:8080";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
}

/// What becomes of `/logs/`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Prefix {
    CutOff,
    /// tailcast is started with `--base-path /logs/`.
    PassedOn,
}

impl Kind {
    /// Those that are installed, as long as their clients are too.
    pub(crate) fn all() -> Vec<Kind> {
        let has = |name: &str| tool(&[name]).is_some();
        let mut kinds = vec![Kind::Nginx, Kind::Caddy];
        kinds.retain(|kind| has(kind.name()) && has("openssl") && has("curl"));
        kinds
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Caddy => "caddy",
        }
    }

    fn file(self) -> PathBuf {
        script(match self {
            Kind::Nginx => "nginx.conf",
            Kind::Caddy => "Caddyfile",
        })
    }

    /// What stands for a password where it is looked up.
    fn hash(self, password: &str) -> String {
        match self {
            Kind::Nginx => format!("{{PLAIN}}{password}"),
            Kind::Caddy => {
                let mut command = Command::new(tool(&["caddy"]).expect("Caddy"));
                command.args(["hash-password", "--plaintext", password]);
                let hash = command.output().expect("run Caddy").stdout;
                String::from_utf8(hash).expect("a hash").trim().to_owned()
            }
        }
    }

    /// The change that its file describes for a prefix that is passed on.
    fn passes_prefix_on(self) -> [&'static str; 2] {
        match self {
            Kind::Nginx => ["127.0.0.1:8080/;", "127.0.0.1:8080;"],
            Kind::Caddy => ["handle_path /logs/*", "handle /logs/*"],
        }
    }

    /// The change that makes it send the upstream's name as Host.
    pub(crate) fn forgets_host(self) -> [&'static str; 2] {
        match self {
            Kind::Nginx => ["proxy_set_header Host $http_host;", ""],
            Kind::Caddy => [
                "reverse_proxy 127.0.0.1:8080",
                "reverse_proxy 127.0.0.1:8080 {\nheader_up Host {upstream_hostport}\n}",
            ],
        }
    }

    /// How its file says that the daemon listens at a Unix socket.
    pub(crate) fn unix(self, path: &Path) -> String {
        match self {
            Kind::Nginx => format!("unix:{}:", path.display()),
            Kind::Caddy => format!("unix/{}", path.display()),
        }
    }
}

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
    dir: TempDir,
    passwords: Option<NamedTempFile>,
}

impl Proxy {
    /// A proxy before the daemon at `upstream`, with each first of `edits` in its file replaced by the second. It serves
    /// when this returns.
    pub(crate) fn start(kind: Kind, prefix: Prefix, upstream: &str, edits: &[[&str; 2]]) -> Proxy {
        let mut edits = edits.to_vec();
        if prefix == Prefix::PassedOn {
            edits.push(kind.passes_prefix_on());
        }
        edits.push([UPSTREAM, upstream]);
        Proxy::run(kind, &edited(&kind.file(), &edits), "")
    }

    /// The same with the recipe for a login; the users' passwords are their names twice.
    pub(crate) fn with_login(kind: Kind, upstream: &str, users: &[&str]) -> Proxy {
        let hash = |user: &str| kind.hash(&user.repeat(2));
        match kind {
            Kind::Nginx => {
                let passwords = users.iter().map(|user| format!("{user}:{}\n", hash(user)));
                let passwords: String = passwords.collect();
                let mut file = tempfile::NamedTempFile::new().expect("a file");
                file.write_all(passwords.as_bytes())
                    .expect("write passwords");
                let path = file.path().display().to_string();
                let edits = [
                    [UPSTREAM, upstream],
                    ["/etc/nginx/tailcast.passwords", &path],
                ];
                let conf = edited(&script("nginx-login.conf"), &edits);
                let users = edited(&script("nginx-users.conf"), &[]);
                let mut proxy = Proxy::run(kind, &conf, &users);
                proxy.passwords = Some(file);
                proxy
            }
            Kind::Caddy => {
                let hashes = users
                    .iter()
                    .map(|user| [format!("HASH-OF-{}", user.to_uppercase()), hash(user)]);
                let hashes: Vec<[String; 2]> = hashes.collect();
                let hashes = hashes.iter().map(|[from, to]| [from.as_str(), to]);
                let edits: Vec<[&str; 2]> = hashes.chain([[UPSTREAM, upstream]]).collect();
                Proxy::run(kind, &edited(&script("Caddyfile-login"), &edits), "")
            }
        }
    }

    /// One with `conf` for the daemon; nginx has `more` around its servers.
    fn run(kind: Kind, conf: &str, more: &str) -> Proxy {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        certify(dir.path());
        std::fs::write(dir.path().join("tailcast.conf"), conf).expect("write its file");
        std::fs::write(dir.path().join("more.conf"), more).expect("write its file");
        let around = match kind {
            Kind::Nginx => around_nginx(dir.path(), port),
            Kind::Caddy => around_caddy(dir.path(), port),
        };
        let main = dir.path().join("main.conf");
        std::fs::write(&main, around).expect("write its file");
        let mut command = Command::new(tool(&[kind.name()]).expect("the proxy"));
        match kind {
            Kind::Nginx => command.arg("-p").arg(dir.path()).arg("-c").arg(&main),
            Kind::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(&main),
        };
        // Where Caddy keeps what outlives it.
        for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(home, dir.path());
        }
        let log = std::fs::File::create(dir.path().join("log")).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = child.stderr(log).spawn().expect("start the proxy");
        let proxy = Proxy {
            child,
            port,
            dir,
            passwords: None,
        };
        let serves = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let log = || std::fs::read_to_string(proxy.dir.path().join("log"));
        assert!(
            wait_until(DEADLINE, serves),
            "{kind:?} never served: {:?}",
            log()
        );
        proxy
    }

    /// The certificate that it shows, for localhost and logs.example.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// The hash of the certificate's key, by which a browser may be told to trust it.
    pub(crate) fn key_hash(&self) -> String {
        let script = "openssl x509 -pubkey -noout <cert.pem | openssl pkey -pubin -outform der \
                      | openssl dgst -sha256 -binary | openssl base64";
        let mut command = Command::new("sh");
        let output = command.args(["-c", script]).current_dir(&self.dir).output();
        let hash = String::from_utf8(output.expect("run openssl").stdout).expect("base64");
        hash.trim().to_owned()
    }

    /// The address of `path` under the prefix.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/logs/{path}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Each is one process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of scripts/proxy.
fn script(name: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    top.join("scripts/proxy").join(name)
}

/// A file with each first of `edits` replaced by the second.
fn edited(file: &Path, edits: &[[&str; 2]]) -> String {
    let mut conf = std::fs::read_to_string(file).expect("its file");
    for [from, to] in edits {
        assert!(conf.contains(from), "no {from} in {}", file.display());
        conf = conf.replace(from, to);
    }
    conf
}

/// What an administrator has around the file, and what keeps nginx in `dir`. Compression is on as it is on many servers:
/// it could hold lines back.
fn around_nginx(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/pid; error_log stderr;\n\
         events {{}}\n\
         http {{\n\
         access_log off; gzip on; gzip_types *; gzip_proxied any;\n\
         client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;\n\
         uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;\n\
         include {dir}/more.conf;\n\
         server {{\n\
         listen 127.0.0.1:{port} ssl http2; server_name localhost logs.example;\n\
         ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;\n\
         include {dir}/tailcast.conf;\n\
         }}\n\
         }}\n"
    )
}

fn around_caddy(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "{{\nadmin off\nauto_https disable_redirects\nskip_install_trust\n}}\n\
         https://localhost:{port}, https://logs.example:{port} {{\n\
         bind 127.0.0.1\n\
         tls {dir}/cert.pem {dir}/key.pem\n\
         encode gzip\n\
         import {dir}/tailcast.conf\n\
         }}\n"
    )
}

/// A certificate that signs itself, and its key.
fn certify(dir: &Path) {
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-addext", "subjectAltName=DNS:localhost,DNS:logs.example"]);
    command.args(["-keyout", "key.pem", "-out", "cert.pem"]);
    let output = command.current_dir(dir).output().expect("run openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl: {said}");
}

/// A port for a program that can't take port 0. It lies below those that the kernel hands out for port 0, so that nobody
/// is given it before the program has it.
fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT / 16)) as u16 * 16;
    let is_free = |port: &u16| {
        TcpListener::bind(("127.0.0.1", *port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    let mut ports = std::iter::repeat_with(|| {
        let offset = start + TAKEN.fetch_add(1, Ordering::Relaxed);
        FIRST + offset % COUNT
    });
    ports.find(is_free).expect("a free port")
}
