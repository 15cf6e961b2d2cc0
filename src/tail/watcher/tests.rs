//! A watcher that is driven by hand, pass by pass: how much one does, and what it leaves to be woken for.

use std::path::PathBuf;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use super::*;
use crate::hub::tests::Quiet;
use crate::hub::{Queue, Selection};
use crate::limits::SAFETY_LOOK_TRUSTED;
use crate::source::Kind;
use crate::tail::tests::rig::{DEADLINE, append, dir};
use crate::tail::trust::{Ground, ground_at};

struct ByHand {
    dir: TempDir,
    watcher: Watcher,
    queue: Queue,
    /// What the longest pass took of this thread's time.
    longest: Duration,
    /// Directories were listed in a pass.
    has_listed: bool,
}

impl ByHand {
    fn new(dir: TempDir, names: &[&str]) -> ByHand {
        let wanted = |name: &&str| Wanted::read(dir.path().join(name).as_os_str()).expect("a path");
        let files: Vec<Wanted> = names.iter().map(wanted).collect();
        let hub = Arc::new(Hub::new(1 << 20).expect("a hub"));
        let rounds = Arc::new(Rounds::new(Arc::clone(&hub), None));
        let options = Options::default();
        let watcher = Watcher::new(&files, Arc::clone(&hub), rounds, options).expect("a watcher");
        let joined = hub.join(Arc::new(Quiet), Selection::All, Vec::new(), 1 << 20);
        let queue = joined.expect("joined").queue;
        ByHand {
            dir,
            watcher,
            queue,
            longest: Duration::ZERO,
            has_listed: false,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn rotate(&self, name: &str) {
        let rotated = self.path(&format!("{name}.1"));
        std::fs::rename(self.path(name), rotated).expect("rename");
        append(&self.path(name), &format!("new {name}\n"));
    }

    /// One pass; the lines that it has published.
    fn pass(&mut self) -> Vec<String> {
        let begun = worked();
        self.watcher.pass();
        self.longest = self.longest.max(worked() - begun);
        self.has_listed |= !self.watcher.listings.is_empty();
        let mut lines = Vec::new();
        while let Ok(batch) = self.queue.try_recv() {
            for segment in &batch.segments {
                if let Kind::Lines(of) = &segment.kind {
                    let line = |at| String::from_utf8_lossy(of.line(at)).into_owned();
                    lines.extend((0..of.len()).map(line));
                }
            }
        }
        lines
    }

    /// Passes until nothing is to be done before something happens.
    fn settle(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        let is_due = |watcher: &Watcher| watcher.next_time().is_some_and(|at| at <= Instant::now());
        while !self.watcher.is_idle() || self.watcher.watches.has_waiting() || is_due(&self.watcher)
        {
            self.pass();
            assert!(Instant::now() < deadline, "there is always more to be done");
        }
    }

    /// Passes, each when one is due, until `enough` lines have come; `meanwhile` is done before each.
    fn until(&mut self, enough: usize, mut meanwhile: impl FnMut(&mut ByHand, &[String])) {
        let deadline = Instant::now() + DEADLINE;
        let mut lines = Vec::new();
        while lines.len() < enough {
            meanwhile(self, &lines);
            lines.extend(self.pass());
            if lines.len() < enough && self.watcher.is_idle() {
                let next = self.watcher.next_time();
                self.watcher.wait(true, next);
            }
            assert!(Instant::now() < deadline, "{} lines", lines.len());
        }
    }
}

/// What this thread has had of the processor.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
    Duration::from(time)
}

#[test]
fn a_thousand_quiet_files_wake_nobody() {
    let dir = dir();
    for n in 0..1000 {
        append(&dir.path().join(format!("{n}.log")), "old\n");
    }
    // Elsewhere the safety look is every few seconds.
    if ground_at(dir.path()) != Ground::Local {
        eprintln!("skipped: the directory for temporary files is on no local file system");
        return;
    }
    let begun = Instant::now();
    let mut by_hand = ByHand::new(dir, &["*.log"]);
    append(&by_hand.path("7.log"), "one\n");
    // It doesn't wait here: what is mounted on the machine meanwhile would wake it.
    by_hand.until(1, |_, _| {});
    by_hand.settle();
    let watcher = &mut by_hand.watcher;
    assert_eq!(watcher.what_now(Did::LookInVain), Deed::AwaitEvents);
    let next = watcher.next_time().expect("a safety look");
    assert!(
        next >= begun + SAFETY_LOOK_TRUSTED.min(FORGET_EVERY),
        "{:?}",
        next - begun
    );
}

#[test]
fn a_line_is_read_by_the_next_pass_but_one_while_thousands_of_files_rotate() {
    let count = 2000;
    let dir = dir();
    let name = |n: usize| format!("{n}.log");
    for n in 0..count {
        append(&dir.path().join(name(n)), "old\n");
    }
    append(&dir.path().join("other.txt"), "old\n");
    let mut by_hand = ByHand::new(dir, &["*.log", "other.txt"]);
    by_hand.settle();
    // It is written to all the time: so it is known to be, however many events stand before those of it.
    append(&by_hand.path("other.txt"), "other\n");
    by_hand.settle();
    by_hand.longest = Duration::ZERO;
    let mut written = 0;
    by_hand.until(2 * count, |by_hand, lines| {
        if written == 0 {
            (0..count).for_each(|n| by_hand.rotate(&name(n)));
        }
        let others = lines
            .iter()
            .filter(|line| line.starts_with("other"))
            .count();
        assert!(
            written < others + 300,
            "{written} lines, {others} of them read"
        );
        (0..100).for_each(|n| append(&by_hand.path("other.txt"), &format!("other {n}\n")));
        written += 100;
    });
    eprintln!("the longest pass took {:?}", by_hand.longest);
    assert!(
        by_hand.longest < Duration::from_millis(50),
        "{:?}",
        by_hand.longest
    );
}

#[test]
fn a_rotation_that_the_kernel_tells_of_lists_no_directory() {
    let dir = dir();
    append(&dir.path().join("app.log"), "old\n");
    for n in 0..500 {
        append(&dir.path().join(format!("app.log-{n}")), "rotated\n");
    }
    if ground_at(dir.path()) != Ground::Local {
        eprintln!("skipped: the directory for temporary files is on no local file system");
        return;
    }
    let mut by_hand = ByHand::new(dir, &["app.log"]);
    by_hand.settle();
    for _ in 0..3 {
        by_hand.rotate("app.log");
        by_hand.until(1, |_, _| {});
    }
    assert!(!by_hand.has_listed);
}
