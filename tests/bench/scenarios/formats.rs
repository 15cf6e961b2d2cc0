//! The other formats, and a client that encodes for itself since it filters.

use crate::compare::{Series, compare, figures};
use crate::load::Wire;
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure};

const STREAMS: &[(&str, &str, Wire)] = &[
    ("/ws", "/ws?lines=all", Wire::WsText),
    ("/ws?format=json", "/ws?lines=all&format=json", Wire::WsAny),
    (
        "/ws?format=batch",
        "/ws?lines=all&format=batch",
        Wire::WsAny,
    ),
    ("/ws?grep=x", "/ws?lines=all&grep=x", Wire::WsText),
    ("/events", "/events?lines=all", Wire::Http),
    (
        "/events?format=json",
        "/events?lines=all&format=json",
        Wire::Http,
    ),
    ("/events, gzip", "/events?lines=all", Wire::HttpGzip),
    ("/stream", "/stream?lines=all", Wire::Http),
    ("/stream, gzip", "/stream?lines=all", Wire::HttpGzip),
    ("/stream?grep=x", "/stream?lines=all&grep=x", Wire::Http),
];

/// Each stream beside the floor of its own moment.
pub(super) fn run(session: &mut Session) {
    let mut table = Table::new(
        "Formats, 100 clients x 1,000 lines/s",
        &["", "CPU us a line", "bytes a line", "p50 us", "p99 us"],
    );
    let usual = Shape::paced(100, 1_000.0, session.seconds(1.0));
    for &(name, target, wire) in STREAMS {
        let floor = compare(session, &[Subject::floor()], &usual, 1);
        let shape = Shape {
            target: Some(target),
            wire,
            ..usual.clone()
        };
        let daemon = compare(session, &[Subject::daemon("")], &shape, 1);
        let all: Vec<Series> = floor.into_iter().chain(daemon).collect();
        if let Err(refusal) = &all[1].outcomes {
            table.row(vec![name.to_owned(), format!("not there ({refusal})")]);
            continue;
        }
        let cell = |read: fn(&Outcome) -> f64| figure(figures(&all, read)[1], Aim::None);
        let cells = [
            cell(Outcome::cpu_us_per_line),
            cell(Outcome::bytes_per_line),
            cell(Outcome::p50_us),
            cell(Outcome::p99_us),
        ];
        table.row(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    table.print();
}
