//! The packets of MQTT that a publisher needs, as bytes: version 5 (OASIS, "section" below is of that standard) and
//! 3.1.1, which is the same without properties and reasons.
//!
//! A few hundred lines of our own, since what there is brings 17 to 36 packages for it, or does not know version 5.

use std::fmt;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 5.
    Five,
    /// 3.1.1.
    Three,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Five => "MQTT 5",
            Version::Three => "MQTT 3.1.1",
        })
    }
}

/// CONNECT: a session that begins anew, with a retained will.
#[derive(Clone, Debug)]
pub(super) struct Connect<'a> {
    /// Who we are: another connection of that name is ended by the broker.
    pub(super) client: &'a str,
    /// Who logs in, where anybody does.
    pub(super) user: Option<&'a str>,
    /// The user's password.
    pub(super) password: Option<&'a [u8]>,
    /// Seconds in which at least one packet is sent.
    pub(super) keep_alive_seconds: u16,
    /// What the broker publishes for us when the connection is lost: a topic and a payload.
    pub(super) will: (&'a str, &'a [u8]),
}

/// PUBLISH, QoS 1: the broker acknowledges it.
#[derive(Clone, Debug)]
pub(super) struct Publish<'a> {
    /// Names it in the acknowledgement; not 0.
    pub(super) number: u16,
    /// Where to.
    pub(super) topic: &'a str,
    /// The broker keeps it for those who subscribe later.
    pub(super) retain: bool,
    /// The user property `id`; not in version 3.1.1.
    pub(super) id: Option<&'a str>,
    /// What is published.
    pub(super) payload: &'a [u8],
}

/// What a broker says to a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// CONNACK.
    Connected(Connected),
    /// PUBACK.
    Acknowledged {
        /// Of which PUBLISH.
        number: u16,
        /// 128 and more: it was not taken.
        reason: u8,
    },
    /// PINGRESP.
    Pong,
    /// DISCONNECT, which only version 5 has.
    Disconnected {
        /// Why.
        reason: u8,
    },
}

/// CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connected {
    /// 0: welcome. In version 5 128 and more is a refusal, in 3.1.1 1 to 5 is.
    pub(super) code: u8,
    /// PUBLISHes that may wait for their acknowledgement.
    pub(super) receive_max: u16,
    /// The largest packet that the broker takes, in bytes.
    pub(super) packet_bytes_max: u32,
    /// What the broker wants instead of the keep-alive that was asked for.
    pub(super) keep_alive_seconds: Option<u16>,
    /// It acknowledges (QoS 1).
    pub(super) acknowledges: bool,
    /// It keeps what is retained.
    pub(super) retains: bool,
}

impl Default for Connected {
    fn default() -> Connected {
        Connected {
            code: 0,
            receive_max: u16::MAX,
            packet_bytes_max: u32::MAX,
            keep_alive_seconds: None,
            acknowledges: true,
            retains: true,
        }
    }
}

/// What came is no MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH_QOS_1: u8 = 0x32;
const RETAIN: u8 = 0x01;
const PUBACK: u8 = 0x40;
const PINGREQ: u8 = 0xc0;
const PINGRESP: u8 = 0xd0;
const DISCONNECT: u8 = 0xe0;

const USER_PROPERTY: u8 = 0x26;

/// What the length field can say (section 1.5.5).
const LENGTH_MAX: usize = 268_435_455;

impl Connect<'_> {
    /// Appends it.
    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        text(b"MQTT", &mut body);
        body.push(match version {
            Version::Five => 5,
            Version::Three => 4,
        });
        // Clean start; a will with QoS 1 that is retained.
        let mut flags = 0x02 | 0x04 | 0x08 | 0x20;
        flags |= if self.user.is_some() { 0x80 } else { 0 };
        flags |= if self.password.is_some() { 0x40 } else { 0 };
        body.push(flags);
        body.extend(self.keep_alive_seconds.to_be_bytes());
        if version == Version::Five {
            body.push(0);
        }
        text(self.client.as_bytes(), &mut body);
        if version == Version::Five {
            body.push(0);
        }
        text(self.will.0.as_bytes(), &mut body);
        text(self.will.1, &mut body);
        if let Some(user) = self.user {
            text(user.as_bytes(), &mut body);
        }
        if let Some(password) = self.password {
            text(password, &mut body);
        }
        out.push(CONNECT);
        length(body.len(), out);
        out.append(&mut body);
    }
}

