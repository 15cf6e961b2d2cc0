//! A watcher in a directory of its own, and one subscriber that takes down everything.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use crate::courier::Rounds;
use crate::hub::{Hub, Queue, Selection, Subscriber};
use crate::pattern::Wanted;
use crate::source::{Batch, EventKind, Kind};
use crate::stop::Stop;
use crate::tail::{Handle, Options, Watcher};

/// Long enough for a busy machine; nothing waits that long when it works.
pub(in crate::tail) const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Line(String, String),
    Event(String, EventKind),
}

pub(super) use crate::hub::tests::Quiet;

pub(super) struct Rig {
    pub(super) dir: TempDir,
    pub(super) hub: Arc<Hub>,
    pub(super) stop: Arc<Stop>,
    pub(super) got: Vec<Got>,
    /// The largest batch so far.
    pub(super) batch_bytes_max: usize,
    watcher: Option<(Handle, JoinHandle<()>)>,
    pub(super) queue: Queue,
}

/// A directory, and names in it.
pub(in crate::tail) fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

impl Rig {
    /// Follows `names` in the directory.
    pub(super) fn new(dir: TempDir, names: &[&str]) -> Rig {
        Rig::with(dir, names, 1 << 20, Options::default(), Arc::new(Quiet))
    }

    /// Follows `a.log`, in which `text` stands at the start.
    pub(super) fn following(text: &str) -> Rig {
        let dir = dir();
        append(&dir.path().join("a.log"), text);
        Rig::new(dir, &["a.log"])
    }

    /// The same, and the watcher is held up once it has published the line "one": what happens to the files until the
    /// gate is opened happens between two looks.
    pub(super) fn held_up(text: &str) -> (Rig, Arc<Gate>) {
        Rig::held_up_with(text, Options::default())
    }

    pub(super) fn held_up_with(text: &str, options: Options) -> (Rig, Arc<Gate>) {
        let dir = dir();
        append(&dir.path().join("a.log"), text);
        Rig::held_up_at(dir, "a.log", options)
    }

    /// The same where the file that is called `name` is followed, which is there.
    pub(super) fn held_up_at(dir: TempDir, name: &str, options: Options) -> (Rig, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let rig = Rig::with(dir, &[name], 1 << 20, options, gate.clone());
        gate.shut();
        append(&rig.path(name), "one\n");
        gate.wait();
        (rig, gate)
    }

    pub(super) fn polling(dir: TempDir, names: &[&str]) -> Rig {
        let options = Options {
            poll_only: true,
            ..Options::default()
        };
        Rig::with(dir, names, 1 << 20, options, Arc::new(Quiet))
    }

    pub(super) fn with(
        dir: TempDir,
        names: &[&str],
        line_bytes_max: usize,
        options: Options,
        subscriber: Arc<dyn Subscriber>,
    ) -> Rig {
        Rig::selecting(
            dir,
            names,
            line_bytes_max,
            options,
            subscriber,
            Selection::All,
        )
    }

