//! What a reader is told on its way through a source, from wherever it stands.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::*;
use crate::hub::Change;
use crate::limits::GENERATIONS_REMEMBERED_MAX;
use crate::source::{Identity, Lines, OpenFile, Origin, Source};

/// Bytes of each line.
const LINE: u64 = 10;

/// A source whose files are made of nothing but their lengths.
struct Log {
    stream: Stream,
    file: Arc<OpenFile>,
}

impl Log {
    fn new() -> Log {
        let source = Source::new(0, "a.log".into(), PathBuf::from("/a.log"), Origin::File);
        Log {
            stream: Stream::new(Arc::new(source)),
            file: Arc::new(tempfile::tempfile().expect("a file").into()),
        }
    }

    /// One whose first file has `lines`.
    fn of(lines: usize) -> Log {
        let mut log = Log::new();
        log.begins(Began::First, None, lines);
        log
    }

    fn apply(&mut self, change: Change) {
        self.stream.apply(change, &mut Vec::new(), &mut Vec::new());
    }

    /// The next generation, with `lines`. A truncated one is of the same file.
    fn begins(&mut self, began: Began, gap: Option<Gap>, lines: usize) {
        let last = self.stream.generations.back().cloned();
        let number = last.as_ref().map_or(0, |last| last.number + 1);
        let (file, inode) = match last.filter(|_| began == Began::Truncated) {
            Some(last) => (Arc::clone(&last.file), last.identity.inode),
            None => (
                Arc::new(self.file.try_clone().expect("a file").into()),
                number + 1,
            ),
        };
        let identity = Identity {
            device: 1,
            inode,
            born: None,
        };
        let generation = Generation::with_identity(number, file, identity, began, gap);
        self.apply(Change::Begin(Arc::new(generation)));
        self.lines(lines);
    }

    fn lines(&mut self, lines: usize) {
        if lines == 0 {
            return;
        }
        let Edge { position, .. } = self.stream.edge();
        let identity = self.stream.generations.back().expect("one").identity;
        let name_hash = self.stream.source().name_hash;
        self.apply(Change::Lines(Lines {
            generation: position.generation,
            from: position.offset,
            bytes: b"012345678\n".repeat(lines),
            ends: (1..=lines).map(|n| n as u32 * LINE as u32).collect(),
            unfinished: false,
            ids: IdMaker::new(name_hash, &identity, Arc::from(&[][..]), &[]),
            records: None,
        }));
    }

    /// The oldest file is let go of; with `is_gone`, it is nowhere any more.
    fn forgets(&mut self, is_gone: bool) {
        self.stream.forget_front(&mut Vec::new());
        if is_gone {
            self.stream.formers.back().expect("one").set_gone();
        }
    }

    /// What a reader that stands there is told until it has all. Each step brings it on.
    fn told(&self, from: Standing, until: Option<Edge>) -> Vec<String> {
        let (mut told, mut standing) = (Vec::new(), from);
        let mut pending = VecDeque::new();
        loop {
            if let Some(event) = pending.pop_front() {
                let Event { kind, at, .. } = &event;
                told.push(match kind {
                    EventKind::Gap { lost_bytes, reason } => {
                        let lost = lost_bytes.map_or("?".into(), |lost| lost.to_string());
                        format!("gap of {lost}, {reason}")
                    }
                    kind => kind.name().to_owned(),
                });
                let before = standing;
                standing = Standing {
                    position: Some(*at),
                    aside: event.aside,
                };
                assert!(before.position <= standing.position, "{told:?}");
                assert!(before.aside <= standing.aside, "{told:?}");
                continue;
            }
            let (generation, there) = match self.stream.stand(standing, until) {
                Stand::AtEdge => return told,
                Stand::Events(events) => {
                    assert!(!events.is_empty(), "{told:?}: nothing happened");
                    pending.extend(events);
                    continue;
                }
                Stand::Bytes(generation, there) => (generation.remembered(), there),
                Stand::Former(former, there) => (former, there),
            };
            let Stretch {
                from,
                limit,
                sealed,
            } = there;
            assert_eq!(sealed, generation.sealed() == Some(limit), "{told:?}");
            assert!(from < limit, "{told:?}: no bytes");
            told.push(format!("{}: {from}-{limit}", generation.number));
            standing.position = Some(generation.at(limit));
        }
    }
}

