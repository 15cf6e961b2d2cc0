//! The same of a real Docker, which runs for the length of a test with nothing but an image of busybox, and no network.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

use super::{file, until};
use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, tool, wait_until};

/// For a Docker to start and to stop.
const SLOW: Duration = Duration::from_secs(60);

/// One Docker at a time: they share cgroups.
static ONE: Mutex<()> = Mutex::new(());

/// A Docker with its own data root, and an image called `busy`.
pub(crate) struct Docker {
    home: Logs,
    server: Child,
    client: PathBuf,
    _one: MutexGuard<'static, ()>,
}

impl Docker {
    /// `None`, with a word, where there is none or it may not run here.
    pub(crate) fn start() -> Option<Docker> {
        let programs = ["dockerd", "docker", "busybox"].map(|name| tool(&[name]));
        let [Some(server), Some(client), Some(busybox)] = programs else {
            return None;
        };
        if !Uid::effective().is_root() {
            eprintln!("left out: a Docker is run by root");
            return None;
        }
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let home = Logs::new();
        let log = std::fs::File::create(home.path("dockerd.log")).expect("a log");
        let server = Command::new(server)
            .arg("--data-root")
            .arg(home.path("root"))
            .arg("--exec-root")
            .arg(home.path("exec"))
            .arg("--pidfile")
            .arg(home.path("pid"))
            .arg("-H")
            .arg(format!("unix://{}", home.path("sock").display()))
            .args(["--bridge=none", "--iptables=false", "--storage-driver=vfs"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("start dockerd");
        let mut docker = Docker {
            home,
            server,
            client,
            _one: one,
        };
        let up = wait_until(SLOW, || {
            docker.run(&["version"]).status.success() || docker.has_ended()
        });
        let said = std::fs::read_to_string(docker.home.path("dockerd.log")).unwrap_or_default();
        if docker.has_ended() && (said.contains("not permitted") || said.contains("cgroup")) {
            eprintln!("left out: a Docker may not run here: {said}");
            return None;
        }
        assert!(up && !docker.has_ended(), "{said}");
        docker.import(&busybox);
        Some(docker)
    }

    fn has_ended(&mut self) -> bool {
        self.server.try_wait().expect("wait").is_some()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.client);
        command.arg("-H").arg(self.host());
        command
    }

    /// Where it listens.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.home.path("sock").display())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command();
        command.args(args).stdin(Stdio::null());
        command.output().expect("run docker")
    }

