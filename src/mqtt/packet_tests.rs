//! The packets, as the standard has them on the wire.

use proptest::prelude::*;

use super::super::heard::*;
use super::super::said::*;
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
        role: Role::Publisher {
            will: ("t", b"gone"),
        },
    };
    let mut five = Vec::new();
    connect.write(Version::Five, &mut five);
    let body =
        b"\x00\x04MQTT\x05\xee\x00\x1e\x00\x00\x02me\x00\x00\x01t\x00\x04gone\x00\x01u\x00\x01p";
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

#[test]
fn a_subscriber_asks_for_its_session_and_for_topics() {
    let connect = Connect {
        client: "me",
        user: None,
        password: None,
        keep_alive_seconds: 30,
        role: Role::Subscriber { kept_seconds: 600 },
    };
    let (mut five, mut three) = (Vec::new(), Vec::new());
    connect.write(Version::Five, &mut five);
    let body = b"\x00\x04MQTT\x05\x00\x00\x1e\x05\x11\x00\x00\x02\x58\x00\x02me";
    assert_eq!(taken_apart(&five), (CONNECT, &body[..]));
    connect.write(Version::Three, &mut three);
    let body = b"\x00\x04MQTT\x04\x00\x00\x1e\x00\x02me";
    assert_eq!(taken_apart(&three), (CONNECT, &body[..]));
    let subscribe = Subscribe {
        number: 1,
        filter: "a/#",
    };
    let mut five = Vec::new();
    subscribe.write(Version::Five, &mut five);
    let body = b"\x00\x01\x00\x00\x03a/#\x01";
    assert_eq!(taken_apart(&five), (SUBSCRIBE, &body[..]));
}

#[test]
fn what_a_broker_sends_is_read_in_both_versions() {
    let published = |version, flags, body: &[u8]| Published::read(version, flags, body);
    let five = published(Version::Five, 0x02, b"\x00\x03a/b\x00\x07\x02\x01\x00text")
        .expect("well-formed");
    assert_eq!(
        (five.topic.as_str(), five.number, five.retained),
        ("a/b", Some(7), false)
    );
    assert_eq!(five.payload, b"text");
    let three = published(Version::Three, 0x01, b"\x00\x01atext").expect("well-formed");
    assert_eq!(
        (three.topic.as_str(), three.number, three.retained),
        ("a", None, true)
    );
    assert_eq!(three.payload, b"text");
    for body in [
        &b""[..],
        b"\x00\x09a",
        b"\x00\x01a\x00",
        b"\x00\x01a\x00\x01\x09",
    ] {
        assert_eq!(
            published(Version::Five, 0x02, body),
            Err(Malformed),
            "{body:?}"
        );
    }
}
