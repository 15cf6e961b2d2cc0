//! One watch of the kernel: who uses it, and whom an event of it concerns.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use inotify::{EventMask, WatchDescriptor};

use crate::pattern;
use crate::source::mark;

use super::{Hit, User};

/// What the kernel tells of a name in a directory. Renames have a number that both of their ends share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tail) enum What {
    /// A file was made there.
    Made,
    /// A further link to a file that the follower holds was made there.
    Linked,
    /// A file was moved there; what stood there before is gone.
    MovedIn(u32),
    /// The file that stood there was moved away.
    MovedOut(u32),
    /// The name was deleted.
    Deleted,
}

/// What the kernel tells of a name that a follower follows, or to which a file of that name was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tail) struct Told {
    /// The watch on the directory.
    pub(in crate::tail) directory: i32,
    pub(in crate::tail) name: OsString,
    pub(in crate::tail) what: What,
}

/// The number of a rename that was none: the file got a further link, and then its old name was deleted. The kernel's
/// numbers begin at 1.
pub(in crate::tail) const BY_LINK: u32 = 0;

/// A follower whose file is on its way to another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flying {
    pub(super) follower: usize,
    /// It stood under the follower's own name.
    from_own_name: bool,
}

/// A watch and its users.
pub(super) struct Watch {
    pub(super) descriptor: WatchDescriptor,
    /// How it was added: where the directory is, unless it was moved out of sight.
    pub(super) path: Option<PathBuf>,
    /// Followers that hold this file.
    pub(super) files: Vec<usize>,
    /// Those that have done with it.
    sealed: Vec<usize>,
    /// Who looks which name up in this directory.
    names: HashMap<OsString, Vec<Lookup>>,
    /// Followers that want to know what becomes of the file under this name, which stood under theirs.
    tracked: HashMap<OsString, Vec<usize>>,
    /// The name that was made last which nobody follows: a file may be there that is deleted next under another one.
    made: Option<OsString>,
    components: Vec<(usize, OsString)>,
    containers: Vec<(usize, OsString)>,
}

/// A follower that looks a name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lookup {
    follower: usize,
    /// It is the file's own name, not one on the way to it.
    is_entry: bool,
}

impl Watch {
    pub(super) fn new(descriptor: WatchDescriptor, path: &Path) -> Watch {
        Watch {
            descriptor,
            path: Some(path.to_owned()),
            files: Vec::new(),
            sealed: Vec::new(),
            names: HashMap::new(),
            tracked: HashMap::new(),
            made: None,
            components: Vec::new(),
            containers: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, user: User) {
        let is_entry = matches!(user, User::Entry(..));
        match user {
            User::File(follower) => push_new(&mut self.files, follower),
            User::Sealed(follower) => push_new(&mut self.sealed, follower),
            User::Name(follower, name) | User::Entry(follower, name) => {
                let lookups = self.names.entry(name).or_default();
                push_new(lookups, Lookup { follower, is_entry });
            }
            User::Component(glob, component) => push_new(&mut self.components, (glob, component)),
            User::Container(docker, component) => {
                push_new(&mut self.containers, (docker, component));
            }
        }
    }

    pub(super) fn remove(&mut self, user: &User) {
        let is_entry = matches!(user, User::Entry(..));
        match user {
            User::File(follower) => self.files.retain(|other| other != follower),
            User::Sealed(follower) => self.sealed.retain(|other| other != follower),
            User::Name(follower, name) | User::Entry(follower, name) => {
                if let Some(lookups) = self.names.get_mut(name) {
                    let is_it = |of: &Lookup| of.follower == *follower && of.is_entry == is_entry;
                    lookups.retain(|lookup| !is_it(lookup));
                    if lookups.is_empty() {
                        self.names.remove(name);
                    }
                }
            }
            User::Component(glob, component) => self
                .components
                .retain(|(other, own)| (other, own) != (glob, component)),
            User::Container(docker, component) => self
                .containers
                .retain(|(other, own)| (other, own) != (docker, component)),
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        self.sealed.is_empty() && self.is_of_sealed()
    }

    /// Nobody uses it but those who have done with the file, if they do.
    pub(super) fn is_of_sealed(&self) -> bool {
        self.files.is_empty()
            && self.names.is_empty()
            && self.components.is_empty()
            && self.containers.is_empty()
    }

    /// The followers of the file called `name` in this directory.
    pub(super) fn entries<'a>(&'a self, name: &OsStr) -> impl Iterator<Item = usize> + use<'a> {
        let lookups = self.names.get(name).into_iter().flatten();
        lookups
            .filter(|lookup| lookup.is_entry)
            .map(|lookup| lookup.follower)
    }

    /// An event of what is watched itself.
    pub(super) fn tell_itself(&self, id: i32, mask: EventMask, hit: &mut dyn FnMut(Hit)) {
        for &follower in &self.files {
            hit(match mask.contains(EventMask::MODIFY) {
                true => Hit::Wrote(follower),
                false => Hit::File(follower),
            });
        }
        for &follower in &self.sealed {
            if mask.contains(EventMask::MODIFY) {
                hit(Hit::WroteLate(follower, id));
            }
        }
        for lookup in self.names.values().flatten() {
            hit(Hit::Path(lookup.follower));
        }
        for (glob, _) in &self.components {
            hit(Hit::Glob(*glob, id, None));
        }
        for (docker, _) in &self.containers {
            hit(Hit::Containers(*docker));
        }
    }

