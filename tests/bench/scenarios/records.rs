//! What containers say, beside the same lines of a plain file.

use crate::compare::{Figure, compare, figures};
use crate::line::Stored;
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure};

const FILES: &[(&str, Stored)] = &[
    ("plain", Stored::Plain),
    ("Docker's JSON", Stored::Docker),
    ("CRI", Stored::Cri),
];

/// At most so many times the CPU time of plain lines.
const RATIO_MAX: f64 = 1.3;

/// Each kind of file in turn, at a pace and as fast as it goes.
pub(super) fn run(session: &mut Session) {
    let paced = Shape::paced(100, 1_000.0, session.seconds(2.0));
    let flat = Shape::flat_out(100, 100_000);
    let mut table = Table::new(
        "Containers' lines, 100 clients",
        &["", "1,000 lines/s: CPU us a line", "flat out: CPU s a GB"],
    );
    let mut first: Option<[f64; 2]> = None;
    for &(name, stored) in FILES {
        let read: [fn(&Outcome) -> f64; 2] = [Outcome::cpu_us_per_line, Outcome::cpu_s_per_gb];
        let mut cells = vec![name.to_owned()];
        let mut values = [0.0; 2];
        for (n, shape) in [&paced, &flat].into_iter().enumerate() {
            let shape = Shape {
                stored,
                ..shape.clone()
            };
            let repeats = session.repeats;
            let runs = compare(session, &[Subject::daemon("")], &shape, repeats);
            values[n] = figures(&runs, read[n])[0].map_or(f64::NAN, |it| it.value);
        }
        let plain = *first.get_or_insert(values);
        for (value, plain) in values.into_iter().zip(plain) {
            let ratio = value / plain;
            cells.push(figure(Some(Figure { value, ratio }), Aim::Ratio(RATIO_MAX)));
        }
        table.row(cells);
    }
    table.print();
}
