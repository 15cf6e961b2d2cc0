//! The toy model: a directory in which a script plays a logger and a log rotator, and the lines that a client is to get.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::posix_fallocate;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proptest::prelude::*;

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// So many lines in one write.
    Append(u8),
    /// So many writes of a line each.
    Flow(u8),
    /// A large write, of many pages.
    Bulk,
    /// Many of those: more than the sockets of a client that does not read can hold. Then everyone else gets it.
    Flood,
    /// The beginning of a line; the next write goes on with it.
    Half,
    /// Everyone gets what is there.
    Settle,
    /// Renamed, and so many more lines to the renamed file before the logger opens the new one.
    Rotate { late: u8, created: bool },
    /// Renamed and no new file until so many lines later.
    RotateAlone { late: u8 },
    /// Many rotations at once, with a few lines in each file.
    RotateOften(u8),
    /// Moved away and back.
    Away,
    /// Deleted, once everyone has what is there; so many more lines to the deleted file.
    Delete { late: u8 },
    /// Another file, with so many lines in it, is moved over it.
    Replace(u8),
    /// Its directory is moved away and made anew.
    Directory,
    /// Copied, and then cut to nothing: what comes between is lost.
    CopyTruncate,
    /// Written anew in place, with so many lines.
    Rewrite(u8),
    /// Renamed, and once there is a new file, copied to the name of a rotated one and deleted (logrotate's renamecopy).
    RenameCopy,
    /// Copied to the name of a rotated one (logrotate's copy).
    Copy,
    /// Another file takes its name, after everyone has seen it while it was empty; the old one gets a name that no rotator
    /// gives.
    Swap(u8),
}

impl Op {
    /// Whether all bytes are still there after it, for one who comes later.
    pub(crate) fn keeps_all(&self) -> bool {
        !matches!(
            self,
            Op::Delete { .. }
                | Op::Replace(_)
                | Op::Directory
                | Op::CopyTruncate
                | Op::Rewrite(_)
                | Op::RenameCopy
                | Op::Swap(_)
        )
    }
}

/// Steps; where `may_lose`, also such that lose lines.
pub(crate) fn op(may_lose: bool) -> impl Strategy<Value = Op> {
    let keeping = prop_oneof![
        4 => (1u8..9).prop_map(Op::Append),
        3 => (1u8..40).prop_map(Op::Flow),
        2 => Just(Op::Bulk),
        1 => Just(Op::Flood),
        2 => Just(Op::Half),
        2 => Just(Op::Settle),
        3 => (0u8..4, any::<bool>()).prop_map(|(late, created)| Op::Rotate { late, created }),
        1 => (0u8..4).prop_map(|late| Op::RotateAlone { late }),
        1 => (2u8..12).prop_map(Op::RotateOften),
        1 => Just(Op::Away),
        1 => (0u8..3).prop_map(|late| Op::Delete { late }),
        1 => (0u8..3).prop_map(Op::Replace),
        1 => Just(Op::Directory),
    ];
    let losing = prop_oneof![
        2 => Just(Op::CopyTruncate),
        1 => (1u8..30).prop_map(Op::Rewrite),
    ];
    let weight = if may_lose { 6 } else { 0 };
    prop_oneof![20 => keeping.boxed(), weight => losing.boxed()]
}

/// The same, and what odd writers and rotators do.
pub(crate) fn odd_op(may_lose: bool) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => op(may_lose).boxed(),
        1 => Just(Op::RenameCopy),
        1 => Just(Op::Copy),
        2 => (0u8..3).prop_map(Op::Swap),
    ]
}

/// What stands in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The lines themselves.
    Plain,
    /// The lines; the file is followed by a pattern, which its temporary and rotated names match, too.
    Pattern,
    /// The lines, and NULs behind them: the files have room before anything is written (posix_fallocate).
    Room,
    /// The lines, which may have times; rotated files have names that no rotator gives, and there is a state directory.
    Odd { timed: bool },
    /// What Docker's json-file driver makes of them.
    Docker,
    /// What CRI makes of them.
    Cri,
    /// The lines go through a FIFO into a spool that holds all of them, or, where it is `small`, only the last.
    Fifo { small: bool },
}

