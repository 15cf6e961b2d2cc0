//! HTTP by hand, so that a test sees what stands on the wire.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::str;

use flate2::write::GzDecoder;

use super::{DEADLINE, Daemon};

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of the field `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }
}

impl Daemon {
    /// The answer to a GET of `target`.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    /// The answer to a request that ends its connection.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[&str]) -> Answer {
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n",
            self.port
        );
        for field in fields {
            head.push_str(field);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        self.send(head.as_bytes())
    }

    /// The answer to these very bytes.
    pub(crate) fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).expect("send a request");
        let mut reader = BufReader::new(stream);
        let (status, fields) = read_head(&mut reader);
        let mut answer = Answer {
            status,
            fields,
            body: Vec::new(),
        };
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).expect("read to the end");
        answer.body = match answer.field("transfer-encoding") {
            // The answer to a HEAD only says what a GET would get.
            Some("chunked") if !request.starts_with(b"HEAD ") => unchunked(&rest),
            _ => rest,
        };
        answer
    }

    /// A stream that stays open, asked for by HTTP/1.0: then what follows the head is the stream itself.
    pub(crate) fn live(&self, target: &str) -> Live {
        Live::of(self.port, target)
    }

    /// A stream that stays open and comes deflated.
    pub(crate) fn live_gzip(&self, target: &str) -> Live {
        Live::gzip(self.connect(), target)
    }
}

/// An open stream.
pub(crate) struct Live(BufReader<Box<dyn Read + Send>>);

impl Live {
    /// A stream that stays open, of whoever serves `port` of loopback.
    pub(crate) fn of(port: u16, target: &str) -> Live {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let head = format!("GET {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("send a request");
        let mut reader = BufReader::new(stream);
        let (status, _) = read_head(&mut reader);
        assert_eq!(status, 200, "GET {target}");
        Live(BufReader::new(Box::new(reader)))
    }

    /// A stream that stays open and comes deflated, over this connection.
    pub(crate) fn gzip(stream: TcpStream, target: &str) -> Live {
        Live(BufReader::new(Box::new(gunzipped(stream, target, &[]))))
    }

    /// Its next line, with its ending; empty at the end of the stream.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line by the deadline");
        line
    }

    /// Its next bytes, as many as asked for.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = self.0.read_exact(&mut bytes);
        read.expect("bytes by the deadline");
        bytes
    }

    /// The value of the next line that begins with `name: `.
    pub(crate) fn field(&mut self, name: &str) -> String {
        loop {
            let line = self.line();
            assert_ne!(line, "", "the stream ended before a {name}");
            if let Some(value) = line.strip_prefix(&format!("{name}: ")) {
                return value.trim_end().to_owned();
            }
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head by the deadline");
        line.trim_end().to_owned()
    };
    let status = next();
    let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let code = code.unwrap_or_else(|| panic!("not a status line: {status:?}"));
    let mut fields = Vec::new();
    loop {
        let line = next();
        let Some((name, value)) = line.split_once(':') else {
            assert_eq!(line, "", "not a field");
            return (code, fields);
        };
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// The body that is answered to a GET of `target`, which must come deflated, as it comes.
pub(crate) fn gunzipped(
    mut stream: TcpStream,
    target: &str,
    fields: &[&str],
) -> impl Read + Send + use<> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n{fields}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("send a request");
    let mut chunks = BufReader::new(stream);
    let (status, fields) = read_head(&mut chunks);
    assert_eq!(status, 200, "GET {target}");
    let has = |field: (&str, &str)| {
        let mut fields = fields.iter();
        fields.any(|(name, value)| name.eq_ignore_ascii_case(field.0) && value == field.1)
    };
    assert!(has(("Content-Encoding", "gzip")), "{target}: {fields:?}");
    assert!(
        has(("Transfer-Encoding", "chunked")),
        "{target}: {fields:?}"
    );
    Gunzipped {
        chunks,
        decoder: GzDecoder::new(Vec::new()),
        at: 0,
    }
}

/// Decodes each chunk as soon as it is there.
struct Gunzipped {
    chunks: BufReader<TcpStream>,
    decoder: GzDecoder<Vec<u8>>,
    /// So much of what is decoded was read.
    at: usize,
}

impl Read for Gunzipped {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.decoder.get_ref().len() {
            self.at = 0;
            self.decoder.get_mut().clear();
            let mut size = String::new();
            self.chunks.read_line(&mut size)?;
            let size = size.trim_end();
            if size.is_empty() {
                // Cut off.
                return Ok(0);
            }
            let size = usize::from_str_radix(size, 16).expect("a size in hex");
            if size == 0 {
                self.decoder.try_finish().expect("a trailer that is right");
                return Ok(0);
            }
            let mut chunk = vec![0; size + 2];
            if self.chunks.read_exact(&mut chunk).is_err() {
                return Ok(0);
            }
            assert!(chunk.ends_with(b"\r\n"), "the end of a chunk");
            self.decoder.write_all(&chunk[..size])?;
            self.decoder.flush()?;
        }
        let decoded = &self.decoder.get_ref()[self.at..];
        let count = decoded.len().min(buf.len());
        buf[..count].copy_from_slice(&decoded[..count]);
        self.at += count;
        Ok(count)
    }
}

/// The body inside `chunks`, which must end as RFC 9112, section 7.1 has it: a cut answer must not pass for a whole.
pub(crate) fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|pair| pair == b"\r\n");
        let end = end.expect("a chunk's size");
        let size = str::from_utf8(&chunks[..end]).expect("a size in ASCII");
        let size = usize::from_str_radix(size, 16).expect("a size in hex");
        chunks = &chunks[end + 2..];
        if size == 0 {
            assert_eq!(chunks, b"\r\n", "the end of the last chunk");
            return body;
        }
        body.extend_from_slice(&chunks[..size]);
        assert_eq!(&chunks[size..size + 2], b"\r\n", "the end of a chunk");
        chunks = &chunks[size + 2..];
    }
}
