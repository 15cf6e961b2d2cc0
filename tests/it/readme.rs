//! README's commands work when they are pasted, its links lead somewhere, and its promises name tests that are there.
//!
//! A command stands in a block that is marked `sh`. Each block is in one of the lists below: it is run here, or it says why
//! it can't be.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::containers::Root;
use crate::journal::Journal;
use crate::support::{DEADLINE, Daemon, Logs, append, tool, wait_until};

/// For a block that is pasted, on a busy machine.
const SLOW: Duration = Duration::from_secs(60);

/// Blocks that are pasted into a shell, by their first lines, and what they show.
const PASTED: &[(&str, &str)] = &[
    ("tailcast '/var/log/*.log' & sleep 1", "a line of a log"),
    ("for step in 1 2 3;", "step 1"),
    ("tailcast journal: journal:ssh & sleep 1", "line 0"),
    ("tailcast docker: & sleep 1", "a line of a container"),
    ("tailcast --listen 127.0.0.1:8081 ", "a line of a log"),
    ("echo \"$(openssl rand -hex 16)", "a line of a log"),
];

/// The block whose lines are run one by one beside a daemon.
const SERVED: &str = "curl -N 'http://127.0.0.1:8080/stream?lines=100&grep=error'";

/// Lines that are not run here, and why.
const NAMED: &[(&str, &str)] = &[
    ("make test", "it is what runs this"),
    (
        "cargo install --path .",
        "compiles a whole release; tried by hand at each release",
    ),
    (
        "websocat ",
        "not in Debian; `make bench-peers` runs it where it is installed",
    ),
    (
        "make deb && sudo apt install ",
        "needs a machine to install into: package::deb does so in a root of its own",
    ),
    ("echo 'TAILCAST_FILES=", "writes below /etc"),
    (
        "sudo systemctl enable ",
        "needs a systemd that runs: the units are in systemd::units",
    ),
    (
        "make image && docker load ",
        "compiles a whole release: package::image builds the same image of the tested program",
    ),
    ("docker run --read-only ", "as before, with these options"),
    ("cargo test ", "a part of `make test`"),
    ("TAILCAST_SEED=", "a part of `make test`"),
    ("make check", "CI runs it before this"),
    ("make soak", "takes ten minutes"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("read README.md")
}

/// The blocks of commands.
fn blocks() -> Vec<String> {
    let text = readme();
    let begun = text.split("```sh\n").skip(1);
    let blocks = begun.map(|rest| rest.split("```").next().expect("an end").to_owned());
    let blocks: Vec<_> = blocks.collect();
    assert!(blocks.len() > 8, "the blocks are where they are looked for");
    blocks
}

fn block(first: &str) -> String {
    let block = blocks().into_iter().find(|block| block.starts_with(first));
    block.unwrap_or_else(|| panic!("README has no block that begins with {first:?}"))
}

/// A place where commands are pasted: a home, logs in place of /var/log, and free ports in place of 8080 and 8081.
struct Sandbox {
    home: Logs,
    ports: [u16; 2],
    /// Goes before the PATH.
    bin: Option<PathBuf>,
}

impl Sandbox {
    fn new() -> Sandbox {
        let home = Logs::new();
        fs::create_dir(home.path("log")).expect("mkdir");
        fs::create_dir(home.path("bin")).expect("mkdir");
        append(&home.path("log/app.log"), "a line of a log\n");
        let program = env!("CARGO_BIN_EXE_tailcast");
        symlink(program, home.path("bin/tailcast")).expect("link the program");
        // Both are held until both are known, so they differ.
        let listeners =
            [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("an address").port());
        Sandbox {
            home,
            ports,
            bin: None,
        }
    }

    /// `text` as it is pasted here.
    fn here(&self, text: &str) -> String {
        let logs = format!("{}/", self.home.path("log").display());
        text.replace("/var/log/", &logs)
            .replace("0.0.0.0:8080", "127.0.0.1:8080")
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.ports[0]))
            .replace("127.0.0.1:8081", &format!("127.0.0.1:{}", self.ports[1]))
            // Fixtures are older.
            .replace("since=1h", "since=2020-01-01")
    }

    /// A shell that is about to run `script`.
    fn shell(&self, script: &str) -> Command {
        let mut path = std::ffi::OsString::new();
        for bin in self.bin.iter().chain([&self.home.path("bin")]) {
            path.push(bin);
            path.push(":");
        }
        path.push(std::env::var_os("PATH").expect("a PATH"));
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TAILCAST_") {
                command.env_remove(name);
            }
        }
        command
            .args(["-m", "-c", script])
            .env("PATH", path)
            // The default of the listener that README's commands do not name.
            .env("TAILCAST_LISTEN", format!("127.0.0.1:{}", self.ports[0]))
            .current_dir(self.home.path(""))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.home.path("shown")).expect("a file"))
            .stderr(fs::File::create(self.home.path("said")).expect("a file"));
        command
    }

    fn shown(&self) -> String {
        fs::read_to_string(self.home.path("shown")).expect("read what it shows")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.home.path("said")).expect("read what it says")
    }

    /// Pastes the block that begins with `first`, and returns what it shows. A person waits and looks; here a sleep lasts
    /// until what was started serves, and a curl that shows nothing yet looks again.
    fn paste(&self, first: &str) -> String {
        let prelude = format!(
            r#"trap 'kill $(jobs -p); exit 1' TERM
            sleep() {{
                until [ "$(grep -c 'listening on' {said})" -ge "$(jobs -p | wc -l)" ]; do command sleep 0.05; done
                command sleep "$1"
            }}
            curl() {{
                local out
                until out=$(command curl -sSf "$@") && [ -n "$out" ]; do command sleep 0.1; done
                echo "$out"
            }}
            "#,
            said = self.home.path("said").display()
        );
        let script = prelude + &self.here(&block(first)) + "\nwait\n";
        let mut shell = Shell(self.shell(&script).spawn().expect("start bash"));
        let ends = wait_until(SLOW, || shell.0.try_wait().expect("wait").is_some());
        assert!(ends, "{first}\n{}\n{}", self.shown(), self.said());
        self.shown()
    }
}

