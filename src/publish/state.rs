//! The state directory: how far each file is published to one broker, so that it goes on there after a crash.
//!
//! One text file a broker: a line that names the format, one with the name that the broker knows us by (a restart then
//! takes the old connection over, instead of having it announce `offline` later), and the id of the last acknowledged
//! place of each file, with the file's name for people. It is written anew beside itself and renamed, so it is always
//! whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::Flock;

use crate::config::publishing::Broker;
use crate::error::StartError;
use crate::limits::STATE_FILE_BYTES;
use crate::mqtt;
use crate::percent;
use crate::small_file;
use crate::source::Id;
use crate::tally::Ids;

const FORMAT: &str = "tailcast publishing 1";

/// Longest name of a state file, so that `.new` fits with it into the kernel's 255.
const NAME_BYTES: usize = 200;

/// The file in the state directory that says how far each file is published.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    client: String,
    /// Held as long as we live: two publishers would undo each other's ids.
    _lock: Flock<File>,
}

/// What a state file holds.
#[derive(Debug)]
pub(super) struct Kept {
    /// Empty where there is no file yet.
    pub(super) ids: Ids,
    /// When it was written last; `None` where there is no file yet.
    pub(super) written: Option<SystemTime>,
}

impl State {
    /// Opens, and where need be makes, the state of `broker` in `dir`. Blocks on the disk.
    pub(super) fn open(dir: &Path, broker: &Broker) -> Result<(State, Kept), StartError> {
        let shown = dir.display();
        small_file::make_directory(dir).map_err(|error| {
            let deed = format!("make the state directory {shown}");
            StartError::directory(deed, error, "--state-dir")
        })?;
        let path = dir.join(file_name(broker));
        let deed = |what: &str| format!("{what} {}", path.display());
        let lock = small_file::lock(&path.with_extension("lock")).map_err(|error| {
            let deed = format!("write in the state directory {shown}");
            StartError::directory(deed, error, "--state-dir")
        })?;
        let in_use = || {
            StartError::failed(
                deed("lock"),
                format!("another tailcast publishes to {broker} from this --state-dir"),
            )
        };
        let lock = lock.ok_or_else(in_use)?;
        let text = read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => StartError::failed(
                deed("use"),
                format!(
                    "{error}, which no state file is: move it away, and publishing begins at the end of each file \
                     (--publish-from-start: at its beginning)"
                ),
            ),
            _ => StartError::failed(deed("read"), error),
        })?;
        let (client, kept) = match text {
            None => (None, Ids::new()),
            Some(text) => {
                let (client, ids) = parse(&text).ok_or_else(|| {
                    let cause = "it is no state file of this version: remove it to begin anew";
                    StartError::failed(deed("use"), cause)
                })?;
                (Some(client), ids)
            }
        };
        let written = fs::metadata(&path).and_then(|stat| stat.modified()).ok();
        let state = State {
            path,
            client: client.unwrap_or_else(mqtt::new_client),
            _lock: lock,
        };
        let kept = Kept { ids: kept, written };
        Ok((state, kept))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Our name at the broker.
    pub(super) fn client(&self) -> &str {
        &self.client
    }

    /// Writes `ids`, so that they outlive a crash of the machine. Blocks on the disk.
    pub(super) fn save(&self, ids: &Ids) -> io::Result<()> {
        let text = written(&self.client, ids);
        small_file::replace(&self.path, &text, File::sync_all)?;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}

