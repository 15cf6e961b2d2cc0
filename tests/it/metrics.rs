//! `/metrics` counts what happens, in the format and with the names that Prometheus wants.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::http::Answer;
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};

/// The value of the sample that begins with `sample`, which is a name and, where there are any, all its labels.
fn value(text: &str, sample: &str) -> Option<f64> {
    let mut samples = text.lines().filter(|line| !line.starts_with('#'));
    let found = samples.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.map(|value| value.parse().expect("a number"))
}

fn metrics(daemon: &Daemon) -> String {
    daemon.get("/metrics").text()
}

/// Waits until `sample` is `right`.
fn becomes(daemon: &Daemon, sample: &str, right: f64) {
    let mut last = None;
    let came = wait_until(DEADLINE, || {
        last = value(&metrics(daemon), sample);
        last == Some(right)
    });
    assert!(came, "{sample} is {last:?}, not {right}");
}

#[test]
fn they_are_in_the_text_format_and_promtool_has_nothing_against_them() {
    let logs = Logs::new();
    let log = logs.file("a \"quoted\"\\.log", "1\n");
    let daemon = Daemon::follow(&[&log, &logs.path("missing.log")]);
    let _client = daemon.websocket("/ws");
    assert_eq!(daemon.get("/nowhere").status, 404);
    let answer: Answer = daemon.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.field("Content-Type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    let text = answer.text();
    let command = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = command else {
        eprintln!("skipped: promtool is not there (Debian's package prometheus)");
        return;
    };
    let mut stdin = promtool.stdin.take().expect("a pipe");
    stdin.write_all(text.as_bytes()).expect("write to promtool");
    drop(stdin);
    let output = promtool.wait_with_output().expect("an end");
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn every_family_has_help_and_type_and_counters_end_in_total() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let text = metrics(&Daemon::follow(&[&log]));
    let families: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    assert!(families.len() > 15, "{text}");
    for (name, kind) in families {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(name.starts_with("tailcast_") || name == "process_start_time_seconds");
    }
    assert!(value(&text, "process_start_time_seconds") > Some(1.7e9));
    let build = concat!(
        "tailcast_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"}"
    );
    assert_eq!(value(&text, build), Some(1.0));
    assert_eq!(value(&text, "tailcast_max_clients"), Some(1024.0));
}

#[test]
fn lines_and_bytes_are_counted_from_the_start_by_file() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "before\n"), logs.file("b.log", ""));
    let daemon = Daemon::follow(&[&a, &b]);
    append(&a, "1\n22\n333");
    append(&b, "4444\n");
    becomes(&daemon, "tailcast_read_lines_total{file=\"a.log\"}", 2.0);
    becomes(&daemon, "tailcast_read_bytes_total{file=\"a.log\"}", 5.0);
    becomes(&daemon, "tailcast_read_lines_total{file=\"b.log\"}", 1.0);
    becomes(&daemon, "tailcast_file_present{file=\"b.log\"}", 1.0);
}

#[test]
fn rotations_and_truncations_are_counted_by_file() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    std::fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "2\n");
    becomes(&daemon, "tailcast_rotations_total{file=\"a.log\"}", 1.0);
    let file = std::fs::File::options()
        .write(true)
        .open(&log)
        .expect("open the log");
    // Not before the line is read: what is lost by that is told by nobody.
    becomes(&daemon, "tailcast_read_lines_total{file=\"a.log\"}", 1.0);
    file.set_len(0).expect("truncate");
    becomes(&daemon, "tailcast_truncations_total{file=\"a.log\"}", 1.0);
    becomes(&daemon, "tailcast_gaps_total{file=\"a.log\"}", 0.0);
}

