//! The session without a socket: a broker's bytes in, ours out.

use proptest::prelude::*;

use std::time::Duration;

use super::*;
use crate::limits::{ACKNOWLEDGE_WAIT, KEEP_ALIVE_SECONDS, WELCOME_WAIT};
use crate::mqtt::packet::Version;
use crate::mqtt::said::{Connect, Role};

fn connect<'a>() -> Connect<'a> {
    Connect {
        client: "me",
        user: None,
        password: None,
        keep_alive_seconds: KEEP_ALIVE_SECONDS,
        role: Role::Publisher {
            will: ("t", b"offline"),
        },
    }
}

fn greeted(now: Instant) -> Session<u32> {
    Session::new(Conversation::new(Version::Five, &connect(), now))
}

/// A session that the broker has welcomed, with `properties`.
fn open(now: Instant, properties: &[u8]) -> Session<u32> {
    let mut session = greeted(now);
    session
        .conversation
        .has_sent(session.conversation.to_send().len());
    let len = properties.len() as u8;
    let welcome = [&[0x20, 3 + len, 0, 0, len], properties].concat();
    session
        .hears(&welcome, now, &mut |_| panic!("nothing is in flight"))
        .expect("welcome");
    session
}

fn publish(session: &mut Session<u32>, what: u32, now: Instant) {
    session.publish(("t", b"line"), Some("id"), false, what, now);
}

fn acknowledgement(number: u16) -> Vec<u8> {
    [&[0x40, 2][..], &number.to_be_bytes()].concat()
}

#[test]
fn no_more_is_in_flight_than_the_broker_takes() {
    let now = Instant::now();
    let mut session = open(now, &[0x21, 0, 3]);
    for what in 0..3 {
        assert!(session.has_room());
        publish(&mut session, what, now);
    }
    assert!(!session.has_room());
    session
        .hears(&acknowledgement(1), now, &mut |_| {})
        .expect("heard");
    assert!(session.has_room());
}

#[test]
fn a_broker_that_owes_an_answer_too_long_is_taken_for_gone() {
    let now = Instant::now();
    let mut session = greeted(now);
    assert!(session.conversation.ticks(now + WELCOME_WAIT / 2).is_ok());
    assert!(session.conversation.ticks(now + WELCOME_WAIT).is_err());

    let mut session = open(now, &[]);
    let later = now + ACKNOWLEDGE_WAIT * 3;
    assert!(session.conversation.ticks(later).is_ok(), "it owes nothing");
    publish(&mut session, 1, later);
    let dead = later + ACKNOWLEDGE_WAIT;
    assert_eq!(session.conversation.deadline(), dead);
    assert!(session.conversation.ticks(dead).is_err());
}

#[test]
fn a_quiet_connection_is_pinged_as_the_broker_wishes() {
    let now = Instant::now();
    let mut session = open(now, &[0x13, 0, 5]);
    let due = now + Duration::from_secs(5);
    assert_eq!(session.conversation.deadline(), due);
    session
        .conversation
        .ticks(due - Duration::from_millis(1))
        .expect("quiet");
    assert!(session.conversation.to_send().is_empty());
    session.conversation.ticks(due).expect("a ping");
    assert_eq!(session.conversation.to_send(), [0xc0, 0]);
    assert!(
        session.conversation.ticks(due + ACKNOWLEDGE_WAIT).is_err(),
        "no pong"
    );
}

#[test]
fn what_the_broker_refuses_is_trouble_with_its_reason() {
    let now = Instant::now();
    let mut session = greeted(now);
    let refused = session.hears(&[0x20, 3, 0, 0x86, 0], now, &mut |_| {});
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("bad user name or password"), "{text}");

    let mut session = greeted(now);
    let old = session.hears(&[0x20, 2, 0, 1], now, &mut |_| {});
    assert!(old.expect_err("refused").is_of_version());

    let mut session = open(now, &[]);
    publish(&mut session, 1, now);
    let not_taken = session.hears(&[0x40, 4, 0, 1, 0x97, 0], now, &mut |_| {});
    let text = not_taken.expect_err("refused").to_string();
    assert!(text.contains("quota"), "{text}");
}

proptest! {
    /// Whatever the order of the acknowledgements and however they are cut, what is passed on is in order, once each.
    #[test]
    fn acknowledgements_are_passed_on_in_the_order_of_the_messages(
        order in Just((1u16..=20).collect::<Vec<_>>()).prop_shuffle(), cut in 1usize..9, acknowledged in 0usize..=20,
    ) {
        let now = Instant::now();
        let mut session = open(now, &[]);
        for what in 1..=20 {
            publish(&mut session, what, now);
        }
        let bytes: Vec<u8> = order[..acknowledged].iter().flat_map(|&number| acknowledgement(number)).collect();
        let mut heard = Vec::new();
        for part in bytes.chunks(cut) {
            session.hears(part, now, &mut |what| heard.push(what)).expect("heard");
        }
        let whole = (1..=20).take_while(|number| order[..acknowledged].contains(number)).count() as u32;
        prop_assert_eq!(heard, (1..=whole).collect::<Vec<_>>());
        prop_assert_eq!(session.in_flight(), 20 - whole as usize);
    }

    #[test]
    fn any_bytes_are_understood_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let now = Instant::now();
        let mut session = greeted(now);
        let _ = session.hears(&bytes, now, &mut |_| {});
    }
}
