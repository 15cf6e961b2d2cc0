//! A server of the repository's own scripts, for tests that run in a browser without the daemon.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path};
use std::thread;

/// The unit tests are written for node; in a browser, its modules are the shim.
const START: &str = r#"<!doctype html><script type="importmap">{"imports":
{"node:test": "/tests/page/shim.mjs", "node:assert/strict": "/tests/page/shim.mjs"}}</script>"#;

/// Serves until the test program ends; gives its address.
pub(crate) fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Race: where a connection takes long a browser makes a second one, and may say nothing on it for ever.
            thread::spawn(move || answer(stream));
        }
    });
    format!("http://{address}/")
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut field) = (String::new(), String::new());
    reader.read_line(&mut request)?;
    while reader.read_line(&mut field)? > 2 {
        field.clear();
    }
    let path = request
        .split(' ')
        .nth(1)
        .unwrap_or("/")
        .trim_start_matches('/');
    let plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let (status, kind, body) = match std::fs::read(file) {
        _ if path.is_empty() => ("200 OK", "text/html", START.as_bytes().to_vec()),
        Ok(body) if plain => ("200 OK", "text/javascript", body),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}
