//! The built program, and clients that speak to it over sockets: each time that one comes it comes by another way in,
//! for an id of one is an id of all.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use serde_json::Value;
use tailcast::reader::life;
use tungstenite::{Message, WebSocket};

use crate::play::{self, FILES, Program};
use crate::support;
use crate::support::websocket::{RSV1, inflated, next_frame, offering};
use crate::world::{Got, Stored, number_of};

/// Nothing waits that long when it works, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at what nobody tells of.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Small, so that a client that does not read is soon left behind; smaller still, and TCP itself becomes slow.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// What the program says of its clients' moves when it ends, in the order of [`life::MOVES`].
const MOVED: &str = "subscribers moved: ";

/// Those of all runs.
pub(crate) static MOVES: [AtomicU64; life::MOVES.len()] =
    [const { AtomicU64::new(0) }; life::MOVES.len()];

/// One run of the program.
pub(crate) struct Wire {
    daemon: support::Daemon,
    /// What each file is called.
    names: Vec<String>,
}

impl Program for Wire {
    type Client = Client;

    fn start(logs: &[PathBuf], stored: Stored) -> Wire {
        let paths: Vec<&Path> = logs.iter().map(PathBuf::as_path).collect();
        // All have the same base name, which the first one gets.
        let whole = logs.iter().skip(1);
        let whole = whole.map(|path| path.to_string_lossy().into_owned());
        let spools = logs[0].ancestors().nth(3).expect("a home").join("spools");
        let spools = spools.to_str().expect("UTF-8");
        let state = format!("{spools}.state");
        let options = match stored {
            Stored::Fifo { small: true } => &["--spool-dir", spools, "--spool-size", "64K"][..],
            Stored::Fifo { small: false } => &["--spool-dir", spools],
            Stored::Odd { .. } => &["--state-dir", &state],
            Stored::Plain | Stored::Pattern | Stored::Room | Stored::Docker | Stored::Cri => &[],
        };
        let options = [&["--queue", "4", "-v"], options].concat();
        Wire {
            daemon: support::Daemon::with(&options, &paths),
            names: ["app.log".to_owned()].into_iter().chain(whole).collect(),
        }
    }

