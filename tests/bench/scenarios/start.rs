//! The program itself: its size, and how soon it listens.

use std::fs;

use crate::compare::median;
use crate::run::Log;
use crate::session::Session;
use crate::subject::{DAEMON, Subject};
use crate::table::{Aim, Table, value};

/// Both.
pub(super) fn run(_: &mut Session) {
    const STARTS: usize = 15;
    let log = Log::new();
    let bytes = fs::metadata(DAEMON).expect("the built program").len();
    let mut table = Table::new("The program", &["", "MiB on disk", "ms to listening"]);
    let subject = Subject::daemon("");
    let starts = (0..STARTS).map(|_| {
        let server = subject
            .start(std::slice::from_ref(&log.path), 0)
            .expect("the daemon starts");
        server.started_in.as_secs_f64() * 1e3
    });
    table.row(vec![
        subject.name.clone(),
        value(bytes as f64 / 1024.0 / 1024.0, Aim::None),
        value(median(starts.collect()), Aim::None),
    ]);
    table.print();
}
