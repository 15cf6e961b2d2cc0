//! What packets of MQTT have in common, whoever says them: the version, and their first bytes.

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

pub(super) const CONNECT: u8 = 0x10;
pub(super) const CONNACK: u8 = 0x20;
pub(super) const PUBLISH: u8 = 0x30;
pub(super) const PUBLISH_QOS_1: u8 = 0x32;
pub(super) const SUBSCRIBE: u8 = 0x82;
pub(super) const SUBACK: u8 = 0x90;
pub(super) const RETAIN: u8 = 0x01;
pub(super) const PUBACK: u8 = 0x40;
pub(super) const PINGREQ: u8 = 0xc0;
pub(super) const PINGRESP: u8 = 0xd0;
pub(super) const DISCONNECT: u8 = 0xe0;

pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const SESSION_EXPIRY: u8 = 0x11;

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