    pub(super) fn selecting(
        dir: TempDir,
        names: &[&str],
        line_bytes_max: usize,
        options: Options,
        subscriber: Arc<dyn Subscriber>,
        selection: Selection,
    ) -> Rig {
        let wanted = |name: &&str| Wanted::read(dir.path().join(name).as_os_str()).expect("a path");
        let files: Vec<Wanted> = names.iter().map(wanted).collect();
        let hub = Arc::new(Hub::new(line_bytes_max).expect("a hub"));
        let rounds = Arc::new(Rounds::new(Arc::clone(&hub), None));
        let watcher = Watcher::new(&files, Arc::clone(&hub), rounds, options).expect("a watcher");
        let joined = hub
            .join(subscriber, selection, Vec::new(), 1 << 20)
            .expect("joined");
        let stop = Arc::new(Stop::default());
        let handle = watcher.handle();
        let thread = watcher.start(Arc::clone(&stop)).expect("a thread");
        Rig {
            dir,
            hub,
            stop,
            got: Vec::new(),
            batch_bytes_max: 0,
            watcher: Some((handle, thread)),
            queue: joined.queue,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Takes down what comes until `enough`.
    pub(super) fn until(&mut self, what: &str, mut enough: impl FnMut(&[Got]) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !enough(&self.got) {
            match self.queue.recv_deadline(deadline) {
                Ok(batch) => self.take_down(&batch),
                Err(_) => panic!(
                    "not in time: {what}; the last of {}: {:?}",
                    self.got.len(),
                    self.tail()
                ),
            }
        }
    }

    fn tail(&self) -> &[Got] {
        &self.got[self.got.len().saturating_sub(20)..]
    }

    fn take_down(&mut self, batch: &Batch) {
        self.batch_bytes_max = self.batch_bytes_max.max(batch.pinned_bytes());
        for segment in &batch.segments {
            let name = &segment.source.name;
            match &segment.kind {
                Kind::Event(event) => self.got.push(Got::Event(name.clone(), event.kind.clone())),
                Kind::Lines(lines) => {
                    for i in 0..lines.len() {
                        let line = String::from_utf8_lossy(lines.line(i)).into_owned();
                        self.got.push(Got::Line(name.clone(), line));
                    }
                }
            }
        }
    }

    /// Waits until the watcher has looked at everything, and takes down what that brought.
    pub(super) fn look(&mut self) {
        assert!(self.hub.looks.ask(), "the watcher looks in time");
        self.take_what_has_come();
    }

    /// Takes down what has come.
    pub(super) fn take_what_has_come(&mut self) {
        while let Ok(batch) = self.queue.try_recv() {
            self.take_down(&batch);
        }
    }

    pub(super) fn lines(&self) -> Vec<&str> {
        self.got
            .iter()
            .filter_map(|got| match got {
                Got::Line(_, line) => Some(line.as_str()),
                Got::Event(..) => None,
            })
            .collect()
    }

    pub(super) fn lines_of(&self, of: &str) -> Vec<&str> {
        self.got
            .iter()
            .filter_map(|got| match got {
                Got::Line(name, line) if name == of => Some(line.as_str()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn events(&self) -> Vec<EventKind> {
        self.got
            .iter()
            .filter_map(|got| match got {
                Got::Event(_, kind) => Some(kind.clone()),
                Got::Line(..) => None,
            })
            .collect()
    }

    /// Waits until just these lines have come.
    pub(super) fn expect_lines(&mut self, want: &[&str]) {
        self.expect_count(want.len());
        assert_eq!(self.lines(), want);
    }

    /// Waits until so many lines have come.
    pub(super) fn expect_count(&mut self, count: usize) {
        self.until(&format!("{count} lines"), |got| {
            let is_line = |got: &&Got| matches!(got, Got::Line(..));
            got.iter().filter(is_line).count() >= count
        });
    }

    /// Waits until this line has come, whatever comes before it.
    pub(super) fn expect_line(&mut self, want: &str) {
        self.until(want, |got| {
            let is_it = |got: &Got| matches!(got, Got::Line(_, line) if line == want);
            got.iter().rev().any(is_it)
        });
    }

    pub(super) fn expect_event(&mut self, kind: &EventKind) {
        self.until(&format!("{kind:?}"), |got| {
            got.iter()
                .any(|got| matches!(got, Got::Event(_, k) if k == kind))
        });
    }

    pub(super) fn has_gap(&self) -> bool {
        self.events()
            .iter()
            .any(|kind| matches!(kind, EventKind::Gap { .. }))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.watcher.take() {
            handle.quit();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the watcher does not panic");
                assert!(
                    !self.stop.is_set(),
                    "the watcher ended because it was told to"
                );
            }
        }
    }
}

pub(in crate::tail) fn append(path: &Path, text: &str) {
    appender(path).write_all(text.as_bytes()).expect("write");
}

/// As a daemon has its log open.
pub(super) fn appender(path: &Path) -> File {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("open for appending")
}

pub(super) fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("line {n}\n")).collect()
}

/// `assert_eq` that shows where the difference begins, not all of both.
pub(super) fn assert_same<A: AsRef<str>, B: AsRef<str>>(got: &[A], want: &[B]) {
    let differ = got
        .iter()
        .zip(want)
        .position(|(a, b)| a.as_ref() != b.as_ref());
    let at = differ.unwrap_or(got.len().min(want.len()));
    let around = |lines: &[&str]| {
        lines[at.saturating_sub(2).min(lines.len())..(at + 3).min(lines.len())].join(" | ")
    };
    let got: Vec<&str> = got.iter().map(AsRef::as_ref).collect();
    let want: Vec<&str> = want.iter().map(AsRef::as_ref).collect();
    assert!(
        differ.is_none() && got.len() == want.len(),
        "at {at}: got {} lines, wanted {}: {} <> {}",
        got.len(),
        want.len(),
        around(&got),
        around(&want)
    );
}

/// A subscriber that, while it is shut, holds up the watcher that carries to it: what happens to the files then happens
/// between two looks.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    /// The watcher stands before it.
    holds: bool,
    /// It may pass once, though it is shut.
    passes: bool,
}

impl Gate {
    /// The next carry waits.
    pub(super) fn shut(&self) {
        self.state.lock().shut = true;
    }

    /// Waits until the watcher stands before it.
    pub(super) fn wait(&self) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.lock();
        while !state.holds {
            let late = self.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!late, "held up in time");
        }
    }

    /// Lets the watcher pass that stands before it, and holds it up at its next carry.
    pub(super) fn pass_once(&self) {
        let mut state = self.state.lock();
        state.passes = true;
        state.holds = false;
        self.changed.notify_all();
    }

    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        (state.shut, state.holds) = (false, false);
        self.changed.notify_all();
    }
}

impl Subscriber for Gate {
    fn carry(&self, _: bool) -> bool {
        let mut state = self.state.lock();
        while state.shut && !state.passes {
            state.holds = true;
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
        state.passes = false;
        false
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        u64::MAX
    }
}

/// A subscriber whose carry makes the watcher's thread nobody, as far as files are concerned: root may open everything.
#[derive(Debug)]
pub(super) struct Unprivileged;

impl Subscriber for Unprivileged {
    fn carry(&self, _: bool) -> bool {
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        false
    }

    fn dropped(&self) {}

    fn done(&self) -> u64 {
        u64::MAX
    }
}
