//! History over what real rotators leave: every line once and in order, and each line's id good before, during and after
//! compression and over a restart.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};

/// The numbers of all lines, each with its id.
fn history(daemon: &Daemon, query: &str) -> Vec<(usize, String)> {
    let target = format!("/stream?format=json&follow=false&{query}");
    let text = daemon.get(&target).text();
    let objects = text.lines().map(serde_json::from_str);
    let line = |object: Value| {
        let number = object["line"].as_str()?.split(' ').next_back()?.parse();
        let id = object["id"].as_str().expect("an id").to_owned();
        Some((number.expect("a number"), id))
    };
    objects
        .map(|object| object.expect("JSON"))
        .filter_map(line)
        .collect()
}

fn numbers(daemon: &Daemon, query: &str) -> Vec<usize> {
    let history = history(daemon, query);
    history.into_iter().map(|(number, _)| number).collect()
}

/// Tells another thread to end, also where this one fails.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More than the hub holds open.
const ROTATIONS: usize = 6;

/// Writes numbered lines as a daemon does: into one descriptor, until another file stands under the name.
struct Writer {
    path: PathBuf,
    file: Option<File>,
    written: usize,
}

impl Writer {
    fn new(path: &Path) -> Writer {
        Writer {
            path: path.to_owned(),
            file: None,
            written: 0,
        }
    }

    fn line(&mut self) {
        let stands = fs::metadata(&self.path).ok().map(|stat| stat.ino());
        let own = |file: &File| Some(file.metadata().expect("a stat").ino()) == stands;
        if !self.file.as_ref().is_some_and(own) {
            // It makes none: while a rotator makes the next one, it writes into the one that it has.
            let opened = File::options().append(true).open(&self.path);
            self.file = opened.ok().or(self.file.take());
        }
        let file = self.file.as_mut().expect("it is open");
        self.written += 1;
        writeln!(file, "line {}", self.written).expect("write");
    }
}

/// Calls `rotate` again and again while lines are written; how many were. Where the rotator `compresses` at once, nothing is
/// written while it does: whatever comes into the renamed file meanwhile is lost to everybody.
fn under_load(log: &Path, compresses: bool, rotate: &mut dyn FnMut()) -> usize {
    let mut writer = Writer::new(log);
    for _ in 0..20 {
        writer.line();
    }
    let ends = AtomicBool::new(false);
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let writes = scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                {
                    let _open = gate.lock();
                    writer.line();
                }
                // The load itself: some thousand lines a second.
                thread::sleep(Duration::from_micros(300));
            }
            // Into the last file, whichever that is.
            writer.line();
            writer.written
        });
        {
            let _ends = AtEnd(&ends);
            for _ in 0..ROTATIONS {
                let _closed = compresses.then(|| gate.lock());
                rotate();
            }
        }
        writes.join().expect("no panic")
    })
}

/// Whether all lines are history, once and in order; after a restart as well.
fn all_is_history(how: &str, daemon: Daemon, follow: &Path, written: usize) {
    let all: Vec<usize> = (1..=written).collect();
    let query = "lines=1000000";
    let is_all = |daemon: &Daemon| wait_until(DEADLINE, || numbers(daemon, query) == all);
    let found = |daemon: &Daemon| {
        let found = numbers(daemon, query);
        let place = found.iter().zip(&all).position(|(one, other)| one != other);
        let at = place.unwrap_or(found.len().min(written));
        format!(
            "{} of {written} lines, wrong from {place:?} on: {:?}",
            found.len(),
            found.iter().skip(at).take(3).collect::<Vec<_>>()
        )
    };
    assert!(is_all(&daemon), "{how}: {}", found(&daemon));
    drop(daemon);
    let daemon = Daemon::follow(&[follow]);
    assert!(
        is_all(&daemon),
        "{how}, after a restart: {}",
        found(&daemon)
    );
    // The last of them however many are asked for, back over some seams.
    for wanted in [1, written / 3, written / 2, written - 1] {
        let last = &all[written - wanted..];
        assert_eq!(numbers(&daemon, &format!("lines={wanted}")), last, "{how}");
    }
}