    /// The same where it has to go well.
    pub(crate) fn does(&self, args: &[&str]) {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "docker {args:?}: {said}");
    }

    /// An image that is a busybox and nothing more.
    fn import(&self, busybox: &Path) {
        let folder = self.home.path("image");
        std::fs::create_dir_all(folder.join("bin")).expect("mkdir");
        std::fs::copy(busybox, folder.join("bin/busybox")).expect("copy");
        std::os::unix::fs::symlink("busybox", folder.join("bin/sh")).expect("symlink");
        let tar = Command::new("tar")
            .arg("-C")
            .arg(&folder)
            .args(["-c", "."])
            .output();
        let tar = tar.expect("run tar").stdout;
        let mut command = self.command();
        command
            .args(["import", "-", "busy"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut import = command.spawn().expect("run docker");
        let mut pipe = import.stdin.take().expect("a pipe");
        pipe.write_all(&tar).expect("write");
        drop(pipe);
        assert!(import.wait().expect("wait").success());
    }

    /// Starts a container that runs `script`, with these options besides.
    fn container(&self, name: &str, options: &[&str], script: &str) {
        let mut args = vec!["run", "-d", "--name", name, "--network", "none"];
        args.extend(options);
        args.extend(["busy", "/bin/sh", "-c", script]);
        self.does(&args);
    }

    /// A daemon that follows all containers.
    fn follow(&self) -> Daemon {
        let root = format!("docker:{}", self.home.path("root").display());
        Daemon::with(&[], &[root.as_ref()])
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let containers = self.run(&["ps", "-aq"]).stdout;
        for id in String::from_utf8_lossy(&containers).split_whitespace() {
            self.run(&["rm", "-f", id]);
        }
        if let Ok(pid) = i32::try_from(self.server.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if !wait_until(SLOW, || self.has_ended()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// The lines of `web` by stream, until `count` have come; and how often it was rotated.
fn by_stream(client: &mut Client, count: usize) -> ([Vec<String>; 2], usize) {
    let (mut lines, mut rotated) = ([Vec::new(), Vec::new()], 0);
    while lines[0].len() + lines[1].len() < count {
        let object = client.json();
        match (object["event"].as_str(), object["line"].as_str()) {
            (Some("rotated"), _) => rotated += 1,
            (Some(event), _) => assert!(["start", "missing"].contains(&event), "{object}"),
            (_, Some(line)) => {
                assert!(object["time"].is_string(), "{object}");
                lines[usize::from(object["stream"] == "stderr")].push(line.to_owned());
            }
            _ => panic!("{object}"),
        }
    }
    (lines, rotated)
}

#[test]
fn both_streams_of_a_real_container_come_once_and_in_order_over_the_driver_s_rotations() {
    let Some(docker) = Docker::start() else {
        return;
    };
    for compress in ["false", "true"] {
        let daemon = docker.follow();
        let mut client = daemon.websocket("/ws?format=json&lines=all");
        let compress = format!("compress={compress}");
        let mut options = vec!["--log-opt", "max-size=10k", "--log-opt", "max-file=3"];
        options.extend(["--log-opt", &compress]);
        // The driver deletes what it has rotated twice: slowly enough to be read.
        let script = "i=0; while [ $i -lt 300 ]; do echo \"out $i\"; echo \"err $i\" >&2; \
                      /bin/busybox usleep 3000; i=$((i+1)); done";
        docker.container("web", &options, script);
        let (lines, rotated) = by_stream(&mut client, 600);
        for (stream, lines) in ["out", "err"].iter().zip(&lines) {
            let want: Vec<String> = (0..300).map(|n| format!("{stream} {n}")).collect();
            assert_eq!(*lines, want);
        }
        assert!(rotated >= 3, "{rotated} rotations");
        docker.does(&["rm", "-f", "web"]);
    }
}

#[test]
fn a_long_line_that_a_real_docker_cuts_in_parts_is_one_line() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let daemon = docker.follow();
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    let script = "/bin/busybox dd if=/dev/zero bs=1000 count=50 2>/dev/null | /bin/busybox tr '\\0' 'x'; echo end; \
                  echo 'a \"<tag>\" \\ back'; /bin/busybox printf 'zero \\0 tab\\t bell\\a\\n'; echo done";
    docker.container("web", &[], script);
    let lines = until(&mut client, "web", "done");
    let long = format!("{}end", "x".repeat(50_000));
    assert_eq!(
        lines,
        [
            "<start>",
            &long,
            "a \"<tag>\" \\ back",
            "zero \0 tab\t bell\u{7}",
            "done"
        ]
    );
}

#[test]
fn a_long_line_over_the_driver_s_rotations_is_one_line_also_for_who_comes_later() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let long = "x".repeat(3 * 16384) + "end";
    // Each part of it is larger than a file may be, so that each stands in one of its own. What the driver compresses at
    // once is gone before it can be read: slowly enough for that.
    let script = "echo begin; for part in 1 2 3; do /bin/busybox usleep 200000; \
                  /bin/busybox dd if=/dev/zero bs=16384 count=1 2>/dev/null | /bin/busybox tr '\\0' 'x'; \
                  done; /bin/busybox usleep 200000; echo end; echo done";
    let want = ["begin", &long, "done"];
    for compress in ["false", "true"] {
        let daemon = docker.follow();
        let mut client = daemon.websocket("/ws?format=json&lines=all");
        let compress = format!("compress={compress}");
        let mut options = vec!["--log-opt", "max-size=10k", "--log-opt", "max-file=9"];
        options.extend(["--log-opt", &compress]);
        docker.container("web", &options, script);
        let live = until(&mut client, "web", "done");
        let live: Vec<&String> = live.iter().filter(|line| !line.starts_with('<')).collect();
        assert_eq!(live, want, "{compress}");
        drop(daemon);
        let daemon = docker.follow();
        let later = daemon
            .get("/stream?format=json&lines=9&follow=false")
            .text();
        let later: Vec<Value> = later
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter(|object: &Value| object.get("line").is_some())
            .collect();
        let texts: Vec<&str> = later
            .iter()
            .filter_map(|line| line["line"].as_str())
            .collect();
        assert_eq!(texts, want, "{compress}");
        for (n, line) in later.iter().enumerate() {
            let id = line["id"].as_str().expect("an id");
            let rest = daemon
                .get(&format!("/stream?follow=false&after={id}"))
                .text();
            let texts: Vec<&str> = rest
                .lines()
                .filter(|line| !line.starts_with("==>") && !line.is_empty())
                .collect();
            assert_eq!(texts, want[n + 1..], "{compress}, after line {n}");
        }
        docker.does(&["rm", "-f", "web"]);
    }
}

#[test]
fn real_containers_come_and_go_are_renamed_and_made_again() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let wait = "while true; do /bin/busybox sleep 1; done";
    docker.container("web", &[], &format!("echo first; {wait}"));
    let daemon = docker.follow();
    let mut client = daemon.websocket("/ws?format=json&lines=all");
    until(&mut client, "web", "first");
    docker.container("db", &[], &format!("echo ready; {wait}"));
    assert_eq!(until(&mut client, "db", "ready"), ["<start>", "ready"]);
    docker.does(&["rename", "web", "old"]);
    assert_eq!(until(&mut client, "old", "first"), ["<start>", "first"]);
    docker.container("web", &[], &format!("echo second; {wait}"));
    let again = until(&mut client, "web", "second");
    assert_eq!(
        again.last_chunk(),
        Some(&["<rotated>".to_owned(), "second".to_owned()]),
        "{again:?}"
    );
    docker.does(&["rm", "-f", "web"]);
    docker.container("web", &[], "echo third; /bin/busybox printf unfinished");
    let again = until(&mut client, "web", "third");
    assert_eq!(
        again.last_chunk(),
        Some(&["<rotated>".to_owned(), "third".to_owned()]),
        "{again:?}"
    );
    docker.does(&["rm", "-f", "old"]);
    until(&mut client, "old", "<missing>");
    let text = daemon.get("/stream?follow=false&file=web&file=db").text();
    assert!(
        text.contains("==> web <==\nsecond\nthird\n") && text.contains("==> db <==\nready\n"),
        "{text}"
    );
    assert_eq!(
        file(&daemon, "web").map(|web| web["kind"].clone()),
        Some(Value::from("container"))
    );
    assert!(wait_until(DEADLINE, || file(&daemon, "old")
        .is_none_or(|old| old["present"] == false)));
}

#[test]
fn a_real_container_of_the_local_driver_is_refused_with_what_would_help() {
    let Some(docker) = Docker::start() else {
        return;
    };
    docker.container("web", &["--log-driver", "local"], "echo hello");
    let log = "local-logs/container.log";
    let containers = docker.home.path("root/containers");
    let has_log = || {
        let mut ids = std::fs::read_dir(&containers)
            .expect("containers")
            .flatten();
        ids.any(|id| {
            id.path()
                .join(log)
                .metadata()
                .is_ok_and(|stat| stat.len() > 0)
        })
    };
    assert!(wait_until(DEADLINE, has_log));
    let daemon = docker.follow();
    assert!(daemon.says("--log-driver json-file"));
    assert_eq!(
        file(&daemon, "web").map(|web| web["state"].clone()),
        Some(Value::from("unreadable"))
    );
}