impl Publish<'_> {
    /// Appends it.
    pub(super) fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.push(PUBLISH_QOS_1 | if self.retain { RETAIN } else { 0 });
        length(self.body_bytes(version), out);
        text(self.topic.as_bytes(), out);
        out.extend(self.number.to_be_bytes());
        if version == Version::Five {
            match self.id {
                None => out.push(0),
                Some(id) => {
                    length(property_bytes(id), out);
                    out.push(USER_PROPERTY);
                    text(b"id", out);
                    text(id.as_bytes(), out);
                }
            }
        }
        out.extend_from_slice(self.payload);
    }

    fn body_bytes(&self, version: Version) -> usize {
        let properties = match (version, self.id) {
            (Version::Three, _) => 0,
            (Version::Five, None) => 1,
            (Version::Five, Some(id)) => 1 + property_bytes(id),
        };
        2 + self.topic.len() + 2 + properties + self.payload.len()
    }

    /// Bytes of it that are not payload, at most.
    pub(super) fn overhead_bytes(topic: &str, id_bytes: usize) -> usize {
        // Kind, length, topic, number, length of the properties, the property.
        1 + 4 + 2 + topic.len() + 2 + 1 + 1 + 2 + 2 + 2 + id_bytes
    }
}

/// Payloads over this fit no packet.
pub(super) fn payload_bytes_max(topic: &str, id_bytes: usize, packet_bytes_max: u32) -> usize {
    let most = LENGTH_MAX.min(usize::try_from(packet_bytes_max).unwrap_or(LENGTH_MAX));
    most.saturating_sub(Publish::overhead_bytes(topic, id_bytes))
}

fn property_bytes(id: &str) -> usize {
    1 + 2 + 2 + 2 + id.len()
}

/// Appends PINGREQ.
pub(super) fn ping(out: &mut Vec<u8>) {
    out.extend([PINGREQ, 0]);
}

/// Appends DISCONNECT: the will is not published.
pub(super) fn disconnect(out: &mut Vec<u8>) {
    out.extend([DISCONNECT, 0]);
}

/// Appends a string or binary field. Longer than 65,535 bytes is not said: names and passwords are bounded below that.
fn text(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend_from_slice(&bytes[..usize::from(len)]);
}

/// Appends a variable byte integer (section 1.5.5).
fn length(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return;
        }
    }
}

/// The packet that `bytes` begin with and its length; `None` where more is to come. A packet longer than `bytes_max`
/// is malformed.
pub(super) fn read(bytes: &[u8], bytes_max: usize) -> Result<Option<(Packet, usize)>, Malformed> {
    let mut cursor = Cursor(bytes);
    let Some(kind) = cursor.byte() else {
        return Ok(None);
    };
    if !matches!(kind, CONNACK | PUBACK | PINGRESP | DISCONNECT) {
        return Err(Malformed);
    }
    let Some(len) = cursor.length()? else {
        return Ok(None);
    };
    let head = bytes.len() - cursor.0.len();
    if len > bytes_max {
        return Err(Malformed);
    }
    let Some(body) = cursor.take(len) else {
        return Ok(None);
    };
    let packet = packet(kind, Cursor(body)).ok_or(Malformed)?;
    Ok(Some((packet, head + len)))
}

fn packet(kind: u8, mut body: Cursor<'_>) -> Option<Packet> {
    match kind {
        CONNACK => {
            body.byte()?;
            let mut connected = Connected {
                code: body.byte()?,
                ..Connected::default()
            };
            // A broker that does not know version 5 says so in its own.
            if !body.0.is_empty() {
                connected.properties(body)?;
            }
            Some(Packet::Connected(connected))
        }
        PUBACK => Some(Packet::Acknowledged {
            number: body.two()?,
            reason: body.byte().unwrap_or(0),
        }),
        PINGRESP => Some(Packet::Pong),
        DISCONNECT => Some(Packet::Disconnected {
            reason: body.byte().unwrap_or(0),
        }),
        _ => None,
    }
}

