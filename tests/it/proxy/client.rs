//! Clients that speak TLS to a proxy: curl, and a WebSocket through a tunnel of openssl's.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use tungstenite::client::IntoClientRequest;
use tungstenite::http::Uri;
use tungstenite::{ClientRequestBuilder, Error, HandshakeError, Message, WebSocket};

use super::server::Proxy;
use crate::support::spoken::Spoken;

/// `curl -N` with `options` on `url`; the head is in what it gives. Without `--compressed` it names no coding, and then a
/// proxy may ask for gzip by itself, as Caddy does.
pub(crate) struct Curl(BufReader<Spoken>);

impl Curl {
    pub(crate) fn open(proxy: &Proxy, options: &[&str], url: &str) -> Curl {
        let mut command = Command::new("curl");
        command.args(["-sSN", "--include", "--cacert"]);
        command.arg(proxy.certificate()).args(options).arg(url);
        let resolve = format!("logs.example:{}:127.0.0.1", proxy.port);
        command.args(["--resolve", &resolve]);
        Curl(BufReader::new(Spoken::spawn(&mut command)))
    }

    /// The next line, without its ending.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line by the deadline");
        assert_ne!(line, "", "the end");
        line.trim_end().to_owned()
    }

    /// Reads until a line is `wanted`.
    pub(crate) fn until(&mut self, wanted: &str) {
        while self.line() != wanted {}
    }

    /// All the rest.
    pub(crate) fn rest(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("an end");
        text
    }
}

/// The status of the answer, and all of it.
pub(crate) fn ask(proxy: &Proxy, options: &[&str], url: &str) -> (u16, String) {
    let text = Curl::open(proxy, options, url).rest();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no answer: {text:?}")),
        text,
    )
}

/// A client of `/ws` over TLS.
pub(crate) struct Wss(WebSocket<Spoken>);

impl Wss {
    /// Opens `path` under the prefix with an Origin, or says with which status it was refused.
    pub(crate) fn try_open(proxy: &Proxy, path: &str, origin: &str) -> Result<Wss, u16> {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-verify_return_error"]);
        command.args(["-servername", "localhost", "-alpn", "http/1.1"]);
        command.args(["-connect", &format!("127.0.0.1:{}", proxy.port)]);
        command.arg("-CAfile").arg(proxy.certificate());
        let tunnel = Spoken::spawn(&mut command);
        let url: Uri = proxy
            .url(path)
            .replace("https", "wss")
            .parse()
            .expect("an address");
        let request = ClientRequestBuilder::new(url).with_header("Origin", origin);
        let request = request.into_client_request().expect("a request");
        match tungstenite::client::client(request, tunnel) {
            Ok((socket, _)) => Ok(Wss(socket)),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Message {
        let message = self.0.read().expect("a message by the deadline");
        // Its pong would otherwise wait for the next read.
        self.0.flush().expect("send what is due");
        message
    }

    /// Reads until a text is `wanted`.
    pub(crate) fn until(&mut self, wanted: &str) {
        while self.message() != Message::text(wanted) {}
    }
}
