//! What nchan needs beside it: nginx as a child, and a feeder that publishes each new line of the file as one
//! message over one WebSocket. Both count as the peer's cost.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use inotify::{Inotify, WatchMask};

/// Runs until it is killed.
pub(crate) fn run(configuration: &Path, path: &Path, address: SocketAddrV4) {
    let mut nginx = Command::new("nginx")
        .arg("-c")
        .arg(configuration)
        .stderr(Stdio::null())
        .spawn()
        .expect("start nginx");
    let mut inotify = Inotify::init().expect("inotify");
    inotify
        .watches()
        .add(path, WatchMask::MODIFY)
        .expect("watch the followed file");
    let mut file = File::open(path).expect("open the followed file");
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect(address) {
            break stream;
        }
        assert!(
            nginx.try_wait().expect("ask for nginx").is_none(),
            "nginx ended"
        );
        // A poll: nginx has no word for "I listen".
        thread::sleep(Duration::from_millis(5));
    };
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let request = format!(
        "GET /publish HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("ask nginx");
    let mut replies = stream.try_clone().expect("a second handle");
    // It answers each message with one of its own, which nobody needs but somebody must read.
    thread::spawn(move || std::io::copy(&mut replies, &mut std::io::sink()));

    let mut events = [0; 4096];
    let mut bytes = vec![0; 256 * 1024];
    let mut pending = Vec::new();
    let mut frames = Vec::new();
    loop {
        let count = file.read(&mut bytes).expect("read the followed file");
        if count == 0 {
            inotify
                .read_events_blocking(&mut events)
                .expect("wait for an event");
            continue;
        }
        pending.extend_from_slice(&bytes[..count]);
        let mut begin = 0;
        frames.clear();
        for end in memchr::memchr_iter(b'\n', &pending) {
            put_masked(&mut frames, &pending[begin..end]);
            begin = end + 1;
        }
        pending.drain(..begin);
        stream.write_all(&frames).expect("publish");
    }
}

/// A text frame from a client, with the mask of all zeros that leaves the payload as it is.
fn put_masked(frames: &mut Vec<u8>, line: &[u8]) {
    frames.push(0x81);
    match u16::try_from(line.len()) {
        Ok(short) if short < 126 => frames.push(0x80 | short as u8),
        Ok(short) => {
            frames.push(0x80 | 126);
            frames.extend_from_slice(&short.to_be_bytes());
        }
        Err(_) => {
            frames.push(0x80 | 127);
            frames.extend_from_slice(&(line.len() as u64).to_be_bytes());
        }
    }
    frames.extend_from_slice(&[0; 4]);
    frames.extend_from_slice(line);
}