/// A shell and all that it started; ended when dropped. What it has in the background it ends itself.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        let _ = killpg(group, Signal::SIGTERM);
        wait_until(DEADLINE, || {
            self.0.try_wait().is_ok_and(|ended| ended.is_some())
        });
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn every_command_of_the_readme_is_run_or_says_why_it_is_not() {
    let mut used = BTreeSet::new();
    for block in blocks() {
        let runs =
            PASTED.iter().any(|(first, _)| block.starts_with(first)) || block.starts_with(SERVED);
        for line in block.lines().filter(|_| !runs) {
            if line.starts_with("make run ") {
                continue;
            }
            let named = NAMED.iter().find(|(begin, _)| line.starts_with(begin));
            let (begin, _) = named.unwrap_or_else(|| panic!("neither run nor named: {line}"));
            used.insert(*begin);
        }
    }
    for (begin, why) in NAMED {
        assert!(
            used.contains(begin),
            "README has no {begin:?} any more ({why})"
        );
    }
}

#[test]
fn what_the_readme_says_of_files_pipes_tokens_and_other_machines_works_when_pasted() {
    if tool(&["curl"]).is_none() || tool(&["openssl"]).is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for (first, shows) in PASTED {
            if first.contains("journal:") || first.contains("docker:") {
                continue;
            }
            scope.spawn(move || {
                let shown = Sandbox::new().paste(first);
                assert!(shown.contains(shows), "{first}: {shown}");
            });
        }
    });
}

/// What a block shows that has the word.
fn shows(word: &str) -> (&'static str, &'static str) {
    let found = PASTED.iter().find(|(first, _)| first.contains(word));
    *found.expect("a block")
}

#[test]
fn what_the_readme_says_of_the_journal_works_when_pasted() {
    let Some(mut journal) = Journal::new() else {
        return;
    };
    if tool(&["curl"]).is_none() {
        return;
    }
    journal.add(3, "_SYSTEMD_UNIT=ssh.service\n");
    let mut sandbox = Sandbox::new();
    sandbox.bin = Some(journal.logs.path("bin"));
    let (first, shows) = shows("journal:");
    let shown = sandbox.paste(first);
    assert!(shown.contains(shows), "{shown}");
}