fn at(generation: u64, lines: u64) -> Standing {
    let position = Position {
        generation,
        offset: lines * LINE,
    };
    Standing {
        position: Some(position),
        aside: 0,
    }
}

fn nowhere() -> Standing {
    Standing::default()
}

fn gap(lost_bytes: Option<u64>) -> Option<Gap> {
    let reason = "rotated away";
    Some(Gap { lost_bytes, reason })
}

#[test]
fn a_reader_goes_through_all_files_and_is_told_of_each_seam() {
    let mut log = Log::new();
    assert!(log.told(nowhere(), None).is_empty(), "there is no file yet");
    log.begins(Began::First, None, 2);
    log.begins(Began::Rotated, None, 1);
    log.begins(Began::Continued, None, 1);
    assert_eq!(
        log.told(nowhere(), None),
        [
            "start",
            "0: 0-20",
            "rotated",
            "1: 0-10",
            "continued",
            "2: 0-10"
        ]
    );
    assert_eq!(
        log.told(at(0, 1), None),
        ["0: 10-20", "rotated", "1: 0-10", "continued", "2: 0-10"]
    );
    assert!(log.told(at(2, 1), None).is_empty(), "it has all");
}

#[test]
fn a_reader_that_ends_at_an_edge_is_told_nothing_of_what_comes_behind_it() {
    let mut log = Log::of(2);
    let first = log.stream.edge();
    log.lines(1);
    log.begins(Began::Rotated, None, 1);
    let second = log.stream.edge();
    log.lines(5);
    assert_eq!(log.told(nowhere(), Some(first)), ["start", "0: 0-20"]);
    assert_eq!(
        log.told(nowhere(), Some(second)),
        ["start", "0: 0-30", "rotated", "1: 0-10"]
    );
    log.forgets(false);
    assert_eq!(log.told(at(0, 0), Some(first)), ["0: 0-20"]);
}

#[test]
fn lines_that_a_truncation_cut_off_are_a_gap_of_so_many_bytes() {
    let mut log = Log::of(3);
    log.begins(Began::Truncated, None, 1);
    assert_eq!(
        log.told(at(0, 1), None),
        ["gap of 20, truncated", "truncated", "1: 0-10"]
    );
    assert_eq!(log.told(at(0, 3), None), ["truncated", "1: 0-10"]);
    // What else was lost in between counts as well, and why that was is what is told.
    let mut log = Log::of(3);
    log.begins(Began::Truncated, gap(Some(7)), 1);
    assert_eq!(
        log.told(at(0, 1), None),
        ["gap of 27, rotated away", "truncated", "1: 0-10"]
    );
    let mut log = Log::of(3);
    log.begins(Began::Truncated, gap(None), 1);
    assert_eq!(
        log.told(at(0, 1), None),
        ["gap of ?, rotated away", "truncated", "1: 0-10"]
    );
    assert_eq!(
        log.told(at(0, 3), None),
        ["gap of ?, rotated away", "truncated", "1: 0-10"]
    );
}

#[test]
fn who_ends_in_what_is_gone_is_told_of_the_loss_up_to_there_and_no_more() {
    let mut log = Log::of(3);
    let edge = log.stream.edge();
    log.begins(Began::Truncated, None, 1);
    let until = Some(edge);
    assert_eq!(log.told(at(0, 1), until), ["gap of 20, truncated"]);
    // A deleted file that was let go of, and no other has come.
    let mut log = Log::of(3);
    log.apply(Change::LetGo(Arc::clone(&log.file)));
    assert_eq!(log.told(at(0, 1), None), ["gap of 20, deleted"]);
    assert!(log.told(at(0, 3), None).is_empty(), "it has all");
}

#[test]
fn a_file_that_is_not_held_any_more_is_read_as_long_as_it_is_somewhere() {
    let mut log = Log::of(2);
    log.begins(Began::Rotated, None, 2);
    log.begins(Began::Rotated, None, 1);
    log.forgets(false);
    log.forgets(false);
    assert_eq!(
        log.told(at(0, 1), None),
        ["0: 10-20", "rotated", "1: 0-20", "rotated", "2: 0-10"]
    );
}

