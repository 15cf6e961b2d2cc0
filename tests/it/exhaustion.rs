//! What happens when the system gives no more descriptors or threads: those that are too many are turned away and told
//! so, it is said once, all else goes on, and when there is room again they are let in.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};
use nix::unistd::Uid;

/// The line in the log.
const SAID: &str = "is turned away";

/// How a client was turned away.
#[derive(Debug, PartialEq)]
enum Away {
    /// By a 503.
    Told,
    /// Its connection was shut.
    Shut,
}

/// A stream, which is open for as long as it is held.
fn ask_for_stream(daemon: &Daemon) -> Result<TcpStream, Away> {
    let mut stream = daemon.connect();
    let asked = stream.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = [0; 12];
    match asked.and_then(|()| stream.read_exact(&mut answer)) {
        Ok(()) if answer == *b"HTTP/1.1 200" => Ok(stream),
        Ok(()) if answer == *b"HTTP/1.1 503" => Err(Away::Told),
        Ok(()) => panic!("{}", String::from_utf8_lossy(&answer)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither served nor refused"),
        Err(_) => Err(Away::Shut),
    }
}

#[test]
fn without_descriptors_streams_get_503_and_all_else_goes_on() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command.args(["--listen", "127.0.0.1:0", "--ping-interval", "1"]);
    let daemon = Daemon::start({
        command.arg(&log);
        command
    });
    let mut first = daemon.live("/stream?lines=0");
    let mut events = daemon.live("/events?lines=0");
    let asked: Vec<_> = (0..100).map(|_| ask_for_stream(&daemon)).collect();
    let open = asked.iter().filter(|asked| asked.is_ok()).count();
    assert!((20..60).contains(&open), "{open} of a hundred");
    assert!(
        asked
            .iter()
            .all(|asked| asked.as_ref().err() != Some(&Away::Shut))
    );
    assert!(daemon.says(SAID));
    assert_eq!(daemon.said_with(SAID).len(), 1);

    // Those that say nothing don't keep out those that do.
    let silent: Vec<TcpStream> = (0..50).map(|_| daemon.connect()).collect();
    assert_eq!(daemon.get("/healthz").status, 200);
    assert!(daemon.says(SAID));
    assert_eq!(daemon.said_with(SAID).len(), 1);

    // A rotation needs descriptors, too.
    append(&log, "before\n");
    assert_eq!(first.line(), "before\n");
    std::fs::rename(&log, logs.path("a.log.1")).expect("rotate");
    append(&log, "after\n");
    assert_eq!(first.line(), "after\n");

    // Nothing runs in circles, for as long as two heartbeats take.
    while events.line() != ":\n" {}
    let before = daemon.ticks();
    while events.line() != ":\n" {}
    let used = daemon.ticks() - before;
    assert!(used < 30, "{used} hundredths of a second in a second");

    drop((asked, silent));
    let is_open = || ask_for_stream(&daemon).is_ok();
    assert!(wait_until(DEADLINE, is_open), "nobody is let in again");
}

#[test]
fn more_files_than_descriptors_leave_some_for_answers() {
    let logs = Logs::new();
    let files: Vec<_> = (0..100).map(|n| logs.path(&format!("{n}.log"))).collect();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_tailcast"));
    command.args(["--listen", "127.0.0.1:0"]).args(&files);
    let daemon = Daemon::start(command);
    files.iter().for_each(|file| append(file, "line\n"));
    let is_full = || daemon.descriptors() >= 52;
    assert!(
        wait_until(DEADLINE, is_full),
        "{} are open",
        daemon.descriptors()
    );
    for _ in 0..5 {
        assert_eq!(daemon.get("/healthz").status, 200);
    }
    assert_eq!(ask_for_stream(&daemon).err(), Some(Away::Told));
    files
        .iter()
        .for_each(|file| std::fs::remove_file(file).expect("unlink"));
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn a_log_that_nobody_reads_any_more_holds_up_nothing() {
    let logs = Logs::new();
    let paths: Vec<_> = (0..1200)
        .map(|n| logs.file(&format!("{n}.log"), "old\n"))
        .collect();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_tailcast"))
        .args(["--listen", "127.0.0.1:0"])
        .arg(logs.path("*.log"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("a daemon");
    let mut said = BufReader::new(daemon.stderr.take().expect("its log"));
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
    }
    let addr = line
        .trim()
        .rsplit('/')
        .next()
        .expect("an address")
        .to_owned();
    for path in &paths {
        std::fs::rename(path, path.with_extension("log.1")).expect("rotate");
        append(path, "new\n");
    }
    let are_all_begun = || {
        let mut stream = TcpStream::connect(&addr).expect("connect");
        let asked = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
        let mut text = String::new();
        asked
            .and_then(|()| stream.read_to_string(&mut text))
            .expect("an answer");
        let begun =
            |line: &&str| line.starts_with("tailcast_rotations_total{") && line.ends_with(" 1");
        text.lines().filter(begun).count() == paths.len()
    };
    let all = wait_until(DEADLINE, are_all_begun);
    daemon.kill().expect("kill");
    daemon.wait().expect("it ends");
    assert!(all, "it waits for who reads its log");
}

/// Root has no limit on threads: where the test is run by root, the daemon is somebody else.
const SOMEBODY: u32 = 54_321;

#[test]
fn without_threads_clients_get_503_and_all_else_goes_on() {
    if tool(&["prlimit"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    // Somebody else may not be allowed to go where the program was built.
    let program = logs.path("tailcast");
    std::fs::copy(env!("CARGO_BIN_EXE_tailcast"), &program).expect("copy the program");
    let open_to_all = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(logs.path(""), open_to_all).expect("set the mode");
    let is_root = Uid::effective().is_root();
    let as_somebody = |mut command: Command| {
        if is_root {
            command.uid(SOMEBODY).gid(SOMEBODY);
        }
        command
    };
    let mut command = Command::new(&program);
    command.args(["--listen", "127.0.0.1:0"]).arg(&log);
    let daemon = Daemon::start(as_somebody(command));
    let limit = |soft: &str| {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &daemon.pid().to_string()]);
        command.arg(format!("--nproc={soft}:"));
        let status = as_somebody(command).status().expect("run prlimit");
        assert!(status.success(), "prlimit: {status}");
    };
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid()));
    let limits = limits.expect("its limits");
    let processes = limits
        .lines()
        .find(|line| line.starts_with("Max processes"));
    let processes = processes.expect("the limit on threads");
    let usual = processes.split_whitespace().nth(2).expect("the soft one");

    let mut first = daemon.live("/stream?lines=0");
    limit("1");
    let asked: Vec<_> = (0..20).map(|_| ask_for_stream(&daemon)).collect();
    assert!(asked.iter().all(Result::is_err), "{asked:?}");
    // That it was told can be lost: nobody waits here until it has taken it.
    assert!(asked.iter().any(|asked| matches!(asked, Err(Away::Told))));
    assert!(daemon.says(SAID));
    assert_eq!(daemon.said_with(SAID).len(), 1);
    append(&log, "line\n");
    assert_eq!(first.line(), "line\n");

    limit(usual);
    let is_open = || ask_for_stream(&daemon).is_ok();
    assert!(wait_until(DEADLINE, is_open), "nobody is let in again");
    assert!(daemon.says(SAID));
    assert_eq!(daemon.said_with(SAID).len(), 1);
}