#[test]
fn what_the_readme_says_of_containers_works_when_pasted() {
    if tool(&["curl"]).is_none() {
        return;
    }
    let root = Root::new();
    root.make("0123", "web");
    let (first, shows) = shows("docker:");
    root.say("0123", &format!("{shows}\n"));
    let sandbox = Sandbox::new();
    // The data root is this one, by the program that the shell finds.
    let program = env!("CARGO_BIN_EXE_tailcast");
    let at = root.0.path("");
    let at = at.display().to_string();
    let script = format!(
        "#!/bin/sh\nexec {program} \"$1{}\"\n",
        at.trim_end_matches('/')
    );
    fs::remove_file(sandbox.home.path("bin/tailcast")).expect("remove");
    fs::write(sandbox.home.path("bin/tailcast"), script).expect("written");
    let may_run = fs::Permissions::from_mode(0o755);
    fs::set_permissions(sandbox.home.path("bin/tailcast"), may_run).expect("chmod");
    let shown = sandbox.paste(first);
    assert!(shown.contains(shows), "{shown}");
}

#[test]
fn what_the_readme_reads_from_a_daemon_it_gets() {
    if tool(&["curl"]).is_none() {
        return;
    }
    let logs = Logs::new();
    let log = logs.file("app.log", "an error\n");
    let other = logs.file("other.log", "an error\n");
    let daemon = Daemon::with(&[], &[&log, &other]);
    for line in block(SERVED).lines() {
        let mut sandbox = Sandbox::new();
        sandbox.ports[0] = daemon.port;
        let line = sandbox.here(line).replacen("curl ", "curl -sSf ", 1);
        let mut shell = Shell(
            sandbox
                .shell(&format!("exec {line}"))
                .spawn()
                .expect("start bash"),
        );
        let mut status = None;
        let done = wait_until(SLOW, || {
            status = shell.0.try_wait().expect("wait");
            // What goes on has shown something; what ends may have nothing to show.
            status.is_some() || (!line.contains("follow=false") && !sandbox.shown().is_empty())
        });
        let ends_well = status.is_none_or(|status| status.success());
        assert!(
            done && ends_well,
            "{line}: {}{}",
            sandbox.shown(),
            sandbox.said()
        );
    }
}

#[test]
fn make_run_follows_the_file_that_it_is_given() {
    if tool(&["make"]).is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let block = block("make run FILE=");
    let line = block.lines().next().expect("a line");
    let line = line.split(" #").next().expect("a command");
    // Not built again: a cargo that runs what is tested.
    let cargo = sandbox.home.path("bin/cargo");
    let program = env!("CARGO_BIN_EXE_tailcast");
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2\" = 'run --release' ] || exit 1\nshift 4\nexec {program} \"$@\"\n"
    );
    fs::write(&cargo, script).expect("written");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("chmod");
    let line = sandbox
        .here(line)
        .replacen("make ", &format!("make -C {} ", root().display()), 1);
    let mut command = sandbox.shell(&format!("exec {line}"));
    command.env("CARGO", &cargo).env_remove("MAKEFLAGS");
    let shell = Shell(command.spawn().expect("start bash"));
    let serves = wait_until(SLOW, || sandbox.said().contains("listening on http://"));
    assert!(serves, "{}{}", sandbox.shown(), sandbox.said());
    assert!(sandbox.said().contains("log/syslog"), "{}", sandbox.said());
    drop(shell);
}

#[test]
fn the_links_of_the_documents_lead_somewhere_and_promises_name_tests_that_are_there() {
    let mut faults = Vec::new();
    let mut promises = 0;
    let documents = [
        "README.md",
        "scripts/brokers/README.md",
        "scripts/packaging/README.md",
    ];
    let more = ["scripts/proxy/README.md", "scripts/systemd/README.md"];
    for document in documents.into_iter().chain(more) {
        let text = fs::read_to_string(root().join(document)).unwrap_or_default();
        if text.is_empty() {
            faults.push(format!("{document} is empty"));
        }
        let beside = root().join(document);
        let beside = beside.parent().expect("a directory");
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().expect("a target");
            // Beside those within the document.
            if text[at + 2..].starts_with('#') || target.contains("://") {
                continue;
            }
            if target.is_empty() {
                faults.push(format!("{document}: a link leads nowhere"));
            }
            let file = beside.join(target);
            if !file.exists() {
                faults.push(format!("{document}: {target} is not there"));
            }
            let label = text[..at]
                .rsplit('[')
                .next()
                .expect("a label")
                .trim_matches('`');
            let is_test = label.contains('_') && target.ends_with(".rs");
            promises += usize::from(is_test);
            let holds = || {
                fs::read_to_string(&file).is_ok_and(|code| code.contains(&format!("fn {label}()")))
            };
            if is_test && !holds() {
                faults.push(format!("{document}: {target} has no test {label}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(promises > 8, "the promises are where they are looked for");
}
