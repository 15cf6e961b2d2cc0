//! The packets that we say to a broker, as bytes.

use super::packet::{
    CONNECT, DISCONNECT, PINGREQ, PUBACK, PUBLISH_QOS_1, RETAIN, SESSION_EXPIRY, SUBSCRIBE,
    USER_PROPERTY, Version,
};

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

/// Appends PUBACK: the PUBLISH with this number is taken.
pub(crate) fn acknowledge(number: u16, out: &mut Vec<u8>) {
    out.extend([PUBACK, 2]);
    out.extend(number.to_be_bytes());
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
