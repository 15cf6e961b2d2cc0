//! How fast it is, beside `mosquitto_pub -l` in the same run.

use std::fs::File;
use std::process::Command;
use std::time::Instant;

use crate::broker::Broker;
use crate::subscriber::{Inbox, Subscriber};
use crate::support::Logs;
use crate::{PATIENCE, publisher, write_lines};

#[test]
fn it_publishes_at_least_as_fast_as_mosquitto_pub() {
    const LINES: usize = 100_000;
    // It takes some ms for each line.
    const LINES_OF_PEER: usize = 5_000;
    let logs = Logs::new();
    let broker = Broker::mosquitto(&logs.path(""), "");
    let measure =
        |name: &str,
         lines: usize,
         start: &mut dyn FnMut(&std::path::Path) -> Box<dyn std::any::Any>| {
            let log = logs.file(&format!("{name}.log"), "");
            write_lines(&log, 0..lines);
            let inbox = Inbox::default();
            let _subscriber =
                Subscriber::start(broker.port, "mqttv5", &format!("logs/+/{name}.log"), &inbox);
            let began = Instant::now();
            let running = start(&log);
            inbox.until(PATIENCE, &format!("line {:07}", lines - 1));
            let rate = lines as f64 / began.elapsed().as_secs_f64();
            drop(running);
            println!("{name:>14}: {rate:>9.0} lines/s");
            rate
        };
    let port = broker.port.to_string();
    let peer = measure("mosquitto_pub", LINES_OF_PEER, &mut |log| {
        let published = Command::new("mosquitto_pub")
            .args([
                "-p",
                &port,
                "-V",
                "mqttv5",
                "-q",
                "1",
                "-t",
                "logs/h/mosquitto_pub.log",
                "-l",
            ])
            .stdin(File::open(log).expect("open a log"))
            .status()
            .expect("start mosquitto_pub");
        assert!(published.success());
        Box::new(())
    });
    let mut rates = Vec::new();
    for format in ["text", "json", "batch"] {
        rates.push(measure(format, LINES, &mut |log| {
            let options = ["--publish-from-start", "--publish-format", format];
            Box::new(publisher(log, broker.port, &options))
        }));
    }
    assert!(rates[2] > peer, "batches are slower than a line a message");
}
