//! Other programs of this kind under the same load as the floor and the daemon.

use crate::compare::{compare, figures};
use crate::peers::Peer;
use crate::run::{Outcome, Shape};
use crate::session::Session;
use crate::subject::Subject;
use crate::table::{Aim, Table, figure, number};

/// Each installed peer; the others are named.
#[expect(clippy::print_stdout, reason = "versions stand above the tables")]
pub(super) fn run(session: &mut Session) {
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
    let paced = |clients, rate| Shape::paced(clients, rate, 2.0);
    let one = Shape::paced(1, 100.0, session.seconds(3.0));
    table(session, "1 client, 100 lines/s", &subjects, &one);
    table(
        session,
        "100 clients x 1,000 lines/s",
        &subjects,
        &paced(100, 1_000.0),
    );
    table(
        session,
        "1,000 clients x 100 lines/s",
        &subjects,
        &paced(1_000, 100.0),
    );
    table(
        session,
        "100 clients, 0.2 GB flat out",
        &subjects,
        &Shape::flat_out(100, 20_000),
    );
}

fn table(session: &mut Session, heading: &str, subjects: &[Subject], shape: &Shape) {
    let columns = [
        "",
        "CPU us a line",
        "CPU s a GB",
        "p50 us",
        "p99 us",
        "KiB a client",
        "base MiB",
        "faults",
    ];
    let mut table = Table::new(heading, &columns);
    let all = compare(session, subjects, shape, session.repeats);
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
                row.extend(
                    figures
                        .iter()
                        .map(|figures| figure(figures[index], Aim::None)),
                );
                let last = outcomes.last().expect("at least one repeat");
                let [bare, joined, _] = last.resident_kib;
                row.push(number((joined as f64 - bare as f64) / shape.clients as f64));
                row.push(number(bare as f64 / 1024.0));
                let (lost, again) = outcomes
                    .iter()
                    .map(Outcome::faults)
                    .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                row.push(if lost + again == 0 {
                    "none".to_owned()
                } else {
                    format!("{lost} lost, {again} again")
                });
            }
        }
        table.row(row);
    }
    table.print();
}
