//! The wire formats, to the byte. Ids are opaque; they stand here as `<1>`, `<2>` in the order in which they appear.

use std::fs;

use crate::support::http::Answer;
use crate::support::ids::numbered_ids;
use crate::support::websocket::Client;
use crate::support::{Daemon, Logs, append};
use serde_json::Value;

/// All texts up to the close, one a line.
fn whole(mut client: Client) -> String {
    let mut texts = String::new();
    while let tungstenite::Message::Text(text) = client.message() {
        texts.push_str(&text);
        texts.push('\n');
    }
    numbered_ids(&texts)
}

fn body(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    numbered_ids(&answer.text())
}

#[test]
fn a_json_message_is_a_line_or_an_event() {
    let logs = Logs::new();
    let log = logs.file("a \"b\".log", "one\n\ttwo \"2\" \\ \u{1b}\u{e9}\n");
    let daemon = Daemon::follow(&[&log]);
    let expected = r#"{"file":"a \"b\".log","event":"start","id":"<1>"}
{"file":"a \"b\".log","id":"<2>","line":"one"}
{"file":"a \"b\".log","id":"<3>","line":"\ttwo \"2\" \\ \u001bé"}
{"file":"a \"b\".log","event":"end","id":"<3>"}
"#;
    let target = "format=json&follow=false";
    assert_eq!(whole(daemon.websocket(&format!("/ws?{target}"))), expected);
    assert_eq!(body(&daemon.get(&format!("/stream?{target}"))), expected);
}

#[test]
fn a_batch_message_names_the_places_at_both_its_ends_and_then_its_lines() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\nthree\n");
    let daemon = Daemon::follow(&[&log]);
    let expected = r#"{"file":"a.log","event":"start","id":"<1>"}
{"file":"a.log","from":"<1>","id":"<2>","lines":["two","three"]}
{"file":"a.log","event":"end","id":"<2>"}
"#;
    let target = "/ws?format=batch&follow=false&lines=2";
    assert_eq!(whole(daemon.websocket(target)), expected);
    // Of lines that don't all pass, the id is that of the last one that did.
    let expected = r#"{"file":"a.log","event":"start","id":"<1>"}
{"file":"a.log","from":"<1>","id":"<2>","lines":["one","two"]}
{"file":"a.log","event":"end","id":"<3>"}
"#;
    let target = "/ws?format=batch&follow=false&exclude=th";
    assert_eq!(whole(daemon.websocket(target)), expected);
}

#[test]
fn an_event_stream_of_one_file_carries_the_lines_themselves() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\n  two\n\n");
    let daemon = Daemon::follow(&[&log]);
    let expected = r#"retry: 1000
event: start
id: <1>
data: {"file":"a.log","event":"start","id":"<1>"}

id: <2>
data: one

id: <3>
data:   two

id: <4>
data: 

event: end
id: <4>
data: {"file":"a.log","event":"end","id":"<4>"}

"#;
    assert_eq!(body(&daemon.get("/events?follow=false")), expected);
    let expected = r#"retry: 1000
event: start
id: <1>
data: {"file":"a.log","event":"start","id":"<1>"}

id: <2>
data: {"file":"a.log","id":"<2>","line":""}

event: end
id: <2>
data: {"file":"a.log","event":"end","id":"<2>"}

"#;
    let json = daemon.get("/events?follow=false&lines=1&format=json");
    assert_eq!(body(&json), expected);
}

#[test]
fn an_event_stream_of_several_files_is_json_and_every_id_names_them_all() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let daemon = Daemon::follow(&[&a, &b, &logs.path("missing.log")]);
    let expected = r#"retry: 1000
event: start
id: <1>~<2>~<3>
data: {"file":"a.log","event":"start","id":"<1>"}

event: start
id: <1>~<2>~<3>
data: {"file":"b.log","event":"start","id":"<2>"}

id: <4>~<2>~<3>
data: {"file":"a.log","id":"<4>","line":"a1"}