    fn end(mut self) {
        self.thaw();
        self.daemon.signal(Signal::SIGTERM);
        let status = self.daemon.ended(DEADLINE).expect("it ends");
        assert!(status.success(), "it ends well: {status}");
        assert!(self.daemon.says(MOVED), "it says how its clients fared");
        for line in self.daemon.said_with(MOVED) {
            let (_, moves) = line.split_once(MOVED).expect("it is in it");
            let counts = moves.split(", ").filter_map(|told| {
                let (_, count) = told.rsplit_once(' ')?;
                count.parse::<u64>().ok()
            });
            for (total, count) in MOVES.iter().zip(counts) {
                total.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    fn look(&self) -> Result<(), String> {
        self.thaw();
        self.edges().map(drop)
    }

    fn freeze(&self) {
        self.daemon.signal(Signal::SIGSTOP);
    }
}

impl Wire {
    fn thaw(&self) {
        self.daemon.signal(Signal::SIGCONT);
    }

    /// The ids of the places up to which the files are published, once everything written is.
    fn edges(&self) -> Result<Ids, String> {
        let answer = self.daemon.get("/stream?format=json&lines=0&follow=false");
        let mut ids = Ids::default();
        for line in answer.text().lines() {
            let object: Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
            ids.take(object["id"].as_str().unwrap_or_default());
        }
        match ids.0.len() {
            FILES => Ok(ids),
            some => Err(format!("{some} edges")),
        }
    }

    /// Streams that read the files.
    fn catching_up(&self) -> usize {
        let metrics = self.daemon.get("/metrics").text();
        let clients = metrics
            .lines()
            .filter(|line| line.starts_with("tailcast_clients{"));
        let catching_up = clients.filter(|line| line.contains(r#"state="catching_up""#));
        let number = |line: &str| line.rsplit(' ').next()?.parse::<usize>().ok();
        catching_up
            .map(|line| number(line).expect("a number"))
            .sum()
    }
}

/// The last id of each file, by the part that tells the files apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ids(HashMap<String, String>);

impl Ids {
    /// One id or several.
    fn take(&mut self, ids: &str) {
        for id in ids.split('~').filter(|id| !id.is_empty()) {
            let file = id.split('.').next().unwrap_or_default();
            self.0.insert(file.to_owned(), id.to_owned());
        }
    }

    fn joined(&self) -> String {
        let ids: Vec<&str> = self.0.values().map(String::as_str).collect();
        ids.join("~")
    }
}

/// A way in.
#[derive(Clone, Copy, Debug)]
enum Way {
    WebSocketJson,
    WebSocketBatch,
    WebSocketDeflated,
    Stream,
    StreamGzip,
    EventsGzip,
    Events,
}

/// Those that the server fills without the client's own thread come first.
const WAYS: [Way; 7] = [
    Way::WebSocketJson,
    Way::Stream,
    Way::WebSocketDeflated,
    Way::WebSocketBatch,
    Way::StreamGzip,
    Way::Events,
    Way::EventsGzip,
];

/// How many these are.
const WAYS_SHARED: usize = 5;

/// First bytes of whole messages.
const TEXT: u8 = 0x81;
const DEFLATED_TEXT: u8 = TEXT | RSV1;
const CLOSE: u8 = 0x88;

/// What comes of a stream.
type Body = BufReader<Box<dyn Read + Send>>;

enum Socket {
    Messages(Box<WebSocket<TcpStream>>),
    /// Of messages that may be deflated, each by itself.
    Deflated(BufReader<TcpStream>),
    /// Of JSON Lines.
    Lines(Body),
    /// Of an event stream.
    Events(Body),
}

impl Socket {
    fn open(daemon: &support::Daemon, way: Way, ids: &Ids, small: bool) -> (Socket, TcpStream) {
        let stream = TcpStream::connect(("127.0.0.1", daemon.port)).expect("connect");
        if small {
            setsockopt(&stream, RcvBuf, &RECEIVE_BUFFER_BYTES).expect("a socket option");
        }
        let handle = stream.try_clone().expect("a descriptor");
        let is_events = matches!(way, Way::Events | Way::EventsGzip);
        let after = match ids.joined() {
            ids if ids.is_empty() || is_events => String::new(),
            ids => format!("&after={ids}"),
        };
        let target = match way {
            Way::WebSocketJson => "/ws?format=json",
            Way::WebSocketBatch | Way::WebSocketDeflated => "/ws?format=batch",
            Way::Stream | Way::StreamGzip => "/stream?format=json",
            Way::Events | Way::EventsGzip => "/events?format=json",
        };
        let target = format!("{target}&lines=all{after}");
        let socket = match way {
            Way::WebSocketJson | Way::WebSocketBatch => {
                let url = format!("ws://127.0.0.1:{}{target}", daemon.port);
                let (socket, _) = tungstenite::client(url, stream).expect("a handshake");
                Socket::Messages(Box::new(socket))
            }
            Way::WebSocketDeflated => {
                let (socket, head) = offering(stream, &target, "permessage-deflate");
                assert!(head.contains("permessage-deflate"), "{head}");
                Socket::Deflated(BufReader::new(socket))
            }
            Way::Stream => Socket::Lines(get(stream, &target, "")),
            Way::StreamGzip => Socket::Lines(get_gzip(stream, &target, "")),
            Way::Events => Socket::Events(get(stream, &target, &ids.joined())),
            Way::EventsGzip => Socket::Events(get_gzip(stream, &target, &ids.joined())),
        };
        (socket, handle)
    }

    /// The next object, if there is one, and the ids that came with it; `None` at the end.
    fn next(&mut self) -> Option<(Option<Value>, String)> {
        let object = match self {
            Socket::Messages(socket) => loop {
                match socket.read().ok()? {
                    Message::Text(text) => break serde_json::from_str(text.as_str()).ok()?,
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
            Socket::Deflated(reader) => loop {
                let text = match next_frame(reader).ok()? {
                    (DEFLATED_TEXT, payload) => inflated(&payload),
                    (TEXT, payload) => String::from_utf8(payload).ok()?,
                    (CLOSE, _) => return None,
                    _ => continue,
                };
                break serde_json::from_str(&text).ok()?;
            },
            Socket::Lines(reader) => serde_json::from_str(&whole_line(reader)?).ok()?,
            Socket::Events(reader) => return next_event(reader),
        };
        let Value::Object(fields) = &object else {
            return None;
        };
        let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
        let id = id.to_owned();
        Some((Some(object), id))
    }
}

/// A stream by HTTP/1.0: what follows the head is the stream itself.
fn get(mut stream: TcpStream, target: &str, last_event_id: &str) -> Body {
    let head = format!(
        "GET {target} HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: {last_event_id}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("send a request");
    let mut reader: Body = BufReader::new(Box::new(stream));
    let status = whole_line(&mut reader).expect("a status line");
    assert!(status.contains(" 200 "), "{target}: {status}");
    while whole_line(&mut reader).is_some_and(|line| !line.is_empty()) {}
    reader
}

/// A stream that comes deflated.
fn get_gzip(stream: TcpStream, target: &str, last_event_id: &str) -> Body {
    let field = format!("Last-Event-ID: {last_event_id}");
    let body = support::http::gunzipped(stream, target, &[&field]);
    BufReader::new(Box::new(body))
}

/// A line without its ending; one that was cut off is none.
fn whole_line(reader: &mut Body) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.strip_suffix('\n')?;
    Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn next_event(reader: &mut Body) -> Option<(Option<Value>, String)> {
    let (mut ids, mut text) = (String::new(), String::new());
    loop {
        let line = whole_line(reader)?;
        if let Some(value) = line.strip_prefix("id: ") {
            ids = value.to_owned();
        } else if let Some(value) = line.strip_prefix("data: ") {
            text.push_str(value);
        } else if line.is_empty() && !ids.is_empty() {
            let object = serde_json::from_str(&text).ok();
            let object = object.filter(|object: &Value| object["event"] != "heartbeat");
            return Some((object, ids));
        }
    }
}

/// A client, over all its connections.
pub(crate) struct Client {
    number: usize,
    comes: usize,
    is_new: bool,
    shared: Arc<Shared>,
    connection: Option<(TcpStream, JoinHandle<()>)>,
}

#[derive(Default)]
struct Shared {
    has: Mutex<Has>,
    changed: Condvar,
}

#[derive(Default)]
struct Has {
    stalls: bool,
    leaves: bool,
    ids: Ids,
    got: Vec<Vec<Got>>,
    last: Vec<Option<usize>>,
}

impl Shared {
    fn has(&self) -> MutexGuard<'_, Has> {
        self.has.lock().expect("no poison")
    }

    fn read(&self, mut socket: Socket, files: &dyn Fn(&Value) -> usize) {
        loop {
            let stalls = |has: &mut Has| has.stalls && !has.leaves;
            drop(self.changed.wait_while(self.has(), stalls));
            let next = socket.next();
            let mut has = self.has();
            let Some((object, ids)) = next.filter(|_| !has.leaves) else {
                return;
            };
            if let Some(object) = object {
                has.take_down(files(&object), &object);
            }
            has.ids.take(&ids);
            self.changed.notify_all();
        }
    }
}

impl Has {
    fn take_down(&mut self, file: usize, object: &Value) {
        if let Some(event) = object["event"].as_str() {
            self.got[file].push(Got::Event(format!("{event} {object}")));
        }
        let lines = object["lines"].as_array().cloned().unwrap_or_default();
        for line in lines.iter().chain(object.get("line")) {
            let line = line.as_str().expect("a line");
            self.last[file] = number_of(line).or(self.last[file]);
            self.got[file].push(Got::Line(line.to_owned()));
        }
    }
}

impl Client {
    /// Waits until `done`, which is looked at again when something has come and now and then.
    fn wait(&self, what: &str, mut done: impl FnMut(&Has) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        let mut has = self.shared.has();
        while !done(&has) {
            if Instant::now() > deadline {
                return Err(format!("not in time: {what}; last {:?}", has.last));
            }
            let waited = self.shared.changed.wait_timeout(has, LOOK_EVERY);
            has = waited.expect("no poison").0;
        }
        Ok(())
    }
}

impl play::Client for Client {
    type Program = Wire;

    fn new(number: usize) -> Client {
        let shared = Shared::default();
        *shared.has() = Has {
            got: vec![Vec::new(); FILES],
            last: vec![None; FILES],
            ..Has::default()
        };
        Client {
            number,
            comes: 0,
            is_new: false,
            shared: Arc::new(shared),
            connection: None,
        }
    }

    fn is_away(&self) -> bool {
        self.connection.is_none()
    }

    fn come(&mut self, wire: &Wire) {
        // The first client has to keep up: no thread of the server's, no small buffer stands in its way.
        let small = self.number > 0;
        let ways = if small { WAYS.len() } else { WAYS_SHARED };
        let way = WAYS[(self.comes + self.number) % ways];
        self.comes += 1;
        self.is_new = true;
        wire.thaw();
        let mut has = self.shared.has();
        (has.stalls, has.leaves) = (false, false);
        let (socket, handle) = Socket::open(&wire.daemon, way, &has.ids, small);
        drop(has);
        let shared = Arc::clone(&self.shared);
        let names = wire.names.clone();
        let thread = thread::spawn(move || {
            let file_of = |object: &Value| {
                let name = object["file"].as_str().expect("a name");
                let at = names.iter().position(|own| own == name);
                at.unwrap_or_else(|| panic!("no file of ours: {name}"))
            };
            shared.read(socket, &file_of);
        });
        self.connection = Some((handle, thread));
    }

    fn go(&mut self, _: &Wire) {
        if let Some((handle, thread)) = self.connection.take() {
            self.shared.has().leaves = true;
            self.shared.changed.notify_all();
            // It may have ended it already.
            let _ = handle.shutdown(Shutdown::Both);
            thread.join().expect("what comes can be read");
        }
    }

    fn stall(&mut self, stalls: bool) {
        self.shared.has().stalls = stalls;
        self.shared.changed.notify_all();
    }

    fn stalls(&self) -> bool {
        self.shared.has().stalls
    }

    fn can_be_left_behind(&self) -> bool {
        !self.is_away() && self.number > 0
    }

    fn take_until(&mut self, _: &Wire, last: &[usize]) -> Result<(), String> {
        let lacks = |(have, last): (&Option<usize>, &usize)| have.is_none_or(|have| have < *last);
        self.wait(&format!("lines {last:?}"), |has| {
            !has.last.iter().zip(last).any(lacks)
        })
    }

    fn catch_up(&mut self, wire: &Wire) -> Result<(), String> {
        let mut edges = wire.edges()?;
        let mut asked = Instant::now();
        self.wait("the edges", |has| {
            if asked.elapsed() > 20 * LOOK_EVERY && has.ids != edges {
                edges = wire.edges().unwrap_or_default();
                asked = Instant::now();
            }
            has.ids == edges
        })?;
        if self.number == 0 && std::mem::take(&mut self.is_new) {
            // The others come after it. What comes now it must get by its queue.
            self.wait("to be live", |_| wire.catching_up() == 0)?;
        }
        Ok(())
    }

    fn got(&self, file: usize) -> Vec<Got> {
        self.shared.has().got[file].clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some((handle, _)) = &self.connection {
            let _ = handle.shutdown(Shutdown::Both);
        }
    }
}
