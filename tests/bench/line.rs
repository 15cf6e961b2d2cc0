//! The numbered line: what the writer appends and the load generator expects.
//!
//! `#0000000042 0000012345678901234 xxxx…`: a mark that occurs nowhere else on any wire, the number, the time of
//! the append in nanoseconds since boot, then filling up to the size asked for. A line too short for a stamp
//! has the mark and a shorter number only.

use std::io::Write as _;

/// Begins each line, so that a line can be found in any wire format.
pub(crate) const MARK: u8 = b'#';

const NUMBER_DIGITS: usize = 10;
const STAMP_DIGITS: usize = 19;

/// Mark, number, space, stamp, space.
const HEAD_BYTES: usize = 1 + NUMBER_DIGITS + 1 + STAMP_DIGITS + 1;

/// How lines stand in the followed file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored {
    /// As they are.
    Plain,
    /// As Docker's json-file driver writes them.
    Docker,
    /// As CRI has them.
    Cri,
}

/// How the lines of one run look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineForm {
    /// With its `\n`.
    pub(crate) line_bytes: usize,
    pub(crate) stored: Stored,
}

impl LineForm {
    fn stamped(self) -> bool {
        self.line_bytes > HEAD_BYTES
    }

    /// The bytes from the mark on that `read` needs.
    pub(crate) fn head_bytes(self) -> usize {
        if self.stamped() {
            HEAD_BYTES
        } else {
            self.line_bytes - 1
        }
    }

    /// Appends line `number` to `out`.
    pub(crate) fn put(self, out: &mut Vec<u8>, number: u64, now_ns: u64) {
        let end = out.len() + self.line_bytes;
        if self.stamped() {
            write!(out, "#{number:010} {now_ns:019} ").expect("writing to memory");
            out.resize(end - 1, b'x');
        } else {
            let digits = self.line_bytes - 2;
            write!(out, "#{number:0digits$}").expect("writing to memory");
        }
        out.push(b'\n');
        assert_eq!(
            out.len(),
            end,
            "line {number} does not fit in {} bytes",
            self.line_bytes
        );
    }

    /// Appends line `number` as it stands in the file.
    pub(crate) fn store(self, out: &mut Vec<u8>, number: u64, now_ns: u64) {
        const TIME: &str = "2026-11-28T10:00:00.123456789Z";
        match self.stored {
            Stored::Plain => self.put(out, number, now_ns),
            Stored::Docker => {
                out.extend_from_slice(b"{\"log\":\"");
                self.put(out, number, now_ns);
                out.pop();
                writeln!(out, "\\n\",\"stream\":\"stdout\",\"time\":\"{TIME}\"}}")
                    .expect("writing to memory");
            }
            Stored::Cri => {
                write!(out, "{TIME} stdout F ").expect("writing to memory");
                self.put(out, number, now_ns);
            }
        }
    }

    /// The number and, where the line is long enough for one, the stamp.
    pub(crate) fn read(self, head: &[u8]) -> Option<(u64, Option<u64>)> {
        let head = head.get(..self.head_bytes())?;
        if head[0] != MARK {
            return None;
        }
        if !self.stamped() {
            return Some((decimal(&head[1..])?, None));
        }
        let number = decimal(&head[1..=NUMBER_DIGITS])?;
        let stamp = decimal(&head[NUMBER_DIGITS + 2..HEAD_BYTES - 1])?;
        Some((number, Some(stamp)))
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
    }
    Some(value)
}