fn done(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("it starts").success(), "{command:?}");
}

#[test]
fn what_logrotate_leaves_under_load_is_history() {
    let Some(logrotate) = tool(&["logrotate"]) else {
        return;
    };
    let mut ways = vec![
        "create",
        "create\nstart 0",
        "create\nextension .log\ncompress\ndelaycompress",
        "create\ncompress",
        "create\ndateext\ndateformat .%Y-%m-%d-%s\ncompress",
    ];
    if tool(&["zstd"]).is_some() {
        ways.push("create\ncompress\ncompresscmd zstd\nuncompresscmd unzstd\ncompressext .zst\ncompressoptions -q --rm");
    }
    thread::scope(|scope| {
        for how in ways {
            let logrotate = &logrotate;
            scope.spawn(move || {
                let logs = Logs::new();
                let log = logs.file("a.log", "");
                let text = format!(
                    "{} {{\n rotate 30\n su root root\n {how}\n}}\n",
                    log.display()
                );
                let config = logs.file("rotate.conf", text);
                fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o644))
                    .expect("a mode");
                let compresses = how.contains("compress") && !how.contains("delay");
                let daemon = Daemon::follow(&[&log]);
                let written = under_load(&log, compresses, &mut || {
                    if how.contains("dateext") {
                        // Its names have a second in them.
                        thread::sleep(Duration::from_millis(1050));
                    }
                    let mut command = Command::new(logrotate);
                    done(
                        command
                            .args(["-f", "-s"])
                            .arg(logs.path("state"))
                            .arg(&config),
                    );
                });
                all_is_history(how, daemon, &log, written);
            });
        }
    });
}

#[test]
fn what_savelog_leaves_under_load_is_history() {
    let Some(savelog) = tool(&["savelog"]) else {
        return;
    };
    for how in [&["-n"][..], &["-l"], &["-l", "-J"]] {
        if how.contains(&"-J") && tool(&["xz"]).is_none() {
            continue;
        }
        let logs = Logs::new();
        let log = logs.file("a.log", "");
        let daemon = Daemon::follow(&[&log]);
        let written = under_load(&log, false, &mut || {
            let mut command = Command::new(&savelog);
            done(command.args(how).args(["-t", "-c", "9"]).arg(&log));
        });
        if how.contains(&"-J") {
            // xz: what it has compressed can't be read, and says so.
            let text = daemon
                .get("/stream?format=json&follow=false&lines=1000000")
                .text();
            assert!(
                text.contains("compressed in a way that can't be read"),
                "{text}"
            );
            let found = numbers(&daemon, "lines=1000000");
            assert!(found.is_sorted() && found.last() == Some(&written));
        } else {
            all_is_history(&format!("savelog {how:?}"), daemon, &log, written);
        }
    }
}

#[test]
fn what_mv_backs_up_under_load_is_history() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    let written = under_load(&log, false, &mut || {
        let new = logs.file("new", "");
        done(
            Command::new("mv")
                .arg("--backup=numbered")
                .arg(new)
                .arg(&log),
        );
    });
    assert!(logs.path("a.log.~6~").exists());
    all_is_history("mv --backup=numbered", daemon, &log, written);
}

/// The history of a logger that writes its standard input into a directory and rotates it there.
fn logger_history(name: &str, logger: impl Fn(&Path) -> Command) {
    let logs = Logs::new();
    let dir = logs.path("log");
    fs::create_dir(&dir).expect("mkdir");
    let current = dir.join("current");
    let daemon = Daemon::follow(&[&current]);
    let mut command = logger(&dir);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("start the logger");
    let mut input = child.stdin.take().expect("a pipe");
    for n in 1..=3000 {
        writeln!(input, "a line that is as long as such lines are {n}").expect("write");
    }
    drop(input);
    assert!(child.wait().expect("wait").success());
    let files = fs::read_dir(&dir).expect("readable").count();
    assert!(files > 8, "it has rotated often: {files}");
    all_is_history(name, daemon, &current, 3000);
}

