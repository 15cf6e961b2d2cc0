//! A started program with all that it starts in turn: one process group, of which nothing is left once this is dropped,
//! nor when the benchmark is killed.
//!
//! Not a signal to the program alone: websocketd leaves its helpers behind, nginx its workers, and what is left behind
//! takes from the next run what it needs (inotify allows 128 instances a user, and a hundred `tail -F` hold them).

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::process;

/// See the module.
pub(crate) struct Group {
    child: Child,
    /// Ends the group where this process does not live to do so.
    guard: Option<Child>,
}

/// Makes this process the parent of what a group's program leaves behind, so that it can be waited for.
pub(crate) fn adopt() {
    if let Err(error) = set_child_subreaper(true) {
        eprintln!("adopt what programs leave behind: {error}; it may outlive them for a moment");
    }
}

impl Group {
    /// Starts `command` as the leader of a group of its own.
    pub(crate) fn start(command: &mut Command) -> io::Result<Group> {
        let child = command.process_group(0).spawn()?;
        Ok(Group { child, guard: None })
    }

    /// From now on it ends with this process, however that ends. A step of its own, since it takes time from a start
    /// that is measured.
    pub(crate) fn guarded(&mut self) {
        let program = std::env::current_exe().expect("the path of this program");
        let guard = Command::new(program)
            .args(["--role", "guard", &self.id().to_string()])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn();
        self.guard = Some(guard.expect("start a guard"));
    }

    /// The program itself.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The program and its descendants of this moment.
    pub(crate) fn pids(&self) -> Vec<i32> {
        process::tree(self.id().as_raw())
    }

    /// Of the group, and of its leader.
    fn id(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // First, for the group's number may be given to another once the group is gone.
        if let Some(guard) = &mut self.guard {
            let _ = guard.kill();
            let _ = guard.wait();
        }
        let _ = killpg(self.id(), Signal::SIGKILL);
        let _ = self.child.wait();
        // The others in turn, until there is none.
        let others = Pid::from_raw(-self.id().as_raw());
        while waitpid(others, None).is_ok() {}
    }
}

/// The guard's own life: at the end of its input, which the benchmark never writes to, the benchmark is gone.
pub(crate) fn guard(group: i32) {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    if let Err(error) = killpg(Pid::from_raw(group), Signal::SIGKILL) {
        let _ = writeln!(io::stderr(), "end process group {group}: {error}");
    }
}
