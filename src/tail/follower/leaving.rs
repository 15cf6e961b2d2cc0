//! The place where a name was looked up is left: its directory was moved away or removed, or a link leads elsewhere. What
//! the kernel has told of that place is looked for once more, for nothing more will be told of it.

use std::fs;
use std::path::PathBuf;

use super::lookup::GONE_UNSEEN;
use super::stints::Trust;
use super::{Follower, Sight, Turn};
use crate::tail::successor::name_of;
use crate::tail::watches::{Place, User};

impl Follower {
    /// Takes in the files that stood under the name there, and tells those as lost that are not found. They come before all
    /// that is found in the next place.
    pub(super) fn leave_place(&mut self, turn: &mut Turn) {
        if self.sight != Sight::Watches || !self.stints.has_news() {
            return;
        }
        let mut stints = std::mem::take(&mut self.stints);
        let places = self.where_files_stand();
        let own = self.steps.iter().map(|(directory, _)| *directory);
        for directory in own.chain(stints.directories()) {
            turn.watches.find_again(directory, &places);
        }
        let is_no_file = |path: &PathBuf| {
            let stat = fs::symlink_metadata(path);
            stat.is_ok_and(|stat| !stat.is_file())
        };
        let here = match self.old_name(turn).filter(|_| stints.has_news_here()) {
            Some(link) if is_no_file(&link) => {
                stints.hand_over_here();
                None
            }
            Some(old) => self.find_moved(&old, Trust::Sure, turn),
            None => None,
        };
        self.look_for(&mut stints, here, turn);
        let successors = &mut self.successors;
        stints.end(&mut |order| successors.lost_before(order, GONE_UNSEEN));
        if !self.has_begun() {
            stints.nothing_lost();
        }
        self.stints = stints;
        self.bound_successors(turn);
    }

    /// The directories in which its open files stand by now.
    fn where_files_stand(&self) -> Vec<PathBuf> {
        let held = self.held.iter().map(|held| &held.file);
        let names = held.chain(self.successors.open()).map(|file| name_of(file));
        let mut places: Vec<PathBuf> = names
            .filter_map(|name| Some(name.parent()?.to_owned()))
            .collect();
        places.dedup();
        places
    }

    /// The name that is left, where its directory is in sight.
    fn old_name(&self, turn: &Turn) -> Option<PathBuf> {
        let entry = self.steps.iter().find_map(|(directory, user)| match user {
            User::Entry(_, name) => Some((*directory, name.clone())),
            _ => None,
        });
        let (directory, name) = entry?;
        match turn.watches.place(directory, &name, self.index) {
            Place::At(path) => Some(path),
            Place::OfAnother | Place::Unknown => None,
        }
    }
}