#[test]
fn what_the_loggers_of_supervisors_leave_is_history() {
    if let Some(multilog) = tool(&["multilog"]) {
        logger_history("multilog", |dir| {
            let mut command = Command::new(&multilog);
            command.args(["s8192", "n100"]).arg(dir);
            command
        });
    }
    if let Some(s6_log) = tool(&["s6-log"]) {
        logger_history("s6-log", |dir| {
            let mut command = Command::new(&s6_log);
            command.args(["n100", "s8192"]).arg(dir);
            command
        });
    }
    if let Some(svlogd) = tool(&["svlogd"]) {
        logger_history("svlogd", |dir| {
            fs::write(dir.join("config"), "s8192\nn100\n").expect("write");
            let mut command = Command::new(&svlogd);
            command.arg("-l120").arg(dir).stderr(Stdio::null());
            command
        });
    }
}

/// What programs leave that give each file a name of its own: a pattern follows all of them.
fn pattern_history(name: &str, pattern: &str, logger: impl Fn(&Path) -> Command) {
    let logs = Logs::new();
    let pattern = logs.path(pattern);
    let daemon = Daemon::follow(&[&pattern]);
    let mut child = logger(&logs.path(""))
        .stdin(Stdio::piped())
        .spawn()
        .expect("start the logger");
    let mut input = child.stdin.take().expect("a pipe");
    for n in 1..=300 {
        writeln!(input, "line {n}").expect("write");
        // Over three seconds, each of which has a file.
        thread::sleep(Duration::from_millis(10));
    }
    drop(input);
    // cronolog ends with 3 at the end of its input.
    child.wait().expect("wait");
    let all: Vec<usize> = (1..=300).collect();
    for daemon in [daemon, Daemon::follow(&[&pattern])] {
        let sorted = || {
            let mut found = numbers(&daemon, "lines=1000000");
            found.sort_unstable();
            found
        };
        assert!(
            wait_until(DEADLINE, || sorted() == all),
            "{name}: {:?}",
            sorted()
        );
        let files: Vec<Value> = serde_json::from_str(&daemon.get("/files").text()).expect("JSON");
        assert!(files.len() > 2, "{name}: {files:?}");
        for file in &files {
            let file = file["name"].as_str().expect("a name");
            let found = numbers(&daemon, &format!("lines=1000000&file={file}"));
            assert!(
                found.is_sorted() && !found.is_empty(),
                "{name}: {file}: {found:?}"
            );
        }
    }
}

#[test]
fn what_rotatelogs_and_cronolog_write_is_the_history_of_each_name() {
    thread::scope(|scope| {
        if let Some(rotatelogs) = tool(&["rotatelogs"]) {
            scope.spawn(move || {
                pattern_history("rotatelogs", "access.*.log", |dir| {
                    let mut command = Command::new(&rotatelogs);
                    command.arg(dir.join("access.%Y%m%d-%H%M%S.log")).arg("1");
                    command
                });
            });
        }
        if let Some(cronolog) = tool(&["cronolog"]) {
            scope.spawn(move || {
                pattern_history("cronolog", "access-*.log", |dir| {
                    let mut command = Command::new(&cronolog);
                    command.arg(dir.join("access-%Y-%m-%d-%H%M%S.log"));
                    command
                });
            });
        }
    });
}

#[test]
fn what_pythons_handlers_leave_is_history() {
    let Some(python) = tool(&["python3"]) else {
        return;
    };
    for (handler, per_line) in [
        (
            "RotatingFileHandler(path, maxBytes=500, backupCount=50)",
            "0",
        ),
        (
            "TimedRotatingFileHandler(path, when='S', backupCount=50)",
            "0.003",
        ),
    ] {
        let logs = Logs::new();
        let log = logs.file("a.log", "");
        let daemon = Daemon::follow(&[&log]);
        let program = format!(
            "import logging, logging.handlers, sys, time\npath = sys.argv[1]\nlog = logging.getLogger()\n\
             log.addHandler(logging.handlers.{handler})\n\
             for n in range(1, 1001):\n log.warning('line %d', n)\n time.sleep({per_line})\n"
        );
        done(Command::new(&python).arg("-c").arg(program).arg(&log));
        let files = fs::read_dir(logs.path("")).expect("readable").count();
        assert!(files > 3, "{handler}: {files}");
        all_is_history(handler, daemon, &log, 1000);
    }
}