#[test]
fn what_is_rotated_away_is_one_gap_up_to_the_next_file_that_is_there() {
    let mut log = Log::of(2);
    log.begins(Began::Rotated, None, 3);
    log.begins(Began::Rotated, gap(Some(5)), 1);
    log.begins(Began::Rotated, None, 1);
    let edge = log.stream.edge();
    log.begins(Began::Rotated, None, 1);
    for is_gone in [true, true, false, true] {
        log.forgets(is_gone);
    }
    // A line of its own file, three of the next, and what was lost before the one behind that.
    assert_eq!(
        log.told(at(0, 1), None)[..3],
        ["gap of 45, rotated away", "rotated", "2: 0-10"]
    );
    let until = Some(edge);
    assert_eq!(
        log.told(at(2, 0), until),
        ["2: 0-10", "rotated", "gap of 10, rotated away"]
    );
    // So far behind that nobody knows how far.
    for _ in 0..=GENERATIONS_REMEMBERED_MAX {
        log.begins(Began::Rotated, None, 0);
        log.forgets(false);
    }
    log.lines(1);
    let last = log.stream.edge().position.generation;
    assert_eq!(
        log.told(at(0, 1), None),
        [
            "gap of ?, rotated away".to_owned(),
            "rotated".to_owned(),
            format!("{last}: 0-10")
        ]
    );
    // Who begins only now begins with what there is, and with how that is not all.
    assert_eq!(
        log.told(nowhere(), None),
        [
            "start".to_owned(),
            "gap of ?, rotated away".to_owned(),
            format!("{last}: 0-10")
        ]
    );
}

#[test]
fn who_waited_for_the_first_file_is_told_of_its_start_before_what_was_lost_before_it() {
    let mut log = Log::new();
    log.begins(Began::First, gap(Some(7)), 1);
    let expected = ["start", "gap of 7, rotated away", "0: 0-10"];
    assert_eq!(log.told(nowhere(), None), expected);
    log.begins(Began::Rotated, gap(Some(8)), 1);
    log.forgets(false);
    let expected = ["start", "gap of 8, rotated away", "1: 0-10"];
    assert_eq!(log.told(nowhere(), None), expected);
}

#[test]
fn an_aside_is_told_once_where_it_happened_and_at_the_end_to_who_began_behind_that() {
    let mut log = Log::of(2);
    log.apply(Change::Aside(EventKind::Missing));
    let missing = log.stream.edge();
    log.lines(1);
    log.begins(Began::Rotated, None, 1);
    log.apply(Change::Aside(EventKind::Back));
    let rest = ["0: 20-30", "rotated", "1: 0-10", "back"];
    let all = |begin: &'static str| [&[begin, "missing"][..], &rest].concat();
    assert_eq!(log.told(nowhere(), None)[1..], all("0: 0-20"));
    // Up to an edge, with what happened there.
    assert_eq!(log.told(at(0, 1), Some(missing)), ["0: 10-20", "missing"]);
    // It was told of the first one.
    let told = Standing {
        aside: 1,
        ..at(0, 2)
    };
    assert_eq!(log.told(told, None), rest);
    // It began behind the place of the first one.
    assert_eq!(log.told(at(1, 0), None), ["1: 0-10", "missing", "back"]);
    log.forgets(false);
    assert_eq!(log.told(at(0, 1), None), all("0: 10-20"));
}

#[test]
fn a_reader_is_as_far_behind_as_it_will_get_and_lose() {
    let mut log = Log::of(2);
    log.begins(Began::Rotated, gap(Some(5)), 3);
    log.begins(Began::Rotated, None, 1);
    for held in [3, 2, 1] {
        let behind = |standing: Standing| log.stream.behind_bytes(standing.position);
        assert_eq!(log.stream.generations_len(), held);
        assert_eq!(behind(at(0, 0)), 20 + 5 + 30 + 10);
        assert_eq!(behind(at(0, 2)), 5 + 30 + 10);
        assert_eq!(behind(at(1, 1)), 20 + 10);
        assert_eq!(behind(at(2, 1)), 0);
        // Whoever begins now begins with what is held.
        let begin = [0, 25, 55][3 - held];
        assert_eq!(behind(nowhere()), 65 - begin);
        if held > 1 {
            log.forgets(false);
        }
    }
}
