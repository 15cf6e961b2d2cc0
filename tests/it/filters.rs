//! Query parameters: how they are decoded, and what `grep`, `exclude` and `ignore_case` let through.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};

const LINES: &str = "one\nTwo\r\nthree+3\nfour 4\n";

fn daemon(logs: &Logs) -> Daemon {
    Daemon::follow(&[&logs.file("a.log", LINES)])
}

/// The history that `query` lets through.
fn history(daemon: &Daemon, query: &str) -> String {
    let answer = daemon.get(&format!("/stream?follow=false&{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.text()
}

#[test]
fn values_are_percent_decoded_and_a_plus_is_a_space() {
    let logs = Logs::new();
    let daemon = Daemon::follow(&[&logs.file("a b+\u{e9}.log", LINES)]);
    for name in ["a+b%2B%C3%A9.log", "a%20b%2b%c3%a9.log"] {
        assert_eq!(
            history(&daemon, &format!("file={name}&lines=1")),
            "four 4\n"
        );
    }
    assert_eq!(history(&daemon, "grep=four+4"), "four 4\n");
    assert_eq!(history(&daemon, "grep=four%204"), "four 4\n");
    assert_eq!(history(&daemon, "grep=%5C%2B3"), "three+3\n");
    assert_eq!(history(&daemon, "l%69nes=%31"), "four 4\n");
    // As curl sends it where nobody has encoded it.
    assert_eq!(history(&daemon, "grep=one|four"), "one\nfour 4\n");
}

#[test]
fn a_value_that_is_not_utf_8_is_400_and_an_unknown_parameter_is_ignored() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    for path in ["/stream", "/events"] {
        for query in [
            "grep=%ff",
            "exclude=%C3",
            "file=a%80",
            "lines=%ff",
            "after=%fe",
            "grep=%",
        ] {
            let answer = daemon.get(&format!("{path}?{query}"));
            assert_eq!(answer.status, 400, "{path}?{query}");
        }
    }
    let unknown = "x=%ff&colour=blue&%zz=1&LINES=9&&=&token=%ff";
    assert_eq!(history(&daemon, &format!("lines=1&{unknown}")), "four 4\n");
}

#[test]
fn of_a_parameter_that_has_one_value_the_last_one_counts() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    assert_eq!(history(&daemon, "lines=all&lines=1"), "four 4\n");
    assert_eq!(
        history(&daemon, "grep=t&ignore_case=false&ignore_case=true"),
        "Two\r\nthree+3\n"
    );
}

#[test]
fn all_of_grep_and_none_of_exclude_must_match() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    for (query, expected) in [
        ("grep=o", "one\nTwo\r\nfour 4\n"),
        ("grep=o&grep=%5E.o", "four 4\n"),
        ("exclude=o", "three+3\n"),
        ("exclude=o&exclude=3", ""),
        ("grep=o&exclude=4", "one\nTwo\r\n"),
        ("grep=TWO", ""),
        ("grep=TWO&ignore_case=true", "Two\r\n"),
        ("exclude=TWO&ignore_case=true", "one\nthree+3\nfour 4\n"),
        // The ending is no part of the line.
        ("grep=two$&ignore_case=true", "Two\r\n"),
        ("grep=", LINES),
    ] {
        assert_eq!(history(&daemon, query), expected, "{query}");
    }
}

#[test]
fn every_stream_filters_what_it_has_and_what_comes() {
    let logs = Logs::new();
    let log = logs.file("a.log", "x1\n2\n");
    let daemon = Daemon::follow(&[&log]);
    let mut text = daemon.websocket("/ws?grep=x");
    let mut json = daemon.websocket("/ws?grep=x&format=json");
    let mut batch = daemon.websocket("/ws?grep=x&format=batch");
    let mut events = daemon.live("/events?grep=x");
    assert_eq!(events.field("event"), "start");
    drop(events.field("data"));
    let mut stream = daemon.live("/stream?grep=x");
    for expected in ["x1", "x4"] {
        assert_eq!(text.text(), expected);
        assert_eq!(json.json_with("line")["line"], expected);
        assert_eq!(
            batch.json_with("lines")["lines"],
            serde_json::json!([expected])
        );
        assert_eq!(events.field("data"), expected);
        assert_eq!(stream.line().trim_end(), expected);
        append(&log, "3\nx4\n5\n");
    }
}

#[test]
fn the_headers_of_several_files_are_of_lines_that_pass() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "x1\n"), logs.file("b.log", "2\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    assert_eq!(history(&daemon, "grep=x"), "==> a.log <==\nx1\n");
    let mut live = daemon.live("/stream?grep=x");
    assert_eq!([live.line(), live.line()], ["==> a.log <==\n", "x1\n"]);
    append(&b, "3\n");
    append(&a, "x4\n");
    assert_eq!(live.line(), "x4\n");
}

