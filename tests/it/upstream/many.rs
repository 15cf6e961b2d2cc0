//! Many others at once.

use std::thread;

use super::{Daemon, again_on, of, start, text, until};
use crate::support::{Logs, append};

#[test]
fn thirty_others_are_followed_at_once_and_each_goes_on_where_it_was() {
    const OTHERS: usize = 30;
    let logs = Logs::new();
    let log = |n: usize| logs.path(&format!("{n}.log"));
    let other = |n: usize, port: u16| again_on(port, &[], &[text(&log(n))]);
    let mut others: Vec<Option<Daemon>> = (0..OTHERS)
        .map(|n| {
            logs.file(&format!("{n}.log"), format!("1 of {n}\n"));
            Some(other(n, 0))
        })
        .collect();
    let ports: Vec<u16> = others.iter().flatten().map(|other| other.port).collect();
    let files = others.iter().flatten().enumerate();
    let files: Vec<String> = files
        .map(|(n, other)| of(&format!("web{n}"), other))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let hub = start(&[], &files);
    let read = |n: usize| {
        hub.get(&format!(
            "/stream?file=web{n}/{n}.log&follow=false&lines=all"
        ))
        .text()
    };
    let have_all = |lines: usize| {
        (0..OTHERS).all(|n| {
            let wanted: String = (1..=lines).map(|line| format!("{line} of {n}\n")).collect();
            read(n) == wanted
        })
    };
    until("the history of all", || have_all(1));
    let mut client = hub.websocket("/ws?format=json&lines=0");
    // A third of them is killed and comes back.
    for n in (0..OTHERS).step_by(3) {
        others[n] = None;
    }
    for n in 0..OTHERS {
        append(&log(n), format!("2 of {n}\n"));
    }
    thread::scope(|scope| {
        for (n, place) in others.iter_mut().enumerate().step_by(3) {
            let port = ports[n];
            scope.spawn(move || *place = Some(other(n, port)));
        }
    });
    until("what came meanwhile", || have_all(2));
    let mut seen = [0; OTHERS];
    for _ in 0..OTHERS {
        let line = client.json_with("line");
        let (number, of) = line["line"]
            .as_str()
            .and_then(|line| line.split_once(" of "))
            .expect("a line");
        assert_eq!(number, "2");
        seen[of.parse::<usize>().expect("a number")] += 1;
    }
    assert_eq!(seen, [1; OTHERS]);
    let metrics = hub.get("/metrics").text();
    let up = metrics
        .lines()
        .filter(|line| line.starts_with("tailcast_upstream_up{") && line.ends_with(" 1"));
    assert_eq!(up.count(), OTHERS);
}
