//! What clients whose filters are equal are sent.

use super::*;
use crate::serve::delivery::filter::{Filter, Filters, Wanted};
use crate::serve::delivery::wire::Shape;
use crate::source::batch::tests::segment;

fn filter(grep: &str) -> Filter {
    let wanted = Wanted {
        grep: vec![grep.to_owned()],
        ..Wanted::default()
    };
    let filter = Filters::default().compiled(&wanted);
    filter.expect("a filter")
}

fn numbered(count: usize) -> String {
    (0..count).map(|n| format!("{n} is line {n}\n")).collect()
}

/// What is done to a wire.
type With = fn(Wire) -> Wire;

/// Ways in which lines come, each with how its wire is made.
fn wires() -> Vec<(Shape, Framing, With)> {
    let same: With = |wire| wire;
    vec![
        (Shape::Text, Framing::Bare, same),
        (Shape::Text, Framing::Chunked, Wire::gzipped),
        (Shape::SseText, Framing::Chunked, same),
        (Shape::Message, Framing::WebSocket, same),
        (Shape::Batch, Framing::WebSocket, same),
        (
            Shape::Batch,
            Framing::WebSocket,
            Wire::with_deflated_messages,
        ),
        (Shape::Exact, Framing::WebSocket, same),
    ]
}

#[test]
fn clients_with_equal_filters_are_sent_what_each_would_encode_for_itself() {
    for grep in ["7", "no line has that", ""] {
        let filter = filter(grep);
        for (shape, framing, with) in wires() {
            let wire = || with(Wire::new(shape, framing, false, Some(filter.clone())));
            let segment = segment(&numbered(3_000));
            let (first, mut own) = (wire(), wire());
            assert!(!first.shares(&segment), "it is not known what passes");
            let sifted = Sifted::of(&segment, first.filter());
            assert!(first.shares(&segment) && own.shares(&segment));
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            own.encode(&segment, &sifted, &mut bytes, &mut |frame| {
                ends.push((frame.at, frame.line));
            });
            let case = format!("{grep:?} in {shape:?}");
            assert_eq!(first.form(&segment), bytes, "{case}");
            let lines = segment.lines_len();
            assert_eq!(
                first.count(&segment, lines),
                sifted.count(lines as usize),
                "{case}"
            );
            assert_eq!(first.count(&segment, 10), sifted.count(10), "{case}");
            let places = [1, bytes.len() / 2, bytes.len()];
            for at in places.into_iter().filter(|_| !bytes.is_empty()) {
                let wanted = ends.iter().find(|(end, _)| *end >= at).copied();
                assert_eq!(first.frame_end(&segment, at), wanted, "{case}, {at}");
            }
            // Others have nothing of it.
            let plain = with(Wire::new(shape, framing, false, None));
            let mut all = Vec::new();
            let mut encodes = with(Wire::new(shape, framing, false, None));
            encodes.encode(&segment, &Sifted::All, &mut all, &mut |_| {});
            assert_eq!(plain.form(&segment), all, "{case}");
        }
    }
}

#[test]
fn what_passes_the_filter_of_one_client_alone_is_not_kept() {
    let segment = segment(&numbered(10));
    let wire = Wire::new(Shape::Text, Framing::Bare, false, Some(filter("7")));
    Sifted::of(&segment, wire.filter());
    assert!(!wire.shares(&segment));
}
