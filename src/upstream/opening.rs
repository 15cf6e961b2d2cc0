//! How a request to another tailcast is made and answered: the handshake of WebSocket, its refusals, the list of files.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use crate::config::url::HttpUrl;
use crate::escape::{shown, shown_up_to};
use crate::limits::{
    CLIENT_MESSAGE_BYTES, HEAD_BYTES, HEAD_FIELDS, UPSTREAM_ANSWER_WAIT, UPSTREAM_HEAD_IDS_BYTES,
    UPSTREAM_MESSAGE_BYTES, UPSTREAM_REFUSAL_BYTES,
};
use crate::outward::{Bell, Connection, Unreached, Way, is_not_yet};
use crate::percent;
use crate::via;

use super::trouble::Trouble;

/// What is asked of the other.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Where it answers.
    pub url: &'a HttpUrl,
    /// The parameters of the stream.
    pub parameters: &'a [(String, String)],
    /// The ids behind which it goes on.
    pub places: &'a [String],
    /// The token it asks for.
    pub secret: Option<&'a str>,
    /// More fields of the head.
    pub fields: &'a [(&'a str, String)],
}

/// A connection whose stream was let in.
pub struct Opened {
    /// The connection.
    pub connection: Connection,
    /// What came behind the answer.
    pub said: Vec<u8>,
    /// What is to be said first: the ids that the head had no room for.
    pub to_say: Vec<String>,
}

/// Asks for a stream. Blocks until the other has answered, for at most [`UPSTREAM_ANSWER_WAIT`] beside the time to connect,
/// and not beyond a stop.
pub fn open(ask: &Ask<'_>, way: &mut Way, bell: &Arc<Bell>) -> Result<Opened, Trouble> {
    let mut connection = way.connect(bell)?;
    let key = generate_key();
    let mut opening = Opening::of(&mut connection, bell);
    let (in_head, others) = ask
        .places
        .split_at(fit(ask.places, UPSTREAM_HEAD_IDS_BYTES));
    opening.say(request(ask, in_head, &key).as_bytes())?;
    let (said, is_among_us) = opening.hear_answer(&key)?;
    let to_say = match is_among_us {
        true => messages(others),
        false if others.is_empty() => Vec::new(),
        false => {
            let all = ask.places.len();
            return Err(Trouble::Nonsense(format!(
                "it takes no more ids than a head has room for, and here are {all}: ask for some files by ?file=NAME"
            )));
        }
    };
    Ok(Opened {
        connection,
        said,
        to_say,
    })
}

/// How many of `places` have room in so many bytes, joined.
fn fit(places: &[String], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = |place: &&String| {
        bytes += place.len() + "~".len();
        bytes <= bytes_max
    };
    places.iter().take_while(fits).count()
}

/// `places` in messages that the other takes, and the empty one that ends them.
fn messages(mut places: &[String]) -> Vec<String> {
    let mut messages = Vec::new();
    while !places.is_empty() {
        let (now, later) = places.split_at(fit(places, CLIENT_MESSAGE_BYTES).max(1));
        messages.push(now.join("~"));
        places = later;
    }
    messages.push(String::new());
    messages
}

/// How many files the other has, for the same secret.
pub fn files_len(ask: &Ask<'_>, way: &mut Way, bell: &Arc<Bell>) -> Result<usize, Trouble> {
    let mut connection = way.connect(bell)?;
    let mut opening = Opening::of(&mut connection, bell);
    // HTTP/1.0: an answer that ends with the connection, whatever proxy is between us.
    let head = format!(
        "GET {}files HTTP/1.0\r\n{}\r\n",
        ask.url.base_path,
        fields(ask)
    );
    opening.say(head.as_bytes())?;
    let end = loop {
        match opening.answer(200)? {
            Some(answer) => break answer.end,
            None => opening.hear().map(drop)?,
        }
    };
    while opening.heard.len() < UPSTREAM_MESSAGE_BYTES {
        match opening.hear() {
            Ok(_) => {}
            Err(Trouble::Ended(_)) => break,
            Err(trouble) => return Err(trouble),
        }
    }
    let files: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&opening.heard[end..])
        .map_err(|error| Trouble::Nonsense(format!("its list of files is none ({error})")))?;
    Ok(files.len())
}

/// The head of the opening handshake (RFC 6455, section 4.1).
fn request(ask: &Ask<'_>, places: &[String], key: &str) -> String {
    let mut query = String::new();
    let after = ("after".to_owned(), places.join("~"));
    let after = (!places.is_empty()).then_some(&after);
    for (name, value) in ask.parameters.iter().chain(after) {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(&percent::encode(name.as_bytes()));
        query.push('=');
        query.push_str(&percent::encode(value.as_bytes()));
    }
    format!(
        "GET {}ws{query} HTTP/1.1\r\n{}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
        ask.url.base_path,
        fields(ask),
        via::PROTOCOL,
    )
}

/// The fields that every request has.
fn fields(ask: &Ask<'_>) -> String {
    let mut fields = format!(
        "Host: {}\r\nUser-Agent: tailcast/{}\r\n",
        ask.url.host(),
        env!("CARGO_PKG_VERSION")
    );
    if let Some(secret) = ask.secret {
        fields.push_str(&format!("Authorization: Bearer {secret}\r\n"));
    }
    for (name, value) in ask.fields {
        fields.push_str(&format!("{name}: {value}\r\n"));
    }
    fields
}

/// A connection in its opening handshake.
struct Opening<'a> {
    connection: &'a mut Connection,
    heard: Vec<u8>,
    bell: &'a Bell,
    until: Instant,
}

