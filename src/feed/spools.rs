//! The spools of an origin that has many files, by the files' names there: another tailcast, or a broker.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::error::StartError;
use crate::hub::{Hub, Notice, Spooled};
use crate::limits::{UPSTREAM_FILES_MAX, UPSTREAM_GONE, UPSTREAM_NAME_BYTES};
use crate::outward::Reach;
use crate::source::{EventKind, Origin};

use super::spool::Spool;
use super::store::Store;

/// The file in a spool's directory that says what the origin calls the file.
const NAME_FILE: &str = "name";

/// Where spools are made, and who hears of it.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) store: Arc<Store>,
    pub(super) hub: Arc<Hub>,
    pub(super) file_bytes_max: u64,
}

/// Whose spools they are.
pub(super) struct Owner {
    /// The beginning of the keys of all its spools.
    pub(super) key: String,
    /// What stands before its files' names here.
    pub(super) prefix: String,
    /// As which FILE it was given.
    pub(super) given: PathBuf,
    pub(super) origin: Origin,
}

/// A spool, with what its feeder knows of the file that it holds.
pub(super) trait Fed: Sized {
    /// Goes on in a spool that was just opened.
    fn resume(spool: Spool) -> io::Result<Self>;

    /// Its spool.
    fn spool(&self) -> &Spool;

    /// Since when the origin has no such file, as far as it tells.
    fn gone_since(&self) -> Option<Instant>;
}

/// Why there is no spool for a file.
#[derive(Debug)]
pub(super) enum NoSpool {
    /// It has no proper name.
    Improper,
    /// There are too many.
    Full,
    /// The disk says so.
    Failed(io::Error),
}

/// The spools of one origin.
pub(super) struct Spools<F> {
    ground: Ground,
    owner: Owner,
    files: HashMap<String, F>,
}

impl<F: Fed> Spools<F> {
    /// Opens those that another run has left. Blocks on the disk.
    pub(super) fn open(ground: Ground, owner: Owner) -> Result<Spools<F>, StartError> {
        let mut spools = Spools {
            ground,
            owner,
            files: HashMap::new(),
        };
        for directory in spools.ground.store.directories_of(&spools.owner.key) {
            // A directory without its name was made a moment before a crash.
            let Ok(name) = fs::read_to_string(directory.join(NAME_FILE)) else {
                continue;
            };
            spools.add(&name).map_err(|error| {
                StartError::failed(format!("open the spool {}", directory.display()), error)
            })?;
        }
        Ok(spools)
    }

    /// The beginning of the keys of them all.
    pub(super) fn key(&self) -> &str {
        &self.owner.key
    }

    /// Each as it is followed.
    pub(super) fn all(&self) -> Vec<Spooled> {
        let files = self.files.values();
        files.map(|fed| self.spooled(fed)).collect()
    }

    /// The spool of a file, made where there is none.
    pub(super) fn of(&mut self, name: &str) -> Result<&mut F, NoSpool> {
        if !self.files.contains_key(name) {
            self.take_in(name)?;
        }
        self.files.get_mut(name).ok_or(NoSpool::Full)
    }

    /// What is known of each file.
    pub(super) fn values(&self) -> impl Iterator<Item = &F> {
        self.files.values()
    }