impl Connected {
    /// Section 3.2.2.3.
    fn properties(&mut self, mut body: Cursor<'_>) -> Option<()> {
        let len = body.length().ok()??;
        let mut properties = Cursor(body.take(len)?);
        while let Some(property) = properties.byte() {
            match property {
                0x13 => self.keep_alive_seconds = Some(properties.two()?),
                0x21 => self.receive_max = properties.two()?.max(1),
                0x24 => self.acknowledges = properties.byte()? > 0,
                0x25 => self.retains = properties.byte()? > 0,
                0x27 => self.packet_bytes_max = properties.four()?,
                // One byte.
                0x28..=0x2a => drop(properties.byte()?),
                // Two bytes.
                0x22 => drop(properties.two()?),
                // Four bytes.
                0x11 => drop(properties.four()?),
                // A string or binary.
                0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => drop(properties.text()?),
                USER_PROPERTY => drop((properties.text()?, properties.text()?)),
                _ => return None,
            }
        }
        Some(())
    }
}

/// The rest of some bytes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn two(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    fn four(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.two()?;
        self.take(usize::from(len))
    }

    /// A variable byte integer, of at most four bytes; `None` where more is to come.
    fn length(&mut self) -> Result<Option<usize>, Malformed> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let Some(byte) = self.byte() else {
                return Ok(None);
            };
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
        Err(Malformed)
    }
}

