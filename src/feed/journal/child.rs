//! A journalctl that writes the journal to us: started, read without waiting, ended.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::escape::shown;
use crate::limits::COMPLAINT_BYTES;

/// A running journalctl. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    out: ChildStdout,
    err: ChildStderr,
    /// What it says on standard error.
    complaint: Vec<u8>,
}

impl Child {
    /// Starts `journalctl -q -o export` with these arguments too.
    pub(super) fn start(arguments: &[String]) -> io::Result<Child> {
        let mut command = Command::new("journalctl");
        command
            .args(["-q", "--no-pager", "-o", "export"])
            .args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C in a terminal is for us: it would end before we do, and be told as a failure.
        let mut process = command.process_group(0).spawn()?;
        let (out, err) = (process.stdout.take(), process.stderr.take());
        let (Some(out), Some(err)) = (out, err) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let child = Child {
            process,
            out,
            err,
            complaint: Vec::new(),
        };
        for pipe in [child.out.as_fd(), child.err.as_fd()] {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(child)
    }

    /// What to wait for.
    pub(super) fn output(&self) -> BorrowedFd<'_> {
        self.out.as_fd()
    }

    /// Reads what it has written; `None` where there is nothing for now, and 0 at its end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.listen();
        loop {
            match self.out.read(buf) {
                Ok(n) => return Ok(Some(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what it says on standard error, which it would wait for otherwise.
    fn listen(&mut self) {
        let mut buf = [0; 1024];
        while let Ok(n @ 1..) = self.err.read(&mut buf) {
            let room = COMPLAINT_BYTES.saturating_sub(self.complaint.len());
            self.complaint.extend_from_slice(&buf[..n.min(room)]);
        }
    }

    /// Waits for it, which has closed its output: how it ended, and the last that it said on standard error.
    pub(super) fn end(mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.process.wait()?;
        self.listen();
        let mut lines = self.complaint.split(|&byte| byte == b'\n');
        let last = lines.rfind(|line| !line.is_empty());
        Ok((status, shown(last.unwrap_or_default())))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // With all that it has started, where it is a script: that may write nothing for long, and so never learn that we
        // are gone.
        if let Ok(None) = self.process.try_wait() {
            let group = Pid::from_raw(self.process.id() as i32);
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = self.process.wait();
    }
}
