//! What stands in the spool, whatever a publisher says again and whenever we are started again.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::hub::{Hub, Notice};
use crate::source::{IdMaker, Identity};

/// A host's file, and what we have of it.
struct Rig {
    directory: tempfile::TempDir,
    hub: Arc<Hub>,
    file: File,
}

impl Rig {
    fn new() -> Rig {
        let directory = tempfile::tempdir().expect("a directory");
        let hub = Arc::new(Hub::new(1 << 20).expect("a hub"));
        let file = Rig::open(&directory, &hub);
        Rig {
            directory,
            hub,
            file,
        }
    }

    fn open(directory: &tempfile::TempDir, hub: &Arc<Hub>) -> File {
        let spool = Spool::open(directory.path(), 1 << 20, "web1/a".to_owned(), hub);
        File::resume(spool.expect("a spool")).expect("a file")
    }

    /// We are killed, and started again.
    fn restarts(&mut self) {
        self.file = Rig::open(&self.directory, &self.hub);
    }

    fn take(&mut self, text: &str) {
        let message = Message::parse(text).expect("a message");
        let step = Step::of(&message).expect("one of ours");
        self.file.take(&message, step);
    }

    fn spooled(&self) -> String {
        let read =
            |name| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        (read("log.1") + &read("log")).replace("<>", "")
    }

    fn told(&self) -> Vec<&'static str> {
        let notices = self.hub.notices.take().into_iter();
        let told = notices.filter_map(|notice| match notice {
            Notice::Event { kind, .. } => Some(kind.name()),
            _ => None,
        });
        told.collect()
    }
}

fn identity(inode: u64) -> Identity {
    Identity {
        device: 1,
        inode,
        born: None,
    }
}

fn id(inode: u64, bytes: &[u8]) -> Id {
    let head = Arc::from(&bytes[..bytes.len().min(256)]);
    IdMaker::new(1, &identity(inode), head, &[]).id(0, bytes)
}

/// The batch of the bytes `from..to` of a file, as its publisher would say it.
fn batch(inode: u64, bytes: &[u8], from: usize, to: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[from..to]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let (from, to) = (id(inode, &bytes[..from]), id(inode, &bytes[..to]));
    serde_json::json!({
        "file": "a", "from": from.to_string(), "id": to.to_string(), "lines": lines,
    })
    .to_string()
}

fn numbered(count: usize) -> String {
    (0..count).map(|n| format!("line {n} of it\n")).collect()
}

#[test]
fn a_batch_that_is_old_in_part_brings_the_rest() {
    for text in [
        numbered(100),
        "the same\n".repeat(100),
        "a\r\nlong one\r\n".repeat(50),
        "é\n\nx\n".repeat(40),
    ] {
        let ends: Vec<usize> = memchr::memchr_iter(b'\n', text.as_bytes())
            .map(|at| at + 1)
            .collect();
        for (begin, end) in [(0, 99), (39, 41), (10, 60), (40, 99)] {
            for is_restarted in [false, true] {
                let mut rig = Rig::new();
                let bytes = text.as_bytes();
                rig.take(&batch(7, bytes, 0, ends[40]));
                rig.file.note();
                if is_restarted {
                    rig.restarts();
                }
                rig.take(&batch(
                    7,
                    bytes,
                    ends[begin] * usize::from(begin > 0),
                    ends[end],
                ));
                let expected = text[..ends[end]].replace('\r', "");
                assert_eq!(rig.spooled(), expected, "{begin} {end}");
                assert_eq!(rig.told(), [""; 0]);
            }
        }
    }
}

#[test]
fn where_text_is_not_all_that_lines_are_the_spool_says_where_to_go_on() {
    // A record is far longer than its text, and each by another measure.
    let texts: Vec<String> = (0..60)
        .map(|n| "x".repeat(n % 7) + &n.to_string())
        .collect();
    let ends: Vec<usize> = (0..60).map(|n| (n + 1) * 90 + (n % 5) * (n % 11)).collect();
    let file = vec![b'r'; 9000];
    let records = |from: usize, to: usize| {
        let at = |n: usize| id(7, &file[..n.checked_sub(1).map_or(0, |n| ends[n])]);
        serde_json::json!({
            "file": "a", "from": at(from).to_string(), "id": at(to).to_string(), "lines": texts[from..to],
        })
        .to_string()
    };
    for from in 0..40 {
        let mut rig = Rig::new();
        rig.take(&records(0, 40));
        rig.take(&records(from, 60));
        assert_eq!(rig.spooled(), texts.join("\n") + "\n", "{from}");
    }
}

