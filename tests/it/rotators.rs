//! Ids over rotations and restarts: an id finds its file as long as it stands there, and opens no other.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};
use nix::fcntl::{FallocateFlags, fallocate};
use serde_json::Value;

/// The ids of the lines of one file, in order.
fn ids(daemon: &Daemon, file: &str) -> Vec<String> {
    let objects = objects(daemon, &format!("lines=all&file={file}"));
    let lines = objects.iter().filter(|object| object.get("line").is_some());
    let id = |line: &Value| line["id"].as_str().expect("an id").to_owned();
    lines.map(id).collect()
}

fn objects(daemon: &Daemon, query: &str) -> Vec<Value> {
    let target = format!("/stream?format=json&follow=false&{query}");
    let text = daemon.get(&target).text();
    let read = |line: &str| serde_json::from_str(line).expect("JSON");
    text.lines().map(read).collect()
}

/// The lines after `id`, and a word for each gap.
fn resumed(daemon: &Daemon, file: &str, id: &str) -> Vec<String> {
    let objects = objects(daemon, &format!("file={file}&after={id}"));
    let told = objects.iter().filter_map(|object| {
        let gap = object["event"] == "gap";
        let line = object["line"].as_str();
        line.or(gap.then_some("gap")).map(str::to_owned)
    });
    told.collect()
}

/// Logs that hold 1 and 2 are rotated while nobody looks, and the id of 1 is used after a restart. Each is a name and
/// what it is renamed to.
fn after_rotation(logs: &Logs, options: &[&str], names: &[(&str, &str)]) -> Vec<Vec<String>> {
    let mut logs_of = Vec::new();
    for (n, (name, _)) in names.iter().enumerate() {
        fs::create_dir(logs.path(&n.to_string())).expect("mkdir");
        logs_of.push(logs.file(&format!("{n}/{name}"), "1\n2\n"));
    }
    let paths: Vec<&Path> = logs_of.iter().map(AsRef::as_ref).collect();
    let daemon = Daemon::with(options, &paths);
    let files = daemon.get("/files").text();
    let files: Vec<Value> = serde_json::from_str(&files).expect("JSON");
    let name = |file: &Value| file["name"].as_str().expect("a name").to_owned();
    let shown: Vec<String> = files.iter().map(name).collect();
    let ids: Vec<String> = shown
        .iter()
        .map(|file| ids(&daemon, file)[0].clone())
        .collect();
    drop(daemon);
    for (path, (_, rotated)) in paths.iter().zip(names) {
        fs::rename(path, path.with_file_name(rotated)).expect("rename");
        append(path, "3\n");
    }
    let daemon = Daemon::with(options, &paths);
    let each = shown.iter().zip(&ids);
    each.map(|(file, id)| resumed(&daemon, file, id)).collect()
}

/// The id of the first line of `app.log`, told by a daemon that has ended since.
fn first_id(options: &[&str], log: &Path) -> String {
    let daemon = Daemon::with(options, &[log]);
    ids(&daemon, "app.log")[0].clone()
}

const KNOWN: [(&str, &str); 6] = [
    ("app.log", "app.log.1"),
    ("current", "@400000006b0aa96c37bf7df4.s"),
    ("app_rCURRENT.log", "app_r00001.log"),
    ("app.log", "app.log.~1~"),
    ("app.log", "app-2026-11-28T10-11-12.123-size.log"),
    ("app.log", "20261128-1016-01-app.log"),
];

const UNKNOWN: [(&str, &str); 3] = [
    ("app.log", "app1.log"),
    ("app.log", "yesterday"),
    ("app.log", ".app.log.swept"),
];

#[test]
fn an_id_finds_its_file_by_the_names_of_known_rotators() {
    let logs = Logs::new();
    for (got, name) in after_rotation(&logs, &[], &KNOWN).iter().zip(KNOWN) {
        assert_eq!(*got, ["2", "3"], "{name:?}");
    }
}

#[test]
fn with_a_state_directory_an_id_finds_its_file_whatever_it_is_called_now() {
    let logs = Logs::new();
    let state = logs.path("state");
    let options = ["--state-dir", state.to_str().expect("UTF-8")];
    let names = [&KNOWN[..], &UNKNOWN].concat();
    for (got, name) in after_rotation(&logs, &options, &names).iter().zip(&names) {
        assert_eq!(*got, ["2", "3"], "{name:?}");
    }
}

