//! Other programs of this kind under the same load as the floor and the daemon.

use crate::compare::{compare, figures};
use crate::peers::Peer;
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure, number};

/// One client.
pub(super) fn one(session: &mut Session) {
    let shape = Shape::paced(1, 100.0, session.seconds(3.0));
    table(session, "1 client, 100 lines/s", &shape);
}

/// Many lines.
pub(super) fn hundred(session: &mut Session) {
    let shape = Shape::paced(100, 1_000.0, 2.0);
    table(session, "100 clients x 1,000 lines/s", &shape);
}

/// Many clients.
pub(super) fn thousand(session: &mut Session) {
    let shape = Shape::paced(1_000, 100.0, 2.0);
    table(session, "1,000 clients x 100 lines/s", &shape);
}

/// As fast as it goes.
pub(super) fn flat_out(session: &mut Session) {
    let shape = Shape::flat_out(100, 20_000);
    table(session, "100 clients, 0.2 GB flat out", &shape);
}

/// The floor, the daemon, and each installed peer; the others are named.
#[expect(clippy::print_stdout, reason = "versions stand above the tables")]
fn subjects() -> Vec<Subject> {
    let mut subjects = vec![Subject::floor(), Subject::daemon("")];
    println!();
    for peer in Peer::ALL {
        match peer.missing() {
            Some(package) => println!("skipped: {} ({package} is not installed)", peer.name()),
            None => {
                println!("measured: {} ({})", peer.name(), peer.version());
                subjects.push(Subject::peer(peer));
            }
        }
    }
    subjects
}

fn table(session: &mut Session, heading: &str, shape: &Shape) {
    let columns = [
        "",
        "faults",
        "CPU us a line",
        "CPU s a GB",
        "p50 us",
        "p99 us",
        "KiB a client",
        "base MiB",
    ];
    let mut table = Table::new(heading, &columns);
    let all = compare(session, &subjects(), shape, session.repeats);
    let reads: [fn(&Outcome) -> f64; 4] = [
        Outcome::cpu_us_per_line,
        Outcome::cpu_s_per_gb,
        Outcome::p50_us,
        Outcome::p99_us,
    ];
    let figures = reads.map(|read| figures(&all, read));
    for (index, series) in all.iter().enumerate() {
        let mut row = vec![series.name.clone()];
        match &series.outcomes {
            Err(refusal) => row.push(format!("not measured ({refusal})")),
            Ok(outcomes) => {
                let (lost, again) = outcomes
                    .iter()
                    .map(Outcome::faults)
                    .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                let faults = format!("{lost} lost, {again} again");
                if lost + again > 0 {
                    // What the others cost a line means nothing.
                    row.push(faults);
                    table.row(row);
                    continue;
                }
                let last = outcomes.last().expect("at least one repeat");
                let [bare, joined, _] = last.resident_kib;
                row.push("none".to_owned());
                row.extend(
                    figures
                        .iter()
                        .map(|figures| figure(figures[index], Aim::None)),
                );
                row.push(number((joined as f64 - bare as f64) / shape.clients as f64));
                row.push(number(bare as f64 / 1024.0));
            }
        }
        table.row(row);
    }
    table.print();
}
