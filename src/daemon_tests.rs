//! What can only be seen with the daemon in the process of the test.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::Asked;
use crate::serve::delivery::stream::PANICS;

/// The number that the door gives to whoever connects second.
const SECOND: u64 = 1;

/// A connection over the Unix socket at `path` that has asked for `target`.
fn ask(path: &Path, target: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(path).expect("connect");
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).expect("a timeout");
    let head = format!("GET {target} HTTP/1.0\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("ask");
    BufReader::new(stream)
}

/// Whether the stream gets to `line`.
fn gets(stream: &mut impl BufRead, line: &str) -> bool {
    let found = |text: Result<String, _>| text.is_ok_and(|text| text == line);
    stream.lines().any(found)
}

#[test]
fn a_client_thread_that_panics_ends_that_client_alone() {
    let logs = tempfile::tempdir().expect("a directory");
    let (log, socket) = (logs.path().join("a.log"), logs.path().join("socket"));
    let append = |text: &str| {
        let file = File::options().append(true).create(true).open(&log);
        let mut file = file.expect("a log");
        file.write_all(text.as_bytes()).expect("a line");
    };
    append("1\n");
    let mut args = vec![OsString::from("tailcast"), "--max-clients=2".into()];
    args.extend([
        "--listen".into(),
        format!("unix:{}", socket.display()).into(),
    ]);
    args.push(log.clone().into());
    let asked = Config::parse_from(args, |_| None).expect("a configuration");
    let Asked::Run(config) = asked else {
        panic!("it does not run");
    };
    let stop = Arc::new(Stop::default());
    let daemon = Daemon::start(&config, &stop).expect("a daemon");

    let mut other = ask(&socket, "/stream");
    assert!(gets(&mut other, "1"));
    append("2\n");
    assert!(gets(&mut other, "2"));
    // By its number: the other one may have read its second line from the file, and not be live yet.
    PANICS.store(SECOND, Ordering::SeqCst);
    let mut panics = ask(&socket, "/stream");
    let mut text = String::new();
    panics.read_to_string(&mut text).expect("its end");
    assert!(text.ends_with("\r\n\r\n1\n2\n"), "{text}");

    // The others go on, the place is free again, and nothing waits for it at the end.
    append("3\n");
    assert!(gets(&mut other, "3"));
    assert!(gets(&mut ask(&socket, "/stream"), "3"));
    assert!(!stop.is_set());
    drop(other);
    let end = Instant::now() + Duration::from_secs(10);
    while daemon.hub.live_len() > 0 && Instant::now() < end {
        append("4\n");
    }
    assert_eq!(daemon.hub.live_len(), 0);
    daemon.stop();
}
