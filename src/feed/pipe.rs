//! Standard input and FIFOs: what comes is appended to the spool, as fast as it comes.
//!
//! Whole lines are written as they come; a line's beginning waits here for its end, so that a rotation of the spool cuts
//! no line.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memrchr;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::limits::{FIFO_LOOK, FRAGMENT_BYTES, PIPE_BYTES, PIPE_READ_BYTES};
use crate::outward::{Bell, is_not_yet};
use crate::source::EventKind;

use super::spool::Spool;
use super::{Feeder, First};

/// Standard input or one FIFO, and its spool.
pub(super) struct Pipe {
    from: From,
    spool: Spool,
    /// The beginning of a line.
    fragment: Vec<u8>,
}

enum From {
    Stdin,
    Fifo(PathBuf),
}

/// Why reading stopped.
#[derive(PartialEq)]
enum Ended {
    /// There is nothing more for now.
    Empty,
    /// Nobody writes to it.
    NoWriter,
}

impl Pipe {
    pub(super) fn stdin(spool: Spool) -> Pipe {
        Pipe {
            from: From::Stdin,
            spool,
            fragment: Vec::new(),
        }
    }

    pub(super) fn fifo(path: PathBuf, spool: Spool) -> Pipe {
        Pipe {
            from: From::Fifo(path),
            spool,
            fragment: Vec::new(),
        }
    }

    /// Reads to the end of input.
    fn read_stdin(&mut self, bell: &Bell, first: &First) -> io::Result<()> {
        // What another run has left unfinished is none of this input.
        if !self.spool.ends_line() {
            self.spool.append(b"\n");
        }
        let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        grow(&stdin);
        let mut buf = vec![0; PIPE_READ_BYTES];
        while !bell.is_stopping() {
            if !is_ready(&stdin)? {
                first.is_fed();
                self.spool.tell_lost_when_due();
                let until = self.spool.tells_lost_at().unwrap_or_else(later);
                bell.wait(Some((stdin.as_fd(), PollFlags::POLLIN)), until)?;
                continue;
            }
            match stdin.read(&mut buf) {
                Ok(0) => return self.closed(),
                Ok(n) => self.take(&buf[..n]),
                Err(error) if is_not_yet(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.pause();
        Ok(())
    }

    fn closed(&mut self) -> io::Result<()> {
        if !self.fragment.is_empty() {
            self.fragment.push(b'\n');
        }
        self.pause();
        self.spool.tell(EventKind::Closed);
        log::info!("{}: the end of standard input", self.spool.name());
        Ok(())
    }

    /// Reads until the daemon stops, or a file stands there.
    fn read_fifo(&mut self, path: &Path, bell: &Bell, first: &First) -> io::Result<()> {
        let mut buf = vec![0; PIPE_READ_BYTES];
        let mut fifo: Option<File> = None;
        let mut away = false;
        while !bell.is_stopping() {
            let ended = match &mut fifo {
                Some(fifo) => self.read_on(fifo, &mut buf, bell)?,
                None => Ended::NoWriter,
            };
            if ended == Ended::NoWriter || !fifo.as_ref().is_some_and(|fifo| is_at(fifo, path)) {
                // Opened before the one that is held is closed: what a writer leaves in the same FIFO stays there.
                let opened = open(path);
                if let (Ok(_), Some(last)) = (&opened, &mut fifo) {
                    self.read_on(last, &mut buf, bell)?;
                }
                if opened.is_ok() && std::mem::take(&mut away) {
                    self.spool.tell(EventKind::Back);
                    log::info!("{path:?} is back");
                }
                match opened {
                    Ok(Opened::Fifo(next)) => fifo = Some(next),
                    Ok(Opened::File) => {
                        self.pause();
                        self.spool.leave_to_file();
                        return Ok(());
                    }
                    Err(error) if !std::mem::replace(&mut away, true) => {
                        log::warn!("open {path:?}: {error}: it is tried again");
                        let text = error.to_string();
                        let reason = text.split(" (os error").next().unwrap_or_default();
                        self.spool.tell(EventKind::Away {
                            reason: reason.into(),
                        });
                    }
                    Err(_) => {}
                }
            }
            first.is_fed();
            self.spool.tell_lost_when_due();
            let soon = Instant::now() + FIFO_LOOK;
            let fd = fifo.as_ref().map(|fifo| (fifo.as_fd(), PollFlags::POLLIN));
            bell.wait(fd.filter(|_| !away), soon)?;
        }
        self.pause();
        Ok(())
    }

    /// Reads what there is.
    fn read_on(&mut self, fifo: &mut File, buf: &mut [u8], bell: &Bell) -> io::Result<Ended> {
        while !bell.is_stopping() {
            match fifo.read(buf) {
                Ok(0) => return Ok(Ended::NoWriter),
                Ok(n) => self.take(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_not_yet(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Ended::Empty)
    }

    fn take(&mut self, bytes: &[u8]) {
        let whole = memrchr(b'\n', bytes).map_or(0, |newline| newline + 1);
        let (whole, rest) = bytes.split_at(whole);
        if !whole.is_empty() {
            if self.fragment.is_empty() {
                self.spool.append(whole);
            } else {
                self.fragment.extend_from_slice(whole);
                self.write_fragment();
            }
        }
        self.fragment.extend_from_slice(rest);
        if self.fragment.len() >= FRAGMENT_BYTES {
            self.write_fragment();
        }
    }

    fn write_fragment(&mut self) {
        self.spool.append(&self.fragment);
        self.fragment.clear();
    }

    /// Nothing more comes, or the daemon stops.
    fn pause(&mut self) {
        self.write_fragment();
        self.spool.finish();
    }
}

impl Feeder for Pipe {
    fn name(&self) -> String {
        match self.from {
            From::Stdin => "feeder stdin".to_owned(),
            From::Fifo(_) => "feeder fifo".to_owned(),
        }
    }

    fn run(&mut self, bell: &Arc<Bell>, first: &First) {
        let ended = match &self.from {
            From::Stdin => self.read_stdin(bell, first),
            From::Fifo(path) => {
                let path = path.clone();
                self.read_fifo(&path, bell, first)
            }
        };
        if let Err(error) = ended {
            log::error!("read {}: {error}", self.spool.name());
            self.pause();
            self.spool.tell(EventKind::Away {
                reason: error.to_string().into(),
            });
        }
    }
}

/// What stands where a FIFO has stood.
enum Opened {
    Fifo(File),
    File,
}

/// Without waiting for a writer.
fn open(path: &Path) -> io::Result<Opened> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = options.open(path)?;
    match file.metadata()?.file_type() {
        kind if kind.is_fifo() => {
            grow(&file);
            Ok(Opened::Fifo(file))
        }
        kind if kind.is_file() => Ok(Opened::File),
        _ => Err(io::Error::other("it is no FIFO any more")),
    }
}

fn is_at(fifo: &File, path: &Path) -> bool {
    let (Ok(held), Ok(named)) = (fifo.metadata(), path.metadata()) else {
        return false;
    };
    (held.dev(), held.ino()) == (named.dev(), named.ino())
}

/// Fewer, larger reads; where the kernel allows no more, it stays as it is.
fn grow(pipe: &File) {
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
}

/// Whether a read of it would return at once. A wait for it may have ended for the bell alone, and standard input can't
/// be told not to block: others share that setting.
fn is_ready(file: &File) -> io::Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(n) => Ok(n > 0),
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A time that is as good as never.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