    /// The same, to change it.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.files.values_mut()
    }

    /// Tells that something happened in all files of whose names `is_one_of` is true.
    pub(super) fn tell(&self, kind: &EventKind, is_one_of: impl Fn(&str) -> bool) {
        for (name, fed) in &self.files {
            if is_one_of(name) {
                fed.spool().tell(kind.clone());
            }
        }
    }

    /// The origin can't be reached: told to all files, where that is news.
    pub(super) fn is_away(&self, reach: &mut Reach, reason: &str, is_refusal: bool) {
        if reach.is_away(reason, is_refusal) {
            let reason = reason.to_owned().into();
            self.tell(&EventKind::Away { reason }, |_| true);
        }
    }

    fn take_in(&mut self, name: &str) -> Result<(), NoSpool> {
        if name.is_empty() || name.len() > UPSTREAM_NAME_BYTES || name.contains(char::is_control) {
            return Err(NoSpool::Improper);
        }
        if self.files.len() >= UPSTREAM_FILES_MAX && !self.makes_room() {
            return Err(NoSpool::Full);
        }
        self.add(name).map_err(NoSpool::Failed)?;
        if let Some(fed) = self.files.get(name) {
            let spooled = self.spooled(fed);
            self.ground.hub.notify(Notice::New(spooled));
        }
        Ok(())
    }

    /// Lets go of the file that the origin has not had for longest, so that names which come and go there don't fill us
    /// up. False where there is none that has been gone for a while.
    fn makes_room(&mut self) -> bool {
        let since = |fed: &F| {
            fed.gone_since()
                .filter(|since| since.elapsed() >= UPSTREAM_GONE)
        };
        let gone = self
            .files
            .iter()
            .filter_map(|(name, fed)| Some((since(fed)?, name)));
        let Some((_, name)) = gone.min() else {
            return false;
        };
        let name = name.clone();
        let Some(fed) = self.files.remove(&name) else {
            return false;
        };
        let path = fed.spool().path().to_owned();
        log::info!(
            "{}{name} is forgotten: it is gone, and others need its place",
            self.owner.prefix
        );
        if let Some(directory) = path.parent() {
            if let Err(error) = fs::remove_dir_all(directory) {
                log::warn!("remove the spool {}: {error}", directory.display());
            }
        }
        self.ground.hub.notify(Notice::Gone(path));
        true
    }

    fn add(&mut self, name: &str) -> io::Result<()> {
        let key = format!("{}{name}", self.owner.key);
        let directory = self.ground.store.make_directory(&key)?;
        let name_file = directory.join(NAME_FILE);
        if !name_file.exists() {
            fs::write(name_file, name)?;
        }
        let shown = format!("{}{name}", self.owner.prefix);
        let Ground {
            hub,
            file_bytes_max,
            ..
        } = &self.ground;
        let spool = Spool::open(&directory, *file_bytes_max, shown, hub)?;
        self.files.insert(name.to_owned(), F::resume(spool)?);
        Ok(())
    }

    fn spooled(&self, fed: &F) -> Spooled {
        let Owner { given, origin, .. } = &self.owner;
        fed.spool().spooled(given.clone(), *origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A file that is gone or there as a test wants it.
    struct File(Spool, Option<Instant>);

    impl Fed for File {
        fn resume(spool: Spool) -> io::Result<File> {
            Ok(File(spool, None))
        }

        fn spool(&self) -> &Spool {
            &self.0
        }

        fn gone_since(&self) -> Option<Instant> {
            self.1
        }
    }

    fn spools(place: &tempfile::TempDir) -> Spools<File> {
        let ground = Ground {
            store: Arc::new(Store::open(Some(place.path())).expect("a store")),
            hub: Arc::new(Hub::new(1 << 20).expect("a hub")),
            file_bytes_max: 1 << 20,
        };
        let owner = Owner {
            key: "upstream x ".to_owned(),
            prefix: "web1/".to_owned(),
            given: PathBuf::from("web1=http://h/"),
            origin: Origin::Upstream,
        };
        Spools::open(ground, owner).expect("spools")
    }

    #[test]
    fn a_file_that_has_been_gone_for_longest_makes_room_for_a_new_one() {
        let place = tempfile::tempdir().expect("a directory");
        let mut spools = spools(&place);
        for n in 0..UPSTREAM_FILES_MAX {
            spools.of(&n.to_string()).expect("room");
        }
        let refused = spools.of("new").map(drop);
        assert!(matches!(refused, Err(NoSpool::Full)));
        let ago =
            |seconds| Instant::now().checked_sub(UPSTREAM_GONE + Duration::from_secs(seconds));
        spools.of("7").expect("it is there").1 = ago(9);
        spools.of("8").expect("it is there").1 = ago(99);
        spools.of("9").expect("it is there").1 = Some(Instant::now());
        let gone = spools
            .of("8")
            .expect("it is there")
            .spool()
            .path()
            .to_owned();
        spools.ground.hub.notices.take();
        spools.of("new").expect("room");
        let told = spools.ground.hub.notices.take();
        let [Notice::Gone(path), Notice::New(new)] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((path, new.name.as_str()), (&gone, "web1/new"));
        assert!(!gone.exists() && !spools.files.contains_key("8"));
        spools.of("newer").expect("room");
        assert!(matches!(spools.of("newest").map(drop), Err(NoSpool::Full)));
    }

    #[test]
    fn a_name_that_no_file_has_is_refused() {
        let place = tempfile::tempdir().expect("a directory");
        let mut spools = spools(&place);
        let long = "x".repeat(UPSTREAM_NAME_BYTES + 1);
        for name in ["", "a\nb", "\u{1b}[2J", &long] {
            assert!(
                matches!(spools.of(name).map(drop), Err(NoSpool::Improper)),
                "{name}"
            );
        }
    }

    #[test]
    fn files_of_another_run_are_there_by_their_names() {
        let place = tempfile::tempdir().expect("a directory");
        let long = "x".repeat(500);
        for _ in 0..2 {
            let mut spools = spools(&place);
            spools.of("a/b").expect("room");
            spools.of(&long).expect("room");
        }
        let mut names: Vec<String> = spools(&place)
            .all()
            .into_iter()
            .map(|one| one.name)
            .collect();
        names.sort();
        assert_eq!(names, ["web1/a/b".to_owned(), format!("web1/{long}")]);
    }
}
