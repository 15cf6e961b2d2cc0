//! How cost and latency grow with clients, line rate and line size, as tables and as plots.

use crate::plot::{Line, Plot};
use crate::run::{self, Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, number, value};
use crate::writer::Pace;

/// What grows, and how a run at one point of it looks.
struct Axis {
    file: &'static str,
    heading: &'static str,
    label: &'static str,
    points: &'static [f64],
    shape: fn(f64) -> Shape,
}

const AXES: &[Axis] = &[
    Axis {
        file: "clients.svg",
        heading: "Growth with clients, 10 lines/s of 120 bytes",
        label: "clients",
        points: &[1.0, 10.0, 100.0, 1_000.0, 10_000.0],
        shape: |clients| Shape::paced(clients as usize, 10.0, 2.0),
    },
    Axis {
        file: "rate.svg",
        heading: "Growth with the line rate, 10 clients, 120 bytes a line",
        label: "lines a second",
        points: &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0],
        shape: |rate| Shape::paced(10, rate, if rate < 10.0 { 4.0 } else { 1.5 }),
    },
    Axis {
        file: "size.svg",
        heading: "Growth with the line size, 10 clients, at most 100 lines/s and 20 MB/s",
        label: "bytes a line",
        points: &[10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_048_576.0],
        shape: |bytes| {
            let rate = (20e6 / bytes).min(100.0);
            Shape {
                line_bytes: bytes as usize,
                pace: Pace::LinesPerS(rate),
                ..Shape::paced(10, rate, 1.5)
            }
        },
    },
];

/// The two curves of each plot.
struct Curves {
    subject: Subject,
    cpu_us: Vec<(f64, f64)>,
    p99_us: Vec<(f64, f64)>,
}

/// All three axes.
pub(super) fn run(session: &mut Session) {
    for axis in AXES {
        grow(session, axis);
    }
}

fn grow(session: &mut Session, axis: &Axis) {
    let mut all = [Subject::floor(), Subject::daemon("")].map(|subject| Curves {
        subject,
        cpu_us: Vec::new(),
        p99_us: Vec::new(),
    });
    let columns = [
        axis.label,
        "floor: CPU us a line",
        "p99 us",
        "tailcast: CPU us a line",
        "p99 us",
    ];
    let mut table = Table::new(axis.heading, &columns);
    for &point in axis.points {
        let shape = (axis.shape)(point);
        let mut row = vec![number(point)];
        for curves in &mut all {
            match run::run(&curves.subject, &shape) {
                Err(refusal) => {
                    session.fault(format!("{} {}: {refusal}", axis.label, number(point)))
                }
                Ok(outcome) => {
                    session.note_faults(&curves.subject, &shape, outcome.faults());
                    row.extend(cells(&outcome));
                    curves.cpu_us.push((point, outcome.cpu_us_per_line()));
                    if outcome.live.p99_ns > 0 {
                        curves.p99_us.push((point, outcome.p99_us()));
                    }
                }
            }
        }
        table.row(row);
    }
    table.print();
    let lines = |pick: fn(&Curves) -> &Vec<(f64, f64)>| {
        all.iter()
            .map(|curves| Line {
                name: curves.subject.name.clone(),
                points: pick(curves).clone(),
            })
            .collect()
    };
    let panels = [
        (
            "server CPU us a delivered line",
            lines(|curves| &curves.cpu_us),
        ),
        (
            "p99 us from append to receipt",
            lines(|curves| &curves.p99_us),
        ),
    ];
    let plot = Plot {
        heading: axis.heading,
        x_label: axis.label,
        panels,
    };
    if let Err(why) = plot.write(&session.plots.join(axis.file)) {
        session.fault(format!("plot {}: {why}", axis.file));
    }
}

fn cells(outcome: &Outcome) -> [String; 2] {
    let p99 = if outcome.live.p99_ns > 0 {
        value(outcome.p99_us(), Aim::None)
    } else {
        "-".to_owned()
    };
    [value(outcome.cpu_us_per_line(), Aim::None), p99]
}
