//! Live delivery: what a line costs the server, and how long it takes.

use crate::compare::{Series, compare, figures};
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure};

/// One client feels every microsecond between an append and its receipt.
pub(super) fn latency(session: &mut Session) {
    let shape = Shape::paced(1, 100.0, session.seconds(4.0));
    let all = compare(
        session,
        &[Subject::floor(), Subject::daemon("")],
        &shape,
        session.repeats,
    );
    let p50 = figures(&all, Outcome::p50_us);
    let p99 = figures(&all, Outcome::p99_us);
    let mut table = Table::new("1 client, 100 lines/s", &["", "p50 us", "p99 us"]);
    for (index, series) in all.iter().enumerate() {
        let [aim_p50, aim_p99] = if index == 0 {
            [Aim::None; 2]
        } else {
            [Aim::Ratio(1.15), Aim::Ratio(1.5)]
        };
        table.row(vec![
            series.name.clone(),
            figure(p50[index], aim_p50),
            figure(p99[index], aim_p99),
        ]);
    }
    table.print();
}

/// A subject with what its CPU time a line and its p99 should not exceed.
struct Row(Subject, Aim, Aim);

/// Many clients: each line is as many writes, unless lines share one.
pub(super) fn fanout(session: &mut Session) {
    let floor = |subject| Row(subject, Aim::None, Aim::None);
    let prompt = || {
        Row(
            Subject::daemon("--max-delay 0"),
            Aim::Ratio(1.05),
            Aim::Ratio(1.25),
        )
    };
    let usual = || Row(Subject::daemon(""), Aim::Ratio(0.7), Aim::Ratio(3.0));
    let rows = [
        floor(Subject::floor()),
        floor(Subject::floor_waiting_ms(2)),
        floor(Subject::floor_waiting_ms(5)),
        prompt(),
        usual(),
        Row(
            Subject::daemon("--max-delay 5"),
            Aim::Ratio(0.4),
            Aim::Value(10_000.0),
        ),
    ];
    let shape = Shape::paced(100, 1_000.0, session.seconds(2.0));
    fanout_table(session, "100 clients x 1,000 lines/s", &rows, &shape);
    let rows = [
        floor(Subject::floor()),
        floor(Subject::floor_waiting_ms(50)),
        prompt(),
        usual(),
        Row(
            Subject::daemon("--max-delay 50"),
            Aim::Ratio(0.35),
            Aim::None,
        ),
    ];
    let shape = Shape::paced(1_000, 100.0, session.seconds(2.0));
    fanout_table(session, "1,000 clients x 100 lines/s", &rows, &shape);
}

fn fanout_table(session: &mut Session, heading: &str, rows: &[Row], shape: &Shape) {
    let subjects: Vec<Subject> = rows.iter().map(|row| row.0.clone()).collect();
    let all = compare(session, &subjects, shape, session.repeats);
    let cpu = figures(&all, Outcome::cpu_us_per_line);
    let p50 = figures(&all, Outcome::p50_us);
    let p99 = figures(&all, Outcome::p99_us);
    let mut table = Table::new(heading, &["", "CPU us a line", "p50 us", "p99 us"]);
    for (index, (series, Row(_, aim_cpu, aim_p99))) in all.iter().zip(rows).enumerate() {
        table.row(vec![
            series.name.clone(),
            figure(cpu[index], *aim_cpu),
            figure(p50[index], Aim::None),
            figure(p99[index], *aim_p99),
        ]);
    }
    table.print();
}

/// Nothing but bytes: lines come as fast as the writer makes them.
pub(super) fn flat_out(session: &mut Session) {
    /// To 100 clients: 1.2 GB a run.
    const LINES: u64 = 100_000;
    let lines = (LINES as f64 * session.stretch) as u64;
    let shape = Shape::flat_out(100, lines);
    let all: Vec<Series> = compare(
        session,
        &[
            Subject::floor(),
            Subject::floor_unbounded(),
            Subject::daemon(""),
        ],
        &shape,
        session.repeats,
    );
    let cpu = figures(&all, Outcome::cpu_s_per_gb);
    let rate = figures(&all, |outcome| {
        outcome.live.bytes as f64 / 1e9 / outcome.live.took.as_secs_f64()
    });
    let gigabytes = lines as f64 * shape.line_bytes as f64 * shape.clients as f64 / 1e9;
    let heading = format!("100 clients, {gigabytes:.1} GB flat out");
    let mut table = Table::new(&heading, &["", "CPU s a GB", "GB/s"]);
    for (index, series) in all.iter().enumerate() {
        let is_floor = index + 1 < all.len();
        let aim = if is_floor { Aim::None } else { Aim::Ratio(1.2) };
        table.row(vec![
            series.name.clone(),
            figure(cpu[index], aim),
            figure(rate[index], Aim::None),
        ]);
    }
    table.print();
}
