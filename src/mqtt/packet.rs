//! The packets of MQTT that a publisher needs, as bytes: version 5 (OASIS, "section" below is of that standard) and
//! 3.1.1, which is the same without properties and reasons.
//!
//! A few hundred lines of our own, since what there is brings 17 to 36 packages for it, or does not know version 5.

use std::fmt;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
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
pub(crate) struct Connect<'a> {
    /// Who we are: another connection of that name is ended by the broker.
    pub(crate) client: &'a str,
    /// Who logs in, where anybody does.
    pub(crate) user: Option<&'a str>,
    /// The user's password.
    pub(crate) password: Option<&'a [u8]>,
    /// Seconds in which at least one packet is sent.
    pub(crate) keep_alive_seconds: u16,
    /// What for.
    pub(crate) role: Role<'a>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role<'a> {
    /// To publish. The broker keeps nothing for us.
    Publisher {
        /// What the broker publishes for us when the connection is lost: a topic and a payload.
        will: (&'a str, &'a [u8]),
    },
    /// To be sent what others publish, also what they do while we are away, for so many seconds.
    Subscriber {
        /// How long the broker keeps it for us. (3.1.1 knows no bound.)
        kept_seconds: u32,
    },
}

/// SUBSCRIBE: to be sent, with QoS 1, what is published to the topics that match.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe<'a> {
    /// Its acknowledgement has it.
    pub(crate) number: u16,
    /// Which topics, with `+` and `#`.
    pub(crate) filter: &'a str,
}

/// PUBLISH, QoS 1: the broker acknowledges it.
#[derive(Clone, Debug)]
pub(crate) struct Publish<'a> {
    /// Names it in the acknowledgement; not 0.
    pub(crate) number: u16,
    /// Where to.
    pub(crate) topic: &'a str,
    /// The broker keeps it for those who subscribe later.
    pub(crate) retain: bool,
    /// The user property `id`; not in version 3.1.1.
    pub(crate) id: Option<&'a str>,
    /// What is published.
    pub(crate) payload: &'a [u8],
}

/// What a broker says to a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// CONNACK.
    Connected(Connected),
    /// SUBACK: 128 and more is a refusal.
    Subscribed {
        /// What is granted, or why not.
        reason: u8,
    },
    /// PUBLISH from the broker, for [`Published::read`].
    Published {
        /// The lower half of the first byte.
        flags: u8,
        /// What follows its length.
        body: Vec<u8>,
    },
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

/// PUBLISH, as the broker sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// What it was published to.
    pub(crate) topic: String,
    /// To be acknowledged by this number; `None` with QoS 0.
    pub(crate) number: Option<u16>,
    /// The broker has kept it for who comes later.
    pub(crate) retained: bool,
    /// What was published.
    pub(crate) payload: Vec<u8>,
}

/// CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connected {
    /// 0: welcome. In version 5 128 and more is a refusal, in 3.1.1 1 to 5 is.
    pub(crate) code: u8,
    /// PUBLISHes that may wait for their acknowledgement.
    pub(crate) receive_max: u16,
    /// The largest packet that the broker takes, in bytes.
    pub(crate) packet_bytes_max: u32,
    /// What the broker wants instead of the keep-alive that was asked for.
    pub(crate) keep_alive_seconds: Option<u16>,
    /// It acknowledges (QoS 1).
    pub(crate) acknowledges: bool,
    /// It keeps what is retained.
    pub(crate) retains: bool,
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
pub(crate) struct Malformed;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBLISH_QOS_1: u8 = 0x32;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const RETAIN: u8 = 0x01;
const PUBACK: u8 = 0x40;
const PINGREQ: u8 = 0xc0;
const PINGRESP: u8 = 0xd0;
const DISCONNECT: u8 = 0xe0;

const USER_PROPERTY: u8 = 0x26;
const SESSION_EXPIRY: u8 = 0x11;

/// What the length field can say (section 1.5.5).
const LENGTH_MAX: usize = 268_435_455;