id: <4>~<5>~<3>
data: {"file":"b.log","id":"<5>","line":"b1"}

event: end
id: <4>~<5>~<3>
data: {"file":"a.log","event":"end","id":"<4>"}

event: end
id: <4>~<5>~<3>
data: {"file":"b.log","event":"end","id":"<5>"}

event: end
id: <4>~<5>~<3>
data: {"file":"missing.log","event":"end","id":"<3>"}

"#;
    assert_eq!(body(&daemon.get("/events?follow=false")), expected);
    assert_eq!(
        body(&daemon.get("/events?follow=false&format=text")),
        expected
    );
}

#[test]
fn several_files_begin_with_all_their_starts() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\n"), logs.file("b.log", "b1\n"));
    let daemon = Daemon::follow(&[&a, &b]);
    let expected = r#"{"file":"a.log","event":"start","id":"<1>"}
{"file":"b.log","event":"start","id":"<2>"}
{"file":"a.log","id":"<3>","line":"a1"}
{"file":"b.log","id":"<4>","line":"b1"}
{"file":"a.log","event":"end","id":"<3>"}
{"file":"b.log","event":"end","id":"<4>"}
"#;
    assert_eq!(
        whole(daemon.websocket("/ws?format=json&follow=false")),
        expected
    );
}

#[test]
fn text_of_several_files_has_the_headers_of_tail() {
    let logs = Logs::new();
    let (a, b) = (logs.file("a.log", "a1\na2\n"), logs.file("b.log", "b1\n"));
    let empty = logs.file("c.log", "");
    let daemon = Daemon::follow(&[&a, &b, &empty]);
    let expected = "==> a.log <==\na1\na2\n\n==> b.log <==\nb1\n";
    assert_eq!(daemon.get("/stream?follow=false").text(), expected);
    let expected = "==> a.log <==\na1\na2\n==> b.log <==\nb1\n";
    assert_eq!(whole(daemon.websocket("/ws?follow=false")), expected);
    // Asked for by name, one file is one file.
    assert_eq!(daemon.get("/stream?follow=false&file=b.log").text(), "b1\n");
    assert_eq!(
        whole(daemon.websocket("/ws?follow=false&file=b.log")),
        "b1\n"
    );

    let mut live = daemon.live("/stream?lines=0");
    append(&b, "b2\n");
    let first = [live.line(), live.line()];
    assert_eq!(first, ["==> b.log <==\n", "b2\n"]);
    append(&a, "a3\n");
    let next = [live.line(), live.line(), live.line()];
    assert_eq!(next, ["\n", "==> a.log <==\n", "a3\n"]);
}

#[test]
fn a_pattern_is_several_files_also_while_it_matches_one() {
    let logs = Logs::new();
    logs.file("a.log", "a1\n");
    let daemon = Daemon::follow(&[&logs.path("*.log")]);
    let text = daemon.get("/stream?follow=false").text();
    assert_eq!(text, "==> a.log <==\na1\n");
    let events = daemon.get("/events?follow=false").text();
    assert!(events.contains("\"line\":\"a1\""), "{events}");
}

#[test]
fn an_id_is_the_same_in_every_stream() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\n");
    let daemon = Daemon::follow(&[&log]);
    let id = daemon
        .websocket("/ws?format=json&lines=1")
        .json_with("line")["id"]
        .clone();
    let id = id.as_str().expect("an id");
    let target = "format=json&lines=1&follow=false";
    for path in ["/stream", "/events"] {
        let text = daemon.get(&format!("{path}?{target}")).text();
        assert!(
            text.contains(&format!("\"id\":\"{id}\",\"line\":\"two\"")),
            "{text}"
        );
    }
    let text = daemon.get("/events?lines=1&follow=false").text();
    assert!(text.contains(&format!("id: {id}\ndata: two\n\n")), "{text}");
    let batch = daemon
        .websocket("/ws?format=batch&lines=1")
        .json_with("lines");
    assert_eq!(batch["id"], id);
}