impl Stored {
    /// The lines stand in files, as they are.
    fn is_plain(self) -> bool {
        matches!(
            self,
            Stored::Plain | Stored::Pattern | Stored::Room | Stored::Odd { .. }
        )
    }

    /// Rotated files have names that no rotator gives.
    pub(crate) fn is_odd(self) -> bool {
        matches!(self, Stored::Odd { .. })
    }

    /// How `text` is stored, which may end in the middle of a line.
    fn bytes(self, text: &str) -> String {
        const TIME: &str = "2026-11-28T10:00:00.5Z";
        if self.is_plain() || matches!(self, Stored::Fifo { .. }) {
            return text.to_owned();
        }
        let record = |line: &str| match (self, line.strip_suffix('\n')) {
            (Stored::Docker, Some(line)) => {
                format!("{{\"log\":\"{line}\\n\",\"stream\":\"stdout\",\"time\":\"{TIME}\"}}\n")
            }
            (Stored::Docker, None) => {
                format!("{{\"log\":\"{line}\",\"stream\":\"stdout\",\"time\":\"{TIME}\"}}\n")
            }
            (_, Some(line)) => format!("{TIME} stdout F {line}\n"),
            (_, None) => format!("{TIME} stdout P {line}\n"),
        };
        text.split_inclusive('\n').map(record).collect()
    }
}

/// Large writes in a flood: 2 MB.
const FLOOD_BULKS: usize = 70;

/// Room that a file has from the start: more than the watcher reads in a turn, and less than a large write takes.
const ROOM_BYTES: [u64; 2] = [300 * 1024, 8 * 1024];

/// See the module.
pub(crate) struct World {
    home: PathBuf,
    writer: File,
    /// Where it writes to, in a file that has room.
    at: u64,
    /// Holds a FIFO open on both sides, so that what is in it outlives the program.
    keeper: Option<File>,
    /// The program runs: what is written to a FIFO is taken.
    is_read: bool,
    /// Line by line what was written, as a client is to get it. Line `n` begins with `line n `.
    pub(crate) lines: Vec<String>,
    /// How many there were when the last newline was written.
    whole: usize,
    /// The last of them has no newline yet.
    half: bool,
    /// Files that there have been.
    pub(crate) files: usize,
    /// There is no whole line yet in the file that the name leads to.
    pub(crate) current_is_empty: bool,
    /// How often files have vanished, or what was in them.
    pub(crate) vanished: usize,
    rotations: usize,
    /// Rotated files are called by number, so that each rotation renames them all; else by a date.
    numbered: bool,
    stored: Stored,
    /// The current file begins with the rest of a line of records.
    goes_on: bool,
    /// How often the current file was copied.
    copies: usize,
    /// Lines of which copies have but the half: where the rest is gone with its file, that is all there is.
    copied_halves: Vec<usize>,
    /// Lines may have been lost.
    pub(crate) lossy: bool,
}

impl World {
    pub(crate) fn new(home: &Path, numbered: bool, stored: Stored) -> World {
        fs::create_dir_all(home.join("logs")).expect("mkdir");
        let path = home.join("logs/app.log");
        let keeper = matches!(stored, Stored::Fifo { .. }).then(|| make_fifo(&path));
        let writer = open(&path);
        let mut world = World {
            home: home.to_owned(),
            writer,
            at: 0,
            keeper,
            is_read: false,
            lines: Vec::new(),
            whole: 0,
            half: false,
            files: 1,
            current_is_empty: true,
            vanished: 0,
            rotations: 0,
            numbered,
            stored,
            goes_on: false,
            copies: 0,
            copied_halves: Vec::new(),
            lossy: stored == Stored::Fifo { small: true },
        };
        world.make_room(&path);
        world
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("logs/app.log")
    }

