//! Three daemons in a chain, files -> A -> B -> client: everything is killed and cut, and each line comes once and in order.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::Message;

use super::{Daemon, again_on, text};
use crate::support::gate::{Gate, free_port};
use crate::support::{DEADLINE, Logs};

const FILES: usize = 5;

/// How much is played: for `make soak` as much as the promise says, else as much as everybody has time for.
struct Play {
    lines: usize,
    /// Lines that are written at once, and the time between two such writes: the pace of a log, so that what is killed
    /// falls between lines.
    at_once: usize,
    pause: Duration,
}

impl Play {
    fn asked() -> Play {
        let pause = Duration::from_millis(10);
        match std::env::var_os("TAILCAST_SOAK_SECONDS") {
            Some(_) => Play {
                lines: 200_000,
                at_once: 10,
                pause,
            },
            None => Play {
                lines: 20_000,
                at_once: 40,
                pause,
            },
        }
    }
}

/// Numbers that look random, the same ones each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn name(file: usize) -> String {
    format!("{file}.log")
}

/// Writes all lines, to one file after the other, each now and then to a new file.
fn write(logs: &Logs, play: &Play) {
    let mut dice = Dice(1);
    let mut written = [0; FILES];
    let mut rotated = [0; FILES];
    let mut left = play.lines;
    while left > 0 {
        let file = dice.throw(FILES as u64) as usize;
        let path = logs.path(&name(file));
        if written[file] > rotated[file] + play.lines / FILES / 3 {
            rotated[file] = written[file];
            std::fs::rename(
                &path,
                logs.path(&format!("{}.{}", name(file), written[file])),
            )
            .expect("rotate");
        }
        let now = play.at_once.min(left);
        let lines: String = (written[file]..written[file] + now)
            .map(|n| format!("{n}\n"))
            .collect();
        let mut log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("open");
        log.write_all(lines.as_bytes()).expect("write");
        written[file] += now;
        left -= now;
        thread::sleep(play.pause);
    }
}

/// A client that goes on by id after each lost connection, and notes how many lines of each file it has had.
#[derive(Default)]
struct Client {
    ids: HashMap<String, String>,
    had: HashMap<String, usize>,
}

impl Client {
    fn all(&self) -> usize {
        self.had.values().sum()
    }

    /// One connection, until it is lost or all has come. Panics where a line is missing, doubled or out of order.
    fn read(&mut self, port: u16, wanted: usize) {
        let ids: Vec<&str> = self.ids.values().map(String::as_str).collect();
        let after = match ids.is_empty() {
            true => String::new(),
            false => format!("&after={}", ids.join("~")),
        };
        let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else {
            return thread::sleep(Duration::from_millis(20));
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .expect("a timeout");
        let url = format!("ws://127.0.0.1:{port}/ws?format=batch&lines=all{after}");
        let Ok((mut socket, _)) = tungstenite::client::client(url, stream) else {
            return;
        };
        while self.all() < wanted {
            match socket.read() {
                Ok(Message::Text(text)) => self.take(&serde_json::from_str(&text).expect("JSON")),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, message: &Value) {
        let file = message["file"].as_str().expect("a file").to_owned();
        let id = message["id"].as_str().expect("an id").to_owned();
        assert!(
            message["event"] != "gap" && message["event"] != "truncated",
            "{message}"
        );
        let had = self.had.entry(file.clone()).or_default();
        for line in message["lines"].as_array().into_iter().flatten() {
            assert_eq!(line.as_str(), Some(had.to_string().as_str()), "of {file}");
            *had += 1;
        }
        self.ids.insert(file, id);
    }
}

/// A daemon of the chain, which is killed now and then, and the way to it.
struct Link<'a> {
    port: u16,
    spools: Option<&'a Path>,
    files: String,
    daemon: Option<Daemon>,
    gate: Gate,
}

impl<'a> Link<'a> {
    fn new(spools: Option<&'a Path>, files: String) -> Link<'a> {
        let port = free_port();
        let mut link = Link {
            port,
            spools,
            files,
            daemon: None,
            gate: Gate::to(port),
        };
        link.start();
        link
    }

    fn start(&mut self) {
        let spools = self.spools.map(|spools| ["--spool-dir", text(spools)]);
        let options = spools.as_ref().map_or(&[][..], |options| options);
        self.daemon = Some(again_on(self.port, options, &[&self.files]));
    }

    fn url(&self, name: &str) -> String {
        format!("{name}=http://127.0.0.1:{}/", self.gate.port)
    }
}

#[test]
fn each_line_comes_once_and_in_order_whatever_is_killed_or_cut() {
    let play = Play::asked();
    let logs = Logs::new();
    for file in 0..FILES {
        logs.file(&name(file), "");
    }
    let (spools_a, spools_b) = (logs.path("spools-a"), logs.path("spools-b"));
    let origin = Link::new(None, text(&logs.path("*.log")).to_owned());
    let a = Link::new(Some(&spools_a), origin.url("o"));
    let b = Link::new(Some(&spools_b), a.url("a"));
    let to_b = b.gate.port;
    let mut chain = [origin, a, b];
    let is_over = AtomicBool::new(false);
    let mut client = Client::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(7);
            let mut kills = 0;
            while !is_over.load(Ordering::SeqCst) {
                let who = [0, 1, 1, 2, 2][dice.throw(5) as usize];
                match dice.throw(2) {
                    0 => chain[who].gate.cut(),
                    _ => {
                        // By SIGKILL.
                        chain[who].daemon = None;
                        chain[who].start();
                    }
                }
                kills += 1;
                thread::sleep(Duration::from_millis(dice.throw(300)));
            }
            assert!(kills > 4, "only {kills}");
        });
        let writes = scope.spawn(|| write(&logs, &play));
        let mut limit = None;
        let mut outcome = Ok(());
        while client.all() < play.lines && outcome.is_ok() {
            if writes.is_finished() {
                // Back-off and kills in each link.
                let limit = *limit.get_or_insert_with(|| Instant::now() + 12 * DEADLINE);
                if Instant::now() > limit {
                    break;
                }
                is_over.store(true, Ordering::SeqCst);
            }
            let read = std::panic::AssertUnwindSafe(|| client.read(to_b, play.lines));
            outcome = std::panic::catch_unwind(read);
        }
        is_over.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    assert_eq!(client.all(), play.lines, "{:?}", client.had);
    assert_eq!(client.had.len(), FILES);
}
