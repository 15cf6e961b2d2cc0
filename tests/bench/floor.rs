//! The floor: the least that any program of this kind can do, to compare with.
//!
//! One thread waits on inotify, reads what has come, and writes it as ready WebSocket frames to each socket in
//! turn: one write a read and client. No queues, no history, no ids, no care for slow or silent peers; the
//! clients are all there before the first line. With a wait before each read, several lines share a write.
//!
//! Whoever comes after them is sent the whole file as it stands, by a thread that reads and writes flat out: what
//! that does to the live lines is the machine's part of what history does to them.
//!
//! What the kernel may hold for a client that does not read is bounded, as every server has to that is to survive a
//! thousand of those; by as much as the daemon's is. It is also what makes it a measure. Where the kernel lets the send
//! buffers grow, the clients' acknowledgements send what waits in them, on the clients' account: ten floods cost the server
//! 0.14 to 0.28 CPU s a GB then, and the clients 0.31 to 0.47, each run the more of the one the less of the other, 0.6
//! together. Bounded, it is 0.21 to 0.26, as the daemon's is. `flat` shows both.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use nix::sys::socket::{setsockopt, sockopt};
use tungstenite::handshake::derive_accept_key;

/// As the daemon's.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

const READ_BYTES: usize = 256 * 1024;

/// What kind of floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Reads at once, and writes into buffers as the daemon's.
    Usual,
    /// Waits before each read.
    Waits(Duration),
    /// Writes into buffers that grow as the kernel likes.
    Unbounded,
}

impl Floor {
    /// As the child process is told.
    pub(crate) fn to_arg(self) -> String {
        match self {
            Floor::Usual => "usual".to_owned(),
            Floor::Waits(wait) => wait.as_millis().to_string(),
            Floor::Unbounded => "unbounded".to_owned(),
        }
    }

    pub(crate) fn from_arg(arg: &str) -> Floor {
        match arg {
            "usual" => Floor::Usual,
            "unbounded" => Floor::Unbounded,
            wait_ms => Floor::Waits(Duration::from_millis(
                wait_ms.parse().expect("milliseconds"),
            )),
        }
    }
}

/// Serves `clients` clients until it is killed. Says where it listens as the daemon does.
pub(crate) fn run(path: &Path, clients: usize, floor: Floor) {
    let wait = match floor {
        Floor::Waits(wait) => wait,
        Floor::Usual | Floor::Unbounded => Duration::ZERO,
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind to a free port");
    let address = listener.local_addr().expect("the address just bound");
    let mut inotify = Inotify::init().expect("inotify");
    inotify
        .watches()
        .add(path, WatchMask::MODIFY)
        .expect("watch the followed file");
    let mut file = File::open(path).expect("open the followed file");
    file.seek(SeekFrom::End(0)).expect("seek to the end");
    eprintln!("listening on http://{address}");

    let mut peers: Vec<TcpStream> = (0..clients).map(|_| accept(&listener, floor)).collect();
    let path = path.to_owned();
    thread::spawn(move || send_histories(&listener, &path));
    let mut events = [0; 4096];
    let mut bytes = vec![0; READ_BYTES];
    let mut fragment = Vec::new();
    let mut frames = Vec::new();
    loop {
        inotify
            .read_events_blocking(&mut events)
            .expect("wait for an event");
        thread::sleep(wait);
        loop {
            let count = file.read(&mut bytes).expect("read the followed file");
            put_frames(&mut frames, &mut fragment, &bytes[..count]);
            for peer in &mut peers {
                // A peer that has left is the load generator's to notice.
                let _ = peer.write_all(&frames);
            }
            if count < bytes.len() {
                break;
            }
        }
    }
}

/// Sends all that the file holds to one peer after the other.
fn send_histories(listener: &TcpListener, path: &PathBuf) {
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let (mut peer, _) = listener.accept().expect("accept");
        read_head(&peer);
        let mut file = File::open(path).expect("open the followed file");
        // A peer that has left is the load generator's to notice.
        let _ = send_history(&mut peer, &mut file, &mut bytes);
    }
}

fn send_history(peer: &mut TcpStream, file: &mut File, bytes: &mut [u8]) -> io::Result<()> {
    peer.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
    loop {
        match file.read(bytes)? {
            0 => return Ok(()),
            count => peer.write_all(&bytes[..count])?,
        }
    }
}

fn accept(listener: &TcpListener, floor: Floor) -> TcpStream {
    let (mut peer, _) = listener.accept().expect("accept");
    peer.set_nodelay(true).expect("TCP_NODELAY");
    if floor != Floor::Unbounded {
        setsockopt(&peer, sockopt::SndBuf, &SEND_BUFFER_BYTES).expect("SO_SNDBUF");
    }
    let key = read_head(&peer);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    peer.write_all(answer.as_bytes())
        .expect("answer the handshake");
    peer
}

/// Reads the request's head; its key, where it has one.
fn read_head(peer: &TcpStream) -> String {
    let mut key = String::new();
    for line in BufReader::new(peer).lines() {
        let line = line.expect("read the request head");
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            if name.eq_ignore_ascii_case("Sec-WebSocket-Key") {
                value.clone_into(&mut key);
            }
        }
    }
    key
}

/// Makes a text frame of each whole line; what follows the last one waits in `fragment`.
fn put_frames(frames: &mut Vec<u8>, fragment: &mut Vec<u8>, bytes: &[u8]) {
    frames.clear();
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[begin..end];
        put_header(frames, fragment.len() + line.len());
        frames.append(fragment);
        frames.extend_from_slice(line);
        begin = end + 1;
    }
    fragment.extend_from_slice(&bytes[begin..]);
}

/// The header of an unmasked text frame (RFC 6455, section 5.2).
fn put_header(frames: &mut Vec<u8>, payload_bytes: usize) {
    const TEXT_AND_LAST: u8 = 0x81;
    frames.push(TEXT_AND_LAST);
    match u16::try_from(payload_bytes) {
        Ok(short) if short < 126 => frames.push(short as u8),
        Ok(short) => {
            frames.push(126);
            frames.extend_from_slice(&short.to_be_bytes());
        }
        Err(_) => {
            frames.push(127);
            frames.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}
