//! Clients that are programs of their own: what they say comes by a deadline.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::DEADLINE;

/// A child whose words come through a socket, since reads from a socket can have a deadline. Killed when dropped.
pub(crate) struct Spoken {
    child: Child,
    stream: UnixStream,
}

impl Spoken {
    /// Starts `command`; what it says on standard error is nobody's.
    pub(crate) fn spawn(command: &mut Command) -> Spoken {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let theirs = OwnedFd::from(theirs);
        let input = theirs.try_clone().expect("a descriptor");
        ours.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        ours.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        command.stdin(input).stdout(theirs).stderr(Stdio::null());
        let child = command.spawn().expect("start a client");
        // Its copy of their end would keep us from seeing the child's end.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Spoken {
            child,
            stream: ours,
        }
    }
}

impl Read for Spoken {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buf)
    }
}

impl Write for Spoken {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