    /// By what it is followed.
    pub(crate) fn followed(&self) -> PathBuf {
        match self.stored {
            Stored::Pattern => self.home.join("logs/app*"),
            _ => self.log(),
        }
    }

    /// Up to and with the last line that has its newline: one without comes only when another file is read.
    pub(crate) fn whole_lines(&self) -> usize {
        self.whole
    }

    /// The program runs from now on, or does not.
    pub(crate) fn is_read(&mut self, is_read: bool) {
        self.is_read = is_read;
    }

    /// Whether all bytes are still there after that step, for one who comes later.
    pub(crate) fn keeps_all(&self, op: &Op) -> bool {
        self.keeper.is_some() || op.keeps_all()
    }

    /// Plays one step; `settle` waits until everyone has all the lines there are.
    pub(crate) fn play(&mut self, op: &Op, settle: &mut dyn FnMut(&World)) {
        if let Stored::Fifo { small } = self.stored {
            return self.feed(op, small, settle);
        }
        let is_kept = op.keeps_all() || self.stored.is_plain();
        // The beginning of a line would be gone for who comes later; or its end, and then the next line seems to be that.
        match op {
            _ if is_kept => {}
            _ if self.goes_on => return,
            _ if self.half => self.append(1),
            _ => {}
        }
        self.do_op(op, settle);
        self.vanished += usize::from(!op.keeps_all());
    }

    /// The same where the lines go through a FIFO: no step loses any, and some have no meaning. What nobody reads must
    /// fit into the FIFO.
    fn feed(&mut self, op: &Op, small: bool, settle: &mut dyn FnMut(&World)) {
        match op {
            Op::Append(_) | Op::Flow(_) | Op::Half | Op::Settle => self.do_op(op, settle),
            Op::Bulk | Op::Flood if self.is_read => self.do_op(op, settle),
            // Another FIFO under the name, once all that was in the first has been taken.
            Op::Delete { .. } | Op::Replace(_) if self.is_read && !small && !self.half => {
                settle(self);
                fs::remove_file(self.log()).expect("unlink");
                self.keeper = Some(make_fifo(&self.log()));
                self.writer = open(&self.log());
                self.append(1);
            }
            _ => self.append(2),
        }
    }

