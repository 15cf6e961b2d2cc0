//! Many files that rotate together: what was rotated costs nothing, and takes no descriptor from a file that has the name.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};

/// Files with one line each.
fn files(logs: &Logs, count: usize) -> Vec<PathBuf> {
    let name = |n| format!("f{n:03}.log");
    (0..count).map(|n| logs.file(&name(n), "old\n")).collect()
}

/// Rotates all of them; what is written to the new ones then.
fn rotate(files: &[PathBuf], text: &str) {
    for file in files {
        let mut rotated = file.clone().into_os_string();
        rotated.push(".1");
        fs::rename(file, rotated).expect("rename");
        append(file, text);
    }
}

/// Calls that read, of all threads, which reading files takes.
fn reads(daemon: &Daemon) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", daemon.pid())).expect("its reads");
    let reads = io.lines().find_map(|line| line.strip_prefix("syscr: "));
    reads.expect("the number").parse().expect("a number")
}

#[test]
fn files_that_were_rotated_cost_nothing_while_nobody_writes_to_them() {
    let logs = Logs::new();
    let files = files(&logs, 300);
    let heartbeat = ["--ping-interval", "1"];
    let daemon = Daemon::with(&heartbeat, &[&logs.path("*.log")]);
    let mut lines = daemon.live("/stream?lines=0");
    let mut events = daemon.live("/events?lines=0&file=f000.log");
    rotate(&files, "new\n");
    let mut new = 0;
    while new < files.len() {
        new += usize::from(lines.line() == "new\n");
    }
    // What is left of the rotation takes a moment.
    let is_quiet = || {
        let before = reads(&daemon);
        for _ in 0..2 {
            while events.line() != ":\n" {}
        }
        reads(&daemon) - before < files.len() as u64
    };
    assert!(
        wait_until(DEADLINE, is_quiet),
        "each is looked at again and again"
    );
    // A laggard is noticed all the same.
    append(&logs.path("f000.log.1"), "late\n");
    let is_told = |line: String| line.contains("written to a rotated file too late");
    while !is_told(events.line()) {}
}

#[test]
fn rotated_files_make_room_for_those_that_have_the_name() {
    const FILES: usize = 200;
    const LIMIT: usize = 400;
    // What the daemon keeps for 50 clients, for itself, and to spare, it keeps from files.
    const OPEN: usize = LIMIT - 50 - 64 - 32;
    let logs = Logs::new();
    let files = files(&logs, FILES);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {LIMIT} && exec \"$@\""), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command.args(["--listen", "127.0.0.1:0", "--max-clients", "50"]);
    command.arg(logs.path("*.log"));
    let daemon = Daemon::start(command);
    let mut live = daemon.live("/stream?lines=0&format=json");
    let mut expect_all = |text: &str| {
        let mut files = HashSet::new();
        while files.len() < FILES {
            let line = live.line();
            assert!(!line.contains("\"gap\""), "{line}");
            if line.contains(text) {
                assert!(files.insert(line.clone()), "twice: {line}");
            }
        }
    };
    for text in ["second", "third"] {
        rotate(&files, &format!("{text}\n"));
        expect_all(text);
    }
    let is_roomy = || daemon.open_below(&logs.path("")) <= OPEN;
    let expect_room = || {
        let open = || daemon.open_below(&logs.path(""));
        // What a rotation has deleted is kept for ten seconds more, for somebody may read it yet.
        assert!(wait_until(2 * DEADLINE, is_roomy), "{} are open", open());
    };
    expect_room();
    // As logrotate does with `create`: what comes next goes to the old files, and then to the new ones.
    let mut writers: Vec<fs::File> = Vec::new();
    for file in &files {
        let open = fs::OpenOptions::new().append(true).open(file);
        writers.push(open.expect("open"));
    }
    rotate(&files, "");
    for writer in &mut writers {
        writer.write_all(b"fourth\n").expect("write");
    }
    expect_all("fourth");
    expect_room();
    files.iter().for_each(|file| append(file, "fifth\n"));
    expect_all("fifth");
    // What was rotated is read where it stands.
    let history = daemon.get("/stream?file=f150.log&lines=9&follow=false");
    let text = history.text();
    assert!(text.ends_with("third\nfourth\nfifth\n"), "{text}");
    // A laggard is told of.
    append(&logs.path("f000.log.1"), "late\n");
    while !live.line().contains("too late") {}
}