fn file_name(broker: &Broker) -> String {
    let mut name = percent::encode(format!("{}/{}", broker.at, broker.prefix).as_bytes());
    if name.len() > NAME_BYTES {
        let hash = crate::source::id::name_hash(&name);
        // All of it is ASCII.
        name.truncate(NAME_BYTES - 9);
        name.push_str(&format!("~{hash:08x}"));
    }
    format!("publish-{name}.state")
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let (bytes, _) = match small_file::read(path, STATE_FILE_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let text = String::from_utf8(bytes);
    Ok(Some(text.map_err(io::Error::other)?))
}

fn written(client: &str, ids: &Ids) -> String {
    let mut text = format!("{FORMAT}\nclient {client}\n");
    for (id, name) in ids.values() {
        text.push_str(&format!("{id} {name}\n"));
    }
    text
}

fn parse(text: &str) -> Option<(String, Ids)> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let client = lines.next()?.strip_prefix("client ")?;
    let is_name = !client.is_empty() && client.len() <= 23;
    if !is_name || !client.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut ids = Ids::new();
    for line in lines {
        let (id, name) = line.split_once(' ')?;
        let id = Id::parse(id)?;
        ids.insert(id.name_hash, (id, name.to_owned()));
    }
    Some((client.to_owned(), ids))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::escape::shown;
    use crate::source::id::name_hash;

    use super::*;

    fn broker(text: &str) -> Broker {
        Broker::parse(text).expect("a broker")
    }

    fn place(name: &str, offset: u64) -> (u32, (Id, String)) {
        let id = Id {
            name_hash: name_hash(name),
            inode: 7,
            offset,
            check: 0x1234,
            own: false,
        };
        (id.name_hash, (id, shown(name.as_bytes())))
    }

    #[test]
    fn what_is_saved_is_there_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().join("a/b");
        let broker = broker("mqtt://h/logs");
        let (state, kept) = State::open(&dir, &broker).expect("a new state");
        assert!(kept.ids.is_empty() && kept.written.is_none());
        let ids = Ids::from([place("a.log", 10), place("b.log", 20)]);
        state.save(&ids).expect("saved");
        let client = state.client().to_owned();
        drop(state);
        let (state, kept) = State::open(&dir, &broker).expect("the state");
        assert_eq!((state.client(), kept.ids), (client.as_str(), ids));
        assert!(kept.written.is_some());
    }

    #[test]
    fn a_state_file_that_is_too_large_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().expect("a directory");
        let broker = broker("mqtt://h/logs");
        let (state, _) = State::open(dir.path(), &broker).expect("a new state");
        let file = File::create(state.path()).expect("create");
        file.set_len(STATE_FILE_BYTES + 1).expect("ftruncate");
        drop(state);
        let error = State::open(dir.path(), &broker).expect_err("too large");
        let error = error.to_string();
        for part in ["publish-h", "move it away", "--publish-from-start"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn one_state_is_of_one_broker_and_one_publisher() {
        let dir = tempfile::tempdir().expect("a directory");
        let (one, two) = (broker("mqtt://h/logs"), broker("mqtt://h/logs/x"));
        let held = State::open(dir.path(), &one).expect("a state");
        State::open(dir.path(), &two).expect("another state");
        let error = State::open(dir.path(), &one)
            .expect_err("it is held")
            .to_string();
        assert!(error.contains("another tailcast"), "{error}");
        drop(held);
        State::open(dir.path(), &one).expect("it is free again");
    }

    #[test]
    fn a_damaged_state_is_told_and_not_thrown_away() {
        let dir = tempfile::tempdir().expect("a directory");
        let broker = broker("mqtt://h/logs");
        for text in [
            "",
            "something",
            "tailcast publishing 1\nclient a\nno-id a.log\n",
        ] {
            let path = dir.path().join(file_name(&broker));
            fs::write(&path, text).expect("write");
            let error = State::open(dir.path(), &broker)
                .expect_err("no state")
                .to_string();
            assert!(error.contains("remove it"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
        }
    }

    #[test]
    fn a_state_of_very_many_names_is_read_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let broker = broker("mqtt://h/logs");
        let name = |n: u32| format!("pods/{n:0>200}.log");
        let ids: Ids = (0..20_000).map(|n| place(&name(n), 10)).collect();
        let (state, _) = State::open(dir.path(), &broker).expect("a new state");
        state.save(&ids).expect("saved");
        drop(state);
        let (_, kept) = State::open(dir.path(), &broker).expect("the state");
        assert_eq!(kept.ids, ids);
    }

    proptest! {
        #[test]
        fn any_names_and_places_read_back(names in proptest::collection::vec(("\\PC{0,20}|[\n\r\u{0}]{1,3}", any::<u64>()), 0..9)) {
            let ids: Ids = names.iter().map(|(name, offset)| place(name, *offset)).collect();
            let (client, back) = parse(&written("me", &ids)).expect("a state");
            prop_assert_eq!(client, "me");
            prop_assert_eq!(back, ids);
        }
    }
}