    fn do_op(&mut self, op: &Op, settle: &mut dyn FnMut(&World)) {
        match *op {
            // What comes to a name that is not known, in a directory that is not watched yet, is found by nobody.
            Op::Directory if self.stored.is_odd() => self.append(2),
            // Nor is it known then of which file a copy is, once that is gone.
            Op::RenameCopy if self.stored.is_odd() => self.append(2),
            // Two copies may as well be two files of a log that says the same: where lines have no times, who has not seen
            // them made can tell them only by the file that both hold the beginning of, as long as its name is known.
            Op::Swap(_) | Op::Replace(_) | Op::Delete { .. } if self.has_indistinct_copies() => {
                self.append(2);
            }
            // A writer that knows where it writes to does not notice that its file was cut.
            Op::CopyTruncate | Op::Rewrite(_) if self.stored == Stored::Room => self.append(2),
            Op::Append(lines) => self.append(lines),
            Op::Flow(lines) => (0..lines).for_each(|_| self.append(1)),
            Op::Bulk => self.bulk(),
            Op::Flood => {
                (0..FLOOD_BULKS).for_each(|_| self.bulk());
                settle(self);
            }
            Op::Half => self.begin_line(),
            Op::Settle => settle(self),
            Op::Rotate { late, created } => {
                self.rename_away();
                if created {
                    open(&self.log());
                }
                (0..late).for_each(|_| self.append(1));
                self.reopen();
            }
            Op::RotateAlone { late } => {
                self.rename_away();
                self.append(late);
                settle(self);
                self.append(late);
                self.reopen();
            }
            Op::RotateOften(times) => {
                for _ in 0..times {
                    self.append(3);
                    self.rename_away();
                    self.reopen();
                }
            }
            Op::Away => {
                let away = self.home.join("logs/away");
                fs::rename(self.log(), &away).expect("rename");
                self.append(2);
                fs::rename(&away, self.log()).expect("rename");
            }
            Op::Delete { late } => {
                settle(self);
                fs::remove_file(self.log()).expect("unlink");
                self.append(late);
                self.reopen();
            }
            Op::Replace(lines) => {
                settle(self);
                self.end_file();
                let next = self.temporary();
                self.open(&next);
                self.append(lines);
                fs::rename(&next, self.log()).expect("rename");
            }
            Op::RenameCopy => {
                settle(self);
                self.shift();
                let away = self.log().with_extension("log.copied");
                fs::rename(self.log(), &away).expect("rename");
                self.reopen();
                self.append(1);
                self.wait_for_a_tick();
                fs::copy(&away, self.rotated_name()).expect("copy");
                fs::remove_file(&away).expect("unlink");
            }
            Op::Copy => {
                settle(self);
                self.shift();
                self.wait_for_a_tick();
                fs::copy(self.log(), self.rotated_name()).expect("copy");
                self.copies += 1;
                let half = self.lines.len().checked_sub(1).filter(|_| self.half);
                self.copied_halves.extend(half);
                self.wait_for_a_tick();
                settle(self);
            }
            Op::Swap(lines) => {
                let next = self.temporary();
                open(&next);
                settle(self);
                fs::rename(self.log(), self.log().with_extension("away")).expect("rename");
                fs::rename(&next, self.log()).expect("rename");
                self.reopen();
                self.append(lines);
            }
            Op::Directory => {
                settle(self);
                self.rotations += 1;
                let old = self.home.join(format!("old{}", self.rotations));
                fs::rename(self.home.join("logs"), old).expect("rename");
                fs::create_dir(self.home.join("logs")).expect("mkdir");
                self.append(1);
                self.reopen();
            }
            Op::CopyTruncate => {
                self.be_seen(settle);
                self.shift();
                fs::copy(self.log(), self.rotated_name()).expect("copy");
                self.wait_for_a_tick();
                self.append(1);
                self.end_file();
                self.writer.set_len(0).expect("truncate");
                // A copy that is renamed by a rotation before anyone has seen it looks like a rotated file.
                settle(self);
            }
            Op::Rewrite(lines) => {
                self.be_seen(settle);
                self.end_file();
                let text: String = (0..lines).map(|_| self.line(20)).collect();
                fs::write(self.log(), text).expect("write");
            }
        }
    }

    /// The current file was copied more than once while nobody saw it, and nothing else tells so.
    fn has_indistinct_copies(&self) -> bool {
        let untimed = Stored::Odd { timed: false };
        self.stored == untimed && !self.is_read && self.copies > 1
    }

    /// Something of the file is read before it is cut: a file that is written to and emptied between two looks can't be
    /// told from one that nothing was written to.
    fn be_seen(&mut self, settle: &mut dyn FnMut(&World)) {
        self.append(1);
        self.lossy = true;
        settle(self);
    }

    /// Until the clock has moved on with which the kernel stamps files: no log is rotated and written within one tick.
    fn wait_for_a_tick(&self) {
        let path = self.home.join("tick");
        let stamp = || {
            let _ = fs::remove_file(&path);
            open(&path);
            fs::metadata(&path)
                .and_then(|stat| stat.modified())
                .expect("a time")
        };
        let first = stamp();
        while stamp() == first {}
    }

    /// What stands on the disk, for whoever reads of a failure: of each file when it was made and written, in milliseconds of
    /// the day, and its first and last line.
    pub(crate) fn standing(&self) -> String {
        let mut standing = format!("{}:\n", self.home.display());
        let entries = fs::read_dir(self.home.join("logs")).into_iter().flatten();
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for path in files.iter().filter(|path| path.is_file()) {
            let stat = fs::metadata(path).expect("it is there");
            let at = |time: std::io::Result<SystemTime>| {
                let since = time.ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                Some(since.as_secs_f64() * 1e3 % 864e5)
            };
            let times = (at(stat.created()), at(stat.modified()));
            let bytes = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let mut lines = text.lines().filter_map(number_of);
            let ends = (lines.next(), lines.next_back());
            standing += &format!("  {:?} {times:.3?} {ends:?}\n", path.file_name());
        }
        standing
    }