#[test]
fn clients_are_counted_by_way_format_and_state() {
    let logs = Logs::new();
    let log = logs.file("a.log", format!("{}\n", "x".repeat(999)).repeat(20_000));
    let daemon = Daemon::follow(&[&log]);
    let clients = |stream: &str, format: &str, state: &str| {
        format!("tailcast_clients{{stream=\"{stream}\",format=\"{format}\",state=\"{state}\"}}")
    };
    let json = daemon.websocket("/ws?format=json&lines=0");
    let batch = daemon.websocket("/ws?format=batch&lines=0");
    becomes(&daemon, &clients("ws", "json", "live"), 1.0);
    becomes(&daemon, &clients("ws", "batch", "live"), 1.0);
    let mut stalls = daemon.connect();
    stalls
        .write_all(b"GET /events?lines=all HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("ask");
    becomes(&daemon, &clients("events", "text", "catching_up"), 1.0);
    assert!(value(&metrics(&daemon), "tailcast_lag_bytes") > Some(1e7));
    drop((json, batch, stalls));
    becomes(&daemon, &clients("ws", "json", "live"), 0.0);
    becomes(&daemon, &clients("events", "text", "catching_up"), 0.0);
    becomes(&daemon, "tailcast_lag_bytes", 0.0);
}

#[test]
fn what_was_delivered_is_kept_when_the_client_is_gone() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::follow(&[&log]);
    let delivered = "tailcast_delivered_bytes_total{stream=\"stream\",format=\"text\"}";
    assert_eq!(value(&metrics(&daemon), delivered), Some(0.0));
    let mut live = daemon.live("/stream");
    assert_eq!(live.line(), "1\n");
    becomes(&daemon, delivered, 2.0);
    append(&log, "22\n");
    assert_eq!(live.line(), "22\n");
    becomes(&daemon, delivered, 5.0);
    drop(live);
    let gone = "tailcast_clients{stream=\"stream\",format=\"text\",state=\"live\"}";
    becomes(&daemon, gone, 0.0);
    assert_eq!(value(&metrics(&daemon), delivered), Some(5.0));
}

#[test]
fn refused_requests_are_counted_by_reason() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\n");
    let daemon = Daemon::with(&["--max-clients", "1"], &[&log]);
    let _taken = daemon.live("/stream");
    assert_eq!(daemon.get("/stream").status, 503);
    assert_eq!(daemon.get("/stream?lines=x").status, 400);
    assert_eq!(daemon.ask("POST", "/stream", &[]).status, 405);
    assert_eq!(daemon.ask("GET", "/ws", &[]).status, 426);
    assert_eq!(
        daemon
            .ask("GET", "/", &["Origin: https://example.org"])
            .status,
        403
    );
    let text = metrics(&daemon);
    for (reason, number) in [
        ("too_many_clients", 1.0),
        ("bad_request", 1.0),
        ("method_not_allowed", 1.0),
        ("upgrade_required", 1.0),
        ("forbidden", 1.0),
        ("not_found", 0.0),
    ] {
        let sample = format!("tailcast_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(value(&text, &sample), Some(number), "{reason}");
    }
}

#[test]
fn a_client_that_is_too_slow_is_counted_as_one_that_catches_up() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::with(&["--queue", "1"], &[&log]);
    let mut stalls = daemon.websocket("/ws");
    append(&log, "1\n");
    assert_eq!(stalls.text(), "1");
    let lines = format!("{}\n", "x".repeat(999)).repeat(100);
    let fell_back = wait_until(DEADLINE, || {
        append(&log, &lines);
        value(&metrics(&daemon), "tailcast_catch_ups_total") >= Some(1.0)
    });
    assert!(fell_back);
    let text = metrics(&daemon);
    assert!(value(&text, "tailcast_rounds_total") >= Some(1.0));
    assert!(value(&text, "tailcast_batches_total") >= Some(1.0));
}

#[test]
fn a_token_that_is_limited_to_a_file_is_told_nothing_of_the_others() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", ""), logs.file("b.log", ""));
    let tokens = logs.file("tokens", "limited-to-one-file file=a.log\n");
    let tokens = tokens.to_str().expect("a path in UTF-8");
    let daemon = Daemon::with(&["--token-file", tokens], &[&a, &b]);
    let text = daemon.get("/metrics?token=limited-to-one-file").text();
    let present = |file: &str| value(&text, &format!("tailcast_file_present{{file=\"{file}\"}}"));
    assert_eq!((present("a.log"), present("b.log")), (Some(1.0), None));
    assert!(!text.contains("b.log"));
    // Nor by what is added up over all of them.
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for family in families {
        let is_own = family.starts_with("process_") || family.starts_with("tailcast_build_info");
        let name = family.split(' ').next().expect("a name");
        assert!(
            is_own || text.contains(&format!("{name}{{file=\"a.log\"}}")),
            "{family}"
        );
    }
    assert_eq!(daemon.get("/metrics").status, 401);
}
