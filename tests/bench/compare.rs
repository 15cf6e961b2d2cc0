//! Several subjects side by side: short runs in turn, repeated, so that what else the machine does meets all of
//! them alike. A ratio is the median over the repeats of the ratio to the floor of the same repeat.

use crate::run::{Outcome, Shape, run};
use crate::session::Session;
use crate::subject::Subject;

/// The runs of one subject, a repeat each; or why there are none.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) outcomes: Result<Vec<Outcome>, String>,
}

/// A number over the repeats, and beside the floor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) ratio: f64,
}

/// Runs each subject in turn, so many times. The first is what the ratios refer to.
pub(crate) fn compare(
    session: &mut Session,
    subjects: &[Subject],
    shape: &Shape,
    repeats: usize,
) -> Vec<Series> {
    let mut all: Vec<Series> = subjects
        .iter()
        .map(|subject| Series {
            name: subject.name.clone(),
            outcomes: Ok(Vec::new()),
        })
        .collect();
    for _ in 0..repeats {
        for (subject, series) in subjects.iter().zip(&mut all) {
            let Ok(outcomes) = &mut series.outcomes else {
                continue;
            };
            match run(subject, shape) {
                Ok(outcome) => {
                    session.note_faults(subject, shape, outcome.faults());
                    outcomes.push(outcome);
                }
                Err(refusal) => {
                    // A path that is not there yet is the scenario's to tell.
                    if !subject.is_peer() && !refusal.contains(" 404 ") {
                        session.fault(format!("{}: {refusal}", subject.name));
                    }
                    series.outcomes = Err(refusal);
                }
            }
        }
    }
    all
}

/// What `read` finds in each run, as the median, and beside the first series.
pub(crate) fn figures(all: &[Series], read: impl Fn(&Outcome) -> f64) -> Vec<Option<Figure>> {
    let values: Vec<Option<Vec<f64>>> = all
        .iter()
        .map(|series| Some(series.outcomes.as_ref().ok()?.iter().map(&read).collect()))
        .collect();
    let Some(Some(floor)) = values.first() else {
        return vec![None; all.len()];
    };
    values
        .iter()
        .map(|values| {
            let values = values.as_ref()?;
            let ratios = values
                .iter()
                .zip(floor)
                .map(|(value, floor)| value / floor)
                .collect();
            Some(Figure {
                value: median(values.clone()),
                ratio: median(ratios),
            })
        })
        .collect()
}

/// The middle one, or the mean of the two middle ones.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