#[test]
fn files_of_an_unknown_name_are_gone_on_with_through_those_that_are_called_alike() {
    let logs = Logs::new();
    let log = logs.file("app.log", "1\n2\n");
    let state = logs.path("state");
    let options = ["--state-dir", state.to_str().expect("UTF-8")];
    let id = first_id(&options, &log);
    // So many within a tick of the clock that files have that only the numbers in their names tell their order.
    for n in 3..15 {
        for k in (1..12).rev() {
            let name = |k: usize| logs.path(&format!("app{k}.log"));
            let _ = fs::rename(name(k), name(k + 1));
        }
        fs::rename(&log, logs.path("app1.log")).expect("rename");
        append(&log, format!("{n}\n"));
    }
    let daemon = Daemon::with(&options, &[&log]);
    let rest: Vec<String> = (2..15).map(|n| n.to_string()).collect();
    assert_eq!(resumed(&daemon, "app.log", &id), rest);
}

#[test]
fn a_copy_of_an_unknown_name_is_not_read_after_what_it_was_made_of() {
    let logs = Logs::new();
    let log = logs.file("app.log", "1\n2\n");
    let state = logs.path("state");
    let options = ["--state-dir", state.to_str().expect("UTF-8")];
    let id = first_id(&options, &log);
    fs::copy(&log, logs.path("swept 1")).expect("copy");
    fs::rename(&log, logs.path("swept 2")).expect("rename");
    append(&log, "3\n");
    fs::rename(&log, logs.path("swept 3")).expect("rename");
    append(&log, "4\n");
    let daemon = Daemon::with(&options, &[&log]);
    assert_eq!(resumed(&daemon, "app.log", &id), ["2", "3", "4"]);
}

#[test]
fn an_id_that_is_made_up_opens_no_other_file() {
    let logs = Logs::new();
    let log = logs.file("app.log", "a\n");
    let other = logs.file("other.log", "secret\n");
    let state = logs.path("state");
    let options = ["--state-dir", state.to_str().expect("UTF-8")];
    // The id of the first byte of the other file: a daemon of one's own tells it, all but the key.
    let mine = Daemon::follow(&[&other]);
    let start = &objects(&mine, "lines=all")[0];
    let id = start["id"].as_str().expect("an id");
    let daemon = Daemon::with(&options, &[&log]);
    let own = ids(&daemon, "app.log")[0].clone();
    let name = own.split('.').next().expect("a name");
    let rest = id.split_once('.').expect("parts").1;
    let seal = own.rsplit('.').next().expect("a seal");
    assert_eq!(other.metadata().expect("there").ino(), {
        let inode = rest.split('.').next().expect("an inode");
        u64::from_str_radix(inode, 16).expect("hexadecimal")
    });
    for made_up in [
        format!("{name}.{rest}"),
        format!("{name}.{rest}.{seal}"),
        format!("{name}.{rest}.AAAAAAAA"),
    ] {
        let got = resumed(&daemon, "app.log", &made_up);
        assert_eq!(got, ["gap", "a"], "{made_up}");
    }
}

#[test]
fn an_id_finds_the_file_that_a_link_led_to_before() {
    let logs = Logs::new();
    let link = logs.path("current.log");
    for (n, (before, after)) in [
        ("app.20261128.log", "app.20261129.log"),
        ("app.1.log", "app.2.log"),
    ]
    .into_iter()
    .enumerate()
    {
        let state = logs.path(&format!("state{n}"));
        let options = ["--state-dir", state.to_str().expect("UTF-8")];
        logs.file(before, "1\n2\n");
        symlink(before, &link).expect("symlink");
        let daemon = Daemon::with(&options, &[&link]);
        let id = ids(&daemon, "current.log")[0].clone();
        drop(daemon);
        logs.file(after, "3\n");
        fs::remove_file(&link).expect("remove");
        symlink(after, &link).expect("symlink");
        let daemon = Daemon::with(&options, &[&link]);
        assert_eq!(resumed(&daemon, "current.log", &id), ["2", "3"], "{after}");
        drop(daemon);
        fs::remove_file(&link).expect("remove");
    }
}