/// Names as rotators give them, oldest first, beside that which is followed.
const NAMES: [(&str, &[&str]); 22] = [
    ("a.log", &["a.log.3", "a.log.2", "a.log.1"]),
    ("a.log", &["a.log.3.gz", "a.log.2.gz", "a.log.1"]),
    (
        "a.log",
        &["a.log.10.gz", "a.log.9.gz", "a.log.1.gz", "a.log.0"],
    ),
    ("a.log", &["a.3.log", "a.2.log", "a.1.log"]),
    ("a.log", &["a.log-20261127.gz", "a.log-20261128"]),
    ("a.log", &["a.log-1795860000.gz", "a.log-1795860060"]),
    ("a.log", &["a.log.old"]),
    ("a.log", &["a.log.~1~", "a.log.~2~", "a.log.~10~"]),
    // lumberjack, timberjack
    (
        "a.log",
        &[
            "a-2026-11-28T10-00-00.000.log.gz",
            "a-2026-11-28T11-00-00.000.log",
        ],
    ),
    (
        "a.log",
        &[
            "a-2026-11-28T10-00-00.000-size.log.gz",
            "a-2026-11-28T11-00-00.000-time.log",
        ],
    ),
    // log4j, by date and number; up to ten and more in a day
    (
        "a.log",
        &[
            "a-2026-11-27-9.log.gz",
            "a-2026-11-27-10.log.gz",
            "a-2026-11-28-1.log",
        ],
    ),
    ("a.log", &["a.log.2026-11-27-09", "a.log.2026-11-27-10"]),
    // logback, by time and size, and in a fixed window
    (
        "a.log",
        &[
            "a.2026-11-27.0.log.gz",
            "a.2026-11-27.1.log.gz",
            "a.2026-11-28.0.log",
        ],
    ),
    ("a.log", &["a.2.log.gz", "a.1.log.gz"]),
    // Python
    (
        "a.log",
        &["a.log.2026-11-27_10-00-00", "a.log.2026-11-28_10-00-00"],
    ),
    // flexi_logger
    (
        "a_rCURRENT.log",
        &["a_r00000.log", "a_r00001.log", "a_r00002.log"],
    ),
    (
        "a_rCURRENT.log",
        &["a_r00000.log.gz", "a_r00001.log.gz", "a_r00002.log"],
    ),
    ("a_rCURRENT.log", &["a_r00000.log.gz", "a_r00001.log.gz"]),
    (
        "a_rCURRENT.log",
        &["a_r2026-11-27_10-11-12.log", "a_r2026-11-28_10-11-12.log"],
    ),
    // rotating-file-stream
    (
        "a.log",
        &[
            "20261127-1016-01-a.log.gz",
            "20261127-1016-02-a.log",
            "20261128-0000-01-a.log",
        ],
    ),
    // multilog
    (
        "current",
        &["@400000006b0aa96c37bf7df4.s", "@400000006b0aa96d00000001.s"],
    ),
    // Two ways in turn, as after a change of the configuration: the times tell.
    ("a.log", &["a.log.1", "a.log-20261128"]),
];

