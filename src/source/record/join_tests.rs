//! What the joiner promises, over random records of all grammars: the lines of a plain file with the same text, the
//! same ones from wherever the file is read.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::source::back::Back;
use crate::source::lines;

/// A stored line of a test.
#[derive(Clone, Debug)]
enum Stored {
    Record {
        stderr: bool,
        part: bool,
        text: String,
    },
    Foreign(String),
}

fn stored(grammar: Grammar, lines: &[Stored]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let (outlet, part, text) = match line {
            Stored::Record { stderr, part, text } => {
                (["stdout", "stderr"][usize::from(*stderr)], part, text)
            }
            Stored::Foreign(text) => {
                bytes.extend(text.as_bytes());
                bytes.push(b'\n');
                continue;
            }
        };
        let time = format!("2026-11-28T10:00:{:02}.{:09}Z", n / 1000, n % 1000 + 1);
        let line = match grammar {
            Grammar::Docker => {
                let newline = if *part { "" } else { "\n" };
                let text = serde_json::to_string(&format!("{text}{newline}")).expect("JSON");
                format!("{{\"log\":{text},\"stream\":\"{outlet}\",\"time\":\"{time}\"}}\n")
            }
            _ => format!("{time} {outlet} {} {text}\n", if *part { "P" } else { "F" }),
        };
        bytes.extend(line.into_bytes());
    }
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("write");
    file
}

/// Where each line ends, which outlet it is of, and what it says.
type Told = Vec<(u64, Option<Outlet>, String)>;

fn told(from: u64, made: &Made) -> Told {
    let end = |i: usize| from + u64::from(made.ends[i]);
    let text = |i: usize| String::from_utf8(made.records.written(i).to_vec()).expect("UTF-8");
    (0..made.ends.len())
        .map(|i| (end(i), made.records.note(i).outlet, text(i)))
        .collect()
}

/// All lines of a file, its bytes given in pieces of `step` bytes.
fn all(grammar: Grammar, bytes: &[u8], max: usize, step: usize) -> Told {
    let mut joiner = Joiner::new(grammar, max, 0, &Carry::default());
    let mut lines = Vec::new();
    let mut there = 0;
    while there < bytes.len() {
        there = bytes.len().min(there + step);
        let mut made = Made::default();
        let from = joiner.at() as usize;
        joiner.take(&bytes[from..there], false, from as u64, &mut made);
        lines.extend(told(from as u64, &made));
    }
    lines
}

/// What each outlet said, as a plain file would show it, and the foreign lines.
fn expected(lines: &[Stored], max: usize) -> [Vec<String>; 3] {
    let mut texts = [String::new(), String::new(), String::new()];
    for line in lines {
        let (slot, part, text) = match line {
            Stored::Record { stderr, part, text } => (usize::from(*stderr), *part, text),
            Stored::Foreign(text) => (2, false, text),
        };
        texts[slot].push_str(text);
        if !part {
            texts[slot].push('\n');
        }
    }
    texts.map(|text| {
        // Not ended: its pieces may still wait.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut ends = vec![0];
        lines::split(&text.as_bytes()[..whole], true, max, &mut ends);
        let piece = |pair: &[u32]| text[pair[0] as usize..pair[1] as usize].to_owned();
        ends.windows(2).map(piece).collect()
    })
}

fn stored_lines() -> impl Strategy<Value = Vec<Stored>> {
    let record = (any::<bool>(), any::<bool>(), "[aä€😀\"]{0,6}")
        .prop_map(|(stderr, part, text)| Stored::Record { stderr, part, text });
    let line = prop_oneof![9 => record, 1 => "x?#[a-z]{0,9}".prop_map(Stored::Foreign)];
    proptest::collection::vec(line, 1..20)
}

fn grammars() -> impl Strategy<Value = Grammar> {
    prop_oneof![Just(Grammar::Docker), Just(Grammar::Cri)]
}

