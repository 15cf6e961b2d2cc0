//! How cost and latency grow with clients, line rate and line size, as tables and as plots.

use crate::compare::{compare, figures};
use crate::plot::{Line, Plot};
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure, number};
use crate::writer::Pace;

/// What grows, and how a run at one point of it looks.
struct Axis {
    file: &'static str,
    heading: &'static str,
    label: &'static str,
    /// What the daemon needs for the largest point.
    options: &'static str,
    points: &'static [f64],
    shape: fn(f64) -> Shape,
}

const AXES: &[Axis] = &[
    Axis {
        file: "clients.svg",
        heading: "Growth with clients, 10 lines/s of 120 bytes",
        label: "clients",
        options: "",
        points: &[1.0, 10.0, 100.0, 1_000.0, 10_000.0],
        shape: |clients| Shape::paced(clients as usize, 10.0, 2.0),
    },
    Axis {
        file: "rate.svg",
        heading: "Growth with the line rate, 10 clients, 120 bytes a line",
        label: "lines a second",
        options: "",
        points: &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0],
        shape: |rate| Shape::paced(10, rate, if rate < 10.0 { 4.0 } else { 1.5 }),
    },
    Axis {
        file: "size.svg",
        heading: "Growth with the line size, 10 clients, at most 100 lines/s and 20 MB/s",
        label: "bytes a line",
        // By default a line of more than 128 KiB comes in pieces, which are lines of their own.
        options: "--max-line 1048576",
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

/// All three axes.
pub(super) fn run(session: &mut Session) {
    for axis in AXES {
        grow(session, axis);
    }
}

fn grow(session: &mut Session, axis: &Axis) {
    let subjects = [Subject::floor(), Subject::daemon(axis.options)];
    let mut cpu_us = [Vec::new(), Vec::new()];
    let mut p99_us = [Vec::new(), Vec::new()];
    let columns = [
        axis.label,
        "floor: CPU us a line",
        "p99 us",
        "tailcast: CPU us a line",
        "p99 us",
    ];
    let mut table = Table::new(axis.heading, &columns);
    for &point in axis.points {
        let all = compare(
            session,
            &subjects,
            &(axis.shape)(point),
            session.growth_repeats(),
        );
        let cpu = figures(&all, Outcome::cpu_us_per_line);
        let p99 = figures(&all, Outcome::p99_us);
        let mut row = vec![number(point)];
        for index in 0..subjects.len() {
            // Lines too short for a stamp have no latency.
            let p99 = p99[index].filter(|p99| p99.value > 0.0);
            row.extend([figure(cpu[index], Aim::None), figure(p99, Aim::None)]);
            cpu_us[index].extend(cpu[index].map(|cpu| (point, cpu.value)));
            p99_us[index].extend(p99.map(|p99| (point, p99.value)));
        }
        table.row(row);
    }
    table.print();
    let lines = |points: [Vec<(f64, f64)>; 2]| {
        let named = subjects.iter().zip(points);
        named
            .map(|(subject, points)| Line {
                name: subject.name.clone(),
                points,
            })
            .collect()
    };
    let panels = [
        ("server CPU us a delivered line", lines(cpu_us)),
        ("p99 us from append to receipt", lines(p99_us)),
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