/// A link leads to a file in the directory of each of these days, one after the other; each holds a line more.
fn dated(logs: &Logs, daemon: &dyn Fn(&Path) -> Daemon) {
    let link = logs.path("current.log");
    let mut first = None;
    let mut running = None;
    for (n, day) in ["2025/12/31", "2026/11/28", "2026/11/29"]
        .iter()
        .enumerate()
    {
        fs::create_dir_all(logs.path(&format!("logs/{day}"))).expect("mkdir");
        let target = format!("logs/{day}/app.log");
        logs.file(&target, format!("{n}a\n{n}b\n"));
        let _ = fs::remove_file(&link);
        symlink(&target, &link).expect("symlink");
        let daemon = running.get_or_insert_with(|| daemon(&link));
        let last = format!("{n}b");
        assert!(
            wait_until(DEADLINE, || {
                let got = objects(daemon, "lines=1&file=current.log");
                got.iter().any(|object| object["line"] == *last)
            }),
            "{day}"
        );
        first.get_or_insert_with(|| ids(daemon, "current.log")[0].clone());
    }
    let first = first.expect("an id");
    let rest = ["0b", "1a", "1b", "2a", "2b"];
    for daemon in [running.take().expect("running"), daemon(&link)] {
        assert_eq!(resumed(&daemon, "current.log", &first), rest);
        let history = objects(&daemon, "lines=5&file=current.log");
        let lines = history.iter().filter_map(|object| object["line"].as_str());
        assert_eq!(lines.collect::<Vec<_>>(), rest);
    }
    // A day that was compressed since.
    if tool(&["gzip"]).is_some() {
        let day = logs.path("logs/2026/11/28/app.log");
        assert!(
            Command::new("gzip")
                .arg(day)
                .status()
                .expect("gzip")
                .success()
        );
        let daemon = daemon(&link);
        assert_eq!(resumed(&daemon, "current.log", &first), rest);
    }
}

#[test]
fn directories_that_are_called_by_a_time_are_one_log_behind_a_link() {
    let logs = Logs::new();
    dated(&logs, &|link| Daemon::follow(&[link]));
    let logs = Logs::new();
    let state = logs.path("state");
    let options = ["--state-dir", state.to_str().expect("UTF-8")];
    dated(&logs, &|link| Daemon::with(&options, &[link]));
}

#[test]
fn an_id_keeps_its_place_in_a_file_whose_head_was_punched_away() {
    let logs = Logs::new();
    let log = logs.file("app.log", "a line\n".repeat(3000));
    let daemon = Daemon::follow(&[&log]);
    let ids = ids(&daemon, "app.log");
    drop(daemon);
    let file = File::options().write(true).open(&log).expect("open");
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&file, flags, 0, 8192).expect("a file system that punches holes");
    append(&log, "last\n");
    let daemon = Daemon::follow(&[&log]);
    assert_eq!(resumed(&daemon, "app.log", &ids[2998]), ["a line", "last"]);
}

#[test]
fn a_rotated_file_is_found_among_very_many_others() {
    let logs = Logs::new();
    for n in 0..12_000 {
        File::create(logs.path(&format!("other-{n:06}"))).expect("create");
    }
    let names: Vec<String> = (0..4).map(|n| format!("app{n}.log")).collect();
    let paths: Vec<_> = names.iter().map(|name| logs.file(name, "1\n2\n")).collect();
    let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    let daemon = Daemon::follow(&paths);
    let ids: Vec<String> = names
        .iter()
        .map(|name| ids(&daemon, name)[0].clone())
        .collect();
    drop(daemon);
    for path in &paths {
        fs::rename(path, path.with_extension("log.1")).expect("rename");
        append(path, "3\n");
    }
    let daemon = Daemon::follow(&paths);
    for (name, id) in names.iter().zip(&ids) {
        assert_eq!(resumed(&daemon, name, id), ["2", "3"], "{name}");
    }
}