#[test]
fn lines_counts_what_passes_however_far_back_that_is() {
    let logs = Logs::new();
    let mut text = "x first\nx second\n".to_owned();
    for number in 0..200_000 {
        let _ = writeln!(text, "line {number}");
    }
    text.push_str("x third\nlast\n");
    let daemon = Daemon::follow(&[&logs.file("a.log", &text)]);
    assert_eq!(history(&daemon, "lines=1&grep=x"), "x third\n");
    assert_eq!(history(&daemon, "lines=2&grep=x"), "x second\nx third\n");
    assert_eq!(
        history(&daemon, "lines=9&grep=x"),
        "x first\nx second\nx third\n"
    );
    let last = history(&daemon, "lines=150000&exclude=x");
    assert_eq!(last.lines().count(), 150_000);
}

#[test]
fn what_is_wrong_with_a_pattern_is_said_in_one_line() {
    let logs = Logs::new();
    let daemon = daemon(&logs);
    let nested = "(".repeat(1000) + "a" + &")".repeat(1000);
    let patterns: [(&str, &str); 7] = [
        ("(", "unclosed group"),
        ("*", "repetition"),
        ("%5B", "unclosed character class"),
        ("(%3F%3Da)", "look-around"),
        (&"x".repeat(5000), "at most"),
        ("(%5Cw{100}){100}", "memory"),
        (&nested, "nest"),
    ];
    for (pattern, why) in patterns {
        for parameter in ["grep", "exclude"] {
            let answer = daemon.get(&format!("/stream?{parameter}={pattern}"));
            let line = answer.text();
            assert_eq!(answer.status, 400, "{line}");
            assert!(
                line.contains(&format!("{parameter}=")) && line.contains(why),
                "{line}"
            );
            assert!(line.len() < 400 && line.lines().count() == 1, "{line}");
        }
    }
    let many = "&grep=a".repeat(100);
    assert_eq!(daemon.get(&format!("/stream?{many}")).status, 400);
    assert_eq!(daemon.try_websocket("/ws?grep=(").err(), Some(400));
}

#[test]
fn a_pattern_that_others_take_ages_for_holds_up_nobody() {
    let logs = Logs::new();
    let log = logs.file("a.log", "a".repeat(100_000) + "\n");
    let daemon = Daemon::follow(&[&log]);
    let since = Instant::now();
    assert_eq!(history(&daemon, "lines=all&grep=(a*)*(a*)*b$"), "");
    assert!(since.elapsed() < DEADLINE);
}

#[test]
fn an_empty_line_that_passes_is_a_message() {
    let logs = Logs::new();
    let log = logs.file("a.log", "a\n\nx\nb\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?exclude=x&lines=all");
    assert_eq!(client.texts(3), ["a", "", "b"]);
}

/// `count` patterns that each take half of what one request may, no two requests the same.
fn dear(number: usize, count: usize) -> String {
    let pattern = |n| {
        format!(
            "&exclude=zzzzq(a%7Cb%7C%5B%5Ec%5D)%7B{}%7D",
            400 - number - n
        )
    };
    (0..count).map(pattern).collect()
}

/// Asks for `count` streams, each with the dearest filter of so many patterns; their statuses, in order.
fn ask_for_dear(daemon: &Daemon, count: usize, patterns: usize) -> Vec<(TcpStream, String)> {
    let ask = |number| {
        let mut stream = daemon.connect();
        let filter = dear(number, patterns);
        let head = format!("GET /stream?lines=0{filter} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("send");
        stream
    };
    let streams: Vec<_> = (0..count).map(ask).collect();
    let answered = |stream: TcpStream| {
        let mut line = String::new();
        BufReader::new(&stream)
            .read_line(&mut line)
            .expect("a line");
        let status = line.split(' ').nth(1).expect("a status").to_owned();
        (stream, status)
    };
    streams.into_iter().map(answered).collect()
}

#[test]
fn hostile_filters_do_not_end_the_daemon_under_a_limit_on_memory() {
    let logs = Logs::new();
    let log = logs.file("a.log", "x\n");
    let mut command = Command::new("sh");
    // 1 GiB of address space: what could not be had ends the program.
    let limited = "ulimit -v 1048576; exec \"$0\" \"$@\"";
    command.args(["-c", limited, env!("CARGO_BIN_EXE_tailcast")]);
    command.args(["--listen", "127.0.0.1:0"]).arg(&log);
    let daemon = Daemon::start(command);
    let answers = ask_for_dear(&daemon, 12, 16);
    assert!(answers.iter().all(|(_, status)| status == "400"));
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(history(&daemon, "grep=x"), "x\n");
}

#[test]
fn the_filters_of_all_clients_have_one_budget_and_give_it_back() {
    let logs = Logs::new();
    let log = logs.file("a.log", "x\n");
    let daemon = Daemon::follow(&[&log]);
    let before = daemon.resident_kib();
    let answers = ask_for_dear(&daemon, 200, 1);
    let count = |wanted: &str| {
        answers
            .iter()
            .filter(|(_, status)| status == wanted)
            .count()
    };
    let (served, refused) = (count("200"), count("503"));
    assert_eq!(served + refused, 200);
    assert!(served > 40 && refused > 0, "{served} were served");
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown < 160 * 1024, "it grew by {grown} KiB");
    drop(answers);
    let is_free = || {
        ask_for_dear(&daemon, 40, 1)
            .iter()
            .all(|(_, status)| status == "200")
    };
    assert!(wait_until(DEADLINE, is_free), "the budget is given back");
}