#[test]
fn events_stand_between_the_lines_with_the_id_of_where_the_stream_now_stands() {
    let logs = Logs::new();
    let log = logs.file("a.log", "1\nrest");
    let daemon = Daemon::follow(&[&log]);
    let mut json = daemon.websocket("/ws?format=json");
    let mut events = daemon.live("/events");
    let mut text = daemon.live("/stream");
    let (mut seen, mut sse, mut plain) = (Vec::new(), String::new(), String::new());
    // Each of them has what is written before it is truncated away.
    let mut take = |texts: usize, lines: usize, plain_lines: usize| {
        seen.extend(json.texts(texts));
        sse.extend((0..lines).map(|_| events.line()));
        plain.extend((0..plain_lines).map(|_| text.line()));
    };
    take(2, 8, 1);
    fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "2\n");
    take(3, 10, 2);
    fs::write(&log, "3\n").expect("truncate");
    take(2, 7, 1);
    fs::remove_file(&log).expect("delete");
    take(1, 3, 0);
    let expected = r#"{"file":"a.log","event":"start","id":"<1>"}
{"file":"a.log","id":"<2>","line":"1"}
{"file":"a.log","id":"<3>","line":"rest"}
{"file":"a.log","event":"rotated","id":"<4>"}
{"file":"a.log","id":"<5>","line":"2"}
{"file":"a.log","event":"truncated","id":"<4>"}
{"file":"a.log","id":"<6>","line":"3"}
{"file":"a.log","event":"missing","id":"<6>"}"#;
    // The first byte of a file is one place, before and after it was truncated.
    assert_eq!(numbered_ids(&seen.join("\n")), expected);

    let expected = r#"retry: 1000
event: start
id: <1>
data: {"file":"a.log","event":"start","id":"<1>"}

id: <2>
data: 1

id: <3>
data: rest

event: rotated
id: <4>
data: {"file":"a.log","event":"rotated","id":"<4>"}

id: <5>
data: 2

event: truncated
id: <4>
data: {"file":"a.log","event":"truncated","id":"<4>"}

id: <6>
data: 3

event: missing
id: <6>
data: {"file":"a.log","event":"missing","id":"<6>"}
"#;
    assert_eq!(numbered_ids(&sse), expected);
    // In text an unfinished line is given its end, and nothing else is said.
    assert_eq!(plain, "1\nrest\n2\n3\n");
}

#[test]
fn a_gap_says_how_much_was_lost_and_why() {
    let logs = Logs::new();
    let log = logs.file("a.log", "one\ntwo\n");
    let daemon = Daemon::follow(&[&log]);
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let id = client.json_with("line")["id"].clone();
    fs::write(&log, "new\n").expect("truncate");
    assert_eq!(client.json_with("event")["event"], "truncated");
    let id = id.as_str().expect("an id");
    let expected = r#"{"file":"a.log","event":"start","id":"<1>"}
{"file":"a.log","event":"gap","id":"<1>","lost":4,"reason":"id not found"}
{"file":"a.log","id":"<2>","line":"new"}
{"file":"a.log","event":"end","id":"<2>"}
"#;
    let target = format!("/stream?format=json&follow=false&lines=0&after={id}");
    assert_eq!(body(&daemon.get(&target)), expected);
}

#[test]
fn each_invalid_sequence_becomes_one_replacement_character() {
    let logs = Logs::new();
    let bytes = b"\xff\xfe a \xe2\x82 b \xf0\x9f\x98 c \xed\xa0\x80\n";
    let log = logs.file("a.log", bytes);
    let daemon = Daemon::follow(&[&log]);
    // As the Unicode standard, section 3.9, advises: one for each maximal part of a character.
    let expected = "\u{fffd}\u{fffd} a \u{fffd} b \u{fffd} c \u{fffd}\u{fffd}\u{fffd}";
    assert_eq!(daemon.websocket("/ws").text(), expected);
    let json = daemon.websocket("/ws?format=json").json_with("line");
    assert_eq!(json["line"], expected);
    let events = daemon.get("/events?follow=false").text();
    assert!(events.contains(&format!("data: {expected}\n")), "{events}");
    assert_eq!(daemon.get("/stream?follow=false").body, bytes);
}