#[test]
fn a_rotation_that_is_said_again_is_told_once_and_a_second_truncation_too() {
    let (one, two) = (numbered(50), numbered(60));
    let event = |name: &str, from: Id, to: Id| {
        format!(r#"{{"file":"a","event":"{name}","id":"{to}","from":"{from}"}}"#)
    };
    let said = [
        batch(5, one.as_bytes(), 0, one.len()),
        event("rotated", id(5, one.as_bytes()), id(6, b"")),
        batch(6, two.as_bytes(), 0, two.len()),
        event("truncated", id(6, two.as_bytes()), id(6, b"")),
        batch(6, b"short\n", 0, 6),
        event("truncated", id(6, b"short\n"), id(6, b"")),
        batch(6, b"again\n", 0, 6),
    ];
    let expected = format!("{one}{two}short\nagain\n");
    for again in 0..said.len() {
        for is_restarted in [false, true] {
            let mut rig = Rig::new();
            said.iter().for_each(|text| rig.take(text));
            rig.file.note();
            let events = ["rotated", "truncated", "truncated"];
            assert_eq!(rig.told(), events);
            if is_restarted {
                rig.restarts();
                assert_eq!(rig.told(), events, "what stands in the spool");
            }
            // As the publisher says it, and as the broker does.
            said[again..].iter().for_each(|text| rig.take(text));
            assert_eq!(rig.spooled(), expected, "{again}");
            assert_eq!(rig.told(), [""; 0], "{again}");
        }
    }
}

#[test]
fn the_next_file_of_a_spool_is_no_gap() {
    let mut rig = Rig::new();
    let (one, two) = (numbered(9), numbered(8));
    rig.take(&batch(5, one.as_bytes(), 0, one.len()));
    let (end, begin) = (id(5, one.as_bytes()), id(6, b""));
    rig.take(&format!(
        r#"{{"file":"a","from":"{end}","id":"{begin}","lines":[]}}"#
    ));
    rig.take(&batch(6, two.as_bytes(), 0, two.len()));
    assert_eq!(rig.told(), [""; 0]);
    assert_eq!(rig.spooled(), one + &two);
}

#[test]
fn what_has_no_places_of_a_tailcast_is_none_of_ours() {
    for text in [
        r#"{"file":"a","line":"x"}"#,
        r#"{"file":"a","id":"nonsense","line":"x"}"#,
        r#"{"file":"a","from":"x","id":"00000001.7.9.0123456789ab","lines":["x"]}"#,
    ] {
        let message = Message::parse(text).expect("JSON");
        assert!(Step::of(&message).is_none(), "{text}");
    }
}

proptest! {
    /// The publisher says everything in order, but is thrown back now and then, and says it again in other batches; and we
    /// are killed now and then. (Where some lines end with CRLF and others don't, an empty one may be taken for its neighbour.)
    #[test]
    fn every_line_comes_once(
        lines in proptest::collection::vec("[ab]{0,3}", 1..60),
        ending in prop_oneof!["\n", "\r\n"],
        steps in proptest::collection::vec((1usize..20, 0usize..60, 0..4), 1..40),
    ) {
        let text = lines.iter().map(|line| format!("{line}{ending}")).collect::<String>();
        let ends: Vec<usize> = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        let mut rig = Rig::new();
        let (mut at, mut most) = (0, 0);
        let last = ends.len() - 1;
        for (take, back, what) in steps.into_iter().chain([(last, 0, 3)]) {
            let to = (at + take).min(last);
            if to > at {
                rig.take(&batch(7, text.as_bytes(), ends[at], ends[to]));
                rig.file.note();
            }
            most = most.max(to);
            at = match what {
                0 => most.saturating_sub(back),
                1 => { rig.restarts(); to }
                _ => to,
            };
        }
        rig.take(&batch(7, text.as_bytes(), ends[at.min(last - 1)], ends[last]));
        prop_assert_eq!(rig.told(), [""; 0]);
        prop_assert_eq!(rig.spooled().lines().count(), lines.len());
        if !text.contains('\r') {
            prop_assert_eq!(rig.spooled(), text);
        }
    }
}