#[test]
fn names_of_all_rotators_are_history_in_their_order() {
    let logs = Logs::new();
    for (n, (name, older)) in NAMES.into_iter().enumerate() {
        let dir = logs.path(&n.to_string());
        fs::create_dir(&dir).expect("mkdir");
        let mut written = 0;
        for rotated in older.iter().copied().chain([name]) {
            let (plain, compressed) = match rotated.strip_suffix(".gz") {
                Some(plain) => (plain, true),
                None => (rotated, false),
            };
            append(
                &dir.join(plain),
                format!("line {}\nline {}\n", written + 1, written + 2),
            );
            written += 2;
            if compressed {
                done(Command::new("gzip").arg(dir.join(plain)));
            }
            // Rotations are further apart than the ticks of the clock that files have.
            thread::sleep(Duration::from_millis(10));
        }
        let followed = dir.join(name);
        let daemon = Daemon::follow(&[&followed]);
        let all: Vec<usize> = (1..=written).collect();
        let found = history(&daemon, "lines=100");
        let found_numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(found_numbers, all, "{name} and {older:?}");
        for (number, id) in found {
            let rest: Vec<usize> = (number + 1..=written).collect();
            assert_eq!(
                numbers(&daemon, &format!("after={id}")),
                rest,
                "{name} and {older:?}"
            );
        }
    }
}

#[test]
fn what_a_link_led_to_before_is_history() {
    for names in [
        // glog
        [
            "a.host.user.log.INFO.20261127-101112.4321",
            "a.host.user.log.INFO.20261128-101112.4321",
            "a.host.user.log.INFO.20261129-000000.87",
        ],
        // tracing-appender, cronolog
        ["a.log.2026-11-27", "a.log.2026-11-28", "a.log.2026-11-29"],
        // pino-roll with dates
        [
            "a.2026-11-27.1.log",
            "a.2026-11-27.2.log",
            "a.2026-11-28.1.log",
        ],
    ] {
        let logs = Logs::new();
        for (n, name) in names.iter().enumerate() {
            logs.file(name, format!("line {}\nline {}\n", 2 * n + 1, 2 * n + 2));
            thread::sleep(Duration::from_millis(10));
        }
        let link = logs.path("a.INFO");
        symlink(names[2], &link).expect("symlink");
        let daemon = Daemon::follow(&[&link]);
        assert_eq!(
            numbers(&daemon, "lines=100"),
            [1, 2, 3, 4, 5, 6],
            "{names:?}"
        );
    }
}

/// `app1.log` beside `app.log` may be the log of another instance, and `app.1.log` beside the `app.2.log` that a link leads to
/// as well: no name tells, so they are history of who has seen them made, and of who has an id of theirs that is sealed.
#[test]
fn what_winston_and_pino_roll_leave_is_history_of_who_knows_it() {
    for is_winston in [true, false] {
        let logs = Logs::new();
        let state = logs.path("state");
        let options = ["--state-dir", state.to_str().expect("UTF-8")];
        let followed = logs.path("app.log");
        let path = |n: usize| match (is_winston, n) {
            (true, 0) => followed.clone(),
            (true, _) => logs.path(&format!("app{n}.log")),
            (false, _) => logs.path(&format!("pino.{n}.log")),
        };
        let rotate = |n: usize| {
            let text = format!("line {}\nline {}\n", 2 * n + 1, 2 * n + 2);
            if is_winston {
                for older in (0..n).rev() {
                    fs::rename(path(older), path(older + 1)).expect("rename");
                }
                append(&followed, text);
            } else {
                append(&path(n), text);
                let link = logs.path("link");
                symlink(path(n), &link).expect("symlink");
                fs::rename(link, &followed).expect("rename");
            }
        };
        rotate(0);
        let daemon = Daemon::with(&options, &[&followed]);
        for n in 1..4 {
            rotate(n);
            let last = || numbers(&daemon, "lines=1");
            assert!(
                wait_until(DEADLINE, || last() == [2 * n + 2]),
                "{:?}",
                last()
            );
        }
        let ids = history(&daemon, "lines=100");
        let all: Vec<usize> = ids.iter().map(|(number, _)| *number).collect();
        assert_eq!(all, [1, 2, 3, 4, 5, 6, 7, 8], "winston: {is_winston}");
        drop(daemon);
        let daemon = Daemon::with(&options, &[&followed]);
        resume_at_each(&daemon, &ids, "after a restart");
        assert_eq!(numbers(&daemon, "lines=100"), [7, 8]);
    }
}