/// A logger that writes its standard input into `current` of a directory and rotates it there, all that it has written
/// since its last line is kept.
fn resumes_with(logger: impl Fn(&Path) -> Command) {
    let logs = Logs::new();
    let dir = logs.path("log");
    fs::create_dir(&dir).expect("mkdir");
    let write = |from: usize, to: usize| {
        let mut command = logger(&dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("start the logger");
        let mut input = child.stdin.take().expect("a pipe");
        for n in from..to {
            writeln!(
                input,
                "line number {n:06} of the test, as long as such lines are"
            )
            .expect("write");
        }
        drop(input);
        assert!(child.wait().expect("wait").success());
    };
    write(0, 5);
    let current = dir.join("current");
    let daemon = Daemon::follow(&[&current]);
    let id = ids(&daemon, "current")[1].clone();
    drop(daemon);
    write(5, 1000);
    let rotated = fs::read_dir(&dir).expect("readable").count();
    assert!(rotated > 8, "it has rotated often: {rotated}");
    let daemon = Daemon::follow(&[&current]);
    let got = resumed(&daemon, "current", &id);
    let number = |line: &String| line.get(12..18).and_then(|digits| digits.parse().ok());
    let got: Vec<usize> = got.iter().filter_map(number).collect();
    assert_eq!(got, (2..1000).collect::<Vec<_>>());
}

#[test]
fn an_id_is_good_over_the_rotations_of_multilog() {
    if let Some(multilog) = tool(&["multilog"]) {
        resumes_with(|dir| {
            let mut command = Command::new(&multilog);
            command.args(["s4096", "n100"]).arg(dir);
            command
        });
    }
}

#[test]
fn an_id_is_good_over_the_rotations_of_s6_log() {
    if let Some(s6_log) = tool(&["s6-log"]) {
        resumes_with(|dir| {
            let mut command = Command::new(&s6_log);
            command.args(["n100", "s4096"]).arg(dir);
            command
        });
    }
}

#[test]
fn an_id_is_good_over_the_rotations_of_svlogd() {
    if let Some(svlogd) = tool(&["svlogd"]) {
        resumes_with(|dir| {
            fs::write(dir.join("config"), "s4096\nn100\n").expect("write");
            let mut command = Command::new(&svlogd);
            command.arg("-l120").arg(dir).stderr(Stdio::null());
            command
        });
    }
}

/// It rotates every millisecond, and renames in two steps: a further link, then the old name is deleted.
#[test]
fn multilog_at_the_speed_of_a_pipe_leaves_no_line_out_and_tells_none_twice() {
    const LINES: usize = 3000;
    let Some(multilog) = tool(&["multilog"]) else {
        return;
    };
    for round in 0..5 {
        let logs = Logs::new();
        let dir = logs.path("log");
        fs::create_dir(&dir).expect("make a directory");
        let daemon = Daemon::follow(&[&dir.join("current")]);
        let mut client = daemon.websocket("/ws?format=json");
        let mut command = Command::new(&multilog);
        command.args(["s8192", "n100"]).arg(&dir);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("start multilog");
        let text: String = (0..LINES)
            .map(|n| format!("{n:06} {}\n", "x".repeat(40)))
            .collect();
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(text.as_bytes()).expect("write");
        drop(input);
        assert!(child.wait().expect("wait").success());
        let mut next = 0;
        while next < LINES {
            let told = client.json();
            if let Some(line) = told["line"].as_str() {
                assert_eq!(line[..6].parse(), Ok(next), "round {round}");
                next += 1;
            } else {
                let event = told["event"].as_str().unwrap_or_default();
                assert!(
                    ["start", "rotated"].contains(&event),
                    "round {round}: {told}"
                );
            }
        }
    }
}

#[test]
fn own_secrets_and_files_of_proc_are_never_followed_whatever_a_link_says() {
    const TOKEN: &str = "a-token-for-everything";
    let logs = Logs::new();
    let tokens = logs.file("tokens", format!("{TOKEN}\n"));
    let state = logs.path("state");
    let options = [
        "--token-file",
        tokens.to_str().expect("UTF-8"),
        "--state-dir",
        state.to_str().expect("UTF-8"),
    ];
    symlink(&tokens, logs.path("a.log")).expect("symlink");
    symlink(state.join("id.key"), logs.path("b.log")).expect("symlink");
    fs::hard_link(&tokens, logs.path("c.log")).expect("link");
    symlink("/proc/version", logs.path("d.log")).expect("symlink");
    let shown = logs.file("e.log", "to be seen\n");
    let daemon = Daemon::with(&options, &[&logs.path("*.log")]);
    let authorized = format!("Authorization: Bearer {TOKEN}");
    let get = || daemon.ask("GET", "/stream?lines=all&follow=false", &[&authorized]);
    assert_eq!(get().text().replace("==> e.log <==\n", ""), "to be seen\n");
    fs::remove_file(logs.path("c.log")).expect("remove");
    // The new token file is one as well, before it was read.
    fs::write(logs.path("new"), format!("{TOKEN}\n")).expect("write");
    fs::rename(logs.path("new"), &tokens).expect("rename");
    fs::remove_file(logs.path("a.log")).expect("remove");
    symlink(&tokens, logs.path("a.log")).expect("symlink");
    append(&shown, "again\n");
    let text = get().text();
    assert!(text.contains("again") && !text.contains(TOKEN), "{text}");
}