    /// Something happened to `name` in this directory: who looks it up may be led elsewhere.
    pub(super) fn tell_lookups(&self, name: &OsStr, hit: &mut dyn FnMut(Hit)) {
        for lookup in self.names.get(name).into_iter().flatten() {
            hit(match lookup.is_entry {
                true => Hit::Entry(lookup.follower),
                false => Hit::Path(lookup.follower),
            });
        }
    }

    /// The same for those who look up names that match.
    pub(super) fn tell_patterns(&self, id: i32, name: &OsStr, hit: &mut dyn FnMut(Hit)) {
        for (glob, component) in &self.components {
            if pattern::matches(component, name) {
                hit(Hit::Glob(*glob, id, Some(name.to_owned())));
            }
        }
        for (docker, component) in &self.containers {
            if pattern::matches(component, name) {
                hit(Hit::Containers(*docker));
            }
        }
    }

    /// Whether a follower wants to know what becomes of the file called `name`, which stood under its own name.
    pub(super) fn is_tracked(&self, name: &OsStr) -> bool {
        self.tracked.contains_key(name)
    }

    pub(super) fn untrack(&mut self, name: &OsStr, follower: usize) {
        if let Some(followers) = self.tracked.get_mut(name) {
            followers.retain(|other| *other != follower);
            if followers.is_empty() {
                self.tracked.remove(name);
            }
        }
    }

    /// Whether `name` is one to which the follower's file is rotated, as rotators call it: what is moved there stays its own,
    /// though somebody may follow that name, too.
    pub(super) fn rotates_to(&self, follower: usize, name: &OsStr) -> bool {
        let is_own = |own: &OsString| {
            mark::is_plain_rotated_name(own, name) && self.entries(own).any(|of| of == follower)
        };
        mark::plain_names(name).iter().any(is_own)
    }

    /// The name that the file called `name`, which is deleted now, may have got before: multilog, and what else links and
    /// then deletes, renames in two steps, of which the kernel doesn't tell that they belong together.
    fn link_of(&mut self, name: &OsStr, own: &[usize]) -> Option<OsString> {
        let link = self.made.take()?;
        let tracked = self.tracked.get(name).into_iter().flatten();
        let concerned: Vec<usize> = own.iter().chain(tracked).copied().collect();
        let may_be = mark::plain_names(&link).into_iter().any(|own| {
            mark::is_plain_rotated_name(&own, &link)
                && self.entries(&own).any(|entry| concerned.contains(&entry))
        });
        may_be.then_some(link)
    }

    /// What happened to `name` in this directory. `linked`: who holds the file whose number of links has just changed.
    #[expect(
        clippy::too_many_arguments,
        reason = "one event, and what is known of those before it"
    )]
    pub(super) fn tell_name(
        &mut self,
        id: i32,
        name: &OsStr,
        what: What,
        linked: Option<&[usize]>,
        flying: &mut HashMap<u32, (u64, Vec<Flying>)>,
        drain: u64,
        hit: &mut dyn FnMut(Hit),
    ) {
        let own: Vec<usize> = self.entries(name).collect();
        if what == What::Deleted {
            if let Some(link) = self.link_of(name, &own) {
                for (name, what) in [
                    (name, What::MovedOut(BY_LINK)),
                    (&link, What::MovedIn(BY_LINK)),
                ] {
                    self.tell_name(id, name, what, None, flying, drain, hit);
                }
                return;
            }
        }
        let mut concerned: BTreeSet<usize> = own.iter().copied().collect();
        let tracked = match what {
            What::Made | What::Linked => self.tracked.get(name).cloned(),
            What::MovedIn(_) | What::MovedOut(_) | What::Deleted => self.tracked.remove(name),
        };
        let tracked = tracked.unwrap_or_default();
        concerned.extend(&tracked);
        match what {
            What::MovedOut(cookie) if !concerned.is_empty() => {
                let leaving = concerned.iter().map(|&follower| Flying {
                    follower,
                    from_own_name: own.contains(&follower),
                });
                flying.insert(cookie, (drain, leaving.collect()));
            }
            What::MovedIn(cookie) => {
                let (_, arriving) = flying.remove(&cookie).unwrap_or_default();
                for arrived in &arriving {
                    let is_given =
                        arrived.from_own_name && !self.rotates_to(arrived.follower, name);
                    let others = own.iter().filter(|&&other| other != arrived.follower);
                    for &other in others.filter(|_| is_given) {
                        hit(Hit::HandedOver(arrived.follower, other));
                    }
                    concerned.insert(arrived.follower);
                }
                // It may be a new file as well, of a pattern that counts up. Under a followed name it is that one's from now on,
                // wherever it is moved next.
                let followers = arriving.iter().map(|arrived| arrived.follower);
                let stays = |&of: &usize| own.is_empty() || self.rotates_to(of, name);
                let followers: Vec<usize> = followers.filter(stays).collect();
                if !followers.is_empty() && cookie != BY_LINK {
                    self.tracked.insert(name.to_owned(), followers);
                }
            }
            // What was made before a followed file is no link to that one.
            What::Made => self.made = concerned.is_empty().then(|| name.to_owned()),
            What::MovedOut(_) | What::Linked | What::Deleted => {}
        }
        for follower in concerned {
            let is_link = what == What::Made && linked.is_some_and(|all| all.contains(&follower));
            let told = Told {
                directory: id,
                name: name.to_owned(),
                what: match is_link {
                    true => What::Linked,
                    false => what,
                },
            };
            hit(Hit::Told(follower, told));
        }
    }
}

fn push_new<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}