/// Resumes at each line of all files.
fn resume_at_each(daemon: &Daemon, ids: &[(usize, String)], when: &str) {
    let last = ids.len();
    for (number, id) in ids {
        let rest: Vec<usize> = (number + 1..=last).collect();
        let found = numbers(daemon, &format!("after={id}"));
        assert_eq!(found, rest, "{when}: after {number}");
    }
}

#[test]
fn each_line_of_three_generations_is_resumed_before_during_and_after_compression() {
    let compressors = [("gzip", "gz"), ("zstd", "zst")];
    for (program, ending) in compressors {
        if tool(&[program]).is_none() {
            continue;
        }
        let logs = Logs::new();
        let log = logs.path("a.log");
        let daemon = Daemon::follow(&[&log]);
        let mut written = 0;
        for _ in 0..4 {
            if written > 0 {
                for n in [2, 1] {
                    let of = |n: usize| logs.path(&format!("a.log.{n}"));
                    let _ = fs::rename(of(n), of(n + 1));
                }
                fs::rename(&log, logs.path("a.log.1")).expect("rename");
            }
            let line = |n: usize| format!("line {}\n", written + n);
            append(&log, (1..=6).map(line).collect::<String>());
            written += 6;
            let last = || numbers(&daemon, "lines=1");
            assert!(wait_until(DEADLINE, || last() == [written]));
        }
        let ids = history(&daemon, "lines=1000000");
        assert_eq!(ids.len(), written);
        let is_plain = |daemon: &Daemon, when: &str| resume_at_each(daemon, &ids, when);
        is_plain(&daemon, "before");
        drop(daemon);
        let mut daemon = Daemon::follow(&[&log]);
        is_plain(&daemon, "after a restart");
        for n in [3, 2, 1] {
            let plain = logs.path(&format!("a.log.{n}"));
            let compressed = logs.path(&format!("a.log.{n}.{ending}"));
            // During: half of it stands beside the plain one.
            let output = Command::new(program).arg("-c").arg(&plain).output();
            let whole = output.expect("it starts").stdout;
            fs::write(&compressed, &whole[..whole.len() / 2]).expect("write");
            is_plain(&daemon, &format!("{program}: while {n} is compressed"));
            fs::remove_file(&compressed).expect("remove");
            done(
                Command::new(program)
                    .arg("-q")
                    .args((program == "zstd").then_some("--rm"))
                    .arg(&plain),
            );
            is_plain(&daemon, &format!("{program}: {n} is compressed"));
            drop(daemon);
            daemon = Daemon::follow(&[&log]);
            is_plain(
                &daemon,
                &format!("{program}: {n} is compressed, and a restart"),
            );
        }
        let found = numbers(&daemon, "lines=1000000");
        assert_eq!(found, (1..=written).collect::<Vec<_>>());
    }
}

/// What a request for all history is answered with while 60 files with five lines each are rotated as often as `pause` tells.
fn during_rotations(pause: Duration, requests: usize, check: impl Fn(&[usize], &str)) {
    let logs = Logs::new();
    let log = logs.path("a.log");
    let name = |n: usize| match n {
        0 => log.clone(),
        _ => logs.path(&format!("a.log.{n}")),
    };
    for n in (0..60).rev() {
        let line = |i: usize| format!("line {}\n", (59 - n) * 5 + i);
        append(&name(n), (1..=5).map(line).collect::<String>());
    }
    let daemon = Daemon::follow(&[&log]);
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = AtEnd(&ends);
        scope.spawn(|| {
            let mut files = 60;
            while !ends.load(Ordering::Relaxed) {
                for n in (0..files).rev() {
                    fs::rename(name(n), name(n + 1)).expect("rename");
                }
                append(&log, "");
                files += 1;
                // The load itself.
                thread::sleep(pause);
            }
        });
        for _ in 0..requests {
            let target = "/stream?format=json&follow=false&lines=1000000";
            let text = daemon.get(target).text();
            let mut found = Vec::new();
            for object in text.lines() {
                let object: Value = serde_json::from_str(object).expect("JSON");
                if object["event"] == "gap" {
                    found.push(0);
                }
                let line = object["line"].as_str();
                let number: Option<usize> =
                    line.and_then(|line| line.strip_prefix("line ")?.parse().ok());
                found.extend(number);
            }
            check(&found, &text);
        }
    });
}

