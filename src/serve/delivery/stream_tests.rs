//! What is a sign of life of a peer that is slow.

use std::io::Read;

use super::*;
use crate::serve::delivery::peer::tests::rig;

#[test]
fn who_takes_something_of_a_socket_that_stays_full_shows_that_it_lives() {
    let mut rig = rig(1).live();
    let hub = &rig.published.hub;
    let shared = Shared {
        hub: Arc::clone(hub),
        turnstile: Turnstile::new(1),
        streams: Arc::new(Streams::new(Arc::clone(hub), 1, false)),
        queue_batches: 2,
        ping_interval: Duration::from_secs(20),
    };
    let place = shared.streams.place().expect("a place");
    let mut stream = Stream::new(&shared, (place, None), Arc::clone(&rig.peer), true);
    rig.published.publish(12);
    let is_full = |stream: &Stream<'_>| {
        stream.peer.carry_here().expect("it is there");
        stream.peer.link.lock().state() == State::Full
    };
    assert!(is_full(&stream));
    let now = Some(Instant::now());
    stream.wait_for_room(now).expect("it stays");
    let begun = stream.sign;
    // Nothing is taken.
    assert!(is_full(&stream));
    stream.wait_for_room(now).expect("it stays");
    assert_eq!(stream.sign, begun);
    // A little is, and the socket is full again before anybody looks.
    rig.far.set_nonblocking(true).expect("not blocking");
    let mut buf = vec![0; 1 << 16];
    while rig.far.read(&mut buf).is_ok() {}
    assert!(is_full(&stream));
    stream.wait_for_room(now).expect("it stays");
    assert!(stream.sign > begun);
}
