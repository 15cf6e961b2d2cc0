//! One call of the benchmark: what was asked for, and the faults seen so far.

use std::path::PathBuf;

use crate::run::Shape;
use crate::subject::Subject;

/// Settings of the call, and its verdict.
pub(crate) struct Session {
    /// Runs of each subject in a comparison.
    pub(crate) repeats: usize,
    /// Length of the paced runs, times this.
    pub(crate) stretch: f64,
    /// Where plots go.
    pub(crate) plots: PathBuf,
    /// Names of the scenarios; none means all.
    pub(crate) wanted: Vec<String>,
    faults: Vec<String>,
}

/// Wrong usage, as one line.
pub(crate) type Usage = String;

impl Session {
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Result<Session, Usage> {
        let plots = PathBuf::from("target/bench");
        let mut session = Session {
            repeats: 3,
            stretch: 1.0,
            plots,
            wanted: Vec::new(),
            faults: Vec::new(),
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo's own word to every benchmark.
                "--bench" => {}
                "--full" => (session.repeats, session.stretch) = (5, 4.0),
                "--repeats" => session.repeats = value(&mut args, "--repeats")?,
                "--stretch" => session.stretch = value(&mut args, "--stretch")?,
                "--plots" => session.plots = value(&mut args, "--plots")?,
                option if option.starts_with('-') => {
                    return Err(format!("{option}: no such option"));
                }
                _ => session.wanted.push(arg),
            }
        }
        Ok(session)
    }

    /// Seconds of a paced run that takes `seconds` in the quick mode.
    pub(crate) fn seconds(&self, seconds: f64) -> f64 {
        seconds * self.stretch
    }

    /// Runs of each point of a plot: they are many.
    pub(crate) fn growth_repeats(&self) -> usize {
        if self.stretch > 1.0 { 3 } else { 1 }
    }

    /// Notes lines that a run lost or gave twice. A peer's faults are shown, and are no fault of this program.
    pub(crate) fn note_faults(
        &mut self,
        subject: &Subject,
        shape: &Shape,
        (lost, again): (u64, u64),
    ) {
        if lost + again == 0 {
            return;
        }
        let text = format!(
            "{}: {lost} lines lost, {again} doubled or out of order ({} clients, {} lines)",
            subject.name, shape.clients, shape.lines
        );
        eprintln!("  ! {text}");
        if !subject.is_peer() {
            self.faults.push(text);
        }
    }

    /// Notes a promise broken in another way.
    pub(crate) fn fault(&mut self, text: String) {
        eprintln!("  ! {text}");
        self.faults.push(text);
    }

    pub(crate) fn failed(&self) -> bool {
        !self.faults.is_empty()
    }
}

fn value<T: std::str::FromStr>(
    args: &mut impl Iterator<Item = String>,
    option: &str,
) -> Result<T, Usage> {
    let text = args
        .next()
        .ok_or_else(|| format!("{option}: a value is missing"))?;
    text.parse()
        .map_err(|_| format!("{option}: not a value: {text}"))
}