#[test]
fn rotations_in_the_middle_of_requests_lose_no_line() {
    let all: Vec<usize> = (1..=300).collect();
    during_rotations(Duration::from_millis(50), 60, |found, _| {
        assert_eq!(found, all);
    });
}

#[test]
fn what_rotations_hide_that_come_too_fast_for_a_walk_is_a_gap() {
    during_rotations(Duration::from_millis(2), 10, |found, text| {
        let mut last = 0;
        for (n, number) in found.iter().copied().enumerate().filter(|of| of.1 > 0) {
            let is_told = n > 0 && found[n - 1] == 0;
            assert!(number == last + 1 || number > last && is_told, "{text}");
            last = number;
        }
        assert_eq!(last, 300, "{text}");
    });
}

#[test]
fn thousands_of_rotated_files_are_listed_once_for_a_walk_through_all() {
    let logs = Logs::new();
    let log = logs.path("a.log");
    let files = 3000;
    for n in (1..=files).rev() {
        append(
            &logs.path(&format!("a.log.{n}")),
            format!("line {}\n", files + 1 - n),
        );
    }
    append(&log, format!("line {}\n", files + 1));
    let daemon = Daemon::follow(&[&log]);
    // Each answer comes within the deadline: a listing for each file would take minutes.
    let all: Vec<usize> = (1..=files + 1).collect();
    let found = history(&daemon, "lines=1000000");
    let (numbers_found, ids): (Vec<usize>, Vec<String>) = found.into_iter().unzip();
    assert_eq!(numbers_found, all);
    assert_eq!(numbers(&daemon, &format!("after={}", ids[0])), all[1..]);
}

#[test]
fn rotated_files_whose_order_nothing_tells_are_a_gap() {
    let logs = Logs::new();
    let at = std::time::SystemTime::now() - Duration::from_secs(60);
    for (name, text) in [("bak", "line 3\n"), ("old", "line 4\n")] {
        let path = logs.file(&format!("a.log.{name}"), text);
        let file = File::options().write(true).open(&path).expect("open");
        file.set_modified(at).expect("a time");
        done(Command::new("gzip").arg("-k").arg(&path));
        fs::remove_file(&path).expect("remove");
    }
    let oldest = logs.file("a.log.1", "line 1\nline 2\n");
    let file = File::options().write(true).open(&oldest).expect("open");
    file.set_modified(at - Duration::from_secs(60))
        .expect("a time");
    let log = logs.file("a.log", "line 5\n");
    let daemon = Daemon::follow(&[&log]);
    let text = daemon
        .get("/stream?format=json&follow=false&lines=100")
        .text();
    assert_eq!(numbers(&daemon, "lines=100"), [1, 2, 5], "{text}");
    let gap = text.lines().position(|object| {
        object.contains("neither names nor times tell the order of rotated files")
    });
    let line = |text: &str, wanted: &str| text.lines().position(|object| object.contains(wanted));
    assert!(
        line(&text, "line 2") < gap && gap < line(&text, "line 5"),
        "{text}"
    );
}

#[test]
fn an_empty_file_among_compressed_ones_doubles_no_line() {
    let logs = Logs::new();
    let log = logs.file("a.log", "line 1\n");
    let daemon = Daemon::follow(&[&log]);
    let mut written = 1;
    for text in ["line 2\n", "", "line 3\n", ""] {
        for n in (1..5).rev() {
            let of = |n: usize| logs.path(&format!("a.log.{n}.gz"));
            let _ = fs::rename(of(n), of(n + 1));
        }
        fs::rename(&log, logs.path("a.log.1")).expect("rename");
        append(&log, text);
        done(Command::new("gzip").arg(logs.path("a.log.1")));
        written += text.lines().count();
        let all: Vec<usize> = (1..=written).collect();
        let found = || numbers(&daemon, "lines=100");
        assert!(wait_until(DEADLINE, || found() == all), "{:?}", found());
    }
}