    /// One last line, whole.
    pub(crate) fn finish(&mut self) {
        self.append(1);
    }

    fn bulk(&mut self) {
        let text: String = (0..400).map(|_| self.line(60)).collect();
        self.write(&text);
    }

    fn append(&mut self, lines: u8) {
        if lines > 0 {
            let text: String = (0..lines).map(|n| self.line(usize::from(n))).collect();
            self.write(&text);
        }
    }

    /// Where copies may outlive what they were made of, lines have times: else two files that begin alike may as well be
    /// two logs that say the same.
    fn beginning(&self) -> String {
        let number = self.lines.len();
        match self.stored {
            Stored::Room | Stored::Pattern | Stored::Odd { timed: true } => {
                format!("line {number} ts={} ", 1_795_900_000 + number)
            }
            _ => format!("line {number} "),
        }
    }

    /// The text of a new line, or of the rest of a begun one.
    fn line(&mut self, padding: usize) -> String {
        if std::mem::take(&mut self.half) {
            let n = self.lines.len() - 1;
            self.lines[n].push_str("rest");
            self.whole = self.lines.len();
            return "rest\n".to_owned();
        }
        let line = format!("{}{}", self.beginning(), "x".repeat(padding));
        self.lines.push(line.clone());
        self.whole = self.lines.len();
        line + "\n"
    }

    fn begin_line(&mut self) {
        if !self.half {
            let line = format!("{}half ", self.beginning());
            self.write(&line);
            self.lines.push(line);
            self.half = true;
        }
    }

    fn write(&mut self, text: &str) {
        self.current_is_empty &= !text.ends_with('\n');
        let bytes = self.stored.bytes(text);
        if self.stored == Stored::Room {
            let outcome = self.writer.write_all_at(bytes.as_bytes(), self.at);
            outcome.expect("write");
            self.at += bytes.len() as u64;
        } else {
            self.writer.write_all(bytes.as_bytes()).expect("write");
        }
    }

    /// A begun line stays as it is, since what comes next is another file; but in records it goes on there.
    fn end_file(&mut self) {
        self.files += 1;
        self.current_is_empty = true;
        self.half &= !self.stored.is_plain();
        self.goes_on = self.half;
    }

    fn reopen(&mut self) {
        self.files += 1;
        self.current_is_empty = true;
        self.end_file();
        let log = self.log();
        self.open(&log);
    }

    fn open(&mut self, path: &Path) {
        if self.stored == Stored::Room && self.rotations % 2 == 0 {
            // Some give the rest back when they are done.
            self.writer.set_len(self.at).expect("ftruncate");
        }
        self.writer = open(path);
        self.copies = 0;
        self.make_room(path);
    }

    fn make_room(&mut self, path: &Path) {
        if self.stored == Stored::Room {
            self.writer = open_anywhere(path);
            self.at = 0;
            let room = ROOM_BYTES[self.files % ROOM_BYTES.len()];
            posix_fallocate(&self.writer, 0, room as i64).expect("room");
        }
    }

    /// Where a file is made that is to take the place of the log.
    fn temporary(&self) -> PathBuf {
        match self.stored {
            Stored::Pattern => self.home.join("logs/app.log.tmp"),
            _ => self.home.join("logs/next"),
        }
    }

    fn rename_away(&mut self) {
        if self.stored.is_odd() {
            // Names that are not known don't tell in which order they count.
            self.wait_for_a_tick();
        }
        self.shift();
        fs::rename(self.log(), self.rotated_name()).expect("rename");
    }

