//! The files that a spool has left behind, as its feeder knows them: so a follower that was too slow for one of them can
//! say how many bytes it has lost.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::limits::ROTATIONS_KEPT;

/// The rotations of one spool that its follower has not come to yet.
#[derive(Debug)]
pub struct Rotations {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Oldest first.
    left: VecDeque<Left>,
    /// The inode of the file that is written to.
    current: u64,
}

/// A file that was left.
#[derive(Clone, Copy, Debug)]
struct Left {
    inode: u64,
    bytes: u64,
}

impl Rotations {
    /// Those of a spool whose feeder begins in the file `inode`.
    pub fn from(inode: u64) -> Rotations {
        Rotations {
            state: Mutex::new(State {
                left: VecDeque::new(),
                current: inode,
            }),
        }
    }

    /// The place of a file among those that the follower has not passed: a file that was written later has a higher one.
    pub fn place(&self, inode: u64) -> Option<usize> {
        let state = self.state.lock();
        match inode == state.current {
            true => Some(state.left.len()),
            false => state.left.iter().rposition(|file| file.inode == inode),
        }
    }

    /// The feeder is about to leave the file `inode` for `next`.
    ///
    /// Invariant: said before the next one can be seen under the name, so whoever has seen that one finds this here.
    pub fn leave(&self, inode: u64, bytes: u64, next: u64) {
        let mut state = self.state.lock();
        if state.left.len() == ROTATIONS_KEPT {
            // One entry stands for the two oldest.
            let oldest = state.left.pop_front().map_or(0, |oldest| oldest.bytes);
            if let Some(next) = state.left.front_mut() {
                next.bytes += oldest;
            }
        }
        state.left.push_back(Left { inode, bytes });
        state.current = next;
    }

    /// It has not left it after all.
    pub fn stay(&self) {
        let mut state = self.state.lock();
        if let Some(file) = state.left.pop_back() {
            state.current = file.inode;
        }
    }

    /// The follower goes on from the file `held`, which it has read, to `next`: bytes of the files in between, which are
    /// gone. An inode may be used again at once, but not while its file is there: so where the file that is written to
    /// has it, that one is meant.
    pub fn go_on(&self, held: Option<u64>, next: u64) -> Option<u64> {
        let mut state = self.state.lock();
        let end = match next == state.current {
            true => state.left.len(),
            false => state.left.iter().rposition(|file| file.inode == next)?,
        };
        let passed = state.left.drain(..end);
        let lost = passed.filter(|file| Some(file.inode) != held);
        let lost: u64 = lost.map(|file| file.bytes).sum();
        (lost > 0).then_some(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spool that has gone through these files, of ten bytes each.
    fn gone_through(inodes: &[u64]) -> Rotations {
        let rotations = Rotations::from(inodes[0]);
        inodes
            .windows(2)
            .for_each(|two| rotations.leave(two[0], 10, two[1]));
        rotations
    }

    #[test]
    fn what_lies_between_two_files_is_lost() {
        let rotations = gone_through(&[1, 2, 3, 4, 5]);
        assert_eq!(rotations.go_on(Some(1), 2), None);
        assert_eq!(rotations.go_on(Some(2), 4), Some(10));
        assert_eq!(rotations.go_on(Some(4), 5), None);
        rotations.leave(5, 10, 6);
        rotations.stay();
        assert_eq!(rotations.go_on(Some(5), 5), None);
    }

    #[test]
    fn an_inode_that_is_used_again_is_that_of_the_file_that_is_there() {
        assert_eq!(gone_through(&[1, 2, 3, 2]).go_on(Some(1), 2), Some(20));
    }

    #[test]
    fn files_have_places_in_the_order_in_which_they_were_written() {
        let rotations = gone_through(&[1, 2, 3, 4]);
        assert_eq!(
            [4, 3, 2].map(|inode| rotations.place(inode)),
            [3, 2, 1].map(Some)
        );
        rotations.go_on(Some(1), 3);
        assert_eq!([2, 1].map(|inode| rotations.place(inode)), [None; 2]);
        assert!(rotations.place(3) < rotations.place(4));
    }

    #[test]
    fn what_is_forgotten_counts() {
        let inodes: Vec<u64> = (0..=ROTATIONS_KEPT as u64 * 3).collect();
        let all = ROTATIONS_KEPT as u64 * 30;
        assert_eq!(
            gone_through(&inodes).go_on(None, ROTATIONS_KEPT as u64 * 3),
            Some(all)
        );
    }
}