impl Connect<'_> {
    /// Appends it.
    pub(crate) fn write(&self, version: Version, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        text(b"MQTT", &mut body);
        body.push(match version {
            Version::Five => 5,
            Version::Three => 4,
        });
        let mut flags = match self.role {
            // Clean start; a will with QoS 1 that is retained.
            Role::Publisher { .. } => 0x02 | 0x04 | 0x08 | 0x20,
            // The session goes on where it was.
            Role::Subscriber { .. } => 0,
        };
        flags |= if self.user.is_some() { 0x80 } else { 0 };
        flags |= if self.password.is_some() { 0x40 } else { 0 };
        body.push(flags);
        body.extend(self.keep_alive_seconds.to_be_bytes());
        match self.role {
            _ if version == Version::Three => {}
            Role::Publisher { .. } => body.push(0),
            Role::Subscriber { kept_seconds } => {
                body.extend([5, SESSION_EXPIRY]);
                body.extend(kept_seconds.to_be_bytes());
            }
        }
        text(self.client.as_bytes(), &mut body);
        if let Role::Publisher { will } = self.role {
            if version == Version::Five {
                body.push(0);
            }
            text(will.0.as_bytes(), &mut body);
            text(will.1, &mut body);
        }
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

impl Subscribe<'_> {
    /// Appends the packet.
    pub(crate) fn write(&self, version: Version, out: &mut Vec<u8>) {
        let mut body = self.number.to_be_bytes().to_vec();
        if version == Version::Five {
            body.push(0);
        }
        text(self.filter.as_bytes(), &mut body);
        body.push(1);
        out.push(SUBSCRIBE);
        length(body.len(), out);
        out.append(&mut body);
    }
}

impl Publish<'_> {
    /// Appends it.
    pub(crate) fn write(&self, version: Version, out: &mut Vec<u8>) {
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
    pub(crate) fn overhead_bytes(topic: &str, id_bytes: usize) -> usize {
        // Kind, length, topic, number, length of the properties, the property.
        1 + 4 + 2 + topic.len() + 2 + 1 + 1 + 2 + 2 + 2 + id_bytes
    }
}

/// Payloads over this fit no packet.
pub(crate) fn payload_bytes_max(topic: &str, id_bytes: usize, packet_bytes_max: u32) -> usize {
    let most = LENGTH_MAX.min(usize::try_from(packet_bytes_max).unwrap_or(LENGTH_MAX));
    most.saturating_sub(Publish::overhead_bytes(topic, id_bytes))
}

fn property_bytes(id: &str) -> usize {
    1 + 2 + 2 + 2 + id.len()
}

/// Appends PINGREQ.
pub(crate) fn ping(out: &mut Vec<u8>) {
    out.extend([PINGREQ, 0]);
}

/// Appends DISCONNECT: the will is not published.
pub(crate) fn disconnect(out: &mut Vec<u8>) {
    out.extend([DISCONNECT, 0]);
}

/// Appends a string or binary field. Longer than 65,535 bytes is not said: names and passwords are bounded below that.
/// Appends PUBACK: the PUBLISH with this number is taken.
pub(crate) fn acknowledge(number: u16, out: &mut Vec<u8>) {
    out.extend([PUBACK, 2]);
    out.extend(number.to_be_bytes());
}

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
pub(crate) fn read(bytes: &[u8], bytes_max: usize) -> Result<Option<(Packet, usize)>, Malformed> {
    let mut cursor = Cursor(bytes);
    let Some(kind) = cursor.byte() else {
        return Ok(None);
    };
    if !matches!(kind, CONNACK | PUBACK | SUBACK | PINGRESP | DISCONNECT) && kind & 0xf0 != PUBLISH
    {
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
        SUBACK => Some(Packet::Subscribed {
            reason: *body.0.last()?,
        }),
        PINGRESP => Some(Packet::Pong),
        DISCONNECT => Some(Packet::Disconnected {
            reason: body.byte().unwrap_or(0),
        }),
        _ if kind & 0xf0 == PUBLISH => Some(Packet::Published {
            flags: kind & 0x0f,
            body: body.0.to_vec(),
        }),
        _ => None,
    }
}

impl Published {
    /// Reads what a broker sent in this version.
    pub(crate) fn read(version: Version, flags: u8, body: &[u8]) -> Result<Published, Malformed> {
        let mut body = Cursor(body);
        let topic = body.text().ok_or(Malformed)?;
        let topic = String::from_utf8(topic.to_vec()).map_err(|_| Malformed)?;
        let number = match flags >> 1 & 0x03 {
            0 => None,
            1 => Some(body.two().ok_or(Malformed)?),
            // More than was asked for.
            _ => return Err(Malformed),
        };
        if version == Version::Five {
            let properties = body.length()?.ok_or(Malformed)?;
            body.take(properties).ok_or(Malformed)?;
        }
        Ok(Published {
            topic,
            number,
            retained: flags & RETAIN != 0,
            payload: body.0.to_vec(),
        })
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

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