/// Whether each outlet's lines are all there, in order; pieces of a line that is not ended may come behind.
fn has_all(told: &Told, lines: &[Stored], max: usize) -> bool {
    let outlets = [Some(Outlet::Stdout), Some(Outlet::Stderr), None];
    outlets
        .iter()
        .zip(expected(lines, max))
        .all(|(outlet, want)| {
            let of_it = told.iter().filter(|(_, of, _)| of == outlet);
            let got: Vec<&String> = of_it.map(|(_, _, text)| text).collect();
            got.len() >= want.len() && want.iter().zip(got).all(|(want, got)| want == got)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_lines_are_those_of_a_plain_file(lines in stored_lines(), grammar in grammars(), max in 4usize..20) {
        let bytes = stored(grammar, &lines);
        let told = all(grammar, &bytes, max, bytes.len());
        for (n, (end, _, text)) in told.iter().enumerate() {
            prop_assert!(lines::content(text.as_bytes()).len() <= max, "{text:?}");
            prop_assert!(n == 0 || told[n - 1].0 < *end, "two lines end at {end}");
        }
        prop_assert!(has_all(&told, &lines, max), "{told:?} {:?}", expected(&lines, max));
    }

    #[test]
    fn the_lines_are_the_same_however_the_bytes_come(
        lines in stored_lines(), grammar in grammars(), max in 4usize..20, step in 1usize..90,
    ) {
        let bytes = stored(grammar, &lines);
        prop_assert_eq!(all(grammar, &bytes, max, step), all(grammar, &bytes, max, bytes.len()));
    }

    #[test]
    fn from_every_place_the_same_lines_follow(lines in stored_lines(), grammar in grammars(), max in 4usize..20) {
        let bytes = stored(grammar, &lines);
        let told = all(grammar, &bytes, max, bytes.len());
        let reading = Reading { grammar, start: 0, line_bytes_max: max, carry: Arc::default() };
        let file = file(&bytes);
        for place in 0..=bytes.len() as u64 {
            let want: Told = told.iter().filter(|(end, _, _)| *end > place).cloned().collect();
            let mut joiner = reading.joiner_at(&file, place).expect("readable");
            let from = joiner.at();
            let mut made = Made::default();
            joiner.take(&bytes[from as usize..], false, from, &mut made);
            prop_assert_eq!(self::told(from, &made), want, "from {}", place);
            let (last, _) = reading.last_end(&file, place).expect("readable");
            let begun = bytes[..place as usize].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
            let ends = told.iter().map(|(end, _, _)| *end);
            prop_assert_eq!(last, ends.filter(|end| *end <= begun).max().unwrap_or(0), "up to {}", place);
        }
    }

    #[test]
    fn the_last_lines_are_found_from_behind(
        lines in stored_lines(), grammar in grammars(), max in 4usize..20, wanted in 1usize..30,
    ) {
        let bytes = stored(grammar, &lines);
        let told = all(grammar, &bytes, max, bytes.len());
        let Some(&(end, _, _)) = told.last() else { return Ok(()) };
        let reading = Reading { grammar, start: 0, line_bytes_max: max, carry: Arc::default() };
        let mut pause = |_| std::ops::ControlFlow::Continue(());
        let mut back = Back {
            file: &file(&bytes),
            start: 0,
            line_bytes_max: max,
            passes: None,
            records: Some(reading),
            pause: &mut pause,
        };
        let found = back.last(end, &mut (wanted as u64)).expect("readable").expect("not given up");
        let rest = told.iter().filter(|(end, _, _)| *end > found).count();
        prop_assert_eq!(rest, wanted.min(told.len()));
    }

    #[test]
    fn parts_are_joined_over_a_rotation(
        lines in stored_lines(), grammar in grammars(), max in 4usize..20, at in 0usize..20,
    ) {
        let (old, new) = lines.split_at(at.min(lines.len()));
        let (old, new) = (stored(grammar, old), stored(grammar, new));
        let mut joiner = Joiner::new(grammar, max, 0, &Carry::default());
        let mut texts = Vec::new();
        for bytes in [&old, &new] {
            let mut made = Made::default();
            joiner.take(bytes, true, 0, &mut made);
            texts.extend(told(0, &made).into_iter().map(|(_, _, text)| text));
            joiner = Joiner::new(grammar, max, 0, &joiner.carry().unwrap_or_default());
        }
        let whole = stored(grammar, &lines);
        let want: Vec<String> = all(grammar, &whole, max, whole.len()).into_iter().map(|(_, _, text)| text).collect();
        prop_assert_eq!(texts, want);
    }

    #[test]
    fn any_bytes_are_shown_and_none_twice(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), grammar in grammars(), max in 4usize..20,
    ) {
        let mut joiner = Joiner::new(grammar, max, 0, &Carry::default());
        let mut made = Made::default();
        joiner.take(&bytes, true, 0, &mut made);
        let shown: Vec<u8> = (0..made.ends.len()).flat_map(|i| made.records.written(i).to_vec()).collect();
        prop_assert_eq!(shown, bytes);
    }
}

#[test]
fn what_a_program_left_unfinished_long_ago_is_shown_as_it_is() {
    let max = 1000;
    let say = |stderr, part, text: &str| Stored::Record {
        stderr,
        part,
        text: text.to_owned(),
    };
    let mut lines = vec![say(false, true, "prompt> ")];
    lines.extend(vec![say(true, false, &"e".repeat(900)); 100]);
    lines.push(say(false, false, "answer"));
    for grammar in [Grammar::Docker, Grammar::Cri] {
        let bytes = stored(grammar, &lines);
        let told = all(grammar, &bytes, max, bytes.len());
        let texts: Vec<&str> = told.iter().map(|(_, _, text)| text.as_str()).collect();
        let prompt = texts
            .iter()
            .position(|text| *text == "prompt> \n")
            .expect("shown");
        assert!(prompt > 50 && prompt < 90, "{prompt}");
        assert_eq!(texts.last(), Some(&"answer\n"));
        let reading = Reading {
            grammar,
            start: 0,
            line_bytes_max: max,
            carry: Arc::default(),
        };
        let file = file(&bytes);
        for (n, (end, _, _)) in told.iter().enumerate() {
            let mut joiner = reading.joiner_at(&file, *end).expect("readable");
            let from = joiner.at();
            let mut made = Made::default();
            joiner.take(&bytes[from as usize..], false, from, &mut made);
            assert_eq!(self::told(from, &made), told[n + 1..], "after line {n}");
        }
    }
}

#[test]
fn a_stored_line_without_end_is_shown_in_pieces() {
    let max = 1000;
    let begin = b"2026-11-28T10:00:00Z stdout F ";
    let bytes = [&begin[..], &vec![b'x'; 300_000], b"\n", begin, b"a\n"].concat();
    let whole = all(Grammar::Cri, &bytes, max, bytes.len());
    assert_eq!(whole, all(Grammar::Cri, &bytes, max, 7000));
    assert!(whole.iter().all(|(_, _, text)| text.len() <= max + 1));
    assert_eq!(whole.last().map(|(_, _, text)| text.as_str()), Some("a\n"));
    let shown: usize = whole.iter().map(|(_, _, text)| text.len()).sum();
    assert_eq!(shown, bytes.len() - begin.len());
    let reading = Reading {
        grammar: Grammar::Cri,
        start: 0,
        line_bytes_max: max,
        carry: Arc::default(),
    };
    let file = file(&bytes);
    for (n, (end, _, _)) in whole.iter().enumerate() {
        let mut joiner = reading.joiner_at(&file, *end).expect("readable");
        let from = joiner.at();
        let mut made = Made::default();
        joiner.take(&bytes[from as usize..], false, from, &mut made);
        assert_eq!(told(from, &made), whole[n + 1..], "after piece {n}");
    }
}
