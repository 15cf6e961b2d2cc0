//! What a gzip member promises, whatever its payloads.

use std::io::Read;

use proptest::prelude::*;

use crate::serve::delivery::filter::Sifted;
use crate::serve::delivery::wire::{Framing, Shape, Wire};
use crate::source::Segment;
use crate::source::batch::tests::segment;

use super::*;

/// Text, noise, and what is longer than a stored block.
fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = |len| proptest::collection::vec(any::<u8>(), len);
    let payload = prop_oneof![
        "[a-c ]{0,2000}".prop_map(String::into_bytes),
        noise(0..200),
        noise(STORED_BYTES_MAX - 2..STORED_BYTES_MAX + 70_000),
        (1..70_000_usize).prop_map(|len| b"0123456789".repeat(len / 10 + 1)),
    ];
    proptest::collection::vec(payload, 0..6)
}

fn run(gzip: &mut Gzip, payload: &[u8]) -> Vec<u8> {
    let mut run = Vec::new();
    gzip.run(payload, |bytes| run.extend_from_slice(bytes));
    run
}

/// What `member` holds, by another implementation, which checks the trailer as well.
fn decoded(member: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut decoder = flate2::bufread::GzDecoder::new(member);
    decoder.read_to_end(&mut bytes).expect("a gzip member");
    assert!(decoder.into_inner().is_empty(), "nothing follows it");
    bytes
}

fn member(gzip: &Gzip, runs: &[Vec<u8>]) -> Vec<u8> {
    [Gzip::header(), &runs.concat(), &gzip.trailer()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_run_stands_behind_any_other(payloads in payloads(), turn in 0..6_usize) {
        let mut first = Gzip::new();
        let mut runs: Vec<_> = payloads.iter().map(|payload| run(&mut first, payload)).collect();
        prop_assert_eq!(decoded(&member(&first, &runs)), payloads.concat());
        // Another client comes in at another place.
        let mut payloads = payloads;
        let turn = turn.min(runs.len());
        runs.rotate_left(turn);
        payloads.rotate_left(turn);
        let mut second = Gzip::new();
        for (payload, made) in payloads.iter().zip(&runs) {
            prop_assert_eq!(&run(&mut second, payload), made, "it is always the same");
            prop_assert!(made.len() <= stored_bytes(payload.len()));
            // What a sync flush ends with: some decoders hand out nothing before it.
            prop_assert!(made.ends_with(&[0, 0, 0xff, 0xff]));
        }
        prop_assert_eq!(decoded(&member(&second, &runs)), payloads.concat());
    }

    #[test]
    fn what_is_not_sent_is_not_in_the_sum(payloads in payloads(), kept in 0..6_usize) {
        let mut gzip = Gzip::new();
        let mut sum = gzip.sum;
        let mut runs = Vec::new();
        for (n, payload) in payloads.iter().enumerate() {
            runs.push(run(&mut gzip, payload));
            if n < kept {
                sum = gzip.sum;
            }
        }
        let kept = kept.min(runs.len());
        gzip.sum = sum;
        prop_assert_eq!(decoded(&member(&gzip, &runs[..kept])), payloads[..kept].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn a_message_is_deflated_only_where_that_is_shorter_and_reads_back(payloads in payloads()) {
        let messages = Messages::new();
        for payload in payloads {
            let (mut sent, mut deflated) = (Vec::new(), false);
            messages.message(&payload, |bytes, is_deflated| {
                sent = bytes.to_vec();
                deflated = is_deflated;
            });
            if deflated {
                prop_assert!(sent.len() < payload.len() && payload.len() >= 512);
                sent.extend([0, 0, 0xff, 0xff]);
                let mut read = Vec::new();
                let mut decoder = flate2::write::DeflateDecoder::new(&mut read);
                std::io::Write::write_all(&mut decoder, &sent).expect("deflated");
                std::io::Write::flush(&mut decoder).expect("deflated");
                drop(decoder);
                prop_assert_eq!(read, payload);
            } else {
                prop_assert_eq!(sent, payload);
            }
        }
    }
}

fn numbered(count: usize) -> Segment {
    let text: String = (0..count).map(|n| format!("{n} is line {n}\n")).collect();
    segment(&text)
}

#[test]
fn the_frame_that_is_half_sent_is_found_in_the_deflated_bytes() {
    for (shape, count) in [
        (Shape::Text, 1),
        (Shape::Text, 9000),
        (Shape::SseText, 2000),
        (Shape::Batch, 1),
        (Shape::Batch, 20_000),
        (Shape::Json, 10),
    ] {
        let segment = numbered(count);
        let wire = || match shape {
            Shape::Batch | Shape::Json => {
                Wire::new(shape, Framing::WebSocket, false, None).with_deflated_messages()
            }
            _ => Wire::new(shape, Framing::Chunked, false, None).gzipped(),
        };
        let (wire, mut again) = (wire(), wire());
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        again.encode(&segment, &Sifted::All, &mut bytes, &mut |frame| {
            ends.push((frame.at, frame.line));
        });
        assert_eq!(wire.form(&segment), bytes);
        assert!(count == 1 || ends.len() > 5, "{ends:?}");
        let near = |at: &usize| [at.saturating_sub(1), *at, at + 1];
        let places = ends.iter().flat_map(|(end, _)| near(end));
        for at in places.chain(0..30) {
            let wanted = ends.iter().find(|(end, _)| *end >= at).copied();
            assert_eq!(wire.frame_end(&segment, at), wanted, "{at}");
        }
    }
}
