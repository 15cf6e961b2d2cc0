//! What a broker's reason codes say, in words for the log.

use super::packet::Version;

/// What a reason code says (MQTT 5, section 2.4; MQTT 3.1.1, section 3.2.2.3), as far as a publisher can meet it.
pub(crate) fn in_words(version: Version, code: u8) -> String {
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
