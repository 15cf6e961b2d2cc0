//! Where a file stood, and when: noted as lines arrive, for files whose lines have no times. One note a second is kept,
//! and the latest.

use parking_lot::Mutex;

use crate::limits::ARRIVALS_MAX;

const SECOND_NANOSECONDS: i64 = 1_000_000_000;

/// What was noted of one file.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// When, in nanoseconds since 1970, and up to where lines had arrived; oldest first.
    noted: Mutex<Vec<(i64, u64)>>,
}

impl Arrivals {
    /// Lines have arrived up to `offset`.
    pub fn note(&self, now: i64, offset: u64) {
        let mut noted = self.noted.lock();
        // The clock was set back: what is older by it is older.
        while noted.last().is_some_and(|last| last.0 > now) {
            noted.pop();
        }
        // The last note is always the latest, so that `now` is where the file stands.
        if let [.., before, last] = &mut noted[..] {
            if last.0 - before.0 < SECOND_NANOSECONDS {
                *last = (now, offset);
                return;
            }
        }
        if noted.len() == ARRIVALS_MAX {
            // Every other one of the older half.
            let mut index = 0;
            noted.retain(|_| {
                index += 1;
                index > ARRIVALS_MAX / 2 || index % 2 == 1
            });
        }
        noted.push((now, offset));
    }

    /// Where the file stood at `moment`, or a little before; `None` where that is not known.
    pub fn stood(&self, moment: i64) -> Option<u64> {
        let noted = self.noted.lock();
        let later = noted.partition_point(|noted| noted.0 <= moment);
        Some(noted[later.checked_sub(1)?].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_file_stood_is_known_from_the_first_note_on() {
        let arrivals = Arrivals::default();
        for second in [10, 11, 20] {
            arrivals.note(second * SECOND_NANOSECONDS, second as u64);
        }
        arrivals.note(20 * SECOND_NANOSECONDS + 1, 99);
        let stood = |second: i64| arrivals.stood(second * SECOND_NANOSECONDS);
        assert_eq!(stood(9), None);
        assert_eq!(stood(10), Some(10));
        assert_eq!(stood(19), Some(11));
        // What is noted within a second stands in for the note before it.
        arrivals.note(20 * SECOND_NANOSECONDS + 2, 100);
        assert_eq!(stood(20), Some(20));
        assert_eq!(stood(30), Some(100));
        assert_eq!(arrivals.noted.lock().len(), 4);
    }

    #[test]
    fn notes_are_bounded_and_thinned_out_where_they_are_old() {
        let arrivals = Arrivals::default();
        let seconds = ARRIVALS_MAX as i64 * 20;
        for second in 0..seconds {
            arrivals.note(second * SECOND_NANOSECONDS, second as u64);
        }
        assert!(arrivals.noted.lock().len() <= ARRIVALS_MAX);
        let stood = |second: i64| arrivals.stood(second * SECOND_NANOSECONDS).expect("known");
        assert_eq!(stood(seconds - 10), seconds as u64 - 10);
        for second in 0..seconds {
            assert!(stood(second) <= second as u64);
        }
    }
}
