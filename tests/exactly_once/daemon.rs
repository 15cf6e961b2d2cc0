//! The program as a process of its own, the log that it follows, and a WebSocket client.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tungstenite::{Message, WebSocket};

/// Nothing takes that long when it works, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) type Ws = WebSocket<TcpStream>;

pub(crate) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    pub(crate) fn start(file: &Path) -> Daemon {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tailcast"))
            .args(["--listen", "127.0.0.1:0"])
            .arg(file)
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let port = stderr
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, address) = line.split_once("listening on http://")?;
                address.rsplit_once(':')?.1.trim().parse().ok()
            })
            .expect("a line that says where it listens");
        // The pipe must not fill up.
        thread::spawn(move || stderr.for_each(drop));
        Daemon { child, port }
    }

    pub(crate) fn connect(&self, query: &str) -> Ws {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let url = format!("ws://127.0.0.1:{}/ws?{query}", self.port);
        tungstenite::client(url, stream).expect("a handshake").0
    }

    pub(crate) fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).expect("it runs");
        let pages = statm.split(' ').nth(1).expect("a second number");
        pages.parse::<usize>().expect("a number") * 4096
    }

    /// Ends it as a service manager does; how long it took.
    pub(crate) fn terminate(&mut self) -> Duration {
        let began = Instant::now();
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
        while began.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert_eq!(status.code(), Some(0), "it ends well");
                return began.elapsed();
            }
            thread::yield_now();
        }
        panic!("it does not end");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn log() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    File::create(&path).expect("a file");
    (dir, path)
}

/// Appends numbered lines of `len` bytes, some at a time.
pub(crate) fn append(path: &Path, numbers: std::ops::Range<usize>, len: usize, at_a_time: usize) {
    let open = OpenOptions::new().create(true).append(true).open(path);
    let mut file = open.expect("a file");
    let mut bytes = Vec::new();
    for (i, number) in numbers.enumerate() {
        let line = format!("{number:08} {:x<1$}\n", "", len.saturating_sub(10));
        bytes.extend_from_slice(line.as_bytes());
        if i % at_a_time == at_a_time - 1 {
            file.write_all(&bytes).expect("room");
            bytes.clear();
        }
    }
    file.write_all(&bytes).expect("room");
}

pub(crate) fn text(ws: &mut Ws) -> String {
    loop {
        match ws.read().expect("a message in time") {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Ping(_) => {}
            other => panic!("not a line: {other:?}"),
        }
    }
}

pub(crate) fn number(line: &str) -> usize {
    line[..8].parse().expect("a numbered line")
}

/// Reads exactly these lines.
pub(crate) fn expect(ws: &mut Ws, numbers: impl Iterator<Item = usize>) {
    for wanted in numbers {
        assert_eq!(number(&text(ws)), wanted);
    }
}

pub(crate) fn close_code(ws: &mut Ws) -> u16 {
    loop {
        match ws.read().expect("a close frame") {
            Message::Close(frame) => return frame.expect("a code").code.into(),
            _ => continue,
        }
    }
}

/// Numbers that look random, the same in each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}
