//! What of a segment's lines passes one filter, with the wire forms made of that: for clients whose filters are equal.

use std::sync::OnceLock;

use crate::limits::PARTS_MAX;

use super::batch::Forms;

/// The lines of a segment that pass one filter.
#[derive(Debug)]
pub struct Part {
    /// The filter's number.
    filter: u64,
    passes: Box<[bool]>,
    passed: usize,
    pub(super) forms: OnceLock<Box<Forms>>,
}

/// The parts of one segment, in the order in which they were made. They stay as long as it does.
#[derive(Debug, Default)]
pub(super) struct Parts([OnceLock<Box<Part>>; PARTS_MAX]);

impl Part {
    /// Which lines pass.
    pub fn passes(&self) -> &[bool] {
        &self.passes
    }

    /// Whether any line does.
    pub fn has_any(&self) -> bool {
        self.passed > 0
    }

    /// How many of the first `len` lines pass.
    pub fn count(&self, len: usize) -> u64 {
        match len < self.passes.len() {
            true => self.passes[..len].iter().filter(|&&passes| passes).count() as u64,
            false => self.passed as u64,
        }
    }
}

impl Parts {
    pub(super) fn of(&self, filter: u64) -> Option<&Part> {
        let mut made = self.0.iter().map_while(OnceLock::get);
        made.find(|part| part.filter == filter).map(|part| &**part)
    }

    pub(super) fn has_room(&self) -> bool {
        self.0.iter().any(|place| place.get().is_none())
    }

    /// Keeps what passes a filter, unless that is known; `None` where there is no room for it.
    pub(super) fn add(&self, filter: u64, passes: &[bool]) -> Option<&Part> {
        for place in &self.0 {
            let part = place.get_or_init(|| {
                Box::new(Part {
                    filter,
                    passes: passes.into(),
                    passed: passes.iter().filter(|&&passes| passes).count(),
                    forms: OnceLock::new(),
                })
            });
            if part.filter == filter {
                return Some(part);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_has_its_part_as_long_as_there_is_room() {
        let parts = Parts::default();
        assert!(parts.of(7).is_none());
        let part = parts.add(7, &[true, false, true]).expect("room");
        assert_eq!([1, 2, 3, 9].map(|len| part.count(len)), [1, 1, 2, 2]);
        assert!(part.has_any());
        let same = parts.add(7, &[false; 3]).expect("it is there");
        assert_eq!(same.passes(), [true, false, true]);
        for filter in 8..7 + PARTS_MAX as u64 {
            assert!(!parts.add(filter, &[false]).expect("room").has_any());
        }
        assert!(!parts.has_room());
        assert!(parts.add(100, &[true]).is_none());
        assert!(parts.of(8).is_some() && parts.of(100).is_none());
    }
}