/// What a reason code says (section 2.4), as far as a publisher can meet it.
pub(super) fn reason(version: Version, code: u8) -> String {
    let text = match (version, code) {
        (Version::Three, 1) | (Version::Five, 0x84) => "the protocol version is not supported",
        (Version::Three, 2) | (Version::Five, 0x85) => "the client's name is not valid",
        (Version::Three, 3) | (Version::Five, 0x88) => "the server is unavailable",
        (Version::Three, 4) | (Version::Five, 0x86) => "bad user name or password",
        (Version::Three, 5) | (Version::Five, 0x87) => "not authorized",
        (_, 0x00) => "normal end",
        (_, 0x80) => "unspecified error",
        (_, 0x81) => "malformed packet",
        (_, 0x82) => "protocol error",
        (_, 0x83) => "an error of its own",
        (_, 0x89) => "the server is busy",
        (_, 0x8a) => "banned",
        (_, 0x8b) => "the server is shutting down",
        (_, 0x8d) => "keep-alive time-out",
        (_, 0x8e) => "the session was taken over by another connection of the same name",
        (_, 0x90) => "the topic name is not valid",
        (_, 0x93) => "receive maximum exceeded",
        (_, 0x95) => "the packet is too large",
        (_, 0x96) => "the message rate is too high",
        (_, 0x97) => "quota exceeded",
        (_, 0x98) => "administrative action",
        (_, 0x99) => "the payload format is not valid",
        (_, 0x9a) => "retained messages are not supported",
        (_, 0x9b) => "QoS 1 is not supported",
        (_, 0x9c | 0x9d) => "use another server",
        (_, 0x9f) => "the connection rate is too high",
        _ => return format!("reason code {code}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1000;

    /// Reads what we write, as a broker would: (first byte, body).
    fn taken_apart(bytes: &[u8]) -> (u8, &[u8]) {
        let mut cursor = Cursor(bytes);
        let kind = cursor.byte().expect("a kind");
        let len = cursor.length().expect("a length").expect("all of it");
        assert_eq!(cursor.0.len(), len, "the length is that of the rest");
        (kind, cursor.0)
    }

    #[test]
    fn a_connect_is_what_the_standard_says() {
        let connect = Connect {
            client: "me",
            user: Some("u"),
            password: Some(b"p"),
            keep_alive_seconds: 30,
            will: ("t", b"gone"),
        };
        let mut five = Vec::new();
        connect.write(Version::Five, &mut five);
        let body = b"\x00\x04MQTT\x05\xee\x00\x1e\x00\x00\x02me\x00\x00\x01t\x00\x04gone\x00\x01u\x00\x01p";
        assert_eq!(taken_apart(&five), (CONNECT, &body[..]));
        let mut three = Vec::new();
        Connect {
            user: None,
            password: None,
            ..connect
        }
        .write(Version::Three, &mut three);
        let body = b"\x00\x04MQTT\x04\x2e\x00\x1e\x00\x02me\x00\x01t\x00\x04gone";
        assert_eq!(taken_apart(&three), (CONNECT, &body[..]));
    }

    #[test]
    fn a_connack_says_what_the_broker_takes() {
        let bytes = [
            0x20, 16, 0, 0, 13, 0x21, 0, 20, 0x27, 0, 1, 0, 0, 0x13, 0, 9, 0x25, 0,
        ];
        let Ok(Some((Packet::Connected(connected), 18))) = read(&bytes, MAX) else {
            panic!("not read: {:?}", read(&bytes, MAX));
        };
        assert_eq!(connected.receive_max, 20);
        assert_eq!(connected.packet_bytes_max, 65536);
        assert_eq!(connected.keep_alive_seconds, Some(9));
        assert!(!connected.retains && connected.acknowledges);
    }

    #[test]
    fn the_answer_of_an_old_broker_is_understood() {
        let refused = Packet::Connected(Connected {
            code: 1,
            ..Connected::default()
        });
        assert_eq!(read(&[0x20, 2, 0, 1], MAX), Ok(Some((refused, 4))));
        let acknowledged = Packet::Acknowledged {
            number: 7,
            reason: 0,
        };
        assert_eq!(
            read(&[0x40, 2, 0, 7, 0xff], MAX),
            Ok(Some((acknowledged, 4)))
        );
    }

    #[test]
    fn what_no_broker_says_is_malformed() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            b"\x20\x00",
            b"\x20\xff\xff\xff\xff\x01",
            b"\x40\x01\x00",
            b"\x20\xff\x7f",
        ] {
            assert_eq!(read(bytes, MAX), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_publish_reads_back(
            number in 1u16.., topic in "[a-z/]{1,40}", retain: bool, id in proptest::option::of("[0-9a-f.]{1,64}"),
            payload in proptest::collection::vec(any::<u8>(), 0..40_000), five: bool,
        ) {
            let version = if five { Version::Five } else { Version::Three };
            let publish = Publish { number, topic: &topic, retain, id: id.as_deref(), payload: &payload };
            let mut bytes = Vec::new();
            publish.write(version, &mut bytes);
            let id_bytes = id.as_deref().map_or(0, str::len);
            prop_assert!(bytes.len() - payload.len() <= Publish::overhead_bytes(&topic, id_bytes));
            let (kind, body) = taken_apart(&bytes);
            prop_assert_eq!(kind, 0x32 | u8::from(retain));
            let mut body = Cursor(body);
            prop_assert_eq!(body.text(), Some(topic.as_bytes()));
            prop_assert_eq!(body.two(), Some(number));
            if five {
                let len = body.length().expect("a length").expect("all of it");
                let mut properties = Cursor(body.take(len).expect("the properties"));
                if let Some(id) = &id {
                    prop_assert_eq!(properties.byte(), Some(USER_PROPERTY));
                    prop_assert_eq!(properties.text(), Some(&b"id"[..]));
                    prop_assert_eq!(properties.text(), Some(id.as_bytes()));
                }
                prop_assert!(properties.0.is_empty());
            }
            prop_assert_eq!(body.0, &payload[..]);
        }

        #[test]
        fn any_bytes_are_read_refused_or_waited_with(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(Some((_, used))) = read(&bytes, MAX) {
                prop_assert!(used <= bytes.len());
                // Of a part of a packet, nothing is read.
                prop_assert_eq!(read(&bytes[..used - 1], MAX), Ok(None));
            }
        }
    }
}