fn failed(error: io::Error) -> Trouble {
    Unreached::of_tls(error).map_or_else(Trouble::Broken, Trouble::Unreached)
}

/// The head of an answer.
struct Answer {
    /// Where it ends in what was heard.
    end: usize,
    accept: Option<String>,
    protocol: Option<String>,
}

impl<'a> Opening<'a> {
    fn of(connection: &'a mut Connection, bell: &'a Bell) -> Self {
        Opening {
            connection,
            heard: Vec::new(),
            bell,
            until: Instant::now() + UPSTREAM_ANSWER_WAIT,
        }
    }

    /// Writes all of `bytes`. Blocks until the kernel has them.
    fn say(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            match self.connection.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                // In TLS's handshake it is the other's turn once the kernel has all: only what it says moves us on.
                Err(error) if is_not_yet(&error) => match self.connection.flush() {
                    Ok(true) => {
                        self.hear()?;
                    }
                    Ok(false) => self.wait(true)?,
                    Err(error) => return Err(failed(error)),
                },
                Err(error) => return Err(failed(error)),
            }
        }
        while !self.connection.flush()? {
            self.wait(true)?;
        }
        Ok(())
    }

    /// Hears what the other says next; false where it only moved the handshake of TLS on. Blocks until then.
    fn hear(&mut self) -> Result<bool, Trouble> {
        let mut buf = [0; 4096];
        match self.connection.read(&mut buf) {
            Ok(0) => Err(Trouble::Ended(" without an answer".to_owned())),
            Ok(n) => {
                self.heard.extend_from_slice(&buf[..n]);
                Ok(true)
            }
            Err(error) if is_not_yet(&error) => self.wait(false).map(|()| false),
            Err(error) => Err(failed(error)),
        }
    }

    fn wait(&self, to_write: bool) -> Result<(), Trouble> {
        self.bell
            .wait(Some(self.connection.waits(to_write)), self.until)?;
        if self.bell.is_stopping() {
            return Err(Trouble::Stopped);
        }
        if Instant::now() >= self.until {
            return Err(Trouble::Silent(UPSTREAM_ANSWER_WAIT));
        }
        Ok(())
    }

    /// Hears the answer to the handshake; what came behind it, and whether the other speaks as tailcasts do with each
    /// other.
    fn hear_answer(&mut self, key: &str) -> Result<(Vec<u8>, bool), Trouble> {
        loop {
            if let Some(answer) = self.answer(101)? {
                if answer.accept != Some(derive_accept_key(key.as_bytes())) {
                    return Err(Trouble::Nonsense("its accept key is wrong".to_owned()));
                }
                let is_among_us = answer.protocol.as_deref() == Some(via::PROTOCOL);
                return Ok((self.heard.split_off(answer.end), is_among_us));
            }
            self.hear()?;
        }
    }

    /// The head of the answer, once it has come and has the status that is `wanted`.
    fn answer(&mut self, wanted: u16) -> Result<Option<Answer>, Trouble> {
        let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let end = match answer.parse(&self.heard) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) if self.heard.len() <= HEAD_BYTES => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(Trouble::Nonsense("its head is over 16 KiB".to_owned()));
            }
            Err(error) => return Err(Trouble::Nonsense(format!("no HTTP ({error})"))),
        };
        let field = |name: &str| {
            let mut fields = answer.headers.iter();
            let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| String::from_utf8_lossy(field.value).trim().to_owned())
        };
        match answer.code.unwrap_or_default() {
            status if status == wanted => Ok(Some(Answer {
                end,
                accept: field("Sec-WebSocket-Accept"),
                protocol: field("Sec-WebSocket-Protocol"),
            })),
            status @ 300..400 => {
                let place = field("Location").unwrap_or_else(|| format!("nowhere, with {status}"));
                Err(Trouble::Redirected(shown(place.as_bytes())))
            }
            status if status < 300 => Err(Trouble::Nonsense(format!(
                "it says {status} instead of {wanted}"
            ))),
            status => {
                self.heard.drain(..end);
                Err(Trouble::Refused(status, self.refusal_line()))
            }
        }
    }

    /// The line of a refusal: what of its body comes, as far as a log wants it.
    fn refusal_line(&mut self) -> String {
        while self.heard.len() < UPSTREAM_REFUSAL_BYTES && !self.heard.contains(&b'\n') {
            if self.hear().is_err() {
                break;
            }
        }
        self.heard.truncate(UPSTREAM_REFUSAL_BYTES);
        let line = self.heard.split(|&byte| byte == b'\n').next();
        // It stands in no quotes, so its own can stay as they are.
        let line = line.unwrap_or_default().trim_ascii();
        shown_up_to(UPSTREAM_REFUSAL_BYTES, line).replace("\\\"", "\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ID_BYTES;

    #[test]
    fn ids_that_have_no_room_in_the_head_go_in_messages_behind_it() {
        let place = |n: usize| format!("{n:0>ID_BYTES$}");
        let places: Vec<String> = (0..1000).map(place).collect();
        let in_head = fit(&places, UPSTREAM_HEAD_IDS_BYTES);
        assert!((100..1000).contains(&in_head), "{in_head}");
        let messages = messages(&places[in_head..]);
        assert!(
            messages
                .iter()
                .all(|text| text.len() <= CLIENT_MESSAGE_BYTES)
        );
        let (last, others) = messages.split_last().expect("one at least");
        assert_eq!(
            (last.as_str(), others.join("~")),
            ("", places[in_head..].join("~"))
        );
        assert_eq!(super::messages(&[]), [""]);
    }
}