#[test]
fn nothing_is_compiled_for_who_gets_no_place_or_only_a_head() {
    let logs = Logs::new();
    let log = logs.file("a.log", "x\n");
    let daemon = Daemon::with(&["--max-clients", "1"], &[&log]);
    // Larger than any filter may be, which only compiling tells.
    let large = "/stream?grep=(%5Cw%7B100%7D)%7B100%7D";
    assert_eq!(daemon.get(large).status, 400);
    assert_eq!(daemon.ask("HEAD", large, &[]).status, 200);
    assert_eq!(daemon.ask("HEAD", "/stream?grep=(", &[]).status, 400);
    let _taken = daemon.websocket("/ws");
    assert_eq!(daemon.get(large).status, 503);
}

#[test]
fn a_client_without_a_filter_starts_while_others_filter_hard() {
    let logs = Logs::new();
    // Such patterns forget their states again and again on such lines.
    let mut bits = 1_u32;
    let mut random = || {
        bits ^= bits << 13;
        bits ^= bits >> 17;
        bits ^= bits << 5;
        char::from(b'0' + (bits & 1) as u8)
    };
    let lines: String = (0..60_000)
        .map(|_| (0..127).map(|_| random()).collect::<String>() + "\n")
        .collect();
    let log = logs.file("a.log", lines + "last\n");
    let daemon = Daemon::follow(&[&log]);
    let hard: String = (40..56)
        .map(|n| format!("&exclude=%5B01%5D*1%5B01%5D%7B{n}%7D%5B%5E01%5D"))
        .collect();
    let id = daemon.live("/events?lines=all").field("id");
    let hostile: Vec<_> = [
        format!("/stream?lines=9999999{hard}"),
        format!("/events?follow=false&after={id}{hard}&grep=never"),
        format!("/ws?format=json&lines=all{hard}"),
    ]
    .iter()
    .cycle()
    .take(6)
    .map(|target| {
        let mut stream = daemon.connect();
        let fields = match target.starts_with("/ws") {
            true => {
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            }
            false => "",
        };
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).expect("send");
        stream
    })
    .collect();
    for n in 0..5 {
        let begun = Instant::now();
        assert_eq!(daemon.live("/stream?lines=1").line(), "last\n");
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(3),
            "client {n} started after {took:?}"
        );
    }
    // And when those are gone, nothing goes on for them.
    drop(hostile);
    let quiet = || {
        let before = cpu_ticks(daemon.pid());
        std::thread::park_timeout(Duration::from_millis(300));
        cpu_ticks(daemon.pid()) - before <= 2
    };
    assert!(wait_until(DEADLINE, quiet), "it works on for nobody");
}

/// CPU time of the process in clock ticks of 10 ms (proc_pid_stat(5)).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its times");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let number = |n: usize| fields[n].parse::<u64>().expect("a number");
    number(12) + number(13)
}

#[test]
fn clients_that_come_together_with_the_same_filter_all_get_what_passes() {
    let logs = Logs::new();
    let lines: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
    let daemon = Daemon::follow(&[&logs.file("a.log", &lines)]);
    let passed = lines
        .split_inclusive('\n')
        .filter(|line| line.ends_with("7\n"));
    let passed: String = passed.collect();
    std::thread::scope(|scope| {
        let ask = || history(&daemon, "lines=all&grep=7$");
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for client in clients {
            assert!(client.join().expect("no panic") == passed, "other lines");
        }
    });
}