#[test]
fn the_pieces_of_a_cut_line_are_the_files_bytes_unless_a_filter_may_leave_some_out() {
    let logs = Logs::new();
    let text = "abcdefghij\nnext\nabc\u{20ac}de\r\n";
    let log = logs.file("a.log", text);
    let daemon = Daemon::with(&["--max-line", "4"], &[&log]);
    let get = |query: &str| daemon.get(&format!("/stream?follow=false&{query}")).text();
    assert_eq!(get("lines=all"), text);
    assert_eq!(
        get("lines=2"),
        "abc\u{20ac}de\r\n".trim_start_matches("abc")
    );
    let filtered = get("lines=all&grep=.");
    assert_eq!(filtered, "abcd\nefgh\nij\nnext\nabc\n\u{20ac}d\ne\r\n");
    assert_eq!(get("lines=all&grep=^efgh$"), "efgh\n");
    let pieces = daemon.websocket("/ws?lines=all").texts(7);
    assert_eq!(
        pieces,
        ["abcd", "efgh", "ij", "next", "abc", "\u{20ac}d", "e"]
    );
    // Each piece is a place of its own.
    let id = daemon
        .websocket("/ws?lines=all&format=json")
        .json_with("line")["id"]
        .clone();
    let after = format!("after={}", id.as_str().expect("an id"));
    assert_eq!(get(&after), &text[4..]);
}

#[test]
fn a_batch_message_is_one_that_clients_with_small_limits_take() {
    const MOST: usize = 28 * 1024;
    let logs = Logs::new();
    let lines: Vec<String> = (0..2000)
        .map(|n| format!("{n} {}", "\"quoted\" ".repeat(n % 40)))
        .collect();
    let long = "x".repeat(40_000);
    let text = lines.join("\n") + "\n" + &long + "\nlast\n";
    let log = logs.file("a.log", text);
    let daemon = Daemon::follow(&[&log]);
    for target in [
        "/ws?format=batch&lines=all&follow=false",
        "/ws?format=batch&lines=all&follow=false&grep=.",
    ] {
        let mut client = daemon.websocket(target);
        let (mut seen, mut from, mut messages) = (Vec::new(), None, 0);
        while seen.len() < lines.len() + 2 {
            let message = client.text();
            let object: Value = serde_json::from_str(&message).expect("JSON");
            let Some(batch) = object["lines"].as_array() else {
                continue;
            };
            assert!(message.len() <= MOST || batch.len() == 1, "{target}");
            if let Some(from) = from {
                assert_eq!(object["from"], from, "{target}");
            }
            from = Some(object["id"].clone());
            messages += 1;
            seen.extend(
                batch
                    .iter()
                    .map(|line| line.as_str().expect("text").to_owned()),
            );
        }
        assert_eq!(seen[..lines.len()], lines);
        assert_eq!(seen[lines.len()..], [long.as_str(), "last"]);
        let bytes: usize = lines.iter().map(String::len).sum();
        assert!(messages < 2 * bytes / MOST + 5, "{messages} messages");
    }
}

#[test]
fn no_message_of_a_very_long_line_is_over_what_most_clients_take() {
    let logs = Logs::new();
    for worst in ["\u{1}", "\u{85}"] {
        let log = logs.file("a.log", worst.repeat(1 << 19) + "\nnext\n");
        let daemon = Daemon::follow(&[&log]);
        let mut client = daemon.websocket("/ws?format=json&lines=all&follow=false");
        loop {
            let message = client.text();
            assert!(message.len() < 1 << 20, "{} bytes", message.len());
            if message.contains("next") {
                break;
            }
        }
    }
}
