//! The load generator as the benchmark sees it: a child process that is asked and answers by line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::load::{LoadSpec, Tally};

/// A running load generator.
pub(crate) struct LoadProcess {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl LoadProcess {
    /// Starts it and waits until all its clients have their answer; an `Err` is the server's refusal.
    pub(crate) fn start(spec: &LoadSpec) -> Result<LoadProcess, String> {
        let mut child = Command::new(std::env::current_exe().expect("the path of this program"))
            .args(["--role", "load"])
            .args(spec.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the load generator");
        let answers = BufReader::new(child.stdout.take().expect("a piped standard output"));
        let mut load = LoadProcess { child, answers };
        load.ready()?;
        Ok(load)
    }

    fn ready(&mut self) -> Result<(), String> {
        match self.answer() {
            answer if answer == "ready" => Ok(()),
            answer => Err(answer),
        }
    }

    /// Lets the clients join that stop in the next part, and waits until each has its answer.
    pub(crate) fn join(&mut self) -> Result<(), String> {
        self.tell("join");
        self.ready()
    }

    /// Waits until the clients that read have every line.
    pub(crate) fn live(&mut self) -> Tally {
        let answer = self.answer();
        Tally::parse(answer.strip_prefix("live ").unwrap_or(&answer))
    }

    /// Lets the stalled clients read and waits until they have every line.
    pub(crate) fn resume_stalled(&mut self) -> Tally {
        self.tell("read");
        let answer = self.answer();
        Tally::parse(answer.strip_prefix("stalled ").unwrap_or(&answer))
    }

    fn tell(&mut self, word: &str) {
        let input = self.child.stdin.as_mut().expect("a piped standard input");
        writeln!(input, "{word}").expect("tell the load generator");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("read from the load generator");
        assert!(!line.is_empty(), "the load generator ended before its time");
        line.trim_end().to_owned()
    }
}

impl Drop for LoadProcess {
    fn drop(&mut self) {
        // The end of its input is its word to leave.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