    fn shift(&mut self) {
        self.rotations += 1;
        if self.numbered {
            let name = |n: usize| self.numbered_name(n);
            for n in (1..=self.rotations).rev() {
                let _ = fs::rename(name(n), name(n + 1));
            }
        }
    }

    fn rotated_name(&self) -> PathBuf {
        match (self.numbered, self.stored) {
            (true, _) => self.numbered_name(1),
            (false, Stored::Odd { .. }) => self.home.join(format!("logs/swept {}", self.rotations)),
            (false, _) => self
                .home
                .join(format!("logs/app.log-2026{:04}", self.rotations)),
        }
    }

    fn numbered_name(&self, n: usize) -> PathBuf {
        match self.stored {
            Stored::Odd { .. } => self.home.join(format!("logs/app{n}.log")),
            _ => self.home.join(format!("logs/app.log.{n}")),
        }
    }
}

/// Makes a FIFO, and holds it open on both sides.
fn make_fifo(path: &Path) -> File {
    mkfifo(path, Mode::S_IRWXU).expect("mkfifo");
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(path).expect("open")
}

/// Opens a file to write where one says: with O_APPEND, Linux would write to the end (pwrite(2), BUGS).
fn open_anywhere(path: &Path) -> File {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .expect("open for writing")
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("open for appending")
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Line(String),
    Event(String),
}

/// What a client is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// All lines, once, in order, and no gap.
    All,
    /// An ordered selection of them, with every loss told.
    Told,
    /// An ordered selection.
    Order,
}

/// Whether `got` is what a client is to get of the lines of `world`.
pub(crate) fn check(got: &[Got], world: &World, promise: Promise) -> Result<(), String> {
    let lines = &world.lines;
    let mut next = 0;
    let mut told = false;
    for (at, what) in got.iter().enumerate() {
        match what {
            Got::Event(event) if is_gap(event) && promise == Promise::All => {
                let e = format!("{event} before line {next} though nothing can be lost");
                return Err(around(got, at, &e));
            }
            Got::Event(event) => told |= is_loss(event),
            Got::Line(line) => {
                let torn = matches!(got.get(at + 1), Some(Got::Event(event)) if is_loss(event));
                let is_half = |n| promise == Promise::Order && world.copied_halves.contains(&n);
                let torn = torn || number_of(line).is_some_and(is_half);
                let number =
                    check_line(line, lines, next, torn).map_err(|e| around(got, at, &e))?;
                if number > next && (promise == Promise::All || (promise == Promise::Told && !told))
                {
                    let e = format!("{} lines before line {number} are missing", number - next);
                    return Err(around(got, at, &e));
                }
                next = number + 1;
                told = false;
            }
        }
    }
    match next == lines.len() {
        true => Ok(()),
        false => Err(format!("the last lines are missing, from {next} on")),
    }
}

/// The number that a line of ours begins with.
pub(crate) fn number_of(line: &str) -> Option<usize> {
    line.split(' ').nth(1)?.parse().ok()
}

/// The number of a line, if it is one of ours and comes in order. A file may be cut while a line is half read: then it
/// is `torn`, and what was cut is told next.
fn check_line(line: &str, lines: &[String], next: usize, torn: bool) -> Result<usize, String> {
    let Some(number) = number_of(line).filter(|&n| n < lines.len()) else {
        return Err(format!("no line of ours: {line:?}"));
    };
    let want = &lines[number];
    if line != want && !(torn && want.starts_with(line)) {
        return Err(format!("{line:?} instead of {want:?}"));
    }
    if number < next {
        return Err(format!(
            "line {number} once more, or too late: {next} was next"
        ));
    }
    Ok(number)
}

fn is_gap(event: &str) -> bool {
    event.starts_with("gap")
}

fn is_loss(event: &str) -> bool {
    is_gap(event) || event.starts_with("truncated")
}

fn around(got: &[Got], at: usize, e: &str) -> String {
    let around = &got[at.saturating_sub(8)..got.len().min(at + 4)];
    format!("{e}; around: {around:?}")
}
