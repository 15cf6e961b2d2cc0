//! The packets that a broker says to us, read from bytes.

use super::packet::{
    CONNACK, DISCONNECT, PINGRESP, PUBACK, PUBLISH, RETAIN, SUBACK, USER_PROPERTY, Version,
};

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
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn two(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    fn four(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.two()?;
        self.take(usize::from(len))
    }

    /// A variable byte integer, of at most four bytes; `None` where more is to come.
    pub(super) fn length(&mut self) -> Result<Option<usize>, Malformed> {
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
