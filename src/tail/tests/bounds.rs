//! Bounds: what one file may take from the others, and from memory.

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::rig::*;
use crate::hub::{Hub, Selection, Subscriber};
use crate::limits::TURN_BYTES;
use crate::pace::{CROWD_WAIT_MAX, FAST_BYTES};
use crate::reader::{Begin, From, Next, Reader, note};
use crate::source::lines::cut_when;
use crate::source::{EventKind, Kind};
use crate::tail::Options;

#[test]
fn a_busy_file_does_not_starve_a_quiet_one() {
    let dir = dir();
    for name in ["busy.log", "quiet.log"] {
        append(&dir.path().join(name), "old\n");
    }
    // Batches without a line of the quiet one are not queued: a test in debug mode is too slow for the busy one.
    let (options, only) = (Options::default(), Selection::Only(Arc::from([1])));
    let names = ["busy.log", "quiet.log"];
    let mut rig = Rig::selecting(dir, &names, 1 << 20, options, Arc::new(Quiet), only);
    let stop = Arc::new(AtomicBool::new(false));
    let mut busy = appender(&rig.path("busy.log"));
    let writer = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let lines = "x".repeat(99).add("\n").repeat(1000);
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) && written < 2_000_000_000 {
                busy.write_all(lines.as_bytes()).expect("write");
                written += lines.len();
            }
        }
    });
    let mut slowest = Duration::ZERO;
    for n in 0..50 {
        let line = format!("quiet {n}");
        let begun = Instant::now();
        append(&rig.path("quiet.log"), &format!("{line}\n"));
        rig.until(&line, |got| {
            got.iter()
                .rev()
                .take(20_000)
                .any(|got| matches!(got, Got::Line(_, l) if *l == line))
        });
        slowest = slowest.max(begun.elapsed());
        rig.got.clear();
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");
    eprintln!("slowest of 50 quiet lines: {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

trait Add {
    fn add(self, end: &str) -> String;
}

impl Add for String {
    fn add(mut self, end: &str) -> String {
        self.push_str(end);
        self
    }
}

#[test]
fn a_file_of_ten_gigabytes_is_taken_up_at_its_end_at_once() {
    let dir = dir();
    let log = File::create(dir.path().join("a.log")).expect("create");
    log.write_all_at(b"first\n", 0).expect("write");
    log.write_all_at(b"\nlast\nhalf", 10 << 30).expect("write");
    let begun = Instant::now();
    let mut rig = Rig::new(dir, &["a.log"]);
    append(&rig.path("a.log"), " a line\n");
    rig.expect_lines(&["half a line"]);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_line_without_an_end_comes_in_pieces_and_no_batch_grows_with_it() {
    let max = 100_000;
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let mut rig = Rig::with(dir, &["a.log"], max, Options::default(), Arc::new(Quiet));
    let mut log = appender(&rig.path("a.log"));
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        log.write_all(&piece).expect("write");
    }
    log.write_all(b"\nend\n").expect("write");
    rig.expect_line("end");
    let (end, pieces) = rig
        .lines()
        .split_last()
        .map(|(end, pieces)| (*end, pieces.len()))
        .expect("lines");
    assert_eq!((end, pieces), ("end", (64usize << 20).div_ceil(max)));
    assert!(
        rig.batch_bytes_max <= TURN_BYTES + cut_when(max) + 64 * 1024,
        "{}",
        rig.batch_bytes_max
    );
}

/// How many descriptors of this process lead to deleted files in `dir`.
fn deleted_held(dir: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("descriptors");
    let names = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    let is_held =
        |name: &PathBuf| name.starts_with(dir) && name.to_string_lossy().ends_with(" (deleted)");
    names.filter(is_held).count()
}

fn reader(hub: &Arc<Hub>, from: From) -> Reader {
    let mut pause = |_| ControlFlow::Continue(());
    let begin = Begin::everything(hub, &mut pause);
    let reader = begin.reader(note(hub, &Selection::All, false), &|_| from);
    reader.expect("readable").expect("not given up")
}

/// What a reader is told, where there is nothing to read.
fn events(reader: &mut Reader) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    while let Next::Chunk(segment) = reader.next(100).expect("readable") {
        match &segment.kind {
            Kind::Event(event) => kinds.push(event.kind.clone()),
            Kind::Lines(lines) => panic!("{lines:?}"),
        }
    }
    kinds
}

/// The lines that `reader` reads next, as far as one read takes them, in the wire form that `make` makes of them.
fn next_form(reader: &mut Reader, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    loop {
        let Next::Chunk(chunk) = reader.next(1 << 16).expect("readable") else {
            panic!("no lines");
        };
        if let Kind::Lines(_) = chunk.kind {
            return chunk.form(0, make).to_vec();
        }
    }
}

#[test]
fn what_many_read_is_encoded_once_wherever_they_came_from() {
    let dir = dir();
    append(&dir.path().join("a.log"), &numbered(0, 50_000));
    let rig = Rig::new(dir, &["a.log"]);
    let mut first = reader(&rig.hub, From::All);
    next_form(&mut first, || b"encoded".to_vec());
    let encoded = next_form(&mut reader(&rig.hub, From::All), || panic!("encoded twice"));
    assert_eq!(encoded, b"encoded");
    // They begin in two places, and meet where the first read ends.
    let mut others = [40_000, 39_990].map(|lines| reader(&rig.hub, From::Last(lines)));
    for other in &mut others {
        next_form(other, Vec::new);
    }
    let [third, fourth] = &mut others;
    next_form(third, || b"encoded".to_vec());
    let encoded = next_form(fourth, || panic!("encoded twice"));
    assert_eq!(encoded, b"encoded");
}

#[test]
fn a_deleted_file_whose_name_does_not_come_back_is_let_go_of_and_its_unfinished_line_kept() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let options = Options {
        deleted_kept: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let mut rig = Rig::with(dir, &["a.log"], 1 << 20, options, Arc::new(Quiet));
    append(&rig.path("a.log"), "one\nhalf");
    rig.expect_lines(&["one"]);
    let edge = rig.hub.edge(0).expect("it is followed");
    let mut behind = reader(&rig.hub, From::All);
    let start = behind.next(100).expect("readable");
    assert!(matches!(start, Next::Chunk(_)), "its start");
    std::fs::remove_file(rig.path("a.log")).expect("unlink");
    rig.expect_event(&EventKind::Missing);
    let deadline = Instant::now() + DEADLINE;
    while deleted_held(rig.dir.path()) > 0 {
        rig.look();
        assert!(Instant::now() < deadline, "it is still held open");
    }
    let gap = EventKind::Gap {
        lost_bytes: Some(8),
        reason: "deleted".into(),
    };
    assert_eq!(events(&mut behind), [gap, EventKind::Missing]);
    // Who comes now starts at its end, and is told of no loss if it has had everything.
    for from in [From::All, From::Last(10), From::After(edge.id)] {
        let told = events(&mut reader(&rig.hub, from));
        assert_eq!(told, [EventKind::Start, EventKind::Missing], "{from:?}");
    }
    append(&rig.path("a.log"), "new\n");
    rig.expect_lines(&["one", "half", "new"]);
    assert_eq!(rig.events(), [EventKind::Missing, EventKind::Rotated]);
}

#[test]
fn a_deleted_file_that_is_still_written_to_is_not_let_go_of() {
    let dir = dir();
    append(&dir.path().join("a.log"), "old\n");
    let options = Options {
        deleted_kept: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let mut rig = Rig::with(dir, &["a.log"], 1 << 20, options, Arc::new(Quiet));
    let mut log = appender(&rig.path("a.log"));
    std::fs::remove_file(rig.path("a.log")).expect("unlink");
    let begun = Instant::now();
    let mut written = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        writeln!(log, "line {written}").expect("write");
        written += 1;
        rig.expect_count(written);
    }
    assert_eq!(deleted_held(rig.dir.path()), 2, "the writer's and ours");
}

/// Never carries anything.
#[derive(Debug)]
struct Lags;

impl Subscriber for Lags {
    fn carry(&self, _: bool) -> bool {
        false
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        0
    }
}

#[test]
fn while_lines_come_fast_and_most_subscribers_lag_the_next_publish_waits_for_them() {
    let dir = dir();
    append(&dir.path().join("a.log"), "");
    let mut rig = Rig::with(dir, &["a.log"], 1 << 20, Options::default(), Arc::new(Lags));
    let join = |_| rig.hub.join(Arc::new(Lags), Selection::All, Vec::new(), 16);
    let crowd: Vec<_> = (0..500).map(join).collect();
    let lines = 2 * FAST_BYTES / 10;
    let mut begun = Instant::now();
    for n in 0..3 {
        begun = if n == 1 { Instant::now() } else { begun };
        append(&rig.path("a.log"), &"123456789\n".repeat(lines));
        rig.expect_count((n + 1) * lines);
    }
    assert!(begun.elapsed() >= CROWD_WAIT_MAX, "{:?}", begun.elapsed());
    assert!(crowd.iter().all(Result::is_ok));
}
